"""What the end-to-end scripts share: a folder with settings, a simulator and a worker as real processes. Standard library only."""

import argparse
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request

SECRETS = {"ACME_SECRET": "rehearsal-secret-a", "CAMPUS_SECRET": "rehearsal-secret-c"}

SETTINGS = """\
[store]
url = "sqlite://paceline.db"
{broker}
[http]
request_timeout_ms = 5000

[admin]
listen = "127.0.0.1:{admin_port}"
{admin}
[apps.acme]
platform = "feishu"
base_url = "{base_url}"
app_id = "cli_rehearsal"
app_secret = {{ env = "ACME_SECRET" }}

[apps.campus]
platform = "wecom"
base_url = "{base_url}"
corp_id = "ww_rehearsal"
corp_secret = {{ env = "CAMPUS_SECRET" }}
"""

BROKER = """
[broker]
url = "{url}"
jobs_queue = "{prefix}.jobs"
results_queue = "{prefix}.results"
results_exchange = "{prefix}.results"
dead_queue = "{prefix}.dead"
"""


class Failure(Exception):
    """A check that did not hold, in words for a person."""


def free_port():
    """Below those that the system gives to outgoing connections: one of them could take it before it is used."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(condition, timeout_s, what):
    """Polls `condition` until it gives something true; that is returned."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise Failure(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.1)


class Site:
    """One folder, one simulator, any number of worker processes after each other."""

    def __init__(self, binary, folder, amqp_url=None, prefix="paceline", more="", scenario=None, admin=""):
        """`more` is appended to the settings, `admin` to their section [admin]."""
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.admin_port = free_port()
        self.simulator = None
        self.scenario = None
        if scenario:
            self.scenario = self.folder / "scenario.toml"
            self.scenario.write_text(scenario)
        self.worker = None
        broker = BROKER.format(url=amqp_url, prefix=prefix) if amqp_url else ""
        self.settings = self.folder / "paceline.toml"
        self.settings.write_text(
            SETTINGS.format(
                broker=broker,
                base_url=f"http://127.0.0.1:{self.port}",
                admin_port=self.admin_port,
                admin=admin,
            )
            + more
        )
        if not os.access(self.binary, os.X_OK):
            raise Failure(f"{binary} is no program: build it with 'cargo build', or name it with --binary")

    def __enter__(self):
        scenario = ["--scenario", str(self.scenario)] if self.scenario else []
        self.simulator = self._start("simulator", "simulate", "--listen", f"127.0.0.1:{self.port}", *scenario)
        until(self._simulator_listens, 30, "the simulator to listen")
        return self

    def __exit__(self, failed, *_):
        for process in (self.worker, self.simulator):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if failed:
            for log in sorted(self.folder.glob("*.log")):
                print(f"--- last lines of {log.name}", file=sys.stderr)
                print("\n".join(log.read_text(errors="replace").splitlines()[-25:]), file=sys.stderr)

    def start_worker(self, *arguments, **environment):
        self.worker = self._start("worker", *arguments, **environment)
        return self.worker

    def stop_worker(self):
        """Asks the worker to drain and waits for it; returns its exit code."""
        self.worker.send_signal(signal.SIGTERM)
        try:
            return self.worker.wait(60)
        except subprocess.TimeoutExpired:
            raise Failure("the worker did not drain within 60 s of SIGTERM") from None

    def run(self, *arguments):
        """Runs a command to its end; returns exit code and standard output."""
        done = subprocess.run(self._command(arguments), cwd=self.folder, env=self._environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=300)
        with open(self.folder / "commands.log", "a", encoding="utf-8") as log:
            log.write(f"$ paceline {' '.join(arguments)}  -> {done.returncode}\n{done.stderr}")
        return done.returncode, done.stdout

    def counts(self):
        """Jobs by state, as the ledger says."""
        code, text = self.run("status", "--json")
        if code not in (0, 1):
            raise Failure(f"'paceline status --json' ended with {code}")
        return json.loads(text)["counts"]

    def books(self):
        """What the simulator says was really created, refused and duplicated."""
        return self.simulator_says("books")

    def simulator_says(self, path, post=None):
        """Asks the simulator's control interface; with `post`, sends that text."""
        url = f"http://127.0.0.1:{self.port}/_simulator/{path}"
        with urllib.request.urlopen(url, data=None if post is None else post.encode(), timeout=30) as reply:
            return json.load(reply)

    def _start(self, name, *arguments, **environment):
        with open(self.folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(self._command(arguments), cwd=self.folder, env={**self._environment(), **environment},
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _command(self, arguments):
        return [self.binary, *arguments]

    def _environment(self):
        # Settings of the caller's own shell must not leak into the trial.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PACELINE_")}
        return {**clean, **SECRETS, "PACELINE_CONFIG": str(self.settings)}

    def _simulator_listens(self):
        if self.simulator.poll() is not None:
            raise Failure(f"the simulator ended at once with {self.simulator.returncode}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False


def check(holds, sentence):
    if not holds:
        raise Failure(sentence)


def check_books(books, created):
    """No duplicate, no refusal for pace, no window over its quota, and exactly `created` objects by method."""
    methods = books["methods"]
    for method, count in created.items():
        entry = methods.get(method, {})
        check(entry.get("created", 0) == count, f"{method}: {count} wanted, the simulator created {entry.get('created', 0)}")
    for method, entry in methods.items():
        check(entry.get("duplicates", 0) == 0, f"{method}: the simulator counted {entry['duplicates']} duplicates")
        check(entry.get("refused", 0) == 0, f"{method}: the simulator refused {entry['refused']} calls for their pace")
    for quota in books["quotas"]:
        for window in quota["windows"]:
            check(not window["is_breached"], f"{quota['method']}: {window['largest']} calls within {window['window_s']} s, limit {window['limit']}")


# An option of the trials that speak AMQP themselves.
AMQP = ("--amqp", {"required": True, "help": "URL of a broker; queues of its own are made and deleted"})


def main(trial, description, *options):
    """Runs `trial`, which prints what it found, with the command line; a failure is a sentence and exit code 1.

    Each option is a name and what argparse takes for it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/paceline")
    for name, settings in options:
        parser.add_argument(name, **settings)
    given = parser.parse_args()
    if "seed" in given:
        print(f"seed {given.seed}")
    # Whoever ends a trial early leaves no simulator behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        trial(given)
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
