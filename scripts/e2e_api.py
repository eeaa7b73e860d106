#!/usr/bin/env python3
"""The HTTP API against its own document, docs/openapi.json, by schemathesis.

    scripts/e2e_api.py --binary target/debug/paceline [--examples 15]

A worker with jobs of every state stands before the simulator. Every operation is tried with valid and invalid requests,
the same ones each time. Holds if no answer is an internal error or other than described, nothing invalid is taken,
nothing valid is refused, and nothing is changed without the token. Needs scripts/api-packages.txt: run it with the
Python that `scripts/schemathesis target/api` prints.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import jsonschema_rs

from harness import Failure, Site, check, main, until

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs/openapi.json"
TOKEN = "rehearsal-token-4711"
ROOM = "feishu.vc.room.create"
CALENDAR = "feishu.calendar.create"
MINUTES = "feishu.calendar.event.meeting_minute.create"
MEETING = "wecom.meeting.create"
# The first rooms are refused; calls for minutes are cut before any reply.
SCENARIO = f"""
title = "Rooms are refused at first, calls for minutes are cut"
seed = 1

[[faults]]
method = "{ROOM}"
kind = "code"
code = 125001
first = 3

[[faults]]
method = "{MINUTES}"
kind = "cut-before"
first = 3
"""
# So slow that calendars wait all the time.
SETTINGS = f'[apps.acme.quotas]\n"{CALENDAR}" = "4/min"\n'
# A job that is wrong is not a request that is wrong: it is answered with 200, in `refused`. An app or method that the
# settings do not have is a fault, and no document can know which they have; nor what text is a map, or which
# row of a file has its headings.
RULES = """
[[operations]]
include-operation-id = "submit"
[operations.checks]
negative_data_rejection.enabled = false

[[operations]]
include-operation-id = ["suspend", "resume"]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-operation-id = ["lookAtFile", "checkFile", "startFile"]
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
"""


def jobs():
    for number in range(3):
        yield {"id": f"room-{number}", "method": ROOM, "app": "acme", "batch": "hq-move",
               "body": {"name": f"7F-70{number}", "capacity": 8, "room_level_id": "omb_1"}}
        path = {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"75d28f9b-{number}_0"}
        yield {"id": f"minutes-{number}", "method": MINUTES, "app": "acme", "path": path}
    for number in range(30):
        yield {"id": f"系 {number}/a", "method": CALENDAR, "app": "acme", "batch": "departments", "meta": {"n": number},
               "not_after": "2099-01-01T00:00:00Z", "body": {"summary": f"系 {number}"}}
    yield {"id": "late", "method": MEETING, "app": "campus", "batch": "timetable",
           "body": {"admin_userid": "u", "title": "Lesson", "meeting_start": 1600000000, "meeting_duration": 1800,
                    "settings": {"password": "8642"}}}


class Desk:
    """What answers over HTTP, and what the document says of its answers."""

    def __init__(self, site):
        self.site = site
        self.url = f"http://127.0.0.1:{site.admin_port}"
        self.document = closed(json.loads(DOCUMENT.read_text(encoding="utf-8")))

    def ask(self, method, path, operation, body=None):
        """Asks and gives the document, once it is as the operation says."""
        is_file = isinstance(body, bytes)
        data = body if body is None or is_file else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream" if is_file else "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, answer = reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            status, answer = error.code, json.load(error)
        described = self.document["paths"][operation][method.lower()]["responses"].get(str(status))
        check(described, f"{method} {path} answered {status}, which the document does not name: {answer}")
        if "$ref" in described:
            described = self.document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        schema = {**described["content"]["application/json"]["schema"], "components": self.document["components"]}
        for error in jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(answer):
            raise Failure(f"{method} {path}: {'.'.join(map(str, error.instance_path))}: {error.message}")
        return status, answer

    def get(self, path, operation=None):
        status, answer = self.ask("GET", path, operation or path.split("?")[0])
        check(status == 200, f"GET {path} answered {status}: {answer}")
        return answer

    def post(self, path, body, operation=None):
        status, answer = self.ask("POST", path, operation or path, body)
        check(status == 200, f"POST {path} answered {status}: {answer}")
        return answer

    def answers(self):
        check(self.site.worker.poll() is None, f"the worker ended with {self.site.worker.returncode}")
        try:
            urllib.request.urlopen(f"{self.url}/healthz", timeout=30).close()
            return True
        except urllib.error.URLError:
            return False


def closed(schema):
    """The document, with no field allowed that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: part if name in ("example", "examples") else closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def jobs_of_every_state_are_as_described(desk):
    given = list(jobs())
    answer = desk.post("/api/v1/jobs", given)
    check(len(answer["accepted"]) == len(given), f"{len(given)} jobs were submitted: {answer}")
    # Not a room: one that is dead already would be accepted anew.
    waiting = next(job for job in reversed(given) if job["method"] == CALENDAR)
    answer = desk.post("/api/v1/jobs", [waiting, {**given[1], "app": "nobody"}, {"id": "no-job"}, 7])
    check([len(answer["known"]), len(answer["refused"])] == [1, 3], f"one is known and three are wrong: {answer}")
    totals = lambda: desk.get("/api/v1/overview")["totals"]
    until(lambda: (totals()["dead"], totals()["held"]) == (4, 3) and totals()["succeeded"], 90, "dead, held and succeeded jobs")
    for id in ("系 28/a", "系 29/a"):
        desk.post("/api/v1/jobs/cancel", {"selection": {"id": id}, "expect": 1})
    desk.post("/api/v1/suspend", {"app": "campus", "reason": "a trial"})
    desk.post("/api/v1/dead/edit", {"selection": {"id": "room-0"}, "patch": {"body": {"capacity": 9}}, "dry_run": True})
    desk.post("/api/v1/dead/redrive", {"selection": {"reason": "expired"}, "dry_run": True})
    until(lambda: desk.get("/api/v1/forecast")["as_of"], 60, "a forecast")
    for path in ("session", "overview", "forecast", "throughput", "methods", "batches?limit=1", "held", "activity", "dead/groups",
                 "jobs?state=running", "jobs?limit=500"):
        desk.get(f"/api/v1/{path}")
    seen = set()
    for line in desk.get("/api/v1/jobs?limit=500")["jobs"]:
        seen.add(line["status"])
        desk.get(f"/api/v1/jobs/{urllib.parse.quote(line['id'], safe='')}", "/api/v1/jobs/{id}")
    check(seen >= {"queued", "held", "dead", "cancelled", "succeeded"}, f"jobs of every state were wanted, there are {seen}")
    check(desk.ask("GET", "/api/v1/jobs/nobody", "/api/v1/jobs/{id}")[0] == 404, "a job that nobody submitted is there")
    check(desk.ask("POST", "/api/v1/dead/drop", "/api/v1/dead/drop", {"selection": {}, "expect": 1})[0] == 409, "another count was taken")
    with urllib.request.urlopen(f"{desk.url}/api/v1/openapi.json", timeout=30) as reply:
        check(reply.read() == DOCUMENT.read_bytes(), "the worker serves another document than docs/openapi.json: build it anew")


