//! Properties of the book against a brute-force checker that knows nothing of it: whenever between sending and reply the
//! platform counts a request, no window is ever over its limit; and a permit comes at the promised instant, not before.

use std::time::Duration;

use proptest::prelude::*;

use super::{Blocked, Book, Key, KeyId, Quota, Window};
use crate::domain::catalog::QuotaScope;
use crate::domain::time::Mono;

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

fn key(name: &str) -> Key {
    Key { scope: QuotaScope::App, owner: name.to_owned(), method: "m".to_owned() }
}

/// Sends `delays.len()` calls as early as the book allows; a delay of `None` is a lost reply.
fn send_all(book: &mut Book, keys: &[KeyId], delays: &[Option<u32>]) -> Vec<Call> {
    let deadline = Duration::from_secs(3);
    let mut now = Mono(0);
    let mut calls = Vec::new();
    let mut in_flight: Vec<(Mono, Mono)> = Vec::new();
    let mut delays = delays.iter();
    let mut next = delays.next();
    while let Some(delay) = next {
        in_flight.sort_unstable();
        match book.take(keys, now) {
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
                        assert!(book.check(keys, just_before).is_err(), "denied just before");
                        assert!(book.check(keys, until).is_ok(), "free at the promised instant");
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
                    book.give_back(keys, Some(by));
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
        let mut book = Book::default();
        let keys = [book.key(&key("one"), &one), book.key(&key("other"), &other)];
        let calls = send_all(&mut book, &keys, &delays);
        prop_assert_eq!(calls.len(), delays.len());
        for window in one.windows().iter().chain(other.windows()) {
            let limit = window.limit as usize;
            prop_assert!(worst(&calls, *window, |_| 0.0) <= limit);
            prop_assert!(worst(&calls, *window, |_| 1.0) <= limit);
            prop_assert!(worst(&calls, *window, |n| shares[n]) <= limit);
            prop_assert!(worst(&calls, *window, |n| f64::from(u8::from(n % 2 == 0))) <= limit);
        }
    }

    #[test]
    fn a_restart_forgets_nothing(
        quota in quota(),
        before in prop::collection::vec(prop::option::weighted(0.9, 0_u32..400_000), 1..80),
        after in prop::collection::vec(Just(Some(0_u32)), 1..80),
    ) {
        let mut book = Book::default();
        let keys = [book.key(&key("one"), &quota)];
        let mut calls = send_all(&mut book, &keys, &before);
        let end = calls.last().map_or(Mono(0), |call| call.sent);
        // The next process begins where its own clock says zero.
        let mut book = Book::default();
        let keys = [book.key(&key("one"), &quota)];
        for call in &mut calls {
            *call = Call { sent: Mono(call.sent.0 - end.0), by: Mono(call.by.0 - end.0) };
            book.restore(&keys, call.by);
        }
        calls.extend(send_all(&mut book, &keys, &after));
        for window in quota.windows() {
            prop_assert!(worst(&calls, *window, |_| 0.0) <= window.limit as usize);
            prop_assert!(worst(&calls, *window, |_| 1.0) <= window.limit as usize);
        }
    }

    #[test]
    fn without_delay_it_is_as_fast_as_the_windows_allow(quota in quota(), jobs in 1_usize..200) {
        let mut book = Book::default();
        let keys = [book.key(&key("one"), &quota)];
        let calls = send_all(&mut book, &keys, &vec![Some(0); jobs]);
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
