//! The ledger: the durable record of jobs and attempts, and what operators do with it.
//!
//! [`sqlite`] implements the ports [`Intake`](paceline_ports::Intake), [`Outbox`](paceline_ports::Outbox),
//! [`Ledger`](paceline_ports::Ledger) and its [`Domain`](paceline_ports::Domain) over one file, and is put to the suite that
//! every store must pass; [`open`] gives people [`Reports`] and [`Commands`] over
//! the same file. Nothing here knows HTTP, AMQP or the catalog. Start reading at [`sqlite::SqliteLedger`].

mod dialect;
pub(crate) mod document;
pub(crate) mod driver;
pub(crate) mod facts;
pub(crate) mod operator;
pub mod sqlite;

pub(crate) mod state {
    pub(crate) use paceline_ports::State;
}

use std::sync::Arc;

use self::operator::{KnownJobs, Operator, UntouchedFile};
use paceline_domain::catalog::Catalog;
use paceline_domain::rows::Known;
use paceline_ports::LedgerError;
use paceline_ports::location::Location;
use paceline_ports::operator::{Commands, Reports, Untouched};

/// Opens an existing ledger for people, without the worker's lock.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn open(location: impl Into<Location>) -> Result<Box<dyn Commands>, LedgerError> {
    Ok(Box::new(Operator::open(location)?))
}

/// Opens a ledger that a worker has open, only to read it: no change goes through.
///
/// # Errors
/// As [`open`].
pub fn open_for_reading(location: impl Into<Location>) -> Result<Box<dyn Reports>, LedgerError> {
    Ok(Box::new(Operator::open_for_reading(location)?))
}

/// Opens a ledger to look at it; `None` if there is none, or one with nothing in it.
///
/// # Errors
/// As [`open`].
pub fn open_untouched(location: impl Into<Location>) -> Result<Option<Box<dyn Untouched>>, LedgerError> {
    Ok(UntouchedFile::open(location)?.map(|file| Box::new(file) as Box<dyn Untouched>))
}

/// The jobs that rows of files may belong to, in a ledger that is opened when something is asked for the first time.
pub fn known_jobs(location: Location, catalog: Arc<Catalog>) -> Box<dyn Known> {
    Box::new(KnownJobs::new(location, catalog))
}

#[cfg(test)]
pub(crate) use paceline_store_contract as contract;
