//! Chains: jobs that wait for others, which may come after them, fail, be cancelled, or be created by a lost reply.
//!
//! Drawn by a generator of their own, so that older seeds keep their worlds.

use std::collections::HashMap;

use fastrand::Rng;
use paceline::engine::ports::operator::JobSheet;
use serde_json::{Value, json};

use super::plan::{CALENDAR, MINUTES, Plan};

/// Lets some jobs of the plan wait for others.
pub(super) fn add(plan: &mut Plan, seed: u64) {
    let rng = &mut Rng::with_seed(seed ^ 0x11c5);
    if rng.bool() {
        return;
    }
    let often = [1, 3, 7][rng.usize(..3)];
    let jobs = plan.jobs().filter(|job| job.twin.is_none());
    let mut ranked: Vec<(String, Value)> =
        jobs.map(|job| (job.id.clone(), json!([job.method, job.value["app"]]))).collect();
    // In an order of its own, so that jobs come before what they wait for; and none waits for itself.
    rng.shuffle(&mut ranked);
    let ranks: HashMap<String, usize> = ranked.iter().enumerate().map(|(rank, (id, _))| (id.clone(), rank)).collect();
    for job in plan.portions.iter_mut().flat_map(|portion| &mut portion.jobs) {
        let Some(&rank) = ranks.get(&job.id) else { continue };
        if rank == 0 || rng.u8(..10) >= often {
            continue;
        }
        for _ in 0..rng.usize(1..3) {
            let (id, kind) = &ranked[rng.usize(..rank)];
            // Nobody else has access to an app's calendar.
            if job.method == MINUTES && *kind == json!([CALENDAR, job.value["app"]]) && rng.bool() {
                job.value["path"]["calendar_id"] = json!({"$from": id});
            }
            job.after.push(id.clone());
        }
        job.value["after"] = json!(job.after);
    }
}

/// What is wrong with jobs that waited for others.
pub(super) fn faults(plan: &Plan, sheets: &HashMap<&str, JobSheet>) -> Vec<String> {
    let mut faults = Vec::new();
    for job in plan.jobs().filter(|job| !job.after.is_empty()) {
        let Some(sheet) = sheets.get(job.id.as_str()) else { continue };
        let others: Vec<&JobSheet> = job.after.iter().filter_map(|id| sheets.get(id.as_str())).collect();
        let first = sheet.history.iter().find(|call| call.purpose == "job").map(|call| call.sent_at);
        for other in &others {
            let ended = other.line.ending.ended_at.filter(|_| status(other) == "succeeded");
            if let Some(sent_at) = first
                && ended.is_none_or(|ended| sent_at < ended)
            {
                let document = &other.line.document;
                faults.push(format!("{} was sent at {sent_at}, before it could: {ended:?} {document}", job.id));
            }
        }
        let all_succeeded = others.iter().all(|other| status(other) == "succeeded");
        let waits = others.iter().any(|other| matches!(status(other), "held" | "uncertain" | "blocked"));
        let document = &sheet.line.document;
        let is_right = match (status(sheet), document["reason"].as_str()) {
            ("blocked", _) => waits,
            // Whoever puts a job back to work does not thereby put back what waited for it.
            ("dead", Some("prerequisite")) => !all_succeeded || !plan.deeds.is_empty(),
            ("succeeded" | "held", _) => all_succeeded,
            _ => true,
        };
        if !is_right {
            faults.push(format!("{} waited for {:?} and ended as {document}", job.id, job.after));
        }
    }
    faults
}

fn status(sheet: &JobSheet) -> &str {
    sheet.line.document["status"].as_str().unwrap_or_default()
}
