//! RabbitMQ: jobs come in ([`intake`]), endings go out ([`relay`]), `submit` publishes ([`publish`]).
//!
//! AMQP's own words stay in here. The engine is known through two small traits ([`ports`]), the ledger through its
//! port. Start reading at [`service`], then [`link`] (one supervised connection), [`intake`]
//! and [`relay`].
//!
//! Two connections, because an alarm of the broker blocks the one that publishes and leaves the other alone, and a
//! message that ends the consuming one must not hold up results.

pub mod address;
mod aside;
mod channels;
pub mod check;
mod claims;
mod deliveries;
pub mod fault;
mod headers;
pub mod intake;
pub mod link;
mod memory;
pub mod options;
mod outbox_run;
mod outgoing;
pub mod ports;
mod properties;
pub mod publish;
pub mod relay;
pub mod service;
mod session;
pub mod sign_in;
mod stalls;
pub mod topology;
mod troubles;
mod wire;

#[cfg(fuzzing)]
pub use wire::hostile;

pub use fault::Error;
pub use link::Link;
pub use options::Options;
pub use paceline_domain::messages::{BrokerFault, BrokerStatus, IntakeState, LinkState, RelayState};
pub use service::{Look, Service};

use std::time::Duration;

use paceline_domain::messages::BrokerStep;

/// A connection's whole opening: address, TCP, TLS, AMQP handshake. The client has no timeout of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One answer of the broker to declare, consume, qos and the like. A damaged quorum queue lets `consume` hang for 60 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// A confirm; a healthy quorum queue confirms within milliseconds.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);
/// A polite close; whoever does not answer is left.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// The first wait after a failure, doubled each time up to [`RETRY_LAST`].
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait between two tries.
const RETRY_LAST: Duration = Duration::from_secs(5);

/// The wait before the next try: doubled with each failure in a row, with a jitter of half, so that a restarted broker
/// does not meet all its clients at once.
fn retry_delay(failures: u32) -> Duration {
    let full = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_LAST);
    full.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// Waits for the broker's answer to a step, at most [`ANSWER_TIMEOUT`].
async fn answered<T>(step: BrokerStep, answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Error::amqp(step, error)),
        Err(_) => Err(Error::Silent { step, seconds: ANSWER_TIMEOUT.as_secs() }),
    }
}

/// Waits until the process is told to stop.
async fn until_stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    // A dropped sender is a process that ends without saying so.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_grow_from_a_fifth_of_a_second_to_five_and_stay_there() {
        for (failures, full_ms) in [(0, 200), (1, 400), (4, 3_200), (5, 5_000), (40, 5_000), (u32::MAX, 5_000)] {
            let full = Duration::from_millis(full_ms);
            for _ in 0..100 {
                let delay = retry_delay(failures);
                assert!(delay >= full / 2 && delay <= full, "{failures}: {delay:?}");
            }
        }
    }
}
