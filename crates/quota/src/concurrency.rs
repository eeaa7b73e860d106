//! A lane's concurrency: halved when calls get into each other's way, regained with success. A lane whose lone call is
//! still in the way of others' rests for a while: lanes that each kept one in flight would refuse each other for ever.
//!
//! Decision: docs/decisions/0006-contended-calls-back-off.md

use std::time::Duration;

use crate::time::Mono;

/// The first rest and the longest, before chance makes them half as long up to half as long again.
const RESTS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];

/// How many calls of a lane may be in flight.
#[derive(Clone, Debug)]
pub struct Concurrency {
    max: u32,
    limit: u32,
    /// Successes since the last change.
    run: u32,
    /// When it was lowered last.
    lowered: Option<Mono>,
    /// Refusals in a row of a lone call, and until when the lane rests for them.
    alone: u32,
    rests_until: Option<Mono>,
}

impl Concurrency {
    /// Starts at the maximum.
    pub const fn new(max: u32) -> Self {
        Self { max, limit: max, run: 0, lowered: None, alone: 0, rests_until: None }
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

    /// Until when the lane rests, if it does.
    pub fn rests_until(&self, now: Mono) -> Option<Mono> {
        self.rests_until.filter(|until| *until > now)
    }

    /// Halves the limit from what was really in flight, so that one lowering has an effect; calls that left before the
    /// last lowering lower nothing. What cannot be halved rests: `lane` makes that another time for each.
    pub fn lower(&mut self, in_flight: u32, granted: Mono, now: Mono, lane: usize) {
        if self.lowered.is_some_and(|lowered| granted <= lowered) {
            return;
        }
        self.lowered = Some(now);
        self.run = 0;
        if self.limit == 1 {
            self.alone = self.alone.saturating_add(1);
            self.rests_until = Some(now + rest(self.alone, now, lane));
        }
        self.limit = (self.limit.min(in_flight) / 2).max(1);
    }

    /// Another maximum: a limit that stood at the old one follows it.
    pub fn set_max(&mut self, max: u32) {
        self.limit = if self.limit == self.max { max } else { self.limit.min(max) };
        self.max = max;
    }

    /// Adds one after as many successes in a row as the limit allows in flight.
    pub const fn succeed(&mut self) {
        (self.alone, self.rests_until) = (0, None);
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

/// Twice as long with each refusal in a row.
fn rest(refusals: u32, now: Mono, lane: usize) -> Duration {
    let [first, longest] = RESTS;
    let longer = first.saturating_mul(1 << refusals.saturating_sub(1).min(16)).min(longest);
    let seed = now.0.unsigned_abs().wrapping_mul(31).wrapping_add(lane as u64);
    longer.mul_f64(0.5 + fastrand::Rng::with_seed(seed).f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_call_that_is_refused_rests_longer_each_time_until_one_succeeds() {
        let mut concurrency = Concurrency::new(2);
        concurrency.lower(2, Mono(0), Mono(1), 0);
        assert_eq!((concurrency.limit(), concurrency.rests_until(Mono(1))), (1, None), "halving may be enough");
        let mut now = Mono(2);
        for n in 0..20_i32 {
            concurrency.lower(1, now, now + Duration::from_micros(1), 0);
            let rested = concurrency.rests_until(now).unwrap().since(now).as_secs_f64();
            let whole = (0.5 * 2_f64.powi(n)).min(60.0);
            assert!((whole * 0.49..=whole * 1.51).contains(&rested), "{n}: {rested}");
            now = now + Duration::from_secs(200);
        }
        assert_eq!(concurrency.rests_until(now), None);
        concurrency.lower(1, now, now, 0);
        concurrency.succeed();
        assert_eq!((concurrency.rests_until(now), concurrency.limit()), (None, 2));
        let rests: Vec<_> = (0..3).map(|lane| rest(8, Mono(5), lane)).collect();
        assert!(rests[0] != rests[1] && rests[1] != rests[2], "those who met do not meet again: {rests:?}");
    }

    #[test]
    fn halves_and_regains_one_at_a_time() {
        let mut concurrency = Concurrency::new(64);
        concurrency.lower(10, Mono(0), Mono(7), 0);
        assert_eq!(concurrency.limit(), 5);
        concurrency.lower(9, Mono(7), Mono(8), 0);
        assert_eq!(concurrency.limit(), 5, "in flight together: halved once");
        for _ in 0..4 {
            concurrency.succeed();
        }
        assert_eq!(concurrency.limit(), 5);
        concurrency.succeed();
        assert_eq!(concurrency.limit(), 6);
        for n in 0..5 {
            concurrency.lower(1, Mono(10 + n), Mono(10 + n), 0);
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
        concurrency.lower(10, Mono(1), Mono(1), 0);
        concurrency.set_max(32);
        assert_eq!(concurrency.limit(), 5);
        concurrency.set_max(3);
        assert_eq!(concurrency.limit(), 3);
    }
}
