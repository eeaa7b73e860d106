"""The world of the crash harness: settings, a platform on which everything goes wrong, single jobs of four methods, and
chains of the others: a term (crash_chains.py)."""

import collections
import json
import pathlib

import crash_chains
from crash_chains import BOOKING, EVENT, LEVEL, PEOPLE, RULES, SEMINAR_ROOM
from node import Raw

ROOM, CALENDAR, MEETING = "feishu.vc.room.create", "feishu.calendar.create", "wecom.meeting.create"
MINUTES = "feishu.calendar.event.meeting_minute.create"
METHODS = [ROOM, CALENDAR, MEETING, MINUTES]
CATALOG = pathlib.Path(__file__).parent.parent / "config" / "methods"

# Windows of seconds instead of minutes: every one of them reaches over several lives of the worker.
QUOTAS = {
    ROOM: "6/4s",
    CALENDAR: "16/4s, 8/s",
    MINUTES: "10/4s",
    MEETING: "12/4s",
    EVENT: "16/4s, 8/s",
    PEOPLE: "16/4s, 8/s",
    LEVEL: "6/4s",
    RULES: "12/4s",
    SEMINAR_ROOM: "12/4s",
    BOOKING: "12/4s",
    "feishu.vc.room.list": "1000/5s",
    "feishu.calendar.list": "1000/5s",
    "feishu.calendar.event.list": "1000/5s",
    "feishu.calendar.event.attendee.list": "1000/5s",
    "feishu.vc.room_level.search": "1000/5s",
    "feishu.vc.room_level.get": "1000/5s",
    "wecom.oa.meetingroom.list": "1000/5s",
    "wecom.oa.meetingroom.get_booking_info": "1000/5s",
    "wecom.meeting.get_user_meetingid": "1000/5s",
    "wecom.meeting.get_info": "2000/5s",
    "feishu.auth.tenant_access_token.internal": "100/5s",
    "wecom.gettoken": "100/5s",
}

# Read-after-write delay of the look-ups, shortened like the windows; the simulator lists within a quarter of it.
LOOK_UP_DELAY_S = 2

MORE_SETTINGS = """
[apps.acme.quotas]
{acme}

[apps.campus.quotas]
{campus}

[engine]
grace_ms = 1000
attempts_max = 1000
backoff_initial_ms = 100
backoff_max_ms = 1000

[catalog]
dir = "catalog"
"""

SCENARIO = """\
title = "Everything goes wrong, and what goes wrong is counted"
seed = {seed}

[latency]
before = {{ kind = "uniform", from_ms = 5, to_ms = 40 }}
after = {{ kind = "uniform", from_ms = 5, to_ms = 40 }}

[listing]
delay_ms = {listing_ms}
page_max = 50

[decisions]
after_s = 1

[quotas]
{quotas}
{events}
{faults}
"""

# Method, kind, chance, and what the kind needs. An internal error may have been applied or not, minutes included: they
# have no look-up, so each is held.
FAULTS = [
    ("*.create", "late", 0.015, "late_ms = 3000"),
    ("*.create", "cut-before", 0.015, ""),
    ("*", "cut-after", 0.015, ""),
    ("*.create", "partial", 0.01, ""),
    ("*.create", "huge", 0.003, "body_bytes = 5000000"),
    ("*", "status", 0.01, "status = 500"),
    ("*.create", "status", 0.01, "status = 504\napplied = true"),
    ("*", "refuse", 0.01, ""),
    ("*.create", "html", 0.003, ""),
    ("*.create", "html", 0.003, "applied = true"),
    ("feishu.calendar.*", "throttle", 0.01, ""),
    ("feishu.vc.*", "throttle", 0.01, "header = false"),
    ("feishu.calendar.*", "code", 0.02, "code = 190010"),
    ("wecom.meeting.*", "code", 0.02, "code = 45033"),
    (CALENDAR, "code", 0.01, "code = 190003\napplied = true"),
    (MINUTES, "code", 0.01, "code = 190003\napplied = true"),
    ("feishu.calendar.*", "code", 0.02, "code = 190003"),
    ("feishu.vc.*.create", "code", 0.02, "code = 121001\napplied = true"),
    ("feishu.vc.*", "code", 0.02, "code = 121001"),
    ("wecom.oa.*", "cut-before", 0.015, ""),
    ("wecom.oa.*", "late", 0.015, "late_ms = 3000"),
    ("wecom.oa.*", "status", 0.01, "status = 504\napplied = true"),
    ("wecom.oa.*", "code", 0.02, "code = -1\napplied = true"),
    ("feishu.*.create", "code", 0.01, "code = 2200"),
    (MEETING, "code", 0.02, "code = -1\napplied = true"),
    (MEETING, "code", 0.02, "code = -1"),
]


def lines_of(quotas):
    return "\n".join(f'"{method}" = "{quota}"' for method, quota in quotas.items())


