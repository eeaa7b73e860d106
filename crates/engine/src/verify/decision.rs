//! From what a listing showed to what becomes of its jobs.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::super::decide::nobody_knows;
use super::super::decided_later;
use super::super::planner::LanePlan;
use super::super::ports::{JobSeq, Settlement, Unsettled};
use super::super::runtime::Engine;
use super::super::schedule::Queued;
use super::super::settled::is_used_up;
use super::batching::{Flying, Listing, Looking, wait_for};
use super::{put_off, shown_at, unsettled};
use paceline_domain::catalog::{Action, LookUp};
use paceline_domain::job::LaneKey;
use paceline_domain::look_up::{Criteria, Group, Scan, Verdict};
use paceline_domain::mask;
use paceline_domain::messages::{Cause, Cure, Names};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// What is known of a lane when a reading is over.
struct Sight<'a> {
    engine: &'a Arc<Engine>,
    lane: &'a LaneKey,
    plan: &'a LanePlan,
    look_up: &'a LookUp,
    scan: Scan,
    /// When the reading began: what was created later may be missing.
    began: Timestamp,
    ended: Timestamp,
    flying: Flying,
    /// Jobs of which the platform's documents allow no further call.
    used_up: HashSet<JobSeq>,
    /// The uncertain jobs of the lane by what they are recognised by.
    uncertain: HashMap<Criteria, Uncertain>,
    settled: Vec<(Queued, Settlement)>,
}

/// Uncertain jobs of equal criteria.
#[derive(Default)]
struct Uncertain {
    count: usize,
    /// When a look-up shows what the last of their calls created.
    shown_at: Timestamp,
}

/// Decides for every job of the listing: what is to be settled. The others are put back to be looked for later.
pub(super) async fn of(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    plan: &LanePlan,
    listing: Listing,
    scan: Scan,
    began: Timestamp,
) -> Vec<(Queued, Settlement)> {
    let Some(look_up) = plan.method.creation.look_up() else { return Vec::new() };
    let mut others = Vec::new();
    if scan.has_found() {
        // After the reading: who was in flight while it went on has been recorded before. And from the ledger: a job
        // whose call has just ended is perhaps not in the schedule yet.
        others = match unsettled(engine, lane, plan, None).await {
            Ok(others) => others,
            Err(stopped) => {
                let jobs = listing.jobs.into_iter().map(|looking| looking.job).collect();
                put_off(engine, plan, lane, jobs, stopped).await;
                return Vec::new();
            }
        };
    }
    let (flying, uncertain): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| it.in_flight_until.is_some());
    let mut counted: HashMap<Criteria, Uncertain> = HashMap::new();
    for known in uncertain.iter().filter(|known| known.job.lane == *lane) {
        let shown_at = shown_at(engine, known, look_up.delay);
        for criteria in Criteria::of_job(look_up, &known.job, plan.app.mark_created) {
            let equal = counted.entry(criteria).or_default();
            equal.count += 1;
            equal.shown_at = equal.shown_at.max(shown_at);
        }
    }
    let mut used_up = HashSet::new();
    for looking in &listing.jobs {
        if is_used_up(engine, plan, looking.job.seq, &looking.known.failure, 0).await {
            used_up.insert(looking.job.seq);
        }
    }
    let ended = engine.clock().now();
    let flying = Flying::of(plan, Some(look_up), &flying);
    let settled = Vec::new();
    let mut sight =
        Sight { engine, lane, plan, look_up, scan, began, ended, flying, used_up, uncertain: counted, settled };
    if look_up.state {
        for looking in listing.jobs {
            sight.decide_state(looking);
        }
    } else {
        sight.decide(listing.jobs);
    }
    sight.settled
}

