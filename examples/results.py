#!/usr/bin/env python3
"""Consumes results: results.py [AMQP_URL [QUEUE [COUNT]]]. Needs pika (Debian: python3-pika).

Results come at least once, so what is done with one is done under its id. A message is acked after that and not before.
"""

import json
import sys

import pika

url = sys.argv[1] if len(sys.argv) > 1 else "amqp://guest:guest@127.0.0.1:5672/%2f"
queue = sys.argv[2] if len(sys.argv) > 2 else "paceline.results"
left = int(sys.argv[3]) if len(sys.argv) > 3 else None  # ends after so many

connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.basic_qos(prefetch_count=100)
seen = set()  # a program that is started again keeps this in its database
for delivery, _, body in channel.consume(queue):
    result = json.loads(body)
    if result["id"] not in seen:
        seen.add(result["id"])
        warnings = "; ".join(warning["message"] for warning in result.get("warnings", []))
        print(result["id"], result.get("key", ""), warnings, sep="\t", flush=True)
    channel.basic_ack(delivery.delivery_tag)
    if left is not None and len(seen) >= left:
        break
channel.cancel()
connection.close()
