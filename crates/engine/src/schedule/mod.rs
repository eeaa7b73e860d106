//! What is sent next: lanes, quotas, slots, gates and suspensions as one state without I/O.
//!
//! [`Schedule::next`] is asked until it says when to ask again. Read [`turn`] first: one lane's turn. What it decides by is
//! kept in three parts: [`lanes`] (the jobs of each lane, what stops it), [`wait_queues`] (where lanes wait: ten thousand
//! waiting lanes cost nothing) and [`throttling`] (pauses and lowered rates, with their causes), beside the table of quotas.

mod addresses;
mod backlog;
mod budgets;
mod deaths;
mod lane;
mod lanes;
mod load;
mod membership;
mod outages;
mod reconfigure;
mod release;
mod snapshot;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::extremes::instants;
mod throttling;
mod ticket;
mod turn;
mod wait_queues;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;

use self::addresses::AddressPart;
pub use self::backlog::Queued;
use self::budgets::Budgets;
pub use self::deaths::AlwaysFails;
use self::lane::Lane;
pub use self::lane::Tally;
use self::lanes::Lanes;
pub use self::load::Load;
pub use self::snapshot::{Gauges, LaneGauges, LaneView, QuotaWait, View};
pub use self::throttling::{ActivePause, Notice};
use self::throttling::{Throttle, Throttling};
use self::ticket::LaneId;
pub use self::ticket::{Ended, Ticket, Withheld};
pub use self::turn::{Next, Start};
use self::wait_queues::WaitQueues;
use super::budget_usage;
use super::planner::{LanePlan, Planner};
use super::ports::{Restrained, Restraint, Settlement, Suspension, Waiting};
use paceline_domain::budget::{BudgetKey, CalledDay};
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Gap, KeyId, QuotaTable, Reserve};
use paceline_domain::time::{Mono, Timestamp};

/// Limits on calls in flight, what is kept of every window for whom, and when a lane stops.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs in flight, all lanes together.
    pub concurrency_max: u32,
    /// Jobs in flight in one lane.
    pub lane_concurrency_max: u32,
    /// Shares of every window that are kept for jobs of high priority.
    pub reserve: Reserve,
    /// Jobs of a lane in a row that may die of one code before the lane stops; 0 for any number.
    pub stop_after: u32,
}

/// The state that decides what is sent next.
pub struct Schedule {
    planner: Arc<Planner>,
    limits: Limits,
    table: QuotaTable,
    budgets: Budgets,
    lanes: Lanes,
    queues: WaitQueues,
    throttling: Throttling,
    /// Slots taken.
    in_flight: u32,
    /// Jobs whose deadline has passed, on their way to their endings.
    expiring: usize,
    /// While the ledger is read after a reload: the keys on hold, and what their windows do not know.
    recalling: Option<HashMap<KeyId, Gap>>,
    /// How much of what an address allows is this process's.
    part: AddressPart,
    closed: bool,
    /// Lanes looked at so far.
    #[cfg(test)]
    turns: u64,
}

impl Schedule {
    /// An empty schedule.
    pub fn new(planner: Arc<Planner>, limits: Limits) -> Self {
        Self {
            planner,
            limits,
            table: QuotaTable::new(limits.reserve),
            budgets: Budgets::default(),
            lanes: Lanes::default(),
            queues: WaitQueues::default(),
            throttling: Throttling::default(),
            in_flight: 0,
            expiring: 0,
            recalling: None,
            part: AddressPart::WHOLE,
            closed: false,
            #[cfg(test)]
            turns: 0,
        }
    }

    /// Puts a job into its lane; names the lane if the settings do not know its app, or the catalog its method: then
    /// the job waits for a reload that brings it.
    pub fn add(&mut self, waiting: Waiting) -> Result<(), LaneKey> {
        let Some(id) = self.lane(&waiting.lane) else {
            let lane = waiting.lane.clone();
            self.lanes.add_stray(waiting);
            return Err(lane);
        };
        let lane = &mut self.lanes[id];
        if lane.waiting() == 0 {
            self.queues.make_ready_first(id);
        }
        lane.add(waiting);
        lane.note_higher_class(&mut self.table, &self.limits.reserve);
        self.queues.make_ready(id);
        Ok(())
    }

    /// Asks for the permit of a call that the worker itself makes: it comes through `grant`, before any job of that lane.
    pub fn ask(&mut self, lane: &LaneKey, grant: oneshot::Sender<Ticket>) {
        if let Some(id) = self.lane(lane).filter(|id| !self.lanes[*id].is_elsewhere()) {
            self.lanes[id].add_call(grant);
            self.queues.make_ready(id);
        }
    }

    /// Enters a call of an earlier process into the table.
    pub fn restore(&mut self, lane: &LaneKey, counted_by: Mono) {
        if let Some(id) = self.lane(lane) {
            self.table.restore(&self.lanes[id].keys, counted_by);
        }
    }

    /// Enters what the ledger knows of the present days and months.
    pub fn restore_called(&mut self, called: &[CalledDay], now: Timestamp) {
        let mut all: BTreeMap<BudgetKey, u64> = BTreeMap::new();
        for (key, calls) in budget_usage::counted(&self.planner, called, now) {
            *all.entry(key).or_default() += calls;
        }
        for (key, calls) in all {
            self.budgets.restore(&key, calls, now);
        }
    }

    /// The plan of a lane.
    pub fn plan(&mut self, lane: &LaneKey) -> Option<Arc<LanePlan>> {
        let id = self.lane(lane).filter(|id| !self.lanes[*id].is_gone)?;
        Some(Arc::clone(&self.lanes[id].plan))
    }

