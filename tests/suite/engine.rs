//! The whole engine in virtual time: a paused clock, the simulator in process, and a real SQLite ledger.
//!
//! The simulator counts arrivals by its own books; nothing here looks into the worker's quota book.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use paceline::clock::Clock;
use paceline::domain::catalog::{Catalog, built_in};
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::job::Job;
use paceline::domain::outcome::{Answer, Reply};
use paceline::domain::time::Timestamp;
use paceline::engine::app::{Apps as EngineApps, OnDeclined, OnUncertain};
use paceline::engine::ports::operator::{Commands, JobSheet};
use paceline::engine::ports::{Arrival, Counts, Intake, Ledger, Origin, Request, Settlement, TakenOver, Transport};
use paceline::engine::{Engine, Stop};
use paceline::settings;
use paceline::simulator::scenario::User;
use paceline::simulator::{InProcess, Scenario, Simulator, Stats};
use paceline::store;
use paceline::store::{Mode, SqlStore};
use paceline::wiring;
use serde_json::{Value, json};

use crate::harness::panics;

/// Where the tests' calendars begin.
pub(crate) const T0: Timestamp = Timestamp(1_800_000_000_000_000);

type Edit = Arc<dyn Fn(&str, &mut Value) + Send + Sync>;
type Gateway = Arc<dyn Fn(&Request) -> Option<Answer> + Send + Sync>;

/// The way to the simulator, on which replies may be changed, or given by somebody else.
struct Edited {
    inner: InProcess,
    edit: Option<Edit>,
    gateway: Option<Gateway>,
}

#[async_trait]
impl Transport for Edited {
    async fn send(&self, request: Request) -> Reply {
        if let Some(answer) = self.gateway.as_ref().and_then(|gateway| gateway(&request)) {
            return Reply::Answered(answer);
        }
        let url = request.url.clone();
        let reply = self.inner.send(request).await;
        let (Some(edit), Reply::Answered(answer)) = (&self.edit, &reply) else { return reply };
        let mut body = serde_json::from_slice(&answer.body).unwrap();
        edit(&url, &mut body);
        Reply::Answered(Answer { body: body.to_string().into(), ..answer.clone() })
    }
}

/// A simulator and a ledger that outlive the engines that work on them.
pub(crate) struct World {
    pub simulator: Simulator,
    /// The worker's; the simulator has one of its own, which nobody sets.
    pub clock: Clock,
    pub catalog: Arc<Catalog>,
    pub folder: tempfile::TempDir,
    mark_created: bool,
    on_uncertain: OnUncertain,
    on_room_declined: OnDeclined,
    month_calls: Option<u64>,
    edit: Option<Edit>,
    gateway: Option<Gateway>,
    variables: Vec<(String, String)>,
}

impl World {
    pub(crate) fn new(scenario: &str) -> Self {
        Self::at(scenario, T0)
    }

    pub(crate) fn at(scenario: &str, now: Timestamp) -> Self {
        panics::watch();
        let clock = Clock::at(now);
        let catalog = Arc::new(built_in().unwrap());
        let mut scenario = Scenario::parse(scenario, "test").unwrap();
        let anna = User { app: "simulated-acme".to_owned(), user: Some("anna".to_owned()) };
        scenario.users.insert("u-simulated-acme-anna".to_owned(), anna);
        let simulator = Simulator::start(Arc::clone(&catalog), scenario, 1.0, clock.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            simulator,
            clock,
            catalog,
            folder,
            mark_created: true,
            on_uncertain: OnUncertain::Hold,
            on_room_declined: OnDeclined::Warn,
            month_calls: None,
            edit: None,
            gateway: None,
            variables: Vec::new(),
        }
    }

    /// With apps that do not mark what they create.
    pub(crate) fn unmarked(mut self) -> Self {
        self.mark_created = false;
        self
    }

    /// With apps that send again what may have been applied and cannot be looked up.
    pub(crate) fn retrying(mut self) -> Self {
        self.on_uncertain = OnUncertain::Retry;
        self
    }

    /// With apps for which a room that declines fails its job.
    pub(crate) fn with_rooms_that_must_come(mut self) -> Self {
        self.on_room_declined = OnDeclined::Dead;
        self
    }

    /// With apps that may make so many calls in a month.
    pub(crate) fn with_month_calls(mut self, calls: u64) -> Self {
        self.month_calls = Some(calls);
        self
    }

