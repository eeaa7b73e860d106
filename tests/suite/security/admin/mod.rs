//! Attacks on the admin server.

mod http;
mod pages;
mod places;
mod reading;
mod socket;
mod tls;
mod tokens;