def settings():
    acme = {method: quota for method, quota in QUOTAS.items() if method.startswith("feishu")}
    campus = {method: quota for method, quota in QUOTAS.items() if method.startswith("wecom")}
    return MORE_SETTINGS.format(acme=lines_of(acme), campus=lines_of(campus))


def write(folder, seed):
    """Writes catalog and scenario into the folder of the trial; returns the scenario's path."""
    methods = folder / "catalog" / "methods"
    methods.mkdir(parents=True)
    for method in (ROOM, CALENDAR, MEETING, EVENT, PEOPLE, LEVEL, SEMINAR_ROOM, BOOKING):
        text = (CATALOG / f"{method}.toml").read_text(encoding="utf-8")
        shorter = text.replace("delay_s = 10\n", f"delay_s = {LOOK_UP_DELAY_S}\n")
        assert shorter != text, f"{method} has no delay_s = 10"
        (methods / f"{method}.toml").write_text(shorter, encoding="utf-8")
    faults = [f'[[faults]]\nmethod = "{method}"\nkind = "{kind}"\nchance = {chance}\n{more}\n' for method, kind, chance, more in FAULTS]
    events = [f"[[events]]\nat_s = {at_s}\nrevoke_tokens = true\n" for at_s in range(7, 600, 13)]
    scenario = folder / "scenario.toml"
    scenario.write_text(SCENARIO.format(seed=seed, listing_ms=LOOK_UP_DELAY_S * 250, quotas=lines_of(QUOTAS),
                                        events="\n".join(events), faults="\n".join(faults)), encoding="utf-8")
    return scenario


def job(method, number, by):
    """One job that can succeed; `by` is how it comes, amqp or file."""
    job_id = f"{by}-{method.split('.')[1]}-{number}" if method != MINUTES else f"{by}-minutes-{number}"
    each = {"id": job_id, "method": method, "app": "campus" if method == MEETING else "acme", "batch": by}
    if method == ROOM:
        each["body"] = {"name": f"Crash {job_id}", "capacity": 4, "room_level_id": f"omb_{number % 7}"}
    elif method == CALENDAR:
        each["body"] = {"summary": f"Crash {job_id}", "description": f"calendar {job_id}"}
    elif method == MEETING:
        each["body"] = {"admin_userid": f"t{number % 9}", "title": f"C {job_id}", "meeting_start": 1930000000 + 3600 * number,
                        "meeting_duration": 1800}
    else:
        each["path"] = {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"{job_id}_0"}
    return each


def bad_message(number, random_source):
    """A message that is no job, its properties, and the reason of its dead letter."""
    reason = random_source.choice(["malformed", "unknown-method", "unknown-app", "invalid", "unreadable"])
    each = job(CALENDAR, number, "bad")
    if reason == "malformed":
        return reason, json.dumps(each).encode()[:-9], {}
    if reason == "unreadable":
        return "malformed", json.dumps(each).encode(), {"app_id": Raw("会议".encode("gbk"))}
    if reason == "unknown-method":
        each["method"] = "feishu.calendar.creat"
    elif reason == "unknown-app":
        each["app"] = "nobody"
    else:
        each["body"] = {"summary": "S" * 256}
    return reason, json.dumps(each).encode(), {}


class Plan:
    """What is given to the worker, drawn from the seed: good jobs by AMQP and by file, repeats, and what is no job."""

    def __init__(self, random_source, kills):
        self.random = random_source
        self.number = 0
        self.good = {}
        self.by_amqp = set()
        self.sent = collections.Counter()
        self.bad = []
        self.per_life = 4
        self.chains = 0
        self.kills = kills
        self.first = 8 * kills

    def portion(self, by, count):
        """That many new jobs."""
        jobs = []
        for _ in range(count):
            self.number += 1
            method = self.random.choices(METHODS, weights=[2, 4, 3, 2])[0]
            each = job(method, self.number, by)
            self.good[each["id"]] = each
            jobs.append(each)
        # What waits comes before what it waits for as often as behind it.
        chain = crash_chains.chain(self.chains, by)
        self.chains += 1
        self.good.update((each["id"], each) for each in chain)
        jobs += chain
        self.random.shuffle(jobs)
        return jobs

    def messages(self, count):
        """Bodies and properties for the jobs queue: new jobs, some of them twice, some old ones again, and some that are no job."""
        jobs = self.portion("amqp", count)
        self.by_amqp.update(each["id"] for each in jobs)
        repeats = [each for each in jobs if self.random.random() < 0.1]
        if self.by_amqp and self.random.random() < 0.3:
            repeats.append(self.good[self.random.choice(sorted(self.by_amqp))])
        self.sent.update(each["id"] for each in jobs + repeats)
        bodies = [(json.dumps(each).encode(), {}) for each in jobs + repeats]
        if self.random.random() < 0.3:
            self.number += 1
            reason, body, properties = bad_message(self.number, self.random)
            self.bad.append((reason, body))
            bodies.append((body, properties))
        self.random.shuffle(bodies)
        return bodies

    def file(self, folder, count):
        path = folder / f"jobs-{self.number}.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in self.portion("file", count)), encoding="utf-8")
        return str(path)
