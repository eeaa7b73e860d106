//! A platform and a worker in virtual time: the simulator in process, a real ledger, apps from a file of settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use paceline::clock::Clock;
use paceline::domain::catalog::Catalog;
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{Arrival, Counts, Mode, Origin, Store, TakenOver, Transport};
use paceline::engine::{Engine, Revision, Stop};
use paceline::metrics::Metrics;
use paceline::settings::{self, Settings};
use paceline::simulator::{InProcess, Scenario, Simulator, Stats};
use paceline::wiring::{self, Parts};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Where the calendar begins.
const T0: Timestamp = Timestamp(1_800_000_000_000_000);

/// Replies in 20 to 60 ms, and every quota counted strictly.
const LATENCY: &str = "[latency]\nbefore = { kind = 'uniform', from_ms = 10, to_ms = 30 }\n\
                       after = { kind = 'uniform', from_ms = 10, to_ms = 30 }\n";

/// A platform that outlives the workers that call it.
pub(crate) struct World {
    pub simulator: Simulator,
    pub clock: Clock,
    catalog: Arc<Catalog>,
    folder: tempfile::TempDir,
}

impl World {
    /// The platform; `rest` is what its scenario says beside the latency.
    pub(crate) fn new(catalog: Catalog, rest: &str) -> Self {
        let (clock, catalog) = (Clock::at(T0), Arc::new(catalog));
        let simulator = Simulator::start(Arc::clone(&catalog), scenario(rest), 1.0, clock.clone())
            .unwrap_or_else(|error| panic!("{error}"));
        Self { simulator, clock, catalog, folder: tempfile::tempdir().unwrap() }
    }

    /// The file of the ledger.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Another scenario from now on.
    pub(crate) fn change(&self, rest: &str) {
        self.simulator.change(scenario(rest)).unwrap();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.simulator.stats()
    }

    /// A worker with these settings; secrets stand in the variables `S1` to `S3`.
    pub(crate) async fn start(&self, text: &str) -> Worker<'_> {
        self.start_over(text, Arc::new(InProcess::new(self.simulator.clone()))).await
    }

    /// The same over another transport.
    pub(crate) async fn start_over(&self, text: &str, transport: Arc<dyn Transport>) -> Worker<'_> {
        let settings = self.settings(text);
        let apps = wiring::apps_of(&settings, &self.catalog).unwrap();
        let parts = Parts::bare(settings, Arc::clone(&self.catalog), apps, transport, self.clock.clone(), 1.0);
        let ledger = wiring::open(&self.store(), Mode::Worker, self.clock.now(), Metrics::default()).unwrap();
        let load = async |engine: &Arc<Engine>| engine.load(None).await;
        let (worker, _) = wiring::Worker::start(parts, Arc::clone(&ledger), load).await.unwrap();
        Worker { world: self, engine: worker.engine, ledger }
    }

    fn settings(&self, text: &str) -> Settings {
        let file: PathBuf = self.folder.path().join("paceline.toml");
        std::fs::write(&file, text).unwrap();
        let secrets = ["S1", "S2", "S3"].map(|name| (name.to_owned(), format!("secret-{name}")));
        settings::load(Some(&file), secrets.into_iter()).unwrap_or_else(|faults| panic!("{faults}"))
    }
}

fn scenario(rest: &str) -> Scenario {
    Scenario::parse(&format!("{rest}\n{LATENCY}"), "test").unwrap_or_else(|error| panic!("{error}"))
}

/// A call as the ledger has it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub app: String,
    pub tenant: String,
    /// Seconds since the world began.
    pub sent_s: f64,
    /// When it was counted at the latest.
    pub by_s: f64,
}

/// A worker on its ledger.
pub(crate) struct Worker<'w> {
    world: &'w World,
    pub engine: Arc<Engine>,
    pub ledger: Arc<dyn Store>,
}

