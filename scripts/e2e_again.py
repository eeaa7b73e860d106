#!/usr/bin/env python3
"""Dead letters and known ids, end to end over AMQP: redriven in stages, edited, moved back by hand, cancelled, resolved.

    scripts/e2e_again.py --binary target/debug/paceline --amqp amqp://guest:guest@127.0.0.1:5672/%2f

Every job is published, then published again in each of its states, with the same content and with other content. Holds
if every message ends as docs/publishing.md says and the simulator's books have no object twice. Needs pika.
"""

import json
import os
import tempfile
import time

import pika

from e2e_pika import CALENDAR, MEETING, MINUTES, ROOM, Endings, queue_exists, remove
from harness import AMQP, Site, check, check_books, main, until

ROOMS = 9
# The platform refuses every room of the first round, and the first one of the second.
SCENARIO = f"""
title = "Rooms are refused until somebody has mended the cause; calls for minutes are cut"
seed = 1

[[faults]]
method = "{ROOM}"
kind = "code"
code = 125001
first = {ROOMS + 1}

[[faults]]
method = "{MINUTES}"
kind = "cut-before"
first = 2
"""
HEADERS = {"trace": "t-会", "retries": 3, "urgent": True}


def job(id, method, app, **more):
    return {"id": id, "method": method, "app": app, **more}


def room(number, **body):
    return job(f"room-{number}", ROOM, "acme", body={"name": f"Room {number}", "capacity": 8, "room_level_id": "omb_1", **body})


def calendar(name, **more):
    return job(f"cal-{name}", CALENDAR, "acme", body={"summary": f"Department {name}"}, batch="later", **more)


def meeting(**body):
    base = {"admin_userid": "u", "title": "Lesson", "meeting_start": 1600000000, "meeting_duration": 1800, "settings": {"password": "8642"}}
    return job("lesson", MEETING, "campus", body={**base, **body})


