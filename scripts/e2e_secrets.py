#!/usr/bin/env python3
"""A run in which everything fails, and then a search for every secret in everything that was written.

    scripts/e2e_secrets.py --binary target/debug/paceline

Logs are at trace level; the platform refuses, cuts, answers rubbish, revokes tokens and changes a secret; the broker is taken
away; the worker is killed once; operators look, edit, redrive and export. A tap between worker and simulator writes down the
access tokens and proves that the passwords did travel. Searched for: app secrets, access tokens, a user's token, the broker's
password and every meeting password, in the ledger's files, logs, exports, the output of every command, what the admin server answers, results, and the headers
of dead letters. A dead letter's body is upstream's own message, byte for byte. Starts a RabbitMQ node of its own; needs pika.
"""

import json
import pathlib
import re
import signal
import tempfile
import urllib.request
from urllib.parse import urlsplit

import pika

from harness import SECRETS, Site, check, main, until
from node import Node, declare, drain
from proxy import Proxy

CALENDAR, MEETING, MINUTES, ROOM = ("feishu.calendar.create", "wecom.meeting.create",
                                    "feishu.calendar.event.meeting_minute.create", "feishu.vc.room.create")
PREFIX = "secrets"
BROKER_PASSWORD = "broker-pass-59113-word"
USER_TOKEN = "u-annas-own-token-48213"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
MORE = """
[apps.acme.users]
anna = { env = "ANNA_TOKEN" }
"""
SCENARIO = f"""
title = "Everything fails"
seed = 5

[users]
"{USER_TOKEN}" = "cli_rehearsal"

[[faults]]
kind = "code"
method = "{MEETING}"
code = 400306
chance = 0.2

[[faults]]
kind = "code"
method = "{MEETING}"
code = -1
chance = 0.1

[[faults]]
kind = "status"
status = 502
chance = 0.1

[[faults]]
kind = "cut-after"
chance = 0.1

[[faults]]
kind = "cut-before"
chance = 0.1

[[faults]]
kind = "throttle"
method = "feishu.*"
chance = 0.05
"""
BETTER = 'title = "Well again, but for titles that are refused"\nseed = 6\n'  + f"""
[users]
"{USER_TOKEN}" = "cli_rehearsal"

[[faults]]
kind = "code"
method = "{MEETING}"
code = 400306
first = 5
"""
TOKENS = re.compile(rb'"(?:tenant_access_token|app_access_token|access_token)":\s*"([^"]+)"')


class Tap:
    """What passed between worker and platform."""

    def __init__(self):
        self.tokens, self.passed = set(), bytearray()

    def __call__(self, data):
        self.passed += data
        self.tokens.update(match.decode() for match in TOKENS.findall(bytes(self.passed[-len(data) - 4096:])))


