//! Was it applied? An uncertain create is looked up before anything is sent again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::access::{Fault, Token};
use super::attempt::{YOUNG, apply, nobody_knows};
use super::call::{self, Begun, Called, Permit};
use super::core::Engine;
use super::ports::{AttemptSeq, JobSeq, Purpose, Settlement};
use super::quotas::LanePlan;
use super::schedule::{Ended, Queued};
use crate::domain::catalog::{Creation, Detail, LookUp, SuspendScope, ThrottleScope};
use crate::domain::job::{Job, LaneKey, Params};
use crate::domain::look_up;
use crate::domain::outcome::{Failure, Outcome, lookup};
use crate::domain::reason::Reason;

/// Pages of a listing that one look-up reads at most.
const PAGES_MAX: usize = 10_000;
/// How long a look-up that failed waits.
const AGAIN: Duration = Duration::from_secs(5);

/// What a look-up found.
enum Found {
    /// Nothing that could be the job's.
    None,
    /// Exactly one object that no other job owns.
    One(String, Value),
    /// More than one: a person decides.
    Several(Vec<String>),
}

/// Why a look-up could not be made.
enum Stopped {
    Suspended(SuspendScope, Failure),
    Later(Failure),
    /// A person has ended the job, or it is called again: nobody asks any more.
    Gone,
}

/// Verifies one uncertain job and settles it, or puts it back to be verified later.
pub(super) async fn run(engine: Arc<Engine>, lane: Arc<LaneKey>, job: Queued) {
    verify(&engine, &lane, job).await;
    engine.schedule().verified(&lane);
    engine.wake();
}

async fn verify(engine: &Arc<Engine>, lane: &Arc<LaneKey>, mut job: Queued) {
    let Some(plan) = engine.schedule().plan(lane) else { return };
    let Creation::LookUp(look_up) = &plan.method.creation else {
        let failure = nobody_knows("sent, and no usable answer came; the method has no look-up that could tell");
        let settlement = without_look_up(engine, &plan, &job, failure);
        return settle(engine, lane, job, settlement).await;
    };
    let found = match find(engine, lane, look_up, job.seq).await {
        Ok(found) => found,
        Err(Stopped::Gone) => return,
        Err(stopped) => {
            put_off(engine, lane, stopped).await;
            let at = engine.clock().now() + AGAIN;
            return engine.schedule().put_uncertain(lane, job, at);
        }
    };
    match found {
        Found::One(key, item) => {
            tracing::info!(lane = %lane, key, "an uncertain call had been applied");
            settle(engine, lane, job, Settlement::Succeeded { key: Some(key), result: item }).await;
        }
        Found::Several(keys) => {
            let failure =
                nobody_knows(format!("several objects match what it would have created: {}", keys.join(", ")));
            settle(engine, lane, job, Settlement::Held { failure }).await;
        }
        Found::None if !job.looked => {
            job.looked = true;
            // Counted from now: a call may arrive until its grace is over, and then it takes its time to be listed.
            let at = engine.clock().now() + look_up.delay.div_f64(engine.options().speed) + engine.options().grace;
            engine.schedule().put_uncertain(lane, job, at);
        }
        Found::None => {
            let settlement = not_applied(engine, &job);
            settle(engine, lane, job, settlement).await;
        }
    }
}

/// Looked for twice and not found: surely not applied, so it may be sent again.
fn not_applied(engine: &Engine, job: &Queued) -> Settlement {
    let failure =
        Failure { detail: "no answer came, and two look-ups found nothing created".to_owned(), ..Failure::default() };
    // The lost attempt was charged when it became uncertain.
    if job.attempts >= engine.options().attempts_max {
        return Settlement::Dead { reason: Reason::Exhausted, failure };
    }
    Settlement::Queued { not_before: None, charged: false, failure: Some(failure) }
}

fn without_look_up(engine: &Engine, plan: &LanePlan, job: &Queued, failure: Failure) -> Settlement {
    let used_up = job.attempts >= engine.options().attempts_max;
    match (&plan.method.creation, plan.app.on_uncertain) {
        (Creation::Natural, _) | (_, super::app::OnUncertain::Retry) if used_up => {
            Settlement::Dead { reason: Reason::Exhausted, failure }
        }
        (Creation::Natural, _) | (_, super::app::OnUncertain::Retry) => Settlement::Queued {
            not_before: Some(engine.clock().now() + engine.delay(1)),
            charged: false,
            failure: Some(failure),
        },
        (Creation::None | Creation::LookUp(_), super::app::OnUncertain::Hold) => Settlement::Held { failure },
    }
}

async fn settle(engine: &Arc<Engine>, lane: &LaneKey, job: Queued, settlement: Settlement) {
    engine.settle(job.seq, settlement.clone()).await;
    apply(engine, lane, job, &settlement);
}

async fn put_off(engine: &Arc<Engine>, lane: &LaneKey, stopped: Stopped) {
    match stopped {
        Stopped::Suspended(scope, failure) => engine.suspend(lane, scope, &failure).await,
        Stopped::Later(failure) => {
            tracing::warn!(lane = %lane, detail = failure.detail, "a look-up failed; trying again in a few seconds");
        }
        Stopped::Gone => {}
    }
}

