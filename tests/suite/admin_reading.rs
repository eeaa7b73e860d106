//! What the admin server tells, over HTTP, of a ledger with jobs of every state.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use paceline::admin::{Access, Admin, FileRules, Token, Worker, bind};
use paceline::clock::Clock;
use paceline::domain::decode::{Apps, Decoder};
use paceline::domain::job::LaneKey;
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::domain::warning::Warning;
use paceline::engine::Engine;
use paceline::engine::ports::{AttemptEnd, AttemptSeq, AttemptStart, JobSeq, Ledger, Purpose, Settlement};
use paceline::settings;
use paceline::settings::Role;
use paceline::store::{Mode, SqlStore};
use paceline::wiring;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::commands::Place;
use super::harness::until_async;

const TOKEN: &str = "0123456789abcdef";
const MEETING: &str = "wecom.meeting.create";
const IDS: [&str; 6] = ["queued", "uncertain", "held", "dead", "succeeded", "running"];

pub(crate) struct World {
    pub place: Place,
    ledger: Arc<SqlStore>,
    engine: Arc<Engine>,
    admin: Admin,
}

fn lane() -> Arc<LaneKey> {
    LaneKey { app: "campus".to_owned(), tenant: String::new(), method: MEETING.to_owned() }.into()
}

async fn begin(ledger: &SqlStore, clock: &Clock, seq: JobSeq) -> AttemptSeq {
    let now = clock.now();
    let deadline_at = now + Duration::from_secs(30);
    let start = AttemptStart { purpose: Purpose::Job(seq), lane: lane(), sent_at: now, deadline_at };
    ledger.acquire_all().await.unwrap().begin_attempt(start).await.unwrap().0
}

async fn call(ledger: &SqlStore, clock: &Clock, seq: JobSeq, outcome: &'static str, settlement: Settlement) {
    let attempt = begin(ledger, clock, seq).await;
    let settlement = Some((seq, settlement));
    let end = AttemptEnd { attempt, ended_at: clock.now(), outcome, replied: true, failure: None, settlement };
    ledger.acquire_all().await.unwrap().end_attempt(end.into()).await.unwrap();
}

fn left_out() -> Warning {
    let (field, message) = ("excess_users".to_owned(), "invited without an account".to_owned());
    Warning { field, message, message_zh: String::new(), values: vec![json!("zhangsan")] }
}

fn failure(detail: &str) -> Failure {
    Failure { code: Some(400_001), detail: detail.into(), log_id: Some("0217".to_owned()), ..Failure::default() }
}

impl World {
    /// Six jobs with a password each, one of each state and one in flight, and a worker that does not run.
    pub(crate) async fn new(listen: &str) -> Self {
        Self::at(listen, Clock::system()).await
    }

    async fn at(listen: &str, clock: Clock) -> Self {
        let job = |id: &&str| {
            let body = json!({"admin_userid": "u", "title": format!("T {id}"), "meeting_start": 1_995_248_600,
                "meeting_duration": 300, "settings": {"password": "8642"}});
            json!({"id": id, "method": MEETING, "app": "campus", "batch": "b1", "body": body}).to_string()
        };
        let place = Place::with_apps(&[("jobs.jsonl", &IDS.iter().map(job).collect::<Vec<_>>().join("\n"))]);
        let submitted = place.run(&["submit", "jobs.jsonl"]);
        assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());

