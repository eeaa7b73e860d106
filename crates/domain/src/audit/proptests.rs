//! Properties of the audit against brute force: every span, and for few calls every choice of the instants of counting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Call, Calls, Finding, Waits};
use crate::quota::Window;
use crate::time::Timestamp;

/// When a call was sent, and by when it was counted.
type Interval = (i64, i64);

fn judge(calls: &[Interval], limit: u32, span: i64) -> Finding {
    let window = Window { limit, span: Duration::from_micros(span.unsigned_abs()) };
    let calls = calls.iter().map(|&(sent, counted)| Call::new(Timestamp(sent), Timestamp(counted))).collect();
    Calls::new(calls).judge(window, &Waits::default()).unwrap()
}

/// The most calls that one of all spans `[t, t+span)` holds, where `holds` says which it does.
fn most(calls: &[Interval], span: i64, holds: impl Fn(Interval, i64, i64) -> bool) -> usize {
    let end = calls.iter().map(|call| call.1).max().unwrap_or(0);
    (-span..=end).map(|t| calls.iter().filter(|&&call| holds(call, t, t + span)).count()).max().unwrap_or(0)
}

fn in_span(at: i64, from: i64, to: i64) -> bool {
    from <= at && at < to
}

/// Every choice of one instant out of each call's interval.
fn choices(calls: &[Interval]) -> Vec<Vec<Interval>> {
    calls.iter().fold(vec![Vec::new()], |chosen, &(sent, counted)| {
        let with = |at| chosen.iter().map(move |before| [&before[..], &[(at, at)]].concat());
        (sent..=counted).flat_map(with).collect()
    })
}

fn intervals(sent_max: i64, length_max: i64, calls: usize) -> impl Strategy<Value = Vec<Interval>> {
    prop::collection::vec((0..=sent_max, 0..=length_max), 1..=calls)
        .prop_map(|calls| calls.into_iter().map(|(sent, length)| (sent, sent + length)).collect())
}

/// Calls of a worker that keeps `limit` permits, each busy from sending until one span after the reply, and sends `gap`
/// after it could. Tells for each call whether it had to wait for a permit and left at the first instant possible.
fn paced(limit: usize, span: i64, steps: &[(i64, i64)]) -> Vec<(Interval, bool)> {
    let mut free_at: BinaryHeap<_> = (0..limit).map(|_| Reverse(i64::MIN)).collect();
    let mut now = 0;
    let mut calls = Vec::new();
    for &(gap, length) in steps {
        let Some(Reverse(free)) = free_at.pop() else { break };
        let sent = now.max(free) + gap;
        calls.push(((sent, sent + length), free > now && gap == 0));
        free_at.push(Reverse(sent + length + span));
        now = sent;
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_those_of_looking_at_every_span(calls in intervals(60, 25, 14), span in 1_i64..30) {
        let found = judge(&calls, 1, span);
        prop_assert_eq!(found.largest, most(&calls, span, |(sent, counted), from, to| sent < to && counted >= from));
        prop_assert_eq!(found.when_sent, most(&calls, span, |(sent, _), from, to| in_span(sent, from, to)));
        prop_assert_eq!(found.when_replied, most(&calls, span, |(_, counted), from, to| in_span(counted, from, to)));
        prop_assert_eq!(found.certain, most(&calls, span, |(sent, counted), from, to| sent >= from && counted < to));
        // The span that ends with the instant told can hold so many.
        let (from, to) = (found.largest_at.0 - span + 1, found.largest_at.0 + 1);
        prop_assert_eq!(calls.iter().filter(|(sent, counted)| *sent < to && *counted >= from).count(), found.largest);
    }

    #[test]
    fn the_largest_is_reached_by_some_choice_and_exceeded_by_none(calls in intervals(12, 3, 4), span in 1_i64..10) {
        let found = judge(&calls, 1, span);
        let counts: Vec<_> =
            choices(&calls).iter().map(|chosen| most(chosen, span, |(at, _), from, to| in_span(at, from, to))).collect();
        prop_assert_eq!(counts.iter().max(), Some(&found.largest));
        prop_assert!(counts.iter().all(|count| *count >= found.certain));
        prop_assert!(found.certain <= found.when_sent.min(found.when_replied));
        prop_assert!(found.when_sent.max(found.when_replied) <= found.largest);
    }

    #[test]
    fn a_paced_worker_is_clean_and_one_microsecond_sooner_is_a_breach(
        limit in 1_u32..8,
        span in prop::sample::select(vec![1_i64, 7, 1_000_000, 60_000_000]),
        steps in prop::collection::vec((prop_oneof![Just(0), 0..2_000_000_i64], 0..5_000_000_i64), 1..60),
        pick in any::<prop::sample::Index>(),
    ) {
        let paced = paced(limit as usize, span, &steps);
        let mut calls: Vec<_> = paced.iter().map(|(call, _)| *call).collect();
        let found = judge(&calls, limit, span);
        prop_assert!(found.is_kept(), "{:?}", found);
        // As many as were sent while jobs waited are no more than what was allowed.
        let mut waits = Waits::default();
        waits.add(Timestamp(0), Timestamp(calls[calls.len() - 1].0));
        let window = Window { limit, span: Duration::from_micros(span.unsigned_abs()) };
        let all = calls.iter().map(|&(sent, counted)| Call::new(Timestamp(sent), Timestamp(counted)));
        let used = Calls::new(all.collect()).judge(window, &waits).unwrap().used;
        prop_assert_eq!(used.granted, calls.len() as u64);
        prop_assert!(used.granted <= used.allowed, "{:?}", used);
        let tight: Vec<_> = (0..calls.len()).filter(|n| paced[*n].1).collect();
        if !tight.is_empty() {
            let n = tight[pick.index(tight.len())];
            calls[n].0 -= 1;
            let found = judge(&calls, limit, span);
            prop_assert_eq!(found.largest, limit as usize + 1);
            prop_assert_eq!(found.largest_at.0, calls[n].0);
        }
    }

    #[test]
    fn a_reply_one_microsecond_later_is_a_breach_too(
        limit in 1_u32..8,
        rounds in 1_usize..6,
        length in 0..5_000_000_i64,
        pick in any::<prop::sample::Index>(),
    ) {
        let span = 60_000_000;
        let steps = vec![(0, length); limit as usize * (rounds + 1)];
        let mut calls: Vec<_> = paced(limit as usize, span, &steps).into_iter().map(|(call, _)| call).collect();
        prop_assert!(judge(&calls, limit, span).is_kept());
        let n = pick.index(limit as usize * rounds);
        calls[n].1 += 1;
        prop_assert_eq!(judge(&calls, limit, span).largest, limit as usize + 1);
    }

    #[test]
    fn the_order_of_the_records_does_not_matter(calls in intervals(60, 25, 14), span in 1_i64..30) {
        let mut other = calls.clone();
        other.reverse();
        prop_assert_eq!(judge(&calls, 3, span), judge(&other, 3, span));
    }
}
