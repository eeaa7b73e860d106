//! What is sent next: lanes, quota book, slots, gates and suspensions as one state without I/O.
//!
//! [`Schedule::next`] is asked until it says when to ask again. Lanes that cannot go on stand in no line but one: that
//! of the quota key, the slot, the gate or the clock they wait for; so ten thousand waiting lanes cost nothing.

mod endings;
mod lane;
mod lines;
#[cfg(test)]
mod tests;
mod timers;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use self::lane::Lane;
pub use self::lane::{Queued, Tally};
use self::timers::Timers;
pub use self::view::{LaneView, View};
use super::ports::{Suspension, Waiting};
use super::quotas::{LanePlan, Planner};
use crate::domain::catalog::ThrottleScope;
use crate::domain::job::LaneKey;
use crate::domain::quota::{Blocked, Book, Gate, KeyId, Probes, Refusal};
use crate::domain::time::{Mono, Timestamp};

type LaneId = usize;

/// Limits on calls in flight.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Jobs in flight, all lanes together.
    pub concurrency_max: u32,
    /// Jobs in flight in one lane.
    pub lane_concurrency_max: u32,
}

/// The state that decides what is sent next.
pub struct Schedule {
    planner: Arc<Planner>,
    limits: Limits,
    book: Book,
    lanes: Vec<Lane>,
    by_key: HashMap<LaneKey, LaneId>,
    ready: VecDeque<LaneId>,
    lane_timers: Timers<LaneId>,
    key_timers: Timers<KeyId>,
    in_flight: u32,
    /// Jobs whose deadline has passed, on their way to their endings.
    expiring: usize,
    slot_line: VecDeque<LaneId>,
    gates: HashMap<String, AppGate>,
    suspensions: Vec<Suspension>,
    closed: bool,
}

#[derive(Default)]
struct AppGate {
    gate: Gate,
    line: VecDeque<LaneId>,
}

/// What to do next.
pub enum Next {
    /// Send a job's call.
    Start(Start),
    /// Hand the permit to a waiting call of the worker itself; done already, look further.
    Granted,
    /// The job's deadline has passed; say [`Schedule::expired`] when it has ended.
    Expired(Arc<LaneKey>, Queued),
    /// Find out whether the job's call was applied; say [`Schedule::verified`] afterwards.
    Verify(Arc<LaneKey>, Queued),
    /// Nothing until this instant, or until something happens.
    Sleep(Option<Mono>),
}

/// A job's call with its permit and slot.
pub struct Start {
    /// The permit and slot.
    pub ticket: Ticket,
    /// The lane.
    pub lane: Arc<LaneKey>,
    /// What the lane needs to know.
    pub plan: Arc<LanePlan>,
    /// The job.
    pub job: Queued,
}

/// A permit of every quota of a lane, and for a job a slot: given back through the schedule, once each.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    lane: LaneId,
    probes: Probes,
    gate_probe: bool,
    has_slot: bool,
}

/// How a call ended, as far as its permit is concerned.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// It surely never left, for a reason of our own.
    NotSent,
    /// It surely never left, because the platform cannot be reached: the app pauses.
    Unreachable,
    /// The platform answered, and did not refuse it for its pace.
    Answered,
    /// No answer: the platform may count it until the given instant.
    Lost(Mono),
    /// Refused for its pace.
    Refused(ThrottleScope, Refusal<'a>),
}

impl Schedule {
    /// An empty schedule.
    pub fn new(planner: Arc<Planner>, limits: Limits) -> Self {
        Self {
            planner,
            limits,
            book: Book::default(),
            lanes: Vec::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            lane_timers: Timers::default(),
            key_timers: Timers::default(),
            in_flight: 0,
            expiring: 0,
            slot_line: VecDeque::new(),
            gates: HashMap::new(),
            suspensions: Vec::new(),
            closed: false,
        }
    }

    /// Puts a job into its lane; gives it back if the settings no longer know its app, or the catalog its method.
    pub fn add(&mut self, waiting: Waiting) -> Result<(), Box<Waiting>> {
        let Some(id) = self.lane(&waiting.lane) else { return Err(Box::new(waiting)) };
        self.lanes[id].add(waiting);
        self.make_ready(id);
        Ok(())
    }

    /// Asks for the permit of a call that the worker itself makes: it comes through `grant`, before any job of that lane.
    pub fn ask(&mut self, lane: &LaneKey, grant: oneshot::Sender<Ticket>) {
        if let Some(id) = self.lane(lane) {
            self.lanes[id].add_call(grant);
            self.make_ready(id);
        }
    }

