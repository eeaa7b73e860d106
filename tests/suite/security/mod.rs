//! Attacks, each as it was made, and that it comes to nothing.

mod activity;
mod addresses;
mod admin;
mod broker_rights;
mod deployment;
mod keys;
mod printing;
mod publishers;
mod repeats;
mod rights;
mod secrets;
mod wire;
