//! What the engine needs of the world: a ledger and a transport, which stores and clients implement, and a [`clock`].
//! [`crash_points`] is where tests let the process die.

mod arrivals;
pub mod clock;
pub mod crash_points;
pub mod location;
mod outbox;
mod restraints;
mod suspension;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use paceline_domain::activity::Deed;
use paceline_domain::job::{Job, LaneKey};
use paceline_domain::outcome::{Failure, Reply};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;

pub use self::arrivals::{AmqpOrigin, Arrival, Changed, Delivered, Origin, TakenOver, Waiting};
pub use self::outbox::{BATCH_COMPLETED, Ending, Outgoing, Reached};
pub use self::restraints::{Restrained, Restraint, RestraintKind};
pub use self::suspension::{SuspendedBy, Suspension};

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
    /// One word of [`paceline_domain::outcome::Outcome::as_str`], or [`paceline_domain::outcome::NOT_SENT`].
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
        /// Whether no other job of the method may own that object: the ledger refuses to write it down for a second one.
        sole: bool,
        /// What the platform left out.
        warnings: Vec<Warning>,
    },
    /// Ended well, and what another job created is gone with it: the job that owns the object counts as cancelled from
    /// now on, so that nothing claims that the object is there, and the same id may create it anew.
    Undone {
        /// What the platform returned.
        result: Value,
        /// The methods that may have created it.
        creates: Vec<String>,
        /// Id of the object.
        key: String,
        /// What the platform left out.
        warnings: Vec<Warning>,
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
        /// Whether the attempt counts towards the maximum.
        charged: bool,
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

/// A job of which it is not known whether it was applied: uncertain, or in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsettled {
    /// Its number.
    pub seq: JobSeq,
    /// The job.
    pub job: Job,
    /// Set while a call of it is in flight: the call's deadline.
    pub in_flight_until: Option<Timestamp>,
    /// The latest instant at which an answered call of it was applied, or else the deadline of its last one.
    pub lost_until: Timestamp,
    /// What is known.
    pub failure: Failure,
}

/// What came of settling a job by what a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It is settled.
    Settled,
    /// It was not uncertain any more, or a call of it is in flight: nothing was changed.
    Gone,
    /// Another job owns that object: nothing was changed.
    Claimed,
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

/// Why the ledger could not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process works this ledger.
    #[error("{0}")]
    Locked(String),
    /// No room on the disk; work can go on when there is room.
    #[error("no room left for the ledger: {0}")]
    Full(String),
    /// The job of this id owns the object already.
    #[error("job {0:?} owns that object already")]
    Claimed(String),
    /// What was asked for cannot be, and why.
    #[error("{0}")]
    Refused(String),
    /// It is damaged, or no longer the file that was opened: nothing that is written there may be relied on.
    #[error("{0}")]
    Unusable(String),
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
    /// A job that does not wait any more (an operator ended it, an attempt of it is open, or it is uncertain and the
    /// attempt is no look-up) gives
    /// [`AttemptSeq::NONE`] and no job: nothing was recorded, nothing may be sent, the job leaves the schedule.
    async fn begin_attempt(&self, start: AttemptStart) -> Result<(AttemptSeq, Option<Box<Job>>), LedgerError>;

    /// Records the end of an attempt and what becomes of its job, with its outbox rows, at once.
    ///
    /// The end of a [`Purpose::Job`] attempt charges it, except where the settlement says otherwise; a look-up is never
    /// charged. A job that has ended keeps its first ending.
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

    /// What is to be published, after `after`, in order, at most `limit`; without what is set aside.
    async fn outbox(&self, after: i64, limit: usize) -> Result<Vec<Outgoing>, LedgerError>;

    /// What is set aside ([`Reached::is_aside`]), what was refused least and longest ago first, at most `limit`.
    async fn outbox_aside(&self, limit: usize) -> Result<Vec<Outgoing>, LedgerError>;

    /// Records how far rows have come that are not published everywhere yet.
    async fn outbox_reached(&self, rows: Vec<(i64, Reached)>) -> Result<(), LedgerError>;

    /// Forgets published rows.
    async fn outbox_done(&self, seqs: Vec<i64>) -> Result<(), LedgerError>;

    /// Records a suspension, replacing one of the same app, tenant and method.
    async fn suspend(&self, suspension: Suspension) -> Result<(), LedgerError>;

    /// Ends suspensions of the app (and tenant and method, where not empty); says how many.
    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError>;

    /// Ends suspensions whose time is over at `now`; says how many.
    async fn end_suspensions(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// All suspensions.
    async fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError>;

    /// Records what holds calls back, in place of what was recorded before.
    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Result<(), LedgerError>;

    /// What holds calls back, in the order in which it was recorded.
    async fn restraints(&self) -> Result<Vec<Restraint>, LedgerError>;

    /// What another process did to jobs since the last call (a redrive, a submit, a cancellation). Cheap when it did nothing.
    async fn changed(&self) -> Result<Changed, LedgerError>;

    /// Those of these jobs that wait and are not in flight.
    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Result<Vec<Waiting>, LedgerError>;

    /// Waits until [`Ledger::changed`] is worth asking. A ledger that cannot tell waits for ever: it is asked now and then anyway.
    async fn until_changed(&self) {
        std::future::pending::<()>().await;
    }

    /// Those of these jobs that are still uncertain, and all jobs of the method with a call in flight.
    async fn unsettled(&self, method: &str, seqs: Vec<JobSeq>) -> Result<Vec<Unsettled>, LedgerError>;

    /// How many calls of this job the platform has answered with this code.
    async fn answers(&self, seq: JobSeq, code: i64) -> Result<u32, LedgerError>;

    /// Which of these objects jobs of the method own, of whatever app: they are not what an uncertain job created.
    async fn owned(&self, method: &str, keys: Vec<String>) -> Result<Vec<String>, LedgerError>;

    /// Settles uncertain jobs by what a look-up found, all at once; in the order of `found`.
    async fn verified(&self, found: Vec<(JobSeq, Settlement)>, now: Timestamp) -> Result<Vec<Verified>, LedgerError>;

    /// Forgets a piece of what ended before `before`: of the jobs after `after` those that ended and were published, with
    /// their attempts; after the last of them what belongs to no job. What the jobs created stays known as theirs.
    async fn prune(&self, before: Timestamp, after: JobSeq) -> Result<Pruned, LedgerError>;

    /// Tells of a change that a person made and that the ledger had no part in, such as other settings.
    async fn note(&self, deed: Deed, count: usize, now: Timestamp) -> Result<(), LedgerError> {
        let _ = (deed, count, now);
        Ok(())
    }

    /// How many jobs of these batches (or of all) are in which state.
    async fn counts(&self, batches: Option<Vec<String>>) -> Result<Counts, LedgerError>;
}

/// What one step of [`Ledger::prune`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Records forgotten in this step.
    pub forgotten: usize,
    /// Where to go on; `None`: the end is reached, and there is nothing more to forget once a step forgets nothing.
    pub next: Option<JobSeq>,
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
    /// Ended well, those with warnings included.
    pub succeeded: u64,
    /// Of those that ended well: with warnings.
    pub warnings: u64,
    /// Dead letters, rejected inputs included.
    pub dead: u64,
    /// Ended by a person.
    pub cancelled: u64,
    /// Refusals for pace, over all attempts.
    pub throttled: u64,
}
