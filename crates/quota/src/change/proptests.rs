//! Properties of a table whose quota changes: from each change on, no window of the quota that holds then is ever over
//! its limit, calls before the change counted; and the table knows as much as one that was told every call anew.

use std::time::Duration;

use proptest::prelude::*;

use crate::time::Mono;
use crate::{Class, Gap, KeyId, Quota, QuotaTable, Window};

/// The longest that a call without a reply may still be counted.
const DEADLINE: Duration = Duration::from_secs(3);

/// One request as the platform may see it.
#[derive(Clone, Copy, Debug)]
struct Call {
    sent: Mono,
    /// The last instant at which it can be counted.
    by: Mono,
    /// Which quota held when it was granted.
    under: usize,
}

/// What was sent, and the table at the end.
struct Driven {
    table: QuotaTable<String>,
    key: KeyId,
    calls: Vec<Call>,
    now: Mono,
}

fn name() -> String {
    "one".to_owned()
}

/// Windows around each other's lengths, so that changes make them shorter and longer, fewer and more; some so wide that
/// they are kept in coarse cells.
fn quota() -> impl Strategy<Value = Quota> {
    let limit = prop_oneof![9 => 1_u32..30, 1 => Just(1_001_u32)];
    let window = (limit, prop::sample::select(vec![100_u64, 1_000, 3_000, 10_000, 60_000]));
    prop::collection::vec(window, 1..4).prop_map(|windows| {
        let mut windows: Vec<Window> =
            windows.into_iter().map(|(limit, ms)| Window { limit, span: Duration::from_millis(ms) }).collect();
        windows.sort_by_key(|window| window.span);
        windows.dedup_by_key(|window| window.span);
        Quota::of(windows)
    })
}

/// Quotas one after the other, each in force for so many milliseconds.
fn quotas() -> impl Strategy<Value = Vec<(Quota, u32)>> {
    prop::collection::vec((quota(), 0_u32..20_000), 2..6)
}

/// Tells a key the calls that its old windows have forgotten, as a ledger that knows them all would.
fn recall(table: &mut QuotaTable<String>, gap: &Gap, calls: &[Call], in_flight: &[Mono]) {
    for call in calls {
        let is_open = in_flight.contains(&call.by);
        table.recall(gap, if is_open { call.sent } else { call.by }, call.by);
    }
}

/// Sends `delays.len()` calls as early as the table allows, while the quotas change; a delay of `None` is a lost reply.
fn drive(quotas: &[(Quota, u32)], delays: &[Option<u32>]) -> Driven {
    let mut table = QuotaTable::default();
    let (key, _) = table.revise(&name(), &quotas[0].0, Mono(0));
    let (mut under, mut now, mut calls) = (0, Mono(0), Vec::new());
    let mut change_at = now + Duration::from_millis(quotas[0].1.into());
    let mut in_flight: Vec<Mono> = Vec::new();
    while calls.len() < delays.len() {
        while in_flight.first().is_some_and(|by| *by <= now) {
            table.give_back(&[key], Class::LOWEST, Some(in_flight.remove(0)));
        }
        while under + 1 < quotas.len() && change_at <= now {
            under += 1;
            let (_, gap) = table.revise(&name(), &quotas[under].0, now);
            if let Some(gap) = gap {
                recall(&mut table, &gap, &calls, &in_flight);
            }
            change_at = now + Duration::from_millis(quotas[under].1.into());
        }
        match table.take(&[key], Class::LOWEST, now) {
            Ok(_) => {
                let delay = delays[calls.len()];
                let by = now + delay.map_or(DEADLINE, |micros| Duration::from_micros(micros.into()));
                calls.push(Call { sent: now, by, under });
                in_flight.push(by);
                in_flight.sort_unstable();
            }
            Err(blocked) => {
                let change = (under + 1 < quotas.len()).then_some(change_at);
                let next = blocked.until.into_iter().chain(in_flight.first().copied()).chain(change).min();
                let next = next.expect("blocked for ever");
                assert!(next > now, "a promised instant lies ahead");
                now = next;
            }
        }
    }
    Driven { table, key, calls, now }
}

/// The worst of all spans that hold this call and otherwise only calls granted before it: was there room for it?
fn largest_with(counted: &[i64], last: usize, window: Window) -> usize {
    let span = window.span.as_micros() as i64;
    let near: Vec<i64> = counted[..=last].iter().copied().filter(|at| (at - counted[last]).abs() < span).collect();
    let starts = near.iter().filter(|start| **start <= counted[last]);
    starts.map(|start| near.iter().filter(|at| (*start..start + span).contains(*at)).count()).max().unwrap_or(0)
}

fn check(calls: &[Call], quotas: &[(Quota, u32)], share: impl Fn(usize) -> f64) -> Result<(), TestCaseError> {
    let at = |(n, call): (usize, &Call)| call.sent.0 + ((call.by.0 - call.sent.0) as f64 * share(n)) as i64;
    let counted: Vec<i64> = calls.iter().enumerate().map(at).collect();
    for (n, call) in calls.iter().enumerate() {
        for window in quotas[call.under].0.windows() {
            let largest = largest_with(&counted, n, *window);
            prop_assert!(largest <= window.limit as usize, "call {n} at {:?}: {largest} of {window}", call.sent);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_each_change_on_no_window_is_over(
        quotas in quotas(),
        delays in prop::collection::vec(prop::option::weighted(0.95, 0_u32..2_500_000), 1..120),
        shares in prop::collection::vec(0.0_f64..=1.0, 120),
    ) {
        let calls = drive(&quotas, &delays).calls;
        check(&calls, &quotas, |_| 0.0)?;
        check(&calls, &quotas, |_| 1.0)?;
        check(&calls, &quotas, |n| shares[n])?;
        check(&calls, &quotas, |n| f64::from(u8::from(n % 2 == 0)))?;
    }

    #[test]
    fn a_change_costs_nothing_that_a_restart_would_not(quotas in quotas(), jobs in 1_usize..120) {
        let Driven { mut table, key, calls, now } = drive(&quotas, &vec![Some(0); jobs]);
        let last = &quotas[calls.last().unwrap().under].0;
        let mut anew = QuotaTable::default();
        let (fresh, _) = anew.revise(&name(), last, now);
        for call in &calls {
            anew.restore(&[fresh], call.by);
        }
        // Only the last call has not been answered yet.
        table.give_back(&[key], Class::LOWEST, Some(now));
        for ms in [0, 50, 500, 2_000, 5_000, 30_000] {
            let at = now + Duration::from_millis(ms);
            let (inherited, told) = (table.usage_of(key, at).windows, anew.usage_of(fresh, at).windows);
            for ((window, inherited), (_, told)) in inherited.into_iter().zip(told) {
                let is_exact = quotas.iter().flat_map(|(quota, _)| quota.windows()).all(|it| it.limit <= 1_000);
                prop_assert!(inherited >= told, "{window}: {inherited} known, {told} told");
                prop_assert!(!is_exact || inherited == told, "{window}: {inherited} known, {told} told");
            }
        }
    }
}