def minutes(number):
    path = {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": f"75d28f9b-{number}_0"}
    return job(f"minutes-{number}", MINUTES, "acme", path=path, batch="minutes")


class Trial:
    def __init__(self, site, channel, prefix):
        self.site, self.channel, self.queue = site, channel, f"{prefix}.jobs"
        self.endings = Endings(channel, prefix, f"{prefix}.replies")
        self.published = 0

    def publish(self, document, **properties):
        body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        self.send(body, pika.BasicProperties(delivery_mode=2, **properties))
        return body

    def send(self, body, properties):
        self.channel.basic_publish("", self.queue, body, properties, mandatory=True)
        self.published += 1

    def new(self, results=0, dead=0):
        """Waits for so many more results and dead letters, and takes them; there may be no further ones."""
        self.endings.await_counts(results, dead, 60)
        taken = (self.endings.result, self.endings.dead)
        self.endings.result, self.endings.dead = [], []
        check((len(taken[0]), len(taken[1])) == (results, dead),
              f"{len(taken[0])} results and {len(taken[1])} dead letters, expected {results} and {dead}")
        return [json.loads(body) for _, body in taken[0]], taken[1]

    def nothing(self, document):
        """Publishes what must be known: its neighbour's ending, published behind it, comes alone."""
        self.publish(document)
        name = f"fence-{self.published}"
        self.publish(calendar(name))
        results, _ = self.new(results=1)
        check(results[0]["id"] == f"cal-{name}", f"{results[0]['id']} ended, which was known")

    def conflict(self, document):
        body = self.publish(document)
        _, dead = self.new(dead=1)
        properties, letter = dead[0]
        check(letter == body, "the dead letter of a conflict is another message")
        check(properties.headers["x-paceline-reason"] == "id-conflict", f"{document['id']}: {properties.headers}")
        return properties.headers["x-paceline-detail"]

    def paceline(self, code, *arguments):
        got, out = self.site.run(*arguments)
        check(got == code, f"'paceline {' '.join(arguments)}' ended with {got}, expected {code}; see commands.log")
        return json.loads(out) if "--json" in arguments else out

    def counts(self):
        return self.site.counts()


def rooms_are_redriven_in_stages(trial):
    sent = {}
    for number in range(ROOMS):
        body = trial.publish(room(number), correlation_id=f"c-{number}", headers=HEADERS, timestamp=1795248000 + number,
                             content_type="application/json", content_encoding="utf-8")
        sent[body] = number
    _, letters = trial.new(dead=ROOMS)
    for properties, body in letters:
        number = sent.pop(body)
        check(properties.headers["x-paceline-reason"] == "rejected", f"{properties.headers}")
        check(HEADERS.items() <= properties.headers.items(), f"upstream's headers came back as {properties.headers}")
        kept = (properties.timestamp, properties.content_encoding, properties.correlation_id)
        check(kept == (1795248000 + number, "utf-8", f"c-{number}"), f"properties came back as {kept}")

    counted = trial.paceline(0, "dead", "redrive", "--code", "125001", "--dry-run", "--json")
    check((counted["selected"], counted["would_expire"]) == (ROOMS, 0), f"{counted}")
    check(trial.counts()["dead"] == ROOMS, "a dry run changed something")
    stopped = trial.paceline(1, "dead", "redrive", "--reason", "rejected", "--method", ROOM, "--staged", "--json")
    check((stopped["redriven"], stopped["failed"], stopped["left"]) == (1, 1, ROOMS - 1), f"{stopped}")
    trial.new(dead=1)
    done = trial.paceline(0, "dead", "redrive", "--reason", "rejected", "--staged", "--json")
    check((done["redriven"], done["succeeded"], done["left"]) == (ROOMS, ROOMS, 0), f"{done}")
    results, _ = trial.new(results=ROOMS)
    keys = {each["id"]: each["key"] for each in results}

    # The old dead letters, moved back by hand: each brings the result again, and creates nothing.
    for properties, body in letters:
        died = [{"count": 1, "reason": "rejected", "queue": "paceline.dead", "exchange": "", "routing-keys": ["paceline.dead"]}]
        properties.headers = {**properties.headers, "x-death": died, "x-first-death-queue": "paceline.dead"}
        trial.send(body, properties)
    again, _ = trial.new(results=ROOMS)
    check({each["id"]: each["key"] for each in again} == keys, "moved back, they came with other keys")
    trial.conflict(room(0, capacity=9))


def cancelled_jobs_are_queued_again(trial):
    later = [calendar("a", not_before="2090-01-01T00:00:00Z"), calendar("b", not_before="2090-01-01T00:00:00Z")]
    for document in later:
        trial.publish(document)
    trial.nothing(later[0])
    trial.conflict(calendar("a") | {"body": {"summary": "Another"}})
    refused = trial.site.run("jobs", "cancel", "--batch", "later")[0]
    check(refused == 2, f"a selection of several was cancelled without --yes: {refused}")
    counted = trial.paceline(0, "jobs", "cancel", "--batch", "later", "--dry-run", "--json")
    check(counted["would_cancel"] == 2, f"{counted}")
    trial.paceline(0, "jobs", "cancel", "--batch", "later", "--yes")
    # The relay looks for what other processes wrote when it has nothing to do.
    _, dead = trial.new(dead=2)
    check(all(each[0].headers["x-paceline-reason"] == "cancelled" for each in dead), "not cancelled")
    trial.publish(calendar("a"))
    check(trial.new(results=1)[0][0]["id"] == "cal-a", "the cancelled job did not end when it was published again")
    trial.nothing(later[1] | {"not_before": "2090-01-02T00:00:00Z"})


def held_jobs_are_resolved(trial):
    for number in range(2):
        trial.publish(minutes(number))
    until(lambda: trial.counts()["held"] == 2, 60, "two held jobs")
    trial.nothing(minutes(0))
    trial.conflict(minutes(0) | {"path": minutes(9)["path"]})
    trial.paceline(2, "resolve", "--batch", "minutes", "--retry")
    trial.paceline(0, "resolve", "--batch", "minutes", "--retry", "--yes")
    results, _ = trial.new(results=2)
    check({each["id"] for each in results} == {"minutes-0", "minutes-1"}, f"{results}")


def a_dead_letter_is_edited(trial):
    trial.publish(meeting())
    _, letters = trial.new(dead=1)
    check(letters[0][0].headers["x-paceline-reason"] == "expired", f"{letters[0][0].headers}")
    stays = trial.paceline(1, "dead", "redrive", "lesson", "--json")
    check((stays["redriven"], stays["would_expire"]) == (0, 1), f"{stays}")
    # Moved back by hand it expires again.
    trial.send(letters[0][1], letters[0][0])
    trial.new(dead=1)
    shown = trial.paceline(0, "dead", "edit", "lesson", "--dry-run", "--patch",
                           '{"body":{"meeting_start":1930000000,"settings":{"password":"1357"}}}')
    check("1930000000" in shown and "1357" not in shown and "8642" not in shown, shown)
    trial.paceline(0, "dead", "edit", "lesson", "--patch", '{"body":{"meeting_start":1930000000}}', "--redrive")
    results, _ = trial.new(results=1)
    # Its old message is the same job, and so is what it was edited to.
    for document in (letters[0][1], meeting(meeting_start=1930000000)):
        trial.publish(document)
        check(trial.new(results=1)[0][0]["key"] == results[0]["key"], "another key")
    detail = trial.conflict(meeting(meeting_start=1930000060))
    check("dead edit" in detail, detail)


def trial(arguments):
    prefix = f"paceline-again-{os.getpid()}-{int(time.time())}"
    connection = pika.BlockingConnection(pika.URLParameters(arguments.amqp))
    try:
        with tempfile.TemporaryDirectory(prefix="paceline-again-") as folder, \
                Site(arguments.binary, folder, arguments.amqp, prefix, scenario=SCENARIO) as site:
            worker = site.start_worker("work")

            def ready():
                check(worker.poll() is None, f"the worker ended at once with {worker.returncode}")
                return all(queue_exists(connection, f"{prefix}.{name}") for name in ("jobs", "results", "dead"))

            until(ready, 30, "the worker to declare its queues")
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(f"{prefix}.replies", durable=True)
            run = Trial(site, channel, prefix)
            rooms_are_redriven_in_stages(run)
            cancelled_jobs_are_queued_again(run)
            held_jobs_are_resolved(run)
            a_dead_letter_is_edited(run)
            check(site.stop_worker() in (0, 1), "the worker did not drain")
            left = channel.queue_declare(run.queue, passive=True).method.message_count
            check(left == 0, f"{left} messages are left in the jobs queue")
            check_books(site.books(), {ROOM: ROOMS, MEETING: 1, MINUTES: 2})
            print(f"{run.published} messages: redriven in stages, edited, moved back, cancelled and resolved; 0 duplicates, queue empty")
    finally:
        remove(connection, prefix, f"{prefix}.replies")
        connection.close()


if __name__ == "__main__":
    main(trial, __doc__, AMQP)
