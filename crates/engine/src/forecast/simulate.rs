//! Runs the schedule of one part forward: every call is answered after its round trip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Basis;
use super::bounds::{self, Load};
use super::feed::{self, Arrival, Feeder, Feeders};
use super::lineup::{Driven, Lane, Lineup};
use super::parts::Part;
use super::rhythm::{Rhythm, Round};
use super::turns::Share;
use super::waits::Waits;
use crate::schedule::{Ended, Next, Schedule, Start, Ticket};
use paceline_domain::job::LaneKey;
use paceline_domain::time::{Mono, Timestamp, micros};

/// Lanes of which it is asked what they wait for: those of one part mostly wait for the same.
const ASKED_MAX: usize = 32;

/// A part on its way.
pub(super) struct Drive<'b> {
    basis: &'b Basis,
    schedule: Schedule,
    /// The schedule's own time, from zero on.
    now: Mono,
    /// What was skipped, and is later than the schedule knows.
    skipped: Duration,
    lineup: Lineup,
    feeders: Vec<Feeder>,
    /// Jobs that come later; the next ones last.
    later: Vec<Arrival>,
    flying: BTreeMap<(Mono, u64), Flight>,
    flights: u64,
    peak: usize,
    rhythm: Rhythm,
    cells: Vec<i64>,
    waits: Waits,
}

struct Flight {
    lane: usize,
    /// `None` for a job that was in flight at the start.
    ticket: Option<Ticket>,
}

