#!/usr/bin/env python3
"""A foreign client, end to end: publishes a mixed batch with pika, good and bad, and follows every message to its ending.

    scripts/e2e_pika.py --binary target/debug/paceline --amqp amqp://guest:guest@127.0.0.1:5672/%2f

Starts `paceline simulate` and `paceline work` itself, under queue names of its own, which it deletes again. Holds if every
message is found exactly once, as a result or as a dead letter with the right reason, and the jobs queue is empty with
nothing unacknowledged. Tries examples/publish_many.py and examples/results.py on the way. Needs pika.
"""

import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import time

import pika

from harness import AMQP, Failure, Site, check, check_books, main, until

ROOM, CALENDAR, MEETING = "feishu.vc.room.create", "feishu.calendar.create", "wecom.meeting.create"
MINUTES = "feishu.calendar.event.meeting_minute.create"
# How many jobs examples/publish_many.py publishes.
EXAMPLES = 500

# One message and what must become of it: `reason` None is a result, else the reason of the dead letter.
Case = collections.namedtuple("Case", "name body properties id method reason correlation_id reply")


def case(name, body, reason=None, id=None, method=None, correlation_id=None, reply=None, **properties):
    if isinstance(body, dict):
        id = id or body.get("id") or properties.get("message_id")
        method = method or body.get("method") or properties.get("type")
        body = json.dumps(body, ensure_ascii=False).encode()
    if reply:
        properties["reply_to"] = reply
    properties = pika.BasicProperties(delivery_mode=2, correlation_id=correlation_id, **properties)
    return Case(name, body, properties, id, method, reason, correlation_id, reply)


def job(id, method, app, body, **more):
    return {"id": id, "method": method, "app": app, "body": body, **more}


def room(number, **body):
    return job(f"room-{number}", ROOM, "acme", {"name": f"会议室 {number}", "capacity": 8, "room_level_id": "omb_4ad1", **body})


def calendar(number, **more):
    return job(f"cal-{number}", CALENDAR, "acme", {"summary": f"Department {number} 部门"}, **more)


def meeting(name, **body):
    base = {"admin_userid": "t2001", "title": f"Lesson {name}", "meeting_start": 1930000000, "meeting_duration": 1800}
    return job(f"lesson-{name}", MEETING, "campus", {**base, **body})


def good_cases(reply_queue):
    for number in range(12):
        yield case("room", room(number))
    for number in range(182):
        yield case("calendar", calendar(number, meta={"n": number}))
    for number in range(70):
        yield case("meeting", meeting(number))
    for number in range(3):
        path = {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"75d28f9b-{number}_0"}
        yield case("minutes", {"id": f"minutes-{number}", "method": MINUTES, "app": "acme", "path": path})
    for number in range(10):
        yield case("fields from properties", {"body": {"summary": f"From properties {number}"}}, message_id=f"prop-{number}",
                   type=CALENDAR, app_id="acme", priority=number % 10, correlation_id=f"c-{number}", reply=reply_queue)
    for number in range(4):
        yield case("fields win over properties", calendar(f"both-{number}"), message_id="not-this", type=ROOM, app_id="nobody")
    for number in range(4):
        yield case("reply_to in the body", calendar(f"reply-{number}", reply_to=reply_queue), correlation_id=f"r-{number}", reply=None)


def bad_cases():
    good = json.dumps(calendar("cut")).encode()
    for name, body in [("cut JSON", good[:-7]), ("no JSON", b"<job/>"), ("an array", b'[{"id":"in-a-list"}]'), ("a number", b"42"),
                       ("empty", b""), ("zero bytes", b"\0\0\0\0"), ("two documents", good + good)]:
        yield case(name, body, "malformed")
    for name, body in [("not UTF-8", b'{"id":"latin-\xe9"}'), ("GBK", '{"id":"会议室"}'.encode("gbk")), ("bare bytes", bytes(range(128, 256)))]:
        yield case(name, body, "malformed")
    without_id = calendar("x")
    del without_id["id"]
    yield case("no id", without_id, "malformed")
    yield case("an id of 256 bytes", calendar("x") | {"id": "i" * 256}, "invalid")
    yield case("an id that is a number", calendar("x") | {"id": 7}, "malformed")
    for number in range(3):
        yield case("unknown method", calendar(f"um-{number}") | {"method": "feishu.vc.rooms.create"}, "unknown-method")
        yield case("unknown app", calendar(f"ua-{number}") | {"app": "nobody"}, "unknown-app")
    yield case("title over the limit", meeting("long", title="这个会议的标题实在是太长了一点点超过四十个字节二十个字"), "invalid")
    yield case("summary over the limit", calendar("long") | {"body": {"summary": "S" * 256}}, "invalid")
    yield case("capacity in words", room("words", capacity="ten"), "invalid")
    yield case("no name", job("nameless", ROOM, "acme", {"capacity": 4, "room_level_id": "omb_4ad1"}), "invalid")
    yield case("unknown parameter", calendar("param") | {"body": {"sumary": "a slip of the pen"}}, "invalid")
    yield case("a method of another platform", meeting("other") | {"app": "acme"}, "invalid")
    yield case("priority out of range", calendar("p12", priority=12), "invalid")
    yield case("priority below zero", calendar("p-1", priority=-1), "invalid")
    yield case("unknown field", calendar("field", bodi={}), "invalid")
    yield case("deadline in the past", calendar("late", not_after="2020-01-01T00:00:00Z"), "expired")
    yield case("a meeting in the past", meeting("past", meeting_start=1600000000), "expired")


