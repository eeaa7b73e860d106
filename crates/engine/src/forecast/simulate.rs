//! Runs the schedule of one component forward: every call is answered after its round trip.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Basis;
use super::accounts::{Accounts, Lane, Outcome};
use super::binding_windows::{self, Load};
use super::components::Component;
use super::job_source::{self, Arrival, JobSource, JobSources};
use super::round_robin::Share;
use super::steady_state::{Round, SteadyState};
use super::wait_times::WaitTimes;
use crate::schedule::{Ended, Next, Schedule, Start, Ticket};
use paceline_domain::job::LaneKey;
use paceline_domain::time::{Mono, Timestamp, micros};

/// Lanes of which it is asked what they wait for: those of one component mostly wait for the same.
const ASKED_MAX: usize = 32;

/// A component on its way.
pub(super) struct Simulation<'b> {
    basis: &'b Basis,
    schedule: Schedule,
    /// The schedule's own time, from zero on.
    now: Mono,
    /// What was skipped, and is later than the schedule knows.
    skipped: Duration,
    accounts: Accounts,
    sources: Vec<JobSource>,
    /// Jobs that come later; the next ones last.
    later: Vec<Arrival>,
    in_flight: BTreeMap<(Mono, u64), Call>,
    calls: u64,
    peak: usize,
    steady_state: SteadyState,
    cells: Vec<i64>,
    waits: WaitTimes,
}

struct Call {
    lane: usize,
    /// `None` for a job that was in flight at the start.
    ticket: Option<Ticket>,
}

