//! What the running engine tells those who look at it.

use std::sync::Arc;
use std::time::Duration;

use super::core::Engine;
use super::ports::Suspension;
use super::quotas::Planner;
use super::schedule::Limits;

impl Engine {
    /// The apps, methods and quotas in force.
    pub fn planner(&self) -> Arc<Planner> {
        self.schedule().planner()
    }

    /// How many calls may be in flight.
    pub fn limits(&self) -> Limits {
        self.options().limits
    }

    /// How long after its deadline a call may still be counted.
    pub fn grace(&self) -> Duration {
        self.options().grace
    }

    /// Suspensions in force.
    pub fn suspensions_now(&self) -> Vec<Suspension> {
        self.schedule().suspensions().to_vec()
    }

    /// Whether the last write of the ledger failed a moment ago, so that nothing is sent.
    pub fn cannot_write(&self) -> bool {
        self.trouble().holds_until(self.clock().mono()).is_some()
    }

    /// Whether no further job is sent, because the process ends.
    pub fn is_stopping(&self) -> bool {
        self.schedule().is_closed()
    }
}
