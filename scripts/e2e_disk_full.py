#!/usr/bin/env python3
"""The ledger's disk runs full while jobs flow, and gets room again.

    scripts/e2e_disk_full.py --binary target/debug/paceline --amqp amqp://guest:guest@127.0.0.1:5672/%2f

Where a small filesystem can be mounted (as root), the ledger lies on one, and a ballast file fills it. Elsewhere the worker
may not make files larger (RLIMIT_FSIZE), which fails its writes as surely, though with another error. Holds if no call is
sent and no message acknowledged meanwhile, the cause is said once, and with room again every job ends once.
"""

import errno
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

import pika

from harness import AMQP, Site, check, check_books, main, until
from node import drain, queues

CALENDAR = "feishu.calendar.create"
SETTINGS = f'[apps.acme.quotas]\n"{CALENDAR}" = "200/5s, 40/s"\n'
SMALL_BYTES = 24 << 20


class SmallDisk:
    """A filesystem of a few megabytes that a ballast file fills."""

    def __init__(self, folder):
        self.folder = folder

    def mount(self):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", self.folder], stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def unmount(self):
        subprocess.run(["umount", self.folder], check=True)

    def fill(self, _):
        with open(self.folder / "ballast", "wb", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                try:
                    while ballast.write(b"\0" * size):
                        pass
                except OSError as error:
                    check(error.errno == errno.ENOSPC, f"the ballast: {error}")

    def make_room(self, _):
        (self.folder / "ballast").unlink()


class SmallFiles:
    """The ledger's log may not grow: for users who may not mount. The worker's own log is far smaller and may."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self, worker):
        self.before = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        limit_bytes = max(file.stat().st_size for file in self.folder.glob("paceline.db*"))
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (limit_bytes, self.before[1]))

    def make_room(self, worker):
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, self.before)


class Jobs:
    """Calendars, published with confirms."""

    def __init__(self, channel, prefix):
        self.channel, self.prefix, self.published = channel, prefix, 0

    def publish(self, count):
        for _ in range(count):
            name = f"full-{self.published}"
            body = json.dumps({"id": name, "method": CALENDAR, "app": "acme", "body": {"summary": name, "description": name * 20}})
            properties = pika.BasicProperties(delivery_mode=2)
            self.channel.basic_publish("", f"{self.prefix}.jobs", body.encode(), properties, mandatory=True)
            self.published += 1


def arrivals(site):
    return site.books()["methods"].get(CALENDAR, {}).get("arrivals", 0)


def stands_still(site):
    """Waits until calls in flight are over and nothing moves any more; returns the count of calls."""
    seen = []

    def same():
        seen.append(arrivals(site))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    until(same, 60, "calls to stop")
    return seen[-1]


def trial_on(disk, arguments, folder, store, prefix, channel):
    with Site(arguments.binary, folder, arguments.amqp, prefix, more=SETTINGS, store=store) as site:
        jobs = Jobs(channel, prefix)
        worker = site.start_worker("work")
        jobs.publish(400)
        until(lambda: arrivals(site) > 20 and site.counts()["total"] == 400, 60, "jobs to flow")
        disk.fill(worker)
        jobs.publish(100)
        called = stands_still(site)
        check(called < 400, f"all {called} calls were made before the disk was full: nothing is shown")
        time.sleep(3)
        check(arrivals(site) == called, "a call was sent although it could not be recorded")
        check(worker.poll() is None, f"the worker ended with {worker.returncode}")
        log = (folder / "worker.log").read_text(errors="replace")
        told = [line for line in log.splitlines() if "the ledger cannot be written" in line]
        check(len(told) == 1, f"the cause is said {len(told)} times")
        print(f"with {called} calls made: {told[0].split('ERROR ')[1]}")
        check(log.count("\n") < 40, f"{log.count(chr(10))} lines in the log")
        disk.make_room(worker)
        until(lambda: site.counts()["succeeded"] == 500, 120, "work to go on with room again")
        check("the ledger can be written again" in (folder / "worker.log").read_text(), "the worker does not say that it goes on")
        code = site.stop_worker()
        check(code == 0, f"the worker ended with {code} after SIGTERM")
        left = channel.queue_declare(f"{prefix}.jobs", passive=True).method.message_count
        check(left == 0, f"{left} messages are left in the jobs queue, or were never acked")
        ids = {json.loads(body)["id"] for _, body in drain(channel, f"{prefix}.results")}
        check(ids == {f"full-{number}" for number in range(500)}, f"{len(ids)} of 500 results")
        check_books(site.books(), {CALENDAR: 500})
        code, output = site.run("audit", "--json")
        check(code == 0, f"'paceline audit' ended with {code}: {output}")


def trial(arguments):
    prefix = f"paceline-full-{os.getpid()}"
    with queues(arguments.amqp, prefix) as channel:
        with tempfile.TemporaryDirectory(prefix="paceline-full-") as folder:
            folder = pathlib.Path(folder)
            small = folder / "small"
            small.mkdir()
            disk = SmallDisk(small)
            if not arguments.no_mount and disk.mount():
                how = f"a filesystem of {SMALL_BYTES >> 20} MiB"
                try:
                    trial_on(disk, arguments, folder, "small/paceline.db", prefix, channel)
                finally:
                    disk.unmount()
            else:
                how = "a limit on the size of its files; nothing was mounted"
                trial_on(SmallFiles(folder), arguments, folder, "paceline.db", prefix, channel)
    print(f"500 jobs, the disk full in between ({how}): calls stopped, nothing was acked, said once; then each created once, "
          "0 duplicates, 0 refusals, audit clean")


if __name__ == "__main__":
    no_mount = {"action": "store_true", "help": "limit the size of files, as where nothing may be mounted"}
    main(trial, __doc__, AMQP, ("--no-mount", no_mount))
