#!/usr/bin/env python3
"""A private RabbitMQ is halted, killed, frozen, starved, cut off and fed oddly while jobs flow, and then the sums are done.

    scripts/broker_harness.py --binary target/debug/paceline [--only NAME]... [--hold 10]

One worker lives through all of it and reaches the broker through a proxy. Every trouble begins while jobs flow and lasts
`--hold` seconds, or until the worker has noticed it. Calls have to go on meanwhile. In the end each job was created once,
each result was published at least once with its id, every message that was no job is a dead letter, no queue holds anything
more, and nothing was refused for its pace. The jobs queue has a delivery limit of 20, as RabbitMQ 4 gives it.
"""

import collections
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time
from urllib.parse import urlsplit

import pika

from harness import Site, check, check_books, main, until
from node import Node, Raw, declare, declare_full, drain, let_pika_send_raw, limit_deliveries
from proxy import Proxy

PREFIX = "trouble"
CALENDAR = "feishu.calendar.create"
HEARTBEAT_S = 4
FLOW = 120
LARGE_BODIES, LARGE_BYTES = 12, 16_000_000
# Resident, of a worker that holds 16 MiB of messages at a time.
MEMORY_MAX_KB = 300_000
# Both windows are short, so that jobs flow for some seconds whenever a trouble begins.
QUOTA = f'"{CALENDAR}" = "150/5s, 30/s"\n'
SETTINGS = f"[apps.acme.quotas]\n{QUOTA}"
SCENARIO = f'title = "A good day"\n[latency]\nbefore = {{ kind = "fixed", ms = 20 }}\nafter = {{ kind = "fixed", ms = 20 }}\n[quotas]\n{QUOTA}'


def is_taken(channel, body):
    """Publishes a job; whether the broker confirmed it. A quorum queue without a leader refuses, and a publisher comes again."""
    try:
        channel.basic_publish("", f"{PREFIX}.jobs", body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    except pika.exceptions.NackError:
        return False
    return True


class Trial:
    """One worker, one broker, and everybody around them."""

    def __init__(self, site, node, proxy, hold_s):
        self.site, self.node, self.proxy, self.hold_s = site, node, proxy, hold_s
        self.published = 0
        self.results = {}
        self.repeated = 0
        self.bad, self.letters = 0, 0

    def publish(self, count):
        """Publishes new jobs with confirms, past the proxy."""
        connection = self.node.connect()
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, f"{PREFIX}.jobs")
        for _ in range(count):
            name = f"trouble-{self.published}"
            each = {"id": name, "method": CALENDAR, "app": "acme", "body": {"summary": name, "description": name}}
            until(lambda: is_taken(channel, json.dumps(each).encode()), 20, f"the broker to take {name}")
            self.published += 1
        connection.close()

    def publish_bad(self, bodies, **properties):
        """Publishes what has to become a dead letter, for its properties or for its length."""
        connection = self.node.connect()
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", f"{PREFIX}.jobs", body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)
            self.bad += 1
        connection.close()

    def collect_dead(self):
        """Takes what lies in the dead-letter queue; says whether everything bad is there."""
        connection = self.node.connect()
        for properties, _ in drain(connection.channel(), f"{PREFIX}.dead"):
            reason = properties.headers["x-paceline-reason"]
            check(reason == "malformed", f"a dead letter with reason {reason}")
            self.letters += 1
        connection.close()
        return self.letters == self.bad

    def created(self):
        return self.site.books()["created"]

    def collect(self):
        """Takes what lies in the results queue; says whether every job has its result."""
        connection = self.node.connect()
        channel = connection.channel()
        while True:
            method, _, body = channel.basic_get(f"{PREFIX}.results", auto_ack=True)
            if method is None:
                break
            document = json.loads(body)
            self.repeated += document["id"] in self.results
            check(document["status"] == "succeeded", f"{document['id']} ended as {document['status']}")
            key = self.results.setdefault(document["id"], document["key"])
            check(key == document["key"], f"{document['id']} came again with another key")
        connection.close()
        return len(self.results) == self.published

    def settle(self):
        until(self.collect, 120, "a result for every job")

    def flow(self):
        """Jobs enough for some seconds; returns when the first of them are called and all are taken over."""
        before = self.created()
        self.publish(FLOW)
        until(lambda: self.created() > before + 5 and self.site.counts()["total"] == self.published + self.bad, 60, "jobs to flow")

    def alarm(self, *arguments):
        """Raises an alarm while jobs lie ready, then lets them flow: RabbitMQ tells of it when a connection publishes."""
        code, _ = self.site.run("suspend", "acme")
        check(code == 0, f"'paceline suspend' ended with {code}")
        self.publish(FLOW)
        until(lambda: self.site.counts()["total"] == self.published + self.bad, 60, "jobs to be taken over")
        self.node.control(*arguments)
        code, _ = self.site.run("resume", "acme")
        check(code == 0, f"'paceline resume' ended with {code}")
        self.notices("blocked by RabbitMQ")

    def calls_go_on(self):
        """Everything taken over is called, whatever the broker does."""
        until(lambda: self.created() == self.published, 60, "calls to go on without the broker")

    def says(self, words):
        """Whether the worker has written that since the trouble began."""
        return words in (self.site.folder / "worker.log").read_text(errors="replace")[self.mark:]

    def notices(self, words):
        until(lambda: self.says(words), 60, f"the worker to say {words!r}")

    def comes_again(self):
        """Whether it lost its connection is seen from outside: a link that keeps breaking is logged once, not each time."""
        until(lambda: self.proxy.accepted > self.accepted, 60, "the worker to connect again")

    def begin(self):
        self.mark = len((self.site.folder / "worker.log").read_text(errors="replace"))
        self.accepted = self.proxy.accepted

    def wait(self):
        time.sleep(self.hold_s)


