#!/usr/bin/env python3
"""Backs a ledger up, kills its worker, restores it, and takes it away under a running worker.

    scripts/e2e_ledger.py --binary target/debug/paceline --amqp amqp://guest:guest@127.0.0.1:5672/%2f

Backup and restore are the commands of docs/running.md, word for word; both languages have to say the same. Holds if nothing
is lost by a backup beside the worker, a restored ledger is the backup, one that is restored beside the old log is refused by
every command, and a worker whose ledger is gone acknowledges and sends nothing more and says what to do.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pika

from harness import AMQP, Site, check, check_books, main, until
from node import queues

ROOM = "feishu.vc.room.create"
SETTINGS = f'[apps.acme.quotas]\n"{ROOM}" = "1000/min"\n'
SCENARIO = f'title = "Quick"\n[quotas]\n"{ROOM}" = "1000/min"\n'
PAGES = ("docs/running.md", "docs/zh-CN/running.md")
# Where a machine has no command of this name, Python's module does the same.
SQLITE3 = """\
#!{python}
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1])
if sys.argv[2].startswith(".backup "):
    copy = sqlite3.connect(sys.argv[2].split("'")[1])
    conn.backup(copy)
    copy.close()
else:
    print(*conn.execute(sys.argv[2]).fetchone())
conn.close()
"""


def commands(first):
    """The commands of the manual's block that begins so; comments are left out."""
    root = pathlib.Path(__file__).resolve().parent.parent
    said = []
    for page in PAGES:
        blocks = re.findall(r"```console\n(.*?)```", (root / page).read_text(encoding="utf-8"), re.S)
        block = next(block for block in blocks if block.startswith(first))
        said.append([line.split(" #")[0].strip() for line in block.splitlines()])
    check(said[0] == said[1], f"{PAGES} say different things: {said}")
    return said[0]


class Ledger:
    """A site whose worker is killed and whose ledger is handled as the manual says."""

    def __init__(self, site, channel, prefix):
        self.site, self.channel, self.prefix, self.published = site, channel, prefix, 0
        self.backup = site.folder / "backup"
        self.backup.mkdir()
        (site.folder / "keys").mkdir()
        self.tools = site.folder / "tools"
        self.tools.mkdir()
        if not shutil.which("sqlite3"):
            (self.tools / "sqlite3").write_text(SQLITE3.format(python=sys.executable))
            (self.tools / "sqlite3").chmod(0o755)
        (self.tools / "paceline").symlink_to(site.binary)

    def path(self, end=""):
        return self.site.folder / f"paceline.db{end}"

    def publish(self, count):
        for _ in range(count):
            name = f"room-{self.published}"
            body = {"name": name, "capacity": 4, "room_level_id": "omb_1"}
            job = {"id": name, "method": ROOM, "app": "acme", "body": body}
            self.channel.basic_publish("", f"{self.prefix}.jobs", json.dumps(job).encode(),
                                       pika.BasicProperties(delivery_mode=2), mandatory=True)
            self.published += 1

    def until_done(self, count):
        # A worker that has just begun has made no ledger yet.
        until(self.path("-wal").exists, 60, "a ledger")
        until(lambda: self.site.counts()["succeeded"] == count, 60, f"{count} rooms")

    def kill(self):
        self.site.worker.kill()
        self.site.worker.wait()

    def do(self, lines):
        """Runs commands of the manual in this folder; there is no service here, the worker has ended already."""
        for line in lines:
            if line.startswith("systemctl stop"):
                check(self.site.worker.poll() is not None, "the worker still runs")
                continue
            line = line.replace("/var/lib/paceline/", f"{self.site.folder}/").replace("/backup/", f"{self.backup}/")
            line = line.replace("/another/place/", f"{self.site.folder}/keys/")
            environment = {**self.site._environment(), "PATH": f"{self.tools}:{os.environ['PATH']}"}
            done = subprocess.run(line, shell=True, cwd=self.site.folder, env=environment, capture_output=True, text=True)
            check(done.returncode == 0, f"{line!r} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def refusals(self, name):
        """What every command says to the present ledger; none may do anything."""
        for command in (["status"], ["jobs", "list"], ["check", "--offline"], ["work", "--until-idle"]):
            done = subprocess.run([self.site.binary, *command], cwd=self.site.folder, env=self.site._environment(),
                                  capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            check(done.returncode in (1, 2) and name in said, f"{command} ended with {done.returncode} and said {said}")
        return said.strip().splitlines()[-1]

    def ready(self):
        return self.channel.queue_declare(f"{self.prefix}.jobs", passive=True).method.message_count


def restored(ledger):
    """A backup beside the worker, more work, kill -9, and the backup is back; without the manual's `rm` it is refused."""
    ledger.site.start_worker("work")
    ledger.publish(30)
    ledger.until_done(30)
    ledger.do(commands("sqlite3 "))
    ledger.publish(20)
    ledger.until_done(50)
    ledger.kill()
    check(ledger.site.counts()["succeeded"] == 50, "the backup beside the worker cost jobs")
    ledger.site.start_worker("work")
    ledger.publish(10)
    ledger.until_done(60)
    ledger.kill()
    shutil.copyfile(ledger.backup / "paceline.db", ledger.path())
    print(f"without the rm: {ledger.refusals('paceline.db-wal is not the log of')}")
    ledger.do(commands("systemctl stop"))
    check(ledger.site.counts()["succeeded"] == 30, f"after the restore there are {ledger.site.counts()}")
    ledger.site.start_worker("work")
    ledger.publish(5)
    ledger.until_done(35)
    check(ledger.site.stop_worker() == 0, "the worker on the restored ledger did not end well")


def taken_away(ledger):
    """All files but the key are removed under the worker; what is published then stays in the queue."""
    ledger.site.start_worker("work")
    ledger.publish(10)
    ledger.until_done(45)
    before = ledger.site.books()["methods"][ROOM]["arrivals"]
    for end in ("", "-wal", "-shm", ".lock"):
        ledger.path(end).unlink()
    ledger.publish(15)
    code = ledger.site.worker.wait(30)
    check(code == 1, f"the worker ended with {code}")
    until(lambda: ledger.ready() == 15, 30, "all 15 messages to be back in their queue")
    after = ledger.site.books()["methods"][ROOM]["arrivals"]
    check(after == before, f"{after - before} calls were sent after the ledger was gone")
    said = (ledger.site.folder / "worker.log").read_text().strip().splitlines()[-1]
    check("paceline.db was removed or moved while in use" in said, f"the last line is {said}")
    print(f"removed under the worker: {said}")
    print(f"a start beside the key: {ledger.refusals('paceline.db is missing, but its key')}")
    ledger.do(commands("systemctl stop"))
    ledger.site.start_worker("work")
    ledger.until_done(45)
    check(ledger.site.stop_worker() == 0, "the worker on the restored ledger did not end well")


def trial(arguments):
    prefix = f"paceline-ledger-{os.getpid()}"
    with queues(arguments.amqp, prefix) as channel:
        with tempfile.TemporaryDirectory(prefix="paceline-ledger-") as folder:
            with Site(arguments.binary, folder, arguments.amqp, prefix, more=SETTINGS, scenario=SCENARIO) as site:
                ledger = Ledger(site, channel, prefix)
                restored(ledger)
                taken_away(ledger)
                # Every room once, by books that know of no ledger: the restored ones were not asked for again.
                check_books(site.books(), {ROOM: ledger.published})
    print("backed up beside the worker, killed, restored by the manual twice, taken away once: each room created once")


if __name__ == "__main__":
    main(trial, __doc__, AMQP)
