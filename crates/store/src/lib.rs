//! The ledger: the durable record of jobs and attempts, and what operators do with it.
//!
//! [`sqlite`] implements the ports [`Intake`](paceline_ports::Intake), [`Outbox`](paceline_ports::Outbox),
//! [`Ledger`](paceline_ports::Ledger) and its [`Domain`](paceline_ports::Domain) over one file, and is put to the suite that
//! every store must pass; [`operator`] is what the commands for people
//! use on the same file. Nothing here knows HTTP, AMQP or the catalog. Start reading at [`sqlite::SqliteLedger`].

mod dialect;
pub(crate) mod document;
pub(crate) mod driver;
pub(crate) mod facts;
pub mod operator;
pub mod sqlite;
pub mod state;

#[cfg(test)]
pub(crate) use paceline_store_contract as contract;
