//! What comes into the ledger, and what of it waits.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::{JobSeq, LedgerError};
use paceline_domain::activity::Deed;
use paceline_domain::job::{Job, LaneKey, Rejection};
use paceline_domain::time::Timestamp;

/// Takes inputs over.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Takes inputs over: each becomes a job, or a dead letter, or is known already. In the order of `arrivals`. Returns
    /// after the commit.
    async fn take_over(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Result<Vec<TakenOver>, LedgerError>;
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
    /// For AMQP: whether it was delivered before, so that it may have been taken over already.
    pub redelivered: bool,
    /// Whether who sent it is told at once what became of it: then a rejection is no dead letter.
    pub is_answered: bool,
    /// The change of a person that it is part of, which is told of in the same transaction.
    pub by: Option<Arc<Deed>>,
}

/// The way of a message to the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Delivered {
    /// The queue it was taken from.
    pub queue: String,
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: String,
    /// The routing key it was published with.
    pub routing_key: String,
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
    /// `content_encoding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `timestamp`, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// Upstream's own headers, as far as they are simple values; an instant is `{"timestamp": seconds}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Value>,
    /// `user_id`, which RabbitMQ lets nobody but that user set; it does not go back out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Stands before its id in the ledger, if each publisher's ids are its own; what goes back out has the id as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// How a message came that is no job: who looks for its publisher wants to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
}

/// What became of an [`Arrival`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenOver {
    /// A new job, or an ended one that is queued again.
    Queued(Waiting),
    /// A new job that waits for others, or an ended one that does so again; it may have ended with one of them at once.
    Blocked,
    /// Known, same content, not ended: nothing to do.
    Known,
    /// Known, same content, succeeded before: its result goes out again.
    Succeeded,
    /// Recorded as a dead letter: it is no job, or its id belongs to other content.
    Rejected,
}

/// What another process did to jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Put to work: to be scheduled.
    pub waiting: Vec<Waiting>,
    /// Ended, by lane: to be sent no more.
    pub ended: BTreeMap<LaneKey, HashSet<JobSeq>>,
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
