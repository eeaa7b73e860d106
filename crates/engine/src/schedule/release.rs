//! What comes back into the schedule: permits, slots and jobs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Schedule;
use super::backlog::Queued;
use super::deaths::Deaths;
use super::lane::Tally;
use super::membership::Whose;
use super::throttling::{Notice, Throttle};
use super::ticket::{Ended, Ticket};
use crate::ports::JobSeq;
use paceline_domain::catalog::ThrottleScope;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Gate, Refusal, Trouble};
use paceline_domain::time::{Mono, Timestamp, micros};

/// Jobs that become due for a look-up within this time share it.
const VERIFY_EVERY: Duration = Duration::from_secs(5);
/// Likewise where each job has a listing of its own, and others wait for what it says.
const DECIDED_EVERY: Duration = Duration::from_secs(1);

impl Schedule {
    /// Takes jobs out of their lane that were ended by somebody else; those in flight are not touched.
    pub fn take_out(&mut self, lane: &LaneKey, jobs: &HashSet<JobSeq>) {
        if let Some(id) = self.lanes.find(lane) {
            self.lanes[id].backlog.take_out(jobs);
            self.queues.make_ready(id);
        }
    }

    /// Counts a call towards its calendar days and months; before [`Self::end_call`].
    pub fn count_call(&mut self, ticket: Ticket, now: Timestamp) {
        self.budgets.count(&self.lanes[ticket.lane].plan.budgets, now);
    }

    /// Gives the permit back, when the call's reply is there or given up on. Says what a person should hear of.
    pub fn end_call(&mut self, ticket: Ticket, ended: Ended<'_>, now: Mono) -> Vec<Notice> {
        let lane = &mut self.lanes[ticket.lane];
        let keys = lane.keys.take_back(ticket.generation);
        let (key, gate) = (Arc::clone(&lane.key), lane.gate);
        if self.budgets.give_back(&lane.plan.budgets) {
            self.lanes.ids().for_each(|id| self.queues.make_ready(id));
        }
        let lane = &mut self.lanes[ticket.lane];
        self.table.give_back(
            &keys,
            ticket.class,
            match ended {
                Ended::NotSent | Ended::Unreachable(_) => None,
                Ended::Answered | Ended::Refused(..) | Ended::Unavailable(..) => Some(now),
                Ended::Lost(until) | Ended::Unwell(until, _) => Some(until),
            },
        );
        lane.tally.sent += u64::from(!matches!(ended, Ended::NotSent | Ended::Unreachable(_)));
        let is_answered = match ended {
            Ended::Answered | Ended::Refused(..) => true,
            Ended::Unwell(until, _) => until <= now,
            Ended::NotSent | Ended::Unreachable(_) | Ended::Unavailable(..) | Ended::Lost(_) => false,
        };
        let applied = is_answered.then_some(now);
        let mut notices: Vec<Notice> = Vec::new();
        match ended {
            Ended::Refused(scope, refusal, cause) => {
                lane.tally.throttled += 1;
                notices.extend(self.refuse(ticket, scope, refusal, cause, now));
            }
            Ended::Unreachable(cause) => {
                self.table.answered(&keys, ticket.probes, None);
                let pause = |gate: &mut Gate| gate.unreachable(now, ticket.gate_probe);
                notices.extend(self.throttling.pause_app(&key.app, cause, now, pause));
            }
            Ended::Answered => {
                lane.concurrency.succeed();
                self.table.answered(&keys, ticket.probes, applied);
            }
            Ended::NotSent | Ended::Lost(_) => self.table.answered(&keys, ticket.probes, None),
            Ended::Unwell(_, cause) => {
                self.table.answered(&keys, ticket.probes, applied);
                notices.extend(self.unwell(ticket, Trouble::INTERNAL, cause, now));
            }
            Ended::Unavailable(reset, cause) => {
                self.table.answered(&keys, ticket.probes, None);
                notices.extend(self.unavailable(ticket, reset, cause, now));
            }
        }
        if !matches!(ended, Ended::Unwell(..) | Ended::Unavailable(..)) {
            self.not_unwell(ticket, is_answered);
        }
        if is_answered && ticket.has_slot {
            self.available(ticket);
        }
        if !matches!(ended, Ended::Unreachable(_) | Ended::Unavailable(..) | Ended::Refused(ThrottleScope::App, ..)) {
            self.throttling.gate_mut(gate).answered(ticket.gate_probe, applied.is_some());
        }
        notices.extend(self.throttling.foreign_use(ticket, &self.lanes[ticket.lane], &mut self.table, now));
        self.queues.wake_gate(gate);
        for &key in &*keys {
            self.queues.wake_key(key, &mut self.table, now);
        }
        notices
    }

