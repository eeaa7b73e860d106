//! Paceline: a queue-driven batch worker that calls the Feishu/Lark and WeCom server APIs at exactly the documented pace.
//!
//! The map, in the one direction in which modules may depend on each other:
//!
//! `main → cli → wiring → {admin, operations} → {amqp, store, platform, simulator, tables, timetable} → {engine, settings} → {host, metrics, ports} → domain → {messages, quota}`
//!
//! - [`domain`], the crate [`paceline_domain`]: jobs, catalog, outcomes; pure. Below it: [`paceline_quota`](paceline_domain::quota) and
//!   [`paceline_messages`](paceline_domain::messages), what people are told.
//! - [`engine`], the crate [`paceline_engine`]: the life of a job, over the ports in [`paceline_ports`].
//! - [`store`], the crate [`paceline_store`]: the ledger; [`amqp`], the crate [`paceline_amqp`]: RabbitMQ; the crates
//!   [`paceline_platform`], the HTTP client, and [`paceline_simulator`], the stand-in for the platforms.
//! - `crates/store-contract`, for tests alone: what every store must do.
//! - [`operations`]: what people do to the ledger, for the command line and the HTTP API; [`admin`]: the admin server.
//! - [`settings`], the crate [`paceline_settings`]; [`wiring`] and [`cli`]: how a process is put together and spoken to.
//! - [`metrics`], the crate [`paceline_metrics`]: what engine and store count; [`telemetry`]: traces for a collector.
//! - The crate [`paceline_tables`]: text in any encoding and workbooks, as rows of cells.
//! - [`timetable`], the crate [`paceline_timetable`]: timetables as meetings, for `paceline expand`.
//! - The crate [`paceline_host`]: [`files`] that are for one user alone, and the [`user`] who runs the process.
//! - [`clock`]: the only reader of time; [`crash_points`]: where tests let the process die. Both stand beside the ports.

pub use paceline_amqp as amqp;
pub use paceline_domain as domain;
pub use paceline_engine as engine;
pub use paceline_host::{files, user};
pub use paceline_metrics as metrics;
pub use paceline_platform as platform;
pub use paceline_ports::{clock, crash_points};
pub use paceline_settings as settings;
pub use paceline_simulator as simulator;
pub use paceline_store as store;
pub use paceline_tables as tables;
pub use paceline_timetable as timetable;

pub mod admin;
pub mod cli;
pub mod operations;
pub mod telemetry;
pub mod wiring;