def conflict_cases():
    """The first message of an id is a job; the second, with other content, is a dead letter."""
    for number in range(5):
        yield case("first of its id", calendar(f"conflict-{number}"))
        other = calendar(f"conflict-{number}") | {"body": {"summary": f"Another department {number}"}}
        yield case("second of its id", other, "id-conflict")


def publish(channel, queue, cases):
    for each in cases:
        # Raises if the broker refuses the message or finds no queue for it.
        channel.basic_publish("", queue, each.body, each.properties, mandatory=True)


class Endings:
    """Everything that came out of the results, dead-letter and reply queues so far."""

    def __init__(self, channel, prefix, reply_queue):
        self.channel = channel
        self.queues = {"result": f"{prefix}.results", "dead": f"{prefix}.dead", "reply": reply_queue}
        self.result, self.dead, self.reply = [], [], []

    def drain(self):
        for kind, queue in self.queues.items():
            while True:
                method, properties, body = self.channel.basic_get(queue, auto_ack=True)
                if method is None:
                    break
                getattr(self, kind).append((properties, body))

    def await_counts(self, results, dead, timeout_s):
        def enough():
            self.drain()
            return len(self.result) >= results and len(self.dead) >= dead

        try:
            until(enough, timeout_s, "endings")
        except Failure:
            raise Failure(f"after {timeout_s} s: {len(self.result)} of {results} results, {len(self.dead)} of {dead} dead letters") from None


def check_results(endings, cases):
    found = collections.defaultdict(list)
    for properties, body in endings.result:
        document = json.loads(body)
        check(document["status"] == "succeeded", f"a result that is none: {document}")
        check(document.get("key"), f"a result without a key: {document}")
        named = (properties.app_id, properties.type)
        check(named == (document["app"], document["method"]), f"properties {named} on {document}")
        found[document["id"]].append((document, properties))
    for each in cases:
        if each.reason is None:
            copies = found.pop(each.id, [])
            check(len(copies) == 1, f"{each.name} {each.id}: {len(copies)} results, expected one")
            document, properties = copies[0]
            check(document["method"] == each.method, f"{each.id}: the result names {document['method']}")
            check(properties.correlation_id == each.correlation_id, f"{each.id}: correlation_id {properties.correlation_id} came back")
            sent = json.loads(each.body)
            check(document.get("meta") == sent.get("meta"), f"{each.id}: meta {document.get('meta')} came back")
    check(not found, f"results nobody asked for: {sorted(found)}")


def check_dead(endings, cases):
    found = collections.defaultdict(list)
    for properties, body in endings.dead:
        found[body].append(properties)
    for each in cases:
        if each.reason is not None:
            letters = found.pop(each.body, [])
            check(len(letters) == 1, f"{each.name}: {len(letters)} dead letters with its very bytes, expected one")
            headers = letters[0].headers or {}
            reason = headers.get("x-paceline-reason")
            check(reason == each.reason, f"{each.name}: reason {reason}, expected {each.reason}; headers {headers}")
            check(headers.get("x-paceline-detail"), f"{each.name}: a dead letter without a detail")
    check(not found, f"dead letters of messages that nobody sent: {list(found)[:3]}")


def check_replies(endings, cases):
    wanted = {each.id for each in cases if each.reason is None and (each.reply or b'"reply_to"' in each.body)}
    got = collections.Counter(json.loads(body)["id"] for _, body in endings.reply)
    check(set(got) == wanted, f"replies missing: {sorted(wanted - set(got))}; not wanted: {sorted(set(got) - wanted)}")
    check(set(got.values()) == {1}, f"replies that came more than once: {[id for id, count in got.items() if count > 1]}")


def second_round(channel, jobs_queue, endings, cases):
    """Known ids again, and a dead letter moved back: an ended job's result comes again, nothing is created again."""
    again = [each for each in cases if each.reason is None and each.name in ("room", "meeting")][:20]
    letter = next(each for each in cases if each.reason == "unknown-app")
    before = (len(endings.result), len(endings.dead))
    publish(channel, jobs_queue, [*again, letter])
    endings.await_counts(before[0] + len(again), before[1] + 1, 60)
    repeated, endings.result = endings.result[before[0]:], endings.result[:before[0]]
    letters, endings.dead = endings.dead[before[1]:], endings.dead[:before[1]]
    keys = {json.loads(body)["id"]: json.loads(body)["key"] for _, body in endings.result}
    for _, body in repeated:
        document = json.loads(body)
        check(document["key"] == keys[document["id"]], f"{document['id']} came again with another key")
    check({json.loads(body)["id"] for _, body in repeated} == {each.id for each in again}, "other results came again than were asked for")
    check([body for _, body in letters] == [letter.body], "the dead letter that was moved back did not come back as it was")


