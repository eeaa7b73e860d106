#!/usr/bin/env python3
"""Runs a batch in stages, as a person at a terminal does, and looks at the simulator's books.

    scripts/e2e_stages.py --binary target/debug/paceline

The canary's question is answered on a pseudo-terminal with yes, no and Ctrl-C; `--yes` answers it beforehand, and not when a
canary failed; `--stop-at` stops a batch of which too much fails. Then a row is inserted into a file that was run, and the file is
run under the name of a second download. Holds if exactly what was agreed to was created, once.
"""

import os
import pathlib
import pty
import select
import tempfile
import time

from harness import Failure, Site, check, check_books, main

ROOM = "feishu.vc.room.create"
QUOTA = "1000/10s"
SETTINGS = f'[apps.acme.quotas]\n"{ROOM}" = "{QUOTA}"\n'
SCENARIO = f'title = "Quick"\n[quotas]\n"{ROOM}" = "{QUOTA}"\n'
# Every second room is refused for good: the first one is created, the second is not.
FAILING = SCENARIO + '[[faults]]\nkind = "code"\ncode = 125001\nmethod = "*.room.create"\nevery = 2\n'
QUESTION = b"[y/N] "
CTRL_C = b"\x03"
AS_ROOMS = ("--method", ROOM, "--app", "acme")


def rooms(names):
    return "name,capacity,room_level_id\n" + "".join(f"{name},4,omb_1\n" for name in names)


def created(site):
    return site.books()["methods"].get(ROOM, {}).get("created", 0)


def at_terminal(site, arguments, answer):
    """Runs a command on a terminal of its own and answers its question; gives exit code and all that was shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(site.folder)
        os.execve(site.binary, [site.binary, *arguments], {**site._environment(), "TERM": "xterm"})
    shown, answered, deadline_s = b"", False, time.monotonic() + 60
    while True:
        if not select.select([terminal], [], [], max(0, deadline_s - time.monotonic()))[0]:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise Failure(f"{arguments} shows nothing more after {shown.decode(errors='replace')}")
        try:
            part = os.read(terminal, 65536)
        except OSError:
            # The other end is closed: it has ended.
            break
        if not part:
            break
        shown += part
        if QUESTION in shown and not answered:
            answered = True
            os.write(terminal, answer)
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check(answered, f"{arguments} asked nothing: {shown.decode(errors='replace')}")
    return code, shown.decode(errors="replace")


def asked(site):
    """The canary's question, and its three answers."""
    (site.folder / "asked.csv").write_text(rooms(f"asked {number}" for number in range(30)))
    command = ["run", "asked.csv", *AS_ROOMS, "--canary", "3"]
    before = created(site)
    code, shown = at_terminal(site, command, b"\n")
    check(code == 1 and created(site) - before == 3, f"without an answer: {code}, {created(site) - before} rooms: {shown}")
    question = next(line for line in shown.splitlines() if "[y/N]" in line)
    check("Send the other 27 jobs? [y/N]" in question, f"it asked {question!r}")
    code, shown = at_terminal(site, command, CTRL_C)
    check(code != 0 and created(site) - before == 6, f"after Ctrl-C: {code}, {created(site) - before} rooms: {shown}")
    code, shown = at_terminal(site, command, b"y\n")
    check(code == 0 and created(site) - before == 30, f"after y: {code}, {created(site) - before} rooms: {shown}")
    print("asked on a terminal: Enter and Ctrl-C left it at 3 canaries each, y sent the rest, 30 rooms")


def agreed_beforehand(site):
    (site.folder / "yes.csv").write_text(rooms(f"yes {number}" for number in range(30)))
    before = created(site)
    code, _ = site.run("run", "yes.csv", *AS_ROOMS, "--canary", "3")
    check(code == 1 and created(site) - before == 3, f"without a terminal: {code}, {created(site) - before} rooms")
    code, _ = site.run("run", "yes.csv", *AS_ROOMS, "--canary", "3", "--yes")
    check(code == 0 and created(site) - before == 30, f"with --yes: {code}, {created(site) - before} rooms")
    print("without a terminal 3 canaries and a stop, with --yes all 30 rooms")


def inserted_and_copied(site):
    """A row is inserted after the fourth of twenty: one room more. The same file by another name: none."""
    names = [f"1F-{number}" for number in range(20)]
    before = created(site)
    (site.folder / "small.csv").write_text(rooms(names))
    check(site.run("run", "small.csv", *AS_ROOMS)[0] == 0 and created(site) - before == 20, "twenty rooms were wanted")
    (site.folder / "small.csv").write_text(rooms([*names[:4], "1F-new", *names[4:]]))
    code, _ = site.run("run", "small.csv", *AS_ROOMS)
    check(code == 0 and created(site) - before == 21, f"one more row: {code}, {created(site) - before - 20} rooms more")
    (site.folder / "small (1).csv").write_text((site.folder / "small.csv").read_text())
    code, _ = site.run("run", "small (1).csv", *AS_ROOMS)
    check(code == 2 and created(site) - before == 21, f"a copy: {code}, {created(site) - before - 21} rooms more")
    print("a row inserted: 1 room; the same file as 'small (1).csv': refused, 0 rooms")


def failing(site):
    (site.folder / "bad.csv").write_text(rooms(f"bad {number}" for number in range(200)))
    before = created(site)
    code, _ = site.run("run", "bad.csv", *AS_ROOMS, "--canary", "2", "--yes")
    check(code == 1 and created(site) - before == 1, f"a failed canary and --yes: {code}, {created(site) - before} rooms")
    code, _ = site.run("run", "bad.csv", *AS_ROOMS, "--stop-at", "5%")
    counts = site.counts()
    check(code == 1 and counts["queued"] > 100, f"--stop-at: {code}, {counts}")
    said = [line for line in (site.folder / "commands.log").read_text().splitlines() if "stopped by --stop-at" in line]
    check(len(said) == 1, f"it said {said}")
    print(f"a failed canary stops a run with --yes; {said[0]}; {counts['queued']} of 200 wait")


def trial(arguments):
    for scenario, cases in ((SCENARIO, (asked, agreed_beforehand, inserted_and_copied)), (FAILING, (failing,))):
        with tempfile.TemporaryDirectory(prefix="paceline-stages-") as folder:
            with Site(arguments.binary, folder, more=SETTINGS, scenario=scenario) as site:
                for case in cases:
                    case(site)
                check_books(site.books(), {ROOM: created(site)})


if __name__ == "__main__":
    main(trial, __doc__)
