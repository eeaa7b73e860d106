//! One lane: its jobs, its slots, and the calls that the worker itself makes of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::backlog::{Backlog, Postponed, Queued};
use super::deaths::{AlwaysFails, Deaths};
use super::membership::Whose;
use super::outages::Outage;
use super::ticket::{GateId, Ticket};
use crate::app::OnUncertain;
use crate::planner::LanePlan;
use crate::ports::{Settlement, Waiting};
use paceline_domain::catalog::Creation;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Breaker, Class, Concurrency, KeyId, QuotaTable, Reserve};
use paceline_domain::time::{Mono, Timestamp};

/// Calls at once of a lane that nobody can look up, to begin with.
const CAREFUL: u32 = 4;

/// How a lane has done since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs ended well.
    pub succeeded: u64,
    /// Jobs ended without success.
    pub dead: u64,
    /// Jobs parked for a person.
    pub held: u64,
    /// Refusals for pace.
    pub throttled: u64,
    /// Calls sent.
    pub sent: u64,
}

/// The FIFO of one (app, tenant, method), and the calls that the worker itself makes of it.
pub(super) struct Lane {
    pub key: Arc<LaneKey>,
    pub plan: Arc<LanePlan>,
    pub keys: Keys,
    /// Of its app.
    pub gate: GateId,
    /// Whether the settings or the catalog have lost its app or method.
    pub is_gone: bool,
    /// Whose it is, where several processes work the ledger.
    pub whose: Whose,
    pub concurrency: Concurrency,
    /// Open while its calls fail one after the other.
    pub breaker: Breaker,
    /// Slots taken by jobs.
    pub in_flight: u32,
    /// Jobs that are being verified.
    pub verifying: usize,
    pub suspended: bool,
    /// The class of its next job, as the table knows it.
    noted_class: Class,
    pub tally: Tally,
    pub deaths: Deaths,
    /// Gateways' errors that its jobs meet.
    pub outage: Outage,
    /// Since when its next job waits for permits and a slot.
    pub asks_since: Option<Mono>,
    pub backlog: Backlog,
    calls: VecDeque<oneshot::Sender<Ticket>>,
    uncertain: Postponed,
}

/// A lane's quota keys, and those that it had while permits of them are still out.
pub(super) struct Keys {
    now: Arc<[KeyId]>,
    /// How often they became others.
    generation: u32,
    /// Permits out under the keys of now.
    out: u32,
    former: Vec<Former>,
}

/// Keys that a lane had, with the permits that are still out under them.
struct Former {
    generation: u32,
    keys: Arc<[KeyId]>,
    out: u32,
}

impl Keys {
    fn new(keys: Arc<[KeyId]>) -> Self {
        Self { now: keys, generation: 0, out: 0, former: Vec::new() }
    }

    /// Those of now.
    pub(super) fn shared(&self) -> Arc<[KeyId]> {
        Arc::clone(&self.now)
    }

    /// A permit of them goes out; says under which generation it comes back.
    pub(super) const fn give_out(&mut self) -> u32 {
        self.out += 1;
        self.generation
    }

    /// A permit of this generation comes back; says to which keys.
    pub(super) fn take_back(&mut self, generation: u32) -> Arc<[KeyId]> {
        let Some(at) = self.former.iter().position(|former| former.generation == generation) else {
            self.out = self.out.saturating_sub(1);
            return self.shared();
        };
        self.former[at].out -= 1;
        if self.former[at].out == 0 { self.former.swap_remove(at).keys } else { Arc::clone(&self.former[at].keys) }
    }

    fn change(&mut self, keys: Arc<[KeyId]>) {
        let keys = std::mem::replace(&mut self.now, keys);
        let (generation, out) = (self.generation, std::mem::take(&mut self.out));
        if out > 0 {
            self.former.push(Former { generation, keys, out });
        }
        self.generation += 1;
    }
}