        let path = place.path().join("paceline.db");
        let ledger = Arc::new(SqlStore::open(&path, Mode::Worker, clock.now()).unwrap());
        let seqs: Vec<_> = ledger
            .acquire_all()
            .await
            .unwrap()
            .waiting(None, JobSeq(0), 9)
            .await
            .unwrap()
            .iter()
            .map(|job| job.seq)
            .collect();
        let later = clock.now() + Duration::from_secs(3_000);
        let result = json!({"meetingid": "m1", "settings": {"password": "8642"}});
        let candidates = vec!["m7".to_owned(), "m8".to_owned()];
        let several = Failure { candidates, ..failure("no whole reply; it could be one of two") };
        for (at, outcome, settlement) in [
            (
                1,
                "uncertain",
                Settlement::Uncertain { not_before: later, charged: true, failure: failure("no whole reply") },
            ),
            (2, "uncertain", Settlement::Held { failure: several }),
            (3, "permanent", Settlement::Dead { reason: Reason::Rejected, failure: failure("no such user") }),
            (
                4,
                "succeeded",
                Settlement::Succeeded { key: Some("m1".to_owned()), result, sole: true, warnings: vec![left_out()] },
            ),
        ] {
            call(&ledger, &clock, seqs[at], outcome, settlement).await;
        }
        let variables = [("ACME_SECRET", "s1"), ("CAMPUS_SECRET", "s2")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
        let settings = settings::load(Some(&place.path().join("paceline.toml")), variables).unwrap();
        let catalog = Arc::new(paceline::domain::catalog::built_in().unwrap());
        let apps = wiring::apps_of(&settings, &catalog).unwrap();
        let (shared, transport) = (Arc::clone(&ledger) as Arc<dyn Ledger>, wiring::transport(&settings).unwrap());
        let decoder = Arc::new(Decoder { catalog: Arc::clone(&catalog), apps: Apps::Any, rights: Arc::default() });
        let engine = wiring::engine(&settings, catalog, apps, shared, transport, clock.clone(), 1.0).await.unwrap();
        engine.recover().await.unwrap();
        engine.load(None).await.unwrap();
        begin(&ledger, &clock, seqs[5]).await;
        let worker = Worker {
            mode: "work",
            engine: Arc::clone(&engine),
            intake: Arc::clone(&ledger) as _,
            decoder: Arc::new(move || Arc::clone(&decoder)),
            files: FileRules::default(),
            store: wiring::connector(&(&path).into()),
            broker: None,
            metrics: Arc::new(String::new),
        };
        let tokens = vec![Token::of_secret("t", TOKEN, Role::Admin)];
        let access = Access { tls: None, tokens, public_url: None, reads_openly: true };
        let admin = bind(Some(listen.parse().unwrap()), None).await.unwrap().serve(&access, worker);
        Self { place, ledger, engine, admin }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, document) = ask(self.admin.listen().unwrap(), path, None).await;
        assert_eq!(status, 200, "{path}: {document}");
        document
    }

    pub(crate) async fn end(self) {
        self.admin.stop().await;
        self.ledger.close().await;
        drop(self.place);
    }
}

