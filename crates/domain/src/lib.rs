//! What Paceline knows and decides, free of I/O: jobs, the catalog, quotas, outcomes.
//!
//! Nothing here knows tokio, HTTP, SQL or AMQP, and nothing here reads a clock: time comes in as an argument.
//! Start reading at [`job`], then [`catalog`], [`quota`] and [`outcome`].

pub use paceline_messages as messages;

pub mod activity;
pub mod audit;
pub mod budget;
pub mod catalog;
pub mod chain;
pub mod checks;
pub mod decided_later;
pub mod decode;
pub mod difference;
pub mod drift;
pub mod edit;
pub mod find;
pub mod identity;
pub mod job;
pub mod job_schema;
pub mod json;
pub mod look_up;
pub mod mask;
pub mod outcome;
pub mod printable;
pub mod probe;
pub mod quota;
pub mod reading;
pub mod reason;
pub mod reset;
pub mod rights;
pub mod rows;
pub mod segment;
pub mod time;
pub mod trace;
pub mod undo;
pub mod update;
pub mod warning;
