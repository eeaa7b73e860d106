//! The only reader of time.
//!
//! Calendar time is an anchor plus the time that tokio's clock has run since, so a test that pauses tokio's clock
//! pauses both, and neither ever steps back. [`Clock::anchor_again`] follows the system's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::domain::time::{Mono, Timestamp, micros};

/// Tells monotonic and calendar time; clones tell the same.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    /// Calendar time of `start`, in microseconds since 1970.
    anchor: Arc<AtomicI64>,
    /// Whether it follows the system's clock.
    follows: bool,
}

impl Clock {
    /// A clock anchored to the system's.
    pub fn system() -> Self {
        Self { follows: true, ..Self::at(system_now()) }
    }

    /// A clock that says `now` now and follows no other, for tests.
    pub fn at(now: Timestamp) -> Self {
        Self { start: read_instant(), anchor: Arc::new(AtomicI64::new(now.0)), follows: false }
    }

    /// Monotonic time, for quota windows.
    pub fn mono(&self) -> Mono {
        Mono(micros(self.elapsed()))
    }

    /// Calendar time, for records and people.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.anchor.load(Ordering::Relaxed).saturating_add(micros(self.elapsed())))
    }

    /// Both at one instant.
    pub fn both(&self) -> (Mono, Timestamp) {
        let mono = self.mono();
        (mono, Timestamp(self.anchor.load(Ordering::Relaxed).saturating_add(mono.0)))
    }

    /// The monotonic instant of a calendar instant, as far as the present anchor knows.
    pub fn mono_of(&self, at: Timestamp) -> Mono {
        Mono(at.0.saturating_sub(self.anchor.load(Ordering::Relaxed)))
    }

    /// Waits until a monotonic instant.
    pub async fn sleep_until(&self, at: Mono) {
        let wait = at.since(self.mono());
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
    }

    /// Follows the system's clock after it was set: forward at once, backward never.
    pub fn anchor_again(&self) {
        if !self.follows {
            return;
        }
        let anchor = system_now().0.saturating_sub(micros(self.elapsed()));
        self.anchor.fetch_max(anchor, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        read_instant().saturating_duration_since(self.start)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn read_instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(micros(since))
}
