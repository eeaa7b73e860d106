//! The ledger as the server reads and changes it: off the runtime's own threads, on connections of its own.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::answer::Fault;
use crate::domain::activity::By;
use crate::engine::ports::LedgerError;
use paceline_ports::operator::{Commands, Connect, Reports};

/// Reads at one time; more wait.
const READERS_MAX: usize = 3;

/// Connections, opened as needed.
pub(super) struct Books {
    store: Arc<dyn Connect>,
    idle: Arc<Mutex<Vec<Box<dyn Reports>>>>,
    places: Arc<Semaphore>,
    writer: Arc<AsyncMutex<Option<Box<dyn Commands>>>>,
}

impl Books {
    /// Those of this store.
    pub(super) fn of(store: Arc<dyn Connect>) -> Self {
        Self { store, idle: Arc::default(), places: Arc::new(Semaphore::new(READERS_MAX)), writer: Arc::default() }
    }

    /// Runs `work` on a connection that can only read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Reports) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Fault> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| LedgerError::Closed)?;
        let (idle, store) = (Arc::clone(&self.idle), Arc::clone(&self.store));
        let job = tokio::task::spawn_blocking(move || {
            let _place = place;
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let operator = match taken {
                Some(operator) => operator,
                None => store.reports()?,
            };
            let done = work(&*operator)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(operator);
            Ok::<_, LedgerError>(done)
        });
        Ok(job.await.map_err(|error| stopped(&error))??)
    }

    /// Runs `work` for somebody on the one connection that can write, one piece of work at a time.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        by: &By,
        work: impl FnOnce(&mut dyn Commands) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Fault> {
        let by = by.clone();
        self.write(move |operator| {
            operator.act_as(by);
            work(operator)
        })
        .await
    }

    /// Tries whether the connection that writes could.
    pub(super) async fn probe(&self) -> Result<(), Fault> {
        self.write(|operator| operator.probe()).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Commands) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Fault> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let store = Arc::clone(&self.store);
        let job = tokio::task::spawn_blocking(move || {
            let operator = match &mut *writer {
                Some(operator) => operator,
                none => none.insert(store.commands()?),
            };
            work(&mut **operator)
        });
        Ok(job.await.map_err(|error| stopped(&error))??)
    }
}

fn stopped(error: &tokio::task::JoinError) -> Fault {
    Fault::from(LedgerError::Failed(format!("work on it stopped: {error}")))
}
