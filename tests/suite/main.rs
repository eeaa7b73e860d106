//! The tests that need more than one module, or a real broker. One binary, one module a theme.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends there, in its harness as well"
)]

mod admin_changes;
mod admin_reading;
mod always_fails;
mod asyncapi;
mod broker;
mod broker_backlog;
mod broker_connect;
mod broker_nodes;
mod broker_odd;
mod broker_outage;
mod broker_sign_in;
mod broker_subscribers;
mod budgets;
mod calibrate;
mod chains;
mod chains_commands;
mod check;
mod clock_steps;
mod commands;
mod commands_activity;
mod commands_forecast;
mod commands_held_back;
mod commands_logs;
mod commands_why;
mod crash_points;
mod dashboard;
mod dead_inputs;
mod dead_letters;
mod deploying;
mod editions;
mod engine;
mod export;
mod files;
mod findings;
mod forecast;
mod fuzz;
mod hang_up;
mod harness;
mod headings;
mod imports;
mod internal_errors;
mod interrupts;
mod ledger_file;
mod look_ups;
mod maps;
mod metrics;
mod names;
mod names_broker;
mod names_kept;
mod observability;
mod openapi;
mod order;
mod otlp;
mod outage;
mod people;
mod platform_faults;
mod proxies;
mod readme;
mod reads;
mod refusals;
mod reload;
mod rooms;
mod rows;
mod scopes;
mod security;
mod simulation;
mod soak;
mod stages;
mod standing;
mod submitting;
mod tables;
mod templates;
mod tidy;
mod timetables;
mod tutorials;
mod undo;
mod updates;
mod warnings;
mod written;
