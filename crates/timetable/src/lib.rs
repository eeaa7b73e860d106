//! Timetables as single meetings or series: what a school or university exports, and a term's calendar, made into rows of
//! jobs. Pure: it reads no file, no clock and no network.
//!
//! [`Rule`] is the rule file: the term, its sections, and what the rows are to hold. [`Sheet::lessons`] reads a table and
//! [`ics::lessons`] a calendar; `field.rs` knows the headings, `words.rs` how people write weeks, days and sections.
//! [`expand()`] holds the lessons in the term (`term.rs`), finds [`overlaps()`] and joins meetings to `series.rs`, and
//! [`Plan::table`] writes the rows.

mod expand;
mod field;
pub mod ics;
mod lesson;
mod output;
mod overlap;
mod rule;
mod series;
mod sheet;
mod template;
mod term;
mod words;

pub use self::expand::{Left, Meeting, Plan, expand};
pub use self::lesson::{Lesson, Slot};
pub use self::output::Table;
pub use self::overlap::{Overlap, Shared, overlaps};
pub use self::rule::Rule;
pub use self::sheet::Sheet;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
