//! The audit: what recorded calls prove about a window, whoever granted them.
//!
//! The platform counted each call at one instant that nobody recorded, between its sending and the last instant at which
//! it can have been counted. So a window was surely kept if no choice of those instants puts more calls than its limit
//! into one half-open span `[t, t+W)`. A call *can* stand in that span if it was sent before `t+W` and counted by `t` or
//! later; so calls can stand in one span together exactly if their intervals `[sent, counted_by+W)` share an instant, and
//! the largest number of intervals that do is found in one sweep. Every other question here is the same sweep.
//!
//! This is the books' auditor: it knows intervals and windows, and nothing of how permits are granted.
//!
//! Decision: docs/decisions/0023-the-audit-counts-use-while-jobs-waited.md

#[cfg(test)]
mod proptests;
mod waiting;

pub use waiting::{Use, Waits};

use super::quota::Window;
use super::time::{Timestamp, micros};

/// One recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    sent_at: i64,
    counted_by: i64,
}

impl Call {
    /// A call that left at `sent_at` at the earliest and was counted by `counted_by` at the latest.
    ///
    /// Where the record has it counted before it was sent (a clock was set back), it was counted when sent.
    pub fn new(sent_at: Timestamp, counted_by: Timestamp) -> Self {
        Self { sent_at: sent_at.0, counted_by: counted_by.0.max(sent_at.0) }
    }
}

/// The recorded calls of one quota key.
pub struct Calls {
    pairs: Vec<Call>,
    /// The same calls' instants, each in its own order: a sweep needs no pairs.
    sent: Vec<i64>,
    counted_by: Vec<i64>,
}

/// What the calls prove about one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The window.
    pub window: Window,
    /// The most calls that can have been counted in one span, whenever each was counted. This decides.
    pub largest: usize,
    /// The sending that first made it so many: the span that ends with this instant can have held them all.
    pub largest_at: Timestamp,
    /// The most in one span if each call was counted when it was sent.
    pub when_sent: usize,
    /// The most in one span if each call was counted at the last instant possible.
    pub when_replied: usize,
    /// The most that one span held for certain: calls that were sent and counted inside it.
    pub certain: usize,
    /// How much of what it allowed was used while jobs waited.
    pub used: Use,
}

impl Finding {
    /// Whether no span can have held more calls than the limit.
    pub fn is_kept(&self) -> bool {
        self.largest <= self.window.limit as usize
    }
}

impl Calls {
    /// Calls in any order.
    pub fn new(calls: Vec<Call>) -> Self {
        let sorted = |instant: fn(&Call) -> i64| {
            let mut instants: Vec<_> = calls.iter().map(instant).collect();
            instants.sort_unstable();
            instants
        };
        let (sent, counted_by) = (sorted(|call| call.sent_at), sorted(|call| call.counted_by));
        Self { pairs: calls, sent, counted_by }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.pairs.len()
    }

    /// The first and the last sending; `None` without calls.
    pub fn sent(&self) -> Option<(Timestamp, Timestamp)> {
        Some((Timestamp(*self.sent.first()?), Timestamp(*self.sent.last()?)))
    }

    /// Judges one window, with the merged spans in which jobs of its lanes waited; `None` without calls.
    pub fn judge(&self, window: Window, waits: &Waits) -> Option<Finding> {
        self.sent.first()?;
        let span = micros(window.span);
        let (largest, largest_at) = overlap(&self.sent, &self.counted_by, span);
        Some(Finding {
            window,
            largest,
            largest_at: Timestamp(largest_at),
            when_sent: overlap(&self.sent, &self.sent, span).0,
            when_replied: overlap(&self.counted_by, &self.counted_by, span).0,
            certain: self.certain(span),
            used: self.used(window, waits),
        })
    }

    /// A span from `t` holds a call for certain if `counted_by − W < t ≤ sent`: such a `t` exists for calls shorter than W.
    fn certain(&self, span: i64) -> usize {
        let short = || self.pairs.iter().filter(|call| call.counted_by.saturating_sub(call.sent_at) < span);
        let mut from: Vec<_> = short().map(|call| call.counted_by.saturating_sub(span).saturating_add(1)).collect();
        let mut to: Vec<_> = short().map(|call| call.sent_at).collect();
        from.sort_unstable();
        to.sort_unstable();
        overlap(&from, &to, 1).0
    }
}

