"""A private RabbitMQ node that can be halted by a test, and queues as the worker declares them."""

import contextlib
import pathlib
import subprocess

import pika

from harness import check

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

    def control(self, *arguments):
        """Runs a `rabbitmqctl` command on the node."""
        return self._do("ctl", *arguments)

    def connect(self):
        return connect(self.url)

    def _do(self, what, *arguments):
        done = subprocess.run([RABBITMQ, what, self.folder, *arguments], stdout=subprocess.PIPE, text=True, timeout=180)
        check(done.returncode == 0, f"scripts/rabbitmq {' '.join([what, *arguments])} ended with {done.returncode}")
        return done.stdout


def connect(url):
    parameters = pika.URLParameters(url)
    # Nothing answers heartbeats while a worker is waited for.
    parameters.heartbeat = 0
    return pika.BlockingConnection(parameters)


@contextlib.contextmanager
def queues(url, prefix):
    """A channel that confirms, beside a worker's queues, which go with it."""
    connection = connect(url)
    channel = connection.channel()
    channel.confirm_delivery()
    names = [f"{prefix}.{name}" for name in ("jobs", "results", "dead")]
    for name in names:
        declare(channel, name)
    try:
        yield channel
    finally:
        for name in names:
            channel.queue_delete(name)
        channel.exchange_delete(f"{prefix}.results")
        connection.close()


def declare(channel, queue):
    """A durable quorum queue, as the worker declares it."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})


def drain(channel, queue):
    """Takes everything out of a queue: properties and bodies."""
    taken = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return taken
        taken.append((properties, body))
