//! One lane's turn: what it can do at once, or where it waits.

use std::sync::Arc;
use std::time::Duration;

use tracing::trace;

use super::Schedule;
use super::backlog::Queued;
use super::lane::Lane;
use super::membership::Whose;
use super::ticket::{Ended, LaneId, Ticket, Withheld};
use crate::planner::LanePlan;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Blocked, Class, Probes};
use paceline_domain::time::{Mono, Timestamp};

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

impl Schedule {
    /// Decides what is done next at `now` (`wall` on the calendar).
    pub fn next(&mut self, now: Mono, wall: Timestamp) -> Next {
        self.queues.ring(&mut self.table, now);
        while let Some(id) = self.queues.next_ready() {
            if let Some(next) = self.turn(id, now, wall) {
                // The lane goes to the end of the line, so that no lane waits for another one's backlog.
                self.queues.make_ready(id);
                return next;
            }
        }
        Next::Sleep(self.queues.next_alarm())
    }

    /// Whether a granted call may still leave at `now`: asked at the last moment before it does.
    ///
    /// # Errors
    /// What began since: the permit is to be given back with [`Ended::NotSent`].
    pub fn may_leave(&self, ticket: Ticket, now: Mono) -> Result<(), Withheld> {
        let lane = &self.lanes[ticket.lane];
        // The app's gate and suspensions are asked for the calls that tokens are fetched for.
        let is_token = lane.plan.is_token();
        if lane.suspended && !is_token {
            return Err(Withheld::Suspended);
        }
        let gate = self.throttling.gate(lane.gate);
        let is_open = self.table.lets(&lane.keys, ticket.probes, now)
            && (!ticket.has_slot || lane.breaker.lets(now, ticket.lane_probe))
            && (is_token || gate.lets(now, ticket.gate_probe));
        if is_open { Ok(()) } else { Err(Withheld::Paused) }
    }

    fn turn(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        #[cfg(test)]
        {
            self.turns += 1;
        }
        let next = self.next_of(id, now, wall);
        if next.is_none() {
            self.queues.pass_on(id, &self.lanes[id].keys, &mut self.table, now);
            self.pass_slot();
        }
        self.queues.end_turn(id);
        self.note_class(id, now);
        next
    }

    fn next_of(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let lane = &mut self.lanes[id];
        lane.backlog.promote(wall);
        // What is due already waits for something else, which will wake the lane.
        if let Some(at) = lane.next_due().filter(|at| *at > wall) {
            self.queues.wait_until(id, now + at.since(wall));
        }
        if !self.closed
            && !lane.suspended
            && lane.whose == Whose::Ours
            && let Some(job) = lane.backlog.pop_expired(wall)
        {
            self.expiring += 1;
            return Some(Next::Expired(Arc::clone(&lane.key), job));
        }
        if lane.has_call() {
            return self.grant_call(id, now, wall);
        }
        self.next_job(id, now, wall)
    }

    fn next_job(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        let lane = &mut self.lanes[id];
        if self.closed || lane.suspended || lane.is_elsewhere() {
            lane.asks_since = None;
            return None;
        }
        if lane.verifying == 0 && lane.is_look_up_due(wall) && !self.lanes.is_blind(&self.lanes[id]) {
            let lane = &mut self.lanes[id];
            let jobs = lane.take_uncertain(wall);
            lane.verifying = jobs.len();
            return Some(Next::Verify(Arc::clone(&lane.key), jobs));
        }
        let lane = &mut self.lanes[id];
        let class = self.limits.reserve.class_of(lane.ask(now)?);
        if lane.in_flight >= lane.concurrency.limit() {
            return waits(&lane.key, "for one of its own calls to end");
        }
        if let Some(until) = lane.concurrency.rests_until(now) {
            self.queues.wait_until(id, until);
            return waits(&lane.key, "because its calls get in the way of others");
        }
        let lane_probe = match lane.breaker.check(now) {
            Ok(is_probe) => is_probe,
            Err(until) => {
                if let Some(until) = until {
                    self.queues.wait_until(id, until);
                }
                return waits(&lane.key, "because its calls fail on the platform's side");
            }
        };
        if self.in_flight >= self.limits.concurrency_max {
            self.queues.wait_for_slot(id);
            return waits(&lane.key, "for a slot: concurrency_max calls are in flight");
        }
        self.start_job(id, class, lane_probe, (now, wall))
    }

