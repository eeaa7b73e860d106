"""The sums of a crash trial, from three sources that share no code: the simulator's books, the ledger, the messages."""

import collections
import json

from crash_chains import BOOKING, EVENT, LEVEL, PEOPLE, RULES, SEMINAR_ROOM, waited_for
from crash_world import METHODS, MINUTES
from harness import check

# How an attempt ends of which nobody knows whether it was applied.
UNKNOWN = {"uncertain", "lost", "internal"}
# A result may come again for each death between its publication and its forgetting, and so often beyond that for tries with
# the subscriber that refuses. How many deaths come there, the machine's load decides.
HANDFUL = 5
# Methods whose objects are owned by one job each.
WITH_KEYS = [*METHODS, EVENT, LEVEL, SEMINAR_ROOM, BOOKING]


class Sums:
    """Everything that came out of a trial."""

    def __init__(self, site, plan, results, copies, dead):
        self.plan = plan
        self.site = site
        self.books = site.books()
        everything = site.simulator_says("objects")
        self.objects = [each for each in everything if each["method"] in WITH_KEYS]
        self.people = [each for each in everything if each["method"] == PEOPLE]
        code, text = site.run("export", "--format", "jsonl")
        check(code == 0, f"'paceline export' ended with {code}")
        self.documents = [json.loads(line) for line in text.splitlines()]
        self.ended = {each["id"]: each for each in self.documents if each.get("id") in plan.good}
        self.results = [json.loads(body) for _, body in results]
        self.copies = [json.loads(body) for _, body in copies]
        self.dead = dead

    def check(self):
        self.check_ledger()
        self.check_objects()
        self.check_minutes()
        self.check_people()
        self.check_order()
        self.check_messages()
        self.check_pace()

    def in_state(self, status):
        return {job_id for job_id, each in self.ended.items() if each["status"] == status}

    def check_ledger(self):
        """Every job is there, once, and has ended: succeeded, or held where nobody can tell."""
        ids = collections.Counter(each["id"] for each in self.documents if each.get("id") in self.plan.good)
        twice = [job_id for job_id, count in ids.items() if count > 1]
        check(not twice, f"in the ledger more than once: {twice[:5]}")
        lost = sorted(set(self.plan.good) - set(ids))
        check(not lost, f"lost: {len(lost)} jobs are not in the ledger: {lost[:5]}")
        for job_id, each in self.ended.items():
            is_minutes = self.plan.good[job_id]["method"] == MINUTES
            wanted = {"succeeded", "held"} if is_minutes else {"succeeded"}
            check(each["status"] in wanted, f"{job_id} ended as {each['status']}: {each.get('reason')} {each.get('detail')}")

    def check_objects(self):
        """What was really created: once for each job that succeeded, at most once for each that is held, else nothing."""
        check(self.books["duplicates"] == 0, f"the simulator counted {self.books['duplicates']} duplicates")
        keys = collections.Counter(each["key"] for each in self.objects)
        check(max(keys.values(), default=0) <= 1, "the simulator gave a key twice")
        succeeded = [job_id for job_id in self.in_state("succeeded") if self.plan.good[job_id]["method"] in WITH_KEYS]
        owned = collections.Counter(self.ended[job_id]["key"] for job_id in succeeded)
        shared = [key for key, count in owned.items() if count > 1]
        check(not shared, f"two jobs ended with the same object: {shared[:5]}")
        made_up = sorted(set(owned) - set(keys))
        check(not made_up, f"results with keys that the simulator never gave: {made_up[:5]}")
        held_events = {self.value(self.plan.good[job_id]["path"]["event_id"]) for job_id in self.in_state("held")}
        for each in self.objects:
            if each["key"] not in owned:
                event = json.loads(each["identity"])[1] if each["method"] == MINUTES else None
                check(event in held_events, f"created, and no job owns it: {each}")
        self.applied_of_held = len(keys) - len(owned)

    def value(self, given):
        """A parameter, as it was sent: the id of another job's object where it is taken from there."""
        return self.ended[given["$from"]]["key"] if isinstance(given, dict) else given

    def check_people(self):
        """Each event has the person and the room that were invited to it, once."""
        invited = collections.Counter()
        for each in self.people:
            path, body = json.loads(each["identity"])
            invited[path["event_id"], body.get("user_id") or body["room_id"]] += 1
        wanted = collections.Counter()
        for job_id in self.in_state("succeeded"):
            job = self.plan.good[job_id]
            if job["method"] == PEOPLE:
                event = self.value(job["path"]["event_id"])
                wanted.update((event, each.get("user_id") or each["room_id"]) for each in job["body"]["attendees"])
        check(invited == wanted, f"invited, and not as asked: {list((invited - wanted) + (wanted - invited))[:5]}")

    def check_order(self):
        """No job was carried out before all that it waits for, by the order in which the simulator made the objects; what makes
        none was sent after those had ended, as the ledger tells it."""
        order = {each["key"]: each["order"] for each in self.objects}
        people = collections.defaultdict(int)
        for each in self.people:
            event = json.loads(each["identity"])[0]["event_id"]
            people[event] = max(people[event], each["order"])
        self.ordered = 0
        for job_id, each in sorted(self.plan.good.items()):
            before = waited_for(each)
            if not before or self.ended[job_id]["status"] != "succeeded":
                continue
            self.ordered += 1
            if each["method"] in (PEOPLE, RULES):
                self.check_sent_after(job_id, before)
                continue
            mine = order[self.ended[job_id]["key"]]
            for other in before:
                theirs = order.get(self.ended[other].get("key"))
                if theirs is None:
                    theirs = people[self.value(self.plan.good[other]["path"]["event_id"])]
                check(theirs < mine, f"{job_id} was carried out before {other}")

    def check_sent_after(self, job_id, before):
        sent = min(each["sent_at"] for each in self.history(job_id) if each["purpose"] == "job")
        for other in before:
            ended = self.ended[other]["finished_at"]
            check(ended <= sent, f"{job_id} was sent at {sent}, and {other} ended at {ended}")

    def history(self, job_id):
        code, text = self.site.run("jobs", "show", job_id, "--json")
        check(code == 0, f"'paceline jobs show {job_id}' ended with {code}")
        return json.loads(text)["history"]

    def check_minutes(self):
        """No minutes of which nobody knew were sent again; all of them are held."""
        self.uncertain_minutes = 0
        for job_id in sorted(self.ended):
            if self.plan.good[job_id]["method"] != MINUTES:
                continue
            outcomes = [each["outcome"] for each in self.history(job_id) if each["purpose"] == "job"]
            unknown = [position for position, outcome in enumerate(outcomes) if outcome in UNKNOWN]
            status = self.ended[job_id]["status"]
            if unknown:
                self.uncertain_minutes += 1
                check(status == "held", f"{job_id}: uncertain after {outcomes}, and {status} instead of held")
                check(unknown == [len(outcomes) - 1], f"{job_id} was sent again although nobody knew: {outcomes}")
            else:
                check(status == "succeeded", f"{job_id}: {status} after {outcomes}")

    def check_messages(self):
        """Every ending that somebody waits for was published, with its id, as the ledger tells it; nothing else was."""
        self.check_results(self.results, "the results queue")
        self.check_results(self.copies, "a subscriber's queue")
        self.repeated_results = len(self.results) - len({each["id"] for each in self.results})
        letters = collections.defaultdict(set)
        for properties, body in self.dead:
            letters[body].add(properties.headers["x-paceline-reason"])
        for reason, body in self.plan.bad:
            check(letters.pop(body, None) == {reason}, f"no dead letter with reason {reason} and these bytes: {body[:80]}")
        check(not letters, f"dead letters of what was no fault: {sorted(letters)[:3]}")

    def check_results(self, results, where):
        """Each result is there, and no more often than somebody asked, or died, or refused."""
        found = collections.defaultdict(list)
        for each in results:
            found[each["id"]].append((each["status"], each.get("key")))
        wanted = self.in_state("succeeded") & self.plan.by_amqp
        missing = sorted(wanted - set(found))
        check(not missing, f"{where}: {len(missing)} results were never published: {missing[:5]}")
        strange = sorted(set(found) - wanted)
        check(not strange, f"{where}: results that nobody waits for: {strange[:5]}")
        for job_id, copies in found.items():
            told = (self.ended[job_id]["status"], self.ended[job_id].get("key"))
            check(set(copies) == {told}, f"{where}: {job_id}: the ledger says {told}, the messages {set(copies)}")
            asked = self.plan.sent[job_id]
            check(len(copies) <= asked + self.plan.kills + HANDFUL, f"{where}: {job_id} was asked for {asked} times and came {len(copies)} times")

    def check_pace(self):
        """No call was refused for its pace but by the scenario, no window was exceeded, by the simulator's count and by ours."""
        scripted = self.books["faults"].get("throttle", 0)
        refused = self.books["refused"] - scripted
        check(refused == 0, f"the simulator refused {refused} calls for their pace")
        for quota in self.books["quotas"]:
            for window in quota["windows"]:
                words = f"{quota['method']}: {window['largest']} calls within {window['window_s']} s, limit {window['limit']}"
                check(not window["is_breached"], words)
        code, text = self.site.run("audit", "--json")
        check(code == 0, f"'paceline audit' ended with {code}: {text}")
        self.audited = json.loads(text)["calls"]
        arrived = sum(book["arrivals"] for book in self.books["methods"].values())
        check(self.audited >= arrived, f"{arrived} calls arrived at the simulator, the ledger knows of {self.audited}")

    def figures(self):
        """The sums as numbers, to be added up over rounds."""
        return collections.Counter(
            jobs=len(self.plan.good), chained=self.ordered, succeeded=len(self.in_state("succeeded")), held=len(self.in_state("held")),
            held_applied=self.applied_of_held, uncertain_minutes=self.uncertain_minutes, created=len(self.objects),
            results=len(self.results), repeated_results=self.repeated_results, copies=len(self.copies), dead_letters=len(self.plan.bad),
            calls=self.audited, scripted_faults=sum(self.books["faults"].values()))
