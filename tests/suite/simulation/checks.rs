//! What must hold when everything has ended: the ledger against the simulator's own books.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use paceline::domain::time::Timestamp;
use paceline::engine::app::OnUncertain;
use paceline::engine::ports::operator::{AttemptLine, JobSheet, Reports, Selection};
use paceline::simulator::{ObjectLine, Stats};
use paceline::store;

use super::cable::Platform;
use super::links;
use super::plan::{MINUTES, Plan, Sent};
use super::twins::{self, Twins};

/// Everything that is wrong.
pub(super) fn faults_of(plan: &Plan, platform: &Platform, store: &Path, ended: Timestamp) -> Vec<String> {
    let books = platform.world().stats();
    let objects = platform.world().objects();
    let operator = store::open(store).unwrap();
    let mut faults = Vec::new();
    let retries = plan.apps.values().any(|app| app.on_uncertain == OnUncertain::Retry);
    quotas(&books, &mut faults);
    let mut created: HashMap<(&str, &str, &str), u32> = HashMap::new();
    for object in objects.iter().filter(|object| !object.is_others && !twins::is_twin(object)) {
        *created.entry((&object.method, &object.account, &object.identity)).or_default() += 1;
    }
    for ((method, _, identity), times) in created {
        if times > 1 && !(retries && method == MINUTES) {
            faults.push(format!("{method}: {identity} created {times} times"));
        }
    }
    if !operator.suspensions().unwrap().is_empty() {
        faults.push(format!("suspended: {:?}", operator.suspensions().unwrap()));
    }
    recorded(&*operator, &books, &mut faults);
    counted(&*operator, &mut faults);
    let by_name: HashMap<&str, &ObjectLine> =
        objects.iter().filter_map(|object| Some((name_of(&object.identity)?, object))).collect();
    let mut alike = Twins::default();
    let mut keys: HashMap<(&str, String), String> = HashMap::new();
    let mut sheets: HashMap<&str, JobSheet> = HashMap::new();
    for job in plan.jobs() {
        match operator.show_job(&job.id).unwrap() {
            None => faults.push(format!("{} was lost", job.id)),
            Some(sheet) => {
                let object = by_name.get(job.id.as_str()).copied();
                let own: Vec<String> = match &job.twin {
                    Some(name) => alike.note(plan, job, name, &sheet, &story(&sheet)).into_iter().collect(),
                    None => ending(plan, job, &sheet, object, retries).collect(),
                };
                let why = own.into_iter().chain(history(job, &sheet)).chain(again(plan, job, &sheet, retries));
                faults.extend(why.map(|why| format!("{} {}: {why}\n{}", job.id, job.method, story(&sheet))));
                if let Some(key) = sheet.line.document["key"].as_str()
                    && let Some(other) = keys.insert((job.method, key.to_owned()), job.id.clone())
                {
                    faults.push(format!("{} and {other} ended with the same object {key}", job.id));
                }
                sheets.insert(&job.id, sheet);
            }
        }
    }
    faults.extend(alike.faults(plan, &objects));
    faults.extend(links::faults(plan, &sheets));
    if !faults.is_empty() {
        faults.push(format!("ended at {ended}, kills {:?}, deeds {:?}, {:?}", plan.kills, plan.deeds, plan.cuts));
        faults.push(format!("{:?}\n{}", plan.options, plan.scenario));
    }
    faults
}

/// Jobs name what they create by their id.
fn name_of(identity: &str) -> Option<&str> {
    let at = identity.find("job-")?;
    identity.get(at..at + 8)
}

fn quotas(books: &Stats, faults: &mut Vec<String>) {
    let injected = books.faults.get("throttle").copied().unwrap_or_default();
    if books.refused != injected {
        faults.push(format!("{} refusals by quota", books.refused - injected));
    }
    for quota in &books.quotas {
        for window in quota.windows.iter().filter(|window| window.is_breached) {
            faults.push(format!("{} {} {}: {window:?}", quota.method, quota.scope, quota.key));
        }
    }
}

/// Whatever arrived was in the ledger before.
fn recorded(operator: &dyn Reports, books: &Stats, faults: &mut Vec<String>) {
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    operator.each_call(Timestamp(0), &mut |call| *calls.entry(call.lane.method).or_default() += 1).unwrap();
    for (method, book) in &books.methods {
        let recorded = calls.get(method).copied().unwrap_or_default();
        if book.arrivals > recorded {
            faults.push(format!("{method}: {} calls arrived and {recorded} are recorded", book.arrivals));
        }
    }
}

