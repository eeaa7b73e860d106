//! Connections for reading: they see the last commit and never wait for the writer.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::connect;
use crate::driver::{Conn, Result};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

/// Reads at one time; more wait.
const READERS_MAX: usize = 4;

/// The idle connections, opened as needed.
pub(crate) struct Readers {
    location: Location,
    idle: Arc<Mutex<Vec<Conn>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn of(location: Location) -> Self {
        Self { location, idle: Arc::default(), places: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Runs `work` on a connection of its own, in tokio's blocking pool.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Conn) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, LedgerError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| LedgerError::Closed)?;
        let (idle, location) = (Arc::clone(&self.idle), self.location.clone());
        let job = tokio::task::spawn_blocking(move || {
            let _place = place;
            // Taken in a statement of its own, so that the lock is not held while a connection opens.
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let conn = match taken {
                Some(conn) => conn,
                None => connect::reader(&location)?,
            };
            let done = work(&conn)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            Ok(done)
        });
        job.await.map_err(|error| LedgerError::Failed(format!("a read of the ledger stopped: {error}")))?
    }

    /// No further reads; closes the idle connections.
    pub(crate) fn close(&self) {
        self.places.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