/// Pages through the listing and compares.
async fn find(engine: &Arc<Engine>, lane: &LaneKey, look_up: &LookUp, seq: JobSeq) -> Result<Found, Stopped> {
    let mut job = engine.ledger().job(seq).await.map_err(|error| later(error.to_string()))?;
    look_up::mark(&mut job, look_up);
    let mut params = look_up::params_of(&look_up.params, &job, None);
    let mut keys: Vec<(String, Value)> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = ask(engine, lane, &look_up.method, &params, seq).await?;
        for listed in lookup(&page, &look_up.items).and_then(Value::as_array).into_iter().flatten() {
            if let Some(found) = candidate(engine, lane, look_up, &job, listed, seq).await? {
                keys.push(found);
            }
        }
        let turned = look_up.next.as_ref().is_some_and(|next| look_up::turn_page(next, &page, &mut params));
        if !turned {
            break;
        }
    }
    Ok(match keys.len() {
        0 => Found::None,
        1 => keys.pop().map_or(Found::None, |(key, item)| Found::One(key, item)),
        _ => Found::Several(keys.into_iter().map(|(key, _)| key).collect()),
    })
}

/// Whether a listed item is the job's: it matches, and no other job ended with it.
async fn candidate(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    look_up: &LookUp,
    job: &Job,
    listed: &Value,
    seq: JobSeq,
) -> Result<Option<(String, Value)>, Stopped> {
    let Some(key) = look_up::key_of(look_up, listed) else { return Ok(None) };
    // Asked first: what other jobs own needs no further call.
    let claimed = engine.ledger().is_claimed(lane, &key, seq).await.map_err(|error| later(error.to_string()))?;
    if claimed {
        return Ok(None);
    }
    let item = match &look_up.detail {
        None => listed.clone(),
        Some(detail) => fetch(engine, lane, detail, job, listed, seq).await?,
    };
    Ok(look_up::is_match(look_up, job, &item).then_some((key, item)))
}

async fn fetch(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    detail: &Detail,
    job: &Job,
    listed: &Value,
    seq: JobSeq,
) -> Result<Value, Stopped> {
    let params = look_up::params_of(&detail.params, job, Some(listed));
    let result = ask(engine, lane, &detail.method, &params, seq).await?;
    Ok(lookup(&result, &detail.item).cloned().unwrap_or(Value::Null))
}

/// One call of a look-up method, under its own quotas. Reading twice does no harm, so a failed call is repeated here:
/// beginning the whole listing again for each might never come to its end.
async fn ask(
    engine: &Arc<Engine>,
    lane: &LaneKey,
    method: &str,
    params: &Params,
    seq: JobSeq,
) -> Result<Value, Stopped> {
    let lane = Arc::new(LaneKey { method: method.to_owned(), ..lane.clone() });
    let plan = engine.schedule().plan(&lane).ok_or_else(|| later("the catalog has no such look-up"))?;
    let mut renewed = false;
    let (mut failures, mut contended) = (0, 0);
    loop {
        let (called, token, is_young) = ask_once(engine, &lane, &plan, params, seq).await?;
        match called.outcome {
            Outcome::Succeeded { result, .. } => return Ok(result),
            Outcome::AccessToken(_) if !(renewed && is_young) => {
                renewed = is_young;
                engine.access().forget(&plan.app, &lane.tenant, &token);
            }
            Outcome::AccessToken(failure) => return Err(Stopped::Suspended(SuspendScope::App, failure)),
            Outcome::Suspended { scope, failure } => return Err(Stopped::Suspended(scope, failure)),
            Outcome::Throttled { scope: ThrottleScope::Concurrency, .. } => {
                contended += 1;
                tokio::time::sleep(engine.delay(contended)).await;
            }
            // The schedule has paused the look-up's key already: the next permit comes after the pause.
            Outcome::Throttled { .. } => {}
            Outcome::Permanent(failure) => return Err(Stopped::Later(failure)),
            Outcome::Unreachable(failure)
            | Outcome::Transient(failure)
            | Outcome::Internal(failure)
            | Outcome::Uncertain { failure, .. } => {
                failures += 1;
                if failures >= engine.options().attempts_max {
                    return Err(Stopped::Later(failure));
                }
                tokio::time::sleep(engine.delay(failures)).await;
            }
        }
    }
}

/// One try, with the access token that it left with, and whether that was fetched just then.
async fn ask_once(
    engine: &Arc<Engine>,
    lane: &Arc<LaneKey>,
    plan: &LanePlan,
    params: &Params,
    seq: JobSeq,
) -> Result<(Called, Token, bool), Stopped> {
    // The permit first: a token that waited for it may be no good any more.
    let mut permit = Permit::acquire(engine, lane).await.ok_or_else(|| later("no permit"))?;
    let token = match engine.access().tenant_token(engine, &plan.app, &lane.tenant).await {
        Ok(token) => token,
        Err(fault) => {
            permit.end(Ended::NotSent);
            return Err(match fault {
                Fault::Suspend(scope, failure) => Stopped::Suspended(scope, failure),
                Fault::Later(failure) => Stopped::Later(failure),
            });
        }
    };
    let is_young = engine.clock().mono().since(token.fetched_at) < YOUNG;
    let start = call::start(engine, Purpose::LookUp(seq), lane);
    let deadline_at = start.deadline_at;
    let (attempt, _) = engine.ledger().begin_attempt(start).await.map_err(|error| {
        permit.end(Ended::NotSent);
        later(error.to_string())
    })?;
    if attempt == AttemptSeq::NONE {
        permit.end(Ended::NotSent);
        return Err(Stopped::Gone);
    }
    let begun = Begun { attempt, deadline_at };
    let called = call::send(engine, &mut permit, plan, &begun, params, Some(&token.secret)).await;
    engine.record(called.end(None)).await;
    Ok((called, token, is_young))
}

fn later(detail: impl Into<String>) -> Stopped {
    Stopped::Later(Failure { detail: detail.into(), ..Failure::default() })
}
