#!/usr/bin/env python3
"""Kills the worker at named points and at random moments, again and again, and then does the sums.

    cargo build --release --features crash-points
    scripts/crash_harness.py --binary target/release/paceline --seed 7 --kills 250

Each round has a ledger and a faulty simulator of its own, which survives the worker's deaths, and queues of its own on one
private RabbitMQ. Single jobs of four methods and chains that use ten come by AMQP (some twice, in any order) and by file, beside
messages that are no jobs, some of which no client could read. A queue of somebody else's on the results exchange refuses everything; the jobs queue has RabbitMQ 4's delivery limit. After
its kills a round is worked to its end, and three sources have to agree: the simulator's books, the ledger, the messages.
A seed replays the choice of jobs, faults and kills; where in its work a kill meets the worker, the machine decides.
"""

import collections
import json
import pathlib
import random
import resource
import signal
import subprocess
import tempfile
import time

import pika

import crash_world
from crash_sums import Sums
from harness import Failure, Site, check, main
from node import Node, declare, declare_full, drain, let_pika_send_raw, limit_deliveries

# Every point of crates/ports/src/crash_points.rs, with the highest count that is waited for.
ANYWHERE = {
    "during-recovery": 1, "after-recovery": 1, "after-permit": 12, "before-commit": 40, "after-record": 12, "after-send": 12,
    "after-reply": 12, "after-settlement": 20, "during-token": 2, "during-look-up": 3, "after-look-up": 3,
}
WITH_BROKER = {"after-take-over": 2, "before-publish": 10, "after-publish": 10, "after-confirm": 2}
WITH_FILE = {"after-file-rows": 1}
NAMED_LIFE_S = 4.0


class Round:
    """One ledger, one simulator, a number of lives."""

    def __init__(self, arguments, seed, kills, node, deaths):
        self.random = random.Random(seed)
        self.seed, self.kills, self.node, self.deaths = seed, kills, node, deaths
        self.binary = arguments.binary
        self.prefix = f"crash-{seed}"
        self.plan = crash_world.Plan(self.random, kills)
        self.files = []

    def carry_out(self, folder):
        scenario = crash_world.write(folder, self.seed)
        channel = self.node.connect().channel()
        channel.confirm_delivery()
        for name in ("jobs", "results", "dead"):
            declare(channel, f"{self.prefix}.{name}")
        limit_deliveries(self.node, f"{self.prefix}.jobs")
        self.subscribe(channel)
        simulate = ("--scenario", str(scenario))
        with Site(self.binary, folder, self.node.url, self.prefix, 2000, crash_world.settings(), simulate) as site:
            self.publish(channel, self.plan.first)
            for number in range(self.kills):
                self.one_life(site, channel, folder, number)
            self.last_life(site)
            self.publish_what_was_refused(site, channel)
            check(site.simulator.poll() is None, "the simulator did not survive")
            left = channel.queue_declare(f"{self.prefix}.jobs", passive=True).method.message_count
            check(left == 0, f"{left} messages are left in the jobs queue, or were never acked")
            results, copies, dead = (drain(channel, f"{self.prefix}.{name}") for name in ("results", "copy", "dead"))
            sums = Sums(site, self.plan, results, copies, dead)
            sums.check()
        channel.connection.close()
        return sums.figures()

    def publish(self, channel, count):
        for body, properties in self.plan.messages(count):
            properties = pika.BasicProperties(delivery_mode=2, **properties)
            channel.basic_publish("", f"{self.prefix}.jobs", body, properties, mandatory=True)

    def subscribe(self, channel):
        """Two queues of somebody else's on the results exchange: one is full and refuses, the other takes everything."""
        channel.exchange_declare(f"{self.prefix}.results", "topic", durable=True)
        declare_full(channel, f"{self.prefix}.full")
        declare(channel, f"{self.prefix}.copy")
        for name in ("full", "copy"):
            channel.queue_bind(f"{self.prefix}.{name}", f"{self.prefix}.results", "*.*.*.#")

    def publish_what_was_refused(self, site, channel):
        """The full queue goes; a last worker publishes what has waited for it."""
        channel.queue_delete(f"{self.prefix}.full")
        code = site.start_worker("work", "--until-idle").wait(240)
        check(code in (0, 1), f"the publishing life ended with {code}")
        code, text = site.run("status", "--json")
        left = json.loads(text)["outbox"]
        check(left == 0, f"{left} results are left in the outbox")

    def one_life(self, site, channel, folder, number):
        """Starts the worker, gives it work, and sees to its death; a life that ends by itself is followed by another."""
        while True:
            is_file = self.random.random() < 0.3
            points = {**ANYWHERE, **(WITH_FILE if is_file else WITH_BROKER)}
            # The points in rotation, so that each has its share; every third kill comes at a random moment.
            point = None if number % 3 == 2 else self.rarest(points)
            environment = {"PACELINE_CRASH_AT": f"{point}:{self.random.randint(1, points[point])}"} if point else {}
            if is_file:
                self.files.append(self.plan.file(folder, self.plan.per_life))
            worker = site.start_worker(*(["run", *self.files[-2:]] if is_file else ["work"]), **environment)
            self.publish(channel, self.plan.per_life)
            if self.dies(worker, point, is_file):
                return

    def rarest(self, points):
        fewest = min(self.deaths[point] for point in points)
        return self.random.choice([point for point in sorted(points) if self.deaths[point] == fewest])

    def dies(self, worker, point, may_end):
        limit_s = NAMED_LIFE_S if point else self.random.uniform(0.02, 1.5)
        try:
            worker.wait(limit_s)
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            self.deaths["random" if point is None else "not reached"] += 1
            return True
        if point and worker.returncode == -signal.SIGABRT:
            self.deaths[point] += 1
            return True
        check(may_end and worker.returncode in (0, 1), f"the worker ended by itself with {worker.returncode}, on the way to {point}")
        return False

    def last_life(self, site):
        """Works to the end: the files as somebody would who runs a command again that was cut off, then all the rest."""
        if self.files:
            code, _ = site.run("run", *self.files, "--json")
            check(code in (0, 1), f"the last 'paceline run' ended with {code}")
        # A start lifts suspensions, so a second one may follow a first.
        for _ in range(3):
            worker = site.start_worker("work", "--until-idle")
            try:
                code = worker.wait(240)
            except subprocess.TimeoutExpired:
                raise Failure(f"not done after 240 s: {site.counts()}") from None
            check(code in (0, 1), f"the last life ended with {code}")
            counts = site.counts()
            if counts["queued"] + counts["uncertain"] + counts["blocked"] == 0:
                return
        raise Failure(f"jobs are left over: {counts}")


