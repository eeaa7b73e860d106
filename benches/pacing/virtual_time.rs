//! Every way on every platform in virtual time: minutes of waiting take no time, and a seed gives the same table again.
//!
//! Paceline runs whole, with its ledger on the disk; the clock stands still while that works.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use paceline::engine::Stop;
use paceline::engine::ports::{Ledger, Transport};
use serde_json::json;

use super::batch::Batch;
use super::embedded::{APP, Embedded};
use super::platform::{DELAYS, KINDS, Platform};
use super::{Way, naive};

/// Seeds of the platform's delays; `BENCH_SEEDS` says how many are tried.
const SEEDS: u64 = 3;

/// What came of one way over all seeds.
#[derive(Default)]
struct Sum {
    finish_s: Vec<f64>,
    refusals: u64,
    /// The fullest span of each window over all seeds, with its limit.
    largest: Vec<(usize, usize)>,
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) fn table(batches: &[Arc<Batch>]) -> anyhow::Result<()> {
    let seeds = match std::env::var("BENCH_SEEDS") {
        Ok(text) => text.parse().with_context(|| format!("BENCH_SEEDS: expected a number, got {text:?}"))?,
        Err(_) => SEEDS,
    };
    println!("virtual time, {seeds} seeds: median finish, the slowest, and refusals of all seeds together\n");
    println!(
        "| batch | platform | delay | way | finish, s | over the optimum | slowest, s | refusals | most in a window |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for batch in batches {
        for (platform, kind) in KINDS {
            for delay in DELAYS {
                for way in Way::ALL {
                    let mut sum = Sum::default();
                    for seed in 1..=seeds {
                        run(way, batch, || Platform::start(kind, delay, seed), &mut sum)
                            .with_context(|| format!("{} on {platform}, {delay}, seed {seed}", way.name()))?;
                    }
                    println!(
                        "| {} | {platform} | {delay} | {} | {} |",
                        batch.title,
                        way.name(),
                        sum.cells(batch.optimum_s)
                    );
                }
            }
        }
    }
    Ok(())
}

impl Sum {
    fn cells(mut self, optimum_s: f64) -> String {
        self.finish_s.sort_by(f64::total_cmp);
        let median = self.finish_s.get(self.finish_s.len() / 2).copied().unwrap_or_default();
        let slowest = self.finish_s.last().copied().unwrap_or_default();
        let over = (median / optimum_s - 1.0) * 100.0;
        let largest: Vec<_> = self.largest.iter().map(|(largest, limit)| format!("{largest}/{limit}")).collect();
        format!("{median:.2} | {over:+.1} % | {slowest:.2} | {} | {}", self.refusals, largest.join(", "))
    }
}

/// One run on a runtime of its own, whose clock moves only when nothing else can.
fn run(
    way: Way,
    batch: &Arc<Batch>,
    platform: impl FnOnce() -> anyhow::Result<Platform>,
    sum: &mut Sum,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let platform = platform()?;
        let transport: Arc<dyn Transport> = platform.transport();
        let finish_s = match way {
            Way::Paceline => paceline(&platform, transport, batch).await?,
            Way::GovernorBurst | Way::GovernorSmooth | Way::SendTimes => {
                naive::run(way, &transport, &platform.clock, "http://127.0.0.1", batch, "cli_bench").await?
            }
        };
        sum.finish_s.push(finish_s);
        let books = platform.stats();
        ensure!(books.created == batch.bodies.len() as u64, "{} created", books.created);
        let quota = books.quotas.iter().find(|quota| quota.method == batch.method).context("nothing was called")?;
        sum.refusals += quota.refused;
        sum.largest.resize(quota.windows.len(), (0, 0));
        for (sum, window) in sum.largest.iter_mut().zip(&quota.windows) {
            *sum = (sum.0.max(window.largest), window.limit);
        }
        Ok(())
    })
}

async fn paceline(platform: &Platform, transport: Arc<dyn Transport>, batch: &Batch) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let worker = Embedded::start(folder.path(), platform.clock.clone(), transport, &[]).await?;
    let job = |(number, body)| json!({"id": format!("{number}"), "method": batch.method, "app": APP, "body": body});
    let waiting = worker.take_over(batch.bodies.iter().enumerate().map(job)).await?;
    let started = worker.clock.mono();
    worker.engine.enqueue(waiting);
    let stop = worker.engine.run(true, std::future::pending()).await;
    let finish_s = worker.clock.mono().since(started).as_secs_f64();
    let counts = worker.ledger.counts(None).await?;
    ensure!(stop == Stop::Idle && counts.succeeded == batch.bodies.len() as u64, "{stop:?}: {counts:?}");
    worker.ledger.close().await;
    Ok(finish_s)
}
