//! The whole engine with several owners, in virtual time: workers are killed, stopped past their leases, and not heard of.
//!
//! One ledger and one platform; each worker has an engine of its own and sees the others by their leases alone. What must
//! hold at the end is what must hold for one worker.

mod leases;
mod ports;
mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use paceline::clock::Clock;
use paceline::domain::decode::{self, Decoder, Defaults};
use paceline::domain::outcome::Reply;
use paceline::domain::time::{Mono, Timestamp, micros};
use paceline::engine::Engine;
use paceline::engine::fleet::Member;
use paceline::engine::planner::Planner;
use paceline::engine::ports::{Arrival, Card, Intake as _, Ledger as _, Mode, Origin, Request, TakenOver, Transport};
use paceline::metrics::Metrics;
use paceline::simulator::{Scenario, World};
use paceline::store::SqlStore;
use tokio::sync::watch;

use self::leases::{Faults, LEASE, Life, Replica, Shared};
use self::ports::{Desk, Handle};
use super::cable::{Cable, Platform};
use super::checks;
use super::lives::{on_a_runtime, runtime};
use super::plan::{Plan, T0};

const WORKERS: usize = 3;

/// What happens to so many workers.
struct Script {
    workers: usize,
    events: Vec<Event>,
}

/// What happens to a worker.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// It dies, and another one comes after this time.
    Kill(Duration),
    /// It stands still for so long.
    Pause(Duration),
    /// Its heartbeats do not come through for so long; `true`: they do, and their answers are lost.
    Silence(Duration, bool),
    /// Its machine's clock is set by so many seconds.
    Step(i64),
    /// A standby takes the database over, whoever the worker is.
    Failover,
}

struct Event {
    at: Timestamp,
    worker: usize,
    harm: Harm,
}

/// Drawn by a generator of its own: the plan is that of the simulation with one worker.
fn drawn(seed: u64) -> Script {
    let rng = &mut Rng::with_seed(seed ^ 0xf1ee7);
    let seconds = |rng: &mut Rng, from: u64, to: u64| Duration::from_millis(rng.u64(from * 1_000..to * 1_000));
    let mut events: Vec<Event> = (0..rng.usize(2..9))
        .map(|_| {
            let harm = match rng.u8(..5) {
                0 => Harm::Kill(seconds(rng, 0, 20)),
                1 => Harm::Silence(seconds(rng, 1, 15), rng.bool()),
                2 => Harm::Step(rng.i64(-120..=120)),
                _ => Harm::Pause(seconds(rng, 1, 25)),
            };
            Event { at: T0 + seconds(rng, 0, 90), worker: rng.usize(..WORKERS), harm }
        })
        .collect();
    events.sort_by_key(|event| event.at);
    Script { workers: WORKERS, events }
}

/// A worker and what its tasks hang on.
struct Worker {
    desk: Arc<Desk>,
    engine: Arc<Engine>,
    life: watch::Sender<Life>,
    silent: watch::Sender<Option<(Mono, bool)>>,
    /// Sets its machine's clock: the engine's, and what is told of it.
    machine: [Arc<AtomicI64>; 2],
}

/// What leaves, leaves a worker that runs, and what comes back waits for it.
struct Gated {
    replica: Arc<Replica>,
    cable: Cable,
}

#[async_trait]
impl Transport for Gated {
    async fn send(&self, request: Request) -> Reply {
        let reply = self.cable.send(request).await;
        self.replica.runs().await;
        reply
    }
}

struct Site<'p> {
    plan: &'p Plan,
    platform: Arc<Platform>,
    shared: Arc<Shared>,
    clock: Clock,
}

