//! Quotas as the platforms write them: `20/min`, `1000/min, 50/s`, `10000/day`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The longest window that can be written: 31 days.
const SPAN_MAX: Duration = Duration::from_secs(31 * 86_400);

/// At most `limit` requests in every half-open span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Requests, at least 1.
    pub limit: u32,
    /// Length of the window.
    pub span: Duration,
}

/// One or more windows that all hold at once; shortest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    windows: Vec<Window>,
}

impl Quota {
    /// A quota of these windows.
    pub fn of(windows: impl IntoIterator<Item = Window>) -> Self {
        let mut windows: Vec<_> = windows.into_iter().collect();
        windows.sort_by_key(|window| window.span);
        assert!(!windows.is_empty(), "a quota without a window would be no limit at all");
        Self { windows }
    }

    /// The windows, shortest first; never empty.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The longest window's length.
    pub fn span_max(&self) -> Duration {
        self.windows.iter().map(|window| window.span).max().unwrap_or_default()
    }

    /// The same limits in windows `speed` times shorter, for rehearsals.
    #[must_use]
    pub fn sped_up(&self, speed: f64) -> Self {
        let windows =
            self.windows.iter().map(|window| Window { span: window.span.div_f64(speed), ..*window }).collect();
        Self { windows }
    }

    /// This fraction of each limit, at least 1: the rest is left to other programs.
    #[must_use]
    pub fn share(&self, share: f64) -> Self {
        self.limited(|limit| (f64::from(limit) * share).floor() as u32)
    }

    /// One part of so many that are equal, at least 1.
    #[must_use]
    pub fn split(&self, parts: u32) -> Self {
        self.limited(|limit| limit / parts.max(1))
    }

    /// Other limits in the same windows, at least 1.
    fn limited(&self, limit: impl Fn(u32) -> u32) -> Self {
        let other = |window: &Window| Window { limit: limit(window.limit).max(1), ..*window };
        Self { windows: self.windows.iter().map(other).collect() }
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut windows = text.split(',').map(|part| window(part.trim())).collect::<Result<Vec<_>, _>>()?;
        windows.sort_by_key(|window| window.span);
        if windows.windows(2).any(|pair| pair[0].span == pair[1].span) {
            return Err(format!("two limits for the same window in {text:?}"));
        }
        Ok(Self { windows })
    }
}

fn window(text: &str) -> Result<Window, String> {
    let expected = || format!("expected a quota like 20/min, 50/s, 150000/h, 10000/day or 5/10s, got {text:?}");
    let (limit, unit) = text.split_once('/').ok_or_else(expected)?;
    let limit = limit.trim().parse::<u32>().ok().filter(|limit| *limit > 0).ok_or_else(expected)?;
    let span = span(unit.trim()).ok_or_else(expected)?;
    Ok(Window { limit, span })
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let count = if count.is_empty() { 1 } else { count.parse::<u32>().ok()? };
    let unit = match unit.trim() {
        "s" => SECOND,
        "min" => MINUTE,
        "h" => HOUR,
        "day" => DAY,
        _ => return None,
    };
    Some(unit * count).filter(|span| !span.is_zero() && *span <= SPAN_MAX)
}

impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(DAY, "day"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
        for (unit, name) in units {
            let count = self.span.as_secs() / unit.as_secs();
            if self.span == unit {
                return write!(out, "{}/{name}", self.limit);
            }
            if count > 1 && self.span == unit * count as u32 {
                return write!(out, "{}/{count}{name}", self.limit);
            }
        }
        write!(out, "{}/{}ms", self.limit, self.span.as_millis())
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, window) in self.windows.iter().rev().enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            write!(out, "{window}")?;
        }
        Ok(())
    }
}

/// As text, for those who keep quotas in files.
#[cfg(feature = "serde")]
mod with_serde {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Quota;

    impl<'de> Deserialize<'de> for Quota {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        }
    }

    impl Serialize for Quota {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_platforms_write() {
        let quota: Quota = "1000/min, 50/s".parse().unwrap();
        assert_eq!(quota.windows(), [Window { limit: 50, span: SECOND }, Window { limit: 1000, span: MINUTE }]);
        assert_eq!(quota.to_string(), "1000/min, 50/s");
        assert_eq!("5/10s".parse::<Quota>().unwrap().to_string(), "5/10s");
        assert_eq!("10000/day".parse::<Quota>().unwrap().to_string(), "10000/day");
    }

    #[test]
    fn refuses_what_is_no_quota() {
        for text in [
            "",
            "20",
            "20/",
            "/min",
            "0/min",
            "-1/s",
            "20/minute",
            "20/0s",
            "20/min,",
            "20/min,30/min",
            "20/60s, 20/min",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_share_leaves_at_least_one() {
        let quota: Quota = "20/min".parse().unwrap();
        assert_eq!(quota.share(0.8).to_string(), "16/min");
        assert_eq!(quota.share(0.01).to_string(), "1/min");
        assert_eq!(quota.split(3).to_string(), "6/min");
        assert_eq!(quota.split(21).to_string(), "1/min");
    }
}
