//! What the operating system knows: files that are for one user alone, who runs this process, and why no connection
//! came about.

pub mod connect;
pub mod files;
pub mod user;