impl<'b> Drive<'b> {
    pub(super) fn new(basis: &'b Basis, part: &Part<'_>) -> Self {
        let mut drive = Self {
            basis,
            schedule: Schedule::new(Arc::clone(&basis.planner), basis.limits),
            now: Mono(0),
            skipped: Duration::ZERO,
            lineup: Lineup::default(),
            feeders: Vec::new(),
            later: Vec::new(),
            flying: BTreeMap::new(),
            flights: 0,
            peak: 0,
            rhythm: Rhythm::new(Vec::new(), Duration::ZERO, Mono(0)),
            cells: Vec::new(),
            waits: Waits::of(0),
        };
        // In the order of a worker's start: what is past, then the jobs.
        let counted = drive.restore(part);
        let Self { lineup, schedule, .. } = &mut drive;
        let Feeders { kinds, mut arrivals } = Feeders::of(&part.groups, |group| {
            Some((lineup.lane(basis, schedule, &group.lane)?, lineup.batch(&group.batch)))
        });
        drive.feeders = kinds;
        let until = counted.max(drive.hold_back()).max(drive.take_off(part));
        drive.waits = Waits::of(drive.lineup.lanes.len());
        drive.look_for_rounds(&arrivals, until);
        // Lanes get their first turns in the order of their first jobs.
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, arrival) in arrivals.iter().enumerate() {
            first.entry(arrival.lane).or_insert(place);
        }
        arrivals.sort_by_key(|arrival| first.get(&arrival.lane));
        for arrival in arrivals {
            match arrival.at {
                Some(_) => drive.later.push(arrival),
                None => drive.arrive(&arrival),
            }
        }
        drive.later.sort_by_key(|arrival| (arrival.at, arrival.lane));
        drive.later.reverse();
        drive
    }

    /// Runs until nothing is left that can move.
    pub(super) fn run(mut self) -> Driven {
        loop {
            match self.schedule.next(self.now, self.real(self.now)) {
                Next::Start(start) => self.start(&start),
                Next::Expired(lane, job) => {
                    self.schedule.expired(&lane);
                    self.expire(feed::kind_of(job.seq));
                }
                // Nothing is looked up here: what would be is a call of its lane like any other.
                Next::Verify(lane, jobs) => {
                    self.schedule.verified(&lane);
                    for job in jobs {
                        self.schedule.put_back(&lane, job, None);
                    }
                }
                Next::Granted => {}
                Next::Sleep(at) => match self.next_instant(at) {
                    Some(next) => self.sleep(next),
                    None => return self.close(),
                },
            }
        }
    }

    /// The calendar's instant of one of the schedule's.
    fn real(&self, at: Mono) -> Timestamp {
        Timestamp(self.basis.now.0.saturating_add(at.0)) + self.skipped
    }

    /// The schedule's instant of one of the calendar's that lies ahead.
    fn mono(&self, at: Timestamp) -> Mono {
        self.now + at.since(self.real(self.now))
    }

    /// Enters the calls of the past; says when the last of them was counted.
    fn restore(&mut self, part: &Part<'_>) -> Mono {
        let mut latest = Mono(0);
        for lane in &part.past {
            self.lineup.lane(self.basis, &mut self.schedule, lane);
            for counted_by in self.basis.past.get(lane).into_iter().flatten() {
                let at = Mono(counted_by.0.saturating_sub(self.basis.now.0));
                self.schedule.restore(lane, at);
                latest = latest.max(at);
            }
        }
        latest
    }

    /// Holds back what is held back now; says until when.
    fn hold_back(&mut self) -> Mono {
        let restraints = &self.basis.restraints;
        self.schedule.restrain(restraints.clone(), self.now, self.basis.now);
        let ends = restraints.iter().filter_map(|restraint| restraint.until).map(|until| self.mono(until));
        ends.max().unwrap_or_default()
    }

    /// Notes the jobs whose calls are in flight (the calls are among those of the past); says when the last is answered.
    fn take_off(&mut self, part: &Part<'_>) -> Mono {
        let mut latest = Mono(0);
        for running in &part.running {
            let Some(lane) = self.lineup.lane(self.basis, &mut self.schedule, &running.lane) else { continue };
            let batch = self.lineup.batch(&running.batch);
            self.lineup.was_in_flight(lane, batch);
            let sent = Mono(running.sent_at.0.saturating_sub(self.basis.now.0));
            // One that should have been answered by now will be any moment.
            let at = (sent + self.lineup.lanes[lane].round_trip).max(Mono(1));
            self.fly(at, Flight { lane, ticket: None });
            latest = latest.max(at);
        }
        latest
    }

    fn look_for_rounds(&mut self, arrivals: &[Arrival], from: Mono) {
        let past = |lane: &LaneKey| self.basis.past.get(lane).map_or(0, |calls| calls.len() as u64);
        let mut jobs = vec![0; self.lineup.lanes.len()];
        for arrival in arrivals {
            jobs[arrival.lane] += arrival.jobs;
        }
        let lanes = self.lineup.lanes.iter().zip(jobs);
        let load = |(lane, jobs): (&Lane, u64)| Load {
            plan: Arc::clone(&lane.plan),
            jobs,
            past: past(&lane.key),
            round_trip: lane.round_trip,
        };
        let loads: Vec<_> = lanes.map(load).collect();
        let bounds = bounds::of(&loads, self.feeders.len());
        (self.rhythm, self.cells) = (Rhythm::new(bounds.rounds, bounds.memory, from), bounds.cells);
    }

    /// Lets jobs come.
    fn arrive(&mut self, arrival: &Arrival) {
        self.lineup.lanes[arrival.lane].due += arrival.jobs;
        self.feeders[arrival.kind].join(arrival.batch, arrival.jobs);
        self.rhythm.forget();
        for _ in 0..feed::FED {
            self.feed(arrival.kind);
        }
    }

    fn feed(&mut self, kind: usize) {
        if let Some(job) = self.feeders[kind].feed(kind) {
            // Its lane is known, or it would not be in this part.
            let _ = self.schedule.add(job);
        }
    }

    fn start(&mut self, start: &Start) {
        let kind = feed::kind_of(start.job.seq);
        let feeder = &mut self.feeders[kind];
        let lane = feeder.lane;
        if let Some(batch) = feeder.started() {
            self.lineup.deal(lane, batch, 1, 1);
        }
        self.lineup.start(lane, 1);
        self.feed(kind);
        self.fly(self.now + self.lineup.lanes[lane].round_trip, Flight { lane, ticket: Some(start.ticket) });
        if let Some(round) = self.rhythm.note(self.now, kind as u32) {
            self.skip(&round);
            self.rhythm.begin_anew();
        }
    }

    fn expire(&mut self, kind: usize) {
        let feeder = &mut self.feeders[kind];
        let lane = feeder.lane;
        if let Some((batch, alike)) = feeder.expired() {
            self.lineup.expired(lane, batch, alike);
        }
        self.rhythm.begin_anew();
        self.feed(kind);
    }

    fn fly(&mut self, at: Mono, flight: Flight) {
        self.flights += 1;
        self.flying.insert((at, self.flights), flight);
        self.peak = self.peak.max(self.flying.len());
    }

    fn next_instant(&self, alarm: Option<Mono>) -> Option<Mono> {
        let reply = self.flying.keys().next().map(|(at, _)| *at);
        let later = self.later.last().and_then(|arrival| arrival.at).map(|at| self.mono(at));
        let next = alarm.into_iter().chain(reply).chain(later).min()?;
        Some(next.max(self.now + Duration::from_micros(1)))
    }

    fn sleep(&mut self, until: Mono) {
        self.note_waits(until);
        self.now = until;
        while let Some(reply) = self.flying.first_entry().filter(|reply| reply.key().0 <= until) {
            let ((at, _), flight) = reply.remove_entry();
            self.land(at, &flight);
        }
        let has_come = Some(self.real(until));
        while let Some(arrival) = self.later.pop_if(|arrival| arrival.at <= has_come) {
            self.arrive(&arrival);
        }
    }

    fn note_waits(&mut self, until: Mono) {
        let length = until.since(self.now);
        let waiting = (0..self.lineup.lanes.len()).filter(|lane| self.lineup.lanes[*lane].due > 0).take(ASKED_MAX);
        for lane in waiting {
            let held_back = self.schedule.held_back_by(&self.lineup.lanes[lane].key, self.now);
            let cause = held_back.and_then(|(position, window)| Some((position, window?)));
            self.waits.add(lane, cause, until, length);
        }
    }

    fn land(&mut self, at: Mono, flight: &Flight) {
        if let Some(ticket) = flight.ticket {
            self.schedule.end_call(ticket, Ended::Answered, at);
            self.schedule.end_job(ticket);
        }
        self.lineup.done(flight.lane, self.real(at));
    }

    /// Skips as many repetitions of a round as come before anything else happens.
    fn skip(&mut self, round: &Round) {
        // Of each lane its starts in a round, and of each kind which of them are its own.
        let mut of_lane: BTreeMap<usize, u64> = BTreeMap::new();
        let mut of_kind: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for kind in self.rhythm.last(round.calls) {
            let place = of_lane.entry(self.feeders[kind as usize].lane).or_default();
            *place += 1;
            of_kind.entry(kind as usize).or_default().push(*place);
        }
        let rounds = self.rounds_ahead(&of_kind, round.span);
        if rounds == 0 {
            return;
        }
        for (kind, places) in of_kind {
            let feeder = &mut self.feeders[kind];
            let (lane, starts) = (feeder.lane, places.len() as u64);
            for Share { batch, calls, last } in feeder.skip(starts * rounds) {
                let (round, place) = ((last - 1) / starts, places[((last - 1) % starts) as usize]);
                self.lineup.deal(lane, batch, calls, round * of_lane[&lane] + place);
            }
        }
        for (lane, starts) in of_lane {
            self.lineup.start(lane, starts * rounds);
            let lane = &mut self.lineup.lanes[lane];
            lane.jobs.done += starts * rounds;
            lane.course.repeat(starts as usize, rounds as usize, round.span);
        }
        let times = u32::try_from(rounds).unwrap_or(u32::MAX);
        self.waits.repeat(Mono(self.now.0 - micros(round.span)), times);
        self.skipped += round.span.saturating_mul(times);
    }

    fn rounds_ahead(&self, of_kind: &BTreeMap<usize, Vec<u64>>, span: Duration) -> u64 {
        let length = micros(span);
        if length <= 0 || self.cells.iter().any(|cell| length % cell != 0) {
            return 0;
        }
        let now = self.real(self.now);
        let ahead = |at: Timestamp| {
            u64::try_from((at.since(now).as_micros()) / u128::from(length.unsigned_abs())).unwrap_or(u64::MAX)
        };
        let mut rounds = u64::from(u32::MAX);
        if let Some(at) = self.later.last().and_then(|arrival| arrival.at) {
            rounds = rounds.min(ahead(at).saturating_sub(1));
        }
        for (kind, feeder) in self.feeders.iter().enumerate() {
            let starts = of_kind.get(&kind).map_or(0, |places| places.len() as u64);
            if let Some(left) = feeder.left().checked_div(starts) {
                rounds = rounds.min(left);
            }
            if feeder.waiting() > 0 {
                rounds = rounds.min(feeder.rounds_before_deadline(starts, span, now));
            }
        }
        rounds
    }

    fn close(self) -> Driven {
        let peak = self.peak;
        self.lineup.close(&self.waits, peak, self.flights)
    }
}
