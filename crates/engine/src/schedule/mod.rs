//! What is sent next: lanes, quota book, slots, gates and suspensions as one state without I/O.
//!
//! [`Schedule::next`] is asked until it says when to ask again. Lanes that cannot go on stand in no line but one: that
//! of the quota key, the slot, the gate or the clock they wait for; so ten thousand waiting lanes cost nothing.

mod backlog;
mod endings;
mod lane;
mod lines;
mod load;
mod replan;
mod restraints;
#[cfg(test)]
mod restraints_tests;
mod suspensions;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::extremes::instants;
mod timers;
mod unwell;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub use self::backlog::Queued;
use self::lane::Lane;
pub use self::lane::Tally;
pub use self::load::Load;
use self::restraints::Restraints;
pub use self::restraints::{HeldBack, Notice, Withheld};
pub use self::suspensions::AlwaysFails;
use self::suspensions::Deaths;
use self::timers::Timers;
pub use self::view::{Gauges, Held, LaneGauges, LaneView, View};
use super::ports::{JobSeq, Suspension, Waiting};
use super::quotas::{LanePlan, Planner};
use paceline_domain::catalog::ThrottleScope;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Blocked, Book, Class, Gap, Gate, KeyId, Probes, Refusal, Reserve};
use paceline_domain::time::{Mono, Timestamp};

type LaneId = usize;

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
    book: Book,
    lanes: Vec<Lane>,
    by_key: HashMap<LaneKey, LaneId>,
    ready: VecDeque<LaneId>,
    /// Lanes that had no job before: they go before those that work off a backlog.
    fresh: VecDeque<LaneId>,
    lane_timers: Timers<LaneId>,
    key_timers: Timers<KeyId>,
    in_flight: u32,
    /// Jobs whose deadline has passed, on their way to their endings.
    expiring: usize,
    slot_line: VecDeque<LaneId>,
    gates: HashMap<String, AppGate>,
    suspensions: Vec<Suspension>,
    /// Jobs whose app or method is not known, or not any more: they wait for a reload that brings it.
    strays: HashMap<LaneKey, Vec<Waiting>>,
    /// While the ledger is read after a reload: the keys on hold, and what their windows do not know.
    recalling: Option<HashMap<KeyId, Gap>>,
    restraints: Restraints,
    closed: bool,
    /// Lanes looked at so far.
    #[cfg(test)]
    turns: u64,
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
    /// Find out whether the jobs' calls were applied; say [`Schedule::verified`] afterwards.
    Verify(Arc<LaneKey>, Vec<Queued>),
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
    /// How long the lane had to wait for the ticket.
    pub waited: Duration,
}

/// A permit of every quota of a lane, and for a job a slot: given back through the schedule, once each.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    lane: LaneId,
    class: Class,
    /// Which of the lane's sets of keys it was granted under.
    generation: u32,
    granted: Mono,
    probes: Probes,
    gate_probe: bool,
    lane_probe: bool,
    has_slot: bool,
}

