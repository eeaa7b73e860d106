//! A lane's concurrency: halved when calls get into each other's way, regained with success.

use crate::domain::time::Mono;

/// How many calls of a lane may be in flight.
#[derive(Clone, Debug)]
pub struct Concurrency {
    max: u32,
    limit: u32,
    /// Successes since the last change.
    run: u32,
    /// When it was lowered last.
    lowered: Option<Mono>,
}

impl Concurrency {
    /// Starts at the maximum.
    pub const fn new(max: u32) -> Self {
        Self { max, limit: max, run: 0, lowered: None }
    }

    /// Takes up an earlier process's limit.
    pub fn restore(&mut self, limit: u32) {
        self.limit = limit.clamp(1, self.max);
        self.run = 0;
    }

    /// The limit without refusals.
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// The present limit, from 1 to the maximum.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Halves the limit from what was really in flight, so that one lowering has an effect; calls that left before the
    /// last lowering lower nothing.
    pub fn lower(&mut self, in_flight: u32, granted: Mono, now: Mono) {
        if self.lowered.is_some_and(|lowered| granted <= lowered) {
            return;
        }
        self.lowered = Some(now);
        self.limit = (self.limit.min(in_flight) / 2).max(1);
        self.run = 0;
    }

    /// Another maximum: a limit that stood at the old one follows it.
    pub fn set_max(&mut self, max: u32) {
        self.limit = if self.limit == self.max { max } else { self.limit.min(max) };
        self.max = max;
    }

    /// Adds one after as many successes in a row as the limit allows in flight.
    pub const fn succeed(&mut self) {
        if self.limit == self.max {
            return;
        }
        self.run += 1;
        if self.run >= self.limit {
            self.limit += 1;
            self.run = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_and_regains_one_at_a_time() {
        let mut concurrency = Concurrency::new(64);
        concurrency.lower(10, Mono(0), Mono(7));
        assert_eq!(concurrency.limit(), 5);
        concurrency.lower(9, Mono(7), Mono(8));
        assert_eq!(concurrency.limit(), 5, "in flight together: halved once");
        for _ in 0..4 {
            concurrency.succeed();
        }
        assert_eq!(concurrency.limit(), 5);
        concurrency.succeed();
        assert_eq!(concurrency.limit(), 6);
        for n in 0..5 {
            concurrency.lower(1, Mono(10 + n), Mono(10 + n));
        }
        assert_eq!(concurrency.limit(), 1);
        concurrency.succeed();
        assert_eq!(concurrency.limit(), 2);
    }

    #[test]
    fn a_changed_maximum_neither_lifts_a_lowered_limit_nor_is_overrun() {
        let mut concurrency = Concurrency::new(8);
        concurrency.set_max(16);
        assert_eq!(concurrency.limit(), 16);
        concurrency.lower(10, Mono(1), Mono(1));
        concurrency.set_max(32);
        assert_eq!(concurrency.limit(), 5);
        concurrency.set_max(3);
        assert_eq!(concurrency.limit(), 3);
    }
}
