//! Time as it is counted here: it comes in as an argument, and nothing in this crate reads a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant of this process's monotonic clock: microseconds since an arbitrary start, negative before it.
///
/// Quota windows are counted on it, so a stepped system clock neither frees nor blocks a permit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub i64);

/// Microseconds of a duration, saturating at the end of [`i64`].
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(micros(rhs)))
    }
}

impl Mono {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_and_never_run_backwards() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Mono(9).since(Mono(5)), Duration::from_micros(4));
        assert_eq!(Mono(-5) + Duration::from_micros(7), Mono(2));
        assert_eq!(Mono(i64::MAX) + Duration::from_secs(1), Mono(i64::MAX));
        assert_eq!(micros(Duration::MAX), i64::MAX);
    }
}
