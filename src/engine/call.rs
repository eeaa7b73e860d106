//! One HTTP call with its permit: sending, classifying, and giving the permit back at the right instant.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::core::Engine;
use super::ports::{AttemptEnd, AttemptSeq, AttemptStart, JobSeq, Purpose, Request, Settlement};
use super::quotas::LanePlan;
use super::request;
use super::schedule::{Ended, Ticket};
use crate::domain::job::{LaneKey, Params};
use crate::domain::outcome::{Outcome, Reply, classify};
use crate::domain::quota::Refusal;
use crate::domain::time::Timestamp;

/// A permit, and for a job its slot. Dropped, it gives back what is still out: a task that dies leaks neither.
pub(super) struct Permit {
    engine: Arc<Engine>,
    ticket: Ticket,
    is_out: bool,
}

impl Permit {
    pub(super) const fn new(engine: Arc<Engine>, ticket: Ticket) -> Self {
        Self { engine, ticket, is_out: true }
    }

    /// Waits for the permit of a call that the worker itself makes; `None` if the settings no longer know the app.
    pub(super) async fn acquire(engine: &Arc<Engine>, lane: &LaneKey) -> Option<Self> {
        let (grant, granted) = oneshot::channel();
        engine.schedule().ask(lane, grant);
        engine.wake();
        let ticket = granted.await.ok()?;
        Some(Self::new(Arc::clone(engine), ticket))
    }

    /// Gives the permit back; the slot stays until the drop.
    pub(super) fn end(&mut self, ended: Ended<'_>) {
        if std::mem::replace(&mut self.is_out, false) {
            let now = self.engine.clock().mono();
            self.engine.schedule().end_call(self.ticket, ended, now);
            self.engine.wake();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_out {
            let latest = self.engine.clock().mono() + self.engine.options().latest_count();
            self.end(Ended::Lost(latest));
        }
        self.engine.schedule().end_job(self.ticket);
        self.engine.wake();
    }
}

/// A recorded attempt, before it is sent.
pub(super) struct Begun {
    pub attempt: AttemptSeq,
    pub deadline_at: Timestamp,
}

/// What an attempt's record says at the start.
pub(super) fn start(engine: &Engine, purpose: Purpose, lane: &Arc<LaneKey>) -> AttemptStart {
    let sent_at = engine.clock().now();
    let deadline_at = sent_at + engine.options().request_timeout;
    AttemptStart { purpose, lane: Arc::clone(lane), sent_at, deadline_at }
}

/// A call that is over; its record is still open.
pub(super) struct Called {
    pub attempt: AttemptSeq,
    pub ended_at: Timestamp,
    pub reply: Reply,
    pub outcome: Outcome,
}

impl Called {
    /// The record's end.
    pub(super) fn end(&self, settlement: Option<(JobSeq, Settlement)>) -> AttemptEnd {
        AttemptEnd {
            attempt: self.attempt,
            ended_at: self.ended_at,
            outcome: self.outcome.as_str(),
            replied: matches!(self.reply, Reply::Answered(_)),
            failure: self.outcome.failure().cloned(),
            settlement,
        }
    }
}

/// Sends a recorded attempt, gives its permit back and classifies the reply.
pub(super) async fn send(
    engine: &Engine,
    permit: &mut Permit,
    plan: &LanePlan,
    begun: &Begun,
    params: &Params,
    token: Option<&SecretString>,
) -> Called {
    let left = begun.deadline_at.since(engine.clock().now());
    let reply = if left < engine.options().request_timeout / 2 {
        // The record took so long to commit that too little time is left to wait for an answer.
        Reply::NotSent(format!("the ledger took {} s to record the attempt", seconds(engine, left)))
    } else {
        engine.transport().send(build(plan, params, token, left)).await
    };
    let ended_at = engine.clock().now();
    let outcome = classify(&plan.app.platform, &plan.method, &reply);
    let blocks = blocks(engine, &outcome);
    permit.end(ended(engine, begun, &reply, &outcome, &blocks));
    Called { attempt: begun.attempt, ended_at, reply, outcome }
}

fn seconds(engine: &Engine, left: Duration) -> u64 {
    engine.options().request_timeout.saturating_sub(left).as_secs()
}

fn build(plan: &LanePlan, params: &Params, token: Option<&SecretString>, timeout: Duration) -> Request {
    request::build(&plan.app, &plan.method, params, token, timeout)
}

/// The documented blocks, as long as this process's windows are.
fn blocks(engine: &Engine, outcome: &Outcome) -> Vec<Duration> {
    match outcome {
        Outcome::Throttled { blocks, .. } => blocks.iter().map(|block| block.div_f64(engine.options().speed)).collect(),
        Outcome::Succeeded { .. }
        | Outcome::Unreachable(_)
        | Outcome::Transient(_)
        | Outcome::Internal(_)
        | Outcome::Permanent(_)
        | Outcome::Uncertain { .. }
        | Outcome::AccessToken(_)
        | Outcome::Suspended { .. } => Vec::new(),
    }
}

fn ended<'a>(engine: &Engine, begun: &Begun, reply: &Reply, outcome: &Outcome, blocks: &'a [Duration]) -> Ended<'a> {
    match (reply, outcome) {
        (Reply::NotSent(_), _) => Ended::Unreachable,
        (Reply::Lost(_), _) => {
            let deadline = engine.clock().mono_of(begun.deadline_at).max(engine.clock().mono());
            Ended::Lost(deadline + engine.options().grace)
        }
        (Reply::Answered(_), Outcome::Throttled { scope, reset, .. }) => {
            Ended::Refused(*scope, Refusal { reset: *reset, blocks })
        }
        (Reply::Answered(_), _) => Ended::Answered,
    }
}
