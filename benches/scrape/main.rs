//! `cargo bench --bench scrape`: what a scrape of the metrics costs with a thousand lanes.

use std::sync::Arc;
use std::time::Duration;

use paceline::clock::Clock;
use paceline::domain::catalog::built_in;
use paceline::domain::decode::{self, Decoder, Defaults};
use paceline::engine::planner::Planner;
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin};
use paceline::metrics::Metrics;
use paceline::settings;
use paceline::simulator::{InProcess, Scenario, Simulator};
use paceline::store::{Mode, SqlStore};
use paceline::wiring::{self, Scrape};
use serde_json::{Value, json};

#[path = "../common/basics.rs"]
mod common;

use self::common::sentence;

const APPS: usize = 500;
const JOBS_PER_LANE: usize = 5;
const TIMES: usize = 200;

/// Jobs of an app's two lanes.
fn jobs(app: &str) -> impl Iterator<Item = Value> {
    (0..JOBS_PER_LANE).flat_map(move |n| {
        let room = json!({"id": format!("{app}-room-{n}"), "method": "feishu.vc.room.create", "app": app,
            "body": {"name": format!("Room {n}"), "capacity": 10, "room_level_id": "omb_4ad1"}});
        let calendar = json!({"id": format!("{app}-calendar-{n}"), "method": "feishu.calendar.create", "app": app,
            "body": {"summary": format!("Calendar {n}")}});
        [room, calendar]
    })
}

fn arrivals(decoder: &Decoder, app: &str) -> anyhow::Result<Vec<Arrival>> {
    jobs(app)
        .map(|job| {
            let job = decoder.decode(job.to_string().as_bytes(), &Defaults::default());
            let job = job.map_err(|rejection| sentence(rejection.detail()))?;
            Ok(Arrival { input: Ok(Box::new(job)), origin: Origin::default() })
        })
        .collect()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> anyhow::Result<()> {
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench scrape`");
        return Ok(());
    }
    println!("load before: {}", common::load());
    let folder = tempfile::tempdir()?;
    let (scrape, ledger) = prepared(&folder.path().join("l.db")).await?;
    let clock = Clock::system();
    let since = clock.mono();
    scrape.sample().await?;
    println!("the ledger's figures took {:?}", clock.mono().since(since));
    let (mut took, mut bytes, mut series) = (Vec::new(), 0, 0);
    for _ in 0..TIMES {
        let since = clock.mono();
        let text = scrape.render();
        took.push(clock.mono().since(since));
        (bytes, series) = (text.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    }
    took.sort_unstable();
    println!(
        "{series} series, {bytes} bytes; a scrape: shortest {:?}, median {:?}, longest of {TIMES} {:?}",
        took[0],
        took[TIMES / 2],
        took[TIMES - 1]
    );
    ledger.close().await;
    Ok(())
}

/// A worker that has made some calls, so that windows, counters and the outbox hold something.
async fn prepared(path: &std::path::Path) -> anyhow::Result<(Scrape, Arc<SqlStore>)> {
    let (clock, catalog) = (Clock::system(), Arc::new(built_in().map_err(|faults| sentence(format!("{faults:?}")))?));
    let metrics = Metrics::collecting(&clock).map_err(sentence)?;
    let ledger = Arc::new(SqlStore::open_measured(path, Mode::Worker, clock.now(), metrics.clone())?);
    let names: Vec<String> = (0..APPS).map(|n| format!("app-{n:03}")).collect();
    let apps = wiring::apps_for_rehearsal(&catalog, names.iter().map(|name| (name.as_str(), "feishu.vc.room.create")));
    let scenario = Scenario::parse("", "bench").map_err(sentence)?;
    let simulator = Simulator::start(Arc::clone(&catalog), scenario, 1.0, clock.clone()).map_err(sentence)?;
    let ports = (Arc::clone(&ledger) as Arc<dyn Ledger>, Arc::new(InProcess::new(simulator)) as _);
    let planner = Planner::new(Arc::clone(&catalog), apps, 1.0);
    let settings = settings::load(None, std::iter::empty()).map_err(sentence)?;
    let engine = wiring::measured_engine(&settings, planner, ports, clock.clone(), metrics.clone()).await?;
    let decoder = Decoder { catalog, apps: decode::Apps::Any, rights: Arc::default() };
    for name in &names {
        ledger.take_over(arrivals(&decoder, name)?, clock.now()).await?;
    }
    engine.load(None).await?;
    engine.run(false, tokio::time::sleep(Duration::from_secs(2))).await;
    Ok((Scrape::new(engine, Arc::clone(&ledger) as _, metrics), ledger))
}
