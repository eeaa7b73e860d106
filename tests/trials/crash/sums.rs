//! The sums of a round, from three sources that share no code: the simulator's books, the ledger, the messages.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Figures;
use super::plan::Plan;
use crate::books;
use crate::broker::{Client, Message};
use crate::jobs::{MINUTES, OWNED, PEOPLE, RULES, text, waited_for};
use crate::site::Site;

/// How an attempt ends of which nobody knows whether it was applied.
const UNKNOWN: [&str; 3] = ["uncertain", "lost", "internal"];
/// A result may come again for each death between its publication and its forgetting, and so often beyond that for tries
/// with the subscriber that refuses. How many deaths come there, the machine's load decides.
const HANDFUL: usize = 5;

/// Everything that came out of a round.
pub(crate) struct Sums<'s> {
    site: &'s Site,
    plan: &'s Plan,
    kills: u32,
    books: Value,
    /// Objects that one job owns each.
    objects: Vec<Value>,
    /// Who was invited to what.
    people: Vec<Value>,
    /// What the ledger says of the good jobs, each time that it names them.
    ledger: Vec<Value>,
    results: Vec<Value>,
    copies: Vec<Value>,
    dead: Vec<Message>,
}

/// The good jobs as they ended, by id.
struct Ended<'s> {
    sums: &'s Sums<'s>,
    jobs: BTreeMap<&'s str, &'s Value>,
}

impl<'s> Sums<'s> {
    pub(crate) async fn of(site: &'s Site, client: &Client, plan: &'s Plan, kills: u32) -> anyhow::Result<Self> {
        let queues = client.queues();
        let documents = |messages: Vec<Message>| messages.iter().map(Message::document).collect();
        let results: anyhow::Result<_> = documents(client.drain(&queues.results()).await?);
        let copies: anyhow::Result<_> = documents(client.drain(&queues.named("copy")).await?);
        let dead = client.drain(&queues.dead()).await?;
        let made = site.objects().await?;
        let made = made.as_array().context("the simulator lists no objects")?;
        let of = |methods: &[&str]| {
            made.iter().filter(|object| methods.contains(&text(object, "method"))).cloned().collect::<Vec<_>>()
        };
        let (code, lines) = site.run(&["export", "--format", "jsonl"])?;
        ensure!(code == Some(0), "'paceline export' ended with {code:?}");
        let lines: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let ledger = lines.into_iter().filter(|line| plan.good.contains_key(text(line, "id"))).collect();
        let (objects, people, books) = (of(&OWNED), of(&[PEOPLE]), site.books().await?);
        Ok(Self { site, plan, kills, books, objects, people, ledger, results: results?, copies: copies?, dead })
    }

    /// The sums as numbers, if they agree.
    pub(crate) fn check(&self) -> anyhow::Result<Figures> {
        let ended = self.check_ledger()?;
        let held_applied = ended.check_objects()?;
        let uncertain_minutes = ended.check_minutes()?;
        ended.check_people()?;
        let chained = ended.check_order()?;
        ended.check_results(&self.results, "the results queue")?;
        ended.check_results(&self.copies, "a subscriber's queue")?;
        self.check_dead_letters()?;
        let calls = self.check_pace()?;
        let published: BTreeSet<_> = self.results.iter().map(|result| text(result, "id")).collect();
        let faults = self.books["faults"].as_object().into_iter().flat_map(serde_json::Map::values);
        let figures = [
            ("jobs", self.plan.good.len()),
            ("chained", chained),
            ("succeeded", ended.in_state("succeeded").count()),
            ("held", ended.in_state("held").count()),
            ("held_applied", held_applied),
            ("uncertain_minutes", uncertain_minutes),
            ("created", self.objects.len()),
            ("results", self.results.len()),
            ("repeated_results", self.results.len() - published.len()),
            ("copies", self.copies.len()),
            ("dead_letters", self.plan.bad.len()),
        ];
        let mut figures: Figures = figures.into_iter().map(|(name, count)| (name, count as u64)).collect();
        figures.insert("calls", calls);
        figures.insert("scripted_faults", faults.filter_map(Value::as_u64).sum());
        Ok(figures)
    }

