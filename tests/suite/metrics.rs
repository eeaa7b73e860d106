//! What a monitor is told, against what happened: a whole worker in virtual time, and the simulator's books beside it.

use paceline::domain::messages::Cure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::engine::fleet::Seen;
use paceline::engine::planner::Planner;
use paceline::engine::ports::{
    AmqpOrigin, Arrival, Gathering, Ledger, Mode, Origin, Replica, Store, SuspendedBy, Suspension,
};
use paceline::engine::{Engine, Stop};
use paceline::metrics::{Metrics, names};
use paceline::settings;
use paceline::simulator::{InProcess, Scenario};
use paceline::wiring::{self, Decoding, Scrape};
use serde_json::{Value, json};

use crate::harness::bench::{self, Client};
use crate::harness::rabbitmq::shared_url;
use crate::harness::until_async;

use super::engine::{CALM, World, calendar, meeting, minutes, room};

const ROOMS: &str = "feishu.vc.room.create";
const CALENDARS: &str = "feishu.calendar.create";
const MEETINGS: &str = "wecom.meeting.create";
const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";

/// Rooms are refused for their pace, cut after they were made and looked up; a calendar is refused for good; the first
/// minutes are cut and held; a meeting fails twice before it succeeds, and three are not whole.
const TROUBLE: &str = "
    [[faults]]
    method = 'feishu.vc.room.create'
    kind = 'throttle'
    first = 2
    [[faults]]
    method = 'feishu.vc.room.create'
    kind = 'cut-after'
    every = 7
    [[faults]]
    method = 'feishu.calendar.create'
    kind = 'code'
    code = 190002
    first = 3
    [[faults]]
    method = 'feishu.calendar.event.meeting_minute.create'
    kind = 'cut-before'
    first = 2
    [[faults]]
    method = 'wecom.meeting.create'
    kind = 'status'
    status = 503
    first = 1
    [[warnings]]
    method = 'wecom.meeting.create'
    field = 'excess_users'
    values = ['lisi']
    first = 3
";

/// A worker that counts.
struct Worker {
    engine: Arc<Engine>,
    ledger: Arc<dyn Store>,
    scrape: Scrape,
}

async fn worker(world: &World) -> Worker {
    let metrics = Metrics::collecting(&world.clock).unwrap();
    let ledger = wiring::open(&world.store(), Mode::Worker, world.now(), metrics.clone()).unwrap();
    let settings = settings::load(None, std::iter::empty()).unwrap();
    let planner = Planner::new(Arc::clone(&world.catalog), world.apps(), 1.0);
    let transport = Arc::new(InProcess::new(world.simulator.clone()));
    let ports = (Arc::clone(&ledger) as Arc<dyn Ledger>, transport as _);
    let engine =
        wiring::measured_engine(&settings, planner, ports, world.clock.clone(), metrics.clone()).await.unwrap();
    let scrape = Scrape::new(Arc::clone(&engine), Arc::clone(&ledger), metrics);
    Worker { engine, ledger, scrape }
}

impl Worker {
    async fn take(&self, world: &World, jobs: &[Value]) {
        world.take_over(&*self.ledger, jobs).await;
        self.engine.load(None).await.unwrap();
    }

    /// A message that is no job comes in.
    async fn take_no_job(&self, world: &World) {
        let input = decoder(world).decode(b"no job", &Defaults::default());
        let origin = Origin { amqp: Some(AmqpOrigin::default()), ..Origin::default() };
        let arrival = Arrival { input: input.map(Box::new).map_err(Box::new), origin };
        self.ledger.take_over(vec![arrival], world.now()).await.unwrap();
    }

    async fn scrape(&self) -> Samples {
        self.scrape.sample().await.unwrap();
        Samples::of(&self.scrape.render())
    }
}

/// The samples of a text, by name and labels.
struct Samples(BTreeMap<String, Vec<Sample>>);

/// Labels and value.
type Sample = (BTreeMap<String, String>, f64);

impl Samples {
    fn of(text: &str) -> Self {
        let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()).map(|label| {
                let (label, value) = label.split_once("=\"").unwrap();
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            });
            samples.entry(name.to_owned()).or_default().push((labels.collect(), value.parse().unwrap()));
        }
        Self(samples)
    }

    /// The sum over all series of a metric that have these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.0.get(name).map_or(&[][..], Vec::as_slice);
        let has = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|found| found == value))
        };
        series.iter().filter(|(of, _)| has(of)).map(|(_, value)| value).sum()
    }

    fn attempts(&self, labels: &[(&str, &str)]) -> f64 {
        self.sum("paceline_attempts_total", labels)
    }

    fn ended(&self, labels: &[(&str, &str)]) -> f64 {
        self.sum("paceline_jobs_ended_total", labels)
    }
}

