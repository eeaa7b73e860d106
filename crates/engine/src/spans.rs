//! What logs and traces say of calls: one span a call, a line where it begins and one where it ended.
//!
//! A span names the job and never what is sent: parameters, URLs and tokens stay out of logs, and so do the platform's
//! words, which may repeat a parameter. Spans are there at every level, so that a warning names its job, too.

use std::time::Duration;

use tracing::{Span, debug, error_span, trace};

use super::app::App;
use super::outgoing::Called;
use super::ports::{AttemptSeq, Settlement};
use super::schedule::Withheld;
use paceline_domain::job::{Job, LaneKey};
use paceline_domain::outcome::Reply;
use paceline_domain::trace::Trace;

/// The target of what is said of calls, wherever the code stands: operators filter by it.
pub const CALL: &str = "paceline::call";
/// The target of what is said to traces alone: no log has it.
pub const PARENT: &str = "upstream";

/// One attempt of a job; `attempt` counts those that are charged, this one included.
pub(super) fn attempt(job: &Job, attempt: u32) -> Span {
    let span = error_span!(
        target: CALL,
        "attempt",
        job = job.id,
        app = job.lane.app,
        tenant = present(&job.lane.tenant),
        method = job.lane.method,
        batch = job.batch.as_deref(),
        attempt,
        trace_id = job.trace.map(|trace| trace.id()),
    );
    with_parent(span, job.trace)
}

/// One call of a look-up. The listing may serve many jobs: `job` is the one that the call is recorded for.
pub(super) fn look_up(lane: &LaneKey, job: Option<&Job>) -> Span {
    let trace = job.and_then(|job| job.trace);
    let span = error_span!(
        target: CALL,
        "look_up",
        job = job.map(|job| job.id.as_str()),
        app = lane.app,
        tenant = present(&lane.tenant),
        method = lane.method,
        batch = job.and_then(|job| job.batch.as_deref()),
        trace_id = trace.map(|trace| trace.id()),
    );
    with_parent(span, trace)
}

/// Tells traces which span of upstream's asked for this one.
fn with_parent(span: Span, trace: Option<Trace>) -> Span {
    if let Some(trace) = trace {
        trace!(target: PARENT, parent: &span, traceparent = trace.traceparent().as_str());
    }
    span
}

/// The fetching of an access token: for an app, and for no job.
pub(super) fn token(app: &App, tenant: &str) -> Span {
    error_span!(target: CALL, "token", app = app.name, tenant = present(tenant), method = app.platform.token_method)
}

/// A recorded call leaves.
pub(super) fn calling(attempt: AttemptSeq) {
    debug!(target: CALL, call = attempt.0, "calling");
}

/// A recorded call stays behind.
pub(super) fn withdrawn(attempt: AttemptSeq, withheld: Withheld) {
    debug!(target: CALL, call = attempt.0, why = %withheld.cause(), "not sent");
}

/// A call is over.
pub(super) fn called(called: &Called, took: Duration) {
    let (status, mut log_id, cause) = match &called.reply {
        Reply::Answered(answer) => (Some(answer.status), answer.log_id.as_deref(), None),
        Reply::NotSent(why) | Reply::Unsendable(why) | Reply::Lost(why) => (None, None, Some(why.to_string())),
    };
    let failure = called.outcome.failure();
    log_id = log_id.or_else(|| failure?.log_id.as_deref());
    debug!(
        target: CALL,
        call = called.attempt.0,
        outcome = called.outcome.as_str(),
        status,
        code = failure.and_then(|failure| failure.code),
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        log_id,
        cause,
        "called"
    );
}

/// What became of the job is in the ledger.
pub(super) fn settled(settlement: &Settlement) {
    let (state, reason, not_before) = match settlement {
        Settlement::Succeeded { .. } | Settlement::Undone { .. } => ("succeeded", None, None),
        Settlement::Queued { not_before, .. } => ("queued", None, *not_before),
        Settlement::Uncertain { not_before, .. } => ("uncertain", None, Some(*not_before)),
        Settlement::Nameless { .. } => ("blocked", None, None),
        Settlement::Held { .. } => ("held", None, None),
        Settlement::Dead { reason, .. } => ("dead", Some(reason.as_str()), None),
        Settlement::Cancelled => ("cancelled", None, None),
    };
    debug!(target: CALL, state, reason, not_before = not_before.map(tracing::field::display), "settled");
}

fn present(tenant: &str) -> Option<&str> {
    Some(tenant).filter(|tenant| !tenant.is_empty())
}
