//! A platform that is slow, cut off, or answers nonsense, through the real HTTP client, with the sums.

use std::sync::Arc;

use paceline::clock::Clock;
use paceline::domain::catalog::built_in;
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::engine::Stop;
use paceline::engine::ports::{Arrival, Counts, Intake, Ledger, Origin};
use paceline::settings;
use paceline::simulator::{self, Scenario, Simulator, Stats};
use paceline::store::{Mode, SqlStore};
use paceline::wiring;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::engine::{calendar, meeting, minutes, room};

/// Waits and windows are this much shorter.
const SPEED: f64 = 20.0;

/// Works two jobs of each method against a platform with one fault; what became of them, and what was really created.
async fn work(fault: &str) -> (Counts, Stats) {
    let catalog = Arc::new(built_in().unwrap());
    let scenario = Scenario::parse(&format!("[[faults]]\nmethod = \"*.create\"\n{fault}\n"), "test").unwrap();
    let simulator = Simulator::start(Arc::clone(&catalog), scenario, SPEED, Clock::system()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(simulator::serve(listener, simulator.clone(), std::future::pending()));

    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("PACELINE_HTTP__REQUEST_TIMEOUT_MS", "500"),
        ("PACELINE_ENGINE__GRACE_MS", "100"),
        ("PACELINE_APPS__ACME__PLATFORM", "feishu"),
        ("PACELINE_APPS__ACME__APP_ID", "cli_a"),
        ("PACELINE_APPS__ACME__APP_SECRET__ENV", "A"),
        ("PACELINE_APPS__ACME__BASE_URL", &base_url),
        ("PACELINE_APPS__CAMPUS__PLATFORM", "wecom"),
        ("PACELINE_APPS__CAMPUS__CORP_ID", "ww_c"),
        ("PACELINE_APPS__CAMPUS__CORP_SECRET__ENV", "A"),
        ("PACELINE_APPS__CAMPUS__BASE_URL", &base_url),
        ("A", "made-up"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = settings::load(None, variables.into_iter()).unwrap();
    let clock = Clock::system();
    let ledger = Arc::new(SqlStore::open(&folder.path().join("ledger.db"), Mode::Worker, clock.now()).unwrap());
    let apps = wiring::apps_of(&settings, &catalog).unwrap();
    let decoder = Decoder { catalog: Arc::clone(&catalog), apps: Apps::Any, rights: Arc::default() };
    let transport = wiring::transport(&settings).unwrap();
    let shared: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let engine = wiring::engine(&settings, catalog, apps, shared, transport, clock.clone(), SPEED).await.unwrap();
    engine.recover().await.unwrap();
    let arrival = |job: Value| {
        let job = decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap();
        Arrival { input: Ok(Box::new(job)), origin: Origin::default() }
    };
    let jobs = (0..2).flat_map(|n| [room(n), calendar(n), meeting(n), minutes(n)]);
    ledger.take_over(jobs.map(arrival).collect(), clock.now()).await.unwrap();
    engine.load(None).await.unwrap();
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    let counts = ledger.counts(None).await.unwrap();
    ledger.close().await;
    serving.abort();
    (counts, simulator.stats())
}

/// Each fault strikes the first four creates, whichever they are. Nothing is lost, nothing is created twice, and what
/// nobody can know is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_of_a_broken_platform_loses_or_doubles_a_job() {
    let faults = [
        ("html", "kind = \"html\""),
        ("html, and it was done", "kind = \"html\"\napplied = true"),
        ("a hundred megabytes", "kind = \"huge\"\nbody_bytes = 100000000"),
        ("reset before it was done", "kind = \"cut-before\""),
        ("reset after it was done", "kind = \"cut-after\""),
        ("half a reply", "kind = \"partial\""),
        ("unavailable", "kind = \"refuse\""),
        ("slower than the time-out", "kind = \"late\"\nlate_ms = 1500"),
        ("a gateway's 502", "kind = \"status\"\nstatus = 502"),
        ("a gateway's 504, and it was done", "kind = \"status\"\nstatus = 504\napplied = true"),
    ];
    for (what, fault) in faults {
        let (counts, books) = work(&format!("{fault}\nfirst = 4")).await;
        assert_eq!(books.faults.values().sum::<u64>(), 4, "{what}: {:?}", books.faults);
        assert_eq!((counts.total, counts.dead), (8, 0), "{what}: {counts:?}");
        assert_eq!(counts.succeeded + counts.held, 8, "{what}: {counts:?}");
        assert!(counts.held <= 2, "only minutes can be in doubt: {what}: {counts:?}");
        assert_eq!((books.duplicates, books.refused), (0, 0), "{what}: {books:?}");
        let created = books.created;
        assert!((counts.succeeded..=8).contains(&created), "{what}: {created} created, {counts:?}");
    }
}