fn decoder(world: &World) -> Decoder {
    Decoder { catalog: Arc::clone(&world.catalog), apps: Apps::Any, rights: Arc::default() }
}

fn jobs() -> Vec<Value> {
    (0..30).map(room).chain((0..20).map(calendar)).chain((0..10).map(meeting)).chain((0..5).map(minutes)).collect()
}

#[tokio::test(start_paused = true)]
#[expect(clippy::float_cmp, reason = "counts are whole numbers")]
async fn the_metrics_are_what_the_platform_and_the_ledger_have() {
    let world = World::new(&format!("{CALM}\n{TROUBLE}"));
    let worker = worker(&world).await;
    worker.take(&world, &jobs()).await;
    worker.take_no_job(&world).await;

    let before = worker.scrape().await;
    assert_eq!(before.sum("paceline_lane_jobs", &[("state", "waiting"), ("method", ROOMS)]), 30.0);
    assert_eq!(before.sum("paceline_jobs_unfinished", &[]), 65.0);
    assert_eq!(before.ended(&[]), 0.0);
    assert_eq!(before.sum("paceline_jobs_taken_over_total", &[("source", "file"), ("result", "queued")]), 65.0);
    assert_eq!(before.sum("paceline_jobs_taken_over_total", &[("source", "amqp"), ("result", "rejected")]), 1.0);
    assert_eq!(before.sum("paceline_inputs_rejected_total", &[("reason", "malformed")]), 1.0);

    assert_eq!(worker.engine.run(true, std::future::pending()).await, Stop::Idle);
    let (after, books) = (worker.scrape().await, world.stats());
    let counts = worker.ledger.counts(None).await.unwrap();
    assert_eq!((counts.held, counts.dead, counts.queued, counts.uncertain), (2, 4, 0, 0), "{counts:?} {books:?}");

    // Every arrival was an attempt that left, and every answer has its outcome.
    let left = after.attempts(&[]) - after.attempts(&[("outcome", "not-sent")]);
    assert_eq!(left, books.arrivals as f64, "{books:?}");
    let at = |method: &str| books.methods.get(method).cloned().unwrap_or_default();
    for method in [ROOMS, CALENDARS, MEETINGS, MINUTES, "feishu.vc.room.list"] {
        let of = [("method", method)];
        // What a pause kept back at the last moment is recorded, and never left.
        let not_sent = after.attempts(&[("method", method), ("outcome", "not-sent")]);
        assert_eq!(after.attempts(&of) - not_sent, at(method).arrivals as f64, "{method}");
        let calls = after.sum("paceline_call_duration_seconds_count", &of);
        assert_eq!(calls, at(method).arrivals as f64, "{method}");
        assert!(after.sum("paceline_permit_wait_seconds_count", &of) >= calls + not_sent, "{method}");
    }
    assert!(at("feishu.vc.room.list").arrivals > 0, "cut rooms were looked up");
    let look_ups = after.attempts(&[("purpose", "look-up")]);
    assert!(look_ups >= at("feishu.vc.room.list").arrivals as f64);
    assert_eq!(after.attempts(&[("outcome", "throttled"), ("method", ROOMS)]), counts.throttled as f64);
    assert!(counts.throttled >= 2);
    assert_eq!(after.attempts(&[("method", MINUTES), ("outcome", "uncertain"), ("code", "none")]), 2.0);
    assert_eq!(after.attempts(&[("code", "190002"), ("outcome", "permanent")]), 3.0);
    let tokens = after.attempts(&[("purpose", "token"), ("outcome", "succeeded")]);
    assert_eq!(after.sum("paceline_token_renewals_total", &[("outcome", "succeeded")]), tokens);
    assert!(tokens >= 2.0, "of both apps");

    // Every job that ended is counted once, under its end.
    let ended = |end| after.ended(&[("end", end)]);
    assert_eq!((ended("succeeded"), ended("held")), (counts.succeeded as f64, 2.0));
    let warned = after.sum("paceline_jobs_with_warnings_total", &[("method", MEETINGS), ("app", "campus")]);
    assert_eq!((warned, after.sum("paceline_jobs_with_warnings_total", &[]), counts.warnings), (3.0, 3.0, 3));
    assert_eq!(after.ended(&[("end", "dead"), ("reason", "rejected"), ("method", CALENDARS), ("app", "acme")]), 3.0);
    assert_eq!(ended("dead"), 3.0, "the fourth was never a job");
    assert_eq!(after.sum("paceline_dead_letters", &[("reason", "rejected"), ("method", CALENDARS)]), 3.0);
    assert_eq!(after.sum("paceline_lane_jobs", &[("state", "held"), ("method", MINUTES)]), 2.0);
    assert_eq!(after.sum("paceline_lane_jobs", &[]), 2.0, "nothing else is left");
    assert_eq!(after.sum("paceline_outbox_rows", &[]), 1.0, "the dead letter of what was no job");

    // A minute's window counts the calls of the last minute and no more than it allows.
    let room = [("method", ROOMS), ("window", "1m")];
    let (used, limit) = (after.sum("paceline_quota_used", &room), after.sum("paceline_quota_limit", &room));
    assert!(0.0 < used && used <= limit && limit == 20.0, "{used} of {limit}");
    let waited = after.sum("paceline_permit_wait_seconds_sum", &[("method", ROOMS)]);
    assert!(waited >= 60.0, "thirty rooms at twenty a minute wait: {waited} s");
    assert!(after.sum("paceline_ledger_commit_commands_sum", &[]) >= left * 2.0);
    worker.ledger.close().await;
}

