//! Two kinds of time, both in microseconds, which cannot be mixed up by accident.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use paceline_quota::time::{Mono, micros};

/// An instant of the calendar: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(micros(rhs)))
    }
}

impl Timestamp {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 (`2026-11-21T16:00:00+08:00`); the offset is required.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self(instant.as_microsecond()))
            .map_err(|_| format!("expected a time like 2026-11-21T16:00:00+08:00, got {text:?}"))
    }

    /// Reads an instant at which something is to be done. "Never", as databases write it, is none.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse_plan(text: &str) -> Result<Self, String> {
        // 2200-01-01T00:00:00Z.
        const END: i64 = 7_258_118_400;
        let at = Self::parse(text)?;
        let is_near = at < Self::from_unix_seconds(END);
        is_near.then_some(at).ok_or_else(|| {
            format!("expected a time before the year 2200, got {text:?}; what is never to run is not published")
        })
    }

    /// Reads an HTTP date (`Sun, 22 Nov 2026 05:20:16 GMT`), which has whole seconds, and its two obsolete forms, which
    /// recipients have to take, too (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>, read 2026-11-28).
    pub fn parse_http(text: &str) -> Option<Self> {
        const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
        let obsolete = |form: &&str| {
            let date = jiff::fmt::strtime::parse(form, text).ok()?.to_datetime().ok()?;
            Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let instant = parser.parse_timestamp(text).ok().or_else(|| OBSOLETE.iter().find_map(obsolete))?;
        Some(Self(instant.as_microsecond()))
    }

    /// RFC 3339 to the microsecond: [`Self::parse`] gives the same instant.
    pub fn exact(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => format!("{instant:.6}"),
            Err(_) => self.to_string(),
        }
    }

    /// RFC 3339 to the second in UTC+8, the platforms' own time zone, as people write it into cells.
    pub fn in_china(self) -> String {
        match jiff::Timestamp::from_second(self.unix_seconds()) {
            Ok(instant) => instant.display_with_offset(jiff::tz::offset(8)).to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// Whole seconds since 1970, rounded down.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The first instant of the next calendar month in UTC+8, the platforms' own time zone.
    #[must_use]
    pub fn next_month(self) -> Self {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
        let next = jiff::Timestamp::from_microsecond(self.0).ok().and_then(|at| {
            let first = at.to_zoned(zone.clone()).date().first_of_month();
            first.checked_add(jiff::Span::new().months(1)).ok()?.to_zoned(zone).ok()
        });
        next.map_or(self, |at| Self(at.timestamp().as_microsecond()))
    }

    /// The calendar day in UTC+8, counted from 1970.
    pub fn china_day(self) -> i64 {
        (self.unix_seconds() + 8 * 3_600).div_euclid(86_400)
    }

    /// The first day of the calendar month in UTC+8, counted likewise.
    pub fn first_day_of_month(self) -> i64 {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
        let day = jiff::Timestamp::from_microsecond(self.0).map_or(1, |at| at.to_zoned(zone).day());
        self.china_day() - i64::from(day) + 1
    }

    /// The first instant of the next calendar day in UTC+8.
    #[must_use]
    pub fn next_day(self) -> Self {
        const DAY: i64 = 86_400_000_000;
        const ZONE: i64 = 8 * 3_600_000_000;
        Self((self.0.saturating_add(ZONE).div_euclid(DAY) + 1).saturating_mul(DAY).saturating_sub(ZONE))
    }

    /// The instant of a number of Unix seconds.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }
}

/// A time zone, for dates that do not name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// Reads a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let offset = format!("1970-01-01T00:00:00{text}").parse::<jiff::Timestamp>().ok();
        let offset = offset.and_then(|at| jiff::tz::Offset::from_seconds(i32::try_from(-at.as_second()).ok()?).ok());
        match offset.map(jiff::tz::TimeZone::fixed) {
            Some(zone) => Ok(Self(zone)),
            None => jiff::tz::TimeZone::get(text)
                .map(Self)
                .map_err(|_| format!("expected a time zone like Asia/Shanghai or +08:00, got {text:?}")),
        }
    }

    /// The instant of a date and time of day as people write them; `None` if it is none, or the clocks are changed then.
    pub fn instant(&self, text: &str) -> Option<Timestamp> {
        let at = self.0.to_ambiguous_timestamp(local(text)?).unambiguous().ok()?;
        Some(Timestamp(at.as_microsecond()))
    }
}

/// Whether a text is a date, perhaps with a time of day, that names no time zone.
pub fn is_local(text: &str) -> bool {
    local(text).is_some()
}

