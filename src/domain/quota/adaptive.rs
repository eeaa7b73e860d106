//! A lane's concurrency: halved when calls get into each other's way, regained with success.

/// How many calls of a lane may be in flight.
#[derive(Clone, Debug)]
pub struct Concurrency {
    max: u32,
    limit: u32,
    /// Successes since the last change.
    run: u32,
}

impl Concurrency {
    /// Starts at the maximum.
    pub const fn new(max: u32) -> Self {
        Self { max, limit: max, run: 0 }
    }

    /// The present limit, from 1 to the maximum.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Halves the limit from what was really in flight, so that one lowering has an effect.
    pub fn lower(&mut self, in_flight: u32) {
        self.limit = (self.limit.min(in_flight) / 2).max(1);
        self.run = 0;
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
        concurrency.lower(10);
        assert_eq!(concurrency.limit(), 5);
        for _ in 0..4 {
            concurrency.succeed();
        }
        assert_eq!(concurrency.limit(), 5);
        concurrency.succeed();
        assert_eq!(concurrency.limit(), 6);
        for _ in 0..5 {
            concurrency.lower(1);
        }
        assert_eq!(concurrency.limit(), 1);
        concurrency.succeed();
        assert_eq!(concurrency.limit(), 2);
    }
}
