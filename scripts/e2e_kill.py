#!/usr/bin/env python3
"""Kills the worker with SIGKILL at random moments, restarts it each time, and then asks the simulator's own books.

    scripts/e2e_kill.py --binary target/debug/paceline [--kills 6] [--seed 7] [--mode run|work]

Holds if every job ended once, nothing was created twice, no call was refused for its pace, and the
audit of the ledger finds no window exceeded. Standard library only.
"""

import json
import pathlib
import random
import subprocess
import tempfile

from harness import Site, check, check_books, main

ROOM, CALENDAR, MEETING = "feishu.vc.room.create", "feishu.calendar.create", "wecom.meeting.create"
# Ten rooms leave half of 20/min for the permits that each kill burns; the others fill some seconds at 50/s.
WANTED = {ROOM: 10, CALENDAR: 350, MEETING: 150}


def job(method, number):
    if method == ROOM:
        body = {"name": f"Kill {number}", "capacity": 4, "room_level_id": "omb_4ad1", "custom_room_id": f"kill-{number}"}
    elif method == CALENDAR:
        body = {"summary": f"Kill {number}", "description": f"calendar {number} of the kill trial"}
    else:
        body = {"admin_userid": "t2001", "title": f"Kill {number}", "meeting_start": 1930000000 + 3600 * number, "meeting_duration": 1800}
    app = "campus" if method == MEETING else "acme"
    return {"id": f"{method}-{number}", "method": method, "app": app, "batch": "kill", "body": body}


def write_jobs(path, random_source):
    jobs = [job(method, number) for method, count in WANTED.items() for number in range(count)]
    random_source.shuffle(jobs)
    path.write_text("".join(json.dumps(each) + "\n" for each in jobs), encoding="utf-8")
    return len(jobs)


def kill_some(site, command, kills, random_source):
    """Starts the worker and kills it, `kills` times; returns how many of the kills hit a living worker."""
    hits = 0
    for _ in range(kills):
        worker = site.start_worker(*command)
        try:
            worker.wait(random_source.uniform(0.05, 2.0))
            check(worker.returncode in (0, 1), f"the worker ended by itself with {worker.returncode}")
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
            hits += 1
    return hits


def trial(arguments):
    random_source = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="paceline-kill-") as folder:
        jobs_file = pathlib.Path(folder) / "jobs.jsonl"
        total = write_jobs(jobs_file, random_source)
        with Site(arguments.binary, folder, request_timeout_ms=2000) as site:
            command = ["run", str(jobs_file), "--json"]
            if arguments.mode == "work":
                code, _ = site.run("submit", str(jobs_file))
                check(code == 0, f"'paceline submit' ended with {code}")
                command = ["work", "--until-idle"]
            hits = kill_some(site, command, arguments.kills, random_source)
            code, output = site.run(*command)
            counts = json.loads(output.splitlines()[-1]) if arguments.mode == "run" else site.counts()
            check(code == 0, f"the last 'paceline {command[0]}' ended with {code}; counts: {counts}")
            check(counts["succeeded"] == total, f"{total} jobs, but the ledger says {counts}")
            check(counts["total"] == total, f"{total} jobs were given, the ledger holds {counts['total']}")
            ended = site.counts()["succeeded"]
            check(ended == total, f"'paceline status' counts {ended} of {total} jobs as succeeded")
            check_books(site.books(), WANTED)
            code, output = site.run("audit", "--json")
            check(code == 0, f"'paceline audit' ended with {code}: {output}")
            judged = json.loads(output)["calls"]
            check(judged >= total, f"'paceline audit' judged {judged} calls of at least {total}")
    print(f"{total} jobs, killed {hits} times (seed {arguments.seed}, {arguments.mode}): "
          "each ended once, 0 duplicates, 0 refusals, audit clean")


if __name__ == "__main__":
    seed = random.SystemRandom().randrange(10**6)
    main(trial, __doc__, ("--kills", {"type": int, "default": 6}), ("--seed", {"type": int, "default": seed}),
         ("--mode", {"choices": ["run", "work"], "default": "run"}))
