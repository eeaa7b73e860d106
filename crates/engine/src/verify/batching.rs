//! Which uncertain jobs can be looked for now, and in which listings.

use std::collections::HashMap;

use super::super::app::OnUncertain;
use super::super::decide::nobody_knows;
use super::super::planner::LanePlan;
use super::super::ports::{JobSeq, Settlement, Unsettled};
use super::super::runtime::Engine;
use super::super::schedule::Queued;
use super::{AGAIN, shown_at};
use paceline_domain::catalog::LookUp;
use paceline_domain::look_up::{Criteria, Query};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// A job that is looked for.
pub(super) struct Looking {
    pub job: Queued,
    pub known: Unsettled,
    /// The mark first. Of a list of objects (`each`), all of them.
    pub criteria: Vec<Criteria>,
}

/// Jobs that one reading of a listing serves.
pub(super) struct Listing {
    pub query: Query,
    pub jobs: Vec<Looking>,
}

/// What is done with the uncertain jobs of a lane whose time has come.
#[derive(Default)]
pub(super) struct Round {
    pub listings: Vec<Listing>,
    /// Nothing can be looked up for them.
    pub settled: Vec<(Queued, Settlement)>,
    /// Nothing can be said of them before that instant.
    pub later: Vec<(Queued, Timestamp)>,
}

impl Round {
    /// Sorts the jobs; those that are not uncertain any more drop out.
    pub(super) fn of(engine: &Engine, plan: &LanePlan, jobs: Vec<Queued>, unsettled: Vec<Unsettled>) -> Self {
        let mut round = Self::default();
        let (flying, uncertain): (Vec<_>, Vec<_>) =
            unsettled.into_iter().partition(|known| known.in_flight_until.is_some());
        let mut known: HashMap<JobSeq, Unsettled> = uncertain.into_iter().map(|known| (known.seq, known)).collect();
        let look_up = plan.method.creation.look_up();
        let flying = Flying::of(plan, look_up, &flying);
        for job in jobs {
            let Some(known) = known.remove(&job.seq) else { continue };
            let Some(look_up) = look_up else {
                let detail = Cause::NoLookUp { before: Box::new(known.failure.detail) };
                round.settled.push(without_look_up(engine, plan, job, Failure { detail, ..known.failure }));
                continue;
            };
            let criteria = Criteria::of_job(look_up, &known.job, plan.app.mark_created);
            if criteria.is_empty() {
                let failure = Failure { detail: Cause::NothingToTell, ..known.failure };
                round.settled.push(without_look_up(engine, plan, job, failure));
                continue;
            }
            let now = engine.clock().now();
            if let Some(at) = not_yet(engine, look_up, &known, &criteria, &flying, now) {
                round.later.push((job, at));
                continue;
            }
            round.enlist(look_up, Looking { job, known, criteria });
        }
        round
    }

    /// Adds a job to the first listing that serves it.
    fn enlist(&mut self, look_up: &LookUp, looking: Looking) {
        let query = Query::of(look_up, &looking.known.job);
        match self.listings.iter_mut().find_map(|listing| listing.query.take_in(look_up, &query).then_some(listing)) {
            Some(listing) => listing.jobs.push(looking),
            None => self.listings.push(Listing { query, jobs: vec![looking] }),
        }
    }
}

/// What calls in flight may create.
pub(super) struct Flying(HashMap<Criteria, Timestamp>);

impl Flying {
    pub(super) fn of(plan: &LanePlan, look_up: Option<&LookUp>, flying: &[Unsettled]) -> Self {
        let mut until = HashMap::new();
        for (known, look_up) in flying.iter().filter_map(|known| Some((known, look_up?))) {
            for criteria in Criteria::of_job(look_up, &known.job, plan.app.mark_created) {
                let ends = known.in_flight_until.unwrap_or_default();
                let entry = until.entry(criteria).or_insert(ends);
                *entry = ends.max(*entry);
            }
        }
        Self(until)
    }

    /// When the last call is over that may create what shows these criteria.
    pub(super) fn until(&self, criteria: &Criteria) -> Option<Timestamp> {
        self.0.get(criteria).copied()
    }
}

/// Until when a look-up of this job could say nothing. Without a mark, somebody else's object looks the same: what is
/// there has to be complete. And while such a call is in flight, an object may be that call's.
fn not_yet(
    engine: &Engine,
    look_up: &LookUp,
    known: &Unsettled,
    criteria: &[Criteria],
    flying: &Flying,
    now: Timestamp,
) -> Option<Timestamp> {
    let is_unmarked = criteria.iter().any(|criteria| !criteria.is_marked);
    let shown = Some(shown_at(engine, known, look_up.delay)).filter(|at| is_unmarked && *at > now);
    let flown = criteria.iter().filter_map(|criteria| flying.until(criteria)).map(|at| wait_for(at, now)).max();
    shown.into_iter().chain(flown).max()
}

/// When to look again after a call with this deadline. It is settled a little later than it is over.
pub(super) fn wait_for(deadline: Timestamp, now: Timestamp) -> Timestamp {
    // Most answers come long before the deadline.
    deadline.min(now + AGAIN).max(now + AGAIN / 5)
}

fn without_look_up(engine: &Engine, plan: &LanePlan, job: Queued, known: Failure) -> (Queued, Settlement) {
    let is_retried = plan.method.creation.is_repeatable() || plan.app.on_uncertain == OnUncertain::Retry;
    let settlement = if !is_retried {
        Settlement::Held { failure: nobody_knows(known) }
    } else if job.attempts >= engine.options().attempts_max {
        Settlement::Dead { reason: Reason::Exhausted, failure: known }
    } else {
        let not_before = Some(engine.clock().now() + engine.delay(1));
        Settlement::Queued { not_before, charged: false, failure: Some(known) }
    };
    (job, settlement)
}
