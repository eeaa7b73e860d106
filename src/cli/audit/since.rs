//! `--since`: an instant, or how long ago.

use std::str::FromStr;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// An instant, or a time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// RFC 3339.
    At(Timestamp),
    /// `90s`, `30min`, `24h`, `7day`: the units of the quotas.
    Ago(Duration),
}

impl Since {
    /// The instant meant at `now`.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now - ago,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(ago) = duration(text) {
            return Ok(Self::Ago(ago));
        }
        Timestamp::parse(text).map(Self::At).map_err(|_| {
            format!("expected a time like 2026-11-21T16:00:00+08:00, or a duration like 90s, 30min, 24h or 7day, got {text:?}")
        })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let seconds = match unit.trim_start() {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_a_duration_is_read() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        let of = |text: &str| text.parse::<Since>().map(|since| since.before(now).unix_seconds());
        assert_eq!(of("90s"), Ok(999_910));
        assert_eq!(of("30min"), Ok(998_200));
        assert_eq!(of("1 h"), Ok(996_400));
        assert_eq!(of("7day"), Ok(395_200));
        assert_eq!(of("1970-01-01T08:00:05+08:00"), Ok(5));
        assert!(of("99999999999999day").unwrap() < 0, "longer than there was time is all of it");
    }

    #[test]
    fn anything_else_says_what_was_expected() {
        for text in ["", "90", "s", "-5min", "1.5h", "7d", "yesterday", "2026-11-21", "99999999999999999999s"] {
            let why = text.parse::<Since>().unwrap_err();
            assert!(why.starts_with("expected a time like") && why.contains("30min"), "{text:?}: {why}");
        }
    }
}