impl Site<'_> {
    fn start(&self, id: u64) -> Worker {
        let (life, lives) = watch::channel(Life::Runs);
        let (silent, hears) = watch::channel(None);
        let (clock, set) = Clock::steppable(self.clock.now());
        let (told, set_told) = Clock::steppable(self.clock.now());
        let replica = Replica::new(id, Arc::clone(&self.shared), lives, told);
        let desk = Arc::new(Desk(Arc::clone(&replica)));
        let planner = Planner::new(Arc::clone(&self.plan.catalog), self.plan.apps.clone(), 1.0);
        let cable = Cable { platform: Arc::clone(&self.platform), clock: self.clock.clone() };
        let transport = Arc::new(Gated { replica: Arc::clone(&replica), cable });
        let held = Arc::new(Handle { replica: Arc::clone(&replica), only: None });
        let outside = (Arc::clone(&desk) as Arc<_>, held as Arc<_>);
        let engine = Engine::new(planner, outside, transport, clock, self.plan.options, Metrics::default());
        tokio::spawn(beats(Arc::clone(&replica), hears, self.clock.clone()));
        let (working, joining) = (Arc::clone(&engine), Arc::clone(&desk));
        tokio::spawn(async move {
            working.recover().await.unwrap();
            let member = Member::new(Arc::clone(&working), joining, Card { name: id.to_string(), ..Card::default() });
            tokio::spawn(member.run());
            working.run(false, std::future::pending()).await;
        });
        Worker { desk, engine, life, silent, machine: [set, set_told] }
    }

    /// Whether a job has succeeded while nothing may be sent. Calls that were under way are over after some seconds.
    async fn is_broken(&self, at_rest: &mut Option<u64>) -> bool {
        let Some(broken_at) = self.shared.rows.lock().await.broken_at else { return false };
        let since = self.clock.now().0 - broken_at.0;
        if !(micros(LEASE)..120_000_000).contains(&since) {
            return false;
        }
        let succeeded = self.shared.inner.counts(None).await.unwrap().succeeded;
        *at_rest.get_or_insert(succeeded) != succeeded
    }

    /// Does harm as it was planned, and brings in the jobs by whoever runs.
    async fn carry_out(&self, script: &Script) -> Result<(), String> {
        let mut next_id = script.workers as u64;
        let mut workers: Vec<Worker> = (0..next_id).map(|id| self.start(id)).collect();
        let mut due: Vec<(Timestamp, usize, Option<Harm>)> =
            script.events.iter().map(|event| (event.at, event.worker, Some(event.harm))).collect();
        let mut portions = self.plan.portions.iter().peekable();
        let mut at_rest = None;
        loop {
            let now = self.clock.now();
            if self.is_broken(&mut at_rest).await {
                return Err("calls were made although others may be missing".to_owned());
            }
            while let Some(at) = due.iter().position(|(at, ..)| *at <= now) {
                let (_, who, harm) = due.remove(at);
                match harm {
                    Some(Harm::Kill(down)) => {
                        workers[who].life.send_replace(Life::Dead);
                        due.push((now + down, who, None));
                    }
                    Some(Harm::Pause(time)) if *workers[who].life.borrow() == Life::Runs => {
                        workers[who].life.send_replace(Life::Paused);
                        due.push((now + time, who, None));
                    }
                    Some(Harm::Pause(_)) => {}
                    Some(Harm::Silence(time, arrives)) => {
                        workers[who].silent.send_replace(Some((self.clock.mono() + time, arrives)));
                    }
                    Some(Harm::Step(seconds)) => {
                        for machine in &workers[who].machine {
                            machine.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
                        }
                    }
                    Some(Harm::Failover) => self.shared.rows.lock().await.broken_at = Some(now),
                    None if *workers[who].life.borrow() == Life::Dead => {
                        workers[who] = self.start(next_id);
                        next_id += 1;
                    }
                    None => drop(workers[who].life.send_replace(Life::Runs)),
                }
            }
            while let Some(portion) = portions.next_if(|portion| portion.at <= now) {
                self.bring(portion, &workers).await;
            }
            if portions.peek().is_none() && due.is_empty() && self.is_done().await {
                return Ok(());
            }
            if now > self.plan.bound + LEASE * 100 {
                return Err(self.stuck(&workers).await);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A portion comes by a worker that runs; while none does, it waits at the broker.
    async fn bring(&self, portion: &super::plan::Portion, workers: &[Worker]) {
        let decoder =
            Decoder { catalog: Arc::clone(&self.plan.catalog), apps: decode::Apps::Any, rights: Arc::default() };
        let arrivals: Vec<Arrival> = portion
            .jobs
            .iter()
            .map(|job| {
                let read = decoder.decode(job.value.to_string().as_bytes(), &Defaults::default());
                Arrival { input: Ok(Box::new(read.unwrap())), origin: Origin::default() }
            })
            .collect();
        let at = portion.jobs.len() % workers.len();
        let running = workers[at..].iter().chain(&workers[..at]).find(|worker| worker.desk.0.is_running());
        if let Some(worker) = running {
            let (desk, engine, now) = (Arc::clone(&worker.desk), Arc::clone(&worker.engine), self.clock.now());
            // It may be killed or paused before its engine hears of it.
            tokio::spawn(async move {
                let taken = desk.take_over(arrivals, now).await.unwrap();
                let queued = taken.into_iter().filter_map(|taken| match taken {
                    TakenOver::Queued(waiting) => Some(waiting),
                    TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
                });
                engine.enqueue(queued.collect());
            });
        } else {
            let taken = self.shared.inner.take_over(arrivals, self.clock.now()).await.unwrap();
            let mut rows = self.shared.rows.lock().await;
            let queued = taken.into_iter().filter_map(|taken| match taken {
                TakenOver::Queued(waiting) => Some(waiting),
                TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
            });
            rows.changed.waiting.extend(queued);
        }
    }

    async fn is_done(&self) -> bool {
        let counts = self.shared.inner.counts(None).await.unwrap();
        let jobs = self.plan.jobs().count() as u64;
        // What waits for a held job waits for a person.
        let is_unblocked = counts.blocked == 0 || counts.held > 0;
        counts.total == jobs && counts.queued + counts.uncertain == 0 && is_unblocked
    }

    async fn stuck(&self, workers: &[Worker]) -> String {
        let counts = self.shared.inner.counts(None).await.unwrap();
        let suspensions = self.shared.inner.suspensions().await.unwrap();
        let rows = self.shared.rows.lock().await;
        let views: Vec<String> = workers.iter().map(|worker| format!("{:?}", worker.engine.view().lanes)).collect();
        format!(
            "it stands still: {counts:?}\n{suspensions:?}\n{:?}\n{:?}\n{}",
            rows.leases,
            rows.changed,
            views.join("\n")
        )
    }
}

/// The heartbeat of a worker, on a task of its own.
async fn beats(replica: Arc<Replica>, silent: watch::Receiver<Option<(Mono, bool)>>, clock: Clock) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let silence = *silent.borrow();
        let arrives = silence.filter(|(until, _)| clock.mono() < *until).map(|(_, arrives)| arrives);
        replica.beat(arrives.unwrap_or(true), arrives.is_none()).await;
    }
}

