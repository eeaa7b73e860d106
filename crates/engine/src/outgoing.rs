//! One HTTP call, whoever makes it: a job, a look-up, or the worker for an access token.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::planner::LanePlan;
use super::ports::{AttemptEnd, AttemptSeq, AttemptStart, JobSeq, LedgerError, Purpose, Settlement};
use super::request;
use super::restraints;
use super::runtime::Engine;
use super::schedule::{Ended, Ticket, Withheld};
use super::spans;
use paceline_domain::catalog::Creation;
use paceline_domain::job::{Job, LaneKey, Params};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Failure, NOT_SENT, Outcome, Reply, classify};
use paceline_domain::quota::Refusal;
use paceline_domain::time::{Mono, Timestamp};
use paceline_ports::clock::Clock;

/// Where in a call a test lets the process die: the request has left, and the reply takes longer.
pub(super) const MID_CALL: Duration = Duration::from_millis(15);

/// A block of this length ends with the platform's natural day.
const DAY: Duration = Duration::from_secs(86_400);
/// Added to a natural day: the platform's clock may be behind ours.
const DAY_MARGIN: Duration = Duration::from_secs(60);

/// A call on its way to the platform: granted, then recorded, then sent. Dropped, it gives back its permit and, for a job,
/// its slot: a task that dies leaks neither.
pub(super) struct OutgoingCall {
    engine: Arc<Engine>,
    ticket: Ticket,
    lane: Arc<LaneKey>,
    /// How often the lane had changed hands when the permit was granted; `None` if it was nobody's to grant.
    epoch: Option<i64>,
    is_out: bool,
}

/// The record of a call that nobody has sent yet.
pub(super) struct Recorded {
    pub attempt: AttemptSeq,
    /// On the monotonic clock: the calendar may be set while the call is in flight.
    deadline: Mono,
}

/// A recorded call that may leave now.
pub(super) struct Cleared(Recorded);

/// Why a call is not recorded. Its permit is not given back by that.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRecorded {
    /// Its job was cancelled or settled meanwhile.
    #[error("its job is settled")]
    Settled,
    /// The ledger cannot be written.
    #[error("{0}")]
    Failed(LedgerError),
}

impl OutgoingCall {
    /// The call that the schedule has granted.
    pub(super) fn granted(engine: Arc<Engine>, ticket: Ticket) -> Self {
        let lane = engine.schedule().key_of(ticket);
        let epoch = engine.domain().epoch_of(&lane);
        Self { engine, ticket, lane, epoch, is_out: true }
    }

    /// Waits for the permit of a call that the worker itself makes; `None` if the settings no longer know the app.
    pub(super) async fn acquire(engine: &Arc<Engine>, lane: &LaneKey) -> Option<Self> {
        let (grant, granted) = oneshot::channel();
        let since = engine.clock().mono();
        engine.schedule().ask(lane, grant);
        engine.wake();
        let ticket = granted.await.ok()?;
        engine.metrics().permit_waited(&lane.method, engine.clock().mono().since(since));
        Some(Self::granted(Arc::clone(engine), ticket))
    }

