//! SQLite under the store: the file, its lock, its driver, and everything that can be wrong with it.

pub(crate) mod driver;
pub(crate) mod file;
pub(crate) mod guard;
pub(crate) mod lock;
pub(crate) mod names;
pub(crate) mod origin;
