//! One attempt of a job, from the granted permit to the settlement.
//!
//! The order is the promise: token, record, send, permit back, settlement in the ledger, job back into its lane or
//! ended, slot back. A crash anywhere in between wastes a permit or leaves one call uncertain; it loses nothing.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use super::access::{Fault, Token};
use super::call::{self, Begun, Called, MID_CALL, Permit};
use super::core::Engine;
use super::decide::{Decision, Side, Situation, decide};
use super::ports::{JobSeq, Purpose, Settlement};
use super::quotas::LanePlan;
use super::schedule::{AlwaysFails, Ended, Queued, Start};
use super::spans;
use super::trouble::LEDGER_PAUSE;
use crate::crash_points;
use crate::domain::catalog::{IdentityKind, Method, ThrottleScope};
use crate::domain::job::{Identity, Job, LaneKey, Params};
use crate::domain::look_up;
use crate::domain::outcome::{Failure, Outcome, text_of};

/// A token that is refused within this time of its fetching was never good, unless it was revoked just then.
pub(super) const YOUNG: Duration = Duration::from_secs(10);
/// So many of them in a row, for one job, and the app stands still.
const YOUNG_REFUSED_MAX: u8 = 2;

/// Makes one attempt.
pub(super) async fn run(engine: Arc<Engine>, start: Start) {
    let Start { ticket, lane, plan, job, waited } = start;
    engine.metrics().permit_waited(&lane.method, waited);
    let mut permit = Permit::new(Arc::clone(&engine), ticket);
    let token = match tenant_token(&engine, &plan, &lane).await {
        Ok(token) => token,
        Err(fault) => {
            permit.end(Ended::NotSent);
            no_token(&engine, &plan, &lane, fault).await;
            return engine.schedule().put_back(&lane, job, None);
        }
    };
    // Waiting for the token may have taken it past its deadline: the schedule expires it.
    if job.is_expired(engine.clock().now()) {
        permit.end(Ended::NotSent);
        return engine.schedule().put_back(&lane, job, None);
    }
    // The settings may have changed in the meantime, and a new token must not travel to an old address.
    if permit.may_leave().is_err() || !engine.schedule().is_current(&lane, &plan.app) {
        permit.end(Ended::NotSent);
        return engine.schedule().put_back(&lane, job, None);
    }
    // A token that was good for long is revoked or over; one that is refused as soon as it is there is no good.
    let is_young = token.as_ref().is_some_and(|token| engine.clock().mono().since(token.fetched_at) < YOUNG);
    crash_points::reach("after-permit");
    let record = call::start(&engine, Purpose::Job(job.seq), &lane);
    let deadline = call::deadline(&engine);
    let (attempt, content) = match engine.ledger().begin_attempt(record).await {
        Ok((attempt, Some(content))) => (attempt, *content),
        // Cancelled or settled by a person while it waited.
        Ok((_, None)) => return permit.end(Ended::NotSent),
        Err(error) => {
            engine.ledger_failed(&error);
            permit.end(Ended::NotSent);
            let later = engine.clock().now() + LEDGER_PAUSE;
            return engine.schedule().put_back(&lane, job, Some(later));
        }
    };
    crash_points::reach("after-record");
    engine.ledger_works();
    let begun = Begun { attempt, deadline };
    let span = spans::attempt(&content, job.attempts + 1);
    let call = async {
        // Refused for pace, suspended, not reached: other calls may have met that while this one was recorded.
        if let Err(withheld) = permit.may_leave() {
            let back = Settlement::Queued { not_before: None, charged: false, failure: None };
            permit.withdraw(&begun, withheld, Some((job.seq, back))).await;
            return engine.schedule().put_back(&lane, job, None);
        }
        let called = send(&engine, &mut permit, &plan, &begun, content, token.as_ref()).await;
        settle(&engine, &plan, &lane, job, called, token.as_ref().map(|token| (token, is_young))).await;
    };
    call.instrument(span).await;
}

struct Sent {
    called: Called,
    is_user: bool,
    /// The object that a success leaves nothing of, and the methods that create such objects.
    undoes: Option<(Vec<String>, String)>,
}

async fn send(
    engine: &Arc<Engine>,
    permit: &mut Permit,
    plan: &LanePlan,
    begun: &Begun,
    mut content: Job,
    tenant_token: Option<&Token>,
) -> Sent {
    if plan.app.mark_created
        && let Some(marked) = look_up::mark_of(&plan.method)
    {
        look_up::mark(&mut content, marked);
    }
    let (token, is_user) = match &content.identity {
        Identity::Tenant => (tenant_token.map(|token| &token.secret), false),
        Identity::User(name) => (plan.app.user_token(name), true),
    };
    let called =
        crash_points::during("after-send", MID_CALL, call::send(engine, permit, plan, begun, &content.params, token))
            .await;
    crash_points::reach("after-reply");
    Sent { called, is_user, undoes: undone_by(&plan.method, &content.params) }
}

