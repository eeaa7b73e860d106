//! What a platform's server shows beside its answer: its certificate's end, and its clock against ours.

use std::time::Duration;

use bytes::Bytes;

use crate::cli::progress::duration;
use crate::domain::outcome::Reply;
use crate::domain::time::Timestamp;
use crate::platform::not_after;

use super::finding::Finding;

/// A certificate that ends sooner should have been renewed by now.
const CERTIFICATE_LEFT_MIN: Duration = Duration::from_secs(14 * 86_400);
/// Round trips, and whole seconds in `Date`, are no skew.
const SKEW_WARNING: Duration = Duration::from_secs(10);
/// Deadlines, starts of meetings and certificates go wrong by then.
const SKEW_FAULT: Duration = Duration::from_secs(300);

/// What was seen of one server.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    address: String,
    date: Option<Timestamp>,
    certificate: Option<Bytes>,
    /// When its answer was there.
    now: Timestamp,
}

impl Seen {
    /// Of an answer; nothing is seen where none came.
    pub(super) fn of(address: String, reply: Reply, now: Timestamp) -> Option<Self> {
        let Reply::Answered(answer) = reply else { return None };
        Some(Self { address, date: answer.date, certificate: answer.certificate, now })
    }
}

/// Findings for each address once, whichever app was answered there.
pub(super) fn judge(seen: &[Seen]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, server) in seen.iter().enumerate() {
        if seen[..n].iter().any(|other| other.address == server.address) {
            continue;
        }
        findings.extend(server.certificate.as_ref().map(|der| tls(&server.address, not_after(der), server.now)));
        findings.extend(server.date.map(|date| clock(&server.address, date, server.now)));
    }
    findings
}

fn tls(address: &str, end: Option<Timestamp>, now: Timestamp) -> Finding {
    let what = "platform tls";
    let Some(end) = end else {
        return Finding::warning(
            what,
            format!("{address}: its certificate is trusted; when it ends cannot be read"),
            "",
        );
    };
    let left = end.since(now);
    let days = left.as_secs() / 86_400;
    let detail = format!("{address}: its certificate chain is trusted; it ends {end}, in {days} days");
    if left < CERTIFICATE_LEFT_MIN {
        let cure = "calls stop when it ends: have it renewed by those who run that server or the proxy between";
        return Finding::warning(what, detail, cure);
    }
    Finding::ok(what, detail)
}

fn clock(address: &str, date: Timestamp, now: Timestamp) -> Finding {
    let what = "platform clock";
    // The server's time is somewhere in the second that its `Date` names.
    let (behind, ahead) = (date.since(now), now.since(date + Duration::from_secs(1)));
    let skew = behind.max(ahead);
    let side = if behind > ahead { "behind" } else { "ahead of" };
    if skew <= SKEW_WARNING {
        return Finding::ok(what, format!("{address} agrees with this machine's"));
    }
    let detail = format!("this machine's clock is {} {side} that of {address}", duration(skew));
    let cure = "keep this machine's clock by NTP: deadlines and starts of meetings go by it";
    if skew > SKEW_FAULT { Finding::fault(what, detail, cure) } else { Finding::warning(what, detail, cure) }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(1_800_000_000_000_000 + second * 1_000_000)
    }

    #[test]
    fn a_clock_may_be_some_seconds_off_and_no_more() {
        let verdict = |now: i64| clock("a", at(0), at(now)).verdict;
        assert_eq!([-10, 0, 1, 11].map(verdict), [Verdict::Ok; 4]);
        assert_eq!([-11, 12, -300, 301].map(verdict), [Verdict::Warning; 4]);
        assert_eq!([-301, 302].map(verdict), [Verdict::Fault; 2]);
        let words = |now: i64| clock("a", at(0), at(now)).detail;
        assert!(words(-60).contains("1 min 0 s behind that of a"), "{}", words(-60));
        assert!(words(61).contains("1 min 0 s ahead of that of a"), "{}", words(61));
    }

    #[test]
    fn a_certificate_that_ends_soon_is_a_warning() {
        let verdict = |days: i64| tls("a", Some(at(days * 86_400)), at(0)).verdict;
        assert_eq!([14, 13, 0].map(verdict), [Verdict::Ok, Verdict::Warning, Verdict::Warning]);
        assert_eq!(tls("a", None, at(0)).verdict, Verdict::Warning);
    }

    #[test]
    fn a_server_of_several_apps_is_judged_once() {
        let seen =
            |address: &str| Seen { address: address.to_owned(), date: Some(at(0)), certificate: None, now: at(0) };
        let found = judge(&[seen("a"), seen("b"), seen("a")]);
        let details: Vec<_> = found.into_iter().map(|finding| finding.detail).collect();
        assert_eq!(details, ["a agrees with this machine's", "b agrees with this machine's"]);
    }
}
