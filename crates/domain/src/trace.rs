//! Upstream's trace, as the W3C's Trace Context writes it: `traceparent` says which, `tracestate` is vendors' own.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// Name of the header that says which trace.
pub const TRACEPARENT: &str = "traceparent";
/// Name of the header with vendors' own words about it.
pub const TRACESTATE: &str = "tracestate";

/// Members of a `tracestate`, at most.
const MEMBERS_MAX: usize = 32;
/// Bytes of a `tracestate`, at most: what the W3C asks everyone to pass on.
const STATE_BYTES_MAX: usize = 512;

/// The trace that a job belongs to, and the span in it that asked for the job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The whole trace; never 0.
    pub trace_id: u128,
    /// Upstream's span; never 0.
    pub parent_id: u64,
    /// Whether upstream records it.
    pub is_sampled: bool,
}

impl Trace {
    /// The trace that a message's headers name, if they name one.
    pub fn of(headers: &BTreeMap<String, Value>) -> Option<Self> {
        Self::parse(headers.get(TRACEPARENT)?.as_str()?)
    }

    /// Reads a `traceparent`; `None` if it is malformed.
    ///
    /// Versions after 00 may be longer: what they add is not read.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let version = hex::<2>(parts.next()?)?;
        let trace_id = hex::<32>(parts.next()?)?;
        let parent_id = u64::try_from(hex::<16>(parts.next()?)?).ok()?;
        let flags = hex::<2>(parts.next()?)?;
        let is_whole = version != 0xff && (version != 0 || parts.next().is_none());
        (is_whole && trace_id != 0 && parent_id != 0).then_some(Self {
            trace_id,
            parent_id,
            is_sampled: flags & 1 == 1,
        })
    }

    /// The header as this version of the W3C's writes it.
    pub fn traceparent(&self) -> String {
        format!("00-{self:?}")
    }

    /// The trace's id in 32 digits, as logs and tracing systems show it.
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, u8::from(self.is_sampled))
    }
}

/// Exactly so many digits, in lower case as the W3C wants them.
fn hex<const DIGITS: usize>(text: &str) -> Option<u128> {
    let is_hex = text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { u128::from_str_radix(text, 16).ok() } else { None }
}

/// Whether a `tracestate` may be passed on: a list of `key=value` of bounded size.
pub fn is_tracestate(text: &str) -> bool {
    let is_member = |member: &str| {
        let is_value = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
        let is_key = |key: &str| {
            key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
        };
        let member = member.trim_matches([' ', '\t']);
        member.is_empty()
            || member
                .split_once('=')
                .is_some_and(|(key, value)| !key.is_empty() && !value.is_empty() && is_key(key) && is_value(value))
    };
    !text.trim().is_empty()
        && text.len() <= STATE_BYTES_MAX
        && text.split(',').count() <= MEMBERS_MAX
        && text.split(',').all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read() {
        let trace = Trace::parse(GOOD).unwrap();
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((trace.parent_id, trace.is_sampled), (0xb7ad_6b71_6920_3331, true));
        assert_eq!((format!("{trace:?}").as_str(), trace.traceparent().as_str()), (&GOOD[3..], GOOD));
        // Of the flags, the lowest bit alone.
        assert!(!Trace::parse(&GOOD.replace("-01", "-02")).unwrap().is_sampled);
        assert!(Trace::parse(&GOOD.replace("-01", "-03")).unwrap().is_sampled);
        assert_eq!(Trace::parse(&format!("cc{}-what-comes-later", &GOOD[2..])), Some(trace), "a later version");
        assert_eq!(Trace::parse(&format!("cc{}", &GOOD[2..])), Some(trace));
    }

    #[test]
    fn what_is_malformed_is_none() {
        let zeros = |range: std::ops::Range<usize>| {
            format!("{}{}{}", &GOOD[..range.start], "0".repeat(range.len()), &GOOD[range.end..])
        };
        let faulty = [
            String::new(),
            "hello".to_owned(),
            GOOD.to_uppercase(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-"),
            format!("{GOOD}-more"),
            format!("{GOOD} "),
            format!("ff{}", &GOOD[2..]),
            format!("cc{}x", &GOOD[2..]),
            GOOD.replace('-', "_"),
            GOOD.replacen('7', "g", 1),
            GOOD.replacen("0af7", "+af7", 1),
            zeros(3..35),
            zeros(36..52),
            format!("00-{}-b7ad6b7169203331-01", "会".repeat(11)),
        ];
        for text in faulty {
            assert_eq!(Trace::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn a_tracestate_is_a_list_of_bounded_size() {
        for good in ["rojo=00f067aa0ba902b7", "rojo=1,congo=t61rcWkgMzE", "a=1, b=2,", "tenant@vendor=x y"] {
            assert!(is_tracestate(good), "{good}");
        }
        let long = format!("a={}", "x".repeat(STATE_BYTES_MAX - 2));
        let many = |members: usize| vec!["a=1"; members].join(",");
        assert!(is_tracestate(&long) && is_tracestate(&many(MEMBERS_MAX)));
        for bad in
            ["", " ", "rojo", "rojo=", "=1", "a=1=2", "A=1", "a=会", "a=1\r\nb=2", &format!("{long}x"), &many(33)]
        {
            assert!(!is_tracestate(bad), "{bad}");
        }
    }
}
