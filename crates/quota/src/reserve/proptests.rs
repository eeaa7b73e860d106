//! The table with reserves against brute force: who may send is exactly whom the stated rules let send, at every instant
//! that is looked at; and what was sent keeps every limit wherever the platform counts.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Blocked, KeyId, Quota, QuotaTable, Window};
use super::*;

/// What waits, low to high: each class has a lane of its own.
const PRIORITIES: [u8; 3] = [4, 6, 9];

#[derive(Clone, Copy, Debug)]
struct Call {
    sent: Mono,
    /// When its reply came; `None` while it is in flight.
    by: Option<Mono>,
    class: usize,
}

/// A share of all windows for priorities 5 and 8, one of them perhaps 0.
fn shares() -> impl Strategy<Value = [f64; 2]> {
    let share = || prop::sample::select(vec![0.0, 0.05, 0.2, 0.34, 0.45]);
    [share(), share()]
}

fn quota() -> impl Strategy<Value = Quota> {
    let window = (1_u32..30, prop::sample::select(vec![100_u64, 1_000, 5_000]));
    prop::collection::vec(window, 1..3).prop_map(|windows| {
        let windows = windows.into_iter().map(|(limit, ms)| Window { limit, span: Duration::from_millis(ms) });
        let mut windows: Vec<Window> = windows.collect();
        windows.sort_by_key(|window| window.span);
        windows.dedup_by_key(|window| window.span);
        Quota::of(windows)
    })
}

struct World {
    table: QuotaTable<String>,
    keys: [KeyId; 1],
    quota: Quota,
    shares: [f64; 2],
    classes: [Class; 3],
    now: Mono,
    calls: Vec<Call>,
    /// When the replies of calls in flight come, and whose they are.
    replies: Vec<(Mono, usize)>,
    waiting: [usize; 3],
    /// When the last job of each class left off waiting.
    until: [Option<Mono>; 3],
    /// Since when a share has been in force without a break, by threshold and window.
    since: Vec<Option<Mono>>,
    /// Spans in which one was: threshold, window, from and to.
    forced: Vec<(usize, Window, Mono, Mono)>,
}

impl World {
    fn new(quota: Quota, shares: [f64; 2]) -> Self {
        let reserve = Reserve::NONE.keep(5, shares[0]).keep(8, shares[1]);
        let mut table = QuotaTable::new(reserve);
        let key = "a".to_owned();
        let keys = [table.key(&key, &quota)];
        let since = vec![None; 2 * quota.windows().len()];
        let classes = PRIORITIES.map(|priority| reserve.class_of(priority));
        let (now, calls, replies, forced) = (Mono(0), Vec::new(), Vec::new(), Vec::new());
        Self {
            table,
            keys,
            quota,
            shares,
            classes,
            now,
            calls,
            replies,
            waiting: [0; 3],
            until: [None; 3],
            since,
            forced,
        }
    }

    fn left(&self, threshold: usize, window: Window) -> u32 {
        let kept = (f64::from(window.limit) * self.shares[threshold] - 1e-9).ceil() as u32;
        window.limit.saturating_sub(kept).max(1)
    }

    fn is_forced(&self, threshold: usize, window: Window, now: Mono) -> bool {
        self.shares[threshold] > 0.0
            && (threshold + 1..3).any(|class| {
                self.waiting[class] > 0 || self.until[class].is_some_and(|until| now < until + window.span)
            })
    }

    /// Whether the rules let a call of a class leave at `at`, if no reply comes and no job until then.
    fn may(&self, class: usize, at: Mono) -> bool {
        let busy = |window: Window, below: usize| {
            let counts = |call: &&Call| {
                call.class < below && call.by.is_none_or(|by| by + window.span + Duration::from_micros(1) > at)
            };
            self.calls.iter().filter(counts).count() as u32
        };
        self.quota.windows().iter().all(|&window| {
            let is_kept = |threshold: usize| {
                class <= threshold
                    && self.is_forced(threshold, window, at)
                    && busy(window, threshold + 1) >= self.left(threshold, window)
            };
            busy(window, 3) < window.limit && !is_kept(0) && !is_kept(1)
        })
    }

    fn arrive(&mut self, class: usize) {
        self.waiting[class] += 1;
        if self.waiting[class] == 1 {
            self.table.raise_demand(&self.keys, Class::LOWEST, self.classes[class]);
        }
    }

    fn send(&mut self, class: usize, delay: Duration) {
        self.replies.push((self.now + delay, self.calls.len()));
        self.replies.sort_unstable();
        self.calls.push(Call { sent: self.now, by: None, class });
        self.waiting[class] -= 1;
        if self.waiting[class] == 0 {
            self.until[class] = Some(self.now);
            self.table.lower_demand(&self.keys, self.classes[class], Class::LOWEST, self.now);
        }
    }

    fn go_to(&mut self, now: Mono) {
        self.now = now;
        while self.replies.first().is_some_and(|(at, _)| *at <= now) {
            let (at, call) = self.replies.remove(0);
            self.calls[call].by = Some(at);
            self.table.give_back(&self.keys, self.classes[self.calls[call].class], Some(at));
        }
        self.note_forced();
    }