    fn start_job(
        &mut self,
        id: LaneId,
        class: Class,
        lane_probe: bool,
        (now, wall): (Mono, Timestamp),
    ) -> Option<Next> {
        self.have_budget(id, now, wall)?;
        if let Err(blocked) = self.table.check(&self.lanes[id].keys, class, now) {
            return self.wait_for_key(id, class, blocked, now);
        }
        let gate_probe = self.pass_gate(id, now)?;
        let (generation, probes) = self.take(id, class, gate_probe, now)?;
        let lane = &mut self.lanes[id];
        let job = lane.backlog.pop()?;
        lane.in_flight += 1;
        if lane_probe {
            lane.breaker.probe();
        }
        self.in_flight += 1;
        let waited = lane.asked_for(now);
        let ticket =
            Ticket { lane: id, class, generation, granted: now, probes, gate_probe, lane_probe, has_slot: true };
        let (lane, plan) = (Arc::clone(&lane.key), Arc::clone(&lane.plan));
        Some(Next::Start(Start { ticket, lane, plan, job, waited }))
    }

    fn grant_call(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<Next> {
        self.have_budget(id, now, wall)?;
        let class = Class::OWN;
        if let Err(blocked) = self.table.check(&self.lanes[id].keys, class, now) {
            return self.wait_for_key(id, class, blocked, now);
        }
        // Tokens pass the gate unasked: the gate's probe may be waiting for one.
        let gate_probe = if self.lanes[id].plan.is_token() { false } else { self.pass_gate(id, now)? };
        let (generation, probes) = self.take(id, class, gate_probe, now)?;
        let lane_probe = false;
        let ticket =
            Ticket { lane: id, class, generation, granted: now, probes, gate_probe, lane_probe, has_slot: false };
        let granted = self.lanes[id].pop_call().is_some_and(|call| call.send(ticket).is_ok());
        if !granted {
            self.end_call(ticket, Ended::NotSent, now);
        }
        Some(Next::Granted)
    }

    /// Whether something is left of the lane's days and months.
    fn have_budget(&mut self, id: LaneId, now: Mono, wall: Timestamp) -> Option<()> {
        let lane = &self.lanes[id];
        let Some(until) = self.budgets.free_at(&lane.plan.budgets, wall) else { return Some(()) };
        self.queues.wait_until(id, now + until.since(wall));
        trace!(lane = %lane.key, %until, why = "for a calendar day or month to begin", "a lane waits");
        None
    }

    /// Whether the lane's app lets a call through, and if so, whether it is the probe after a pause.
    fn pass_gate(&mut self, id: LaneId, now: Mono) -> Option<bool> {
        let Lane { key, gate, .. } = &self.lanes[id];
        match self.throttling.gate_mut(*gate).pass(now) {
            Ok(probe) => Some(probe),
            Err(Some(at)) => {
                self.queues.wait_until(id, at);
                trace!(lane = %key, ms = millis(at.since(now)), why = "for its app's pause to end", "a lane waits");
                None
            }
            Err(None) => {
                self.queues.wait_for_gate(id, *gate);
                trace!(lane = %key, why = "for its app's probe to be answered", "a lane waits");
                None
            }
        }
    }

    /// Spends a permit of every key of the lane, or none; says of which generation it is, and which keys it probes.
    fn take(&mut self, id: LaneId, class: Class, gate_probe: bool, now: Mono) -> Option<(u32, Probes)> {
        let lane = &mut self.lanes[id];
        match self.table.take(&lane.keys, class, now) {
            Ok(probes) => {
                let generation = lane.keys.give_out();
                self.budgets.take(&lane.plan.budgets);
                self.throttling.gate_mut(lane.gate).sent(now);
                // The next in line is woken before this lane's own next turn, so that they take turns.
                for &key in lane.keys.iter() {
                    self.queues.wake_key(key, &mut self.table, now);
                }
                Some((generation, probes))
            }
            Err(blocked) => {
                if gate_probe {
                    self.throttling.gate_mut(lane.gate).answered(true, false);
                }
                self.wait_for_key(id, class, blocked, now);
                None
            }
        }
    }

    fn wait_for_key(&mut self, id: LaneId, class: Class, blocked: Blocked, now: Mono) -> Option<Next> {
        let ms = blocked.until.map(|at| millis(at.since(now)));
        trace!(lane = %self.lanes[id].key, ms, why = "for a permit of its quota", "a lane waits");
        self.queues.wait_for_key(id, class, blocked, &mut self.table, now);
        None
    }
}

/// Says for what a lane waits; nothing can be done for it now.
fn waits(lane: &LaneKey, why: &'static str) -> Option<Next> {
    trace!(%lane, why, "a lane waits");
    None
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