impl<'b> Simulation<'b> {
    pub(super) fn new(basis: &'b Basis, component: &Component<'_>) -> Self {
        let mut simulation = Self {
            basis,
            schedule: Schedule::new(Arc::clone(&basis.planner), basis.limits),
            now: Mono(0),
            skipped: Duration::ZERO,
            accounts: Accounts::default(),
            sources: Vec::new(),
            later: Vec::new(),
            in_flight: BTreeMap::new(),
            calls: 0,
            peak: 0,
            steady_state: SteadyState::new(Vec::new(), Duration::ZERO, Mono(0)),
            cells: Vec::new(),
            waits: WaitTimes::of(0),
        };
        // In the order of a worker's start: what is past, then the jobs.
        let counted = simulation.restore(component);
        let Self { accounts, schedule, .. } = &mut simulation;
        let JobSources { kinds, mut arrivals } = JobSources::of(&component.groups, |group| {
            Some((accounts.lane(basis, schedule, &group.lane)?, accounts.batch(&group.batch)))
        });
        simulation.sources = kinds;
        let until = counted.max(simulation.hold_back()).max(simulation.enter_running(component));
        simulation.waits = WaitTimes::of(simulation.accounts.lanes.len());
        simulation.look_for_rounds(&arrivals, until);
        // Lanes get their first turns in the order of their first jobs.
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, arrival) in arrivals.iter().enumerate() {
            first.entry(arrival.lane).or_insert(place);
        }
        arrivals.sort_by_key(|arrival| first.get(&arrival.lane));
        for arrival in arrivals {
            match arrival.at {
                Some(_) => simulation.later.push(arrival),
                None => simulation.arrive(&arrival),
            }
        }
        simulation.later.sort_by_key(|arrival| (arrival.at, arrival.lane));
        simulation.later.reverse();
        simulation
    }

    /// Runs until nothing is left that can move.
    pub(super) fn run(mut self) -> Outcome {
        loop {
            match self.schedule.next(self.now, self.real(self.now)) {
                Next::Start(start) => self.start(&start),
                Next::Expired(lane, job) => {
                    self.schedule.expired(&lane);
                    self.expire(job_source::kind_of(job.seq));
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
    fn restore(&mut self, component: &Component<'_>) -> Mono {
        let mut latest = Mono(0);
        for lane in &component.past {
            self.accounts.lane(self.basis, &mut self.schedule, lane);
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
    fn enter_running(&mut self, component: &Component<'_>) -> Mono {
        let mut latest = Mono(0);
        for running in &component.running {
            let Some(lane) = self.accounts.lane(self.basis, &mut self.schedule, &running.lane) else { continue };
            let batch = self.accounts.batch(&running.batch);
            self.accounts.was_in_flight(lane, batch);
            let sent = Mono(running.sent_at.0.saturating_sub(self.basis.now.0));
            // One that should have been answered by now will be any moment.
            let at = (sent + self.accounts.lanes[lane].round_trip).max(Mono(1));
            self.send(at, Call { lane, ticket: None });
            latest = latest.max(at);
        }
        latest
    }

    fn look_for_rounds(&mut self, arrivals: &[Arrival], from: Mono) {
        let past = |lane: &LaneKey| self.basis.past.get(lane).map_or(0, |calls| calls.len() as u64);
        let mut jobs = vec![0; self.accounts.lanes.len()];
        for arrival in arrivals {
            jobs[arrival.lane] += arrival.jobs;
        }
        let lanes = self.accounts.lanes.iter().zip(jobs);
        let load = |(lane, jobs): (&Lane, u64)| Load {
            plan: Arc::clone(&lane.plan),
            jobs,
            past: past(&lane.key),
            round_trip: lane.round_trip,
        };
        let loads: Vec<_> = lanes.map(load).collect();
        let bounds = binding_windows::of(&loads, self.sources.len());
        (self.steady_state, self.cells) = (SteadyState::new(bounds.rounds, bounds.memory, from), bounds.cells);
    }

    /// Lets jobs come.
    fn arrive(&mut self, arrival: &Arrival) {
        self.accounts.lanes[arrival.lane].due += arrival.jobs;
        self.sources[arrival.kind].join(arrival.batch, arrival.jobs);
        self.steady_state.forget();
        for _ in 0..job_source::FED {
            self.feed(arrival.kind);
        }
    }

    fn feed(&mut self, kind: usize) {
        if let Some(job) = self.sources[kind].feed(kind) {
            // Its lane is known, or it would not be in this component.
            let _ = self.schedule.add(job);
        }
    }

    fn start(&mut self, start: &Start) {
        let kind = job_source::kind_of(start.job.seq);
        let source = &mut self.sources[kind];
        let lane = source.lane;
        if let Some(batch) = source.started() {
            self.accounts.deal(lane, batch, 1, 1);
        }
        self.accounts.start(lane, 1);
        self.feed(kind);
        self.send(self.now + self.accounts.lanes[lane].round_trip, Call { lane, ticket: Some(start.ticket) });
        if let Some(round) = self.steady_state.note(self.now, kind as u32) {
            self.skip(&round);
            self.steady_state.begin_anew();
        }
    }

    fn expire(&mut self, kind: usize) {
        let source = &mut self.sources[kind];
        let lane = source.lane;
        if let Some((batch, alike)) = source.expired() {
            self.accounts.expired(lane, batch, alike);
        }
        self.steady_state.begin_anew();
        self.feed(kind);
    }

    fn send(&mut self, at: Mono, call: Call) {
        self.calls += 1;
        self.in_flight.insert((at, self.calls), call);
        self.peak = self.peak.max(self.in_flight.len());
    }

    fn next_instant(&self, alarm: Option<Mono>) -> Option<Mono> {
        let reply = self.in_flight.keys().next().map(|(at, _)| *at);
        let later = self.later.last().and_then(|arrival| arrival.at).map(|at| self.mono(at));
        let next = alarm.into_iter().chain(reply).chain(later).min()?;
        Some(next.max(self.now + Duration::from_micros(1)))
    }

    fn sleep(&mut self, until: Mono) {
        self.note_waits(until);
        self.now = until;
        while let Some(reply) = self.in_flight.first_entry().filter(|reply| reply.key().0 <= until) {
            let ((at, _), call) = reply.remove_entry();
            self.answer(at, &call);
        }
        let has_come = Some(self.real(until));
        while let Some(arrival) = self.later.pop_if(|arrival| arrival.at <= has_come) {
            self.arrive(&arrival);
        }
    }

    fn note_waits(&mut self, until: Mono) {
        let length = until.since(self.now);
        let waiting = (0..self.accounts.lanes.len()).filter(|lane| self.accounts.lanes[*lane].due > 0).take(ASKED_MAX);
        for lane in waiting {
            let active_pause = self.schedule.blocked_by(&self.accounts.lanes[lane].key, self.now);
            let cause = active_pause.and_then(|(position, window)| Some((position, window?)));
            self.waits.add(lane, cause, until, length);
        }
    }

    fn answer(&mut self, at: Mono, call: &Call) {
        if let Some(ticket) = call.ticket {
            self.schedule.end_call(ticket, Ended::Answered, at);
            self.schedule.end_job(ticket);
        }
        self.accounts.done(call.lane, self.real(at));
    }

    /// Skips as many repetitions of a round as come before anything else happens.
    fn skip(&mut self, round: &Round) {
        // Of each lane its starts in a round, and of each kind which of them are its own.
        let mut of_lane: BTreeMap<usize, u64> = BTreeMap::new();
        let mut of_kind: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for kind in self.steady_state.last(round.calls) {
            let place = of_lane.entry(self.sources[kind as usize].lane).or_default();
            *place += 1;
            of_kind.entry(kind as usize).or_default().push(*place);
        }
        let rounds = self.rounds_ahead(&of_kind, round.span);
        if rounds == 0 {
            return;
        }
        for (kind, places) in of_kind {
            let source = &mut self.sources[kind];
            let (lane, starts) = (source.lane, places.len() as u64);
            for Share { batch, calls, last } in source.skip(starts * rounds) {
                let (round, place) = ((last - 1) / starts, places[((last - 1) % starts) as usize]);
                self.accounts.deal(lane, batch, calls, round * of_lane[&lane] + place);
            }
        }
        for (lane, starts) in of_lane {
            self.accounts.start(lane, starts * rounds);
            let lane = &mut self.accounts.lanes[lane];
            lane.jobs.done += starts * rounds;
            lane.curve.repeat(starts as usize, rounds as usize, round.span);
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
        for (kind, source) in self.sources.iter().enumerate() {
            let starts = of_kind.get(&kind).map_or(0, |places| places.len() as u64);
            if let Some(left) = source.left().checked_div(starts) {
                rounds = rounds.min(left);
            }
            if source.waiting() > 0 {
                rounds = rounds.min(source.rounds_before_deadline(starts, span, now));
            }
        }
        rounds
    }

    fn close(self) -> Outcome {
        let peak = self.peak;
        self.accounts.close(&self.waits, peak, self.calls)
    }
}