class Trial:
    def __init__(self, site, node, tap):
        self.site, self.node, self.tap = site, node, tap
        # The platform takes four to six digits; what it would refuse is a password all the same.
        self.passwords = [str(731904 + 1009 * n) for n in range(40)] + ["open-sesame-6620", "swordfish-7741", "hunter-9937"]
        self.originals, self.outputs = [], bytearray()

    def meeting(self, number, **more):
        body = {"admin_userid": "t2001", "title": f"Lesson {number}", "meeting_start": 1930000000, "meeting_duration": 1800,
                "settings": {"password": self.passwords[number]}}
        return {"id": f"lesson-{number}", "method": MEETING, "app": "campus", "batch": "lessons", "body": body, **more}

    def bad(self):
        """Inputs that are refused, with a password where nobody would look for one."""
        long, nested, cut = self.passwords[-3:]
        yield self.meeting(0, id="long") | {"body": self.meeting(0)["body"] | {"settings": {"password": long}}}
        yield self.meeting(0, id="nested") | {"body": self.meeting(0)["body"] | {"settings": {"password": {"is": nested}}}}
        yield json.dumps(self.meeting(0, id="cut")).replace(self.passwords[0], cut)[:-3].encode()
        yield self.meeting(1, id="lesson-0")

    def publish(self, documents):
        connection = self.node.connect()
        channel = connection.channel()
        declare(channel, f"{PREFIX}.jobs")
        properties = pika.BasicProperties(delivery_mode=2, headers={"traceparent": TRACEPARENT})
        for each in documents:
            body = each if isinstance(each, bytes) else json.dumps(each).encode()
            self.originals.append(body)
            channel.basic_publish("", f"{PREFIX}.jobs", body, properties, mandatory=True)
        connection.close()

    def paceline(self, *arguments, codes=(0, 1)):
        code, text = self.site.run("--log-level", "trace", *arguments)
        check(code in codes, f"'paceline {' '.join(arguments)}' ended with {code}")
        self.outputs += text.encode()
        return text

    def status(self):
        return self.site.counts()

    def ended(self):
        counts = self.status()
        return counts["total"] and counts["queued"] + counts["uncertain"] == 0

    def look_around(self):
        """Everything that shows a job."""
        self.paceline("jobs", "list")
        for number in range(10):
            for more in ((), ("--json",)):
                self.paceline("jobs", "show", f"lesson-{number}", *more)
        for command in ("list", "list --json"):
            self.paceline("dead", *command.split())
        for line in self.paceline("dead", "list", "--json").splitlines()[:8]:
            self.paceline("dead", "show", json.loads(line)["handle"])
        self.paceline("export", "--batch", "lessons")
        self.paceline("export", "--batch", "lessons", "--format", "jsonl")
        self.paceline("status")
        self.paceline("check", codes=(0, 1, 2))
        self.paceline("audit", codes=(0, 1))
        patch = json.dumps({"body": {"settings": {"password": self.passwords[39]}}})
        for path in ("metrics", "api/v1/overview", "api/v1/held", "api/v1/dead/groups", "api/v1/jobs?limit=500",
                     *(f"api/v1/jobs/lesson-{number}" for number in range(10))):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.site.admin_port}/{path}", timeout=30) as answer:
                self.outputs += answer.read()
        file = self.site.folder / "inputs" / "patch.json"
        file.write_text(patch)
        self.paceline("dead", "edit", "--patch-file", str(file), "--method", MEETING, "--dry-run")
        self.paceline("dead", "edit", "--patch-file", str(file), "lesson-3", codes=(0, 1, 2))

    def rows(self):
        """A file with passwords: one that is refused, then one that is run."""
        folder = self.site.folder
        head = "id,admin_userid,title,meeting_start,meeting_duration,settings.password"
        row = "{id},t2001,Row {id},2031-05-01T08:00:00Z,{duration},{password}"
        rows = [row.format(id=f"row-{n}", duration=1800, password=self.passwords[30 + n]) for n in range(4)]
        faulty = [*rows, row.format(id="row-9", duration=1800, password=self.passwords[-3]), row.format(id="row-8", duration="long", password=self.passwords[29])]
        inputs = folder / "inputs"
        inputs.mkdir()
        for name, lines in (("faulty.csv", faulty), ("good.csv", rows)):
            (inputs / name).write_text("\n".join([head, *lines]) + "\n")
        common = ("--method", MEETING, "--app", "campus")
        self.paceline("validate", str(inputs / "faulty.csv"), *common)
        self.paceline("plan", str(inputs / "good.csv"), *common)
        self.paceline("submit", str(inputs / "good.csv"), *common)

    def work(self):
        url = urlsplit(self.node.url)
        self.node.control("add_user", "courier", BROKER_PASSWORD)
        self.node.control("set_permissions", "courier", ".*", ".*", ".*")
        own = f"amqp://courier:{BROKER_PASSWORD}@{url.hostname}:{url.port}/%2f"
        start = lambda form: self.site.start_worker("work", "--log-level", "trace", "--log-format", form)
        self.site.environment["PACELINE_BROKER__URL"] = own
        start("text")
        users = [{"id": f"own-{n}", "method": CALENDAR, "app": "acme", "identity": "user:anna", "body": {"summary": f"Own {n}"}} for n in range(5)]
        minutes = [{"id": f"min-{n}", "method": MINUTES, "app": "acme", "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"e{n}_0"}} for n in range(5)]
        rooms = [{"id": f"room-{n}", "method": ROOM, "app": "acme", "body": {"name": f"R{n}", "capacity": 4, "room_level_id": "omb_1"}} for n in range(10)]
        self.publish([self.meeting(n) for n in range(30)] + list(self.bad()) + users + minutes + rooms)
        self.rows()
        until(lambda: self.status()["succeeded"] > 10, 60, "first successes")
        self.site.simulator_says("revoke-tokens", post="")
        self.site.worker.send_signal(signal.SIGKILL)
        self.site.worker.wait()
        self.node.halt()
        start("json")
        until(lambda: "trying again until it works" in self.log(), 60, "the broker to be missed")
        self.node.start()
        # A secret that is wrong from now on, and right again later.
        self.site.simulator_says("apps/ww_rehearsal/secret", post=json.dumps({"secret": "another"}))
        self.site.simulator_says("revoke-tokens", post="")
        self.publish([self.meeting(35, batch="late"), *self.bad()])
        until(lambda: any(each["app"] == "campus" for each in json.loads(self.paceline("status", "--json"))["suspensions"]), 60, "the app to be suspended")
        self.look_around()
        self.site.simulator_says("scenario", post=BETTER)
        self.site.simulator_says("apps/ww_rehearsal/secret", post=json.dumps({"secret": SECRETS["CAMPUS_SECRET"]}))
        self.paceline("resume", "campus")
        until(self.ended, 120, "everything to end")
        self.paceline("dead", "redrive", "--method", MEETING, "--yes", codes=(0, 1, 2))
        until(self.ended, 120, "what was redriven to end")
        self.look_around()

    def log(self):
        return (self.site.folder / "worker.log").read_text(errors="replace")

    def check_log(self, log):
        """Every call is logged, in both formats, and by its job: else a search for secrets in it proves nothing."""
        text, lines = [], []
        for line in log.splitlines():
            (lines.append(json.loads(line)) if line.startswith("{") else text.append(line))
        began = {f"{span} text" for line in text for span in ("attempt", "look_up", "token") if f" {span}{{" in line and " calling call=" in line}
        began |= {f"{line['span']} json" for line in lines if line["message"] == "calling"}
        wanted = {f"{span} {form}" for span in ("attempt", "token") for form in ("text", "json")} | {"look_up json"}
        check(began >= wanted, f"calls are missing from the log: {sorted(wanted - began)}")
        ended = [line for line in lines if line["message"] == "called"]
        calls = sum(book["arrivals"] for book in self.site.books()["methods"].values())
        logged = len(ended) + sum(" called call=" in line for line in text)
        # The killed worker may have got replies that it could not log any more.
        check(calls - 20 <= logged <= calls + 20 and logged > 60, f"{logged} calls in the log, {calls} in the simulator's books")
        names = {"timestamp", "level", "target", "message", "call", "outcome", "ms", "span", "app", "method"}
        check(ended and all(line.keys() >= names for line in ended), "a call's line lacks a field")
        check(all("job" in line for line in ended if line["span"] != "token"), "a call's line lacks its job")
        published = [line for line in ended if line["span"] != "token" and not line["job"].startswith("row-")]
        check(published and all(line.get("trace_id") == TRACE_ID for line in published), "a call's line lacks its job's trace")
        check(any(line.get("code") for line in ended) and any(line.get("log_id") for line in ended), "codes and log ids are logged")

    def search(self):
        """Every secret in everything that was written."""
        written = {"what commands printed": bytes(self.outputs)}
        for path in self.site.folder.iterdir():
            if path.is_file() and not path.name.startswith("simulator"):
                written[path.name] = path.read_bytes()
        connection = self.node.connect()
        channel = connection.channel()
        results, dead = drain(channel, f"{PREFIX}.results"), drain(channel, f"{PREFIX}.dead")
        connection.close()
        check(results and dead, "there are results and dead letters")
        traced = lambda messages: any((properties.headers or {}).get("traceparent") == TRACEPARENT for properties, _ in messages)
        check(traced(results) and traced(dead), "results and dead letters carry upstream's trace")
        written["results"] = b"\n".join(repr(properties).encode() + body for properties, body in results)
        written["headers of dead letters"] = b"\n".join(repr(properties).encode() for properties, _ in dead)
        for _, body in dead:
            check(body in self.originals or b'"id":"row-' in body, f"a dead letter is not as it came: {body[:60]!r}")
        check("paceline.db" in written, f"a ledger was written: {sorted(written)}")
        self.check_log(written["worker.log"].decode())
        check(len(self.tap.tokens) >= 3, f"tokens were fetched: {len(self.tap.tokens)}")
        travelled = sum(password.encode() in self.tap.passed for password in self.passwords)
        check(travelled >= 25, f"only {travelled} passwords travelled to the platform")
        secrets = {*self.passwords, *self.tap.tokens, *SECRETS.values(), BROKER_PASSWORD, USER_TOKEN}
        found = sorted({(name, where) for name in secrets for where, text in written.items() if shows(text, name)})
        check(not found, "\n".join(["secrets were written:", *(f"  {where}: {name}" for name, where in found)]))
        size = sum(map(len, written.values()))
        print(f"{len(secrets)} secrets, {travelled} passwords and {len(self.tap.tokens)} access tokens seen on the wire; none in {size:,} bytes of {len(written)} kinds")


def shows(text, secret):
    """Six digits are a password only if they are not part of an instant or of a longer number."""
    return re.search(rb"(?<![0-9A-Za-z.])" + re.escape(secret.encode()) + rb"(?![0-9A-Za-z])", text) is not None


def carry_out(arguments):
    with tempfile.TemporaryDirectory(prefix="paceline-secrets-") as folder:
        folder = pathlib.Path(folder)
        (folder / "site").mkdir()
        scenario = folder / "scenario.toml"
        scenario.write_text(SCENARIO, encoding="utf-8")
        with Node(folder / "node") as node, Site(arguments.binary, folder / "site", node.url, PREFIX, more=MORE,
                                                 request_timeout_ms=2000, simulate=("--scenario", str(scenario))) as site:
            tap = Tap()
            proxy = Proxy(site.port, tap)
            base_url = f"http://127.0.0.1:{proxy.port}"
            site.environment.update(ANNA_TOKEN=USER_TOKEN, PACELINE_APPS__ACME__BASE_URL=base_url, PACELINE_APPS__CAMPUS__BASE_URL=base_url)
            trial = Trial(site, node, tap)
            trial.work()
            check(site.stop_worker() == 0, "the worker did not end well")
            trial.search()
            proxy.close()


if __name__ == "__main__":
    main(carry_out, __doc__)