    /// The time by the engine's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.engine.clock().now()
    }

    /// Gives the permit back unused; the slot stays until the drop.
    pub(super) fn give_back(&mut self) {
        self.end(Ended::NotSent, None);
    }

    /// Whether the call may still leave: asked before it is recorded, to spare that, and at the last moment.
    pub(super) fn may_leave(&self) -> Result<(), Withheld> {
        if self.epoch.is_none() || self.engine.domain().epoch_of(&self.lane) != self.epoch {
            let why = "the database has not confirmed for too long that this process works the jobs";
            self.engine.failed_for(&self.lane, &LedgerError::NotOwner(why.to_owned()));
            return Err(Withheld::Unowned);
        }
        let now = self.engine.clock().mono();
        self.engine.schedule().may_leave(self.ticket, now)
    }

    /// Records the call before its first byte leaves; for a job with its content.
    pub(super) async fn record(
        &self,
        purpose: Purpose,
        lane: &Arc<LaneKey>,
    ) -> Result<(Recorded, Option<Box<Job>>), NotRecorded> {
        let request_timeout = self.engine.options().request_timeout;
        let (mono, sent_at) = self.engine.clock().both();
        let deadline_at = sent_at + request_timeout;
        let start = AttemptStart { purpose, lane: Arc::clone(lane), sent_at, deadline_at };
        let (attempt, content) = self.engine.domain().begin_attempt(start).await.map_err(NotRecorded::Failed)?;
        if attempt == AttemptSeq::NONE {
            return Err(NotRecorded::Settled);
        }
        Ok((Recorded { attempt, deadline: mono + request_timeout }, content))
    }

    /// Lets a recorded call leave, unless a pause or a suspension began meanwhile: then its record is closed, with what
    /// becomes of its job, and its permit given back.
    pub(super) async fn clear(
        &mut self,
        recorded: Recorded,
        settlement: Option<(JobSeq, Settlement)>,
    ) -> Result<Cleared, Withheld> {
        let Err(withheld) = self.may_leave() else { return Ok(Cleared(recorded)) };
        self.give_back();
        spans::withdrawn(recorded.attempt, withheld);
        let end = AttemptEnd {
            attempt: recorded.attempt,
            ended_at: self.engine.clock().now(),
            outcome: NOT_SENT,
            replied: false,
            failure: Some(Failure { detail: withheld.cause(), ..Failure::default() }),
            settlement,
        };
        self.engine.record(end).await;
        Err(withheld)
    }

    /// Sends it, gives its permit back at the right instant and classifies the reply. Without parameters it is not sent, for
    /// the cause that stands in their place.
    pub(super) async fn send(
        &mut self,
        Cleared(Recorded { attempt, deadline }): Cleared,
        plan: &LanePlan,
        params: Result<&Params, Cause>,
        token: Option<&SecretString>,
    ) -> Called {
        let engine = Arc::clone(&self.engine);
        let sent_at = engine.clock().mono();
        spans::calling(attempt);
        let left = deadline.since(sent_at);
        let reply = if left < engine.options().request_timeout / 2 {
            // The record took so long to commit that too little time is left to wait for an answer.
            Reply::NotSent(Cause::RecordingTooLong { took_s: seconds(&engine, left) })
        } else {
            match params {
                Ok(params) => {
                    let call = transmit(&engine, plan, params, token, left);
                    in_time(engine.clock(), deadline, call).await
                }
                Err(why) => Reply::Unsendable(why),
            }
        };
        let ended_at = engine.clock().now();
        let outcome = classify(&plan.app.platform, &plan.method, &reply);
        let blocks = blocks(&engine, &outcome, ended_at);
        let is_unwell = is_unwell(&outcome, &plan.method.creation);
        let status = if let Reply::Answered(answer) = &reply { Some(answer.status) } else { None };
        self.end(ended(&engine, deadline, &reply, &outcome, &blocks, is_unwell), status);
        let called = Called { attempt, ended_at, reply, outcome };
        spans::called(&called, engine.clock().mono().since(sent_at));
        called
    }

    /// `status` is that of the answer, if one came.
    fn end(&mut self, ended: Ended<'_>, status: Option<u16>) {
        if std::mem::replace(&mut self.is_out, false) {
            let (now, wall) = self.engine.clock().both();
            let has_left = !matches!(ended, Ended::NotSent | Ended::Unreachable(_));
            let (lane, notices) = {
                let mut schedule = self.engine.schedule();
                // Platforms do not count what they refuse.
                if has_left && status.is_none_or(|status| status < 400) {
                    schedule.count_call(self.ticket, wall);
                }
                (schedule.lane_of(self.ticket), schedule.end_call(self.ticket, ended, now))
            };
            if has_left {
                let is_refused = matches!(ended, Ended::Refused(..));
                self.engine.flow().note(&lane, wall, is_refused);
            }
            self.engine.wake();
            restraints::log_notices(&notices, now);
        }
    }
}