/// The tenant token, unless every call of the lane is a user's.
async fn tenant_token(engine: &Arc<Engine>, plan: &LanePlan, lane: &LaneKey) -> Result<Option<Token>, Fault> {
    if !plan.method.identities.contains(&IdentityKind::Tenant) {
        return Ok(None);
    }
    engine.access().tenant_token(engine, &plan.app, &lane.tenant).await.map(Some)
}

async fn no_token(engine: &Arc<Engine>, plan: &LanePlan, lane: &LaneKey, fault: Fault) {
    match fault {
        Fault::Suspend(scope, failure) => engine.suspend(&plan.app, lane, scope, &failure).await,
        Fault::Later(failure) => engine.hold_app(&lane.app, &failure),
    }
}

async fn settle(
    engine: &Arc<Engine>,
    plan: &LanePlan,
    lane: &Arc<LaneKey>,
    mut job: Queued,
    sent: Sent,
    token: Option<(&Token, bool)>,
) {
    let is_young = token.is_some_and(|(_, is_young)| is_young);
    let Sent { called, is_user, undoes } = sent;
    let is_unavailable = matches!(called.outcome, Outcome::Unavailable { .. });
    let is_charged = !is_unavailable || engine.schedule().is_charged(lane, &mut job, engine.clock().mono());
    let situation = Situation {
        now: called.ended_at,
        attempts: job.attempts,
        attempts_max: attempts_max(engine, plan, &job, &called.outcome).await,
        delay: engine.delay(job.attempts + job.contended + 1),
        creation: &plan.method.creation,
        on_uncertain: plan.app.on_uncertain,
        renewed: is_young && job.renewals + 1 >= YOUNG_REFUSED_MAX,
        is_charged,
        is_user,
        speed: engine.options().speed,
    };
    let is_contended = matches!(called.outcome, Outcome::Throttled { scope: ThrottleScope::Concurrency, .. });
    job.contended = if is_contended { job.contended.saturating_add(1) } else { 0 };
    let mut end = called.end(None);
    let Decision { settlement, side } = decide(called.outcome, &situation);
    end.settlement = Some((job.seq, undone(settlement, undoes)));
    let end = engine.record(end).await;
    if let Some((_, settlement)) = &end.settlement {
        spans::settled(settlement);
    }
    match side {
        Side::Nothing => {}
        Side::RenewToken => {
            job.renewals = if is_young { job.renewals + 1 } else { 0 };
            if let Some((token, _)) = token {
                engine.access().forget(&plan.app, &lane.tenant, token);
            }
        }
        Side::Suspend(scope, failure) => {
            // After the resume its token may be renewed once more.
            job.renewals = 0;
            engine.suspend(&plan.app, lane, scope, &failure).await;
        }
    }
    if let Some((_, settlement)) = &end.settlement {
        apply(engine, lane, job, settlement).await;
    }
}

/// How many attempts the job may be charged: no further one where the documents let a code be answered only so often.
async fn attempts_max(engine: &Engine, plan: &LanePlan, job: &Queued, outcome: &Outcome) -> u32 {
    let attempts_max = engine.options().attempts_max;
    let Some(failure) = outcome.failure() else { return attempts_max };
    // This answer is not recorded yet.
    let is_last = is_used_up(engine, plan, job.seq, failure, 1).await;
    if is_last { attempts_max.min(job.attempts + 1) } else { attempts_max }
}

/// Whether the platform has answered the job with this code as often as its documents let it be tried, `more` answers
/// counted in.
pub(super) async fn is_used_up(engine: &Engine, plan: &LanePlan, job: JobSeq, failure: &Failure, more: u32) -> bool {
    let (Some(code), Some(answers_max)) = (failure.code, plan.answers_max(failure)) else { return false };
    let answers = engine.ledger().answers(job, code).await;
    answers.is_ok_and(|answers| answers + more >= answers_max)
}

/// The object that a call of this method deletes, if it is one that other methods create.
fn undone_by(method: &Method, params: &Params) -> Option<(Vec<String>, String)> {
    let first = method.undoes.first()?;
    let key = text_of(params.get(&first.param)?)?;
    let creates = method.undoes.iter().filter(|undoes| undoes.param == first.param);
    Some((creates.map(|undoes| undoes.method.clone()).collect(), key))
}

/// A success that leaves nothing of an object.
fn undone(settlement: Settlement, undoes: Option<(Vec<String>, String)>) -> Settlement {
    match (settlement, undoes) {
        (Settlement::Succeeded { result, warnings, .. }, Some((creates, key))) => {
            Settlement::Undone { result, creates, key, warnings }
        }
        (settlement, _) => settlement,
    }
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