impl Sight<'_> {
    fn decide(&mut self, jobs: Vec<Looking>) {
        let mut left = jobs;
        // By the mark first: it is the job's own.
        for is_marked in [true, false] {
            let mut groups: Vec<(Criteria, Vec<Looking>)> = Vec::new();
            let mut places: HashMap<Criteria, usize> = HashMap::new();
            let mut others = Vec::new();
            for looking in left {
                match looking.criteria.iter().find(|criteria| criteria.is_marked == is_marked) {
                    Some(criteria) => {
                        let place = *places.entry(criteria.clone()).or_insert(groups.len());
                        if place == groups.len() {
                            groups.push((criteria.clone(), Vec::new()));
                        }
                        groups[place].1.push(looking);
                    }
                    None => others.push(looking),
                }
            }
            for (criteria, members) in groups {
                others.extend(self.share_out(&criteria, members));
            }
            left = others;
        }
        for looking in left {
            self.not_found(looking);
        }
    }

    /// What a job asked for is there, no matter who brought it about, or it is not. Where it is there in part, nobody knows
    /// whether asking again for the whole would do harm.
    fn decide_state(&mut self, looking: Looking) {
        let wanted = looking.criteria.len();
        let found: Vec<_> = looking.criteria.iter().filter_map(|criteria| self.scan.found(criteria)).collect();
        let items: Vec<_> = found.iter().filter_map(|found| found.items.first()).cloned().collect();
        if items.is_empty() {
            return self.not_found(looking);
        }
        if items.len() < wanted {
            let found = Cause::PartlyThere { count: items.len(), wanted, looked_at: self.ended.to_string() };
            return self.hold(looking, found, items.into_iter().map(|(key, _)| key).collect());
        }
        tracing::info!(lane = %self.lane, job = looking.known.job.id, "an uncertain call had been applied");
        let listed: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
        let result = match (&self.look_up.each, listed.as_slice()) {
            (None, [item]) => item.clone(),
            _ => serde_json::json!({ "found": listed }),
        };
        let result = mask::answer(Some(&self.plan.method), &result);
        let success = Settlement::Succeeded { key: None, result, sole: false, warnings: Vec::new() };
        match decided_later::found(self.engine, self.plan, &looking.known, &listed, success) {
            Ok(settlement) => self.settled.push((looking.job, settlement)),
            Err(at) => self.engine.schedule().put_uncertain(self.lane, looking.job, at),
        }
    }

    /// Decides for jobs of equal criteria; gives back those that found nothing.
    fn share_out(&mut self, criteria: &Criteria, mut members: Vec<Looking>) -> Vec<Looking> {
        let Some(found) = self.scan.found(criteria).cloned() else { return members };
        members.sort_by_key(|looking| looking.job.seq);
        let again_at = self.settled_at(criteria);
        let uncertain = self.uncertain.get(criteria).map_or(0, |equal| equal.count);
        let group = Group {
            looking: members.len(),
            uncertain: uncertain.max(members.len()),
            unsettled: again_at.is_some(),
            objects: found.count(),
        };
        match group.judge() {
            Verdict::Wait => {
                for looking in members {
                    self.engine.schedule().put_uncertain(self.lane, looking.job, again_at.unwrap_or(self.ended));
                }
                Vec::new()
            }
            Verdict::Several => {
                let detail = several(found.count(), group.uncertain, self.ended, found.names());
                for looking in members {
                    self.hold(looking, detail.clone(), found.keys());
                }
                Vec::new()
            }
            Verdict::Own(count) => {
                let rest = members.split_off(count);
                for (looking, (key, result)) in members.into_iter().zip(found.items) {
                    tracing::info!(lane = %self.lane, job = looking.known.job.id, key, "an uncertain call had been applied");
                    // A meeting is read with its password; a result needs none.
                    let result = mask::answer(Some(&self.plan.method), &result);
                    // What the create's own reply may have warned of is lost with it; a listing does not repeat it.
                    let warnings = Vec::new();
                    let settlement = Settlement::Succeeded { key: Some(key), result, sole: true, warnings };
                    self.settled.push((looking.job, settlement));
                }
                rest
            }
        }
    }

    /// When a reading shows all that calls for these criteria create; `None` if this one does.
    fn settled_at(&self, criteria: &Criteria) -> Option<Timestamp> {
        let flown = self.flying.until(criteria).map(|deadline| wait_for(deadline, self.ended));
        let shown = self.uncertain.get(criteria).map(|equal| equal.shown_at);
        let shown = shown.filter(|at| !criteria.is_marked && *at > self.began);
        flown.into_iter().chain(shown).max()
    }

    /// Not found: looked for again, and after the second time surely not applied.
    fn not_found(&mut self, mut looking: Looking) {
        let shown_at = shown_at(self.engine, &looking.known, self.look_up.delay);
        let Some(first) = looking.job.looked_s.filter(|_| self.began >= shown_at) else {
            looking.job.looked_s = looking.job.looked_s.or_else(|| in_seconds(self.ended));
            looking.job.look_faults = 0;
            // A call may arrive until its grace is over, and then it takes its time to be listed.
            let delay = self.look_up.delay.div_f64(self.engine.options().speed);
            let at = shown_at.max(self.ended + delay);
            return self.engine.schedule().put_uncertain(self.lane, looking.job, at);
        };
        let first = Timestamp(i64::from(first.get()) * 1_000_000);
        let (first_at, again_at) = (first.to_string(), self.ended.to_string());
        if let Some(names) = self.scan.unread() {
            return self.hold(looking, Cause::NotFoundButUnread { first_at, again_at, names }, Vec::new());
        }
        if exists(self.plan, &looking.known.failure) {
            return self.not_its_own(looking, Cause::NotItsOwn { first_at, again_at });
        }
        let failure = with_detail(&looking.known, Cause::NotFound { first_at, again_at });
        // The lost attempt was charged when it became uncertain.
        let is_last = self.used_up.contains(&looking.job.seq);
        let settlement = if is_last || looking.job.attempts >= self.engine.options().attempts_max {
            Settlement::Dead { reason: Reason::Exhausted, failure }
        } else {
            Settlement::Queued { not_before: None, charged: false, failure: Some(failure) }
        };
        self.settled.push((looking.job, settlement));
    }

    /// The platform says that it is there, and it is not this job's: earlier calls of it were looked up before it was
    /// sent again. Another call would be refused as well.
    fn not_its_own(&mut self, looking: Looking, found: Cause) {
        let told = with_detail(&looking.known, found);
        let failure = Failure { cure: looking.known.failure.cure, ..told };
        self.settled.push((looking.job, Settlement::Dead { reason: Reason::Rejected, failure }));
    }

    fn hold(&mut self, looking: Looking, found: Cause, candidates: Vec<String>) {
        let failure = nobody_knows(Failure { candidates, ..with_detail(&looking.known, found) });
        self.settled.push((looking.job, Settlement::Held { failure }));
    }
}

