//! What a job costs to write: taken over, called once, settled, beside the jobs that are there already.

use std::path::Path;
use std::time::Instant;

use paceline::domain::job::{Identity, Job, LaneKey, Params};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{
    Arrival, AttemptEnd, AttemptStart, Intake, Ledger, Origin, Purpose, Settlement, TakenOver,
};
use paceline::store::{Mode, SqlStore};
use serde_json::json;

/// Jobs written in one measurement.
pub(crate) const JOBS: i64 = 10_000;
/// Calls in flight at one time.
const AT_ONCE: usize = 250;

/// Microseconds of the process's own time, and of the clock, for each job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub cpu_us: f64,
    pub clock_us: f64,
}

/// Writes [`JOBS`] jobs whose ids begin with `name` to the ledger at `path`.
pub(crate) fn write(path: &Path, name: &str, now: Timestamp) -> anyhow::Result<Cost> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let ledger = SqlStore::open(path, Mode::Worker, now)?;
        let arrivals: Vec<_> = (0..JOBS).map(|n| arrival(name, n)).collect();
        let (cpu, clock) = (cpu_us()?, started());
        let mut arrivals = arrivals.into_iter();
        loop {
            let some: Vec<_> = arrivals.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            let taken = ledger.take_over(some, now).await?;
            let calls = taken.into_iter().filter_map(|taken| match taken {
                TakenOver::Queued(waiting) => Some(call(&ledger, waiting.seq, now)),
                TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
            });
            for done in futures_util::future::join_all(calls).await {
                done?;
            }
        }
        let took = clock.elapsed().as_secs_f64() * 1e6;
        let cost = Cost { cpu_us: (cpu_us()? - cpu) / JOBS as f64, clock_us: took / JOBS as f64 };
        ledger.close().await;
        Ok(cost)
    })
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn started() -> Instant {
    Instant::now()
}

async fn call(ledger: &SqlStore, seq: paceline::engine::ports::JobSeq, now: Timestamp) -> anyhow::Result<()> {
    let sent_at = Timestamp(now.0 + seq.0);
    let deadline_at = Timestamp(sent_at.0 + 30_000_000);
    let start = AttemptStart { purpose: Purpose::Job(seq), lane: lane().into(), sent_at, deadline_at };
    let (attempt, _) = ledger.acquire_all().await?.begin_attempt(start).await?;
    let result = json!({"room": {"room_id": "omm_4de32cf10a4358788ff4e09e37ebbf9b"}});
    let settlement =
        Settlement::Succeeded { key: Some(format!("omm_{}", seq.0)), result, sole: false, warnings: Vec::new() };
    let end = AttemptEnd {
        attempt,
        ended_at: Timestamp(sent_at.0 + 100_000),
        outcome: "succeeded",
        replied: true,
        failure: None,
        settlement: Some((seq, settlement)),
    };
    ledger.acquire_all().await?.end_attempt(end.into()).await?;
    Ok(())
}

fn lane() -> LaneKey {
    LaneKey { app: "hq".into(), tenant: String::new(), method: "feishu.vc.room.create".into() }
}

fn arrival(name: &str, n: i64) -> Arrival {
    let body = json!({"name": format!("{name}-{n}"), "description": "x".repeat(150), "capacity": 10});
    let body = body.as_object().cloned().unwrap_or_default();
    let job = Job {
        id: format!("{name}-{n:07}"),
        lane: lane(),
        batch: Some("move-1".into()),
        identity: Identity::Tenant,
        params: Params { body, ..Params::default() },
        object: None,
        after: Vec::new(),
        filled: Vec::new(),
        is_confidential: false,
        priority: 4,
        not_before: None,
        not_after: None,
        reply_to: None,
        meta: None,
        trace: None,
    };
    Arrival { input: Ok(Box::new(job)), origin: Origin { place: format!("rows.csv:{n}"), ..Origin::default() } }
}

/// CPU time of this process, user and system, as the kernel counts it.
fn cpu_us() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) * 10_000.0)
}
