//! When a platform, or a gateway before it, says that the next call is worth its while: `Retry-After` in both of its forms
//! (<https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>, read 2026-11-28), and headers like `x-ogw-ratelimit-reset`.
//!
//! What is said is a lower bound: nothing here makes a wait shorter than the one of our own.

use std::time::Duration;

use super::quota::RESET_MAX;
use super::time::Timestamp;

/// Numbers from here to [`MILLIS_FROM`] are seconds since 1970: as a length they would be thirty years.
const SECONDS_FROM: f64 = 1e9;
/// Numbers from here to [`MILLIS_TO`] are milliseconds since 1970: as seconds they would be after the year 5000.
const MILLIS_FROM: f64 = 1e11;
const MILLIS_TO: f64 = 1e14;

/// What the headers of one answer say. The default says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    after: Option<Duration>,
    at: Option<Timestamp>,
}

impl Reset {
    /// So long after the answer.
    pub const fn after(wait: Duration) -> Self {
        Self { after: Some(wait), at: None }
    }

    const fn at(instant: Timestamp) -> Self {
        Self { after: None, at: Some(instant) }
    }

    /// Reads the values of all headers that say it; the longest wait counts. `date` is the server's own time: an instant
    /// is compared with that rather than with a clock of ours, which may be wrong.
    pub fn read<'t>(values: impl IntoIterator<Item = &'t str>, date: Option<Timestamp>) -> Self {
        let mut all = Self::default();
        for one in values.into_iter().filter_map(Self::parse) {
            let one = match (one.at, date) {
                (Some(at), Some(date)) => Self::after(at.since(date)),
                (Some(_) | None, _) => one,
            };
            let after = one.after.filter(|wait| *wait <= RESET_MAX);
            all = Self { after: all.after.max(after), at: all.at.max(one.at) };
        }
        all
    }

    /// How long to wait from `now` on at least; `None` if nothing is said that can be believed.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let waits = [self.after, self.at.map(|at| at.since(now))];
        waits.into_iter().flatten().filter(|wait| *wait <= RESET_MAX).max()
    }

    fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let Ok(number) = value.parse::<f64>() else {
            return Timestamp::parse_http(value).map(Self::at);
        };
        let of_millis = |millis: f64| Self::at(Timestamp(millis as i64 * 1_000));
        if (SECONDS_FROM..MILLIS_FROM).contains(&number) {
            Some(of_millis(number * 1_000.0))
        } else if (MILLIS_FROM..MILLIS_TO).contains(&number) {
            Some(of_millis(number))
        } else {
            Duration::try_from_secs_f64(number).ok().map(Self::after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28T08:00:00Z.
    const NOW: Timestamp = Timestamp(1_795_852_800_000_000);

    fn wait_ms(values: &[&str], date: Option<Timestamp>) -> Option<u128> {
        Reset::read(values.iter().copied(), date).wait(NOW).map(|wait| wait.as_millis())
    }

    #[test]
    fn numbers_are_lengths_or_instants() {
        for (value, wait) in [
            ("7", Some(7_000)),
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0.05", Some(50)),
            (" 2.5 ", Some(2_500)),
            ("86400", Some(86_400_000)),
            ("86400.001", None),
            ("999999999", None),
            ("1795852830", Some(30_000)),
            ("1795852830.5", Some(30_500)),
            ("1795852830000", Some(30_000)),
            ("1795852770", Some(0)),
            ("1795852770000", Some(0)),
            ("1795852800000000", None),
            ("-1", None),
            ("1e300", None),
            ("inf", None),
            ("-inf", None),
            ("NaN", None),
            ("abc", None),
            ("7 s", None),
            ("7, 7", None),
            ("", None),
            ("9223372036854775807", None),
            ("-9223372036854775808", None),
        ] {
            assert_eq!(wait_ms(&[value], None), wait, "{value:?}");
        }
    }

    #[test]
    fn dates_are_read_in_all_three_forms() {
        for (value, wait) in [
            ("Sat, 28 Nov 2026 08:00:30 GMT", Some(30_000)),
            ("Saturday, 28-Nov-26 08:00:30 GMT", Some(30_000)),
            ("Sat Nov 28 08:00:30 2026", Some(30_000)),
            ("Sat, 28 Nov 2026 07:00:00 GMT", Some(0)),
            ("Sun, 29 Nov 2026 08:00:01 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("Sat, 31 Feb 2026 08:00:30 GMT", None),
        ] {
            assert_eq!(wait_ms(&[value], None), wait, "{value:?}");
        }
    }

    #[test]
    fn an_instant_is_compared_with_the_server_s_own_clock() {
        let hour_behind = Some(NOW - Duration::from_secs(3_600));
        for value in ["Sat, 28 Nov 2026 07:00:30 GMT", "1795849230", "1795849230000"] {
            assert_eq!(wait_ms(&[value], hour_behind), Some(30_000), "{value:?}");
        }
        assert_eq!(wait_ms(&["7"], hour_behind), Some(7_000), "a length needs no clock");
    }

    #[test]
    fn the_longest_of_several_counts() {
        assert_eq!(wait_ms(&["0", "30"], None), Some(30_000));
        assert_eq!(wait_ms(&["30", "Sat, 28 Nov 2026 08:00:10 GMT"], None), Some(30_000));
        assert_eq!(wait_ms(&["5", "Sat, 28 Nov 2026 08:00:10 GMT"], None), Some(10_000));
        assert_eq!(wait_ms(&["abc", "1e300", "3"], None), Some(3_000), "what cannot be believed does not count");
        assert_eq!(wait_ms(&["100000", "3"], None), Some(3_000));
        assert_eq!(wait_ms(&[], None), None);
    }
}
