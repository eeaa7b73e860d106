//! One attempt of a job, from the granted permit to the settlement.
//!
//! The order is the promise: token, record, send, permit back, settlement in the ledger, job back into its lane or
//! ended, slot back. A crash anywhere in between wastes a permit or leaves one call uncertain; it loses nothing.

use std::sync::Arc;

use tracing::Instrument as _;

use super::decide::{Decision, Side, Situation, decide};
use super::decided_later;
use super::fetch_token;
use super::ledger_health::LEDGER_PAUSE;
use super::outgoing::{Called, Cleared, MID_CALL, NotRecorded, OutgoingCall};
use super::planner::LanePlan;
use super::ports::{Purpose, Settlement};
use super::runtime::Engine;
use super::schedule::{Queued, Start};
use super::settled::{apply, is_used_up};
use super::spans;
use super::tokens::{NoToken, Token};
use paceline_domain::catalog::{IdentityKind, Method, ThrottleScope};
use paceline_domain::chain;
use paceline_domain::decode::implied_deadline;
use paceline_domain::find;
use paceline_domain::job::{Identity, Job, LaneKey, Params};
use paceline_domain::look_up;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Outcome, text_of};
use paceline_domain::time::Timestamp;
use paceline_ports::crash_points;

/// So many tokens in a row that are refused as soon as they are there, for one job, and the app stands still.
const YOUNG_REFUSED_MAX: u8 = 2;

/// Makes one attempt.
pub(super) async fn run(engine: Arc<Engine>, start: Start) {
    let Start { ticket, lane, plan, job, waited } = start;
    engine.metrics().permit_waited(&lane.method, waited);
    let mut call = OutgoingCall::granted(Arc::clone(&engine), ticket);
    let token = match tenant_token(&engine, &plan, &lane).await {
        Ok(token) => token,
        Err(why) => {
            call.give_back();
            no_token(&engine, &plan, &lane, why).await;
            return engine.schedule().put_back(&lane, job, None);
        }
    };
    // Waiting for the token may have taken it past its deadline: the schedule expires it. The settings may have changed
    // in the meantime, too, and a new token must not travel to an old address.
    let is_late = job.is_expired(engine.clock().now());
    if is_late || call.may_leave().is_err() || !engine.schedule().is_current(&lane, &plan.app) {
        call.give_back();
        return engine.schedule().put_back(&lane, job, None);
    }
    let is_young = token.as_ref().is_some_and(|token| token.is_young(engine.clock().mono()));
    crash_points::reach("after-permit");
    let (recorded, content) = match call.record(Purpose::Job(job.seq), &lane).await {
        Ok((recorded, Some(content))) => (recorded, content),
        Ok((_, None)) | Err(NotRecorded::Settled) => return call.give_back(),
        Err(NotRecorded::Failed(error)) => {
            engine.failed_for(&lane, &error);
            call.give_back();
            let later = engine.clock().now() + LEDGER_PAUSE;
            return engine.schedule().put_back(&lane, job, Some(later));
        }
    };
    crash_points::reach("after-record");
    engine.ledger_works();
    let span = spans::attempt(&content, job.attempts + 1);
    let calling = async {
        // Refused for pace, suspended, not reached: other calls may have met that while this one was recorded.
        let back = Settlement::Queued { not_before: None, charged: false, failure: None };
        let Ok(cleared) = call.clear(recorded, Some((job.seq, back))).await else {
            return engine.schedule().put_back(&lane, job, None);
        };
        let called = send(&mut call, cleared, &plan, content, token.as_ref()).await;
        settle(&engine, &plan, &lane, job, called, token.as_ref().map(|token| (token, is_young))).await;
    };
    calling.instrument(span).await;
}

struct Sent {
    called: Called,
    is_user: bool,
    /// The object that a success leaves nothing of, and the methods that create such objects.
    undoes: Option<(Vec<String>, String)>,
    /// Who decides after a success.
    wanted: Vec<String>,
    /// The job with its names.
    named: Option<Box<Job>>,
    /// The job as it was sent, where others may want what it makes by its name.
    made: Option<Box<Job>>,
}

