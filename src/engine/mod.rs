//! The life of a job: from the ledger through quota to an ending.
//!
//! The engine knows two ports ([`ports`]): the ledger, and the transport that carries HTTP calls. What stands behind
//! them is wiring's business. Read in this order: [`ports`], [`schedule`] (what is sent next), [`attempt`] (one call of
//! a job), [`decide`] (what becomes of it), [`verify`] (was it applied?), [`access`] (access tokens).

pub mod access;
pub mod app;
mod attempt;
pub mod backoff;
mod call;
mod core;
pub mod decide;
pub mod flow;
mod follow;
pub mod forecast;
mod insight;
mod options;
pub mod ports;
pub mod quotas;
mod reload;
pub mod request;
mod restraints;
mod retention;
mod revision;
pub mod schedule;
mod spans;
mod suspend;
mod trouble;
pub mod usage;
mod verify;
pub mod why;

pub use self::core::{Engine, Stop};
pub use self::options::Options;
pub use self::reload::Stranded;
pub use self::revision::{QuotaChange, Revision};
pub use self::spans::{CALL, PARENT};
