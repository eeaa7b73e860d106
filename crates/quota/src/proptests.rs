//! Properties of the table against a brute-force checker that knows nothing of it: whenever between sending and reply the
//! platform counts a request, no window is ever over its limit; and a permit comes at the promised instant, not before.

mod optimum;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::{Fate, Job, Plan, Turn, find_breach, play};
use super::{Blocked, Class, KeyId, Quota, QuotaTable, Window};
use crate::time::{Mono, micros};

/// One request as the platform may see it.
#[derive(Clone, Copy, Debug)]
struct Call {
    sent: Mono,
    /// The last instant at which it can be counted.
    by: Mono,
}

/// The most requests that a span `[t, t+W)` can hold when each is counted at the given share of its way.
fn worst(calls: &[Call], window: Window, share: impl Fn(usize) -> f64) -> usize {
    let mut counted: Vec<i64> = calls
        .iter()
        .enumerate()
        .map(|(n, call)| call.sent.0 + ((call.by.0 - call.sent.0) as f64 * share(n)) as i64)
        .collect();
    counted.sort_unstable();
    let span = window.span.as_micros() as i64;
    (0..counted.len())
        .map(|first| counted[first..].iter().take_while(|at| **at < counted[first] + span).count())
        .max()
        .unwrap_or(0)
}

/// The most requests that a span can hold under the worst choice of the instants at which each is counted: those that
/// were sent by the end of a span and can be counted in it.
fn worst_of_all(calls: &[Call], window: Window) -> usize {
    let span = micros(window.span);
    let held = |end: i64| calls.iter().filter(|call| call.sent.0 <= end && call.by.0 + span > end).count();
    calls.iter().map(|call| held(call.sent.0)).max().unwrap_or(0)
}

