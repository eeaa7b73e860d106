//! The table against the mathematical optimum: with no delay, every grant at the very first instant that all windows of
//! all keys together allow.

use std::time::Duration;

use proptest::prelude::*;

use super::key;
use crate::time::{Mono, micros};
use crate::{Class, KeyId, Quota, QuotaTable, Window};

/// Clocks are read in whole microseconds, so that two instants are surely a span apart when they differ by one more.
const TICK: i64 = 1;

/// A table of these quotas, one key each. The first key is another one without any bound to speak of: only the first
/// key's calls are smoothed, and this is about the windows.
fn table(quotas: &[Quota]) -> (QuotaTable<String>, Vec<KeyId>) {
    let mut table = QuotaTable::default();
    let boundless: Quota = "4000000000/s".parse().unwrap();
    let keys = std::iter::once(&boundless)
        .chain(quotas)
        .enumerate()
        .map(|(n, quota)| table.key(&key(&n.to_string()), quota))
        .collect();
    (table, keys)
}

/// Sends a call for each arrival as early as the table allows, replied at once; when each was granted.
fn grants(quotas: &[Quota], arrivals: &[i64]) -> Vec<i64> {
    let (mut table, keys) = table(quotas);
    let mut now = 0;
    let mut grants = Vec::new();
    for &arrival in arrivals {
        now = now.max(arrival);
        if let Err(blocked) = table.take(&keys, Class::LOWEST, Mono(now)) {
            let until = blocked.until.unwrap();
            assert!(table.check(&keys, Class::LOWEST, Mono(until.0 - 1)).is_err(), "refused just before");
            table.take(&keys, Class::LOWEST, until).expect("granted at the promised instant");
            now = until.0;
        }
        table.give_back(&keys, Class::LOWEST, Some(Mono(now)));
        grants.push(now);
    }
    grants
}

fn windows(quotas: &[Quota]) -> Vec<Window> {
    quotas.iter().flat_map(Quota::windows).copied().collect()
}

/// The first instants at which each call can be sent after those before it: each window's oldest call that still
/// counts must be over, and `slack` of the window later.
fn earliest(windows: &[Window], arrivals: &[i64], slack: impl Fn(Window) -> i64) -> Vec<i64> {
    let mut sent: Vec<i64> = Vec::new();
    for (n, &arrival) in arrivals.iter().enumerate() {
        let free = windows.iter().filter_map(|window| {
            let oldest = n.checked_sub(window.limit as usize)?;
            Some(sent[oldest] + micros(window.span) + TICK + slack(*window))
        });
        sent.push(free.chain(sent.last().copied()).max().unwrap_or(0).max(arrival));
    }
    sent
}

/// Tries every sequence of instants there is, and counts in every span; the earliest instant that each call can have.
fn exhaustive(windows: &[Window], arrivals: &[i64], end: i64) -> Vec<i64> {
    fn fits(windows: &[Window], sent: &[i64]) -> bool {
        windows.iter().all(|window| {
            let span = micros(window.span) + TICK;
            sent.iter().all(|from| {
                let inside = sent.iter().filter(|at| (*from..from + span).contains(*at));
                inside.count() <= window.limit as usize
            })
        })
    }
    fn search(windows: &[Window], arrivals: &[i64], end: i64, sent: &mut Vec<i64>, best: &mut [i64]) {
        let Some(&arrival) = arrivals.get(sent.len()) else { return };
        for at in sent.last().copied().unwrap_or(0).max(arrival)..=end {
            sent.push(at);
            if fits(windows, sent) {
                best[sent.len() - 1] = best[sent.len() - 1].min(at);
                search(windows, arrivals, end, sent, best);
            }
            sent.pop();
        }
    }
    let mut best = vec![i64::MAX; arrivals.len()];
    search(windows, arrivals, end, &mut Vec::new(), &mut best);
    best
}

fn arrivals(gaps: impl IntoIterator<Item = i64>) -> Vec<i64> {
    gaps.into_iter()
        .scan(0, |at, gap| {
            *at += gap;
            Some(*at)
        })
        .collect()
}

fn window(limit: u32, span_us: u64) -> Window {
    Window { limit, span: Duration::from_micros(span_us) }
}

prop_compose! {
    fn quotas(limits: std::ops::Range<u32>, spans: Vec<u64>)(
        quotas in prop::collection::vec(prop::collection::vec((limits, prop::sample::select(spans)), 1..3), 1..4),
    ) -> Vec<Quota> {
        quotas.into_iter().map(|windows| Quota::of(windows.into_iter().map(|(limit, span)| window(limit, span)))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_calls_are_as_early_as_in_the_best_of_all_sequences(
        quotas in quotas(1..4, vec![1, 2, 3, 5]),
        gaps in prop::collection::vec(prop_oneof![2 => Just(0), 1 => 0_i64..4], 1..5),
    ) {
        let (windows, arrivals) = (windows(&quotas), arrivals(gaps));
        // Far enough: each call needs one longest span after the one before it at most.
        let end = arrivals.last().unwrap() + 6 * i64::try_from(arrivals.len()).unwrap();
        let best = exhaustive(&windows, &arrivals, end);
        prop_assert_eq!(&earliest(&windows, &arrivals, |_| 0), &best);
        prop_assert_eq!(grants(&quotas, &arrivals), best);
    }

    #[test]
    fn many_calls_are_granted_at_the_optimum_exactly(
        quotas in quotas(1..60, vec![1_000, 100_000, 1_000_000, 60_000_000]),
        gaps in prop::collection::vec(prop_oneof![3 => Just(0), 1 => 0_i64..3_000_000], 1..300),
    ) {
        let arrivals = arrivals(gaps);
        prop_assert_eq!(grants(&quotas, &arrivals), earliest(&windows(&quotas), &arrivals, |_| 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_thousand_permits_are_exact_and_more_are_late_by_a_cell_at_most(
        long in prop_oneof![Just(1_000_u32), 1_001_u32..3_000],
        short in 50_u32..800,
        gaps in prop::collection::vec(prop_oneof![9 => Just(0), 1 => 0_i64..100_000], 6_000),
    ) {
        let long = window(long, 60_000_000);
        let quotas = [Quota::of([long]), Quota::of([window(short, 1_000_000)])];
        let (windows, arrivals) = (windows(&quotas), arrivals(gaps));
        let granted = grants(&quotas, &arrivals);
        let soonest = earliest(&windows, &arrivals, |_| 0);
        if long.limit <= 1_000 {
            prop_assert_eq!(granted, soonest);
        } else {
            // Each return is rounded up to a cell, a thousandth of the window: never too early, one cell late at most.
            let latest = earliest(&windows, &arrivals, |window| if window == long { micros(long.span) / 1_000 } else { 0 });
            for ((granted, soonest), latest) in granted.iter().zip(&soonest).zip(&latest) {
                prop_assert!(soonest <= granted && granted <= latest, "{granted} not in {soonest}..={latest}");
            }
        }
    }
}
