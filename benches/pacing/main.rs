//! `cargo bench --bench pacing`: one batch, four ways to pace it, counted by the simulator.
//!
//! First in virtual time: strict, fixed and token-bucket platforms under calm and heavy-tailed delay. Then in real time
//! over loopback HTTP against the strict one, to see that virtual time does not flatter. `-- virtual` or `-- real` does
//! one of them. Refusals are the simulator's count, not the callers'.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/embedded.rs"]
mod embedded;

mod batch;
mod naive;
mod paced;
mod platform;
mod virtual_time;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use paceline::clock::Clock;
use paceline::engine::ports::Transport;
use paceline::platform::{HttpOptions, HttpTransport};
use serde_json::Value;

use self::batch::Batch;
use self::common::{Simulator, sentence};

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
            Self::GovernorBurst | Self::GovernorSmooth | Self::SendTimes => {
                let options = HttpOptions {
                    connect_timeout: Duration::from_secs(5),
                    reply_bytes_max: 1 << 20,
                    pool_idle: Duration::from_secs(90),
                    ca_pem: None,
                    tells_certificate: false,
                };
                let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new(&options).map_err(sentence)?);
                naive::run(self, &transport, &Clock::system(), url, batch, app_id).await
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "the tables are what it is for")]
fn main() -> anyhow::Result<()> {
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench pacing`");
        return Ok(());
    }
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let batches = [batch::rooms(), batch::calendars()].map(Arc::new);
    if !asked("real") {
        virtual_time::table(&batches)?;
    }
    if !asked("virtual") {
        tokio::runtime::Runtime::new()?.block_on(real_time(&batches))?;
    }
    Ok(())
}

/// All ways run at once, each with an app of its own, so that none takes another's quota; they are idle most of the time.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
async fn real_time(batches: &[Arc<Batch>]) -> anyhow::Result<()> {
    let simulator = Simulator::start("calm")?;
    println!(
        "\nreal time over loopback HTTP, calm, sliding; load before: {}; some minutes of waiting\n",
        common::load()
    );
    let mut running = Vec::new();
    for batch in batches {
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
    println!("| batch | way | finish, s | over the optimum | refusals | most in a window |\n|---|---|---|---|---|---|");
    for (batch, way, app_id, run) in running {
        let finish_s = run.await?.with_context(|| way.name())?;
        let (refusals, largest) = counted(&simulator.stats().await?, batch.method, &app_id)?;
        let over = (finish_s / batch.optimum_s - 1.0) * 100.0;
        println!("| {} | {} | {finish_s:.1} | {over:+.1} % | {refusals} | {largest} |", batch.title, way.name());
    }
    println!("\nload after: {}", common::load());
    Ok(())
}

/// What the simulator counted of an app: refusals, and the fullest span of each window against its limit.
fn counted(books: &Value, method: &str, app_id: &str) -> anyhow::Result<(u64, String)> {
    let quotas = books["quotas"].as_array().context("the books have no quotas")?;
    let quota = quotas.iter().find(|quota| quota["method"] == method && quota["key"] == app_id);
    let quota = quota.with_context(|| format!("{app_id} called nothing"))?;
    let windows = quota["windows"].as_array().into_iter().flatten();
    let largest: Vec<String> = windows.map(|window| format!("{}/{}", window["largest"], window["limit"])).collect();
    Ok((quota["refused"].as_u64().unwrap_or_default(), largest.join(", ")))
}
