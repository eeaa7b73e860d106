//! A term: its weeks, its holidays, and the days that make up for them.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use paceline_domain::messages::TimetableTrouble;

/// No term has more weeks.
pub(crate) const WEEKS_MAX: u16 = 60;

/// A term's calendar.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) zone: TimeZone,
    first: Date,
    pub(crate) weeks: u16,
    pub(crate) holidays: BTreeSet<Date>,
    pub(crate) make_ups: Vec<MakeUp>,
}

/// A day on which another day's lessons are held instead of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MakeUp {
    /// Of the rule file.
    pub(crate) line: u64,
    pub(crate) day: Date,
    pub(crate) takes: Date,
}

/// What becomes of a day's lessons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// They are held on these days.
    On(Vec<Date>),
    /// The day is a holiday, and no other day makes up for it.
    Holiday,
    /// Another day's lessons are held on it.
    Displaced,
    /// The term has not begun, or is over.
    Outside,
}

impl Term {
    pub(crate) const fn new(zone: TimeZone, first: Date, weeks: u16) -> Self {
        Self { zone, first, weeks, holidays: BTreeSet::new(), make_ups: Vec::new() }
    }

    /// The day of a week. Weeks begin on Monday, the first with the Monday on or before the first day.
    pub(crate) fn day(&self, week: u16, weekday: Weekday) -> Date {
        let days = (i64::from(week) - 1) * 7 + i64::from(weekday.to_monday_zero_offset());
        self.monday().saturating_add(days.days())
    }

    /// The week of a day, even before the term or behind it.
    pub(crate) fn week(&self, day: Date) -> i32 {
        (day - self.monday()).get_days().div_euclid(7) + 1
    }

    pub(crate) fn held(&self, day: Date) -> Held {
        if !self.has(day) {
            return Held::Outside;
        }
        let is_free = self.holidays.contains(&day);
        let is_taken = self.make_ups.iter().any(|make_up| make_up.day == day);
        let own = (!is_free && !is_taken).then_some(day);
        let others = self.make_ups.iter().filter(|make_up| make_up.takes == day).map(|make_up| make_up.day);
        let days: Vec<_> = own.into_iter().chain(others).collect();
        match days.is_empty() {
            false => Held::On(days),
            true if is_free => Held::Holiday,
            true => Held::Displaced,
        }
    }

    pub(crate) fn has(&self, day: Date) -> bool {
        self.first <= day && day <= self.day(self.weeks, Weekday::Sunday)
    }

    /// Why a day cannot make up for another.
    pub(crate) fn refuses(&self, day: Date, takes: Date) -> Option<TimetableTrouble> {
        let written = |day: Date| day.to_string();
        if self.holidays.contains(&day) {
            Some(TimetableTrouble::DayIsHoliday { day: written(day) })
        } else if !self.has(takes) {
            let last = self.day(self.weeks, Weekday::Sunday);
            let (day, first, last) = (written(takes), written(self.first), written(last));
            Some(TimetableTrouble::TakesOutsideTerm { day, first, last })
        } else if day == takes {
            Some(TimetableTrouble::TakesItself { day: written(day) })
        } else if self.make_ups.iter().any(|other| other.day == day) {
            Some(TimetableTrouble::TakesAlready { day: written(day) })
        } else {
            None
        }
    }

    fn monday(&self) -> Date {
        in_week_of(self.first, Weekday::Monday)
    }
}

/// The day of the same week.
pub(crate) fn in_week_of(day: Date, weekday: Weekday) -> Date {
    let back = i64::from(day.weekday().to_monday_zero_offset());
    day.saturating_add(Span::new().days(i64::from(weekday.to_monday_zero_offset()) - back))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_that_makes_up_has_the_other_days_lessons_instead_of_its_own() {
        let mut term = Term::new(TimeZone::UTC, date(2026, 9, 2), 16);
        assert_eq!(term.day(1, Weekday::Monday), date(2026, 8, 31));
        assert_eq!(term.day(16, Weekday::Sunday), date(2026, 12, 20));
        assert_eq!((term.week(date(2026, 9, 6)), term.week(date(2026, 8, 30))), (1, 0));
        term.holidays.extend([date(2026, 10, 1), date(2026, 10, 2)]);
        let taken = in_week_of(date(2026, 10, 4), Weekday::Thursday);
        assert_eq!(taken, date(2026, 10, 1));
        assert_eq!(term.refuses(date(2026, 10, 4), taken), None);
        term.make_ups.push(MakeUp { line: 1, day: date(2026, 10, 4), takes: taken });
        assert_eq!(term.held(taken), Held::On(vec![date(2026, 10, 4)]));
        assert_eq!(term.held(date(2026, 10, 2)), Held::Holiday);
        assert_eq!(term.held(date(2026, 10, 4)), Held::Displaced);
        assert_eq!(term.held(date(2026, 9, 1)), Held::Outside, "the term begins on a Wednesday");
        assert_eq!(term.held(date(2026, 9, 2)), Held::On(vec![date(2026, 9, 2)]));
        for (day, takes, why) in [
            (date(2026, 10, 1), date(2026, 10, 2), "is a holiday"),
            (date(2026, 10, 4), date(2026, 10, 2), "already"),
            (date(2026, 10, 10), date(2027, 1, 1), "expected a day of the term, 2026-09-02 to 2026-12-20"),
            (date(2026, 10, 10), date(2026, 10, 10), "its own"),
        ] {
            let said = term.refuses(day, takes).map(|why| why.to_string()).unwrap_or_default();
            assert!(said.contains(why), "{said}");
        }
    }
}
