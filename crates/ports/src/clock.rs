//! The only reader of time.
//!
//! Calendar time is an anchor plus the time that tokio's clock has run since, so a test that pauses tokio's clock
//! pauses both, and neither steps back by itself. [`Clock::anchor_again`] follows the system's clock; among several workers
//! [`Clock::set_by`] follows the store's.
//!
//! Decision: docs/decisions/0032-the-clock-is-followed-forward.md

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use paceline_domain::time::{Mono, Timestamp, micros};

/// Tells monotonic and calendar time; clones tell the same.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    /// Calendar time of `start`, in microseconds since 1970.
    anchor: Arc<AtomicI64>,
    follows: Follows,
}

/// Which clock is followed when it is set.
#[derive(Clone, Debug)]
enum Follows {
    Nobody,
    System,
    /// A stand-in for the system's: the calendar time of `start`, which a test may set.
    Settable(Arc<AtomicI64>),
}

impl Clock {
    /// A clock anchored to the system's.
    pub fn system() -> Self {
        Self { follows: Follows::System, ..Self::at(system_now()) }
    }

    /// A clock that says `now` now and follows no other, for tests.
    pub fn at(now: Timestamp) -> Self {
        Self { start: read_instant(), anchor: Arc::new(AtomicI64::new(now.0)), follows: Follows::Nobody }
    }

    /// A clock that says `now` now and follows one that the test steps, by so many microseconds, through the handle.
    pub fn steppable(now: Timestamp) -> (Self, Arc<AtomicI64>) {
        let set = Arc::new(AtomicI64::new(now.0));
        (Self { follows: Follows::Settable(Arc::clone(&set)), ..Self::at(now) }, set)
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

    /// Follows the system's clock after it was set: forward at once, backward never. Says by how many microseconds it
    /// was ahead of this one, or, negative, is behind.
    pub fn anchor_again(&self) -> i64 {
        let anchor = match &self.follows {
            Follows::Nobody => return 0,
            Follows::System => system_now().0.saturating_sub(micros(self.elapsed())),
            Follows::Settable(set) => set.load(Ordering::Relaxed),
        };
        anchor.saturating_sub(self.anchor.fetch_max(anchor, Ordering::Relaxed))
    }

    /// Sets calendar time forward by so many microseconds, or back.
    pub fn set_by(&self, by: i64) {
        self.anchor.fetch_add(by, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    #[tokio::test(start_paused = true)]
    async fn a_step_forward_is_followed_and_a_step_back_is_not() {
        let (clock, system) = Clock::steppable(Timestamp(0));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((clock.anchor_again(), clock.both()), (0, (Mono(10_000_000), Timestamp(10_000_000))));
        system.store(HOUR_US, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(10_000_000), "not before it looks");
        assert_eq!(clock.anchor_again(), HOUR_US);
        assert_eq!(clock.both(), (Mono(10_000_000), Timestamp(HOUR_US + 10_000_000)), "windows know nothing of it");
        system.store(-HOUR_US, Ordering::Relaxed);
        assert_eq!(clock.anchor_again(), -2 * HOUR_US);
        assert_eq!(clock.now(), Timestamp(HOUR_US + 10_000_000), "records never step back");
        let still = Clock::at(Timestamp(7));
        assert_eq!((still.anchor_again(), still.now()), (0, Timestamp(7)));
    }
}