impl Drop for OutgoingCall {
    fn drop(&mut self) {
        if self.is_out {
            let latest = self.engine.clock().mono() + self.engine.options().latest_count();
            self.end(Ended::Lost(latest), None);
        }
        self.engine.schedule().end_job(self.ticket);
        self.engine.wake();
    }
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

async fn transmit(
    engine: &Engine,
    plan: &LanePlan,
    params: &Params,
    token: Option<&SecretString>,
    left: Duration,
) -> Reply {
    let since = engine.clock().mono();
    let reply = match request::build(&plan.app, &plan.method, params, token, left) {
        Ok(request) => engine.transport().send(request).await,
        Err(cause) => Reply::Unsendable(cause),
    };
    if !matches!(reply, Reply::NotSent(_) | Reply::Unsendable(_)) {
        engine.metrics().called(&plan.method.name, engine.clock().mono().since(since));
    }
    reply
}

/// Goes on with a call only until its deadline. A process that was stopped while the call waited for a connection would
/// send it when it goes on, before any timer has fired, long after whoever works its jobs by now has ceased to count it.
async fn in_time(clock: &Clock, deadline: Mono, call: impl Future<Output = Reply>) -> Reply {
    let mut call = pin!(call);
    poll_fn(|cx| {
        if clock.mono() > deadline {
            return Poll::Ready(Reply::Lost(Cause::TimedOut));
        }
        call.as_mut().poll(cx)
    })
    .await
}

fn seconds(engine: &Engine, left: Duration) -> u64 {
    engine.options().request_timeout.saturating_sub(left).as_secs()
}

/// The documented blocks, as long as this process's windows are.
fn blocks(engine: &Engine, outcome: &Outcome, now: Timestamp) -> Vec<Duration> {
    match outcome {
        Outcome::Throttled { blocks, .. } => {
            lengths(blocks, now).map(|block| block.div_f64(engine.options().speed)).collect()
        }
        Outcome::Succeeded { .. }
        | Outcome::Unreachable(_)
        | Outcome::Unsendable(_)
        | Outcome::Transient(_)
        | Outcome::Internal(_)
        | Outcome::Permanent(_)
        | Outcome::Gone(_)
        | Outcome::Uncertain { .. }
        | Outcome::Unavailable { .. }
        | Outcome::AccessToken(_)
        | Outcome::Suspended { .. } => Vec::new(),
    }
}

/// The lengths of blocks that begin at `now`. One of a day lasts until the next midnight in UTC+8 and never less than the
/// block before it, so that one which begins just before midnight is not taken for over at once.
fn lengths(blocks: &[Duration], now: Timestamp) -> impl Iterator<Item = Duration> {
    let mut before = Duration::ZERO;
    blocks.iter().map(move |&block| {
        let length = if block == DAY { (now.next_day().since(now) + DAY_MARGIN).max(before) } else { block };
        before = length;
        length
    })
}

/// Whether the platform seems to be unwell, and the call may have been applied all the same. Where a look-up tells or
/// doing it again does no harm, only what the platform itself says of itself counts; else whatever leaves it unknown.
const fn is_unwell(outcome: &Outcome, creation: &Creation) -> bool {
    match outcome {
        Outcome::Internal(_) => true,
        Outcome::Uncertain { .. } => matches!(creation, Creation::None),
        Outcome::Succeeded { .. }
        | Outcome::Throttled { .. }
        | Outcome::Unreachable(_)
        | Outcome::Unsendable(_)
        | Outcome::Transient(_)
        | Outcome::Permanent(_)
        | Outcome::Gone(_)
        | Outcome::Unavailable { .. }
        | Outcome::AccessToken(_)
        | Outcome::Suspended { .. } => false,
    }
}

fn ended<'a>(
    engine: &Engine,
    deadline: Mono,
    reply: &Reply,
    outcome: &'a Outcome,
    blocks: &'a [Duration],
    is_unwell: bool,
) -> Ended<'a> {
    let (now, wall) = engine.clock().both();
    let counted_by = match reply {
        Reply::Lost(_) => deadline.max(now) + engine.options().grace,
        Reply::NotSent(_) | Reply::Unsendable(_) | Reply::Answered(_) => now,
    };
    match (reply, outcome) {
        (Reply::NotSent(_), Outcome::Unreachable(failure)) => Ended::Unreachable(failure),
        (Reply::NotSent(_) | Reply::Unsendable(_), _) => Ended::NotSent,
        (_, Outcome::Internal(failure) | Outcome::Uncertain { failure, .. }) if is_unwell => {
            Ended::Unwell(counted_by, failure)
        }
        (Reply::Lost(_), _) => Ended::Lost(counted_by),
        (Reply::Answered(_), Outcome::Throttled { scope, reset, failure, .. }) => {
            Ended::Refused(*scope, Refusal { reset: reset.wait(wall), blocks }, failure)
        }
        (Reply::Answered(_), Outcome::Unavailable { reset, failure }) => Ended::Unavailable(reset.wait(wall), failure),
        (Reply::Answered(_), _) => Ended::Answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_of_a_call_is_done_after_its_deadline() {
        let clock = Clock::at(Timestamp(0));
        let deadline = clock.mono() + Duration::from_secs(2);
        let sent = async |after: u64| {
            let mut has_left = false;
            let call = async {
                tokio::time::sleep(Duration::from_secs(after)).await;
                has_left = true;
                Reply::NotSent(Cause::UnknownHttpMethod)
            };
            let reply = in_time(&clock, deadline, call).await;
            (has_left, matches!(reply, Reply::Lost(Cause::TimedOut)))
        };
        assert_eq!(sent(2).await, (true, false));
        assert_eq!(sent(9).await, (false, true));
    }

    #[test]
    fn a_day_s_block_ends_with_the_natural_day() {
        let blocks = [60, 3_600, 86_400].map(Duration::from_secs);
        let third = |at: &str| lengths(&blocks, Timestamp::parse(at).unwrap()).last().unwrap().as_secs();
        assert_eq!(third("2026-11-21T10:00:00+08:00"), 14 * 3_600 + 60);
        assert_eq!(third("2026-11-21T00:00:00+08:00"), 24 * 3_600 + 60);
        assert_eq!(third("2026-11-21T22:59:59+08:00"), 3_601 + 60);
        assert_eq!(third("2026-11-21T23:59:50+08:00"), 3_600, "never shorter than the block before");
        let first: Vec<_> = lengths(&blocks, Timestamp(0)).map(|length| length.as_secs()).take(2).collect();
        assert_eq!(first, [60, 3_600]);
    }
}