/// `2026-11-28T09:00:00`, `2026/11/28 9:00` or `2026年11月28日`: the year comes first, so that it can mean one day only.
fn local(text: &str) -> Option<jiff::civil::DateTime> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "0:00"));
    let date = date.strip_suffix('日').unwrap_or(date);
    let parts: Vec<&str> = date.split(['-', '/', '.', '年', '月']).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let parts: Vec<&str> = time.trim().split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (hour, minute, &"0"),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let is_year = year.len() == 4;
    let number =
        |text: &str| text.parse::<i8>().ok().filter(|_| (1..=2).contains(&text.len()) && !text.starts_with('+'));
    let date = jiff::civil::Date::new(year.parse().ok().filter(|_| is_year)?, number(month)?, number(day)?).ok()?;
    let time = jiff::civil::Time::new(number(hour)?, number(minute)?, number(second)?, 0).ok()?;
    Some(date.to_datetime(time))
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, as results and logs carry it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.div_euclid(1_000);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(instant) => write!(out, "{instant:.3}"),
            Err(_) => write!(out, "{millis} ms"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_and_print_rfc_3339() {
        let at = Timestamp::parse("2026-11-21T16:00:00.123456+08:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T08:00:00.123Z");
        assert_eq!(at.unix_seconds(), 1_795_248_000);
        assert!(Timestamp::parse("2026-11-21 16:00").unwrap_err().contains("expected a time like"));
    }

    #[test]
    fn dates_without_a_zone_are_read_in_one() {
        let shanghai = Zone::parse("Asia/Shanghai").unwrap();
        let at = Timestamp::parse("2026-11-28T09:05:00+08:00").ok();
        for text in [
            "2026-11-28T09:05:00",
            "2026-11-28 09:05",
            "2026/11/28 9:05",
            " 2026年11月28日 9:05:00 ",
            "2026.11.28 9:05",
        ] {
            assert_eq!(shanghai.instant(text), at, "{text}");
            assert_eq!(Zone::parse("+08:00").unwrap().instant(text), at, "{text}");
        }
        assert_eq!(shanghai.instant("2026-11-28"), Timestamp::parse("2026-11-28T00:00:00+08:00").ok());
        for text in [
            "28/11/2026 9:05",
            "11-28",
            "2026-13-01",
            "26-11-28",
            "2026-11-28 25:00",
            "9:05",
            "",
            "2026-11-28T09:05:00Z",
        ] {
            assert_eq!(shanghai.instant(text), None, "{text}");
        }
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.instant("2026-03-29 02:30"), None, "there is no such hour");
        assert_eq!(berlin.instant("2026-10-25 02:30"), None, "it comes twice");
        assert_eq!(berlin.instant("2026-07-01 12:00"), Timestamp::parse("2026-07-01T12:00:00+02:00").ok());
        assert!(Zone::parse("Peking").unwrap_err().contains("Asia/Shanghai"));
    }

    #[test]
    fn a_month_ends_at_midnight_in_china() {
        let http = Timestamp::parse_http("Sun, 22 Nov 2026 05:20:16 GMT");
        assert_eq!(http, Some(Timestamp::parse("2026-11-22T05:20:16Z").unwrap()));
        assert_eq!(Timestamp::parse_http("yesterday"), None);
        let at = Timestamp::parse("2026-12-31T15:59:59Z").unwrap();
        assert_eq!(at.next_month().to_string(), "2026-12-31T16:00:00.000Z");
        assert_eq!(at.next_month().next_month().to_string(), "2027-01-31T16:00:00.000Z");
    }

    #[test]
    fn a_day_ends_at_midnight_in_china() {
        let next = |text| Timestamp::parse(text).unwrap().next_day().to_string();
        assert_eq!(next("2026-12-31T15:59:59.999Z"), "2026-12-31T16:00:00.000Z");
        assert_eq!(next("2026-12-31T16:00:00Z"), "2027-01-01T16:00:00.000Z");
        assert_eq!(next("1969-12-31T12:00:00Z"), "1969-12-31T16:00:00.000Z");
    }

    #[test]
    fn the_ends_of_time_are_instants_like_others() {
        for at in [Timestamp(i64::MIN), Timestamp(0), Timestamp(i64::MAX), Timestamp::from_unix_seconds(i64::MAX)] {
            assert!(!at.to_string().is_empty() && !at.exact().is_empty());
            assert!(at.next_day() >= at - Duration::from_secs(86_400) && at.next_month() >= at);
            assert!(at + Duration::MAX >= at && at - Duration::MAX <= at);
        }
        for far in ["2200-01-01T00:00:00Z", "2999-12-31T00:00:00Z", "9999-12-31T00:00:00+08:00"] {
            assert!(Timestamp::parse(far).is_ok(), "a deadline may be that far: {far}");
            assert!(Timestamp::parse_plan(far).unwrap_err().contains("before the year 2200"), "{far}");
        }
        assert!(Timestamp::parse_plan("2199-12-31T23:59:59Z").is_ok());
        for no in ["2026-11-21T16:00:00+99:00", "-10000-01-01T00:00:00Z", "99999-01-01T00:00:00Z", ""] {
            assert!(Timestamp::parse(no).is_err(), "{no}");
        }
    }

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Mono(9).since(Mono(5)), Duration::from_micros(4));
        assert_eq!(Mono(-5) + Duration::from_micros(7), Mono(2));
    }
}
