//! How long a calendar takes to leave beside a lane of 5,000 waiting rooms: from before its take-over to its arrival at
//! the transport.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use paceline::clock::Clock;
use paceline::domain::decode::Defaults;
use paceline::engine::ports::{Arrival, Intake, Origin};
use paceline::store::{Mode, SqlStore};
use serde_json::{Value, json};

use super::embedded::{APP, Embedded, FILE};
use super::sentence;
use super::wire::Wire;

const ROOMS: usize = 5_000;
const TRIES: usize = 200;
/// Of the program itself: each is a process.
const RUNS: usize = 30;

/// How a job comes to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Taken over by the worker itself, as from the broker.
    Own,
    /// Written into the ledger by another connection; from its commit on.
    Beside,
    /// `paceline submit` as a process, from its start on.
    Program,
}

/// A worker, and where its ledger is.
struct Place<'a> {
    worker: Embedded,
    folder: &'a Path,
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) async fn table() -> anyhow::Result<()> {
    let clock = Clock::system();
    let wire = Arc::new(Wire::new(clock.clone()));
    let folder = tempfile::tempdir()?;
    let worker = Embedded::start(folder.path(), clock, Arc::clone(&wire) as Arc<_>, &[]).await?;
    let place = Place { worker, folder: folder.path() };
    let room = |n| {
        json!({"id": format!("room-{n}"), "method": "feishu.vc.room.create", "app": APP,
        "body": {"name": format!("R-{n}"), "capacity": 10, "room_level_id": "omb_1"}})
    };
    let rooms = place.worker.take_over((0..ROOMS).map(room)).await?;
    place.worker.engine.enqueue(rooms);
    let engine = Arc::clone(&place.worker.engine);
    let running = tokio::spawn(async move { engine.run(false, std::future::pending()).await });
    // The first twenty rooms have left, and the first calendar has fetched what all of them need.
    once(&place, &wire, Way::Own, "warm-up").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("| how the job comes | tries | p50, ms | p99, ms | longest, ms |\n|---|---|---|---|---|");
    for (way, tries, title) in [
        (Way::Own, TRIES, "taken over by the worker (broker, `run`)"),
        (Way::Beside, TRIES, "committed to the ledger by another process"),
        (Way::Program, RUNS, "`paceline submit`, from the start of its process"),
    ] {
        let mut ms = Vec::new();
        for number in 0..tries {
            // In step with nothing that ticks.
            tokio::time::sleep(Duration::from_micros(fastrand::u64(70_000..130_000))).await;
            ms.push(once(&place, &wire, way, &format!("{way:?}-{number}")).await?.as_secs_f64() * 1e3);
        }
        ms.sort_by(f64::total_cmp);
        let at = |share: f64| ms.get((ms.len() as f64 * share) as usize).or(ms.last()).copied().unwrap_or_default();
        println!("| {title} | {tries} | {:.1} | {:.1} | {:.1} |", at(0.5), at(0.99), at(1.0));
    }
    running.abort();
    let left = place.worker.engine.unfinished();
    ensure!(left > ROOMS - 200, "only {left} rooms were left waiting");
    Ok(())
}

async fn once(place: &Place<'_>, wire: &Wire, way: Way, name: &str) -> anyhow::Result<Duration> {
    let job = json!({"id": name, "method": "feishu.calendar.create", "app": APP, "body": {"summary": name}});
    let arrival = wire.expect(name);
    let from = match way {
        Way::Own => {
            let from = place.worker.clock.mono();
            place.worker.engine.enqueue(place.worker.take_over([job]).await?);
            from
        }
        Way::Beside => {
            beside(place, &job).await?;
            place.worker.clock.mono()
        }
        Way::Program => {
            let from = place.worker.clock.mono();
            submit(place, job).await?;
            from
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrival).await.context("it never arrived")??;
    Ok(arrived.since(from))
}

async fn beside(place: &Place<'_>, job: &Value) -> anyhow::Result<()> {
    let other = SqlStore::open(&place.folder.join(FILE), Mode::Operator, place.worker.clock.now())?;
    let job = place.worker.decoder.decode(job.to_string().as_bytes(), &Defaults::default());
    let job = job.map_err(|rejection| sentence(rejection.detail()))?;
    let arrival = Arrival { input: Ok(Box::new(job)), origin: Origin::default() };
    other.take_over(vec![arrival], place.worker.clock.now()).await?;
    tokio::spawn(async move { other.close().await });
    Ok(())
}

async fn submit(place: &Place<'_>, job: Value) -> anyhow::Result<()> {
    let file = place.folder.join("one.jsonl");
    std::fs::write(&file, format!("{job}\n"))?;
    let settings = place.folder.join("submit.toml");
    std::fs::write(
        &settings,
        format!(
            "[store]\nurl = \"sqlite://{}\"\n[apps.{APP}]\nplatform = \"feishu\"\napp_id = \"cli_1\"\napp_secret = {{ env = \"X\" }}\n",
            place.folder.join(FILE).display()
        ),
    )?;
    let mut program = Command::new(env!("CARGO_BIN_EXE_paceline"));
    program.arg("--config").arg(settings).arg("submit").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
    let status = tokio::task::spawn_blocking(move || program.status()).await??;
    ensure!(status.success(), "submit: {status}");
    Ok(())
}
