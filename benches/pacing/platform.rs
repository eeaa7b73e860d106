//! The platforms: how each counts, and how long requests and replies travel.

use std::sync::Arc;

use paceline::clock::Clock;
use paceline::domain::time::Timestamp;
use paceline::simulator::scenario::WindowKind;
use paceline::simulator::{InProcess, Scenario, Simulator, Stats};

use super::embedded::catalog;
use super::sentence;

/// Not the start of a minute: a platform with fixed windows begins its minute 43 s later.
const START: Timestamp = Timestamp(1_800_000_017_000_000);

/// How it counts.
pub(crate) const KINDS: [(&str, WindowKind); 3] =
    [("sliding", WindowKind::Sliding), ("fixed", WindowKind::Fixed), ("bucket", WindowKind::TokenBucket)];

/// Scenarios of the catalog: 10 to 30 ms each way, or 8 ms and more with a tail of up to 4 s.
pub(crate) const DELAYS: [&str; 2] = ["calm", "heavy-tail"];

/// A platform in this process, in the time of the present runtime.
pub(crate) struct Platform {
    simulator: Simulator,
    pub clock: Clock,
}

impl Platform {
    /// A platform with nothing counted yet.
    pub(crate) fn start(kind: WindowKind, delay: &str, seed: u64) -> anyhow::Result<Self> {
        let mut scenario = Scenario::load(delay)?;
        scenario.counting.window = kind;
        scenario.seed = seed;
        let clock = Clock::at(START);
        let simulator = Simulator::start(catalog()?, scenario, 1.0, clock.clone()).map_err(sentence)?;
        Ok(Self { simulator, clock })
    }

    /// The way to it.
    pub(crate) fn transport(&self) -> Arc<InProcess> {
        Arc::new(InProcess::new(self.simulator.clone()))
    }

    /// What it counted.
    pub(crate) fn stats(&self) -> Stats {
        self.simulator.stats()
    }
}
