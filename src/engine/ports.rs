//! What the engine needs of the world: a ledger and a transport. Stores and clients implement these.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::domain::job::{Job, LaneKey, Rejection};
use crate::domain::outcome::{Failure, Reply};
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;

/// One HTTP request, ready to leave. Its URL and headers may hold secrets: it has no `Debug`.
pub struct Request {
    /// `GET`, `POST`, …
    pub http_method: String,
    /// Absolute URL with query.
    pub url: String,
    /// The value of the `Authorization` header.
    pub authorization: Option<String>,
    /// The JSON body.
    pub body: Option<Bytes>,
    /// Header names, in lower case, that carry the log id and the seconds until a limit's reset; empty if none.
    pub log_id_header: String,
    /// See `log_id_header`.
    pub reset_header: String,
    /// The call must be over by then.
    pub timeout: std::time::Duration,
}

/// Carries one HTTP call. Never retries, never follows a redirect.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends and waits for the whole reply, at most `request.timeout`.
    async fn send(&self, request: Request) -> Reply;
}

/// The ledger's number of a job, in order of take-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobSeq(pub i64);

/// The ledger's number of an attempt, in order of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptSeq(pub i64);

impl AttemptSeq {
    /// Stands for "nothing was recorded": the job does not wait any more.
    pub const NONE: Self = Self(0);
}

/// An input on its way into the ledger.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The job, or why it is none.
    pub input: Result<Box<Job>, Box<Rejection>>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where an input came from, and what is needed to give it back.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The body as it came, byte for byte: an AMQP body, a JSONL line, a CSV row as one JSON object.
    pub raw: Bytes,
    /// Set for AMQP: its ending is published.
    pub amqp: Option<AmqpOrigin>,
    /// File name and line, e.g. `rooms.csv:17`; empty for AMQP.
    pub place: String,
    /// For a CSV row: its cells, a JSON array of strings, in the file's order.
    pub cells: Option<String>,
}

/// The AMQP properties that go back out with a dead letter or result.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AmqpOrigin {
    /// `message_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `app_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// `correlation_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// `reply_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// `priority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// `content_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// What became of an [`Arrival`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenOver {
    /// A new job, or an ended one that is queued again.
    Queued(Waiting),
    /// Known, same content, not ended: nothing to do.
    Known,
    /// Known, same content, succeeded before: its result goes out again.
    Succeeded,
    /// Recorded as a dead letter: it is no job, or its id belongs to other content.
    Rejected,
}

/// What the schedule keeps of a job that waits: small, without its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub seq: JobSeq,
    /// Its lane.
    pub lane: LaneKey,
    /// Its batch, empty if none.
    pub batch: Arc<str>,
    /// 0 to 9.
    pub priority: u8,
    /// Not before this instant: the job's own, or the end of a backoff.
    pub not_before: Option<Timestamp>,
    /// Expired at this instant.
    pub not_after: Option<Timestamp>,
    /// Attempts charged so far.
    pub attempts: u32,
    /// Whether a call of it may have been applied: verified before it is sent.
    pub uncertain: bool,
}

/// What a call is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A job.
    Job(JobSeq),
    /// A look-up for an uncertain job.
    LookUp(JobSeq),
    /// An access token.
    Token,
}

/// An attempt about to leave.
#[derive(Clone, Debug)]
pub struct AttemptStart {
    /// What for.
    pub purpose: Purpose,
    /// Whose quota it spends.
    pub lane: Arc<LaneKey>,
    /// Not later than the first byte leaves.
    pub sent_at: Timestamp,
    /// The call is over by then, whatever happens.
    pub deadline_at: Timestamp,
}

/// An attempt that is over.
#[derive(Clone, Debug)]
pub struct AttemptEnd {
    /// Which.
    pub attempt: AttemptSeq,
    /// When the reply was there, or given up on.
    pub ended_at: Timestamp,
    /// One word of [`crate::domain::outcome::Outcome::as_str`], or `not-sent`.
    pub outcome: &'static str,
    /// Whether a reply came: then the platform counted the request before `ended_at`.
    pub replied: bool,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// What becomes of the job, in the same transaction.
    pub settlement: Option<(JobSeq, Settlement)>,
}

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Ended well.
    Succeeded {
        /// Id of the new object.
        key: Option<String>,
        /// What the platform returned.
        result: Value,
    },
    /// Back into its lane.
    Queued {
        /// Not before this instant.
        not_before: Option<Timestamp>,
        /// Whether the attempt counts towards the maximum.
        charged: bool,
        /// Why, for people.
        failure: Option<Failure>,
    },
    /// May have been applied: to be verified, not before this instant.
    Uncertain {
        /// Not before this instant.
        not_before: Timestamp,
        /// What is known.
        failure: Failure,
    },
    /// Parked for a person.
    Held {
        /// What is known.
        failure: Failure,
    },
    /// Ended without success.
    Dead {
        /// Why.
        reason: Reason,
        /// What is known.
        failure: Failure,
    },
    /// Ended by a person.
    Cancelled,
}

/// A past call, as the windows are rebuilt from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// Whose quota it spent.
    pub lane: LaneKey,
    /// When it left at the earliest.
    pub sent_at: Timestamp,
    /// The latest instant at which the platform can have counted it: the reply's, or the deadline of a call without one.
    pub counted_by: Timestamp,
    /// Whether `counted_by` is a deadline (then the grace is added).
    pub open: bool,
    /// Whether the platform refused it for its pace; it is counted all the same.
    pub refused: bool,
}

