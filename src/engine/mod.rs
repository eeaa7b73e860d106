//! The life of a job: from the ledger through quota to an ending.
//!
//! The engine knows three ports ([`ports`]): the ledger, the transport that carries HTTP calls, and the clock. What
//! stands behind them is wiring's business.

pub mod ports;

use tokio::sync::Notify;

/// The running engine, as the adapters around it see it.
pub struct Engine {
    outbox_changed: Notify,
}

impl Engine {
    /// Puts jobs that the ledger has taken over into their lanes.
    pub fn enqueue(&self, _jobs: Vec<ports::Waiting>) {}

    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        0
    }

    /// Woken whenever an ending was written to the outbox.
    pub fn outbox_changed(&self) -> &Notify {
        &self.outbox_changed
    }

    /// Woken whenever a job ended, so that a paused intake may look at [`Self::unfinished`] again.
    pub fn backlog_changed(&self) -> &Notify {
        &self.outbox_changed
    }
}
