#!/usr/bin/env python3
"""Stops real workers by signals, in the middle of their work, and looks at the simulator's books.

    scripts/e2e_stop.py --binary target/debug/paceline --amqp amqp://guest:guest@127.0.0.1:5672/%2f

After one SIGTERM or SIGINT no further call arrives at the platform, those in flight end, every ending is published, and the
exit code is the documented one. After a second signal the worker is gone at once, and what it left behind is as safe as
after a kill: the next start looks it up, and every job ends once.
"""

import json
import os
import pathlib
import signal
import tempfile
import time

import pika

from harness import AMQP, Site, check, check_books, main, until
from node import drain, queues

CALENDAR = "feishu.calendar.create"
JOBS = 250
# A reply takes one and a half seconds, so that dozens of calls are in flight when the signal comes.
SCENARIO = """\
title = "Slow replies"
[latency]
before = { kind = "uniform", from_ms = 5, to_ms = 40 }
after = { kind = "fixed", ms = 1500 }
[quotas]
"feishu.calendar.create" = "500/5s"
"""
# For what follows: many look-ups behind each other.
QUICK = SCENARIO.replace("ms = 1500", "ms = 20")
SETTINGS = f'[apps.acme.quotas]\n"{CALENDAR}" = "500/5s"\n[engine]\ngrace_ms = 500\n'


def calendar(number):
    name = f"stop-{number}"
    return {"id": name, "method": CALENDAR, "app": "acme", "batch": "stop", "body": {"summary": name, "description": name}}


def arrivals(site):
    return site.books()["methods"].get(CALENDAR, {}).get("arrivals", 0)


def in_flight(site):
    return site.books()["methods"].get(CALENDAR, {}).get("in_flight", 0)


class Case:
    """One way to be stopped: command, signals, expected exit code."""

    def __init__(self, site, command, channel, prefix):
        self.site, self.command, self.channel, self.prefix = site, command, channel, prefix
        self.is_work = command[0] == "work"

    def until_busy(self):
        worker = self.site.start_worker(*self.command)
        until(lambda: in_flight(self.site) > 20, 60, "calls in flight")
        return worker

    def counts(self):
        return self.site.counts()

    def published(self):
        return {json.loads(body)["id"] for _, body in drain(self.channel, f"{self.prefix}.results")}


def drains(case, number):
    """One signal: nothing new, what is in flight ends, endings are published."""
    worker = case.until_busy()
    worker.send_signal(number)
    # What had its permit before the signal may still be on its way.
    time.sleep(0.3)
    arrived = arrivals(case.site)
    check(in_flight(case.site) > 0, "nothing was in flight when the signal came: nothing is shown")
    code = worker.wait(30)
    wanted = 0 if case.is_work else 130
    check(code == wanted, f"{case.command[0]} ended with {code} after {number.name}, expected {wanted}")
    late = arrivals(case.site) - arrived
    check(late == 0, f"{late} calls arrived after {number.name}")
    check(arrived < JOBS, "every call was made before the signal: nothing is shown")
    counts = case.counts()
    check(counts["uncertain"] == 0, f"calls in flight were not awaited: {counts}")
    check(counts["succeeded"] == arrived, f"{arrived} calls arrived, the ledger says {counts}")
    published = len(case.published())
    check(published == (arrived if case.is_work else 0), f"{published} results were published for {arrived} endings")
    print(f"{case.command[0]}, {number.name}: {arrived} of {JOBS} called, all of them ended"
          f"{' and published' if case.is_work else ''}; exit code {code}")


def ends_at_once(case, number):
    """Two signals: gone at once, and the next life makes it good."""
    worker = case.until_busy()
    worker.send_signal(number)
    time.sleep(0.2)
    flying = in_flight(case.site)
    check(flying > 10, f"only {flying} calls in flight: nothing is shown")
    worker.send_signal(number)
    code = worker.wait(30)
    # A reply takes longer than the rest of the process did: had it been awaited, nothing would be in flight now.
    check(in_flight(case.site) > 0, "the second signal was followed by a wait")
    check(code == 130, f"{case.command[0]} ended with {code} after a second {number.name}")
    case.site.simulator_says("scenario", post=QUICK)
    command = ["work", "--until-idle"] if case.is_work else case.command
    check(case.site.start_worker(*command).wait(180) == 0, "the next life did not end well")
    check(case.counts()["succeeded"] == JOBS, f"after the next life: {case.counts()}")
    check_books(case.site.books(), {CALENDAR: JOBS})
    if case.is_work:
        check(len(case.published()) == JOBS, "results are missing")
    print(f"{case.command[0]}, {number.name} twice: {flying} calls in flight; exit code {code}; after the next life {JOBS} created once")


def trial(arguments):
    cases = [(what, command, number) for what in (drains, ends_at_once)
             for command, number in (("work", signal.SIGTERM), ("run", signal.SIGINT))]
    for position, (what, name, number) in enumerate(cases):
        prefix = f"paceline-stop-{os.getpid()}-{position}"
        with queues(arguments.amqp, prefix) as channel:
            with tempfile.TemporaryDirectory(prefix="paceline-stop-") as folder:
                folder = pathlib.Path(folder)
                (folder / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
                simulate = ("--scenario", str(folder / "scenario.toml"))
                jobs = [json.dumps(calendar(each)) for each in range(JOBS)]
                command = ["work"]
                if name == "run":
                    (folder / "stop.jsonl").write_text("\n".join(jobs), encoding="utf-8")
                    command = ["run", str(folder / "stop.jsonl"), "--json"]
                with Site(arguments.binary, folder, arguments.amqp, prefix, more=SETTINGS, simulate=simulate) as site:
                    for body in jobs if name == "work" else []:
                        channel.basic_publish("", f"{prefix}.jobs", body.encode(), pika.BasicProperties(delivery_mode=2), mandatory=True)
                    what(Case(site, command, channel, prefix), number)


if __name__ == "__main__":
    main(trial, __doc__, AMQP)