def halted(trial):
    """Stopped as an operator would, and started again."""
    trial.flow()
    trial.node.halt()
    trial.calls_go_on()
    trial.wait()
    trial.node.start()


def killed(trial):
    """SIGKILL to the Erlang VM, as a power cut would."""
    trial.flow()
    trial.node.kill()
    trial.calls_go_on()
    trial.wait()
    trial.node.start()


def frozen(trial):
    """SIGSTOP for longer than two heartbeats: sockets stay open, nobody answers."""
    trial.flow()
    trial.node.signal(signal.SIGSTOP)
    try:
        trial.calls_go_on()
        trial.comes_again()
        trial.wait()
    finally:
        trial.node.signal(signal.SIGCONT)


def cut(trial):
    """Connections reset in the middle of a frame, five times."""
    for _ in range(5):
        trial.flow()
        trial.begin()
        trial.proxy.cut_mid_frame()
        trial.comes_again()
    trial.calls_go_on()


def swallowed(trial):
    """A network that drops everything without a word: heartbeats are lost."""
    trial.flow()
    trial.proxy.swallows = True
    trial.calls_go_on()
    trial.comes_again()
    trial.wait()
    trial.proxy.swallows = False
    trial.proxy.cut()


def out_of_memory(trial):
    """The memory alarm: connection.blocked."""
    trial.alarm("set_vm_memory_high_watermark", "0.00001")
    trial.calls_go_on()
    trial.wait()
    trial.node.control("set_vm_memory_high_watermark", "0.4")


def out_of_disk(trial):
    """The disk alarm: connection.blocked."""
    trial.alarm("set_disk_free_limit", "900000GB")
    trial.calls_go_on()
    trial.wait()
    trial.node.control("set_disk_free_limit", "50MB")


def results_full(trial):
    """The results queue refuses what is over its length: everything waits in the outbox."""
    policy = '{"max-length": 3, "overflow": "reject-publish"}'
    trial.node.control("set_policy", "--apply-to", "queues", "short", f"^{PREFIX}.results$", policy)
    trial.flow()
    trial.notices("the queue is full")
    trial.calls_go_on()
    trial.wait()
    trial.node.control("clear_policy", "short")


