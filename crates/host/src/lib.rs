//! What the operating system knows: files that are for one user alone, and who runs this process.

pub mod files;
pub mod user;
