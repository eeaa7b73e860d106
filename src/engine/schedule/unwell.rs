//! Calls that may have been applied and failed on the platform's side, as far as they concern the next ones of their lane.

use super::restraints::{Mark, Notice};
use super::{Failure, Mono, Schedule, Ticket};

impl Schedule {
    /// A job's call failed on the platform's side. Where nobody can look it up, the next ones go one by one, and they
    /// come to more again with success; several in a row, and the lane pauses. Says so if a pause begins.
    pub(super) fn unwell(&mut self, ticket: Ticket, cause: &Failure, now: Mono) -> Option<Notice> {
        if !ticket.has_slot {
            return None;
        }
        let (slow, pause) = (Mark::Lane(ticket.lane), Mark::LanePause(ticket.lane));
        self.forget_if_over(&slow, now);
        self.forget_if_over(&pause, now);
        let lane = &mut self.lanes[ticket.lane];
        let (app, method) = (lane.key.app.clone(), lane.key.method.clone());
        let begins = lane.breaker.fail(now, ticket.lane_probe, self.planner.speed);
        let until = lane.breaker.pause().until();
        if lane.is_careful() {
            lane.concurrency.restore(1);
            self.restraints.note(slow, &app, now, cause);
        }
        let until = until.filter(|_| begins)?;
        self.restraints.note(pause, &app, now, cause);
        // Whoever was let through before the pause is sent back, and waits for its end.
        self.lane_timers.arm(ticket.lane, until);
        Some(Notice::Unwell { app, method, until, cause: cause.clone() })
    }

    /// A job's call was answered otherwise, or learnt nothing.
    pub(super) fn not_unwell(&mut self, ticket: Ticket, is_answered: bool) {
        if !ticket.has_slot {
            return;
        }
        let breaker = &mut self.lanes[ticket.lane].breaker;
        if is_answered {
            breaker.answered(ticket.lane_probe);
        } else {
            breaker.learnt_nothing(ticket.lane_probe);
        }
    }
}
