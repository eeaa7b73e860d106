//! Deliveries as the intake takes them: all that lie ready at once, each read alone.

use futures_util::{FutureExt, StreamExt};
use lapin::Consumer;
use lapin::message::Delivery;

use super::intake::Decode;
use super::properties::defaults_of;
use crate::domain::job::{Fault, Job, Rejection};
use crate::domain::trace::Trace;
use crate::engine::ports::AmqpOrigin;
use crate::settings::BODY_BYTES_MAX;

/// Messages per transaction of the ledger, at most.
const BATCH_MAX: usize = 256;

/// A message as a job, or why it is none. An over-long body is not even parsed: it goes back out as it came.
pub(super) fn read_body(
    decode: &Decode,
    bytes_max: usize,
    body: &[u8],
    amqp: &AmqpOrigin,
) -> Result<Box<Job>, Box<Rejection>> {
    let defaults = defaults_of(amqp);
    if body.len() <= bytes_max {
        let read = decode(body, &defaults).map_err(Box::new)?;
        return Ok(Box::new(Job { trace: Trace::of(&amqp.headers), ..read }));
    }
    let message = format!("expected a body of at most {bytes_max} bytes ({BODY_BYTES_MAX}), got {}", body.len());
    Err(Box::new(Rejection {
        id: defaults.id,
        method: defaults.method,
        app: defaults.app,
        batch: None,
        faults: vec![Fault::malformed("", message)],
    }))
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
