#!/usr/bin/env python3
"""Publishes 500 jobs without waiting for each confirm: publish_many.py [AMQP_URL [QUEUE]]. Needs pika.

The broker confirms in its own time, several at once; what it refuses or returns is named. Publishing the same ids again
does no harm.
"""

import json
import sys

import pika

url = sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@127.0.0.1:5672/%2f"
queue = sys.argv[2] if len(sys.argv) > 2 else "paceline.jobs"
jobs = [
    {"id": f"class-{number}-2031", "method": "feishu.calendar.create", "app": "acme", "batch": "classes-2031",
     "body": {"summary": f"Class {number} 班级"}}
    for number in range(500)
]
in_flight = {}  # delivery tag: job id
lost = []


def confirmed(frame):
    first = min(in_flight, default=0) if frame.method.multiple else frame.method.delivery_tag
    for tag in range(first, frame.method.delivery_tag + 1):
        job = in_flight.pop(tag, None)
        if job and isinstance(frame.method, pika.spec.Basic.Nack):
            lost.append(job)
    if not in_flight:
        connection.close()


def publish(channel):
    channel.confirm_delivery(confirmed)
    channel.add_on_return_callback(lambda _channel, method, properties, body: lost.append(properties.message_id))
    for tag, job in enumerate(jobs, start=1):
        in_flight[tag] = job["id"]
        properties = pika.BasicProperties(delivery_mode=2, message_id=job["id"])
        channel.basic_publish("", queue, json.dumps(job), properties, mandatory=True)


connection = pika.SelectConnection(
    pika.URLParameters(url),
    on_open_callback=lambda opened: opened.channel(on_open_callback=publish),
    on_close_callback=lambda closed, _reason: closed.ioloop.stop(),
)
connection.ioloop.start()
lost += in_flight.values()  # the connection broke before their confirms came
if lost:
    names = sorted(set(lost))
    sys.exit(f"{len(names)} of {len(jobs)} jobs were not published, such as {names[0]}; publish the same ids again")
print(f"published {len(jobs)} jobs")