    /// With other methods, and a platform that has just begun.
    pub(crate) fn with_catalog(mut self, catalog: Catalog) -> Self {
        self.catalog = Arc::new(catalog);
        let scenario = Scenario::parse(CALM, "test").unwrap();
        self.simulator = Simulator::start(Arc::clone(&self.catalog), scenario, 1.0, self.clock.clone()).unwrap();
        self
    }

    /// With a platform whose replies are changed on their way: by URL and body.
    pub(crate) fn editing(mut self, edit: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> Self {
        self.edit = Some(Arc::new(edit));
        self
    }

    /// With a gateway before the platform that may answer a request itself, and passes it on otherwise.
    pub(crate) fn behind(mut self, gateway: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        self.gateway = Some(Arc::new(gateway));
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The operators' side of the ledger.
    pub(crate) fn operator(&self) -> Box<dyn Commands> {
        store::open(&self.store()).unwrap()
    }

    /// A job with its attempts.
    pub(crate) fn sheet(&self, id: &str) -> JobSheet {
        self.operator().show_job(id).unwrap().unwrap()
    }

    /// The same with a setting, as a variable of the environment.
    pub(crate) fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn ledger(&self) -> Arc<SqlStore> {
        Arc::new(SqlStore::open(&self.store(), Mode::Worker, self.clock.now()).unwrap())
    }

    pub(crate) async fn engine(&self, ledger: Arc<dyn Ledger>) -> Arc<Engine> {
        self.engine_at(ledger, &[]).await
    }

    /// Likewise, with quotas of the apps' own: app, method, quota.
    pub(crate) async fn engine_at(&self, ledger: Arc<dyn Ledger>, quotas: &[(&str, &str, &str)]) -> Arc<Engine> {
        let settings = settings::load(None, self.variables.iter().cloned()).unwrap();
        let mut apps = self.apps();
        for (name, app) in &mut apps {
            let own = quotas.iter().filter(|(app, ..)| app == name);
            let own = own.map(|(_, method, quota)| (((*method).to_owned(), None), quota.parse().unwrap()));
            let app = Arc::get_mut(app).unwrap();
            app.quotas = own.collect();
            app.mark_created = self.mark_created;
            app.on_uncertain = self.on_uncertain;
            app.on_room_declined = self.on_room_declined;
            app.month_calls = self.month_calls;
        }
        let inner = InProcess::new(self.simulator.clone());
        let transport = Arc::new(Edited { inner, edit: self.edit.clone(), gateway: self.gateway.clone() });
        wiring::engine(&settings, Arc::clone(&self.catalog), apps, ledger, transport, self.clock.clone(), 1.0)
            .await
            .unwrap()
    }

    pub(crate) fn apps(&self) -> EngineApps {
        let methods: Vec<String> = self.catalog.methods.keys().cloned().collect();
        let names = methods.iter().map(|method| (app_of(method), method.as_str()));
        let anna = BTreeSet::from([("acme".to_owned(), "anna".to_owned())]);
        wiring::with_users(wiring::apps_for_rehearsal(&self.catalog, names), &anna)
    }

    pub(crate) fn decode(&self, job: &Value) -> Job {
        let decoder = Decoder { catalog: Arc::clone(&self.catalog), apps: Apps::Any, rights: Arc::default() };
        decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap()
    }

    /// Takes the jobs over and works them to their end; how long that took in virtual seconds, and what became of them.
    pub(crate) async fn work(&self, jobs: &[Value]) -> (f64, Counts) {
        self.work_at(jobs, &[]).await
    }

    /// Likewise, with quotas of the apps' own: app, method, quota.
    pub(crate) async fn work_at(&self, jobs: &[Value], quotas: &[(&str, &str, &str)]) -> (f64, Counts) {
        // The simulator's clock would be set with it.
        let started = Clock::at(T0);
        let ledger = self.ledger();
        let engine = self.engine_at(Arc::clone(&ledger) as Arc<dyn Ledger>, quotas).await;
        engine.recover().await.unwrap();
        self.take_over(&*ledger, jobs).await;
        engine.load(None).await.unwrap();
        assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
        let took = started.now().since(T0).as_secs_f64();
        let counts = ledger.counts(None).await.unwrap();
        ledger.close().await;
        (took, counts)
    }

    /// Takes the jobs over and works them for so long.
    pub(crate) async fn work_until(&self, jobs: &[Value], stop: Duration) -> Counts {
        let ledger = self.ledger();
        let engine = self.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
        engine.recover().await.unwrap();
        self.take_over(&*ledger, jobs).await;
        engine.load(None).await.unwrap();
        engine.run(true, tokio::time::sleep(stop)).await;
        let counts = ledger.counts(None).await.unwrap();
        ledger.close().await;
        counts
    }

    pub(crate) async fn take_over(&self, ledger: &dyn Intake, jobs: &[Value]) {
        let arrivals = jobs
            .iter()
            .map(|job| Arrival { input: Ok(Box::new(self.decode(job))), origin: Origin::default() })
            .collect();
        ledger.take_over(arrivals, self.clock.now()).await.unwrap();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.simulator.stats()
    }
}

fn app_of(method: &str) -> &'static str {
    if method.starts_with("wecom") { "campus" } else { "acme" }
}

pub(crate) fn room(n: usize) -> Value {
    json!({"id": format!("room-{n}"), "method": "feishu.vc.room.create", "app": "acme",
        "body": {"name": format!("R-{n}"), "capacity": 10, "room_level_id": "omb_1"}})
}

pub(crate) fn calendar(n: usize) -> Value {
    json!({"id": format!("calendar-{n}"), "method": "feishu.calendar.create", "app": "acme",
        "body": {"summary": format!("Department {n}"), "description": format!("calendar-{n}")}})
}

pub(crate) fn meeting(n: usize) -> Value {
    json!({"id": format!("meeting-{n}"), "method": "wecom.meeting.create", "app": "campus",
        "body": {"admin_userid": "zhangsan", "title": format!("Lecture {n}"),
            "meeting_start": 1_900_000_000 + n * 3_600, "meeting_duration": 3_600}})
}

pub(crate) fn minutes(n: usize) -> Value {
    json!({"id": format!("minutes-{n}"), "method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
        "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("{n}_0")}})
}

/// A calm world in which this goes wrong, too.
pub(crate) fn calm_but(more: &str) -> World {
    World::new(&format!("{CALM}\n{more}"))
}

/// A calm scenario in which this method is answered with this code.
pub(crate) fn fault(method: &str, code: i64, rest: &str) -> String {
    format!("{CALM}\n[[faults]]\nmethod = '{method}'\nkind = 'code'\ncode = {code}\n{rest}\n")
}

pub(crate) const CALM: &str = include_str!("../../config/scenarios/calm.toml");
const STORM: &str = include_str!("../../config/scenarios/storm.toml");

#[tokio::test(start_paused = true)]
async fn sixty_rooms_finish_within_two_per_cent_of_the_optimum() {
    let world = World::new(CALM);
    let jobs: Vec<Value> = (0..60).map(room).collect();
    let (took, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, world.stats().refused), (60, 0));
    assert!(took <= 120.0 * 1.02, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn two_thousand_calendars_finish_within_five_per_cent_of_the_optimum() {
    let world = World::new(CALM);
    let jobs: Vec<Value> = (0..2_000).map(calendar).collect();
    let (took, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, world.stats().refused), (2_000, 0));
    assert!(took <= 79.0 * 1.05, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_storm_ends_with_every_job_once() {
    let world = World::new(STORM);
    let jobs: Vec<Value> = (0..60)
        .map(room)
        .chain((0..200).map(calendar))
        .chain((0..200).map(meeting))
        .chain((0..40).map(minutes))
        .collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!(counts.total, 500);
    assert_eq!(counts.queued + counts.uncertain, 0, "{counts:?}");
    assert_eq!(books.duplicates, 0, "{books:?}");
}

/// Every quota window that the simulator kept books of stayed within its limit.
pub(crate) fn assert_no_breach(books: &Stats) {
    assert_eq!(books.refused, 0, "{books:?}");
    for window in books.quotas.iter().flat_map(|quota| &quota.windows) {
        assert!(!window.is_breached, "{window:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn heavy_tailed_delays_cause_no_refusal() {
    let world = World::new(include_str!("../../config/scenarios/heavy-tail.toml"));
    let jobs: Vec<Value> = (0..40).map(room).chain((0..1_500).map(calendar)).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!(counts.succeeded, 1_540, "{counts:?}");
    assert_no_breach(&world.stats());
}

#[tokio::test(start_paused = true)]
async fn revoked_tokens_are_renewed_and_cost_no_job_anything() {
    let world = World::new(include_str!("../../config/scenarios/revoked-token.toml"));
    let jobs: Vec<Value> = (0..1_200).map(calendar).chain((0..300).map(meeting)).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!(counts.succeeded, 1_500, "{counts:?}");
    let books = world.stats();
    assert_no_breach(&books);
    let fetched = books.methods["feishu.auth.tenant_access_token.internal"].arrivals;
    assert!(
        (3..=4).contains(&fetched),
        "one fetch at the start and one for each revocation, not one a call: {fetched}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_tried_once_and_keeps_every_job() {
    let world = World::new(include_str!("../../config/scenarios/wrong-secret.toml"));
    let jobs: Vec<Value> = (0..500).map(calendar).chain((0..500).map(meeting)).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.queued, counts.dead), (1_000, 0), "{counts:?}");
    let books = world.stats();
    assert_eq!(books.arrivals, 2, "one token call for each app, and nothing else");
}

#[tokio::test(start_paused = true)]
async fn contention_lowers_concurrency_and_costs_no_attempt() {
    let storm = "[[faults]]\nmethod = 'feishu.calendar.*'\nkind = 'code'\ncode = 190010\nchance = 0.4\nuntil_s = 20\n";
    let world = World::new(&format!("{CALM}\n{storm}"));
    let jobs: Vec<Value> = (0..800).map(calendar).collect();
    let (took, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, world.stats().duplicates), (800, 0), "{counts:?}");
    // The refused calls use up the first minute's quota; what is left goes in the second.
    assert!(took < 80.0, "it recovers: {took} s");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_waits_for_the_server_s_reset_or_backs_off_without_one() {
    for header in ["true", "false"] {
        let refusals = format!("[[faults]]\nmethod = 'feishu.vc.*'\nkind = 'throttle'\nheader = {header}\nfirst = 3\n");
        let world = World::new(&format!("{CALM}\n{refusals}"));
        let jobs: Vec<Value> = (0..15).map(room).collect();
        let (_, counts) = world.work(&jobs).await;
        assert_eq!((counts.succeeded, counts.dead), (15, 0), "{counts:?}");
        assert!(counts.throttled >= 3, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_platform_costs_no_attempt() {
    let world = World::new(&format!("{CALM}\n[[faults]]\nkind = 'unreachable'\nuntil_s = 300\n"));
    let jobs: Vec<Value> = (0..50).map(calendar).collect();
    let (took, counts) = world.work(&jobs).await;
    assert_eq!(counts.succeeded, 50, "{counts:?}");
    assert!((300.0..420.0).contains(&took), "{took} s");
    assert_eq!(world.stats().duplicates, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_looked_up_and_minutes_are_held() {
    let cuts = "[[faults]]\nkind = 'cut-after'\nmethod = '*.create'\nfirst = 6\n";
    let world = World::new(&format!("{CALM}\n{cuts}"));
    let jobs: Vec<Value> = [room(1), room(2), calendar(1), meeting(1), minutes(1), minutes(2)].to_vec();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.held), (4, 2), "{counts:?}");
    assert_eq!((world.stats().created, world.stats().duplicates), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn jobs_of_users_are_called_with_their_tokens() {
    let world = World::new(CALM);
    let mut job = calendar(1);
    job["identity"] = json!("user:anna");
    let (_, counts) = world.work(&[job]).await;
    assert_eq!(counts.succeeded, 1, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ended_long_ago_is_forgotten_while_the_worker_runs() {
    let world = World::new(CALM);
    let ledger = world.ledger();
    let old = Arrival { input: Ok(Box::new(world.decode(&room(0)))), origin: Origin::default() };
    let long_ago = world.clock.now() - Duration::from_secs(401 * 86_400);
    let TakenOver::Queued(old) = ledger.take_over(vec![old], long_ago).await.unwrap().remove(0) else { panic!() };
    ledger.acquire_all().await.unwrap().settle(old.seq, Settlement::Cancelled, long_ago).await.unwrap();
    ledger.close().await;
    let (_, counts) = world.work(&[room(1), minutes(1)]).await;
    assert_eq!(counts.succeeded, 2);

    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    let a_minute = tokio::time::sleep(Duration::from_secs(60));
    assert_eq!(engine.run(false, a_minute).await, Stop::Drained);
    let counts = ledger.counts(None).await.unwrap();
    assert_eq!((counts.succeeded, counts.cancelled), (2, 0), "400 days are kept");
    ledger.close().await;
}
