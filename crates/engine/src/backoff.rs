//! Delays between attempts: exponential with full jitter.
//!
//! The `backoff` crate computes the exponential ceiling, and is used nowhere else, so that another crate can take its
//! place (it is marked unmaintained, RUSTSEC-2025-0012). The jitter is drawn here, from a seeded generator, because
//! the crate's own randomness cannot be seeded.
//!
//! Decision: docs/decisions/0029-backoff-behind-one-file.md

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// The schedule of retry delays.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Ceiling of the first delay.
    pub initial: Duration,
    /// No ceiling is higher.
    pub max: Duration,
}

impl Schedule {
    /// The delay before the attempt that follows `failures` failed ones: evenly drawn from zero to the ceiling.
    pub fn delay(&self, failures: u32, rng: &mut fastrand::Rng) -> Duration {
        self.ceiling(failures).mul_f64(rng.f64())
    }

    fn ceiling(&self, failures: u32) -> Duration {
        let mut exponential = ExponentialBackoff {
            initial_interval: self.initial,
            current_interval: self.initial,
            max_interval: self.max,
            multiplier: 2.0,
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        // Beyond 32 doublings every schedule has reached its maximum.
        (0..failures.clamp(1, 32)).filter_map(|_| exponential.next_backoff()).last().unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule { initial: Duration::from_millis(500), max: Duration::from_secs(60) };

    #[test]
    fn ceilings_double_up_to_the_maximum() {
        let ceilings: Vec<u128> = [1, 2, 3, 4, 7, 8, 1_000].map(|n| SCHEDULE.ceiling(n).as_millis()).into();
        assert_eq!(ceilings, [500, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn jitter_fills_the_whole_range_and_follows_the_seed() {
        let mut rng = fastrand::Rng::with_seed(7);
        let delays: Vec<Duration> = (0..1_000).map(|_| SCHEDULE.delay(3, &mut rng)).collect();
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(2)));
        assert!(delays.iter().any(|delay| *delay < Duration::from_millis(20)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_millis(1_980)));
        assert_eq!(SCHEDULE.delay(3, &mut fastrand::Rng::with_seed(7)), delays[0]);
    }
}
