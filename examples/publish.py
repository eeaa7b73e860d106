#!/usr/bin/env python3
"""Publishes one job with a confirm: publish.py [AMQP_URL]. Needs pika (Debian: python3-pika)."""

import json
import sys

import pika

url = sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@127.0.0.1:5672/%2f"
job = {"id": "dept-finance-2031", "method": "feishu.calendar.create", "app": "acme", "body": {"summary": "Finance 财务部"}}

connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()  # from here on basic_publish raises unless the broker took the message
channel.basic_publish("", "paceline.jobs", json.dumps(job), pika.BasicProperties(delivery_mode=2), mandatory=True)
connection.close()
print(f"published {job['id']}")