impl std::ops::Deref for Keys {
    type Target = [KeyId];

    fn deref(&self) -> &[KeyId] {
        &self.now
    }
}

impl Lane {
    pub(super) fn new(
        key: LaneKey,
        plan: Arc<LanePlan>,
        keys: Arc<[KeyId]>,
        gate: GateId,
        concurrency_max: u32,
    ) -> Self {
        Self {
            key: Arc::new(key),
            plan,
            keys: Keys::new(keys),
            gate,
            is_gone: false,
            whose: Whose::default(),
            concurrency: Concurrency::new(concurrency_max),
            breaker: Breaker::default(),
            in_flight: 0,
            verifying: 0,
            suspended: false,
            noted_class: Class::LOWEST,
            tally: Tally::default(),
            deaths: Deaths::default(),
            outage: Outage::default(),
            asks_since: None,
            backlog: Backlog::default(),
            calls: VecDeque::new(),
            uncertain: Postponed::default(),
        }
    }

    /// Whether each of its calls that may have been applied is a job for a person.
    pub(super) fn is_careful(&self) -> bool {
        matches!(self.plan.method.creation, Creation::None) && self.plan.app.on_uncertain == OnUncertain::Hold
    }

    /// A lane whose calls nobody can look up begins with few at once: that many may be lost in a storm that is there
    /// already. It comes to its full breadth with success.
    pub(super) fn begin_carefully(&mut self) {
        if self.is_careful() {
            self.concurrency.restore(CAREFUL);
        }
    }

    /// Changes the keys; permits that are out come back to those that they were granted under.
    pub(super) fn change_keys(&mut self, keys: Arc<[KeyId]>, table: &mut QuotaTable, now: Mono) {
        table.lower_demand(&self.keys, self.noted_class, Class::LOWEST, now);
        self.keys.change(keys);
        table.raise_demand(&self.keys, Class::LOWEST, self.noted_class);
    }

    /// Tells the table that the next job is of a higher class than before, if it is: more is kept from now on.
    pub(super) fn note_higher_class(&mut self, table: &mut QuotaTable, reserve: &Reserve) {
        let class = self.class(reserve);
        if class > self.noted_class {
            table.raise_demand(&self.keys, self.noted_class, class);
            self.noted_class = class;
        }
    }

    /// Tells the table the class of the next job, be it higher or lower than before; `true` if it is lower: what is kept
    /// no more may be free for those who wait.
    pub(super) fn note_class(&mut self, table: &mut QuotaTable, reserve: &Reserve, now: Mono) -> bool {
        self.note_higher_class(table, reserve);
        let class = self.class(reserve);
        if class == self.noted_class {
            return false;
        }
        table.lower_demand(&self.keys, self.noted_class, class, now);
        self.noted_class = class;
        true
    }

    /// Counts an ending of one of its jobs; if `stop_after` of them have died one after the other of one code, the lane
    /// stops at once, and its suspension is to be recorded.
    pub(super) fn note_ending(&mut self, settlement: &Settlement, stop_after: u32) -> Option<AlwaysFails> {
        let in_a_row = self.deaths.note(settlement);
        let Settlement::Dead { failure, .. } = settlement else { return None };
        if stop_after == 0 || in_a_row < stop_after || self.suspended {
            return None;
        }
        self.suspended = true;
        Some(AlwaysFails { in_a_row, failure: failure.clone() })
    }

    /// Lets those who wait for a permit of the worker's own know that none will come.
    pub(super) fn drop_calls(&mut self) {
        self.calls.clear();
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        let at = waiting.not_before;
        let uncertain = waiting.uncertain;
        let job = Queued {
            seq: waiting.seq,
            batch: waiting.batch,
            priority: waiting.priority,
            not_after: waiting.not_after,
            attempts: waiting.attempts,
            renewals: 0,
            contended: 0,
            look_faults: 0,
            outage: 0,
            looked_s: None,
        };
        if uncertain {
            self.add_uncertain(job, at.unwrap_or_default());
        } else {
            self.put_back(job, at);
        }
    }