/// The most intervals `[start, end+span)` that share an instant, and the first instant at which so many do.
///
/// Both slices ascend and hold as many; no interval is empty. Which end belongs to which start does not matter: at any
/// instant as many are open as have begun and not ended.
fn overlap(starts: &[i64], ends: &[i64], span: i64) -> (usize, i64) {
    let mut ends = ends.iter().map(|end| end.saturating_add(span)).peekable();
    let (mut open, mut most, mut most_at) = (0_usize, 0, 0);
    for &start in starts {
        while ends.next_if(|end| *end <= start).is_some() {
            open = open.saturating_sub(1);
        }
        open += 1;
        if open > most {
            (most, most_at) = (open, start);
        }
    }
    (most, most_at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn judged(limit: u32, calls: &[(i64, i64)]) -> Finding {
        let call = |&(sent, counted): &(i64, i64)| Call::new(Timestamp(sent), Timestamp(counted));
        let window = Window { limit, span: Duration::from_secs(60) };
        Calls::new(calls.iter().map(call).collect()).judge(window, &Waits::default()).unwrap()
    }

    fn counts(calls: &[(i64, i64)]) -> [usize; 4] {
        let Finding { largest, when_sent, when_replied, certain, .. } = judged(1, calls);
        [largest, when_sent, when_replied, certain]
    }

    #[test]
    fn spans_are_half_open_to_the_microsecond() {
        assert_eq!(counts(&[(0, 0), (MINUTE, MINUTE)]), [1, 1, 1, 1]);
        assert_eq!(counts(&[(0, 0), (MINUTE - 1, MINUTE - 1)]), [2, 2, 2, 2]);
        assert_eq!(counts(&[(0, 5), (MINUTE + 5, MINUTE + 9)]), [1, 1, 1, 1], "free one window after the reply");
        assert_eq!(counts(&[(0, 5), (MINUTE + 4, MINUTE + 9)]), [2, 1, 1, 1], "a microsecond before");
    }

    #[test]
    fn either_end_alone_can_break_a_window() {
        assert_eq!(counts(&[(0, 9), (MINUTE - 1, MINUTE + 9)]), [2, 2, 1, 1], "counted when sent");
        assert_eq!(counts(&[(0, 9), (MINUTE, MINUTE + 8)]), [2, 1, 2, 1], "counted when replied");
        assert_eq!(
            counts(&[(0, 9), (MINUTE + 2, MINUTE + 20)]),
            [2, 1, 1, 1],
            "the first when replied, the second when sent"
        );
    }

    #[test]
    fn a_late_reply_can_stand_with_others_that_never_stood_together() {
        let late = (0, 100 * MINUTE);
        assert_eq!(counts(&[late, (MINUTE, MINUTE), (3 * MINUTE, 3 * MINUTE)])[0], 2);
        assert_eq!(counts(&[late, (MINUTE, MINUTE), (2 * MINUTE - 1, 2 * MINUTE)])[0], 3);
        assert_eq!(counts(&[late])[3], 0, "no span holds it for certain");
    }

    #[test]
    fn a_breach_is_one_more_than_the_limit_and_knows_its_instant() {
        let calls = [(0, 1), (5, 6), (9, 9), (MINUTE + 20, MINUTE + 21)];
        let finding = judged(3, &calls);
        assert!(finding.is_kept());
        assert!(!judged(2, &calls).is_kept());
        assert_eq!((finding.largest, finding.largest_at), (3, Timestamp(9)));
    }

    #[test]
    fn a_record_that_ends_before_it_begins_counts_when_sent() {
        assert_eq!(counts(&[(5, 0), (MINUTE + 4, MINUTE + 4)]), [2, 2, 2, 2]);
        assert_eq!(counts(&[(5, 0), (MINUTE + 5, MINUTE + 5)]), [1, 1, 1, 1]);
    }

    #[test]
    fn nothing_is_judged_without_calls() {
        assert!(
            Calls::new(Vec::new())
                .judge(Window { limit: 1, span: Duration::from_secs(1) }, &Waits::default())
                .is_none()
        );
    }
}
