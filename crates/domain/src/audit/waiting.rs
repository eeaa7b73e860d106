//! How much of what a window allowed was used while jobs waited: whether anything was slower than the quota forces.

use std::time::Duration;

use super::Calls;
use crate::quota::Window;
use crate::time::{Timestamp, micros};

/// The spans in which at least one job waited that could have been sent.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// From the first instant to the last, both included; merged as far as they came in order.
    spans: Vec<(i64, i64)>,
}

/// What happened under one window while jobs waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// How long they did.
    pub waited: Duration,
    /// Calls sent in that time.
    pub granted: u64,
    /// The most that the window allowed in that time, after what was sent before; of its last window's length no more
    /// than were sent, because there was nothing else left to send.
    pub allowed: u64,
}

impl Waits {
    /// A job waited from here to there. Jobs of a batch, in the order of their coming, make one span.
    pub fn add(&mut self, from: Timestamp, to: Timestamp) {
        if to < from {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if (last.0..=last.1).contains(&from.0) => last.1 = last.1.max(to.0),
            Some(_) | None => self.spans.push((from.0, to.0)),
        }
    }

    /// All of them together.
    pub fn merged<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut spans: Vec<_> = all.into_iter().flat_map(|waits| &waits.spans).copied().collect();
        spans.sort_unstable();
        let mut merged = Self::default();
        for (from, to) in spans {
            merged.add(Timestamp(from), Timestamp(to));
        }
        merged
    }
}

impl Calls {
    /// Sums up over merged spans; a few look-ups each, however many calls there are.
    pub(super) fn used(&self, window: Window, waits: &Waits) -> Use {
        let mut sum = Use::default();
        for &(from, to) in &waits.spans {
            sum.waited += Duration::from_micros(to.abs_diff(from));
            sum.granted += self.sent_within(from, to);
            // What was still to be sent then was sent after it: more could not have been.
            let middle = to.saturating_sub(micros(window.span));
            let (before, all) = (self.allowed(window, from, middle), self.allowed(window, from, to));
            sum.allowed += before + (all - before).min(self.sent_within(from.max(middle + 1), to));
        }
        sum
    }

    /// Calls sent from here to there, both included.
    fn sent_within(&self, from: i64, to: i64) -> u64 {
        (before(&self.sent, to.saturating_add(1)).saturating_sub(before(&self.sent, from))) as u64
    }

    /// The most calls that the window allowed from here to there, both included, after those sent before.
    ///
    /// A permit that was last used by a call counted at `c` is free at `c+W`, and once each W from then on; the others
    /// at once. A call under way at `from` counts as counted then.
    fn allowed(&self, window: Window, from: i64, to: i64) -> u64 {
        if to < from {
            return 0;
        }
        let (span, limit) = (micros(window.span).max(1), u64::from(window.limit));
        let (rounds, rest) = ((to - from) / span, (to - from) % span);
        let rounds = rounds.unsigned_abs();
        let start = from.saturating_sub(span);
        let over = before(&self.counted_by, start.saturating_add(1));
        let busy = (before(&self.sent, from).saturating_sub(over) as u64).min(limit);
        // Of these, those that are free again within the last, broken round.
        let free_in_rest = before(&self.counted_by, start.saturating_add(rest + 1)).saturating_sub(over) as u64;
        (limit - busy) * (rounds + 1) + busy * rounds + free_in_rest.min(busy)
    }
}

/// How many of these ascending instants lie before `at`.
fn before(instants: &[i64], at: i64) -> usize {
    instants.partition_point(|instant| *instant < at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audit::Call;

    const SECOND: i64 = 1_000_000;

    fn window(limit: u32, span: i64) -> Window {
        Window { limit, span: Duration::from_micros(span.unsigned_abs()) }
    }

    fn calls(instants: &[i64]) -> Calls {
        Calls::new(instants.iter().map(|at| Call::new(Timestamp(*at), Timestamp(*at))).collect())
    }

    fn waits(spans: &[(i64, i64)]) -> Waits {
        let mut waits = Waits::default();
        for (from, to) in spans {
            waits.add(Timestamp(*from), Timestamp(*to));
        }
        Waits::merged([&waits])
    }

    fn share(instants: &[i64], window: Window, spans: &[(i64, i64)]) -> (u64, u64) {
        let used = calls(instants).used(window, &waits(spans));
        (used.granted, used.allowed)
    }

    #[test]
    fn a_batch_at_the_optimum_uses_everything_and_an_even_pace_wastes_the_start() {
        let minute = window(20, 60 * SECOND);
        let optimum: Vec<_> = (0..61).map(|n| n / 20 * 60 * SECOND).collect();
        assert_eq!(share(&optimum, minute, &[(0, 180 * SECOND)]), (61, 61));
        let even: Vec<_> = (0..60).map(|n| n * 3 * SECOND).collect();
        assert_eq!(share(&even, minute, &[(0, 177 * SECOND)]), (60, 60), "a minute's worth in each minute");
        let half: Vec<_> = (0..60).map(|n| n * 6 * SECOND).collect();
        let (granted, allowed) = share(&half, minute, &[(0, 354 * SECOND)]);
        assert_eq!((granted, allowed), (60, 110), "five minutes' worth, and the ten of the last");
    }

    #[test]
    fn what_was_sent_before_is_not_free_and_nothing_is_owed_to_nobody() {
        let second = window(2, SECOND);
        assert_eq!(share(&[0, 0, SECOND], second, &[(500_000, SECOND)]), (1, 1));
        assert_eq!(share(&[0, 9 * SECOND], second, &[(0, 0), (9 * SECOND, 9 * SECOND)]), (2, 2), "one job at a time");
        assert_eq!(share(&[0, 9 * SECOND], second, &[]), (0, 0));
    }

    #[test]
    fn spans_that_touch_are_one() {
        let merged = waits(&[(5, 9), (0, 5), (20, 30), (22, 25), (9, 8)]);
        assert_eq!(merged.spans, [(0, 9), (20, 30)]);
    }

    /// Every permit by itself: when it is free, and how often from then on.
    fn by_hand(instants: &[i64], window: Window, from: i64, to: i64) -> u64 {
        let span = micros(window.span);
        let mut free: Vec<i64> = vec![from; window.limit as usize];
        for (permit, at) in free.iter_mut().zip(instants.iter().filter(|at| **at < from && **at + span > from)) {
            *permit = at + span;
        }
        let uses = |permit: &i64| (from..=to).filter(|at| at >= permit && (at - permit) % span == 0).count() as u64;
        free.iter().map(uses).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_allowed_is_the_sum_over_its_permits(
            mut instants in prop::collection::vec(0_i64..60, 0..20),
            limit in 1_u32..6,
            span in 1_i64..15,
            from in 0_i64..60,
            length in 0_i64..60,
        ) {
            instants.sort_unstable();
            let window = window(limit, span);
            prop_assert_eq!(calls(&instants).allowed(window, from, from + length), by_hand(&instants, window, from, from + length));
        }
    }
}