/// How a call ended, as far as its permit is concerned.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// It surely never left, for a reason of our own.
    NotSent,
    /// It surely never left, because the platform cannot be reached: the app pauses.
    Unreachable(&'a Failure),
    /// The platform answered, and did not refuse it for its pace.
    Answered,
    /// No answer: the platform may count it until the given instant.
    Lost(Mono),
    /// It may have been applied, and what came, if anything did, tells of trouble on the platform's side: too many of
    /// them in a row, and the lane pauses. The platform may count it until the given instant.
    Unwell(Mono, &'a Failure),
    /// A gateway answered in the platform's place, and may say when it is worth asking again: too many of them in a row,
    /// and the lane and the app pause.
    Unavailable(Option<Duration>, &'a Failure),
    /// Refused for its pace.
    Refused(ThrottleScope, Refusal<'a>, &'a Failure),
}

impl Schedule {
    /// An empty schedule.
    pub fn new(planner: Arc<Planner>, limits: Limits) -> Self {
        Self {
            planner,
            limits,
            book: Book::new(limits.reserve),
            lanes: Vec::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            fresh: VecDeque::new(),
            lane_timers: Timers::default(),
            key_timers: Timers::default(),
            in_flight: 0,
            expiring: 0,
            slot_line: VecDeque::new(),
            gates: HashMap::new(),
            suspensions: Vec::new(),
            strays: HashMap::new(),
            recalling: None,
            restraints: Restraints::default(),
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
            self.strays.entry(lane.clone()).or_default().push(waiting);
            return Err(lane);
        };
        let lane = &mut self.lanes[id];
        if lane.waiting() == 0 {
            lane.ready = true;
            self.fresh.push_back(id);
        }
        lane.add(waiting);
        self.want(id);
        self.make_ready(id);
        Ok(())
    }

    /// Asks for the permit of a call that the worker itself makes: it comes through `grant`, before any job of that lane.
    pub fn ask(&mut self, lane: &LaneKey, grant: oneshot::Sender<Ticket>) {
        if let Some(id) = self.lane(lane).filter(|id| !self.lanes[*id].is_gone) {
            self.lanes[id].add_call(grant);
            self.make_ready(id);
        }
    }

    /// Enters a call of an earlier process into the book.
    pub fn restore(&mut self, lane: &LaneKey, counted_by: Mono) {
        if let Some(id) = self.lane(lane) {
            self.book.restore(&self.lanes[id].keys, counted_by);
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
        for id in 0..self.lanes.len() {
            self.make_ready(id);
        }
    }

    /// Decides what is done next at `now` (`wall` on the calendar).
    pub fn next(&mut self, now: Mono, wall: Timestamp) -> Next {
        self.ring(now);
        while let Some(id) = self.fresh.pop_front().or_else(|| self.ready.pop_front()) {
            // It may stand in both lines; one turn is enough.
            if !std::mem::take(&mut self.lanes[id].ready) {
                continue;
            }
            if let Some(next) = self.turn(id, now, wall) {
                // The lane goes to the end of the line, so that no lane waits for another one's backlog.
                self.make_ready(id);
                return next;
            }
        }
        Next::Sleep(self.lane_timers.next().into_iter().chain(self.key_timers.next()).min())
    }

    /// Looks at every lane at the next occasion: the calendar was set.
    pub fn look_again(&mut self, now: Mono) {
        for id in 0..self.lanes.len() {
            self.lane_timers.arm(id, now);
        }
    }

    /// Holds a whole app back for a while: its token endpoint is down. `false` if it was held back already.
    pub fn hold_app(&mut self, app: &str, now: Mono, until: Mono, cause: &Failure) -> bool {
        self.forget_if_over(&restraints::Mark::AppPause(app.to_owned()), now);
        let gate = &mut self.gate(app).gate;
        let is_new = gate.paused_until().is_none_or(|paused| paused <= now);
        gate.hold_until(now, until);
        self.restraints.note(restraints::Mark::AppPause(app.to_owned()), app, now, cause);
        is_new
    }

    /// Jobs in flight, being verified or expiring.
    pub fn running(&self) -> usize {
        self.in_flight as usize + self.expiring + self.lanes.iter().map(|lane| lane.verifying).sum::<usize>()
    }

    /// Whether nothing is in flight and whatever still waits stands in suspended lanes.
    pub fn is_idle(&self) -> bool {
        // Asked after every step, so what is cheap comes first: with ten thousand lanes, most answers need none of them.
        let blind = |lane: &Lane| lane.is_only_uncertain() && self.is_blind(lane);
        let stands = |lane: &Lane| lane.suspended || lane.is_gone || lane.waiting() == 0 || blind(lane);
        self.in_flight == 0 && self.expiring == 0 && self.lanes.iter().all(|lane| lane.verifying == 0 && stands(lane))
    }

    /// Whether jobs are sent no more.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The jobs of the lane that wait to be verified.
    pub fn uncertain(&mut self, lane: &LaneKey) -> Vec<JobSeq> {
        self.lane(lane).map(|id| self.lanes[id].uncertain().collect()).unwrap_or_default()
    }

    fn lane(&mut self, key: &LaneKey) -> Option<LaneId> {
        if let Some(&id) = self.by_key.get(key) {
            return Some(id);
        }
        let plan = Arc::new(self.planner.plan(key)?);
        let keys = plan.quotas.iter().map(|(key, quota)| self.enter(key, quota, Mono(i64::MIN))).collect();
        self.take_up_waiting();
        let id = self.lanes.len();
        let mut lane = Lane::new(key.clone(), plan, keys, self.limits.lane_concurrency_max);
        lane.begin_carefully();
        lane.suspended = self.is_suspended(key);
        self.lanes.push(lane);
        self.by_key.insert(key.clone(), id);
        Some(id)
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
        #[cfg(test)]
        {
            self.turns += 1;
        }
        let next = self.next_of(id, now, wall);
        if next.is_none() {
            self.pass_on(id, now);
            self.pass_slot();
        }
        self.lanes[id].woken_by = None;
        self.note_class(id, now);
        next
    }

    fn next_of(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let lane = &mut self.lanes[id];
        lane.backlog.promote(wall);
        if let Some(at) = lane.next_due() {
            // What is due already waits for something else, which will wake the lane.
            if at > wall {
                self.lane_timers.arm(id, now + at.since(wall));
            }
        }
        if !self.closed
            && !lane.suspended
            && let Some(job) = lane.backlog.pop_expired(wall)
        {
            self.expiring += 1;
            return Some(Next::Expired(Arc::clone(&lane.key), job));
        }
        if lane.has_call() {
            return self.grant_call(id, now);
        }
        self.next_job(id, now, wall)
    }

    fn next_job(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let lane = &mut self.lanes[id];
        if self.closed || lane.suspended || lane.is_gone {
            lane.asks_since = None;
            return None;
        }
        if lane.verifying == 0 && lane.is_look_up_due(wall) && !self.is_blind(&self.lanes[id]) {
            let lane = &mut self.lanes[id];
            let jobs = lane.take_uncertain(wall);
            lane.verifying = jobs.len();
            return Some(Next::Verify(Arc::clone(&lane.key), jobs));
        }
        let lane = &mut self.lanes[id];
        let class = self.limits.reserve.class_of(lane.ask(now)?);
        if lane.in_flight >= lane.concurrency.limit() {
            return self.waits(id, "for one of its own calls to end");
        }
        if let Some(until) = lane.concurrency.rests_until(now) {
            self.lane_timers.arm(id, until);
            return self.waits(id, "because its calls get in the way of others");
        }
        let lane_probe = match lane.breaker.check(now) {
            Ok(is_probe) => is_probe,
            Err(until) => {
                if let Some(until) = until {
                    self.lane_timers.arm(id, until);
                }
                return self.waits(id, "because its calls fail on the platform's side");
            }
        };
        if self.in_flight >= self.limits.concurrency_max {
            if !std::mem::replace(&mut lane.in_slot_line, true) {
                self.slot_line.push_back(id);
            }
            return self.waits(id, "for a slot: concurrency_max calls are in flight");
        }
        self.start_job(id, class, lane_probe, now)
    }

    fn start_job(&mut self, id: LaneId, class: Class, lane_probe: bool, now: Mono) -> Option<Next> {
        if let Err(blocked) = self.book.check(&self.lanes[id].keys, class, now) {
            self.wait_for(id, class, blocked, now);
            return None;
        }
        let gate_probe = self.pass_gate(id, now)?;
        let probes = self.take(id, class, gate_probe, now)?;
        let lane = &mut self.lanes[id];
        let job = lane.backlog.pop()?;
        lane.in_flight += 1;
        if lane_probe {
            lane.breaker.probe();
        }
        self.in_flight += 1;
        let generation = lane.generation;
        let waited = lane.asked_for(now);
        let ticket =
            Ticket { lane: id, class, generation, granted: now, probes, gate_probe, lane_probe, has_slot: true };
        let (lane, plan) = (Arc::clone(&lane.key), Arc::clone(&lane.plan));
        Some(Next::Start(Start { ticket, lane, plan, job, waited }))
    }

    fn grant_call(&mut self, id: LaneId, now: Mono) -> Option<Next> {
        let class = Class::OWN;
        if let Err(blocked) = self.book.check(&self.lanes[id].keys, class, now) {
            self.wait_for(id, class, blocked, now);
            return None;
        }
        // Tokens pass the gate unasked: the gate's probe may be waiting for one.
        let gate_probe = if self.lanes[id].plan.is_token() { false } else { self.pass_gate(id, now)? };
        let probes = self.take(id, class, gate_probe, now)?;
        let generation = self.lanes[id].generation;
        let lane_probe = false;
        let ticket =
            Ticket { lane: id, class, generation, granted: now, probes, gate_probe, lane_probe, has_slot: false };
        let granted = self.lanes[id].pop_call().is_some_and(|call| call.send(ticket).is_ok());
        if !granted {
            self.end_call(ticket, Ended::NotSent, now);
        }
        Some(Next::Granted)
    }

    fn take(&mut self, id: LaneId, class: Class, gate_probe: bool, now: Mono) -> Option<Probes> {
        match self.book.take(&self.lanes[id].keys, class, now) {
            Ok(probes) => {
                self.lanes[id].out += 1;
                if let Some(gate) = self.gates.get_mut(&self.lanes[id].key.app) {
                    gate.gate.sent(now);
                }
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
                self.wait_for(id, class, blocked, now);
                None
            }
        }
    }
}
