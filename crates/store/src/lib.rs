//! The ledger: the durable record of jobs and attempts, and what operators do with it.
//!
//! [`SqlStore`] implements the ports [`Intake`](paceline_ports::Intake), [`Outbox`](paceline_ports::Outbox),
//! [`Ledger`](paceline_ports::Ledger) and its [`Domain`](paceline_ports::Domain) over one SQLite file or one PostgreSQL
//! database, and is put to the suite that every store must pass; [`open`] gives people [`Reports`] and [`Commands`] over
//! the same. Nothing here knows HTTP, AMQP or the catalog. Start reading at [`SqlStore`].

mod connect;
mod dialect;
pub(crate) mod document;
pub(crate) mod driver;
pub(crate) mod facts;
pub(crate) mod inspect;
mod ledger;
pub(crate) mod operator;
mod postgres;
mod sqlite;

mod transfer;

pub(crate) mod state {
    pub(crate) use paceline_ports::State;
}

use std::path::Path;
use std::sync::Arc;

pub use self::ledger::SqlStore;
use self::operator::{KnownJobs, Operator, UntouchedFile};
use paceline_domain::catalog::Catalog;
use paceline_domain::rows::Known;
use paceline_domain::time::Timestamp;
use paceline_metrics::Metrics;
pub use paceline_ports::Mode;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::{Commands, Connect, Found, Reports, Untouched};
use paceline_ports::{LedgerError, Store};

/// Opens a store, creating and migrating it as needed; `metrics` count what this process changes in it. Must be called on
/// a runtime.
///
/// # Errors
/// [`LedgerError::Locked`] if another process works it; else a sentence that says what is wrong with it.
pub fn open_to_work(
    url: impl Into<StoreUrl>,
    mode: Mode,
    now: Timestamp,
    metrics: Metrics,
) -> Result<Arc<dyn Store>, LedgerError> {
    let location = url.into().into_location();
    Ok(Arc::new(SqlStore::open_measured(&location, mode, now, metrics)?))
}

/// Opens an existing store for people, without the worker's lock.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn open(url: impl Into<StoreUrl>) -> Result<Box<dyn Commands>, LedgerError> {
    let location = url.into().into_location();
    Ok(Box::new(Operator::open(&location)?))
}

/// Opens a store that a worker has open, only to read it: no change goes through.
///
/// # Errors
/// As [`open`].
pub fn open_for_reading(url: impl Into<StoreUrl>) -> Result<Box<dyn Reports>, LedgerError> {
    let location = url.into().into_location();
    Ok(Box::new(Operator::open_for_reading(&location)?))
}

/// Opens a store to look at it; `None` if there is none, or one with nothing in it.
///
/// # Errors
/// As [`open`].
pub fn open_untouched(url: impl Into<StoreUrl>) -> Result<Option<Box<dyn Untouched>>, LedgerError> {
    let location = url.into().into_location();
    Ok(UntouchedFile::open(&location)?.map(|file| Box::new(file) as Box<dyn Untouched>))
}

/// The jobs that rows of files may belong to, in a store that is opened when something is asked for the first time.
pub fn known_jobs(url: impl Into<StoreUrl>, catalog: Arc<Catalog>) -> Box<dyn Known> {
    let location = url.into().into_location();
    Box::new(KnownJobs::new(location, catalog))
}

/// Looks at a store from outside: nothing is written, created or migrated.
///
/// # Errors
/// A sentence that says what is wrong with it and what to do.
pub fn inspect(url: &StoreUrl) -> Result<Found, LedgerError> {
    inspect::inspect(&url.clone().into_location())
}

/// Whether a process works the store.
pub fn is_worked(url: &StoreUrl) -> bool {
    inspect::is_worked(&url.clone().into_location())
}

/// Carries a store to another place, where nothing is yet or what an interrupted copy has left; `each` is told of every
/// table that has arrived, and how many rows are proved to be the same. In the end the new one is the ledger.
///
/// # Errors
/// What stands in the way, and what to do. Until it is done neither can be worked.
pub fn copy(from: StoreUrl, to: StoreUrl, now: Timestamp, each: &mut dyn FnMut(&str, u64)) -> Result<(), LedgerError> {
    transfer::copy(&from.into_location(), &to.into_location(), now, each)
}

/// Lets the first ledger be worked again: what is at the other place is given up.
///
/// # Errors
/// No copy is under way.
pub fn give_copy_up(from: StoreUrl, to: StoreUrl, now: Timestamp) -> Result<(), LedgerError> {
    transfer::give_up(&from.into_location(), &to.into_location(), now)
}

/// Removes a rehearsal's store, so that it begins anew.
///
/// # Errors
/// It cannot be removed.
pub fn remove(url: &StoreUrl) -> Result<(), LedgerError> {
    let Some(path) = url.file() else { return Ok(()) };
    for end in ["", "-wal", "-shm", ".key"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        if let Err(error) = std::fs::remove_file(&file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(LedgerError::Failed(format!("{} cannot be removed: {error}", Path::new(&file).display())));
        }
    }
    Ok(())
}

/// The way to a store, for people.
pub struct Connector(pub StoreUrl);

impl Connect for Connector {
    fn commands(&self) -> Result<Box<dyn Commands>, LedgerError> {
        open(&self.0)
    }

    fn reports(&self) -> Result<Box<dyn Reports>, LedgerError> {
        open_for_reading(&self.0)
    }

    fn untouched(&self) -> Result<Option<Box<dyn Untouched>>, LedgerError> {
        open_untouched(&self.0)
    }

    fn known_jobs(&self, catalog: Arc<Catalog>) -> Box<dyn Known> {
        known_jobs(&self.0, catalog)
    }

    fn intake(&self, now: Timestamp) -> Result<Arc<dyn Store>, LedgerError> {
        open_to_work(&self.0, Mode::Operator, now, Metrics::default())
    }
}

#[cfg(test)]
pub(crate) use paceline_store_contract as contract;
