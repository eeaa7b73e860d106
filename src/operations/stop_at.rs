//! `run --stop-at`: a batch of which too large a share fails goes no further.

use std::str::FromStr;
use std::sync::Arc;

use crate::engine::Engine;

/// With fewer jobs ended a share says little: one of one is all of them.
pub const ENDED_MIN: u64 = 20;

/// A part of all jobs: more than none, at most all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// Why a batch stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Jobs dead or held.
    pub failed: u64,
    /// All jobs that ended, those included.
    pub ended: u64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|percent| percent / 100.0),
            None => text.trim().parse::<f64>(),
        };
        match share {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(Self(share)),
            Ok(share) if share > 1.0 && share <= 100.0 && !text.contains('%') => {
                Err(format!("expected a share like 5% or 0.05, got {text:?}; did you mean {share}%?"))
            }
            _ => Err(format!("expected a share like 5% or 0.05, more than 0 and at most 100%, got {text:?}")),
        }
    }
}

impl Share {
    /// Whether so many failed jobs among so many ended ones are too many.
    pub fn of(self, failed: u64, ended: u64) -> Option<Reached> {
        let is_reached = ended >= ENDED_MIN && failed > 0 && failed as f64 / ended as f64 >= self.0;
        is_reached.then_some(Reached { failed, ended })
    }

    /// Whether the jobs that ended since the engine began are too many.
    pub fn look(self, engine: &Engine) -> Option<Reached> {
        let (failed, succeeded) = engine.view().lanes.iter().fold((0, 0), |(failed, succeeded), lane| {
            (failed + lane.tally.dead + lane.tally.held, succeeded + lane.tally.succeeded)
        });
        self.of(failed, failed + succeeded)
    }

    /// Waits until they are.
    pub async fn reached(self, engine: &Arc<Engine>) -> Reached {
        loop {
            let changed = engine.backlog_changed().notified();
            if let Some(reached) = self.look(engine) {
                return reached;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_or_parts() {
        let read = |text: &str| text.parse::<Share>();
        assert_eq!(read("5%"), Ok(Share(0.05)));
        assert_eq!(read("0.05"), read("5 %"));
        assert_eq!(read("100%"), Ok(Share(1.0)));
        assert!(read("5").unwrap_err().ends_with("did you mean 5%?"));
        for wrong in ["0", "0%", "-1%", "101%", "101", "NaN", "inf", "%", "", "five"] {
            assert!(read(wrong).unwrap_err().starts_with("expected a share like 5% or 0.05"), "{wrong}");
        }
    }

    #[test]
    fn few_jobs_say_nothing() {
        let share: Share = "5%".parse().unwrap();
        assert_eq!(share.of(1, 1), None);
        assert_eq!(share.of(19, 19), None);
        assert_eq!(share.of(1, 20), Some(Reached { failed: 1, ended: 20 }), "exactly the share is reached");
        assert_eq!(share.of(1, 21), None);
        assert_eq!(share.of(0, 1_000), None);
    }
}
