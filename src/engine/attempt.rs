//! One attempt of a job, from the granted permit to the settlement.
//!
//! The order is the promise: token, record, send, permit back, settlement in the ledger, job back into its lane or
//! ended, slot back. A crash anywhere in between wastes a permit or leaves one call uncertain; it loses nothing.

use std::sync::Arc;
use std::time::Duration;

use super::access::{Fault, Token};
use super::call::{self, Begun, Called, Permit};
use super::core::Engine;
use super::decide::{Decision, Side, Situation, decide};
use super::ports::{Purpose, Settlement};
use super::quotas::LanePlan;
use super::schedule::{Ended, Queued, Start};
use crate::domain::catalog::{IdentityKind, ThrottleScope};
use crate::domain::job::{Identity, Job, LaneKey};
use crate::domain::look_up;
use crate::domain::outcome::{Failure, Outcome};

/// How long a job waits when the ledger could not record its attempt.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);

/// A token that is refused within this time of its fetching was never good, unless it was revoked just then.
pub(super) const YOUNG: Duration = Duration::from_secs(10);
/// So many of them in a row, for one job, and the app stands still.
const YOUNG_REFUSED_MAX: u8 = 2;

/// Makes one attempt.
pub(super) async fn run(engine: Arc<Engine>, start: Start) {
    let Start { ticket, lane, plan, job } = start;
    let mut permit = Permit::new(Arc::clone(&engine), ticket);
    let token = match tenant_token(&engine, &plan, &lane).await {
        Ok(token) => token,
        Err(fault) => {
            permit.end(Ended::NotSent);
            no_token(&engine, &lane, fault).await;
            return engine.schedule().put_back(&lane, job, None);
        }
    };
    // Waiting for the token may have taken it past its deadline: the schedule expires it.
    if job.is_expired(engine.clock().now()) {
        permit.end(Ended::NotSent);
        return engine.schedule().put_back(&lane, job, None);
    }
    // A token that was good for long is revoked or over; one that is refused as soon as it is there is no good.
    let is_young = token.as_ref().is_some_and(|token| engine.clock().mono().since(token.fetched_at) < YOUNG);
    let record = call::start(&engine, Purpose::Job(job.seq), &lane);
    let deadline_at = record.deadline_at;
    let (attempt, content) = match engine.ledger().begin_attempt(record).await {
        Ok((attempt, Some(content))) => (attempt, *content),
        // Cancelled or settled by a person while it waited.
        Ok((_, None)) => return permit.end(Ended::NotSent),
        Err(error) => {
            tracing::error!(%error, "an attempt cannot be recorded, so it is not sent");
            permit.end(Ended::NotSent);
            let later = engine.clock().now() + LEDGER_PAUSE;
            return engine.schedule().put_back(&lane, job, Some(later));
        }
    };
    let begun = Begun { attempt, deadline_at };
    let called = send(&engine, &mut permit, &plan, &begun, content, token.as_ref()).await;
    settle(&engine, &plan, &lane, job, called, token.as_ref().map(|token| (token, is_young))).await;
}

struct Sent {
    called: Called,
    is_user: bool,
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
    let called = call::send(engine, permit, plan, begun, &content.params, token).await;
    Sent { called, is_user }
}

/// The tenant token, unless every call of the lane is a user's.
async fn tenant_token(engine: &Arc<Engine>, plan: &LanePlan, lane: &LaneKey) -> Result<Option<Token>, Fault> {
    if !plan.method.identities.contains(&IdentityKind::Tenant) {
        return Ok(None);
    }
    engine.access().tenant_token(engine, &plan.app, &lane.tenant).await.map(Some)
}

async fn no_token(engine: &Arc<Engine>, lane: &LaneKey, fault: Fault) {
    match fault {
        Fault::Suspend(scope, failure) => engine.suspend(lane, scope, &failure).await,
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
    let Sent { called, is_user } = sent;
    let situation = Situation {
        now: called.ended_at,
        attempts: job.attempts,
        attempts_max: engine.options().attempts_max,
        delay: engine.delay(job.attempts + job.contended + 1),
        creation: &plan.method.creation,
        on_uncertain: plan.app.on_uncertain,
        renewed: is_young && job.renewals + 1 >= YOUNG_REFUSED_MAX,
        is_user,
        speed: engine.options().speed,
    };
    let is_contended = matches!(called.outcome, Outcome::Throttled { scope: ThrottleScope::Concurrency, .. });
    job.contended = if is_contended { job.contended.saturating_add(1) } else { 0 };
    let mut end = called.end(None);
    let Decision { settlement, side } = decide(called.outcome, &situation);
    end.settlement = Some((job.seq, settlement));
    let end = engine.record(end).await;
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
            engine.suspend(lane, scope, &failure).await;
        }
    }
    if let Some((_, settlement)) = &end.settlement {
        apply(engine, lane, job, settlement);
    }
}

/// Does in the schedule what the ledger has recorded.
pub(super) fn apply(engine: &Arc<Engine>, lane: &LaneKey, mut job: Queued, settlement: &Settlement) {
    let mut schedule = engine.schedule();
    match *settlement {
        Settlement::Succeeded { .. } => schedule.count(lane, |tally| tally.succeeded += 1),
        Settlement::Dead { .. } | Settlement::Cancelled => schedule.count(lane, |tally| tally.dead += 1),
        Settlement::Held { .. } => schedule.count(lane, |tally| tally.held += 1),
        Settlement::Queued { not_before, charged, .. } => {
            job.attempts += u32::from(charged);
            schedule.put_back(lane, job, not_before);
        }
        Settlement::Uncertain { not_before, .. } => {
            job.attempts += 1;
            job.looked = false;
            schedule.put_uncertain(lane, job, not_before);
        }
    }
    drop(schedule);
    engine.wake();
}

/// What is said of a job whose fate nobody knows.
pub(super) fn nobody_knows(detail: impl Into<String>) -> Failure {
    Failure {
        detail: detail.into(),
        cure: Some(
            "look in the platform whether it was created, then `paceline resolve ID --succeeded KEY`, `--retry` or `--dead`"
                .to_owned(),
        ),
        ..Failure::default()
    }
}
