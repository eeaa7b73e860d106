//! When will it be done? The real schedule, run forward over the present backlog in a time of its own.
//!
//! [`forecast`] gives a [`Schedule`](super::schedule::Schedule) what a worker would give it: the calls that windows still
//! count, the pauses, the jobs; and answers every call after a round trip. So priorities, batches, shared quotas and
//! slots are treated as they will be, because the same code decides. Lanes that share no quota cannot hold each other up
//! and are run apart ([`components`]); a stretch that repeats itself is run once and skipped afterwards
//! ([`steady_state`]), so that a million jobs take as long as a few windows.
//!
//! Decision: docs/decisions/0016-the-forecast-is-the-schedule.md

mod accounts;
mod binding_windows;
mod chained;
mod completion_curve;
mod components;
mod job_source;
mod round_robin;
mod simulate;
mod steady_state;
#[cfg(test)]
mod tests;
mod wait_times;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::accounts::Outcome;
pub use self::completion_curve::CompletionCurve;
use self::components::Component;
use self::simulate::Simulation;
use super::planner::Planner;
pub use super::ports::operator::{Chained, Group, Running};
use super::ports::{Restraint, Suspension};
use super::schedule::Limits;
use paceline_domain::catalog::Method;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Key, Quota, Window};
use paceline_domain::time::Timestamp;

/// The round trip of a method of which too few calls are recorded.
pub const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(100);

/// What a forecast starts from.
#[derive(Clone)]
pub struct Basis {
    /// Quotas.
    pub planner: Arc<Planner>,
    /// Slots.
    pub limits: Limits,
    /// The instant it starts at.
    pub now: Timestamp,
    /// Calls that a window may still count, those in flight included, by lane: the last instant at which the platform
    /// can have counted each.
    pub past: BTreeMap<LaneKey, Vec<Timestamp>>,
    /// Lanes that stand still.
    pub suspensions: Vec<Suspension>,
    /// What else holds calls back.
    pub restraints: Vec<Restraint>,
    /// Jobs that wait.
    pub backlog: Vec<Group>,
    /// Jobs that wait for others.
    pub chained: Vec<Chained>,
    /// Jobs whose calls are in flight.
    pub running: Vec<Running>,
    /// By method; [`ROUND_TRIP_DEFAULT`] for the others.
    pub round_trips: BTreeMap<String, Duration>,
    /// Lanes of jobs about which nobody decides after their calls, though their method may leave that open.
    pub decided_at_once: BTreeSet<LaneKey>,
}

impl Basis {
    /// The round trip of a call.
    pub fn round_trip(&self, lane: &LaneKey) -> Duration {
        self.round_trips.get(&lane.method).copied().unwrap_or(ROUND_TRIP_DEFAULT)
    }

    /// How long after the answer to its call a job is done: what decides later is taken to have decided when it is asked first,
    /// and that waits for those who are being asked.
    fn decided_after(&self, lane: &LaneKey, method: &Method) -> Duration {
        let decides = method.decides.as_ref().filter(|_| !self.decided_at_once.contains(lane));
        decides.map_or(Duration::ZERO, |decides| {
            decides.again_after(Duration::ZERO, self.planner.speed) + self.round_trip(lane) * 2
        })
    }
}

/// What will happen.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// When the last job that can move is done; the start if none can.
    pub finish: Timestamp,
    /// The quota window that makes calls wait longest; `None` if none does.
    pub deciding: Option<Deciding>,
    /// By app, tenant and method.
    pub lanes: Vec<LaneForecast>,
    /// By name; the jobs without a batch come first.
    pub batches: Vec<BatchForecast>,
    /// Quota keys with calls, the one that is waited for longest first.
    pub keys: Vec<KeyForecast>,
    /// What becomes of all jobs.
    pub jobs: Jobs,
    /// How many expire, of jobs that are alike. The youngest, because the others go first.
    pub expired: BTreeMap<Alike, u64>,
    /// Calls that were run one by one; the others repeat them.
    pub simulated: u64,
}

/// Jobs of one lane, batch, priority and deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike {
    /// Their lane.
    pub lane: LaneKey,
    /// Their batch, empty if none.
    pub batch: Arc<str>,
    /// 0 to 9.
    pub priority: u8,
    /// Expired at.
    pub not_after: Timestamp,
}

/// What becomes of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// Called and done.
    pub done: u64,
    /// Their deadline passes before their turn comes.
    pub expired: u64,
    /// They stand still until somebody resumes their app or lane.
    pub suspended: u64,
    /// Their app or method is not known any more.
    pub unknown: u64,
    /// They wait for jobs that do not end by themselves.
    pub blocked: u64,
}

/// A quota window that makes calls wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciding {
    /// Of this key.
    pub key: Key,
    /// The window.
    pub window: Window,
    /// For how long calls wait for it.
    pub waited: Duration,
}