async fn send(
    call: &mut OutgoingCall,
    cleared: Cleared,
    plan: &LanePlan,
    mut content: Box<Job>,
    tenant_token: Option<&Token>,
) -> Sent {
    let was_filled = !content.filled.is_empty();
    let named = find::holds(&content).then(|| content.clone());
    content.put_values(Some(&plan.method));
    let unfit = unfit(&content, &plan.method, was_filled, call.now());
    if plan.app.mark_created
        && let Some(marked) = look_up::mark_of(&plan.method)
    {
        look_up::mark(&mut content, marked);
    }
    look_up::write_idempotency_key(&mut content, &plan.method);
    let (token, is_user) = match &content.identity {
        Identity::Tenant => (tenant_token.map(|token| &token.secret), false),
        Identity::User(name) => (plan.app.user_token(name), true),
    };
    let params = unfit.map_or(Ok(&content.params), Err);
    let sending = call.send(cleared, plan, params, token);
    let called = crash_points::during("after-send", MID_CALL, sending).await;
    crash_points::reach("after-reply");
    let (undoes, wanted) =
        (undone_by(&plan.method, &content.params), decided_later::wanted(&plan.method, &content.params));
    let made = plan.method.is_made_by_name.then_some(content);
    Sent { called, is_user, undoes, wanted, named, made }
}

/// Why a job cannot be sent with the values that other jobs gave; what it said itself was judged when it came.
fn unfit(content: &Job, method: &Method, was_filled: bool, now: Timestamp) -> Option<Cause> {
    if let Some(left) = chain::references(&content.params).into_iter().next() {
        return Some(Cause::NotFilled { field: left.field, id: left.id });
    }
    if was_filled && let Some(at) = implied_deadline(method, &content.params).filter(|at| *at <= now) {
        return Some(Cause::DeadlinePassed { not_after_at: at.to_string() });
    }
    if let Some(name) = find::left(&content.params) {
        return Some(Cause::NotFoundName { name });
    }
    let faults = if was_filled { chain::faults_of_filled(content, method) } else { Vec::new() };
    let why: Vec<String> = faults.iter().map(ToString::to_string).collect();
    (!why.is_empty()).then(|| Cause::FilledInvalid { why: why.join("; ") })
}

/// The tenant token, unless every call of the lane is a user's.
async fn tenant_token(engine: &Arc<Engine>, plan: &LanePlan, lane: &LaneKey) -> Result<Option<Token>, NoToken> {
    if !plan.method.identities.contains(&IdentityKind::Tenant) {
        return Ok(None);
    }
    fetch_token::tenant_token(engine, &plan.app, &lane.tenant).await.map(Some)
}

async fn no_token(engine: &Arc<Engine>, plan: &LanePlan, lane: &LaneKey, why: NoToken) {
    match why {
        NoToken::Suspend(scope, failure) => engine.suspend(&plan.app, lane, scope, &failure).await,
        NoToken::Later(failure) => engine.pause_app(&lane.app, &failure),
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
    let Sent { called, is_user, undoes, wanted, named, made } = sent;
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
    let mut settlement = decided_later::replied(engine, plan, &wanted, undone(settlement, undoes));
    if let Some(named) = named {
        settlement = engine.look_again(job.seq, &named, settlement).await;
    }
    end.settlement = Some((job.seq, settlement));
    let end = engine.record(end).await;
    if let Some((_, settlement)) = &end.settlement {
        spans::settled(settlement);
        if let (Settlement::Succeeded { key: Some(key), .. }, Some(made)) = (settlement, &made) {
            engine.note_made(made, key).await;
        }
    }
    match side {
        Side::Nothing => {}
        Side::RenewToken => {
            job.renewals = if is_young { job.renewals + 1 } else { 0 };
            if let Some((token, _)) = token {
                engine.tokens().forget(&plan.app, &lane.tenant, token);
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