    /// Enters a call of an earlier process into the book.
    pub fn restore(&mut self, lane: &LaneKey, counted_by: Mono) {
        if let Some(id) = self.lane(lane) {
            let keys = self.lanes[id].keys.clone();
            self.book.restore(&keys, counted_by);
        }
    }

    /// The plan of a lane.
    pub fn plan(&mut self, lane: &LaneKey) -> Option<Arc<LanePlan>> {
        self.lane(lane).map(|id| Arc::clone(&self.lanes[id].plan))
    }

    /// Grants nothing to jobs any more; calls of the worker itself still go through.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Grants again.
    pub fn open(&mut self) {
        self.closed = false;
        for id in 0..self.lanes.len() {
            self.make_ready(id);
        }
    }

    /// Decides what is done next at `now` (`wall` on the calendar).
    pub fn next(&mut self, now: Mono, wall: Timestamp) -> Next {
        self.ring(now);
        while let Some(id) = self.ready.pop_front() {
            self.lanes[id].ready = false;
            if let Some(next) = self.turn(id, now, wall) {
                // The lane goes to the end of the line, so that no lane waits for another one's backlog.
                self.make_ready(id);
                return next;
            }
        }
        Next::Sleep(self.lane_timers.next().into_iter().chain(self.key_timers.next()).min())
    }

    /// Holds a whole app back for a while: its token endpoint is down. `false` if it was held back already.
    pub fn hold_app(&mut self, app: &str, now: Mono, until: Mono) -> bool {
        let gate = &mut self.gate(app).gate;
        let is_new = gate.paused_until().is_none_or(|paused| paused <= now);
        gate.hold_until(now, until);
        is_new
    }

    /// Suspensions as the ledger has them: lanes stop and go accordingly.
    pub fn set_suspensions(&mut self, suspensions: Vec<Suspension>) {
        self.suspensions = suspensions;
        for id in 0..self.lanes.len() {
            let suspended = self.is_suspended(&self.lanes[id].key);
            self.lanes[id].suspended = suspended;
            if !suspended {
                self.make_ready(id);
            }
        }
    }

    /// Whether this app, tenant and method (empty for all) stand still by a suspension of their own.
    pub fn has_suspension(&self, wanted: &Suspension) -> bool {
        self.suspensions.iter().any(|suspension| {
            (&suspension.app, &suspension.tenant, &suspension.method) == (&wanted.app, &wanted.tenant, &wanted.method)
        })
    }

