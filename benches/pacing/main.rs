//! `cargo bench --bench pacing`: one batch, four ways to pace it, in real time against the simulator's strict windows.
//!
//! All ways run at once, each with an app of its own, so that none takes another's quota; they are idle most of the
//! time. Refusals are the simulator's count, not the callers'.

#[path = "../common/mod.rs"]
mod common;

mod batch;
mod naive;
mod paced;

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;

use self::batch::Batch;
use self::common::Simulator;

/// How a batch is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Paceline,
    GovernorBurst,
    GovernorSmooth,
    SendTimes,
}

impl Way {
    const ALL: [Self; 4] = [Self::Paceline, Self::GovernorBurst, Self::GovernorSmooth, Self::SendTimes];

    fn name(self) -> &'static str {
        match self {
            Self::Paceline => "paceline",
            Self::GovernorBurst => "governor, burst N",
            Self::GovernorSmooth => "governor, burst 1",
            Self::SendTimes => "log of send times",
        }
    }

    async fn run(self, url: &str, batch: &Batch, app_id: &str) -> anyhow::Result<f64> {
        match self {
            Self::Paceline => paced::run(url, batch, app_id).await,
            Self::GovernorBurst | Self::GovernorSmooth | Self::SendTimes => naive::run(self, url, batch, app_id).await,
        }
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
async fn main() -> anyhow::Result<()> {
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench pacing`");
        return Ok(());
    }
    let simulator = Simulator::start("calm")?;
    let batches = [batch::rooms(), batch::calendars()].map(Arc::new);
    println!("load before: {}; this takes some minutes of waiting", common::load());
    let mut running = Vec::new();
    for batch in &batches {
        for way in Way::ALL {
            let (url, batch) = (simulator.url().to_owned(), Arc::clone(batch));
            let app_id = format!("cli_{}_{way:?}", batch.name);
            let run = {
                let (batch, app_id) = (Arc::clone(&batch), app_id.clone());
                tokio::spawn(async move { way.run(&url, &batch, &app_id).await })
            };
            running.push((batch, way, app_id, run));
        }
    }
    println!(
        "{:<42} {:<18} {:>9} {:>13} {:>9}  most in a window",
        "batch", "way", "finish s", "over optimum", "refusals"
    );
    for (batch, way, app_id, run) in running {
        let finish_s = run.await?.with_context(|| way.name())?;
        let (refusals, largest) = counted(&simulator.books().await?, batch.method, &app_id)?;
        let over = (finish_s / batch.optimum_s - 1.0) * 100.0;
        println!("{:<42} {:<18} {finish_s:>9.1} {over:>+12.1}% {refusals:>9}  {largest}", batch.title, way.name());
    }
    println!("load after: {}", common::load());
    Ok(())
}

/// What the simulator counted of an app: refusals, and the fullest span of each window against its limit.
fn counted(books: &Value, method: &str, app_id: &str) -> anyhow::Result<(u64, String)> {
    let quotas = books["quotas"].as_array().context("the books have no quotas")?;
    let quota = quotas.iter().find(|quota| quota["method"] == method && quota["key"] == app_id);
    let quota = quota.with_context(|| format!("{app_id} called nothing"))?;
    let windows = quota["windows"].as_array().into_iter().flatten();
    let largest: Vec<String> = windows.map(|window| format!("{}/{}", window["largest"], window["limit"])).collect();
    Ok((quota["refused"].as_u64().unwrap_or_default(), largest.join(" ")))
}