#[tokio::test(start_paused = true)]
#[expect(clippy::float_cmp, reason = "counts are whole numbers")]
async fn a_suspended_app_and_its_oldest_job_are_seen() {
    let world = World::new(&format!("{CALM}\n[[faults]]\nmethod = '{ROOMS}'\nkind = 'code'\ncode = 99991672\n"));
    let worker = worker(&world).await;
    worker.take(&world, &(0..3).map(room).collect::<Vec<_>>()).await;
    assert_eq!(worker.engine.run(true, std::future::pending()).await, Stop::Idle);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let samples = worker.scrape().await;
    assert_eq!(samples.sum("paceline_suspensions", &[("app", "acme"), ("by", "platform")]), 1.0);
    assert_eq!(samples.sum("paceline_lane_suspended", &[("method", ROOMS)]), 1.0);
    let oldest = samples.sum("paceline_lane_oldest_waiting_seconds", &[("method", ROOMS)]);
    assert!((3_600.0..3_700.0).contains(&oldest), "{oldest} s");

    world.simulator.change(Scenario::parse(CALM, "test").unwrap()).unwrap();
    worker.ledger.resume("acme", "", "").await.unwrap();
    assert_eq!(worker.engine.run(false, tokio::time::sleep(Duration::from_secs(60))).await, Stop::Drained);
    let samples = worker.scrape().await;
    assert_eq!(samples.sum("paceline_lane_suspended", &[]), 0.0);
    assert_eq!(samples.ended(&[("end", "succeeded")]), 3.0);
    let waited = samples.sum("paceline_permit_wait_seconds_sum", &[("method", ROOMS)]);
    assert!(waited < 60.0, "a suspension is no wait for a permit: {waited} s");
    worker.ledger.close().await;
}

/// Written for `promtool check metrics`, if this names a file.
const WRITE_TO: &str = "PACELINE_TEST_METRICS";

