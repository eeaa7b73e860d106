//! The life of a job: from the ledger through quota to an ending.
//!
//! The engine knows two ports ([`ports`]): the ledger, and the transport that carries HTTP calls. What stands behind
//! them is wiring's business. Read in this order: [`ports`], [`schedule`] (what is sent next), [`driver`] (starts it),
//! [`attempt`] (one call of a job), [`decide`] (what becomes of it), [`verify`] (was it applied?), [`outgoing`] (a call,
//! whoever makes it), [`tokens`] (access tokens). [`runtime`] is what they share, and knows none of them.

pub mod app;
mod attempt;
pub mod backoff;
pub mod budget_usage;
mod config_diff;
pub mod decide;
mod decided_later;
mod driver;
pub mod fetch_token;
pub mod fleet;
pub mod forecast;
mod ledger_health;
mod ledger_watch;
mod names;
mod options;
mod outgoing;
pub mod planner;
pub mod quota_usage;
mod reading;
mod reload;
pub mod request;
mod restraints;
mod retention;
mod runtime;
pub mod schedule;
mod settled;
mod spans;
mod suspend;
pub mod throughput;
mod tokens;
mod verify;
pub mod why;

pub use paceline_ports as ports;

pub use self::config_diff::{QuotaChange, Revision};
pub use self::driver::Stop;
pub use self::names::{Found, LookedUp, Unfound, Wanted};
pub use self::options::Options;
pub use self::reading::Unread;
pub use self::reload::Stranded;
pub use self::runtime::Engine;
pub use self::spans::{CALL, PARENT};
