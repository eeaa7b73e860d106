//! What a job costs: run by hand with `cargo test --release -p paceline-store ledger::tests::bench -- --ignored --nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;

use crate::contract::{T0, ended, from_amqp, job, start, success};
use crate::ledger::{Mode, SqlStore};
use paceline_domain::time::Timestamp;
use paceline_ports::{Domain, Intake, Outbox, Purpose, TakenOver};

const JOBS: usize = 40_000;
const CALLERS: usize = 256;

/// CPU time of this process in microseconds, user and system, from the kernel.
fn cpu_us() -> i64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: i64 = fields[11].parse::<i64>().unwrap() + fields[12].parse::<i64>().unwrap();
    ticks * 10_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a verdict"]
async fn cpu_per_job() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(SqlStore::open(&folder.path().join("l.db"), Mode::Worker, T0).unwrap());
    let mut seqs = Vec::new();
    let before = cpu_us();
    let arrivals: Vec<_> = (0..JOBS)
        .map(|n| {
            let mut job = job(&format!("hq-7f-{n:08}"));
            job.params.body.insert("description".into(), json!("x".repeat(150)));
            job.params.body.insert("room_status".into(), json!({"status": true, "schedule_status": false}));
            from_amqp(job)
        })
        .collect();
    println!("making the jobs: {} µs each", (cpu_us() - before) as f64 / JOBS as f64);
    let mut step = cpu_us();
    let mut report = |what: &str| {
        let now = cpu_us();
        println!("{what}: {:.1} µs CPU a job", (now - step) as f64 / JOBS as f64);
        step = now;
    };
    let mut arrivals = arrivals.into_iter();
    loop {
        let some: Vec<_> = arrivals.by_ref().take(250).collect();
        if some.is_empty() {
            break;
        }
        for taken in ledger.take_over(some, T0).await.unwrap() {
            if let TakenOver::Queued(waiting) = taken {
                seqs.push(waiting.seq);
            }
        }
    }
    report("take-over");
    let (next, seqs) = (Arc::new(AtomicI64::new(0)), Arc::new(seqs));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (ledger, next, seqs) = (Arc::clone(&ledger), Arc::clone(&next), Arc::clone(&seqs));
            tokio::spawn(async move {
                while let Some(&seq) = seqs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let mut begin = start(Purpose::Job(seq), 0);
                    begin.sent_at = Timestamp(T0.0 + seq.0);
                    let (attempt, _) = ledger.domain().begin_attempt(begin).await.unwrap();
                    ledger
                        .domain()
                        .end_attempt(ended(attempt, 1, Some((seq, success("omm_4de3")))).into())
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    report("begin and end of its attempt");
    let mut after = 0;
    loop {
        let page = ledger.claim(after, 200).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        ledger.done(page.iter().map(|row| row.seq).collect()).await.unwrap();
    }
    report("outbox");
    ledger.close().await;
    report("close");
    println!("all: {:.1} µs CPU a job", (cpu_us() - before) as f64 / JOBS as f64);
    let bytes = std::fs::metadata(folder.path().join("l.db")).unwrap().len();
    println!("file: {} bytes a job", bytes / JOBS as u64);
}
