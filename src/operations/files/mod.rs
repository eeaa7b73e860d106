//! Files of jobs: how they are written, what is wrong with their rows, and what becomes of them. The command line and the
//! HTTP API share it; it neither prints nor knows where a file lies.
//!
//! [`Written`] tells how a file is written, [`check()`] reads all rows and finds what is wrong, [`Again`] compares them with
//! the ledger, [`plan`] forecasts them, and [`Arrivals`] makes inputs of them.

mod again;
mod arrivals;
mod chained;
mod changes;
mod check;
mod finding;
mod memory;
pub mod names;
pub mod plan;
mod written;

pub use self::again::{Again, Changed, Firsts, OnChange, Twin};
pub use self::arrivals::{Arrivals, Next, Taken, arrival, refuse_changed};
pub use self::changes::{Changes, compare, done, may_differ};
pub use self::check::{Beside, Checked, Present, Report, RowSource, SomeRows, check};
pub use self::finding::{Cause, Fact, Finding};
pub use self::memory::Memory;
pub use self::written::{How, Named, Written, fault, no_table, unreadable};

#[cfg(test)]
mod proptests;