def try_examples(channel, amqp, prefix, endings):
    """The examples: 500 jobs published with their confirms in flight, and their results consumed from a queue of one's own."""
    before = (len(endings.result), len(endings.dead))
    own = f"{prefix}.examples"
    channel.queue_declare(own, exclusive=False, auto_delete=False)
    channel.queue_bind(own, f"{prefix}.results", f"acme.{CALENDAR}")
    said = run_example("publish_many.py", amqp, f"{prefix}.jobs")
    check(said == f"published {EXAMPLES} jobs\n", f"publish_many.py said {said!r}")
    lines = run_example("results.py", amqp, own, str(EXAMPLES)).splitlines()
    check({line.split("\t")[0] for line in lines} == {f"class-{number}-2031" for number in range(EXAMPLES)}, f"results.py said {lines[:3]} …")
    check(all(line.split("\t")[1] for line in lines), "results.py printed a result without its key")
    endings.await_counts(before[0] + EXAMPLES, before[1], 60)
    del endings.result[before[0]:]
    channel.queue_delete(own)


def run_example(name, *arguments):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", name)
    return subprocess.run([sys.executable, path, *arguments], check=True, capture_output=True, text=True, timeout=180).stdout


def queue_exists(connection, queue):
    try:
        channel = connection.channel()
        channel.queue_declare(queue, passive=True)
        channel.close()
        return True
    except pika.exceptions.ChannelClosedByBroker:
        return False


def remove(connection, prefix, reply_queue):
    channel = connection.channel()
    for queue in (f"{prefix}.jobs", f"{prefix}.results", f"{prefix}.dead", reply_queue):
        channel.queue_delete(queue)
    channel.exchange_delete(f"{prefix}.results")


def exchange(site, connection, amqp, prefix, reply_queue, cases):
    """Publishes, waits for every ending, stops the worker; returns what came."""
    jobs_queue = f"{prefix}.jobs"
    worker = site.start_worker("work")

    def ready():
        check(worker.poll() is None, f"the worker ended at once with {worker.returncode}")
        return queue_exists(connection, jobs_queue) and queue_exists(connection, f"{prefix}.dead")

    until(ready, 30, "the worker to declare its queues")
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(reply_queue, durable=True)
    publish(channel, jobs_queue, cases)
    endings = Endings(channel, prefix, reply_queue)
    dead = sum(each.reason is not None for each in cases)
    endings.await_counts(len(cases) - dead, dead, 120)
    second_round(channel, jobs_queue, endings, cases)
    try_examples(channel, amqp, prefix, endings)
    code = site.stop_worker()
    check(code in (0, 1), f"the worker ended with {code} after SIGTERM")
    # Its connection is gone: whatever it had not acked is back in the queue now, and whatever it published has arrived.
    left = channel.queue_declare(jobs_queue, passive=True).method.message_count
    check(left == 0, f"{left} messages are left in the jobs queue, or were never acked")
    endings.drain()
    return endings


def trial(arguments):
    prefix = f"paceline-e2e-{os.getpid()}-{int(time.time())}"
    reply_queue = f"{prefix}.replies"
    cases = [*good_cases(reply_queue), *bad_cases()]
    random.Random(arguments.seed).shuffle(cases)
    # The order within an id matters, so these stay behind each other.
    cases += conflict_cases()
    connection = pika.BlockingConnection(pika.URLParameters(arguments.amqp))
    try:
        with tempfile.TemporaryDirectory(prefix="paceline-e2e-") as folder, Site(arguments.binary, folder, arguments.amqp, prefix) as site:
            endings = exchange(site, connection, arguments.amqp, prefix, reply_queue, cases)
            check_results(endings, cases)
            check_dead(endings, cases)
            check_replies(endings, cases)
            created = collections.Counter(each.method for each in cases if each.reason is None)
            created[CALENDAR] += EXAMPLES
            check_books(site.books(), created)
    finally:
        remove(connection, prefix, reply_queue)
        connection.close()
    dead = collections.Counter(each.reason for each in cases if each.reason)
    print(f"{len(cases)} messages, each ended once: {len(cases) - sum(dead.values())} results, {sum(dead.values())} dead letters "
          f"({', '.join(f'{count} {reason}' for reason, count in sorted(dead.items()))}); 0 duplicates, 0 refusals, queue empty")


if __name__ == "__main__":
    main(trial, __doc__, AMQP, ("--seed", {"type": int, "default": 1}))
