"""A private RabbitMQ node that can be halted, killed, frozen and starved by a test."""

import contextlib
import os
import pathlib
import signal
import struct
import subprocess

import pika
import pika.data

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

    def kill(self):
        """SIGKILL to the Erlang VM, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._do("halt")

    def signal(self, number):
        os.kill(int((pathlib.Path(self.folder) / "pid").read_text()), number)

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


class Raw(bytes):
    """A property that is not UTF-8, as some C and Delphi clients send it."""


def let_pika_send_raw():
    """pika itself encodes texts alone."""
    usual = pika.data.encode_short_string

    def encode(pieces, value):
        if isinstance(value, Raw):
            pieces.append(struct.pack("B", len(value)) + bytes(value))
            return 1 + len(value)
        return usual(pieces, value)

    pika.data.encode_short_string = encode


def limit_deliveries(node, queue):
    """What RabbitMQ 4 does by itself: a message that was handed out so often without an ack is dropped."""
    node.control("set_policy", "--apply-to", "queues", f"limit-{queue}", f"^{queue}$", '{"delivery-limit": 20}')


def declare_full(channel, queue):
    """A queue that refuses every further message; the channel confirms."""
    declare(channel, queue, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    while True:
        try:
            channel.basic_publish("", queue, b"stuffing", mandatory=True)
        except pika.exceptions.NackError:
            return


def declare(channel, queue, **arguments):
    """A durable quorum queue, as the worker declares it."""
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **arguments})


def drain(channel, queue):
    """Takes everything out of a queue: properties and bodies."""
    taken = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return taken
        taken.append((properties, body))