#[tokio::test(start_paused = true)]
async fn every_metric_is_rendered_as_it_is_described() {
    let world = World::new(&format!("{CALM}\n{TROUBLE}"));
    let worker = worker(&world).await;
    worker.take(&world, &jobs()).await;
    worker.take_no_job(&world).await;
    let by_hand = Suspension {
        app: "other".to_owned(),
        tenant: String::new(),
        method: String::new(),
        by: SuspendedBy::Person,
        since: world.now(),
        until: None,
        code: None,
        detail: "maintenance".into(),
        cure: Cure::ReasonGone,
        log_id: None,
    };
    worker.ledger.suspend(by_hand).await.unwrap();
    // In the middle of the work, when there is something of everything.
    assert_eq!(worker.engine.run(false, tokio::time::sleep(Duration::from_secs(1))).await, Stop::Drained);
    // Nobody listens there.
    let options = paceline::amqp::Options::at("amqp://127.0.0.1:1");
    let service =
        wiring::broker(&options, &worker.engine, &worker.ledger, Decoding::new(decoder(&world)), &world.clock).unwrap();
    let own = Replica { id: "own".to_owned(), is_alive: true, ..Replica::default() };
    let gathering = Gathering { own: own.id.clone(), replicas: vec![own], ..Gathering::default() };
    let seen = Seen { gathering, held: 2, ownerless: 1, refused: 0, lease_left: Some(0.5) };
    let scrape = worker.scrape.with_broker(&service).with_sight(Some(Arc::new(Mutex::new(seen))));
    let worker = Worker { scrape, ..worker };
    worker.scrape.sample().await.unwrap();
    let text = worker.scrape.render();
    if let Some(path) = std::env::var_os(WRITE_TO) {
        std::fs::write(Path::new(&path), &text).unwrap();
    }
    let described: BTreeMap<&str, _> = names::ALL.iter().map(|one| (one.name, one)).collect();
    assert_eq!(described.len(), names::ALL.len(), "no name twice");
    let mut seen = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(described.get(name).map(|one| one.kind.as_str()), Some(kind), "{name}");
        assert!(seen.insert(name), "{name} stands there twice");
    }
    let absent: Vec<_> = described.keys().filter(|name| !seen.contains(*name)).copied().collect();
    assert!(absent.is_empty(), "{absent:?}");
    let samples = Samples::of(&text);
    assert!(samples.sum("paceline_broker_connected", &[]) < 0.5 && samples.0["paceline_broker_connected"].len() == 2);
    assert!(samples.sum("paceline_intake_state", &[("state", "waiting")]) > 0.5);
    for (name, series) in &samples.0 {
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let one = described.get(plain).or_else(|| described.get(name.as_str())).unwrap_or_else(|| panic!("{name}"));
        for (labels, _) in series {
            let named: Vec<_> = labels.keys().filter(|label| *label != "le").map(String::as_str).collect();
            let mut expected = one.labels.to_vec();
            expected.sort_unstable();
            assert_eq!(named, expected, "{name}");
        }
    }
    service.stop().await;
    worker.ledger.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::float_cmp, reason = "counts are whole numbers")]
async fn a_broker_that_is_there_is_seen() {
    let world = World::new(CALM);
    let worker = worker(&world).await;
    let options = bench::options(&shared_url());
    let service =
        wiring::broker(&options, &worker.engine, &worker.ledger, Decoding::new(decoder(&world)), &world.clock).unwrap();
    let worker = Worker { scrape: worker.scrape.with_broker(&service), ..worker };
    let client = Client::connect(&shared_url()).await;
    let amqp = [("source", "amqp"), ("result", "queued")];
    until_async("the intake consumes on an open connection", async || {
        let samples = worker.scrape().await;
        samples.sum("paceline_broker_connected", &[]) == 2.0
            && samples.sum("paceline_intake_state", &[("state", "consuming")]) == 1.0
            && samples.sum("paceline_intake_state", &[]) == 1.0
    })
    .await;
    for n in 0..3 {
        client.send(&options.jobs_queue, room(n).to_string().as_bytes(), lapin::BasicProperties::default()).await;
    }
    until_async("the jobs are taken over", async || {
        worker.scrape().await.sum("paceline_jobs_taken_over_total", &amqp) == 3.0
    })
    .await;
    assert_eq!(worker.engine.run(true, std::future::pending()).await, Stop::Idle);
    until_async("the results are published", async || {
        let samples = worker.scrape().await;
        samples.ended(&[("end", "succeeded")]) == 3.0 && samples.sum("paceline_outbox_rows", &[]) == 0.0
    })
    .await;
    service.stop().await;
    let samples = worker.scrape().await;
    assert_eq!(samples.sum("paceline_broker_connected", &[]), 0.0);
    assert_eq!(samples.sum("paceline_intake_state", &[("state", "stopped")]), 1.0);
    worker.ledger.close().await;
    client.clean_up(&options).await;
}

#[tokio::test(start_paused = true)]
async fn blocked_jobs_are_in_the_gauge_of_their_lane_until_they_go_on() {
    let world = World::new(CALM);
    let worker = worker(&world).await;
    let (mut behind, mut beside) = (room(1), meeting(0));
    (behind["after"], beside["after"]) = (json!(["room-0"]), json!(["room-1"]));
    worker.take(&world, &[room(0), behind, beside]).await;
    let blocked =
        async |method| worker.scrape().await.sum("paceline_lane_jobs", &[("state", "blocked"), ("method", method)]);
    assert_eq!((blocked(ROOMS).await, blocked(MEETINGS).await), (1.0, 1.0), "with jobs in the schedule and without");
    assert_eq!(worker.engine.run(true, std::future::pending()).await, Stop::Idle);
    assert_eq!((blocked(ROOMS).await, blocked(MEETINGS).await), (0.0, 0.0));
    worker.ledger.close().await;
}
