//! What follows when the ledger has recorded what became of a job, by a call of its own or by a look-up.

use std::sync::Arc;

use super::planner::LanePlan;
use super::ports::{JobSeq, Settlement};
use super::runtime::Engine;
use super::schedule::{AlwaysFails, Queued};
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;

/// Whether the platform has answered the job with this code as often as its documents let it be tried, `more` answers
/// counted in.
pub(super) async fn is_used_up(engine: &Engine, plan: &LanePlan, job: JobSeq, failure: &Failure, more: u32) -> bool {
    let (Some(code), Some(answers_max)) = (failure.code, plan.answers_max(failure)) else { return false };
    let answers = engine.domain().answers(job, code).await;
    answers.is_ok_and(|answers| answers + more >= answers_max)
}

/// Does in the schedule what the ledger has recorded; a lane whose jobs die one after the other stops.
pub(super) async fn apply(engine: &Arc<Engine>, lane: &LaneKey, job: Queued, settlement: &Settlement) {
    let stops = schedule(engine, lane, job, settlement);
    engine.wake();
    // Woken by the record already, but before this job was counted.
    engine.backlog_changed().notify_one();
    if let Some(fails) = stops {
        engine.stop_lane(lane, &fails).await;
    }
}

fn schedule(engine: &Engine, lane: &LaneKey, mut job: Queued, settlement: &Settlement) -> Option<AlwaysFails> {
    let mut schedule = engine.schedule();
    match *settlement {
        Settlement::Succeeded { .. } | Settlement::Undone { .. } => schedule.count(lane, |tally| tally.succeeded += 1),
        Settlement::Dead { .. } | Settlement::Cancelled => schedule.count(lane, |tally| tally.dead += 1),
        // It has left its lane, and comes back when its names are looked up.
        Settlement::Nameless { .. } => engine.finding.store(true, std::sync::atomic::Ordering::Relaxed),
        Settlement::Held { .. } => schedule.count(lane, |tally| tally.held += 1),
        Settlement::Queued { not_before, charged, .. } => {
            job.attempts += u32::from(charged);
            schedule.put_back(lane, job, not_before);
        }
        Settlement::Uncertain { not_before, charged, .. } => {
            job.attempts += u32::from(charged);
            job.looked_s = None;
            job.look_faults = 0;
            schedule.put_uncertain(lane, job, not_before);
        }
    }
    schedule.note_ending(lane, settlement)
}