    /// Every job is there, once, and has ended: succeeded, or held where nobody can tell.
    fn check_ledger(&self) -> anyhow::Result<Ended<'_>> {
        let mut jobs = BTreeMap::new();
        for job in &self.ledger {
            let id = text(job, "id");
            ensure!(jobs.insert(id, job).is_none(), "in the ledger more than once: {id}");
            let is_minutes = self.plan.good[id]["method"] == MINUTES;
            let status = text(job, "status");
            let is_end = status == "succeeded" || (is_minutes && status == "held");
            ensure!(is_end, "{id} ended as {status}: {} {}", job["reason"], job["detail"]);
        }
        let lost: Vec<_> = self.plan.good.keys().filter(|id| !jobs.contains_key(id.as_str())).collect();
        ensure!(lost.is_empty(), "lost: {} jobs are not in the ledger: {:?}", lost.len(), first(&lost));
        Ok(Ended { sums: self, jobs })
    }

    /// Every message that was no job is a dead letter, byte for byte, with its reason; nothing else is.
    fn check_dead_letters(&self) -> anyhow::Result<()> {
        let mut letters: BTreeMap<&[u8], BTreeSet<String>> = BTreeMap::new();
        for letter in &self.dead {
            let reason = letter.header("x-paceline-reason").unwrap_or_default();
            letters.entry(&letter.body).or_default().insert(reason);
        }
        for (body, reason) in &self.plan.bad {
            let told = letters.remove(body.as_slice());
            let text = String::from_utf8_lossy(body);
            ensure!(
                told == Some(BTreeSet::from([(*reason).to_owned()])),
                "no dead letter with reason {reason}, but {told:?}: {text}"
            );
        }
        let strange: Vec<_> = letters.keys().map(|body| String::from_utf8_lossy(body)).collect();
        ensure!(strange.is_empty(), "dead letters of what was no fault: {:?}", first(&strange));
        Ok(())
    }

    /// No call was refused for its pace but by the scenario, no window was exceeded, by the simulator's count and by ours;
    /// how many calls the ledger knows of.
    fn check_pace(&self) -> anyhow::Result<u64> {
        books::check_scripted(&self.books)?;
        let calls = self.site.audited()?;
        let methods = self.books["methods"].as_object().into_iter().flat_map(serde_json::Map::values);
        let arrived: u64 = methods.filter_map(|book| book["arrivals"].as_u64()).sum();
        ensure!(calls >= arrived, "{arrived} calls arrived at the simulator, the ledger knows of {calls}");
        Ok(calls)
    }

    /// The calls that were made for a job, as the ledger tells them.
    fn calls_of(&self, id: &str) -> anyhow::Result<Vec<Value>> {
        let (code, text) = self.site.run(&["jobs", "show", id, "--json"])?;
        ensure!(code == Some(0), "'paceline jobs show {id}' ended with {code:?}");
        let shown: Value = serde_json::from_str(&text)?;
        let history = shown["history"].as_array().with_context(|| format!("'paceline jobs show {id}': no history"))?;
        Ok(history.iter().filter(|call| call["purpose"] == "job").cloned().collect())
    }
}

