//! Carries a plan out, life after life, on one ledger and one platform.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paceline::clock::Clock;
use paceline::domain::decode::{self, Decoder, Defaults};
use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::engine::planner::Planner;
use paceline::engine::ports::State;
use paceline::engine::ports::operator::{Reports, Resolution, Selection};
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin, TakenOver};
use paceline::engine::{Engine, Stop};
use paceline::metrics::Metrics;
use paceline::simulator::{Scenario, World};
use paceline::store;
use paceline::store::{Mode, SqlStore};

use super::cable::{Cable, Platform};
use super::checks;
use super::plan::{Deed, Plan, T0};

/// How a life ended.
enum Death {
    Killed,
    /// Nothing is left to do.
    Done,
    /// What is left stands still, or the bound is over; this is how it looked.
    Stuck(String),
}

/// What has happened to the plan so far, whoever lived.
#[derive(Default)]
struct Progress {
    portions: usize,
    deeds: usize,
    /// How the windows stood when the last life was killed.
    windows: Option<Windows>,
    /// Whether this life has taken up the windows of the one before.
    restored: bool,
    faults: Vec<String>,
}

/// Permits spent of each window of each quota key.
struct Windows {
    used: BTreeMap<(String, Duration), u32>,
    /// Whether no call was in flight.
    is_quiet: bool,
}

impl Windows {
    fn of(engine: &Engine, store: &Path) -> Self {
        let view = engine.view();
        let is_quiet =
            view.lanes.iter().all(|lane| lane.running == 0) && store::open(store).unwrap().running().unwrap() == 0;
        let usage = view.lanes.iter().flat_map(|lane| &lane.usage);
        // Windows of more permits are kept in cells of time, which begin anew with each life.
        let exact = usage.flat_map(|usage| {
            let windows = usage.windows.iter().filter(|(window, _)| window.limit <= 1_000);
            windows.map(|(window, used)| ((usage.key.to_string(), window.span), *used))
        });
        Self { used: exact.filter(|(_, used)| *used > 0).collect(), is_quiet }
    }
}

/// Carries the plan out and says what was wrong.
pub(super) fn carry_out(plan: &Plan) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("ledger.db");
    let scenario = Scenario::parse(&plan.scenario, "simulation").unwrap();
    let platform = Platform::new(
        on_a_runtime(|| World::new(Arc::clone(&plan.catalog), scenario, 1.0, &Clock::at(T0))),
        T0,
        plan.cuts,
    );
    let progress = Mutex::new(Progress::default());
    let (mut start, mut kills) = (T0, plan.kills.iter());
    loop {
        let kill = kills.next();
        let end = kill.map_or(plan.bound, |kill| start + kill.after);
        let (death, ended) = live(plan, &platform, &store, &progress, start, end, kill.is_none());
        match death {
            Death::Killed => {
                let down = kill.map(|kill| kill.down).unwrap_or_default();
                if !down.is_zero() {
                    lock(&progress).windows = None;
                }
                start = ended + down;
            }
            Death::Stuck(view) => return vec![format!("it stands still at {ended}: {view}\n{}", plan.scenario)],
            Death::Done => {
                let restored = std::mem::take(&mut lock(&progress).faults);
                return restored.into_iter().chain(checks::faults_of(plan, &platform, &store, ended)).collect();
            }
        }
    }
}

/// The world asks tokio's clock once, at its beginning.
pub(super) fn on_a_runtime<T>(work: impl FnOnce() -> T) -> T {
    let runtime = runtime();
    let _guard = runtime.enter();
    work()
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).max_blocking_threads(2).build().unwrap()
}

/// One life, until it is done or killed; a kill drops the runtime with every task on it.
fn live(
    plan: &Plan,
    platform: &Arc<Platform>,
    store: &Path,
    progress: &Mutex<Progress>,
    start: Timestamp,
    end: Timestamp,
    is_last: bool,
) -> (Death, Timestamp) {
    runtime().block_on(async {
        let clock = Clock::at(start);
        platform.deliver(&clock);
        let ledger = Arc::new(SqlStore::open(store, Mode::Worker, clock.now()).unwrap());
        let planner = Planner::new(Arc::clone(&plan.catalog), plan.apps.clone(), 1.0);
        let transport = Arc::new(Cable { platform: Arc::clone(platform), clock: clock.clone() });
        let shared: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let domain = shared.acquire_all().await.unwrap();
        let engine = Engine::new(planner, (shared, domain), transport, clock.clone(), plan.options, Metrics::default());
        let life = Life { plan, store, progress, engine: &engine, ledger: &ledger, clock: &clock };
        // What a person did at the very end is seen by the next life.
        let is_over = life.has_all();
        let death = tokio::select! {
            () = life.work() => match ledger.suspensions().await.unwrap() {
                none if none.is_empty() && is_over => Death::Done,
                none if none.is_empty() => Death::Killed,
                some => Death::Stuck(format!("{some:#?}")),
            },
            () = clock.sleep_until(clock.mono_of(end)) => {
                if is_last { Death::Stuck(format!("{:#?}", engine.view())) } else { Death::Killed }
            }
        };
        let windows = Windows::of(&engine, store);
        let mut progress = lock(progress);
        progress.windows = std::mem::take(&mut progress.restored).then_some(windows);
        drop(progress);
        (death, clock.now())
    })
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Life<'a> {
    plan: &'a Plan,
    store: &'a Path,
    progress: &'a Mutex<Progress>,
    engine: &'a Arc<Engine>,
    ledger: &'a Arc<SqlStore>,
    clock: &'a Clock,
}

