//! What a scrape costs: run by hand with `cargo test --release --lib wiring::scrape::bench -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::domain::catalog::built_in;
use crate::domain::job::Job;
use crate::engine::ports::Ledger;
use crate::engine::quotas::Planner;
use crate::settings;
use crate::simulator::{InProcess, Scenario, Simulator};
use crate::store::contract::{from_amqp, job};
use crate::store::sqlite::Mode;
use crate::wiring;

const APPS: usize = 500;
const METHODS: [&str; 2] = ["feishu.vc.room.create", "feishu.calendar.create"];
const JOBS_PER_LANE: usize = 5;
const TIMES: usize = 200;

fn jobs(app: &str) -> impl Iterator<Item = Job> {
    let lanes = METHODS.into_iter().flat_map(|method| (0..JOBS_PER_LANE).map(move |n| (method, n)));
    lanes.map(move |(method, n)| {
        let mut job = job(&format!("{app}-{method}-{n}"));
        job.lane = LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() };
        job
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a verdict"]
async fn a_scrape_of_a_thousand_lanes() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, catalog) = (Clock::system(), Arc::new(built_in().unwrap()));
    let metrics = Metrics::collecting(&clock).unwrap();
    let path = folder.path().join("l.db");
    let ledger = SqliteLedger::open_measured(&path, Mode::Worker, clock.now(), metrics.clone()).unwrap();
    let ledger = Arc::new(ledger);
    let names: Vec<String> = (0..APPS).map(|n| format!("app-{n:03}")).collect();
    let apps = wiring::apps_for_rehearsal(&catalog, names.iter().map(|name| (name.as_str(), METHODS[0])));
    let scenario = Scenario::parse("", "bench").unwrap();
    let simulator = Simulator::start(Arc::clone(&catalog), scenario, 1.0, clock.clone()).unwrap();
    let transport = Arc::new(InProcess::new(simulator));
    let ports = (Arc::clone(&ledger) as Arc<dyn Ledger>, transport as _);
    let planner = Planner { catalog, apps, speed: 1.0 };
    let settings = settings::load(None, std::iter::empty()).unwrap();
    let engine = wiring::measured_engine(&settings, planner, ports, clock.clone(), metrics.clone());
    for name in &names {
        ledger.take_over(jobs(name).map(from_amqp).collect(), clock.now()).await.unwrap();
    }
    engine.load(None).await.unwrap();
    // Some calls, so that windows, counters and the outbox hold something.
    engine.run(false, tokio::time::sleep(Duration::from_secs(2))).await;

    let scrape = Scrape::new(Arc::clone(&engine), Arc::clone(&ledger), metrics);
    let since = clock.mono();
    scrape.sample().await.unwrap();
    let sampled = clock.mono().since(since);
    let (mut took, mut bytes, mut series) = (Vec::new(), 0, 0);
    for _ in 0..TIMES {
        let since = clock.mono();
        let text = scrape.render();
        took.push(clock.mono().since(since));
        (bytes, series) = (text.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    }
    took.sort_unstable();
    let lanes = engine.view().lanes.len();
    println!("{lanes} lanes, {series} series, {bytes} bytes; the ledger's figures took {sampled:?}");
    println!(
        "a scrape: shortest {:?}, median {:?}, longest of {TIMES} {:?}",
        took[0],
        took[TIMES / 2],
        took[TIMES - 1]
    );
    ledger.close().await;
}
