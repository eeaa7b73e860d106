//! What the worker needs of the world: a store and a transport, which databases and clients implement, and a [`clock`].
//! [`crash_points`] is where tests let the process die.
//!
//! A store's boundary is cut by who uses it: [`Intake`] takes inputs over, [`Outbox`] gives out what is published,
//! [`Ledger`] hands out a [`Domain`], through which the engine makes calls and ends jobs; people have [`operator::Reports`] and [`operator::Commands`].

pub mod clock;
pub mod crash_points;
mod domain;
mod fleet;
mod intake;
mod ledger;
pub mod location;
pub mod operator;
mod outbox;
mod quota_domain;
mod restraints;
mod state;
mod suspension;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use paceline_domain::job::{Job, LaneKey};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Failure, Reply};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;

pub use self::domain::Domain;
pub use self::fleet::{Card, Fleet, Gathering, Holding, Replica};
pub use self::intake::{AmqpOrigin, Arrival, Changed, Delivered, Intake, Origin, TakenOver, Waiting};
pub use self::ledger::{Figures, Kept, LaneFigures, Ledger, Mode, Store};
pub use self::outbox::{BATCH_COMPLETED, CLAIM, Ending, Label, Outbox, Outgoing, Reached};
pub use self::quota_domain::QuotaDomain;
pub use self::restraints::{Restrained, Restraint, RestraintKind};
pub use self::state::State;
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
    /// A page of a listing that a person reads.
    Read,
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
    /// Blocked until its names are looked up anew: the platform says that an id is gone which was found for one.
    Nameless {
        /// What it said.
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
    /// Whether its last call succeeded: it waits for what decides later.
    pub is_applied: bool,
    /// What is known.
    pub failure: Failure,
}

/// What came of looking a job's names up.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    /// The job with the ids beside them.
    As(Box<Job>),
    /// One has none, and why.
    Not(Cause),
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
    /// Another process owns what was to be changed, and says so in words.
    #[error("{0}")]
    NotOwner(String),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
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
    /// Waiting for other jobs.
    pub blocked: u64,
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
