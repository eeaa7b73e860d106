//! A worker's life around the table, as arbitrary as proptest makes it: several lanes with keys of different scopes,
//! jobs that come when they like, replies that take their time or never come, calls that never left, processes that die
//! with calls in flight, and quotas that change.
//!
//! The truth is kept beside the table: when each call left and until when the platform can have counted it.

use std::collections::VecDeque;

use crate::time::{Mono, micros};
use crate::{Blocked, Class, KeyId, Quota, QuotaTable};

/// A call is over after this, whatever happens; and a lost one may be counted for so much longer.
const DEADLINE_US: i64 = 3_000_000;
const GRACE_US: i64 = 500_000;

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// A reply after so many microseconds.
    Replied(u32),
    /// None: given up on at the deadline.
    Lost,
    /// It surely never left, which is known after so many microseconds.
    NeverLeft(u32),
}

/// A job: how long after the one before it comes, whose it is, and how its call will end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub gap_us: u32,
    pub lane: usize,
    pub fate: Fate,
}

/// What happens after so many grants.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// The process dies, and the next one starts so many microseconds later.
    Death(u32),
    /// A key's quota is another from now on, in the running process.
    Change(usize, Quota),
    /// Both at once: the settings were changed, and the process started again.
    Restart(usize, Quota),
}

/// Everything that is decided beforehand.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub quotas: Vec<Quota>,
    /// Each lane's keys, the main one first.
    pub lanes: Vec<Vec<usize>>,
    pub jobs: Vec<Job>,
    pub turns: Vec<(usize, Turn)>,
}

/// A granted call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Instants of the world, which outlives every process.
    pub sent: i64,
    /// The last instant at which it can be counted.
    pub by: i64,
    pub left: bool,
    /// Whether the ledger knows of it: not once it surely never left.
    recorded: bool,
    /// Its keys, each with the quota that held when it was granted.
    pub keys: Vec<(usize, Quota)>,
}

struct Flight {
    ends: i64,
    call: usize,
    counted_by: Option<i64>,
}

/// Why a lane cannot go on: until when, if no reply comes before.
struct Stop {
    lane: usize,
    until: Option<i64>,
    by_window: bool,
}

struct World<'a> {
    plan: &'a Plan,
    quotas: Vec<Quota>,
    table: QuotaTable<String>,
    ids: Vec<KeyId>,
    /// When this process's clock said zero.
    zero: i64,
    now: i64,
    flying: Vec<Flight>,
    waiting: Vec<VecDeque<Fate>>,
    calls: Vec<Call>,
}

/// Plays the plan; the calls in the order of their grants.
pub(super) fn play(plan: &Plan) -> Vec<Call> {
    let mut world = World {
        plan,
        quotas: plan.quotas.clone(),
        table: QuotaTable::default(),
        ids: Vec::new(),
        zero: 0,
        now: 0,
        flying: Vec::new(),
        waiting: vec![VecDeque::new(); plan.lanes.len()],
        calls: Vec::new(),
    };
    world.start();
    world.run();
    world.calls
}

fn key(number: usize) -> String {
    format!("owner {number}")
}

