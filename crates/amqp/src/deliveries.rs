//! Deliveries as the intake takes them: all that lie ready at once, each read alone.

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::{BasicProperties, Consumer};

use super::intake::Decode;
use super::properties::defaults_of;
use super::wire::notes;
use paceline_domain::decode::BODY_BYTES_MAX;
use paceline_domain::job::{Fault, Job, Rejection};
use paceline_domain::messages::{Got, Rule};
use paceline_domain::trace::Trace;
use paceline_ports::{AmqpOrigin, Arrival, TakenOver};

/// Messages per transaction of the ledger, at most.
const BATCH_MAX: usize = 256;

/// What was changed of a message because it could not be read as it came.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// How long the body was, if only its beginning is left.
    pub body_bytes: Option<u64>,
    /// Properties that could not be read: name, and what was expected.
    pub unreadable: Vec<(&'static str, String)>,
}

impl Notes {
    pub(super) fn of(properties: &BasicProperties) -> Self {
        Self { body_bytes: notes::body_bytes(properties), unreadable: notes::unreadable(properties) }
    }
}

/// A message as a job, or why it is none. An over-long body is not even parsed: it goes back out as it came, or its
/// beginning does.
pub(super) fn read_body(
    decode: &Decode,
    bytes_max: usize,
    body: &[u8],
    amqp: &AmqpOrigin,
    notes: &Notes,
) -> Result<Box<Job>, Box<Rejection>> {
    let defaults = defaults_of(amqp);
    let got = notes.body_bytes.map_or(body.len(), |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if got <= bytes_max {
        let read = decode(body, &defaults);
        if !notes.unreadable.is_empty() {
            return Err(Box::new(unreadable(read, notes)));
        }
        let read = read.map_err(Box::new)?;
        return Ok(Box::new(Job { trace: Trace::of(&amqp.headers), ..read }));
    }
    let rule = Rule::BodyBytesAtMost { max: bytes_max, key: BODY_BYTES_MAX.to_owned() };
    let got = if body.len() < got { Got::KeptTo { bytes: got, kept: body.len() } } else { got.to_string().into() };
    Err(Box::new(Rejection {
        id: defaults.id,
        method: defaults.method,
        app: defaults.app,
        batch: None,
        faults: vec![Fault::malformed("", rule).got(got)],
    }))
}

/// A message with properties that nobody can read is no job, even if its body is one: what they asked for is lost.
fn unreadable(read: Result<Job, Rejection>, notes: &Notes) -> Rejection {
    let mut rejection = match read {
        Ok(job) => Rejection {
            id: Some(job.id),
            method: Some(job.lane.method),
            app: Some(job.lane.app),
            batch: job.batch,
            faults: Vec::new(),
        },
        Err(rejection) => rejection,
    };
    let faults =
        notes.unreadable.iter().map(|(name, message)| Fault::malformed(format!("AMQP {name}"), message.as_str()));
    rejection.faults.splice(..0, faults);
    rejection
}

/// What lay ready at once.
pub(super) struct Gathered {
    pub deliveries: Vec<Delivery>,
    pub ended: Option<End>,
}

/// Why a consumer's stream ended.
pub(super) enum End {
    /// By the broker (the queue was deleted), or because we cancelled.
    Cancelled,
    /// With its channel or connection.
    Failed(lapin::Error),
}

/// The first delivery and all that lie ready behind it.
///
/// Nobody may ask the stream again after its end: it is not fused and would be pending for ever.
pub(super) fn gather(first: Option<lapin::Result<Delivery>>, consumer: &mut Consumer) -> Gathered {
    let mut deliveries = Vec::new();
    let mut next = Some(first);
    while let Some(item) = next {
        match item {
            Some(Ok(delivery)) => deliveries.push(delivery),
            Some(Err(error)) => return Gathered { deliveries, ended: Some(End::Failed(error)) },
            None => return Gathered { deliveries, ended: Some(End::Cancelled) },
        }
        next = if deliveries.len() < BATCH_MAX { consumer.next().now_or_never() } else { None };
    }
    Gathered { deliveries, ended: None }
}

/// A publisher that cannot be understood at all is somebody's to correct.
pub(super) fn log_unreadable<'a>(notes: impl Iterator<Item = &'a Notes>) {
    let unreadable: Vec<_> = notes.filter_map(|notes| notes.unreadable.first()).collect();
    if let Some((name, message)) = unreadable.first() {
        let messages = unreadable.len();
        tracing::warn!(
            messages,
            "a message has AMQP {name} that cannot be read ({message}); it becomes a dead letter: correct its publisher"
        );
    }
}

/// Which job a message holds; a warning about it names the job, and this its trace.
pub(super) fn log_read(arrival: &Arrival) {
    match &arrival.input {
        Ok(job) => tracing::trace!(
            job = job.id,
            app = job.lane.app,
            method = job.lane.method,
            batch = job.batch.as_deref(),
            trace_id = job.trace.map(|trace| trace.id()),
            redelivered = arrival.origin.redelivered,
            "read a job"
        ),
        Err(rejection) => tracing::trace!(
            job = rejection.id.as_deref(),
            reason = rejection.faults.first().map(|fault| fault.reason.as_str()),
            faults = rejection.faults.len(),
            "read what is no job"
        ),
    }
}

/// What became of a batch.
pub(super) fn log_taken_over(taken: &[TakenOver]) {
    let [mut queued, mut blocked, mut known, mut succeeded, mut rejected] = [0_u32; 5];
    for one in taken {
        *match one {
            TakenOver::Queued(_) => &mut queued,
            TakenOver::Blocked => &mut blocked,
            TakenOver::Known => &mut known,
            TakenOver::Succeeded => &mut succeeded,
            TakenOver::Rejected => &mut rejected,
        } += 1;
    }
    tracing::debug!(messages = taken.len(), queued, blocked, known, succeeded, rejected, "took messages over");
}