def files_are_as_described(desk):
    def ask(id, what, body):
        return desk.post(f"/api/v1/imports/{id}/{what}", body, f"/api/v1/imports/{{id}}/{what}")

    rows = "名称,容量,层级ID\nF1,8,omb_1\nF2,many,omb_1\n".encode("gb18030")
    id = desk.post("/api/v1/imports?name=rooms.csv", rows, "/api/v1/imports")["id"]
    look = ask(id, "look", {})
    check((look["encoding"], look["method"]) == ("GB18030", ROOM), f"the file is taken for another: {look}")
    order = {"method": ROOM, "app": "acme", "batch": "files"}
    checked = ask(id, "check", order)
    check((checked["rows"], checked["faults"]) == (2, 1), f"one row has a fault: {checked}")
    check(desk.ask("POST", f"/api/v1/imports/{id}/start", "/api/v1/imports/{id}/start", order)[0] == 409, "rows with faults were started")
    check(ask(id, "start", {**order, "skip_invalid": True})["queued"] == 1, "one row is a job")
    examples = DOCUMENT.parent.parent / "examples"
    id = desk.post("/api/v1/imports?name=term.csv", (examples / "timetable.csv").read_bytes(), "/api/v1/imports")["id"]
    expanded = ask(id, "expand", {"rule": (examples / "timetable.rule.toml").read_text(encoding="utf-8")})
    check(expanded["count"] > 0, f"no meeting: {expanded}")
    ask(expanded["import"]["id"], "text", {})
    check(ask(id, "expand", {"rule": "[term]"})["faults"], "half a rule was taken")
    ask(id, "drop", {})
    check(desk.ask("POST", f"/api/v1/imports/{id}/drop", "/api/v1/imports/{id}/drop", {})[0] == 404, "a file was dropped twice")


def schemathesis_finds_nothing(desk, folder, examples):
    document, rules = folder / "closed.json", folder / "schemathesis.toml"
    document.write_text(json.dumps(desk.document), encoding="utf-8")
    rules.write_text(RULES)
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", rules, "run", document, "--url", desk.url,
               "--header", f"Authorization: Bearer {TOKEN}", "--seed", "20261122", "--generation-deterministic",
               "--max-examples", str(examples), "--continue-on-failure", "--no-color",
               "--warnings", "off", "--phases", "examples,coverage,fuzzing"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=900, env={**os.environ, "COLUMNS": "150"})
    check(done.returncode == 0, f"schemathesis ended with {done.returncode}:\n{done.stdout}")
    print("\n".join(done.stdout.splitlines()[-12:]))
    check(desk.answers(), "the worker does not answer any more")


def trial(options):
    with tempfile.TemporaryDirectory(prefix="paceline-api-") as folder:
        admin = 'token = { env = "API_TOKEN" }\n'
        with Site(options.binary, folder, more=SETTINGS, scenario=SCENARIO, admin=admin) as site:
            site.start_worker("work", API_TOKEN=TOKEN)
            desk = Desk(site)
            until(desk.answers, 30, "the admin server to answer")
            jobs_of_every_state_are_as_described(desk)
            print("answers about jobs of every state are as described")
            files_are_as_described(desk)
            print("answers about files are as described")
            schemathesis_finds_nothing(desk, pathlib.Path(folder), options.examples)
            log = (site.folder / "worker.log").read_text(errors="replace")
            check("panicked" not in log and TOKEN not in log, "the worker's log shows a panic or the token")


if __name__ == "__main__":
    main(trial, __doc__, ("--examples", {"type": int, "default": 15, "help": "generated requests for each operation"}))