impl World<'_> {
    fn mono(&self, at: i64) -> Mono {
        Mono(at - self.zero)
    }

    /// A process starts: windows are rebuilt from what the ledger recorded of each call.
    fn start(&mut self) {
        self.zero = self.now;
        self.table = QuotaTable::default();
        self.ids = self.quotas.iter().enumerate().map(|(number, quota)| self.table.key(&key(number), quota)).collect();
        for call in self.calls.iter().filter(|call| call.recorded) {
            let keys: Vec<_> = call.keys.iter().map(|(key, _)| self.ids[*key]).collect();
            self.table.restore(&keys, Mono(call.by - self.zero));
        }
    }

    fn die(&mut self, downtime_us: u32) {
        for flight in self.flying.drain(..) {
            // The ledger knows that the call was about to leave, and nothing else.
            self.calls[flight.call].by = self.calls[flight.call].sent + DEADLINE_US + GRACE_US;
        }
        self.now += i64::from(downtime_us);
        self.start();
    }

    /// What the new windows do not know, the ledger tells: every call that is over.
    fn change(&mut self, number: usize, quota: &Quota) {
        self.quotas[number] = quota.clone();
        let (id, gap) = self.table.revise(&key(number), quota, self.mono(self.now));
        assert_eq!(id, self.ids[number]);
        let Some(gap) = gap else { return };
        for (at, call) in self.calls.iter().enumerate().filter(|(_, call)| call.recorded) {
            let is_over = self.flying.iter().all(|flight| flight.call != at);
            if is_over && call.keys.iter().any(|(key, _)| *key == number) {
                self.table.recall(&gap, self.mono(call.by), self.mono(call.by));
            }
        }
    }

    fn turn(&mut self) {
        let plan = self.plan;
        let grants = self.calls.len();
        for (_, turn) in plan.turns.iter().filter(|(at, _)| *at == grants) {
            match turn {
                Turn::Death(downtime_us) => self.die(*downtime_us),
                Turn::Change(number, quota) => self.change(number % self.quotas.len(), quota),
                Turn::Restart(number, quota) => {
                    let number = number % self.quotas.len();
                    self.quotas[number] = quota.clone();
                    self.die(0);
                }
            }
        }
    }

    fn run(&mut self) {
        let plan = self.plan;
        let mut arrivals = plan
            .jobs
            .iter()
            .scan(0, |at, job| {
                *at += i64::from(job.gap_us);
                Some((*at, job))
            })
            .peekable();
        let mut promised = None;
        loop {
            self.land();
            while let Some((_, job)) = arrivals.next_if(|(at, _)| *at <= self.now) {
                self.waiting[job.lane % plan.lanes.len()].push_back(job.fate);
            }
            let stops = self.grant(promised.take());
            let other = self.flying.iter().map(|flight| flight.ends).chain(arrivals.peek().map(|(at, _)| *at)).min();
            let own = stops.iter().filter_map(|stop| Some((stop.until?, stop))).min_by_key(|(until, _)| *until);
            if let Some((until, stop)) = own
                && stop.by_window
                && other.is_none_or(|other| other > until)
            {
                self.look_at_the_promise(stop.lane, until);
                promised = Some(stop.lane);
            }
            match own.map(|(until, _)| until).into_iter().chain(other).min() {
                Some(next) => self.now = next.max(self.now),
                None => break,
            }
        }
        assert!(self.waiting.iter().all(VecDeque::is_empty), "blocked for ever");
    }

    /// Ends the calls whose time has come.
    fn land(&mut self) {
        self.flying.sort_by_key(|flight| flight.ends);
        while self.flying.first().is_some_and(|flight| flight.ends <= self.now) {
            let flight = self.flying.remove(0);
            let keys = self.keys_of(&self.calls[flight.call]);
            let counted_by = flight.counted_by.map(|at| self.mono(at));
            self.calls[flight.call].recorded = counted_by.is_some();
            self.table.give_back(&keys, Class::LOWEST, counted_by);
        }
    }

    fn keys_of(&self, call: &Call) -> Vec<KeyId> {
        call.keys.iter().map(|(key, _)| self.ids[*key]).collect()
    }

    /// Grants what can be granted now, the lane with the promise first; why the others cannot go on.
    fn grant(&mut self, mut promised: Option<usize>) -> Vec<Stop> {
        let lanes = self.plan.lanes.len();
        loop {
            let (mut stops, before) = (Vec::new(), self.calls.len());
            for lane in (0..lanes).map(|turn| (promised.unwrap_or(0) + turn) % lanes) {
                stops.extend(self.grant_to(lane, promised == Some(lane)));
            }
            // One lane's grant moves the instants of the others.
            if self.calls.len() == before {
                return stops;
            }
            promised = None;
        }
    }

    fn grant_to(&mut self, lane: usize, mut owed: bool) -> Option<Stop> {
        while let Some(&fate) = self.waiting[lane].front() {
            match self.table.take(&self.keys(lane), Class::LOWEST, self.mono(self.now)) {
                Ok(_) => {
                    self.waiting[lane].pop_front();
                    self.send(lane, fate);
                    owed = false;
                    self.turn();
                }
                Err(Blocked { until, window, .. }) => {
                    assert!(!owed || window.is_none(), "not granted at the promised instant: {window:?}");
                    let until = until.map(|until| until.0 + self.zero);
                    assert!(until.is_none_or(|until| until > self.now), "promised for the past");
                    return Some(Stop { lane, until, by_window: window.is_some() });
                }
            }
        }
        None
    }

    fn keys(&self, lane: usize) -> Vec<KeyId> {
        self.plan.lanes[lane].iter().map(|key| self.ids[*key]).collect()
    }

    /// Nothing happens until then: a microsecond before it is refused still.
    fn look_at_the_promise(&mut self, lane: usize, until: i64) {
        let keys = self.keys(lane);
        assert!(
            self.table.check(&keys, Class::LOWEST, self.mono(until - 1)).is_err(),
            "free before the promised instant"
        );
        assert!(self.table.check(&keys, Class::LOWEST, self.mono(until)).is_ok(), "not free at the promised instant");
    }

    fn send(&mut self, lane: usize, fate: Fate) {
        let sent = self.now;
        let (ends, counted_by) = match fate {
            Fate::Replied(delay_us) => (sent + i64::from(delay_us), Some(sent + i64::from(delay_us))),
            Fate::Lost => (sent + DEADLINE_US, Some(sent + DEADLINE_US + GRACE_US)),
            Fate::NeverLeft(delay_us) => (sent + i64::from(delay_us), None),
        };
        self.flying.push(Flight { ends, call: self.calls.len(), counted_by });
        let keys = self.plan.lanes[lane].clone();
        self.calls.push(Call {
            sent,
            by: counted_by.unwrap_or(ends),
            left: counted_by.is_some(),
            recorded: true,
            keys: keys.into_iter().map(|key| (key, self.quotas[key].clone())).collect(),
        });
    }
}

/// Looks at every call and every window of every key that it fell under: as many calls as could be counted in a span
/// that ends with this one's sending, whenever each was counted; and no more than the limit.
pub(super) fn find_breach(calls: &[Call]) -> Option<String> {
    for (n, call) in calls.iter().enumerate().filter(|(_, call)| call.left) {
        for (key, quota) in &call.keys {
            for window in quota.windows() {
                // A call sent by `sent` and counted at `at` is in `[t, t+W)` with this one if `at > sent - W`.
                let from = call.sent - micros(window.span);
                let others = calls[..=n]
                    .iter()
                    .filter(|other| other.left && other.by > from && other.keys.iter().any(|(other, _)| other == key));
                let count = others.count();
                if count > window.limit as usize {
                    return Some(format!("call {n} at {}: {count} of {window} of key {key}", call.sent));
                }
            }
        }
    }
    None
}
