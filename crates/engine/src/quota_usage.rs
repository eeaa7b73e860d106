//! How full windows are and when they have room again, told from recorded calls alone: for people, beside a worker.
//!
//! The worker's own count is [`paceline_domain::quota::QuotaTable`]; this one knows what the ledger knows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::planner::Planner;
use super::ports::PastCall;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Key, Quota, Window};
use paceline_domain::time::Timestamp;

/// One window, and the calls that may stand in it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUse {
    /// What the platform counts by.
    pub key: Key,
    /// The window.
    pub window: Window,
    /// Calls that may be counted in it.
    pub used: u64,
    /// Those of them without a reply, or none yet: each keeps its permit until it can surely not arrive any more, and one
    /// window longer.
    pub unanswered: u64,
    /// When it has room again: `None` if it has now. A call in flight counts as if its reply took until its deadline.
    pub next_free_at: Option<Timestamp>,
}

/// Recorded calls by quota key.
#[derive(Debug, Default)]
pub struct QuotaUsage {
    /// The latest instant at which each call can have been counted, ascending, and whether it has no reply.
    calls: HashMap<Key, Vec<(Timestamp, bool)>>,
    now: Timestamp,
}

impl QuotaUsage {
    /// Of these calls by lane; `grace` is what a call without a reply counts longer than its deadline.
    pub fn of(planner: &Planner, past: &BTreeMap<LaneKey, Vec<PastCall>>, grace: Duration, now: Timestamp) -> Self {
        let mut usage = Self { calls: HashMap::new(), now };
        for (lane, calls) in past {
            let Some(plan) = planner.plan(lane) else { continue };
            let end = |call: &PastCall| if call.open { call.counted_by + grace } else { call.counted_by };
            // Read a moment after `now`, the ledger knows of calls that took the permits of others which have left since.
            let left = calls.iter().filter(|call| call.sent_at <= now);
            let ends: Vec<_> = left.map(|call| (end(call), call.open)).collect();
            for (key, _) in plan.quotas {
                usage.calls.entry(key).or_default().extend_from_slice(&ends);
            }
        }
        for calls in usage.calls.values_mut() {
            calls.sort_unstable();
        }
        usage
    }

    /// How far back the calls of a lane have to be known for it.
    pub fn reach(planner: &Planner, lane: &LaneKey, grace: Duration) -> Duration {
        planner.span_of(lane) + grace
    }

    /// The windows of a key.
    pub fn windows(&self, key: &Key, quota: &Quota) -> Vec<WindowUse> {
        let none = Vec::new();
        let calls = self.calls.get(key).unwrap_or(&none);
        let window = |window: &Window| {
            // As the worker's table: a call without a reply counts until its deadline, the grace and the window are over.
            let is_counted = |(end, _): &&(Timestamp, bool)| *end + window.span > self.now;
            let counted: Vec<_> = calls.iter().filter(is_counted).collect();
            // So many have to leave before one more fits.
            let over = counted.len().checked_sub(window.limit as usize);
            let next = over.and_then(|over| counted.get(over)).map(|(end, _)| (*end + window.span).max(self.now));
            let unanswered = counted.iter().filter(|(_, open)| *open).count() as u64;
            WindowUse { key: key.clone(), window: *window, used: counted.len() as u64, unanswered, next_free_at: next }
        };
        quota.windows().iter().map(window).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::catalog::QuotaScope;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000_000)
    }

    fn usage(calls: &[(i64, bool)], now: i64) -> (Key, QuotaUsage) {
        let key = Key { scope: QuotaScope::App, owner: "a".to_owned(), method: "m".to_owned() };
        let mut calls: Vec<_> = calls.iter().map(|(end, open)| (at(*end), *open)).collect();
        calls.sort_unstable();
        let calls = HashMap::from([(key.clone(), calls)]);
        (key, QuotaUsage { calls, now: at(now) })
    }

    #[test]
    fn a_window_has_room_again_when_its_oldest_call_leaves_it() {
        let (key, usage) = usage(&[(0, false), (10, false), (50, false)], 60);
        let windows = usage.windows(&key, &"2/min, 5/h".parse().unwrap());
        let of =
            |limit| windows.iter().find(|it| it.window.limit == limit).map(|it| (it.used, it.next_free_at)).unwrap();
        assert_eq!(of(2), (2, Some(at(70))), "the call of second 0 is out at 60, half-open");
        assert_eq!(of(5), (3, None));
    }

    #[test]
    fn a_call_without_a_reply_keeps_its_permit_as_long_as_in_the_book_and_no_longer() {
        let (key, usage) = usage(&[(0, true), (10, true), (11, false)], 11);
        let windows = usage.windows(&key, &"5/s".parse().unwrap());
        assert_eq!((windows[0].used, windows[0].unanswered), (1, 0), "deadline, grace and window are over");
        let windows = usage.windows(&key, &"5/2s".parse().unwrap());
        assert_eq!((windows[0].used, windows[0].unanswered), (2, 1));
    }

    #[test]
    fn fewer_permits_than_calls_wait_for_more_of_them() {
        let (key, usage) = usage(&[(0, false), (10, false), (20, true)], 30);
        let windows = usage.windows(&key, &"1/min".parse().unwrap());
        assert_eq!((windows[0].used, windows[0].next_free_at), (3, Some(at(80))), "the quota was lowered meanwhile");
        let (key, usage) = self::usage(&[], 0);
        assert_eq!(usage.windows(&key, &"1/min".parse().unwrap())[0].next_free_at, None);
    }
}
