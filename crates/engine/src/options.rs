//! What the engine is told from outside.

use std::time::Duration;

use super::backoff;
use super::schedule::Limits;

/// What the engine is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Calls in flight.
    pub limits: Limits,
    /// Attempts charged to a job at most.
    pub attempts_max: u32,
    /// Delays between them.
    pub backoff: backoff::Schedule,
    /// A call is over after this time, whatever happens.
    pub request_timeout: Duration,
    /// How long after its deadline a request may still be counted by the platform.
    pub grace: Duration,
    /// How long in-flight calls may take to finish after a stop.
    pub drain: Duration,
    /// How long a job is waited for that nobody has published yet.
    pub reference_wait: Duration,
    /// How old what is known of names may be before it is asked for again.
    pub names_max_age: Duration,
    /// How long a room may take to decide.
    pub room_wait: Duration,
    /// How long the ledger remembers what has ended; `None` for ever.
    pub keep: Option<Duration>,
    /// Seed of all jitter.
    pub seed: u64,
    /// The platform's own waits (read-after-write delays) are this much shorter, for rehearsals; 1 in real life.
    pub speed: f64,
}

impl Options {
    /// The longest time from a call's record to the last instant at which it can be counted.
    pub fn latest_count(&self) -> Duration {
        self.request_timeout + self.grace
    }
}