def poison(trial):
    """Messages whose properties are not UTF-8, with good ones behind each."""
    for number in range(3):
        job = {"id": f"poison-{trial.bad}", "method": CALENDAR, "app": "acme", "body": {"summary": "poison"}}
        trial.publish_bad([json.dumps(job).encode()], app_id=Raw("会议".encode("gbk")))
        trial.publish(FLOW // 3)
    trial.calls_go_on()
    until(trial.collect_dead, 60, "a dead letter for each of them")


def oversized(trial):
    """Bodies of 16 MB, together far more than the worker may hold."""
    trial.publish_bad(b'{"id":"%d","meta":"' % number + b"y" * LARGE_BYTES + b'"}' for number in range(LARGE_BODIES))
    trial.flow()
    trial.calls_go_on()
    until(trial.collect_dead, 60, "a dead letter for each of them")
    status = pathlib.Path(f"/proc/{trial.site.worker.pid}/status").read_text()
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    check(peak_kb < MEMORY_MAX_KB, f"the worker took {peak_kb} KB for messages of {LARGE_BYTES} bytes")


def subscriber_full(trial):
    """A queue that somebody else has bound to the results exchange is full and refuses."""
    connection = trial.node.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    declare_full(channel, f"{PREFIX}.full")
    declare(channel, f"{PREFIX}.copy")
    for queue in ("full", "copy"):
        channel.queue_bind(f"{PREFIX}.{queue}", f"{PREFIX}.results", "*.*.*.#")
    repeated, known, copies = trial.repeated, set(trial.results), collections.Counter()
    trial.flow()
    trial.notices("it refuses results because it is full")
    trial.calls_go_on()
    trial.wait()
    trial.settle()
    wanted = set(trial.results) - known

    def copied():
        copies.update(json.loads(body)["id"] for _, body in drain(channel, f"{PREFIX}.copy"))
        return set(copies) == wanted

    until(copied, 60, "each result in the other subscriber's queue")
    check(trial.repeated == repeated, f"{trial.repeated - repeated} results came again to the results queue")
    check(max(copies.values()) <= 2, f"the other subscriber got results again and again: {copies.most_common(3)}")
    for queue in ("full", "copy"):
        channel.queue_delete(f"{PREFIX}.{queue}")
    connection.close()


def jobs_queue_deleted(trial):
    """The jobs queue deleted under the consumer, when nothing lies in it."""
    trial.flow()
    delete(trial, lambda channel: channel.queue_delete(f"{PREFIX}.jobs"))
    trial.notices("was deleted or moved")
    trial.publish(20)


def exchange_deleted(trial):
    """The results exchange deleted while results are published."""
    trial.flow()
    delete(trial, lambda channel: channel.exchange_delete(f"{PREFIX}.results"))


def results_queue_deleted(trial):
    """The results queue deleted, when nothing lies in it: what comes next has nowhere to go until it is declared again."""
    trial.settle()
    delete(trial, lambda channel: channel.queue_delete(f"{PREFIX}.results"))
    trial.publish(FLOW)
    trial.calls_go_on()
    trial.notices("it will be declared again")


def delete(trial, what):
    connection = trial.node.connect()
    what(connection.channel())
    connection.close()


TROUBLES = [halted, killed, frozen, cut, swallowed, out_of_memory, out_of_disk, results_full, poison, oversized,
            subscriber_full, jobs_queue_deleted, exchange_deleted, results_queue_deleted]


def finish(trial):
    """The sums, when the worker has gone."""
    code = trial.site.stop_worker()
    check(code == 0, f"the worker ended with {code} after SIGTERM")
    check(trial.collect_dead(), f"{trial.letters} dead letters of {trial.bad} messages that were no jobs")
    connection = trial.node.connect()
    for name in ("jobs", "results", "dead"):
        left = connection.channel().queue_declare(f"{PREFIX}.{name}", passive=True).method.message_count
        check(left == 0, f"{left} messages are left in {PREFIX}.{name}")
    connection.close()
    objects = {each["key"]: json.loads(each["identity"])[0] for each in trial.site.simulator_says("objects")}
    owned = {key: job_id for job_id, key in trial.results.items()}
    check(objects == owned, f"the results and what was created differ: {sorted(set(objects.items()) ^ set(owned.items()))[:3]}")
    check_books(trial.site.books(), {CALENDAR: trial.published})
    code, text = trial.site.run("audit", "--json")
    check(code == 0, f"'paceline audit' ended with {code}: {text}")


def carry_out(arguments):
    troubles = [each for each in TROUBLES if not arguments.only or each.__name__ in arguments.only]
    with tempfile.TemporaryDirectory(prefix="paceline-broker-") as folder:
        folder = pathlib.Path(folder)
        (folder / "site").mkdir()
        scenario = folder / "scenario.toml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        simulate = ("--scenario", str(scenario))
        let_pika_send_raw()
        with Node(folder / "node") as node:
            limit_deliveries(node, f"{PREFIX}.jobs")
            proxy = Proxy(urlsplit(node.url).port)
            url = node.url.replace(str(urlsplit(node.url).port), str(proxy.port)) + f"?heartbeat={HEARTBEAT_S}"
            with Site(arguments.binary, folder / "site", url, PREFIX, more=SETTINGS, simulate=simulate) as site:
                trial = Trial(site, node, proxy, arguments.hold)
                worker = site.start_worker("work")
                trial.begin()
                trial.notices("connected to RabbitMQ")
                for trouble in troubles:
                    started_s = time.monotonic()
                    trial.begin()
                    trouble(trial)
                    trial.publish(10)
                    trial.settle()
                    check(worker.poll() is None, f"the worker ended: {worker.returncode}")
                    print(f"{trouble.__name__}: {trouble.__doc__.splitlines()[0]} {time.monotonic() - started_s:.0f} s", flush=True)
                finish(trial)
            proxy.close()
    print(f"{trial.published} jobs through {len(troubles)} troubles: each created once, each result published with its id "
          f"({trial.repeated} of them again); {trial.bad} messages that were no jobs, each a dead letter; 0 refusals, queues empty, "
          f"audit clean")


if __name__ == "__main__":
    # A thread of the proxy that fails must be seen.
    threading.excepthook = lambda failure: print(f"proxy: {failure.exc_value!r}", file=sys.stderr)
    only = {"action": "append", "choices": [each.__name__ for each in TROUBLES], "help": "these alone"}
    main(carry_out, __doc__, ("--only", only),
         ("--hold", {"type": float, "default": 10, "help": "seconds that a trouble lasts at least"}))