    pub(super) fn put_back(&mut self, job: Queued, not_before: Option<Timestamp>) {
        self.backlog.add(job, not_before);
    }

    pub(super) fn add_uncertain(&mut self, job: Queued, at: Timestamp) {
        self.uncertain.push(at, job);
    }

    pub(super) fn add_call(&mut self, call: oneshot::Sender<Ticket>) {
        self.calls.push_back(call);
    }

    /// Whether there is an uncertain job whose time has come.
    pub(super) fn is_look_up_due(&self, wall: Timestamp) -> bool {
        self.uncertain.next().is_some_and(|at| at <= wall)
    }

    /// Takes the uncertain jobs whose time has come: one look-up serves them all.
    pub(super) fn take_uncertain(&mut self, wall: Timestamp) -> Vec<Queued> {
        std::iter::from_fn(|| self.uncertain.pop(wall)).collect()
    }

    /// Whether its jobs are nothing that this process can send: their app or method is gone, or the lane another process's.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_gone || self.whose != Whose::Ours
    }

    pub(super) fn forget_uncertain(&mut self) {
        self.uncertain = Postponed::default();
    }

    /// Whether nothing waits but to be verified.
    pub(super) fn is_only_uncertain(&self) -> bool {
        self.backlog.len() == 0
    }

    /// Takes a call that the worker itself waits for; those whose waiter has gone are dropped.
    pub(super) fn pop_call(&mut self) -> Option<oneshot::Sender<Ticket>> {
        loop {
            let call = self.calls.pop_front()?;
            if !call.is_closed() {
                return Some(call);
            }
        }
    }

    pub(super) fn has_call(&mut self) -> bool {
        while self.calls.front().is_some_and(oneshot::Sender::is_closed) {
            self.calls.pop_front();
        }
        !self.calls.is_empty()
    }

    /// When the lane must be looked at again for the sake of a job that waits for its time or whose deadline passes.
    ///
    /// What may have been applied is verified whatever its deadline says.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let uncertain = self.uncertain.next().filter(|_| self.verifying == 0);
        self.backlog.next().into_iter().chain(uncertain).min()
    }

    /// The priority of the next job, which asks for permits and a slot from now on, or since it began to.
    pub(super) fn ask(&mut self, now: Mono) -> Option<u8> {
        let priority = self.backlog.priority();
        self.asks_since = priority.and(self.asks_since.or(Some(now)));
        priority
    }

    /// How long it has asked; it has got them now.
    pub(super) fn asked_for(&mut self, now: Mono) -> Duration {
        self.asks_since.take().map(|since| now.since(since)).unwrap_or_default()
    }

    /// The class of the job that is sent next; the lowest if there is none, or if the lane stands still.
    pub(super) fn class(&self, reserve: &Reserve) -> Class {
        let priority = self.backlog.priority().filter(|_| !self.suspended && !self.is_elsewhere());
        priority.map_or(Class::LOWEST, |priority| reserve.class_of(priority))
    }

    /// How many of those that wait are to be verified.
    pub(super) fn uncertain_count(&self) -> usize {
        self.uncertain.len()
    }

    /// Jobs whose time has come.
    pub(super) fn able(&self) -> usize {
        self.backlog.ready() + self.uncertain.len()
    }

    /// Jobs that wait or run; those of a lane that is gone wait for nothing.
    pub(super) fn unfinished(&self) -> usize {
        let waiting = if self.is_elsewhere() { 0 } else { self.waiting() };
        waiting + self.running()
    }

    /// Jobs in flight or being verified.
    pub(super) fn running(&self) -> usize {
        self.in_flight as usize + self.verifying
    }

    /// Jobs that wait, of whatever kind.
    pub(super) fn waiting(&self) -> usize {
        self.backlog.len() + self.uncertain.len()
    }
}
