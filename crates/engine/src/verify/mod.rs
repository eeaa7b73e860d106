//! Was it applied? Uncertain creates are looked up before anything is sent again.
//!
//! All uncertain jobs of a lane whose time has come are verified together: [`batching`] says which of them can be looked
//! for now, [`listing_reader`] reads each listing once for all the jobs that it can serve, [`decision`] settles them. A reading
//! that does not come to its end decides nothing.
//!
//! Decision: docs/decisions/0012-verifying-uncertain-jobs.md

mod batching;
mod decision;
mod listing_reader;
mod lookup_call;

use std::sync::Arc;
use std::time::Duration;

use self::batching::{Looking, Round};
pub(super) use self::listing_reader::Stopped;
pub(super) use self::lookup_call::Asker;
use super::decided_later;
use super::planner::LanePlan;
use super::ports::{JobSeq, Settlement, Unsettled, Verified};
use super::runtime::Engine;
use super::schedule::Queued;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::crash_points;

/// How long a look-up that could not be made waits, doubled each time.
const AGAIN: Duration = Duration::from_secs(5);
/// And at the longest.
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// Verifies uncertain jobs of one lane: each is settled, or put back to be verified later.
pub(super) async fn run(engine: Arc<Engine>, lane: Arc<LaneKey>, jobs: Vec<Queued>) {
    verify(&engine, &lane, jobs).await;
    engine.schedule().verified(&lane);
    engine.wake();
}

async fn verify(engine: &Arc<Engine>, lane: &Arc<LaneKey>, mut jobs: Vec<Queued>) {
    // A person may have put a job to work twice.
    jobs.sort_unstable_by_key(|job| job.seq);
    jobs.dedup_by_key(|job| job.seq);
    let Some(plan) = engine.schedule().plan(lane) else { return };
    let only = jobs.iter().map(|job| job.seq).collect();
    let unsettled = match unsettled(engine, lane, &plan, Some(only)).await {
        Ok(unsettled) => unsettled,
        Err(stopped) => return put_off(engine, &plan, lane, jobs, stopped).await,
    };
    let (deciding, unsettled): (Vec<_>, Vec<_>) =
        unsettled.into_iter().partition(|known| decided_later::is_deciding(&plan, known));
    let is_deciding = |job: &Queued| deciding.iter().any(|known| known.seq == job.seq);
    let (waiting, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_deciding);
    decided_later::run(engine, lane, &plan, waiting, deciding).await;
    let round = Round::of(engine, &plan, jobs, unsettled);
    settle(engine, lane, round.settled).await;
    for (job, at) in round.later {
        engine.schedule().put_uncertain(lane, job, at);
    }
    let mut listings = round.listings.into_iter();
    while let Some(listing) = listings.next() {
        let began = engine.clock().now();
        match listing.read(engine, lane, &plan).await {
            Ok(scan) => {
                crash_points::reach("after-look-up");
                let jobs = decision::of(engine, lane, &plan, listing, scan, began).await;
                settle(engine, lane, jobs).await;
            }
            Err(Stopped::Refused(failure)) => {
                let held = |looking: Looking| (looking.job, decision::refused(&plan, &looking.known, &failure));
                settle(engine, lane, listing.jobs.into_iter().map(held).collect()).await;
            }
            // What stopped this reading will most likely stop the others, too.
            Err(stopped) => {
                let left = listing.jobs.into_iter().chain(listings.flat_map(|listing| listing.jobs));
                return put_off(engine, &plan, lane, left.map(|looking| looking.job).collect(), stopped).await;
            }
        }
    }
}

/// The lane's uncertain jobs as the ledger has them, all or these, and those of the same method that are in flight.
async fn unsettled(
    engine: &Engine,
    lane: &LaneKey,
    plan: &LanePlan,
    only: Option<Vec<JobSeq>>,
) -> Result<Vec<Unsettled>, Stopped> {
    let found = engine.domain().unsettled(lane, only).await;
    let found = found.map_err(|error| Stopped::later(error.to_string()))?;
    // What other jobs gave was sent, too.
    let with_values = |known: Unsettled| Unsettled { job: known.job.with_values(Some(&plan.method)), ..known };
    Ok(found.into_iter().map(with_values).collect())
}

/// Writes verdicts into the ledger, all at once, and does in the schedule what was recorded.
pub(super) async fn settle(engine: &Arc<Engine>, lane: &LaneKey, jobs: Vec<(Queued, Settlement)>) {
    if jobs.is_empty() {
        return;
    }
    let found: Vec<_> = jobs.iter().map(|(job, settlement)| (job.seq, settlement.clone())).collect();
    let verified = engine.verified(found).await;
    for ((job, settlement), verified) in jobs.into_iter().zip(verified) {
        match verified {
            Verified::Settled => {
                engine.ended(Some(&settlement));
                super::settled::apply(engine, lane, job, &settlement).await;
            }
            // A person has decided, or it is called again: nobody asks any more.
            Verified::Gone => {}
            Verified::Claimed => {
                let at = engine.clock().now() + AGAIN;
                engine.schedule().put_uncertain(lane, job, at);
            }
        }
    }
}

/// Puts jobs back that could not be looked for.
pub(super) async fn put_off(
    engine: &Arc<Engine>,
    plan: &LanePlan,
    lane: &LaneKey,
    jobs: Vec<Queued>,
    stopped: Stopped,
) {
    match stopped {
        Stopped::Suspended(lane, scope, failure) => engine.suspend(&plan.app, &lane, scope, &failure).await,
        Stopped::Later(failure) => {
            tracing::warn!(lane = %lane, jobs = jobs.len(), detail = %failure.detail, "a look-up failed; trying again later");
        }
        Stopped::Draining | Stopped::Gone | Stopped::Refused(_) => {}
    }
    let now = engine.clock().now();
    for mut job in jobs {
        let at = now + again(job.look_faults);
        job.look_faults = job.look_faults.saturating_add(1);
        engine.schedule().put_uncertain(lane, job, at);
    }
}

fn again(faults: u8) -> Duration {
    AGAIN.saturating_mul(1 << faults.min(16)).min(AGAIN_MAX)
}

/// When a look-up certainly shows what a job's calls created: they are over, and the platform has had its time.
fn shown_at(engine: &Engine, known: &Unsettled, delay: Duration) -> Timestamp {
    let options = engine.options();
    known.lost_until + options.grace + delay.div_f64(options.speed)
}
