//! A lesson of a timetable, before the term's calendar is applied.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::field::Field;

/// What is held again and again.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// The line that it comes from.
    pub line: u64,
    /// What it is known by.
    pub(crate) key: Vec<String>,
    /// What its fields and other columns hold.
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) zone: TimeZone,
    /// When it would be held if there were no holidays.
    pub(crate) slots: Vec<Slot>,
}

/// From when to when, by the clocks of the lesson's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The beginning.
    pub start: DateTime,
    /// The end.
    pub end: DateTime,
}

impl Lesson {
    /// What a field holds; empty if it has none.
    pub(crate) fn value(&self, field: Field) -> &str {
        self.values.get(field.name()).map_or("", String::as_str)
    }

    /// How people call it.
    pub fn title(&self) -> &str {
        let course = self.value(Field::Course);
        if course.is_empty() { self.key.first().map_or("", String::as_str) } else { course }
    }
}
