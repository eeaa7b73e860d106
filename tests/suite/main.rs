//! The tests that need more than one module, or a real broker. One binary, one module a theme.

mod broker;
mod broker_connect;
mod broker_outage;
mod harness;