impl Worker<'_> {
    /// Takes jobs over.
    pub(crate) async fn take(&self, jobs: impl IntoIterator<Item = Value>) {
        let decoder = Decoder { catalog: Arc::clone(&self.world.catalog), apps: Apps::Any, rights: Arc::default() };
        let arrival = |job: Value| {
            let job = decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap();
            Arrival { input: Ok(Box::new(job)), origin: Origin::default() }
        };
        let arrivals = jobs.into_iter().map(arrival).collect();
        let taken = self.ledger.take_over(arrivals, self.world.clock.now()).await.unwrap();
        let queued = |taken| match taken {
            TakenOver::Queued(waiting) => Some(waiting),
            TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
        };
        self.engine.enqueue(taken.into_iter().filter_map(queued).collect());
    }

    /// Works in the background until nothing is left.
    pub(crate) fn run(&self) -> JoinHandle<Stop> {
        let engine = Arc::clone(&self.engine);
        tokio::spawn(async move { engine.run(true, std::future::pending()).await })
    }

    /// Works to the end; says how many seconds that took.
    pub(crate) async fn finish(&self) -> f64 {
        let start = self.world.clock.mono();
        assert_eq!(self.run().await.unwrap(), Stop::Idle);
        self.world.clock.mono().since(start).as_secs_f64()
    }

    /// Goes by other settings from now on.
    pub(crate) async fn reload(&self, text: &str) -> Revision {
        let settings = self.world.settings(text);
        let apps = wiring::apps_of(&settings, &self.world.catalog).unwrap();
        wiring::reload(&self.engine, &settings, Arc::clone(&self.world.catalog), apps).await.unwrap()
    }

    /// Sleeps until so many seconds after the world began.
    pub(crate) async fn until(&self, second: f64) {
        let at = T0 + Duration::from_secs_f64(second);
        self.world.clock.sleep_until(self.world.clock.mono_of(at)).await;
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.ledger.counts(None).await.unwrap()
    }

    /// Calls of this method, in the order of sending.
    pub(crate) async fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.ledger.acquire_all().await.unwrap().past_calls(Timestamp(0)).await.unwrap();
        let second = |at: Timestamp| at.since(T0).as_secs_f64();
        let of_method = calls.into_iter().filter(|call| call.lane.method == method);
        of_method
            .map(|call| Call {
                app: call.lane.app,
                tenant: call.lane.tenant,
                sent_s: second(call.sent_at),
                by_s: second(call.counted_by),
            })
            .collect()
    }

    /// Ends it as a start of another worker needs it.
    pub(crate) async fn close(self) {
        self.ledger.close().await;
    }
}

/// Whether each call sent from `from_s` on left when fewer than `limit` before it could still be counted in the window.
pub(crate) fn assert_kept(calls: &[Call], from_s: f64, limit: usize, span_s: f64) {
    for (n, call) in calls.iter().enumerate().filter(|(_, call)| call.sent_s >= from_s) {
        let busy = calls[..n].iter().filter(|other| other.by_s + span_s > call.sent_s).count();
        assert!(busy < limit, "{busy} of {limit} when a call left at {} s", call.sent_s);
    }
}

pub(crate) fn meeting(app: &str, n: usize) -> Value {
    json!({"id": format!("{app}-{n}"), "method": "wecom.meeting.create", "app": app,
        "body": {"admin_userid": "zhangsan", "title": format!("{app} {n}"),
            "meeting_start": 1_900_000_000 + n * 3_600, "meeting_duration": 3_600}})
}

/// A room; `tenant` may be empty.
pub(crate) fn room(app: &str, tenant: &str, n: usize) -> Value {
    let mut job = json!({"id": format!("{app}-{tenant}-{n}"), "method": "feishu.vc.room.create", "app": app,
        "body": {"name": format!("{tenant} {n}"), "capacity": 10, "room_level_id": "omb_1"}});
    if !tenant.is_empty() {
        job["tenant"] = json!(tenant);
    }
    job
}

/// An app of WeCom as the settings have it, and what else stands in its table.
pub(crate) fn wecom(name: &str, corp: &str, secret: &str, rest: &str) -> String {
    format!("[apps.{name}]\nplatform = 'wecom'\ncorp_id = '{corp}'\ncorp_secret = {{ env = '{secret}' }}\n{rest}\n")
}

/// An app of Feishu, likewise.
pub(crate) fn feishu(name: &str, rest: &str) -> String {
    format!("[apps.{name}]\nplatform = 'feishu'\napp_id = 'cli_{name}'\napp_secret = {{ env = 'S1' }}\n{rest}\n")
}
