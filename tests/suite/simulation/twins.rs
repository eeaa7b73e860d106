//! Jobs that want the same thing, apps that mark nothing, and strangers' objects that look alike.
//!
//! Drawn by a generator of their own, so that older seeds keep their worlds.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use fastrand::Rng;
use paceline::engine::ports::operator::JobSheet;
use paceline::simulator::ObjectLine;
use serde_json::{Value, json};

use super::plan::{CALENDAR, MEETING, MINUTES, Plan, ROOM, Sent};

/// Twins of one name, method and account: nobody can tell them apart.
type Group = (&'static str, String, String);

/// Changes some jobs of the plan into twins and lets strangers create what looks like them.
pub(super) fn add(plan: &mut Plan, seed: u64) {
    let rng = &mut Rng::with_seed(seed ^ 0x7717);
    if rng.u8(..3) == 0 {
        return;
    }
    for app in plan.apps.values_mut() {
        Arc::get_mut(app).unwrap().mark_created = rng.bool();
    }
    let kinds = rng.usize(1..5);
    let often = rng.u8(2..8);
    for job in plan.portions.iter_mut().flat_map(|portion| &mut portion.jobs) {
        if job.method != MINUTES && rng.u8(..10) < often {
            let name = format!("twin-{}", rng.usize(..kinds));
            job.value["body"] = body(job.method, &name);
            // Like any other meeting: its start is its deadline.
            if job.method == MEETING {
                let starts = paceline::domain::time::Timestamp(1_900_000_000_000_000);
                job.not_after = Some(job.not_after.map_or(starts, |own| own.min(starts)));
            }
            job.twin = Some(name);
        }
    }
    if rng.u8(..4) == 0 {
        plan.scenario.push_str("[checks]\nwecom_duplicates = true\n");
    }
    for _ in 0..if rng.bool() { 0 } else { rng.usize(1..4) } {
        let method = [ROOM, CALENDAR, MEETING][rng.usize(..3)];
        let body = toml_of(&body(method, &format!("twin-{}", rng.usize(..kinds))));
        let (at_s, count) = (rng.u32(..200), rng.u32(1..4));
        let entry = format!("[[objects]]\nmethod = '{method}'\nat_s = {at_s}\ncount = {count}\nbody = {body}\n");
        plan.scenario.write_str(&entry).unwrap();
    }
}

fn body(method: &str, name: &str) -> Value {
    match method {
        ROOM => json!({"name": name, "capacity": 8, "room_level_id": "omb_1"}),
        CALENDAR => json!({"summary": name}),
        _ => json!({"admin_userid": "zhang", "title": name, "meeting_start": 1_900_000_000, "meeting_duration": 3_600}),
    }
}

fn toml_of(body: &Value) -> String {
    let fields = body.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}"));
    format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
}

/// Whether the object is one of several that look alike.
pub(super) fn is_twin(object: &ObjectLine) -> bool {
    name_of(object).is_some()
}

fn name_of(object: &ObjectLine) -> Option<&str> {
    let at = object.identity.find("twin-")?;
    object.identity.get(at..at + 6)
}

/// How the twins have ended.
#[derive(Default)]
struct Ended {
    keys: Vec<String>,
    held: usize,
    /// Ended by a person who did not know whether they were applied.
    given_up: usize,
    stories: String,
}

/// What is gathered of the twins while the jobs are gone through.
#[derive(Default)]
pub(super) struct Twins(BTreeMap<Group, Ended>);

impl Twins {
    /// Notes how a twin ended; what is wrong with that alone.
    pub(super) fn note(
        &mut self,
        plan: &Plan,
        job: &Sent,
        name: &str,
        sheet: &JobSheet,
        story: &str,
    ) -> Option<String> {
        let app = &plan.apps[job.value["app"].as_str().unwrap()];
        let document = &sheet.line.document;
        let reason = document["reason"].as_str().unwrap_or_default();
        let group = self.0.entry((job.method, app.id.clone(), name.to_owned())).or_default();
        let status = document["status"].as_str().unwrap_or_default();
        writeln!(group.stories, "  {} {status} {reason} {} {}\n{story}", job.id, document["key"], document["detail"])
            .unwrap();
        match (status, reason) {
            ("succeeded", _) => match document["key"].as_str() {
                Some(key) => group.keys.push(key.to_owned()),
                None => return Some("succeeded without a key".to_owned()),
            },
            ("held", _) => group.held += 1,
            ("dead", "uncertain") => group.given_up += 1,
            ("cancelled", _) | ("dead", "exhausted") => {}
            ("dead", "expired") if job.not_after.is_some() => {}
            ("dead", "rejected") if job.not_after.is_some() || document["code"] == 400_302 => {}
            _ => return Some(format!("it ended as {document}")),
        }
        None
    }

    /// What is wrong with the twins together.
    pub(super) fn faults(&self, plan: &Plan, objects: &[ObjectLine]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut accounts: BTreeMap<&str, usize> = BTreeMap::new();
        for app in plan.apps.values() {
            *accounts.entry(app.id.as_str()).or_default() += 1;
        }
        for ((method, account, name), ended) in &self.0 {
            let alike = |object: &&ObjectLine| object.method == *method && name_of(object) == Some(name);
            let own: Vec<_> = objects.iter().filter(alike).filter(|it| it.account == *account).collect();
            let strange: Vec<_> = objects.iter().filter(alike).filter(|it| it.is_others).collect();
            let there: HashSet<&str> = own.iter().chain(&strange).map(|it| it.key.as_str()).collect();
            let owned: HashSet<&str> = ended.keys.iter().map(String::as_str).collect();
            let mut fault = |why: String| {
                let objects: Vec<_> = own.iter().chain(&strange).collect();
                faults.push(format!("{method} {account} {name}: {why}\n{objects:#?}\n{}", ended.stories));
            };
            if !owned.is_subset(&there) {
                fault("an object that nobody created is owned".to_owned());
            }
            if owned.len() < ended.keys.len() {
                fault("an object has two owners".to_owned());
            }
            let orphans = own.iter().filter(|it| !owned.contains(it.key.as_str())).count();
            if orphans > ended.held + ended.given_up {
                fault(format!("{orphans} objects without an owner"));
            }
            // Listings of two apps of one corp are not told apart here as WeCom does.
            let alone = strange.is_empty() && ended.given_up == 0 && accounts[account.as_str()] == 1;
            if alone && ended.held > 0 {
                fault("held although there are no strangers".to_owned());
            }
        }
        faults
    }
}