    fn note_forced(&mut self) {
        for (index, &window) in self.quota.windows().iter().enumerate() {
            for threshold in 0..2 {
                let is_forced = self.is_forced(threshold, window, self.now);
                let since = &mut self.since[2 * index + threshold];
                match (*since, is_forced) {
                    (None, true) => *since = Some(self.now),
                    (Some(from), false) => {
                        self.forced.push((threshold, window, from, self.now));
                        *since = None;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Compares the table with the rules, and its promise with both; sends if it may.
    fn try_one(&mut self, class: usize, delay: Duration) -> Result<Result<(), Option<Mono>>, TestCaseError> {
        let checked = self.table.check(&self.keys, self.classes[class], self.now);
        prop_assert_eq!(checked.is_ok(), self.may(class, self.now), "class {} at {:?}", class, self.now);
        prop_assert_eq!(checked.is_ok(), self.table.free(self.keys[0], self.classes[class], self.now) > 0);
        if let Err(Blocked { until: Some(until), .. }) = checked {
            prop_assert!(until > self.now, "a promised instant lies ahead");
            prop_assert!(!self.may(class, Mono(until.0 - 1)), "denied just before");
            prop_assert!(self.may(class, until), "free at the promised instant");
        }
        let taken = self.table.take(&self.keys, self.classes[class], self.now);
        if taken.is_ok() {
            self.send(class, delay);
        }
        Ok(taken.map(drop).map_err(|blocked| blocked.until))
    }
}

/// The most of these calls in any span of a window, each counted at the given share of its way.
fn worst(calls: &[Call], window: Window, share: f64) -> usize {
    let counted_at = |call: &Call| call.sent.0 + ((call.by.unwrap().0 - call.sent.0) as f64 * share) as i64;
    let mut counted: Vec<i64> = calls.iter().map(counted_at).collect();
    counted.sort_unstable();
    let span = window.span.as_micros() as i64;
    let within = |first: usize| counted[first..].iter().take_while(|at| **at < counted[first] + span).count();
    (0..counted.len()).map(within).max().unwrap_or(0)
}

/// Works everything off as early as the table allows; jobs come at their times, with the delays of their calls.
fn work(world: &mut World, mut jobs: Vec<(Mono, usize, u32)>) -> Result<(), TestCaseError> {
    jobs.sort_by_key(|job| Reverse(job.0));
    let mut delays: [VecDeque<Duration>; 3] = Default::default();
    loop {
        while jobs.last().is_some_and(|(at, ..)| *at <= world.now) {
            let Some((_, class, delay)) = jobs.pop() else { break };
            world.arrive(class);
            delays[class].push_back(Duration::from_micros(delay.into()));
        }
        world.note_forced();
        let mut next: Vec<Mono> = jobs.last().map(|job| job.0).into_iter().collect();
        for class in (0..3).rev() {
            while let Some(&delay) = delays[class].front() {
                if let Err(until) = world.try_one(class, delay)? {
                    next.extend(until);
                    break;
                }
                delays[class].pop_front();
            }
        }
        next.extend(world.replies.first().map(|(at, _)| *at));
        let Some(at) = next.into_iter().min() else { return Ok(()) };
        world.go_to(at.max(world.now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_may_send_is_whom_the_rules_let_send(
        quota in quota(),
        shares in shares(),
        low in prop::collection::vec(0_u32..200_000, 0..120),
        others in prop::collection::vec((0_i64..12_000_000, 1_usize..3, 0_u32..200_000), 0..60),
    ) {
        let mut world = World::new(quota, shares);
        let low = low.into_iter().map(|delay| (Mono(0), 0, delay));
        let jobs: Vec<_> = low.chain(others.into_iter().map(|(at, class, delay)| (Mono(at), class, delay))).collect();
        let count = jobs.len();
        work(&mut world, jobs)?;
        prop_assert_eq!(world.calls.len(), count, "nothing waits for ever");
        for &window in world.quota.windows() {
            for share in [0.0, 0.3, 1.0] {
                prop_assert!(worst(&world.calls, window, share) <= window.limit as usize);
            }
        }
        for &(threshold, window, from, to) in &world.forced {
            let held = |call: &&Call| call.class <= threshold && call.sent >= from && call.sent < to;
            let held: Vec<Call> = world.calls.iter().filter(held).copied().collect();
            for share in [0.0, 0.3, 1.0] {
                prop_assert!(worst(&held, window, share) <= world.left(threshold, window) as usize);
            }
        }
    }

    #[test]
    fn with_no_such_job_coming_nothing_is_lost(
        quota in quota(),
        shares in shares(),
        delays in prop::collection::vec(0_u32..200_000, 1..150),
    ) {
        let sent = |shares| {
            let mut world = World::new(quota.clone(), shares);
            work(&mut world, delays.iter().map(|delay| (Mono(0), 0, *delay)).collect())?;
            Ok::<_, TestCaseError>(world.calls.iter().map(|call| call.sent).collect::<Vec<_>>())
        };
        prop_assert_eq!(sent(shares)?, sent([0.0, 0.0])?);
    }
}
