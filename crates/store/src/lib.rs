//! The ledger: the durable record of jobs and attempts, and what operators do with it.
//!
//! [`sqlite`] implements [`paceline_ports::Ledger`] over one file; [`operator`] is what the commands for people
//! use on the same file. Nothing here knows HTTP, AMQP or the catalog. Start reading at [`sqlite::SqliteLedger`].

mod dialect;
pub(crate) mod document;
pub(crate) mod driver;
pub(crate) mod facts;
pub mod operator;
pub mod sqlite;
pub mod state;

#[cfg(test)]
pub(crate) mod contract;