impl Life<'_> {
    async fn work(&self) {
        self.engine.recover().await.unwrap();
        self.progress().restored = true;
        self.compare();
        self.engine.load(None).await.unwrap();
        tokio::join!(self.intake(), self.deeds(), self.run());
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(self.progress)
    }

    async fn run(&self) {
        loop {
            assert_eq!(self.engine.run(true, std::future::pending()).await, Stop::Idle);
            if self.has_all() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A start without a pause finds every window as the life before left it.
    fn compare(&self) {
        let Some(before) = self.progress().windows.take() else { return };
        let after = Windows::of(self.engine, self.store);
        let is_right = if before.is_quiet {
            after.used == before.used
        } else {
            // Permits of calls that were not yet recorded have come back.
            after.used.iter().all(|(window, used)| before.used.get(window).is_some_and(|before| used <= before))
        };
        if !is_right {
            let fault = format!("windows at {}: {:?} became {:?}", self.clock.now(), before.used, after.used);
            self.progress().faults.push(fault);
        }
    }

    fn has_all(&self) -> bool {
        let progress = self.progress();
        progress.portions == self.plan.portions.len() && progress.deeds == self.plan.deeds.len()
    }

    /// A portion counts as delivered once its take-over is answered: else it comes again in the next life.
    async fn intake(&self) {
        let decoder =
            Decoder { catalog: Arc::clone(&self.plan.catalog), apps: decode::Apps::Any, rights: Arc::default() };
        loop {
            let done = self.progress().portions;
            let Some(portion) = self.plan.portions.get(done) else { return };
            self.clock.sleep_until(self.clock.mono_of(portion.at)).await;
            let arrival = |job: &super::plan::Sent| {
                let read = decoder.decode(job.value.to_string().as_bytes(), &Defaults::default());
                Arrival { input: Ok(Box::new(read.unwrap())), origin: Origin::default() }
            };
            let arrivals = portion.jobs.iter().map(arrival).collect();
            let taken = self.ledger.take_over(arrivals, self.clock.now()).await.unwrap();
            let waiting = taken.into_iter().filter_map(|taken| match taken {
                TakenOver::Queued(waiting) => Some(waiting),
                TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
            });
            self.engine.enqueue(waiting.collect());
            self.progress().portions += 1;
        }
    }

    /// A person works beside the worker, through a connection of their own.
    async fn deeds(&self) {
        loop {
            let done = self.progress().deeds;
            let Some(&(at, deed)) = self.plan.deeds.get(done) else { return };
            self.clock.sleep_until(self.clock.mono_of(at)).await;
            self.progress().deeds += 1;
            let mut operator = store::open(self.store).unwrap();
            let now = self.clock.now();
            let in_state = |operator: &dyn Reports, state: State| {
                let filter = Selection { state: Some(state), ..Selection::default() };
                let lines = operator.list_jobs(&filter, 0, usize::MAX).unwrap();
                lines.into_iter().filter_map(|line| line.document["id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            match deed {
                Deed::Cancel(every) => {
                    let ids: Vec<_> = in_state(&*operator, State::Queued).into_iter().step_by(every).collect();
                    if !ids.is_empty() {
                        operator.cancel(&Selection { ids, ..Selection::default() }, false, now).unwrap();
                    }
                }
                Deed::Resolve(every) => {
                    let mut ids = in_state(&*operator, State::Uncertain);
                    ids.extend(in_state(&*operator, State::Held));
                    for id in ids.iter().step_by(every) {
                        // Refused while a call of it is in flight.
                        let _ = operator.resolve(id, &Resolution::Dead, now);
                    }
                }
                Deed::Redrive => {
                    let filter = Selection { reason: Some(Reason::Exhausted), ..Selection::default() };
                    let letters = operator.select_dead(&filter).unwrap();
                    operator.redrive(&letters).unwrap();
                }
            }
        }
    }
}