/// Carries the plan out with several workers, to which happens what the seed says; says what was wrong.
pub(super) fn carry_out(plan: &Plan, seed: u64) -> Vec<String> {
    play(plan, seed, &drawn(seed), Faults::default())
}

fn play(plan: &Plan, seed: u64, script: &Script, faults: Faults) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("ledger.db");
    let scenario = Scenario::parse(&plan.scenario, "simulation").unwrap();
    let platform = Platform::new(
        on_a_runtime(|| World::new(Arc::clone(&plan.catalog), scenario, 1.0, &Clock::at(T0))),
        T0,
        plan.cuts,
    );
    // When workers look round goes by the dice of the thread.
    fastrand::seed(seed);
    let (done, ended) = runtime().block_on(async {
        let clock = Clock::at(T0);
        let inner = Arc::new(SqlStore::open(&store, Mode::Worker, clock.now()).unwrap());
        let whole = inner.acquire_all().await.unwrap();
        let (rows, lanes) = Default::default();
        let shared = Arc::new(Shared { inner: Arc::clone(&inner), whole, clock: clock.clone(), faults, rows, lanes });
        let site = Site { plan, platform: Arc::clone(&platform), shared, clock: clock.clone() };
        let done = site.carry_out(script).await;
        (done, clock.now())
    });
    match done {
        Ok(()) => checks::faults_of(plan, &platform, &store, ended),
        Err(why) => vec![format!("{why}\n{}", plan.scenario)],
    }
}
