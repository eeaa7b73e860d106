//! The tests that need more than one module, or a real broker. One binary, one module a theme.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends there, in its harness as well"
)]

mod broker;
mod broker_connect;
mod broker_outage;
mod check;
mod commands;
mod engine;
mod harness;
mod simulation;
mod tidy;
