//! Where a ledger is opened for writing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use crate::metrics::Metrics;
use crate::store::sqlite::{Mode, SqliteLedger};
use paceline_ports::location::Location;

/// The ledger at this place; `metrics` count what this process changes in it.
///
/// # Errors
/// Another worker has it, or it cannot be read or made.
pub fn open(store: &Location, mode: Mode, now: Timestamp, metrics: Metrics) -> Result<Arc<SqliteLedger>, LedgerError> {
    SqliteLedger::open_measured(store, mode, now, metrics).map(Arc::new)
}

/// The ledger of a rehearsal at this speed. It begins anew each time, because the simulated platform does.
///
/// # Errors
/// As [`open`], or the last rehearsal's cannot be removed.
pub async fn open_rehearsal(store: &Location, speed: f64, now: Timestamp) -> Result<Arc<SqliteLedger>, LedgerError> {
    // It is opened first to make sure that no other rehearsal works in it.
    open(store, Mode::Worker, now, Metrics::default())?.close().await;
    for end in ["", "-wal", "-shm", ".key"] {
        let mut file = store.path.as_os_str().to_owned();
        file.push(end);
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(LedgerError::Failed(format!("{} cannot be removed: {error}", Path::new(&file).display())));
        }
    }
    let ledger = open(store, Mode::Worker, now, Metrics::default())?;
    ledger.rehearse(speed).await?;
    Ok(ledger)
}