    /// A rate-limit rejection slows down what it names: the method's key, the app or the lane.
    fn refuse(
        &mut self,
        ticket: Ticket,
        scope: ThrottleScope,
        refusal: Refusal<'_>,
        cause: &Failure,
        now: Mono,
    ) -> Option<Notice> {
        let lane = &mut self.lanes[ticket.lane];
        match scope {
            ThrottleScope::Method => self.throttling.refuse_key(ticket, lane, &mut self.table, refusal, cause, now),
            ThrottleScope::App => {
                self.table.answered(&lane.keys, ticket.probes, Some(now));
                let refuse = |gate: &mut Gate| gate.refuse(now, ticket.gate_probe, refusal.reset);
                self.throttling.pause_app(&lane.key.app, cause, now, refuse)
            }
            ThrottleScope::Concurrency => {
                self.table.answered(&lane.keys, ticket.probes, Some(now));
                let slow = Throttle::LaneConcurrency(ticket.lane);
                self.throttling.forget_if(lane.concurrency.limit() >= lane.concurrency.max(), &slow);
                lane.concurrency.lower(lane.in_flight, ticket.granted, now, ticket.lane);
                self.throttling.note(slow, &lane.key.app, now, cause);
                None
            }
        }
    }

    /// Gives the slot back, when the job is settled. What becomes of the job is said by one of the calls below.
    pub fn end_job(&mut self, ticket: Ticket) {
        if !ticket.has_slot {
            return;
        }
        self.in_flight -= 1;
        self.lanes[ticket.lane].in_flight -= 1;
        // Those who wait go first, or one lane's backlog would keep every slot that it has.
        self.pass_slot();
        self.queues.make_ready(ticket.lane);
    }

    /// Puts a job back into its lane.
    pub fn put_back(&mut self, lane: &LaneKey, job: Queued, not_before: Option<Timestamp>) {
        if let Some(id) = self.lane(lane).filter(|id| self.lanes[*id].whose != Whose::Others) {
            let lane = &mut self.lanes[id];
            lane.put_back(job, not_before);
            lane.note_higher_class(&mut self.table, &self.limits.reserve);
            self.queues.make_ready(id);
        }
    }

    /// Puts a job among those to be verified, not before `at`. Those of a few seconds are verified together: one reading
    /// of a listing serves them all.
    pub fn put_uncertain(&mut self, lane: &LaneKey, job: Queued, at: Timestamp) {
        if let Some(id) = self.lane(lane).filter(|id| self.lanes[*id].whose != Whose::Others) {
            let decides = self.lanes[id].plan.method.decides.is_some();
            let every = if decides { DECIDED_EVERY } else { VERIFY_EVERY };
            let step = micros(every.div_f64(self.planner.speed.max(1.0))).max(1);
            let at = Timestamp(at.0.saturating_add(step - 1).div_euclid(step).saturating_mul(step));
            self.lanes[id].add_uncertain(job, at);
            self.queues.make_ready(id);
        }
    }

    /// The verification handed out by [`super::Next::Verify`] is over; the lane may begin another.
    pub fn verified(&mut self, lane: &LaneKey) {
        if let Some(id) = self.lane(lane) {
            self.lanes[id].verifying = 0;
            self.queues.make_ready(id);
        }
    }

    /// The job handed out by [`super::Next::Expired`] has ended.
    pub fn expired(&mut self, lane: &LaneKey) {
        self.expiring = self.expiring.saturating_sub(1);
        self.count(lane, |tally| tally.dead += 1);
        if let Some(id) = self.lane(lane) {
            self.lanes[id].deaths = Deaths::default();
        }
    }

    /// Counts an ending of a job.
    pub fn count(&mut self, lane: &LaneKey, count: impl FnOnce(&mut Tally)) {
        if let Some(id) = self.lane(lane) {
            count(&mut self.lanes[id].tally);
        }
    }
}
