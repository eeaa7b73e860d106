//! Many lanes that all wait for their quota: what that costs in processor time and memory.
//!
//! The jobs are taken over by one process and worked by another, so that the memory is that of a worker that started with
//! a backlog, and nothing else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use paceline::clock::Clock;
use paceline::engine::ports::Ledger;
use serde_json::{Value, json};

use super::embedded::{APP, Embedded};
use super::usage;
use super::wire::Wire;

/// Jobs taken over at once.
const CHUNK: usize = 1_000;
/// How long the waiting is watched.
const WATCHED: Duration = Duration::from_secs(30);
/// A call now, and the next one in a day.
const QUOTAS: [(&str, &str); 2] =
    [("feishu.vc.room.create", "1/day"), ("feishu.auth.tenant_access_token.internal", "60/min")];

/// Lanes, and jobs in each that wait after the first one was sent.
const SIZES: [(usize, usize); 3] = [(1, 0), (1, 100_000), (10_000, 10)];

/// Prints the table.
#[expect(clippy::print_stdout, reason = "the table is what it is for")]
pub(crate) fn table() -> anyhow::Result<()> {
    println!("| lanes | jobs that wait in each | CPU, % of one core | wake-ups a second | bytes a waiting job |");
    println!("|---|---|---|---|---|");
    for (lanes, jobs) in SIZES {
        let folder = tempfile::tempdir()?;
        let (lanes_text, jobs_text) = (lanes.to_string(), (jobs + 1).to_string());
        let child = |what: &str| -> anyhow::Result<Vec<u8>> {
            let output = Command::new(std::env::current_exe()?)
                .args([what, &lanes_text, &jobs_text])
                .arg(folder.path())
                .stderr(Stdio::inherit())
                .output()?;
            ensure!(output.status.success(), "{what}: {}", output.status);
            Ok(output.stdout)
        };
        child("--fill")?;
        let seen: Value = serde_json::from_slice(&child("--wait")?)?;
        let number = |name: &str| seen[name].as_f64().with_context(|| format!("no {name}"));
        let waiting = lanes * jobs;
        let each = if waiting == 0 { "-".to_owned() } else { format!("{:.0}", number("bytes")? / waiting as f64) };
        let (cpu, waits) = (number("cpu_s_per_s")? * 100.0, number("waits_per_s")?);
        println!("| {lanes} | {jobs} | {cpu:.2} | {waits:.0} | {each} |");
    }
    Ok(())
}

/// One of the two processes; what it saw.
pub(crate) async fn child(what: &str, arguments: &[String]) -> anyhow::Result<Value> {
    let [lanes, jobs, folder] = arguments else { bail!("LANES JOBS FOLDER") };
    let (lanes, jobs, folder) = (lanes.parse()?, jobs.parse()?, Path::new(folder));
    if what == "--fill" { fill(lanes, jobs, folder).await } else { wait(lanes, jobs, folder).await }
}

async fn fill(lanes: usize, jobs: usize, folder: &Path) -> anyhow::Result<Value> {
    let clock = Clock::system();
    let worker = Embedded::start(folder, clock.clone(), Arc::new(Wire::new(clock)), &QUOTAS).await?;
    let mut all = (0..lanes * jobs).map(|number| {
        let tenant = format!("tenant-{}", number % lanes);
        json!({"id": format!("job-{number}"), "method": "feishu.vc.room.create", "app": APP, "tenant": tenant,
            "batch": "rooms", "body": {"name": format!("R-{number}"), "capacity": 10, "room_level_id": "omb_1"}})
    });
    loop {
        let some: Vec<Value> = all.by_ref().take(CHUNK).collect();
        if some.is_empty() {
            break;
        }
        worker.take_over(some).await?;
    }
    worker.ledger.close().await;
    Ok(Value::Null)
}

async fn wait(lanes: usize, jobs: usize, folder: &Path) -> anyhow::Result<Value> {
    let clock = Clock::system();
    let worker = Embedded::start(folder, clock.clone(), Arc::new(Wire::new(clock.clone())), &QUOTAS).await?;
    let before = memory_bytes()?;
    let loaded = worker.engine.load(None).await?;
    ensure!(loaded == lanes * jobs, "{loaded} jobs loaded");
    let bytes = memory_bytes()?.saturating_sub(before);
    let engine = Arc::clone(&worker.engine);
    let running = tokio::spawn(async move { engine.run(false, std::future::pending()).await });
    while worker.ledger.counts(None).await?.succeeded < lanes as u64 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, waits, from) = (usage::cpu_s("/proc/self")?, waits_so_far()?, clock.mono());
    tokio::time::sleep(WATCHED).await;
    let seconds = clock.mono().since(from).as_secs_f64();
    let (cpu, waits) = (usage::cpu_s("/proc/self")? - cpu, waits_so_far()? - waits);
    running.abort();
    ensure!(worker.ledger.counts(None).await?.succeeded == lanes as u64, "something was sent meanwhile");
    Ok(json!({"bytes": bytes, "cpu_s_per_s": cpu / seconds, "waits_per_s": waits as f64 / seconds}))
}

/// Memory held now.
fn memory_bytes() -> anyhow::Result<u64> {
    Ok(usage::status("/proc/self", "VmRSS:")? * 1_024)
}

/// How often the threads of this process gave up the processor so far, by waiting for something.
fn waits_so_far() -> anyhow::Result<u64> {
    let tasks = std::fs::read_dir("/proc/self/task")?;
    tasks.map(|task| usage::status(task?.path(), "voluntary_ctxt_switches:")).sum()
}