def trial(arguments):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    let_pika_send_raw()
    deaths, figures = collections.Counter(), collections.Counter()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paceline-crash-") as folder:
        folder = pathlib.Path(folder)
        with Node(folder / "node") as node:
            left, number = arguments.kills, 0
            while left > 0:
                kills = min(left, arguments.round)
                site = folder / f"round-{number}"
                site.mkdir()
                seed = arguments.seed + number
                try:
                    found = Round(arguments, seed, kills, node, deaths).carry_out(site)
                except Failure as failure:
                    raise Failure(f"round {number + 1} (seed {seed}): {failure}") from None
                figures.update(found)
                left, number = left - kills, number + 1
                print(f"round {number}, seed {seed}: {kills} kills, {found['jobs']} jobs, {found['calls']} calls: the sums agree", flush=True)
    report(arguments, deaths, figures, number, time.monotonic() - started_s)


def report(arguments, deaths, figures, rounds, took_s):
    points = {**ANYWHERE, **WITH_BROKER, **WITH_FILE}
    missed = sorted(point for point in points if deaths[point] == 0)
    if arguments.kills >= 3 * len(points):
        check(not missed, f"no kill ever came at {missed}")
    document = {"seed": arguments.seed, "rounds": rounds, "kills": arguments.kills, "deaths": dict(sorted(deaths.items())),
                **figures, "lost": 0, "created_twice": 0, "refused_for_pace": 0, "took_s": round(took_s)}
    if arguments.json:
        print(json.dumps(document))
        return
    by_point = ", ".join(f"{count} {point}" for point, count in sorted(deaths.items(), key=lambda each: -each[1]))
    print(f"{arguments.kills} kills in {rounds} rounds ({by_point})\n"
          f"{figures['jobs']} jobs: {figures['succeeded']} succeeded, {figures['held']} held minutes (of {figures['uncertain_minutes']} uncertain; "
          f"{figures['held_applied']} had been applied); {figures['dead_letters']} messages that were no jobs, each a dead letter\n"
          f"{figures['chained']} jobs waited for others, none was carried out before them\n"
          f"{figures['created']} objects created, {figures['results']} results published ({figures['repeated_results']} more than once), "
          f"{figures['copies']} to a subscriber beside one that refused all, "
          f"{figures['calls']} calls, {figures['scripted_faults']} scripted faults\n"
          f"0 lost, 0 created twice, 0 refused for pace but by the scenario, audit clean; {took_s:.0f} s")


if __name__ == "__main__":
    seed = random.SystemRandom().randrange(10**6)
    main(trial, __doc__, ("--kills", {"type": int, "default": 500}),
         ("--round", {"type": int, "default": 50, "help": "kills of one ledger"}),
         ("--seed", {"type": int, "default": seed}), ("--json", {"action": "store_true"}),
         binary=("target/release/paceline", "built with --features crash-points"))
