#!/usr/bin/env python3
"""A long stream of jobs over AMQP through one worker on a platform with faults: its memory and its ledger's size over time.

    cargo build --release
    $(scripts/python) scripts/soak.py --binary target/release/paceline --jobs 200000

Starts a RabbitMQ node, a simulator and a worker of its own. Single jobs of four methods and chains that use ten come in waves,
so that the backlog stays the same; what is published is taken away. Prints a line for each tenth: jobs ended, the worker's resident memory, the
ledger's bytes. Holds if the memory of the last tenth is within a quarter of the third tenth's, and the simulator's books and
the audit agree as ever. Days of it, and the ledger forgetting, are `tests/suite/soak.rs` in virtual time.
"""

import json
import itertools
import pathlib
import tempfile
import time

import pika

from crash_chains import BOOKING, EVENT, LEVEL, PEOPLE, RULES, SEMINAR_ROOM, chain
from crash_world import CALENDAR, MEETING, MINUTES, ROOM, job
from harness import Site, check, main, until
from node import Node, declare

PREFIX = "soak"
WAVE = 2_000
BACKLOG_MAX = 6_000
QUOTAS = {ROOM: "400/10s, 40/s", CALENDAR: "1200/10s, 120/s", MEETING: "2400/10s, 240/s", MINUTES: "10000/10s, 1000/s",
          **dict.fromkeys((EVENT, PEOPLE, LEVEL, RULES), "400/10s, 40/s"), **dict.fromkeys((SEMINAR_ROOM, BOOKING), "2400/10s, 240/s")}
SETTINGS = """
[apps.acme.quotas]
{acme}
[apps.campus.quotas]
{campus}
[engine]
backoff_initial_ms = 100
backoff_max_ms = 2000
"""
# Without look-ups that grow with every object: what is cut has no answer to look for and is held (minutes), or is refused.
SCENARIO = """
title = "A long bad day"
seed = 11
[latency]
before = {{ kind = "pareto", ms = 5, shape = 1.5, max_ms = 500 }}
after = {{ kind = "pareto", ms = 5, shape = 1.5, max_ms = 500 }}
[listing]
page_max = 500
[quotas]
{quotas}
"""
FAULTS = [("feishu.calendar.event.*", "cut-after", 0.002, ""), ("feishu.calendar.event.*", "late", 0.001, "late_ms = 3000"), ("*", "refuse", 0.01, ""),
          ("feishu.*.create", "throttle", 0.0005, ""), ("feishu.calendar.*", "code", 0.01, "code = 190010"),
          ("wecom.meeting.create", "code", 0.01, "code = 45033"), ("wecom.meeting.create", "code", 0.01, "code = 400306"),
          ("feishu.calendar.event.*", "code", 0.01, "code = 190003"), ("wecom.meeting.create", "cut-before", 0.0005, "")]


def method_of(number):
    """Mostly minutes; few meetings, because a WeCom app may create 10,000 a day; a few rooms."""
    part = number % 100
    return MINUTES if part < 84 else MEETING if part < 88 else CALENDAR if part < 98 else ROOM


def stream():
    """Jobs without an end: of each hundred singles the last ones are a chain."""
    for hundred in itertools.count():
        yield from (job(method_of(number), number, "amqp") for number in range(100 * hundred, 100 * hundred + 95))
        yield from chain(hundred, "amqp")


class Trial:
    def __init__(self, site, node, jobs):
        self.site, self.node, self.jobs = site, node, jobs
        self.published, self.results, self.dead = 0, 0, 0
        self.stream = stream()

    def publish(self, channel):
        for each in itertools.islice(self.stream, min(WAVE, self.jobs - self.published)):
            each["batch"] = f"wave-{self.published // 4000}"
            channel.basic_publish("", f"{PREFIX}.jobs", json.dumps(each).encode(), pika.BasicProperties(delivery_mode=2))
            self.published += 1

    def take_away(self, channel):
        """What was published is nobody's: only its number counts."""
        for queue in ("results", "dead"):
            count = channel.queue_purge(f"{PREFIX}.{queue}").method.message_count
            setattr(self, queue, getattr(self, queue) + count)

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.site.worker.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def ledger(self):
        return sum(path.stat().st_size for path in self.site.folder.glob("paceline.db*"))

    def run(self):
        connection = self.node.connect()
        channel = connection.channel()
        for queue in ("jobs", "results", "dead"):
            until(lambda queue=queue: self.is_there(queue), 30, f"the queue {queue}")
        started_s, tenths = time.monotonic(), []
        while len(tenths) < 10:
            counts = self.site.counts()
            ended = counts["total"] - counts["queued"] - counts["uncertain"] - counts["blocked"]
            if self.published < self.jobs and self.published - ended < BACKLOG_MAX:
                self.publish(channel)
            self.take_away(channel)
            if ended * 10 >= self.jobs * (len(tenths) + 1):
                tenths.append(self.memory())
                print(f"{ended:>8,} ended after {time.monotonic() - started_s:>5.0f} s: {tenths[-1] / 1e6:6.1f} MB resident, "
                      f"ledger {self.ledger() / 1e6:6.1f} MB, dead {counts['dead']:,}, held {counts['held']:,}", flush=True)
        connection.process_data_events(2)
        self.take_away(channel)
        connection.close()
        return tenths

    def is_there(self, queue):
        connection = self.node.connect()
        try:
            connection.channel().queue_declare(f"{PREFIX}.{queue}", passive=True)
            return True
        except pika.exceptions.ChannelClosedByBroker:
            return False
        finally:
            connection.close()


def lines(prefix):
    return "\n".join(f'"{method}" = "{quota}"' for method, quota in QUOTAS.items() if method.startswith(prefix))


def carry_out(arguments):
    with tempfile.TemporaryDirectory(prefix="paceline-soak-") as folder:
        folder = pathlib.Path(folder)
        (folder / "site").mkdir()
        faults = [f'[[faults]]\nmethod = "{method}"\nkind = "{kind}"\nchance = {chance}\n{more}\n' for method, kind, chance, more in FAULTS]
        scenario = SCENARIO.format(quotas=lines("")) + "\n".join(faults)
        with Node(folder / "node") as node:
            channel = node.connect().channel()
            declare(channel, f"{PREFIX}.jobs")
            more = SETTINGS.format(acme=lines("feishu"), campus=lines("wecom"))
            with Site(arguments.binary, folder / "site", node.url, PREFIX, more=more, scenario=scenario, request_timeout_ms=2000) as site:
                site.start_worker("work")
                trial = Trial(site, node, arguments.jobs)
                tenths = trial.run()
                check(site.stop_worker() == 0, "the worker did not end well")
                books = site.books()
                check(books["duplicates"] == 0, f"{books['duplicates']} objects twice")
                scripted = books["faults"].get("throttle", 0)
                check(books["refused"] == scripted, f"{books['refused']} refusals for pace, {scripted} scripted")
                code, text = site.run("audit")
                check(code == 0, f"'paceline audit' ended with {code}: {text}")
                check(tenths[-1] <= tenths[2] * 1.25, f"memory grew from {tenths[2]:,} to {tenths[-1]:,} bytes")
                print(f"{trial.published:,} jobs, {books['created']:,} objects, 0 twice; {trial.results:,} results and {trial.dead:,} dead letters; "
                      f"faults {books['faults']}; {books['refused']} refused, all by the scenario; audit clean")


if __name__ == "__main__":
    main(carry_out, __doc__, ("--jobs", {"type": int, "default": 200_000}), binary=("target/release/paceline", None))