impl Ended<'_> {
    fn in_state(&self, status: &str) -> impl Iterator<Item = &str> {
        self.jobs.iter().filter(move |(_, job)| job["status"] == status).map(|(id, _)| *id)
    }

    fn asked(&self, id: &str) -> &Value {
        &self.sums.plan.good[id]
    }

    fn method(&self, id: &str) -> &str {
        text(self.asked(id), "method")
    }

    fn key(&self, id: &str) -> &str {
        text(self.jobs[id], "key")
    }

    /// A parameter as it was sent: the id of another job's object where it is taken from there.
    fn event_of<'v>(&'v self, id: &'v str) -> &'v str {
        let given = &self.asked(id)["path"]["event_id"];
        given["$from"].as_str().map_or_else(|| given.as_str().unwrap_or_default(), |other| self.key(other))
    }

    /// What was really created: once for each job that succeeded, at most once for each that is held, else nothing; how
    /// many of the held ones had been applied.
    fn check_objects(&self) -> anyhow::Result<usize> {
        let duplicates = &self.sums.books["duplicates"];
        ensure!(*duplicates == 0, "the simulator counted {duplicates} duplicates");
        let mut keys = BTreeSet::new();
        for object in &self.sums.objects {
            ensure!(keys.insert(text(object, "key")), "the simulator gave a key twice: {object}");
        }
        let mut owned = BTreeMap::new();
        for id in self.in_state("succeeded").filter(|id| OWNED.contains(&self.method(id))) {
            let key = self.key(id);
            let other = owned.insert(key, id);
            ensure!(other.is_none(), "two jobs ended with the same object {key}: {id} and {other:?}");
            ensure!(keys.contains(key), "{id} ended with the key {key:?}, which the simulator never gave");
        }
        let held: BTreeSet<_> = self.in_state("held").map(|id| self.event_of(id).to_owned()).collect();
        for object in self.sums.objects.iter().filter(|object| !owned.contains_key(text(object, "key"))) {
            let event = identity(object)?[1].as_str().unwrap_or_default().to_owned();
            let is_held = object["method"] == MINUTES && held.contains(&event);
            ensure!(is_held, "created, and no job owns it: {object}");
        }
        Ok(keys.len() - owned.len())
    }

    /// No minutes of which nobody knew were sent again; all of them are held. How many these were.
    fn check_minutes(&self) -> anyhow::Result<usize> {
        let mut uncertain = 0;
        for (id, job) in self.jobs.iter().filter(|(id, _)| self.method(id) == MINUTES) {
            let calls = self.sums.calls_of(id)?;
            let outcomes: Vec<_> = calls.iter().map(|call| text(call, "outcome")).collect();
            let status = text(job, "status");
            if let Some(unknown) = outcomes.iter().position(|outcome| UNKNOWN.contains(outcome)) {
                uncertain += 1;
                ensure!(status == "held", "{id}: uncertain after {outcomes:?}, and {status} instead of held");
                ensure!(unknown + 1 == outcomes.len(), "{id} was sent again although nobody knew: {outcomes:?}");
            } else {
                ensure!(status == "succeeded", "{id}: {status} after {outcomes:?}");
            }
        }
        Ok(uncertain)
    }

    /// Each event has the person and the room that were invited to it, once.
    fn check_people(&self) -> anyhow::Result<()> {
        let who = |given: &Value| given["user_id"].as_str().unwrap_or(text(given, "room_id")).to_owned();
        let mut invited = Vec::new();
        for each in &self.sums.people {
            let identity = identity(each)?;
            invited.push((text(&identity[0], "event_id").to_owned(), who(&identity[1])));
        }
        let mut wanted = Vec::new();
        for id in self.in_state("succeeded").filter(|id| self.method(id) == PEOPLE) {
            let attendees = self.asked(id)["body"]["attendees"].as_array().into_iter().flatten();
            wanted.extend(attendees.map(|each| (self.event_of(id).to_owned(), who(each))));
        }
        invited.sort();
        wanted.sort();
        let differ = invited.iter().zip(&wanted).find(|(invited, wanted)| invited != wanted);
        let (is, should) = (invited.len(), wanted.len());
        ensure!(invited == wanted, "invited, and not as asked: {is} instead of {should}, the first: {differ:?}");
        Ok(())
    }

    /// No job was carried out before all that it waits for, by the order in which the simulator made the objects; what
    /// makes none was sent after those had ended, as the ledger tells it. How many jobs waited.
    fn check_order(&self) -> anyhow::Result<usize> {
        let made = |object: &Value| object["order"].as_u64().context("an object without its order");
        let mut order = BTreeMap::new();
        for object in &self.sums.objects {
            order.insert(text(object, "key"), made(object)?);
        }
        // Of each event's people the last.
        let mut people: BTreeMap<String, u64> = BTreeMap::new();
        for each in &self.sums.people {
            let last = people.entry(text(&identity(each)?[0], "event_id").to_owned()).or_default();
            *last = made(each)?.max(*last);
        }
        let mut chained = 0;
        for id in self.in_state("succeeded") {
            let before = waited_for(self.asked(id));
            chained += usize::from(!before.is_empty());
            if !before.is_empty() && [PEOPLE, RULES].contains(&self.method(id)) {
                self.check_sent_after(id, &before)?;
                continue;
            }
            for other in before {
                let theirs = order.get(self.key(other)).or_else(|| people.get(self.event_of(other)));
                let theirs = theirs.with_context(|| format!("nothing was made for {other}"))?;
                ensure!(*theirs < order[self.key(id)], "{id} was carried out before {other}");
            }
        }
        Ok(chained)
    }

    fn check_sent_after(&self, id: &str, before: &BTreeSet<&str>) -> anyhow::Result<()> {
        let calls = self.sums.calls_of(id)?;
        let sent = calls.iter().map(|call| text(call, "sent_at")).min();
        let sent = sent.with_context(|| format!("{id} was never sent"))?;
        for other in before {
            let ended = text(self.jobs[other], "finished_at");
            let is_after = ended.len() == sent.len() && ended <= sent;
            ensure!(is_after, "{id} was sent at {sent}, and {other} ended at {ended}");
        }
        Ok(())
    }

    /// Every ending that somebody waits for was published, as the ledger tells it; nothing else was, and no result more
    /// often than somebody asked, or died, or refused.
    fn check_results(&self, results: &[Value], place: &str) -> anyhow::Result<()> {
        let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for result in results {
            found.entry(text(result, "id")).or_default().push(result);
        }
        let sent = &self.sums.plan.sent;
        let wanted: BTreeSet<_> = self.in_state("succeeded").filter(|id| sent.contains_key(*id)).collect();
        let missing: Vec<_> = wanted.iter().filter(|id| !found.contains_key(*id)).collect();
        let (count, some) = (missing.len(), first(&missing));
        ensure!(missing.is_empty(), "{place}: {count} results were never published: {some:?}");
        let strange: Vec<_> = found.keys().filter(|id| !wanted.contains(*id)).collect();
        ensure!(strange.is_empty(), "{place}: results that nobody waits for: {:?}", first(&strange));
        for (id, copies) in found {
            let told = self.jobs[id];
            let differs = copies.iter().find(|copy| copy["status"] != told["status"] || copy["key"] != told["key"]);
            ensure!(differs.is_none(), "{place}: {id}: the ledger says {told}, a message {differs:?}");
            let (asked, came) = (sent[id], copies.len());
            let most = asked + self.sums.kills as usize + HANDFUL;
            ensure!(came <= most, "{place}: {id} was asked for {asked} times and came {came} times");
        }
        Ok(())
    }
}

/// What the simulator tells objects of one method apart by.
fn identity(object: &Value) -> anyhow::Result<Value> {
    let text = text(object, "identity");
    serde_json::from_str(text).with_context(|| format!("an object's identity: {text}"))
}

fn first<T>(all: &[T]) -> &[T] {
    &all[..all.len().min(5)]
}