fn quota() -> impl Strategy<Value = Quota> {
    let window = (1_u32..40, prop::sample::select(vec![100_u64, 1_000, 5_000, 60_000]));
    prop::collection::vec(window, 1..4).prop_map(|windows| {
        let mut windows: Vec<Window> =
            windows.into_iter().map(|(limit, ms)| Window { limit, span: Duration::from_millis(ms) }).collect();
        windows.sort_by_key(|window| window.span);
        windows.dedup_by_key(|window| window.span);
        Quota::of(windows)
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        30 => (0_u32..400_000).prop_map(Fate::Replied),
        2 => (0_u32..3_000_000).prop_map(Fate::Replied),
        2 => Just(Fate::Lost),
        1 => (0_u32..400_000).prop_map(Fate::NeverLeft),
    ]
}

/// Up to three lanes over up to three keys, each lane under some of them, in any order.
fn plan(quota: impl Strategy<Value = Quota> + 'static, jobs: usize) -> impl Strategy<Value = Plan> {
    let quota = quota.boxed();
    let lane = prop::sample::subsequence(vec![0_usize, 1, 2], 1..=3).prop_shuffle();
    let gap = prop_oneof![3 => Just(0), 1 => 0_u32..2_000_000];
    let job = (gap, 0_usize..3, fate()).prop_map(|(gap_us, lane, fate)| Job { gap_us, lane, fate });
    let turn = prop_oneof![
        (0_u32..5_000_000).prop_map(Turn::Death),
        (0_usize..3, quota.clone()).prop_map(|(key, quota)| Turn::Change(key, quota)),
        (0_usize..3, quota.clone()).prop_map(|(key, quota)| Turn::Restart(key, quota)),
    ];
    (
        prop::collection::vec(quota, 3),
        prop::collection::vec(lane, 1..=3),
        prop::collection::vec(job, 1..jobs),
        prop::collection::vec((1..jobs, turn), 0..4),
    )
        .prop_map(|(quotas, lanes, jobs, turns)| Plan { quotas, lanes, jobs, turns })
}

fn key(name: &str) -> String {
    name.to_owned()
}

/// Sends `delays.len()` calls as early as the table allows; a delay of `None` is a lost reply.
fn send_all(table: &mut QuotaTable<String>, keys: &[KeyId], delays: &[Option<u32>]) -> Vec<Call> {
    let deadline = Duration::from_secs(3);
    let mut now = Mono(0);
    let mut calls = Vec::new();
    let mut in_flight: Vec<(Mono, Mono)> = Vec::new();
    let mut delays = delays.iter();
    let mut next = delays.next();
    while let Some(delay) = next {
        in_flight.sort_unstable();
        match table.take(keys, Class::LOWEST, now) {
            Ok(_) => {
                let by = now + delay.map_or(deadline, |micros| Duration::from_micros(micros.into()));
                calls.push(Call { sent: now, by });
                in_flight.push((by, by));
                next = delays.next();
            }
            Err(Blocked { until, window, .. }) => {
                if let Some(until) = until {
                    assert!(until > now, "a promised instant lies ahead");
                    let just_before = Mono(until.0 - 1);
                    let is_undisturbed = in_flight.first().is_none_or(|(end, _)| *end > until);
                    if window.is_some() && is_undisturbed {
                        assert!(table.check(keys, Class::LOWEST, just_before).is_err(), "denied just before");
                        assert!(table.check(keys, Class::LOWEST, until).is_ok(), "free at the promised instant");
                    }
                }
                let reply = in_flight.first().map(|(end, _)| *end);
                let at = match (until, reply) {
                    (Some(until), Some(reply)) => until.min(reply),
                    (Some(at), None) | (None, Some(at)) => at,
                    (None, None) => panic!("blocked for ever"),
                };
                now = now.max(at);
                while in_flight.first().is_some_and(|(end, _)| *end <= now) {
                    let (_, by) = in_flight.remove(0);
                    table.give_back(keys, Class::LOWEST, Some(by));
                }
            }
        }
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_over_in_any_window_wherever_the_platform_counts(
        one in quota(),
        other in quota(),
        delays in prop::collection::vec(prop::option::weighted(0.95, 0_u32..400_000), 1..150),
        shares in prop::collection::vec(0.0_f64..=1.0, 150),
    ) {
        let mut table = QuotaTable::default();
        let keys = [table.key(&key("one"), &one), table.key(&key("other"), &other)];
        let calls = send_all(&mut table, &keys, &delays);
        prop_assert_eq!(calls.len(), delays.len());
        for window in one.windows().iter().chain(other.windows()) {
            let limit = window.limit as usize;
            prop_assert!(worst(&calls, *window, |_| 0.0) <= limit);
            prop_assert!(worst(&calls, *window, |_| 1.0) <= limit);
            prop_assert!(worst(&calls, *window, |n| shares[n]) <= limit);
            prop_assert!(worst(&calls, *window, |n| f64::from(u8::from(n % 2 == 0))) <= limit);
            prop_assert!(worst_of_all(&calls, *window) <= limit);
        }
    }

    #[test]
    fn whatever_happens_no_window_is_ever_over(plan in plan(quota(), 120)) {
        let calls = play(&plan);
        prop_assert_eq!(calls.len(), plan.jobs.len());
        prop_assert_eq!(find_breach(&calls), None);
    }

    #[test]
    fn without_delay_it_is_as_fast_as_the_windows_allow(quota in quota(), jobs in 1_usize..200) {
        let mut table = QuotaTable::default();
        let keys = [table.key(&key("one"), &quota)];
        let calls = send_all(&mut table, &keys, &vec![Some(0); jobs]);
        // Brute force: each call at the first instant at which no window is full.
        let mut best: Vec<i64> = Vec::new();
        for n in 0..jobs {
            let earliest = quota.windows().iter().filter_map(|window| {
                let oldest = n.checked_sub(window.limit as usize)?;
                Some(best[oldest] + window.span.as_micros() as i64)
            });
            best.push(earliest.chain(best.last().copied()).max().unwrap_or(0));
        }
        // What smoothing may add: one window's worth at twice the average of the shortest one, and a microsecond a window.
        let shortest = quota.windows()[0];
        let smoothing = (f64::from(shortest.limit) / 50.0).min(shortest.span.as_secs_f64() / 2.0);
        let end = calls.last().unwrap().sent.0 as f64 / 1e6;
        let bound = *best.last().unwrap() as f64 / 1e6 + smoothing * quota.windows().len() as f64 + jobs as f64 * 4e-6;
        prop_assert!(end <= bound, "{end} s against {bound} s");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_long_window_in_cells_is_never_over_either(
        long in 1_001_u32..1_500,
        short in 100_u32..400,
        delays in prop::collection::vec(prop::option::weighted(0.98, 0_u32..400_000), 3_000),
    ) {
        let windows = [(short, 100), (long, 5_000)].map(|(limit, ms)| Window { limit, span: Duration::from_millis(ms) });
        let mut table = QuotaTable::default();
        let keys = [table.key(&key("one"), &Quota::of(windows))];
        let calls = send_all(&mut table, &keys, &delays);
        for window in windows {
            prop_assert!(worst_of_all(&calls, window) <= window.limit as usize);
        }
    }
}