/// The tallies say what the list shows.
fn counted(operator: &dyn Reports, faults: &mut Vec<String>) {
    let mut tallied: BTreeMap<&str, u64> = BTreeMap::new();
    for batch in operator.batches().unwrap() {
        let counts = batch.counts;
        for (state, n) in [
            ("queued", counts.queued),
            ("uncertain", counts.uncertain),
            ("held", counts.held),
            ("succeeded", counts.succeeded),
            ("dead", counts.dead),
            ("cancelled", counts.cancelled),
            ("blocked", counts.blocked),
        ] {
            if n > 0 {
                *tallied.entry(state).or_default() += n;
            }
        }
    }
    let lines = operator.list_jobs(&Selection::default(), 0, usize::MAX).unwrap();
    let mut listed: BTreeMap<&str, u64> = BTreeMap::new();
    for line in &lines {
        *listed.entry(line.document["status"].as_str().unwrap_or("none")).or_default() += 1;
    }
    if tallied != listed {
        faults.push(format!("tallied {tallied:?}, listed {listed:?}"));
    }
}

/// How the job ended, against what was really created.
fn ending(
    plan: &Plan,
    job: &Sent,
    sheet: &JobSheet,
    object: Option<&ObjectLine>,
    retries: bool,
) -> impl Iterator<Item = String> {
    let document = &sheet.line.document;
    let reason = document["reason"].as_str().unwrap_or_default();
    let attempts = document["attempts"].as_u64().unwrap_or_default();
    let unsure = job.method == MINUTES && retries;
    let deeds = !plan.deeds.is_empty();
    let fault = match document["status"].as_str() {
        Some("succeeded") => match (object, document["key"].as_str()) {
            (None, _) => Some("succeeded, and nothing was created".to_owned()),
            (Some(object), key) if key != Some(&object.key) && !unsure => {
                Some(format!("succeeded with {key:?}, and {object:?} was created"))
            }
            (Some(_), _) => None,
        },
        Some("dead") => match reason {
            "exhausted" | "expired" | "rejected" if object.is_some() && !unsure => {
                Some(format!("dead ({reason}), and {object:?} was created"))
            }
            "exhausted" => None,
            "prerequisite" if !job.after.is_empty() => {
                object.map(|object| format!("{document}, and {object:?} was created"))
            }
            // A meeting that starts while its call is on its way is rejected.
            "expired" | "rejected" if job.not_after.is_some() => None,
            "uncertain" | "cancelled" if deeds => None,
            _ => Some(format!("dead: {document}")),
        },
        Some("held") if job.method == MINUTES => None,
        Some("blocked") if !job.after.is_empty() => object.map(|object| format!("blocked, and {object:?} was created")),
        // Of a call that is sent again at the risk of a duplicate, somebody is told.
        Some("cancelled")
            if deeds
                && unsure
                && document["detail"].as_str().is_some_and(|text| text.contains("may have been applied")) =>
        {
            None
        }
        Some("cancelled") if deeds => object.map(|object| format!("cancelled, and {object:?} was created")),
        _ => Some(format!("it ended as {document}")),
    };
    let many = (attempts > u64::from(plan.options.attempts_max)).then(|| format!("{attempts} attempts were charged"));
    fault.into_iter().chain(many)
}

/// When its calls were made.
fn history(job: &Sent, sheet: &JobSheet) -> impl Iterator<Item = String> {
    let calls: Vec<&AttemptLine> = sheet.history.iter().filter(|call| call.purpose == "job").collect();
    let mut faults = Vec::new();
    for call in &calls {
        if job.not_before.is_some_and(|at| call.sent_at < at) {
            faults.push(format!("sent at {} before {:?}", call.sent_at, job.not_before));
        }
        if job.not_after.is_some_and(|at| call.sent_at >= at) {
            faults.push(format!("sent at {} and not after {:?}", call.sent_at, job.not_after));
        }
        if call.ended_at.is_none() {
            faults.push(format!("attempt {} is open", call.seq));
        }
    }
    let overlap = calls.windows(2).find(|pair| pair[0].ended_at.is_none_or(|end| pair[1].sent_at < end));
    faults.extend(overlap.map(|pair| format!("attempts {} and {} overlap", pair[0].seq, pair[1].seq)));
    faults.into_iter()
}

/// What may have been applied and nobody can look up is sent again only where the settings or a person say so.
fn again(plan: &Plan, job: &Sent, sheet: &JobSheet, retries: bool) -> Option<String> {
    if job.method != MINUTES || retries || !plan.deeds.is_empty() {
        return None;
    }
    let mut calls = sheet.history.iter().filter(|call| call.purpose == "job");
    let doubtful = calls.find(|call| matches!(call.outcome.as_deref(), Some("internal" | "uncertain")))?;
    let next = calls.find(|call| call.outcome.as_deref() != Some("not-sent"))?;
    Some(format!("attempt {} may have been applied, and {} was made all the same", doubtful.seq, next.seq))
}

/// Its calls, a line each.
fn story(sheet: &JobSheet) -> String {
    let line = |call: &AttemptLine| {
        let ended = call.ended_at.map_or_else(|| "open".to_owned(), |at| at.to_string());
        format!("    {} {}..{ended} {:?} {:?} {:?}", call.purpose, call.sent_at, call.outcome, call.code, call.detail)
    };
    sheet.history.iter().map(line).collect::<Vec<_>>().join("\n")
}
