//! Attacks on the admin server.

mod places;
