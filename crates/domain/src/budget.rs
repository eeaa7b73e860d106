//! How much may be called in a calendar day or month. Both are counted in UTC+8, the platforms' own time zone, and begin
//! anew together for all who share them, unlike a window, which every call opens for itself.
//!
//! Decision: docs/decisions/0051-budgets-of-days-and-months.md

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::catalog::QuotaScope;
use super::job::LaneKey;
use super::time::Timestamp;

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first to the first.
    Month,
}

impl Period {
    /// The word in quotas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "calendar-day",
            Self::Month => "calendar-month",
        }
    }

    /// The first day of the period around an instant, counted from 1970.
    pub fn first_day(self, at: Timestamp) -> i64 {
        match self {
            Self::Day => at.china_day(),
            Self::Month => at.first_day_of_month(),
        }
    }

    /// When the next one begins.
    pub fn end(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Day => at.next_day(),
            Self::Month => at.next_month(),
        }
    }
}

/// So many calls in a period: `20000/calendar-day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// At least 1.
    pub calls: u64,
    /// Of this length.
    pub period: Period,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(calls, unit)| {
            let period = [Period::Day, Period::Month].into_iter().find(|period| period.as_str() == unit.trim())?;
            Some(Self { calls: calls.trim().parse().ok().filter(|calls| *calls > 0)?, period })
        });
        parts.ok_or_else(|| format!("expected 20000/calendar-day or 10000/calendar-month, got {text:?}"))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.calls, self.period.as_str())
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A budget of a method, as documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodBudget {
    /// Who shares it.
    pub scope: QuotaScope,
    /// How much.
    pub budget: Budget,
    /// Where that stands.
    pub note: String,
}

/// What a platform counts such calls by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetKey {
    /// Whose: an app id, a corp id.
    pub owner: String,
    /// Of which method; empty for all of them.
    pub method: String,
    /// For how long.
    pub period: Period,
}

/// How many calls of a lane the platform has counted on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledDay {
    /// Which lane.
    pub lane: LaneKey,
    /// The day in UTC+8, counted from 1970.
    pub day: i64,
    /// How many.
    pub calls: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_written_and_read() {
        for text in ["20000/calendar-day", "1/calendar-month"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
        for text in ["", "20000/day", "0/calendar-day", "-1/calendar-day", "x/calendar-month", "5/calendar-year"] {
            assert!(text.parse::<Budget>().unwrap_err().contains("calendar-day"), "{text}");
        }
    }

    #[test]
    fn periods_begin_at_midnight_in_china() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let last = at("2026-11-30T23:59:59+08:00");
        let first = at("2026-12-01T00:00:00+08:00");
        for period in [Period::Day, Period::Month] {
            assert_eq!(period.end(last), first);
            assert_eq!(period.first_day(first), first.china_day());
            assert!(period.first_day(last) < period.first_day(first));
        }
        assert_eq!(Period::Month.first_day(last), at("2026-11-01T00:00:00+08:00").china_day());
        assert_eq!(last.china_day() - Period::Month.first_day(last), 29);
    }
}