/// A lane's share.
#[derive(Clone, Debug)]
pub struct LaneForecast {
    /// Which.
    pub key: LaneKey,
    /// What becomes of its jobs.
    pub jobs: Jobs,
    /// When its last job is done; `None` if none moves.
    pub finish: Option<Timestamp>,
    /// What it waits for longest.
    pub deciding: Option<Deciding>,
    /// How far it is at which instant.
    pub curve: CompletionCurve,
    /// Which of its jobs, counted from 1, are the first and the last of each batch.
    pub spans: BTreeMap<Arc<str>, (u64, u64)>,
}

/// A batch's share.
#[derive(Clone, Debug, Default)]
pub struct BatchForecast {
    /// Its name, empty if none.
    pub name: Arc<str>,
    /// What becomes of its jobs.
    pub jobs: Jobs,
    /// When its last job is done; `None` if none moves.
    pub finish: Option<Timestamp>,
    /// What the lane of its last job waits for longest.
    pub deciding: Option<Deciding>,
}

/// A quota key's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForecast {
    /// What the platform counts by.
    pub key: Key,
    /// The quota that is kept.
    pub quota: Quota,
    /// Calls.
    pub calls: u64,
    /// The window of it that is waited for longest, and for how long.
    pub waited: Option<(Window, Duration)>,
}

impl Forecast {
    /// The share of a batch.
    pub fn batch(&self, name: &str) -> Option<&BatchForecast> {
        self.batches.iter().find(|batch| *batch.name == *name)
    }

    /// The share of a lane.
    pub fn lane(&self, key: &LaneKey) -> Option<&LaneForecast> {
        self.lanes.binary_search_by(|lane| lane.key.cmp(key)).ok().map(|place| &self.lanes[place])
    }
}

impl LaneForecast {
    fn still(key: LaneKey) -> Self {
        let (jobs, curve) = (Jobs::default(), CompletionCurve::default());
        Self { key, jobs, finish: None, deciding: None, curve, spans: BTreeMap::new() }
    }
}

impl Jobs {
    /// Adds those of `other`.
    pub const fn add(&mut self, other: Self) {
        self.done += other.done;
        self.expired += other.expired;
        self.suspended += other.suspended;
        self.unknown += other.unknown;
        self.blocked += other.blocked;
    }

    /// All of them.
    pub const fn total(&self) -> u64 {
        self.done + self.expired + self.suspended + self.unknown + self.blocked
    }
}

/// Runs the schedule forward until nothing is left that can move.
pub fn forecast(basis: &Basis) -> Forecast {
    if basis.chained.is_empty() { run(basis) } else { chained::forecast(basis, run) }
}

/// The forecast of what waits for nobody.
fn run(basis: &Basis) -> Forecast {
    let components = components::of(basis);
    let mut simulated: Vec<_> = components.moving.iter().map(|component| simulate(basis, component)).collect();
    let peak: usize = simulated.iter().map(|simulated| simulated.peak).sum();
    if simulated.len() > 1 && peak > basis.limits.concurrency_max as usize {
        // They may have to wait for each other's slots, so they cannot be run apart.
        simulated = vec![simulate(basis, &Component::joint(&components.moving))];
    }
    let mut forecast = Forecast { finish: basis.now, ..Forecast::default() };
    let mut batches = components.still_batches;
    for simulated in simulated {
        merge(&mut forecast, &mut batches, simulated);
    }
    forecast.batches = batches.into_values().collect();
    let mut lanes: BTreeMap<_, _> =
        std::mem::take(&mut forecast.lanes).into_iter().map(|lane| (lane.key.clone(), lane)).collect();
    for (key, jobs) in components.still_lanes {
        let still = || LaneForecast::still(key.clone());
        lanes.entry(key.clone()).or_insert_with(still).jobs.add(jobs);
    }
    forecast.lanes = lanes.into_values().collect();
    for lane in &forecast.lanes {
        forecast.jobs.add(lane.jobs);
    }
    forecast.keys.sort_by_key(|key| std::cmp::Reverse(key.waited.map_or(Duration::ZERO, |(_, waited)| waited)));
    let deciding = forecast.lanes.iter().filter_map(|lane| lane.deciding.as_ref());
    forecast.deciding = deciding.max_by_key(|deciding| deciding.waited).cloned();
    forecast
}

fn simulate(basis: &Basis, component: &Component) -> Outcome {
    // What waits here waits in no lane of the worker: the log says nothing of it.
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), || Simulation::new(basis, component).run())
}

fn merge(forecast: &mut Forecast, batches: &mut BTreeMap<Arc<str>, BatchForecast>, simulated: Outcome) {
    forecast.simulated += simulated.calls;
    forecast.keys.extend(simulated.keys);
    forecast.expired.extend(simulated.expired);
    for lane in simulated.lanes {
        forecast.finish = lane.finish.map_or(forecast.finish, |finish| finish.max(forecast.finish));
        forecast.lanes.push(lane);
    }
    for batch in simulated.batches {
        let known = batches.entry(Arc::clone(&batch.name)).or_default();
        known.name = batch.name;
        known.jobs.add(batch.jobs);
        if batch.finish > known.finish {
            (known.finish, known.deciding) = (batch.finish, batch.deciding);
        }
    }
}
