//! A ledger that cannot be written: said once, not once a job, and nothing new is sent meanwhile; or never again.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use paceline_domain::time::Mono;

/// How long the ledger is left alone after a fault.
pub(super) const LEDGER_PAUSE: Duration = Duration::from_secs(1);

/// Whether the ledger's last write failed, and until when it is left alone.
#[derive(Debug, Default)]
pub(super) struct LedgerHealth {
    until: Mutex<Option<Mono>>,
    lost: OnceLock<String>,
    is_lost: Notify,
}

impl LedgerHealth {
    /// A write failed. `true` for the first of a row: that is worth saying.
    pub(super) fn begin(&self, now: Mono) -> bool {
        self.until().replace(now + LEDGER_PAUSE).is_none()
    }

    /// A write went through. `true` if the one before it had failed.
    pub(super) fn end(&self) -> bool {
        self.until().take().is_some()
    }

    /// Until when nothing is begun, if that is not over.
    pub(super) fn holds_until(&self, now: Mono) -> Option<Mono> {
        self.until().filter(|until| *until > now)
    }

    /// The ledger is lost to this process. `true` for the first of a row.
    pub(super) fn lose(&self, why: &str) -> bool {
        let is_first = self.lost.set(why.to_owned()).is_ok();
        self.is_lost.notify_one();
        is_first
    }

    /// Why the ledger is lost, if it is.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Waits until it is lost.
    pub(super) async fn until_lost(&self) {
        while self.lost.get().is_none() {
            self.is_lost.notified().await;
        }
    }

    fn until(&self) -> MutexGuard<'_, Option<Mono>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_failures_is_said_once_and_holds_from_the_last() {
        let health = LedgerHealth::default();
        assert!(!health.end() && health.holds_until(Mono(0)).is_none());
        assert!(health.begin(Mono(0)));
        assert!(!health.begin(Mono(400_000)));
        assert_eq!(health.holds_until(Mono(1_399_999)), Some(Mono(1_400_000)));
        assert_eq!(health.holds_until(Mono(1_400_000)), None, "now it is tried again");
        assert!(!health.begin(Mono(1_400_000)), "still the same trouble");
        assert!(health.end());
        assert!(!health.end());
        assert!(health.begin(Mono(2_000_000)), "a new one");
    }
}
