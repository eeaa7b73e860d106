//! Calls that may have been applied and failed on the platform's side, as far as they concern the next ones of their lane.
//!
//! Decision: docs/decisions/0008-gateway-errors-are-outages.md

use std::time::Duration;

use super::Schedule;
use super::backlog::Queued;
use super::throttling::{Notice, Throttle};
use super::ticket::Ticket;
use crate::ports::JobSeq;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Gate, Trouble};
use paceline_domain::time::Mono;

/// From then on an outage is charged, so that a batch with jobs that no gateway takes comes to its end.
const OUTAGE_MAX: Duration = Duration::from_secs(86_400);

/// Gateways' errors that jobs of a lane met, with no answer of the platform in between.
#[derive(Debug)]
pub(super) struct Outage {
    /// Tells it from the one before; numbers come again after 255.
    number: u8,
    goes_on: bool,
    is_of_several: bool,
    since: Mono,
    /// Who met the first of them.
    first: JobSeq,
}

impl Default for Outage {
    fn default() -> Self {
        Self { number: 0, goes_on: false, is_of_several: false, since: Mono::default(), first: JobSeq(0) }
    }
}

impl Outage {
    /// A job met one: is it charged? An outage is nobody's fault. But once the platform has answered other jobs since
    /// the job's first one, and still nobody but this job meets them, it may be the job's own.
    fn meets(&mut self, job: &mut Queued, now: Mono) -> bool {
        if !self.goes_on {
            let number = self.number % u8::MAX + 1;
            *self = Self { number, goes_on: true, is_of_several: false, since: now, first: job.seq };
        }
        self.is_of_several |= self.first != job.seq;
        if job.outage == 0 {
            job.outage = self.number;
        }
        now.since(self.since) >= OUTAGE_MAX || (job.outage != self.number && !self.is_of_several)
    }

    /// The platform has answered.
    const fn ends(&mut self) {
        self.goes_on = false;
    }
}

impl Schedule {
    /// A job's call failed on the platform's side. Where nobody can look it up, the next ones go one by one, and they
    /// come to more again with success; several in a row, and the lane pauses. Says so if a pause begins.
    pub(super) fn unwell(&mut self, ticket: Ticket, trouble: Trouble, cause: &Failure, now: Mono) -> Option<Notice> {
        if !ticket.has_slot {
            return None;
        }
        let lane = &mut self.lanes[ticket.lane];
        let (slow, pause) = (Throttle::LaneConcurrency(ticket.lane), Throttle::LanePause(ticket.lane));
        self.throttling.forget_if(lane.concurrency.limit() >= lane.concurrency.max(), &slow);
        self.throttling.forget_if(lane.breaker.pause().until().is_none(), &pause);
        let begins = lane.breaker.fail(now, ticket.lane_probe, trouble, self.planner.speed);
        let until = lane.breaker.pause().until();
        if lane.is_careful() {
            lane.concurrency.restore(1);
            self.throttling.note(slow, &lane.key.app, now, cause);
        }
        let until = until.filter(|_| begins)?;
        self.throttling.note(pause, &lane.key.app, now, cause);
        // Whoever was let through before the pause is sent back, and waits for its end.
        self.queues.wait_until(ticket.lane, until);
        let (app, method) = (lane.key.app.clone(), lane.key.method.clone());
        Some(Notice::Paused { app, method, until, cause: cause.clone() })
    }

    /// A gateway answered in the platform's place. The lane pauses, because one path alone may be out of order, and the
    /// app, because most likely everything is. Says so if a pause begins, once.
    pub(super) fn unavailable(
        &mut self,
        ticket: Ticket,
        reset: Option<Duration>,
        cause: &Failure,
        now: Mono,
    ) -> Option<Notice> {
        let lane = &self.lanes[ticket.lane];
        let app = lane.key.app.clone();
        let trouble = if lane.is_careful() { Trouble::INTERNAL } else { Trouble::UNAVAILABLE };
        let of_lane = self.unwell(ticket, trouble.until(reset), cause, now);
        let refuse = |gate: &mut Gate| gate.unavailable(now, ticket.gate_probe, ticket.has_slot, reset);
        self.throttling.pause_app(&app, cause, now, refuse).or(of_lane)
    }

    /// Whether a gateway's error is charged to the job that met it.
    pub fn is_charged(&mut self, lane: &LaneKey, job: &mut Queued, now: Mono) -> bool {
        self.lane(lane).is_some_and(|id| self.lanes[id].outage.meets(job, now))
    }

    /// The platform itself answered a job's call.
    pub(super) fn available(&mut self, ticket: Ticket) {
        let lane = &mut self.lanes[ticket.lane];
        lane.outage.ends();
        self.throttling.gate_mut(lane.gate).available();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(seq: i64) -> Queued {
        Queued {
            seq: JobSeq(seq),
            batch: "".into(),
            priority: 4,
            not_after: None,
            attempts: 0,
            renewals: 0,
            contended: 0,
            look_faults: 0,
            outage: 0,
            looked_s: None,
        }
    }

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn an_outage_is_charged_to_nobody_for_a_day() {
        let (mut outage, mut one, mut other) = (Outage::default(), job(1), job(2));
        for minute in 0..1_440 {
            let now = Mono(minute * MINUTE);
            assert!(!outage.meets(&mut one, now) && (minute % 3 > 0 || !outage.meets(&mut other, now)), "{minute}");
        }
        assert!(outage.meets(&mut one, Mono(1_440 * MINUTE)));
        outage.ends();
        assert!(!outage.meets(&mut job(3), Mono(1_441 * MINUTE)), "another begins");
    }

    #[test]
    fn a_job_that_fails_while_others_are_answered_is_charged_from_its_second_time_on() {
        let (mut outage, mut poison) = (Outage::default(), job(1));
        let charged: Vec<_> = (0..600)
            .map(|minute| {
                // The last of the others is answered after the third.
                if minute < 3 {
                    outage.ends();
                }
                outage.meets(&mut poison, Mono(minute * MINUTE))
            })
            .collect();
        assert!(!charged[0] && charged[1..].iter().all(|charged| *charged), "and when it is the last one left");
    }

    #[test]
    fn a_second_outage_costs_at_most_who_meets_it_first() {
        let (mut outage, mut one, mut other) = (Outage::default(), job(1), job(2));
        assert!(!outage.meets(&mut one, Mono(0)) && !outage.meets(&mut other, Mono(0)));
        outage.ends();
        assert!(outage.meets(&mut one, Mono(MINUTE)), "nobody knows yet that it is one");
        let charged = (2..60).map(|minute| {
            (outage.meets(&mut other, Mono(minute * MINUTE)), outage.meets(&mut one, Mono(minute * MINUTE)))
        });
        assert!(charged.into_iter().all(|charged| charged == (false, false)));
    }
}