    /// Grants nothing to jobs any more; calls of the worker itself still go through.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Grants again.
    pub fn open(&mut self) {
        self.closed = false;
        for id in self.lanes.ids() {
            self.queues.make_ready(id);
        }
    }

    /// Looks at every lane at the next occasion: the calendar was set.
    pub fn look_again(&mut self, now: Mono) {
        for id in self.lanes.ids() {
            self.queues.wait_until(id, now);
        }
    }

    /// Holds a whole app back for a while: its token endpoint is down. `false` if it was held back already.
    pub fn pause_app(&mut self, app: &str, now: Mono, until: Mono, cause: &Failure) -> bool {
        self.throttling.pause_app_until(app, now, until, cause)
    }

    /// What throttles calls at `now` (`wall` on the calendar).
    pub fn restraints(&mut self, now: Mono, wall: Timestamp) -> Vec<Restraint> {
        self.throttling.restraints(&mut self.table, &self.lanes, now, wall)
    }

    /// Takes up what held calls back in an earlier process. A pause that is over by now is reopened by a probe.
    pub fn restrain(&mut self, restraints: Vec<Restraint>, now: Mono, wall: Timestamp) {
        for restraint in restraints {
            let id = if let Restrained::Lane(lane) = &restraint.target { self.lane(lane) } else { None };
            let lane = id.map(|id| (id, &mut self.lanes[id]));
            self.throttling.take_up(restraint, lane, &mut self.table, now, wall);
        }
    }

    /// Ends what holds an app back: a person says that the cause is gone. A paused key or app is reopened by a probe.
    pub fn lift(&mut self, app: &str, now: Mono) {
        for throttle in self.throttling.take_throttles_of(app) {
            match throttle {
                Throttle::KeyPause(key) | Throttle::KeyLimit(key) => {
                    self.table.lift(key, now);
                    self.queues.wake_key(key, &mut self.table, now);
                }
                Throttle::AppPause(app) | Throttle::AppRate(app) => {
                    let gate = self.throttling.gate_of(&app);
                    self.throttling.gate_mut(gate).lift(now);
                    self.queues.wake_gate(gate);
                }
                Throttle::LaneConcurrency(id) => {
                    let max = self.lanes[id].concurrency.max();
                    self.lanes[id].concurrency.restore(max);
                }
                Throttle::LanePause(id) => self.lanes[id].breaker.lift(now),
            }
        }
        // Lanes that wait for the end of a pause by a timer of their own look again.
        for id in self.lanes.ids().filter(|id| self.lanes[*id].key.app == app) {
            self.queues.make_ready(id);
        }
    }

    /// Suspensions as the ledger has them: lanes stop and go accordingly.
    pub fn set_suspensions(&mut self, suspensions: Vec<Suspension>) {
        for id in self.lanes.set_suspensions(suspensions) {
            self.queues.make_ready(id);
        }
    }

    /// Whether this app, tenant and method (empty for all) have a suspension of their own.
    pub fn has_suspension(&self, wanted: &Suspension) -> bool {
        self.lanes.has_suspension(wanted)
    }

    /// Suspensions in force.
    pub fn suspensions(&self) -> &[Suspension] {
        &self.lanes.suspensions
    }

    /// Counts an ending of a job of the lane; a lane whose jobs die one after the other of one code stops at once, and
    /// its suspension is to be recorded.
    pub fn note_ending(&mut self, lane: &LaneKey, settlement: &Settlement) -> Option<AlwaysFails> {
        let id = self.lane(lane)?;
        let stopped = self.lanes[id].note_ending(settlement, self.limits.stop_after)?;
        self.queues.make_ready(id);
        Some(stopped)
    }

    /// Jobs in flight, being verified or expiring.
    pub fn running(&self) -> usize {
        self.in_flight as usize + self.expiring + self.lanes.iter().map(|lane| lane.verifying).sum::<usize>()
    }

    /// Whether nothing is in flight and whatever still waits stands in suspended lanes.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.expiring == 0 && self.lanes.are_idle()
    }

    /// Whether jobs are sent no more.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The number of a lane, new or known; `None` if its app or method is not known.
    fn lane(&mut self, key: &LaneKey) -> Option<LaneId> {
        if let Some(id) = self.lanes.find(key) {
            return Some(id);
        }
        let plan = Arc::new(self.planner.plan(key)?);
        let keys = plan.quotas.iter().map(|(key, quota)| self.enter(key, quota, Mono(i64::MIN))).collect();
        self.throttling.take_up_pending(&mut self.table);
        let gate = self.throttling.gate_of(&key.app);
        let mut lane = Lane::new(key.clone(), plan, keys, gate, self.limits.lane_concurrency_max);
        lane.begin_carefully();
        self.queues.add_lane();
        Some(self.lanes.add(lane))
    }

    /// Tells the table the class of a lane's next job.
    fn note_class(&mut self, id: LaneId, now: Mono) {
        let lane = &mut self.lanes[id];
        if lane.note_class(&mut self.table, &self.limits.reserve, now) {
            for &key in lane.keys.iter() {
                self.queues.arm_key(key, &mut self.table, now);
            }
        }
    }

    /// Calls the next lane that waits for a slot, if there is one.
    fn pass_slot(&mut self) {
        if self.in_flight < self.limits.concurrency_max {
            self.queues.pass_slot();
        }
    }
}
