//! Where a store is opened: to work it, to hand jobs to its worker, and for people.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use crate::metrics::Metrics;
use crate::store::{self, Connector};
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Connect;
use paceline_ports::{Mode, Store};

pub use crate::store::{inspect, is_worked, known_jobs, open as open_for_people, open_to_work as open, open_untouched};

/// How long a worker that stands by waits at least until it asks for the jobs again.
const STAND_BY: Duration = Duration::from_millis(500);

/// The way to the store, for people.
pub fn connector(store: &StoreUrl) -> Arc<dyn Connect> {
    Arc::new(Connector(store.clone()))
}

/// Waits until no other worker has the jobs, and takes them. At once where a file's lock says so already.
///
/// # Errors
/// As [`Ledger::acquire`](paceline_ports::Ledger::acquire), but for a domain that another worker has.
pub async fn until_owned(store: &dyn Store) -> Result<(), LedgerError> {
    let mut has_said = false;
    loop {
        match store.acquire_all().await {
            Ok(_) => return Ok(()),
            Err(LedgerError::NotOwner(_)) => {}
            // A database that is away comes back; whoever works at the moment has the same trouble.
            Err(error @ (LedgerError::Failed(_) | LedgerError::Full(_))) if has_said => {
                tracing::warn!(%error, "still standing by");
            }
            Err(error) => return Err(error),
        }
        if !has_said {
            tracing::info!("another worker has the jobs; standing by to take over");
            has_said = true;
        }
        tokio::time::sleep(STAND_BY + Duration::from_millis(fastrand::u64(0..500))).await;
    }
}

/// The store of a rehearsal at this speed. It begins anew each time, because the simulated platform does.
///
/// # Errors
/// As [`open`], or the last rehearsal's cannot be removed.
pub async fn open_rehearsal(url: &StoreUrl, speed: f64, now: Timestamp) -> Result<Arc<dyn Store>, LedgerError> {
    // It is opened first to make sure that no other rehearsal works in it.
    open(url, Mode::Worker, now, Metrics::default())?.close().await;
    store::remove(url)?;
    let store = open(url, Mode::Worker, now, Metrics::default())?;
    store.rehearse(speed).await?;
    Ok(store)
}
