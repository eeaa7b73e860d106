//! Where a store is opened: to work it, to hand jobs to its worker, and for people.

use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use crate::metrics::Metrics;
use crate::store::{self, Connector};
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Connect;
use paceline_ports::{Mode, Store};

pub use crate::store::{
    copy as copy_store, give_copy_up, inspect, is_worked, known_jobs, open as open_for_people, open_to_work as open,
    open_untouched,
};

/// The way to the store, for people.
pub fn connector(store: &StoreUrl) -> Arc<dyn Connect> {
    Arc::new(Connector(store.clone()))
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
