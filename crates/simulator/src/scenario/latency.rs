//! How long requests and replies travel: fixed, uniform or heavy-tailed.

use std::time::Duration;

use serde::Deserialize;

/// How long requests and replies travel. The platform counts a request between the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    /// From sending until the platform counts the request.
    pub before: Spread,
    /// From counting until the reply is there.
    pub after: Spread,
}

/// A distribution of times.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spread {
    /// Which distribution.
    pub kind: SpreadKind,
    /// Fixed: the time. Pareto: the shortest time.
    pub ms: f64,
    /// Uniform: the shortest time.
    pub from_ms: f64,
    /// Uniform: the longest time.
    pub to_ms: f64,
    /// Pareto: the tail's exponent; the smaller, the heavier (1.5 is heavy).
    pub shape: f64,
    /// Pareto: the longest time.
    pub max_ms: f64,
}

/// Which distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpreadKind {
    /// Always the same.
    #[default]
    Fixed,
    /// Anything between two times.
    Uniform,
    /// Mostly short, sometimes very long.
    Pareto,
}

/// The longest time that may be written: an hour.
const MS_MAX: f64 = 3_600_000.0;

impl Latency {
    /// The round trip that half of the calls stay under, nearly: the medians of both ways.
    pub fn median(&self) -> Duration {
        self.before.median() + self.after.median()
    }
}

impl Spread {
    /// The time that half of the draws stay under.
    pub fn median(&self) -> Duration {
        let ms = match self.kind {
            SpreadKind::Fixed => self.ms,
            SpreadKind::Uniform => f64::midpoint(self.from_ms, self.to_ms),
            SpreadKind::Pareto => (self.ms * 0.5_f64.powf(-1.0 / self.shape)).min(self.max_ms),
        };
        Duration::from_micros((ms * 1_000.0) as u64)
    }

    /// Draws a time.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        let ms = match self.kind {
            SpreadKind::Fixed => self.ms,
            SpreadKind::Uniform => self.from_ms + (self.to_ms - self.from_ms) * random.f64(),
            // 1 - u is in (0, 1], so the power is finite.
            SpreadKind::Pareto => (self.ms * (1.0 - random.f64()).powf(-1.0 / self.shape)).min(self.max_ms),
        };
        Duration::from_micros((ms * 1_000.0) as u64)
    }

    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        let range = |ms: f64| (0.0..=MS_MAX).contains(&ms);
        let (wrong, expected) = match self.kind {
            SpreadKind::Fixed => (!range(self.ms), "ms"),
            SpreadKind::Uniform => {
                (!range(self.from_ms) || !range(self.to_ms) || self.from_ms > self.to_ms, "from_ms <= to_ms")
            }
            SpreadKind::Pareto => {
                let wrong = !range(self.ms)
                    || !range(self.max_ms)
                    || self.ms > self.max_ms
                    || !(0.01..=100.0).contains(&self.shape);
                (wrong, "shape from 0.01 to 100 and ms <= max_ms")
            }
        };
        wrong.then(|| format!("expected {expected}, times between 0 and {MS_MAX} milliseconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(text: &str) -> Spread {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut random = fastrand::Rng::with_seed(7);
        let uniform = spread("kind = \"uniform\"\nfrom_ms = 20\nto_ms = 60");
        let pareto = spread("kind = \"pareto\"\nms = 10\nshape = 1.2\nmax_ms = 500");
        let mut longest = Duration::ZERO;
        for _ in 0..10_000 {
            let drawn = uniform.draw(&mut random).as_micros();
            assert!((20_000..=60_000).contains(&drawn), "{drawn}");
            let drawn = pareto.draw(&mut random);
            assert!(drawn >= Duration::from_millis(10) && drawn <= Duration::from_millis(500), "{drawn:?}");
            longest = longest.max(drawn);
        }
        assert!(longest > Duration::from_millis(400), "the tail is heavy: {longest:?}");
        assert_eq!(spread("ms = 1.5").draw(&mut random), Duration::from_micros(1_500));
        assert_eq!(Spread::default().draw(&mut random), Duration::ZERO);
    }

    #[test]
    fn impossible_spreads_are_named() {
        for text in [
            "ms = -1",
            "ms = inf",
            "kind = \"uniform\"\nfrom_ms = 5\nto_ms = 4",
            "kind = \"pareto\"\nms = 5\nmax_ms = 10",
            "kind = \"pareto\"\nms = 50\nmax_ms = 10\nshape = 1",
        ] {
            assert!(spread(text).fault().is_some(), "{text}");
        }
        assert_eq!(spread("kind = \"uniform\"\nfrom_ms = 5\nto_ms = 5").fault(), None);
    }
}
