//! What leaves the ledger, and how far it has come.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{AmqpOrigin, LedgerError};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// A claim lasts so long, by the store's own clock, unless it is extended.
pub const CLAIM: Duration = Duration::from_secs(30);

/// Gives out what is to be published. Who is given a row has claimed it: until the claim is over, no other process is given
/// it, and nobody else can say that it was published. Every method returns after its commit.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// What is to be published, after `after`, in order, at most `limit`; without what is set aside. What this process has
    /// claimed already is given again.
    async fn claim(&self, after: i64, limit: usize) -> Result<Vec<Outgoing>, LedgerError>;

    /// What is set aside ([`Reached::is_aside`]), what was refused least and longest ago first, at most `limit`.
    async fn claim_aside(&self, limit: usize) -> Result<Vec<Outgoing>, LedgerError>;

    /// Lets the claims on these rows last for another [`CLAIM`], of those that this process still has.
    async fn extend(&self, seqs: Vec<i64>) -> Result<(), LedgerError>;

    /// Records how far rows have come that are not published everywhere yet, of those that this process has claimed.
    async fn reached(&self, rows: Vec<(i64, Reached)>) -> Result<(), LedgerError>;

    /// Forgets published rows, of those that this process has claimed.
    async fn done(&self, seqs: Vec<i64>) -> Result<(), LedgerError>;
}

/// What the outbox holds.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its number; confirmed numbers are given back to [`Outbox::done`].
    pub seq: i64,
    /// What is published.
    pub ending: Ending,
    /// Where it is already.
    pub reached: Reached,
}

/// Name and routing key of the event of a batch's end. Results have three words there at least: methods have two.
pub const BATCH_COMPLETED: &str = "batch.completed";

/// What the message with a document says of it in its properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The job's id as its publisher knows it, or the batch whose end it is.
    pub id: Option<String>,
    /// Absent where none could be read, as of a batch; likewise of the app.
    pub method: Option<String>,
    /// See `method`.
    pub app: Option<String>,
    /// When that was.
    pub ended_at: Option<Timestamp>,
}

/// A result, a dead letter or a batch's end, with what its publication needs.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The document of the contract's "Result / dead letter", as JSON.
    pub document: Bytes,
    /// What it is about.
    pub label: Label,
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
    /// `<app>.<method>`, or [`BATCH_COMPLETED`].
    pub routing_key: String,
}

/// Where a row of the outbox has been published already, so that only what is missing is published again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached(u32);

impl Reached {
    /// Our own queue: that of results or that of dead letters.
    pub const QUEUE: Self = Self(1);
    /// The queues that others have bound to the results exchange.
    pub const SUBSCRIBERS: Self = Self(2);
    /// The caller's queue.
    pub const REPLY: Self = Self(4);
    /// One of the subscribers refused it; the others have it.
    pub const REFUSED: Self = Self(8);
    /// Nothing is missing but the subscriber that refused it.
    pub const ASIDE: Self = Self(16);

    /// What each further refusal adds: the row that was refused least is tried next.
    const AGAIN: u32 = 32;

    /// From the ledger's number.
    pub const fn of(number: u32) -> Self {
        Self(number)
    }

    /// For the ledger.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Refused once more.
    #[must_use]
    pub const fn again(self) -> Self {
        Self(self.0.saturating_add(Self::AGAIN))
    }

    /// Whether all of the other is in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it waits for a subscriber that refused it, and for nothing else.
    pub const fn is_aside(self) -> bool {
        self.has(Self::ASIDE)
    }
}