    /// Suspensions in force.
    pub fn suspensions(&self) -> &[Suspension] {
        &self.suspensions
    }

    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        let of_lane = |lane: &Lane| lane.waiting() + lane.in_flight as usize + usize::from(lane.verifying);
        self.expiring + self.lanes.iter().map(of_lane).sum::<usize>()
    }

    /// Jobs in flight, being verified or expiring.
    pub fn running(&self) -> usize {
        self.in_flight as usize + self.expiring + self.lanes.iter().filter(|lane| lane.verifying).count()
    }

    /// Whether nothing is in flight and whatever still waits stands in suspended lanes.
    pub fn is_idle(&self) -> bool {
        self.running() == 0 && self.lanes.iter().all(|lane| lane.suspended || lane.waiting() == 0)
    }

    /// A picture for people.
    pub fn view(&mut self, now: Mono) -> View {
        view::of(self, now)
    }

    fn lane(&mut self, key: &LaneKey) -> Option<LaneId> {
        if let Some(&id) = self.by_key.get(key) {
            return Some(id);
        }
        let plan = Arc::new(self.planner.plan(key)?);
        let keys = plan.quotas.iter().map(|(key, quota)| self.book.key(key, quota)).collect();
        let id = self.lanes.len();
        let mut lane = Lane::new(key.clone(), plan, keys, self.limits.lane_concurrency_max);
        lane.suspended = self.is_suspended(key);
        self.lanes.push(lane);
        self.by_key.insert(key.clone(), id);
        Some(id)
    }

    fn is_suspended(&self, lane: &LaneKey) -> bool {
        self.suspensions.iter().any(|suspension| {
            suspension.app == lane.app
                && (suspension.tenant.is_empty() || suspension.tenant == lane.tenant)
                && (suspension.method.is_empty() || suspension.method == lane.method)
        })
    }

    fn gate(&mut self, app: &str) -> &mut AppGate {
        if !self.gates.contains_key(app) {
            self.gates.insert(app.to_owned(), AppGate::default());
        }
        // Present: inserted just above.
        self.gates.entry(app.to_owned()).or_default()
    }

    fn make_ready(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id];
        if !lane.ready {
            lane.ready = true;
            self.ready.push_back(id);
        }
    }

    /// Lets the alarms ring whose time has come.
    fn ring(&mut self, now: Mono) {
        while let Some(id) = self.lane_timers.due(now) {
            self.make_ready(id);
        }
        while let Some(key) = self.key_timers.due(now) {
            self.wake_line(key, now);
        }
    }

    /// One lane's turn: what it can do at once, or where it waits.
    fn turn(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let next = self.next_of(id, now, wall);
        if next.is_none() {
            self.pass_on(id, now);
            self.pass_slot();
        }
        self.lanes[id].woken_by = None;
        next
    }

    fn next_of(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        if self.lanes[id].has_call() {
            return self.grant_call(id, now);
        }
        let lane = &mut self.lanes[id];
        lane.promote(wall);
        if let Some(at) = lane.next_due() {
            // What is due already waits for something else, which will wake the lane.
            if at > wall {
                self.lane_timers.arm(id, now + at.since(wall));
            }
        }
        self.next_job(id, now, wall)
    }

    fn next_job(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let lane = &mut self.lanes[id];
        if self.closed || lane.suspended {
            return None;
        }
        if let Some(job) = lane.pop_expired(wall) {
            self.expiring += 1;
            return Some(Next::Expired(Arc::clone(&lane.key), job));
        }
        if !lane.verifying
            && let Some(job) = lane.pop_uncertain(wall)
        {
            lane.verifying = true;
            return Some(Next::Verify(Arc::clone(&lane.key), job));
        }
        if !lane.has_job() || lane.in_flight >= lane.concurrency.limit() {
            return None;
        }
        if self.in_flight >= self.limits.concurrency_max {
            if !std::mem::replace(&mut lane.in_slot_line, true) {
                self.slot_line.push_back(id);
            }
            return None;
        }
        self.start_job(id, now)
    }

    fn start_job(&mut self, id: LaneId, now: Mono) -> Option<Next> {
        if let Err(blocked) = self.book.check(&self.lanes[id].keys, now) {
            self.wait_for(id, blocked, now);
            return None;
        }
        let gate_probe = self.pass_gate(id, now)?;
        let probes = self.take(id, gate_probe, now)?;
        let lane = &mut self.lanes[id];
        let job = lane.pop_job()?;
        lane.in_flight += 1;
        self.in_flight += 1;
        let ticket = Ticket { lane: id, probes, gate_probe, has_slot: true };
        let (lane, plan) = (Arc::clone(&lane.key), Arc::clone(&lane.plan));
        Some(Next::Start(Start { ticket, lane, plan, job }))
    }

    fn grant_call(&mut self, id: LaneId, now: Mono) -> Option<Next> {
        if let Err(blocked) = self.book.check(&self.lanes[id].keys, now) {
            self.wait_for(id, blocked, now);
            return None;
        }
        // Tokens pass the gate unasked: the gate's probe may be waiting for one.
        let gate_probe = if self.lanes[id].plan.is_token() { false } else { self.pass_gate(id, now)? };
        let probes = self.take(id, gate_probe, now)?;
        let ticket = Ticket { lane: id, probes, gate_probe, has_slot: false };
        let granted = self.lanes[id].pop_call().is_some_and(|call| call.send(ticket).is_ok());
        if !granted {
            self.end_call(ticket, Ended::NotSent, now);
        }
        Some(Next::Granted)
    }

    fn take(&mut self, id: LaneId, gate_probe: bool, now: Mono) -> Option<Probes> {
        match self.book.take(&self.lanes[id].keys, now) {
            Ok(probes) => {
                // The next in line is woken before this lane's own next turn, so that they take turns.
                for index in 0..self.lanes[id].keys.len() {
                    let key = self.lanes[id].keys[index];
                    self.wake_line(key, now);
                }
                Some(probes)
            }
            Err(blocked) => {
                if gate_probe {
                    let app = self.lanes[id].key.app.clone();
                    self.gate(&app).gate.answered(true, false);
                }
                self.wait_for(id, blocked, now);
                None
            }
        }
    }
}