/// More objects than jobs they could be of.
fn several(count: usize, uncertain: usize, at: Timestamp, names: Names) -> Cause {
    let looked_at = at.to_string();
    match uncertain {
        0 | 1 => Cause::Matches { count, looked_at, names },
        2 => Cause::MatchesForTwo { count, looked_at, names },
        more => Cause::MatchesForMany { count, others: more - 1, looked_at, names },
    }
}

fn in_seconds(at: Timestamp) -> Option<NonZeroU32> {
    u32::try_from(at.unix_seconds()).ok().and_then(NonZeroU32::new)
}

/// Whether the platform has said that the object is there.
fn exists(plan: &LanePlan, failure: &Failure) -> bool {
    let rule = failure.code.and_then(|code| plan.rule(code));
    rule.is_some_and(|rule| matches!(rule.action, Action::Uncertain { exists: true, .. }))
}

/// What was known before, and what a look-up adds to it.
fn with_detail(known: &Unsettled, found: Cause) -> Failure {
    let detail = known.failure.detail.clone().then(found);
    Failure { detail, cure: None, candidates: Vec::new(), ..known.failure.clone() }
}

/// The listing is refused for good: trying again would change nothing.
pub(super) fn refused(plan: &LanePlan, known: &Unsettled, why: &Failure) -> Settlement {
    let because = Box::new(why.detail.clone());
    let found = match why.code {
        Some(code) => Cause::CannotLookUpCode { code, why: because },
        None => Cause::CannotLookUp { why: because },
    };
    let detail = with_detail(known, found).detail;
    let method = plan.method.creation.look_up().map(|look_up| look_up.method.clone()).unwrap_or_default();
    let fix = Box::new(why.cure.clone().unwrap_or(Cure::SeeMethod { method }));
    let cure = Cure::LookUpAgain { fix };
    Settlement::Held {
        failure: Failure { detail, cure: Some(cure), log_id: why.log_id.clone(), ..known.failure.clone() },
    }
}