/// An app or lane that stands still, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Suspension {
    /// The app.
    pub app: String,
    /// The tenant; empty for all.
    pub tenant: String,
    /// The method; empty for all.
    pub method: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` until somebody resumes it or a probe succeeds.
    pub until: Option<Timestamp>,
    /// The platform's code.
    pub code: Option<i64>,
    /// The platform's words.
    pub detail: String,
    /// What to do.
    pub cure: String,
    /// The platform's log id.
    pub log_id: Option<String>,
}

/// What the outbox holds.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its number; confirmed numbers are given back to [`Ledger::outbox_done`].
    pub seq: i64,
    /// What is published.
    pub ending: Ending,
}

/// A result or a dead letter, with what its publication needs.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The document of the contract's "Result / dead letter".
    pub document: Value,
    /// `Some` for a dead letter: its reason.
    pub reason: Option<Reason>,
    /// Of the dead letter.
    pub failure: Failure,
    /// Attempts charged.
    pub attempts: u32,
    /// The original body.
    pub raw: Bytes,
    /// The original properties.
    pub amqp: AmqpOrigin,
    /// The queue that gets a copy: the job's `reply_to`, else the property.
    pub reply_to: Option<String>,
    /// `<app>.<method>`.
    pub routing_key: String,
}

/// Why the ledger could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process works this ledger.
    #[error("{0}")]
    Locked(String),
    /// No room on the disk; work can go on when there is room.
    #[error("no room left for the ledger: {0}")]
    Full(String),
    /// Anything else.
    #[error("the ledger failed: {0}")]
    Failed(String),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

/// The durable record of jobs and attempts; the only truth. Every method returns after its commit.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Takes inputs over: each becomes a job, or a dead letter, or is known already. In the order of `arrivals`.
    async fn take_over(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Result<Vec<TakenOver>, LedgerError>;

    /// Reads a job whole.
    async fn job(&self, seq: JobSeq) -> Result<Job, LedgerError>;

    /// Records an attempt before its first byte leaves, and reads the job it is for.
    ///
    /// A job that does not wait any more (an operator ended it, or an attempt of it is open) gives
    /// [`AttemptSeq::NONE`] and no job: nothing was recorded, nothing may be sent, the job leaves the schedule.
    async fn begin_attempt(&self, start: AttemptStart) -> Result<(AttemptSeq, Option<Box<Job>>), LedgerError>;

    /// Records the end of an attempt and what becomes of its job, with its outbox rows, at once.
    ///
    /// The end of a [`Purpose::Job`] attempt charges it, except where [`Settlement::Queued`] says otherwise; a look-up
    /// is never charged. A job that has ended keeps its first ending.
    async fn end_attempt(&self, end: AttemptEnd) -> Result<(), LedgerError>;

    /// Settles a job without an attempt: expired, verified, cancelled.
    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Result<(), LedgerError>;

    /// Closes attempts that a dead process left open; their jobs become uncertain. For start-up, under the lock.
    async fn recover(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// Jobs that wait (queued or uncertain), of these batches or of all, after `after`, in order, at most `limit`.
    async fn waiting(
        &self,
        batches: Option<Vec<String>>,
        after: JobSeq,
        limit: usize,
    ) -> Result<Vec<Waiting>, LedgerError>;

    /// Every call that may still be counted in some window: sent, replied or due after `since`.
    async fn past_calls(&self, since: Timestamp) -> Result<Vec<PastCall>, LedgerError>;

    /// What is to be published, after `after`, in order, at most `limit`.
    async fn outbox(&self, after: i64, limit: usize) -> Result<Vec<Outgoing>, LedgerError>;

    /// Forgets published rows.
    async fn outbox_done(&self, seqs: Vec<i64>) -> Result<(), LedgerError>;

    /// Records a suspension, replacing one of the same app, tenant and method.
    async fn suspend(&self, suspension: Suspension) -> Result<(), LedgerError>;

    /// Ends suspensions of the app (and tenant and method, where not empty); says how many.
    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError>;

    /// All suspensions.
    async fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError>;

    /// Jobs that another process put to work since the last call (a redrive, a submit): to be scheduled. Cheap when there are none.
    async fn changed(&self) -> Result<Vec<Waiting>, LedgerError>;

    /// Whether another job of the same method and app ended with this object: then it is not what an uncertain job created.
    async fn is_claimed(&self, lane: &LaneKey, key: &str, seq: JobSeq) -> Result<bool, LedgerError>;

    /// How many jobs of these batches (or of all) are in which state.
    async fn counts(&self, batches: Option<Vec<String>>) -> Result<Counts, LedgerError>;
}

/// Jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// All of them, rejected inputs included.
    pub total: u64,
    /// Waiting in their lanes, or running.
    pub queued: u64,
    /// Waiting to be verified.
    pub uncertain: u64,
    /// Parked for a person.
    pub held: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Dead letters, rejected inputs included.
    pub dead: u64,
    /// Ended by a person.
    pub cancelled: u64,
    /// Refusals for pace, over all attempts.
    pub throttled: u64,
}
