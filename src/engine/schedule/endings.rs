//! What comes back into the schedule: permits, slots and jobs.

use super::{Ended, LaneKey, Mono, Queued, Schedule, Tally, ThrottleScope, Ticket, Timestamp};

impl Schedule {
    /// Gives the permit back, when the call's reply is there or given up on.
    pub fn end_call(&mut self, ticket: Ticket, ended: Ended<'_>, now: Mono) {
        let lane = &mut self.lanes[ticket.lane];
        let keys = lane.keys.clone();
        let app = lane.key.app.clone();
        self.book.give_back(
            &keys,
            match ended {
                Ended::NotSent | Ended::Unreachable => None,
                Ended::Answered | Ended::Refused(..) => Some(now),
                Ended::Lost(until) => Some(until),
            },
        );
        lane.tally.sent += u64::from(!matches!(ended, Ended::NotSent | Ended::Unreachable));
        let mut gate_refused = false;
        match ended {
            Ended::Refused(scope, refusal) => {
                lane.tally.throttled += 1;
                if scope == ThrottleScope::Concurrency {
                    lane.concurrency.lower(lane.in_flight);
                }
                if scope == ThrottleScope::Method {
                    self.book.refuse(&keys, ticket.probes, now, refusal);
                } else {
                    self.book.answered(&keys, ticket.probes, true);
                }
                if scope == ThrottleScope::App {
                    gate_refused = true;
                    self.gate(&app).gate.refuse(now, ticket.gate_probe, refusal.reset);
                }
            }
            Ended::Answered => {
                lane.concurrency.succeed();
                self.book.answered(&keys, ticket.probes, true);
            }
            Ended::Unreachable => {
                self.book.answered(&keys, ticket.probes, false);
                gate_refused = true;
                self.gate(&app).gate.unreachable(now, ticket.gate_probe);
            }
            Ended::NotSent | Ended::Lost(_) => self.book.answered(&keys, ticket.probes, false),
        }
        if !gate_refused {
            let applied = matches!(ended, Ended::Answered | Ended::Refused(..));
            self.gate(&app).gate.answered(ticket.gate_probe, applied);
        }
        self.wake_gate(&app);
        for key in keys {
            self.wake_line(key, now);
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
        self.make_ready(ticket.lane);
    }

    /// Puts a job back into its lane.
    pub fn put_back(&mut self, lane: &LaneKey, job: Queued, not_before: Option<Timestamp>) {
        if let Some(id) = self.lane(lane) {
            self.lanes[id].put_back(job, not_before);
            self.make_ready(id);
        }
    }

    /// Puts a job among those to be verified, not before `at`.
    pub fn put_uncertain(&mut self, lane: &LaneKey, job: Queued, at: Timestamp) {
        if let Some(id) = self.lane(lane) {
            self.lanes[id].add_uncertain(job, at);
            self.make_ready(id);
        }
    }

    /// The verification handed out by [`Next::Verify`] is over; the lane may begin another.
    pub fn verified(&mut self, lane: &LaneKey) {
        if let Some(id) = self.lane(lane) {
            self.lanes[id].verifying = false;
            self.make_ready(id);
        }
    }

    /// The job handed out by [`super::Next::Expired`] has ended.
    pub fn expired(&mut self, lane: &LaneKey) {
        self.expiring = self.expiring.saturating_sub(1);
        self.count(lane, |tally| tally.dead += 1);
    }

    /// Counts an ending of a job.
    pub fn count(&mut self, lane: &LaneKey, count: impl FnOnce(&mut Tally)) {
        if let Some(id) = self.lane(lane) {
            count(&mut self.lanes[id].tally);
        }
    }
}
