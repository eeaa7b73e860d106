#!/usr/bin/env python3
"""The broker is stopped and started while the worker runs: calls go on meanwhile, and every job ends once.

A private RabbitMQ node is used; jobs are published before, between and after the outages.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import pika

from harness import Site, check, check_books, main, until

PREFIX = "paceline-outage"
RABBITMQ = pathlib.Path(__file__).with_name("rabbitmq")


class Node:
    """A private RabbitMQ node that can be taken away and brought back."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.url = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._do("stop")

    def start(self):
        self.url = self._do("start").strip()

    def halt(self):
        self._do("halt")

    def connect(self):
        return pika.BlockingConnection(pika.URLParameters(self.url))

    def _do(self, what):
        done = subprocess.run([RABBITMQ, what, self.folder], stdout=subprocess.PIPE, text=True, timeout=180)
        check(done.returncode == 0, f"scripts/rabbitmq {what} ended with {done.returncode}")
        return done.stdout


def calendar(number):
    job_id = f"outage-{number}"
    body = {"summary": job_id, "description": f"calendar {number}"}
    return {"id": job_id, "method": "feishu.calendar.create", "app": "acme", "body": body}


def publish(node, numbers):
    connection = node.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for number in numbers:
        body = json.dumps(calendar(number)).encode()
        channel.basic_publish("", f"{PREFIX}.jobs", body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    connection.close()


def results(node, wanted):
    """Reads the results queue until every wanted id is there; ids may come twice, for publishing is at least once."""
    connection = node.connect()
    channel = connection.channel()
    seen = set()

    def all_there():
        while True:
            method, _, body = channel.basic_get(f"{PREFIX}.results", auto_ack=True)
            if method is None:
                return wanted <= seen
            document = json.loads(body)
            check(document["status"] == "succeeded", f"{document['id']} ended as {document['status']}")
            seen.add(document["id"])

    until(all_there, 180, f"{len(wanted)} results")
    connection.close()
    check(seen == wanted, f"results of jobs that nobody published: {sorted(seen - wanted)[:3]}")


def worker_is_up(node):
    def declared():
        try:
            connection = node.connect()
            connection.channel().queue_declare(f"{PREFIX}.jobs", passive=True)
            connection.close()
            return True
        except pika.exceptions.AMQPError:
            return False

    until(declared, 60, "the worker to declare its queues")


def trial(arguments):
    with tempfile.TemporaryDirectory(prefix="paceline-outage-") as folder:
        folder = pathlib.Path(folder)
        site_folder = folder / "site"
        site_folder.mkdir()
        with Node(folder / "node") as node, Site(arguments.binary, site_folder, node.url, PREFIX) as site:
            worker = site.start_worker("work")
            worker_is_up(node)
            published = 0
            for _ in range(arguments.outages):
                publish(node, range(published, published + 150))
                published += 150
                # The outage falls into the flow: some calls are in flight, some results not yet confirmed.
                until(lambda: site.counts()["succeeded"] > published - 120, 60, "calls to flow")
                node.halt()
                before = site.counts()["succeeded"]
                until(lambda: site.counts()["succeeded"] in (published, before + 30) or site.counts()["succeeded"] > before,
                      60, "calls to go on without the broker")
                check(worker.poll() is None, "the worker ended with its broker")
                node.start()
            publish(node, range(published, published + 50))
            published += 50
            results(node, {f"outage-{number}" for number in range(published)})
            code = site.stop_worker()
            check(code == 0, f"the worker ended with {code} after SIGTERM")
            connection = node.connect()
            left = connection.channel().queue_declare(f"{PREFIX}.jobs", passive=True).method.message_count
            connection.close()
            check(left == 0, f"{left} messages are left in the jobs queue, or were never acked")
            check_books(site.books(), {"feishu.calendar.create": published})
    print(f"{published} jobs over {arguments.outages} outages of RabbitMQ: each created once, each result published; "
          "0 duplicates, 0 refusals, queue empty")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/paceline")
    parser.add_argument("--outages", type=int, default=2)
    given = parser.parse_args()
    sys.exit(main(lambda: trial(given)))
