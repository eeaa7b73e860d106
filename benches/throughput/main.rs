//! `cargo bench --bench throughput`: what a job costs when no quota holds it back.
//!
//! Four ways to the same calls, side by side in one run, in turns: a file through the ledger, the same jobs in chains of
//! four, AMQP through ledger and outbox, and the bare loop that keeps no record at all. `BENCH_WAYS=file,chains` runs those
//! two, for which no broker is needed. Each runs in a process of its own, so that the CPU time is
//! the worker's alone; simulator and broker are other processes. This process only prepares and counts.

#[path = "../common/broker.rs"]
mod broker;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/usage.rs"]
mod usage;

mod amqp;
mod bare;
mod file;
mod jobs;
mod report;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use paceline::clock::Clock;
use serde_json::{Value, json};

use self::broker::Broker;
use self::common::Simulator;
use self::report::Measured;

/// Jobs of one run; `BENCH_JOBS` overrides it.
const JOBS: usize = 20_000;
/// Runs of each way; `BENCH_ROUNDS` overrides it.
const ROUNDS: usize = 4;
/// Jobs of a chain.
const LINKS: usize = 4;

/// A way from a job to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    Chains,
    Amqp,
    Bare,
}

impl Way {
    const ALL: [Self; 4] = [Self::File, Self::Chains, Self::Amqp, Self::Bare];

    /// Those that the environment names, or all.
    fn chosen() -> Vec<Self> {
        let named = std::env::var("BENCH_WAYS").unwrap_or_default();
        let is_chosen = |way: &Self| named.is_empty() || named.split(',').any(|name| name == way.name());
        Self::ALL.into_iter().filter(is_chosen).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Chains => "chains",
            Self::Amqp => "amqp",
            Self::Bare => "bare",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::File => "file → ledger → result",
            Self::Chains => "the same, chains of four",
            Self::Amqp => "AMQP → ledger → AMQP",
            Self::Bare => "bare loop, AMQP → AMQP",
        }
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table, or a child's line for its parent, is what it is for")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--worker") {
        println!("{}", work(&arguments[at + 1..]).await?);
        return Ok(());
    }
    if !common::is_measuring() {
        println!("a measurement: run `cargo bench --bench throughput`");
        return Ok(());
    }
    let (jobs, rounds) = (from_env("BENCH_JOBS", JOBS)?, from_env("BENCH_ROUNDS", ROUNDS)?);
    let folder = tempfile::tempdir()?;
    let (single, chained) = (folder.path().join("jobs.jsonl"), folder.path().join("chains.jsonl"));
    jobs::write(&single, jobs, 1)?;
    jobs::write(&chained, jobs, LINKS)?;
    let mut measured = Vec::new();
    for round in 0..rounds {
        for way in Way::chosen() {
            let load = common::load();
            let input = if way == Way::Chains { &chained } else { &single };
            let run = measure(way, input, jobs).await.with_context(|| way.title())?;
            println!("round {} {:<24} {run} (load before {load})", round + 1, way.title());
            measured.push((way, run));
        }
    }
    println!("\n{}", report::table(&measured));
    Ok(())
}

fn from_env(name: &str, default: usize) -> anyhow::Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}: expected a number, got {text:?}")),
        Err(_) => Ok(default),
    }
}

/// Prepares one run, has a process of its own do it, and counts what came out.
async fn measure(way: Way, input: &Path, jobs: usize) -> anyhow::Result<Measured> {
    let simulator = Simulator::start("zero")?;
    let is_file = matches!(way, Way::File | Way::Chains);
    let broker = if is_file { None } else { Some(Broker::filled(input).await?) };
    let queues = broker.as_ref().map(|broker| broker.prefix().to_owned()).unwrap_or_default();
    let output = Command::new(std::env::current_exe()?)
        .args(["--worker", way.name(), simulator.url(), &queues, &jobs.to_string()])
        .arg(input)
        .stderr(Stdio::inherit())
        .output();
    let output = output.context("the worker process did not start")?;
    let results = match broker {
        Some(broker) => Some(broker.results_then_delete().await?),
        None => None,
    };
    ensure!(output.status.success(), "the worker process failed: {}", output.status);
    let created = report::number(&simulator.stats().await?, "/methods/feishu.calendar.create/succeeded")?;
    ensure!(created as usize == jobs, "{created} calls for {jobs} jobs");
    ensure!(results.is_none_or(|results| results as usize == jobs), "{results:?} results for {jobs} jobs");
    Measured::of(jobs, &serde_json::from_slice(&output.stdout)?)
}

/// The worker process: one way, and what it took.
async fn work(arguments: &[String]) -> anyhow::Result<Value> {
    let [way, url, queues, jobs, input] = arguments else { bail!("--worker WAY URL QUEUES JOBS FILE") };
    let jobs: usize = jobs.parse()?;
    let clock = Clock::system();
    let started = clock.mono();
    match way.as_str() {
        "file" | "chains" => file::run(url, Path::new(input)).await?,
        "amqp" => amqp::run(url, queues, jobs).await?,
        "bare" => bare::run(url, queues, jobs).await?,
        _ => bail!("no way {way:?}"),
    }
    let seconds = clock.mono().since(started).as_secs_f64();
    let most_kib = usage::status("/proc/self", "VmHWM:")?;
    Ok(json!({"seconds": seconds, "cpu_s": usage::cpu_s("/proc/self")?, "memory_mib": most_kib as f64 / 1_024.0}))
}