/// One request on a connection of its own.
async fn ask(listen: SocketAddr, path: &str, token: Option<&str>) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", listen.port())).await.unwrap();
    let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{shown}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn ids(document: &Value) -> Vec<&str> {
    document["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_job_is_shown_with_its_reason_and_without_its_password() {
    let world = World::new("127.0.0.1:0").await;
    for id in IDS {
        let job = world.get(&format!("/api/v1/jobs/{id}")).await;
        assert_eq!(job["body"]["title"], format!("T {id}"), "{job}");
        assert_eq!(job["body"]["settings"]["password"], "******");
        assert!(job["why"]["facts"][0]["kind"].is_string(), "{job}");
        let attempts = usize::from(id != "queued");
        assert_eq!(job["history"].as_array().unwrap().len(), attempts, "{job}");
        assert!(!job.to_string().contains("8642"), "{job}");
    }
    let kind = async |id: &str| world.get(&format!("/api/v1/jobs/{id}")).await["why"]["facts"][0]["kind"].clone();
    assert_eq!(kind("dead").await, "dead");
    assert_eq!(kind("succeeded").await, "succeeded");
    assert_eq!(kind("running").await, "in-flight");
    assert!(!world.get("/api/v1/jobs").await.to_string().contains("8642"));
    let (status, fault) = ask(world.admin.listen().unwrap(), "/api/v1/jobs/nobody", None).await;
    assert_eq!((status, fault["error"].as_str()), (404, Some("there is no job \"nobody\"")));
    world.end().await;
}

#[tokio::test]
async fn jobs_are_listed_by_state_and_what_is_held_with_its_evidence() {
    let world = World::new("127.0.0.1:0").await;
    assert_eq!(ids(&world.get("/api/v1/jobs").await), IDS);
    for (query, wanted) in [
        ("state=running", vec!["running"]),
        ("state=running&app=acme", vec![]),
        ("state=running&id=dead", vec![]),
        ("state=queued", vec!["queued", "running"]),
        ("state=dead&code=400001", vec!["dead"]),
        ("warnings=true", vec!["succeeded"]),
        ("warnings=true&state=dead", vec![]),
        ("warnings=false&state=dead", vec!["dead"]),
    ] {
        assert_eq!(ids(&world.get(&format!("/api/v1/jobs?{query}")).await), wanted, "{query}");
    }
    let (status, fault) = ask(world.admin.listen().unwrap(), "/api/v1/jobs?state=lost", None).await;
    assert_eq!(status, 400, "{fault}");
    let (status, fault) = ask(world.admin.listen().unwrap(), "/api/v1/jobs?warnings=yes", None).await;
    assert_eq!(
        (status, fault["faults"][0]["error"].as_str()),
        (400, Some("expected true or false, got yes")),
        "{fault}"
    );
    let held = world.get("/api/v1/held?batch=b1").await;
    assert_eq!(ids(&held), ["held"]);
    let evidence = &held["jobs"][0]["evidence"];
    assert_eq!(evidence["candidates"], json!(["m7", "m8"]), "{held}");
    assert_eq!(evidence["last_attempt"]["outcome"], "uncertain");
    assert_eq!(world.get("/api/v1/held?batch=b2").await["jobs"], json!([]));
    world.end().await;
}

#[tokio::test]
async fn what_a_success_left_out_is_shown_and_counted() {
    let world = World::new("127.0.0.1:0").await;
    let job = world.get("/api/v1/jobs/succeeded").await;
    assert_eq!(job["warnings"], json!([left_out()]), "{job}");
    let facts: Vec<_> = job["why"]["facts"].as_array().unwrap().iter().map(|fact| fact["kind"].clone()).collect();
    assert_eq!(facts, ["succeeded", "warning"]);
    assert_eq!(world.get("/api/v1/jobs/dead").await.get("warnings"), None);
    let overview = world.get("/api/v1/overview").await;
    let lane = overview["lanes"].as_array().unwrap().iter().find(|lane| lane["method"] == MEETING).unwrap();
    assert_eq!((&overview["totals"]["warnings"], &lane["warnings"]), (&json!(1), &json!(1)));
    let batches = world.get("/api/v1/batches").await["batches"].clone();
    assert_eq!(batches.as_array().unwrap().iter().filter_map(|batch| batch["warnings"].as_u64()).sum::<u64>(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_forecast_comes_in_the_background_and_batches_have_it() {
    let world = World::new("127.0.0.1:0").await;
    until_async("a forecast", async || !world.get("/api/v1/forecast").await["as_of"].is_null()).await;
    let forecast = world.get("/api/v1/forecast").await;
    assert!(forecast["finish_at"].is_string(), "{forecast}");
    assert_eq!(forecast["lanes"][0]["method"], MEETING);
    let batch = &world.get("/api/v1/batches").await["batches"][0];
    assert_eq!(batch["finish_at"], forecast["batches"][0]["finish_at"], "{batch}");
    assert!(batch["finish_at"].is_string());
    world.end().await;
}

#[tokio::test]
async fn a_forecast_that_is_old_or_untrue_is_worked_out_anew_before_anybody_sees_it() {
    let (clock, system) = Clock::steppable(Timestamp(1_900_000_000_000_000));
    let world = World::at("127.0.0.1:0", clock.clone()).await;
    let forecast = async || {
        // Documents have milliseconds.
        let now = Timestamp(clock.now().0 / 1_000 * 1_000);
        // A request waits a moment for one that holds, and says so if it did not come.
        // Asking again could meet one that no longer holds.
        let mut forecast = Value::Null;
        until_async("a forecast", async || {
            forecast = world.get("/api/v1/forecast").await;
            !forecast["as_of"].is_null()
        })
        .await;
        (Timestamp::parse(forecast["as_of"].as_str().unwrap()).unwrap(), now, forecast["held_back"].clone())
    };
    forecast().await;
    let pass = |seconds: i64| {
        system.fetch_add(seconds * 1_000_000, std::sync::atomic::Ordering::Relaxed);
        clock.anchor_again();
    };
    pass(16);
    let (as_of, asked_at, held_back) = forecast().await;
    assert!(as_of >= asked_at && held_back.is_null(), "{as_of} is older than the question, {asked_at}; {held_back}");
    let suspended = world.place.run(&["suspend", "campus"]);
    assert_eq!(suspended.code, Some(0), "{}", suspended.transcript());
    world.engine.recover().await.unwrap();
    let (as_of, asked_at, held_back) = forecast().await;
    assert!(as_of >= asked_at, "{as_of} is older than the suspension; {asked_at}");
    assert!(held_back["suspended"].as_u64() > Some(0), "{held_back}");
    world.end().await;
}

#[tokio::test]
async fn the_throughput_knows_the_calls_of_an_earlier_process() {
    let world = World::new("127.0.0.1:0").await;
    let calls = |document: &Value| -> u64 {
        let series = document["series"][0]["calls"].as_array();
        series.map_or(0, |calls| calls.iter().filter_map(Value::as_u64).sum())
    };
    until_async("five calls", async || calls(&world.get("/api/v1/throughput").await) == 5).await;
    let document = world.get("/api/v1/throughput?minutes=60").await;
    assert_eq!(document["series"][0]["calls"].as_array().unwrap().len(), 60);
    assert_eq!(document["series"][0]["limit_per_step"], 10_000, "{document}");
    assert_eq!(ask(world.admin.listen().unwrap(), "/api/v1/throughput?minutes=0", None).await.0, 400);
    world.end().await;
}

#[tokio::test]
async fn the_overview_counts_every_state_and_methods_tell_their_quotas() {
    let world = World::new("127.0.0.1:0").await;
    let overview = world.get("/api/v1/overview").await;
    let counts: BTreeMap<&str, u64> =
        ["queued", "uncertain", "held", "dead", "succeeded", "running"].map(|state| (state, 0)).into();
    for state in counts.keys() {
        let wanted = if *state == "queued" { 2 } else { 1 };
        assert_eq!(overview["totals"][state], wanted, "{state}: {}", overview["totals"]);
    }
    let methods = world.get("/api/v1/methods").await;
    let meeting = methods["methods"].as_array().unwrap().iter().find(|it| it["method"] == MEETING).unwrap();
    assert_eq!((&meeting["platform"], &meeting["look_up"]), (&json!("wecom"), &json!(true)), "{meeting}");
    assert_eq!(meeting["quotas"].as_array().unwrap().len(), 3);
    world.end().await;
}

#[tokio::test]
async fn away_from_loopback_nothing_is_told_without_the_token() {
    let world = World::new("0.0.0.0:0").await;
    let listen = world.admin.listen().unwrap();
    for path in ["/api/v1/held", "/api/v1/forecast", "/api/v1/throughput", "/api/v1/methods", "/api/v1/jobs/dead"] {
        assert_eq!(ask(listen, path, None).await.0, 401, "{path}");
        assert_eq!(ask(listen, path, Some(TOKEN)).await.0, 200, "{path}");
    }
    assert_eq!(ask(listen, "/readyz", None).await.0, 200);
    world.end().await;
}
