//! A large ledger in a minute: written by SQL, because a worker would need days for it.
//!
//! The mix is one of a year of moves: eight lanes, forty batches and a queue without any, 1.2 attempts a job.

use std::path::Path;

use anyhow::Context as _;
use paceline::domain::time::Timestamp;
use paceline::store::{Mode, SqlStore};
use rusqlite::{Connection, params};

/// What has become of the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Most have ended: 92 % succeeded, 4 % dead, 1 % cancelled, 1 % held, 2 % wait.
    WorkedOff,
    /// All wait for their turn.
    Waiting,
}

const LANES: [(&str, &str); 8] = [
    ("hq", "feishu.vc.room.create"),
    ("hq", "feishu.calendar.create"),
    ("hq", "feishu.calendar.event.meeting_minute.create"),
    ("lab", "feishu.vc.room.create"),
    ("lab", "feishu.calendar.create"),
    ("shop", "feishu.calendar.create"),
    ("shop", "feishu.vc.room.create"),
    ("wx", "wecom.meeting.create"),
];
const BATCHES: i64 = 40;
const DEATHS: [(&str, Option<i64>); 5] = [
    ("rejected", Some(125_001)),
    ("rejected", Some(190_002)),
    ("exhausted", Some(121_006)),
    ("expired", None),
    ("uncertain", None),
];

/// Makes the ledger at `path`; its last call was made at `now`, the others one every 1.5 s before, which keeps within the quotas.
pub(crate) fn fill(path: &Path, jobs: i64, shape: Shape, now: Timestamp) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        SqlStore::open(path, Mode::Worker, now)?.close().await;
        anyhow::Ok(())
    })?;
    let mut conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;")?;
    let filling = conn.transaction()?;
    names(&filling, now)?;
    let mut rng = fastrand::Rng::with_seed(1);
    {
        let mut job = filling.prepare(JOB)?;
        let mut attempt = filling.prepare(ATTEMPT)?;
        for n in 0..jobs {
            let at = now.0 - (jobs - n) * 1_500_000;
            let lane = i64::try_from(rng.usize(..LANES.len()) + 1)?;
            let batch = if n % 5 == 0 { 0 } else { 1 + n * BATCHES / jobs };
            let (state, reason, code) = fate(&mut rng, shape);
            let ended = (state >= 3).then_some(at + 100_000);
            let id = format!("{}-{:07}", ["rooms", "minutes", "calendars"][rng.usize(..3)], n);
            let key = (state == 5).then(|| format!("omm_{:016x}", rng.u64(..)));
            let body = format!(r#"{{"name":"{id}","description":"{}","capacity":10}}"#, "x".repeat(150));
            let hash = rng.u128(..).to_be_bytes().repeat(2);
            let result = key.as_ref().map(|key| format!(r#"{{"room":{{"room_id":"{key}"}}}}"#));
            let detail = reason.map(|_| "the platform's words about what was wrong with it");
            let tries = i64::from(shape == Shape::WorkedOff && state > 0);
            job.execute(params![
                lane, batch, state, tries, at, ended, id, hash, key, reason, code, detail, body, result
            ])?;
            let calls = if tries == 0 { 0 } else { 1 + usize::from(rng.u8(..10) < 2) };
            for call in 0..calls {
                let outcome = if call == 0 && calls == 2 { "throttled" } else { "succeeded" };
                attempt.execute(params![n + 1, lane, at, outcome])?;
            }
        }
        let mut input = filling.prepare(INPUT)?;
        for n in 0..jobs / 1_000 {
            let app = (n % 2 == 0).then_some("hq");
            input.execute(params![app, 1 + n % BATCHES, format!("rows.csv:{n}"), now.0])?;
        }
    }
    filling.execute_batch(TALLIES)?;
    filling.commit().context("the ledger is not filled")?;
    conn.execute_batch("PRAGMA journal_mode = WAL;")?;
    Ok(())
}

fn names(conn: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for (app, method) in LANES {
        conn.execute("INSERT INTO lanes (app, tenant, method) VALUES (?1, '', ?2)", [app, method])?;
    }
    for batch in 1..=BATCHES {
        let name = format!("move-{batch}");
        conn.execute("INSERT INTO batches (name, created_at) VALUES (?1, ?2)", params![name, now.0])?;
    }
    conn.execute("INSERT INTO meta VALUES ('call_us_max', 30000000)", []).map(drop)
}

/// State, reason and code.
fn fate(rng: &mut fastrand::Rng, shape: Shape) -> (i64, Option<&'static str>, Option<i64>) {
    if shape == Shape::Waiting {
        return (0, None, None);
    }
    match rng.u8(..100) {
        0..=91 => (5, None, None),
        92..=95 => {
            let (reason, code) = DEATHS[rng.usize(..DEATHS.len())];
            (3, Some(reason), code)
        }
        96 => (4, Some("cancelled"), None),
        97 => (2, None, Some(121_001)),
        _ => (0, None, None),
    }
}

const JOB: &str =
    "INSERT INTO jobs (lane, batch, state, priority, attempts, created_at, ended_at, id, hash, key, reason,
         code, detail, params, result)
     VALUES (?1, ?2, ?3, 4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const ATTEMPT: &str = "INSERT INTO attempts (job, lane, purpose, sent_at, deadline_at, ended_at, replied, outcome)
     VALUES (?1, ?2, 0, ?3, ?3 + 30000000, ?3 + 100000, 1, ?4)";
const INPUT: &str = "INSERT INTO rejected (app, batch, reason, detail, place, at, raw)
     VALUES (?1, ?2, 'invalid', 'body.name: expected at most 100 characters, got 101', ?3, ?4, x'7b7d')";
const TALLIES: &str = "INSERT INTO tallies
         SELECT batch, lane, state, iif(state <= 1, priority, 0), iif(state IN (3, 4), coalesce(reason, ''), ''),
             iif(state IN (2, 3), coalesce(code, -9223372036854775808), -9223372036854775808), count(*),
             max(coalesce(ended_at, created_at))
         FROM jobs GROUP BY 1, 2, 3, 4, 5, 6;
     INSERT INTO input_tallies
         SELECT batch, coalesce(app, ''), coalesce(method, ''), reason, count(*), max(at) FROM rejected GROUP BY 1, 2, 3, 4;";
