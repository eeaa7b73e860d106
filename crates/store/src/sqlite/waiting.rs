//! Jobs that wait, as the schedule keeps them, and how many are in which state.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, ToSql};

use super::books::{Books, Trouble};
use super::piles;
use super::tallies::{REJECTED, THROTTLED, WARNED};
use crate::driver::Conn;
use crate::state::State;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::{Changed, Counts, JobSeq, Waiting};

/// Jobs picked up from another process in one transaction at most.
const CHANGED_MAX: i64 = 10_000;

/// Jobs looked up at one time.
const PAGE: usize = 10_000;

const COLUMNS: &str = "j.seq, j.lane, j.batch, j.priority, j.not_before, j.not_after, j.attempts, j.state";

/// The names behind the numbers, each read once.
#[derive(Default)]
struct Names {
    lanes: HashMap<i64, LaneKey>,
    batches: HashMap<i64, Arc<str>>,
}

impl Names {
    fn lane(&mut self, conn: &Conn, lane: i64) -> rusqlite::Result<LaneKey> {
        if let Some(key) = self.lanes.get(&lane) {
            return Ok(key.clone());
        }
        let key = conn
            .prepare_cached("SELECT app, tenant, method FROM lanes WHERE lane = ?1")?
            .query_row([lane], |row| Ok(LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? }))?;
        self.lanes.insert(lane, key.clone());
        Ok(key)
    }

    fn batch(&mut self, conn: &Conn, batch: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(name) = self.batches.get(&batch) {
            return Ok(Arc::clone(name));
        }
        let name: Option<String> = conn
            .prepare_cached("SELECT name FROM batches WHERE batch = ?1")?
            .query_row([batch], |row| row.get(0))
            .optional()?;
        let name: Arc<str> = name.unwrap_or_default().into();
        self.batches.insert(batch, Arc::clone(&name));
        Ok(name)
    }

    fn waiting(&mut self, conn: &Conn, row: &Row<'_>) -> rusqlite::Result<Waiting> {
        let state: i64 = row.get(7)?;
        Ok(Waiting {
            seq: JobSeq(row.get(0)?),
            lane: self.lane(conn, row.get(1)?)?,
            batch: self.batch(conn, row.get(2)?)?,
            priority: row.get(3)?,
            not_before: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            not_after: row.get::<_, Option<i64>>(5)?.map(Timestamp),
            attempts: row.get(6)?,
            uncertain: state == State::Uncertain.number(),
        })
    }
}

/// The numbers of these batches, of those that exist.
pub(crate) fn batch_numbers(conn: &Conn, names: &[String]) -> rusqlite::Result<HashSet<i64>> {
    let mut find = conn.prepare_cached("SELECT batch FROM batches WHERE name = ?1")?;
    let mut numbers = HashSet::new();
    for name in names {
        if name.is_empty() {
            numbers.insert(0);
        } else if let Some(number) = find.query_row([name], |row| row.get(0)).optional()? {
            numbers.insert(number);
        }
    }
    Ok(numbers)
}

/// Jobs that wait and are not in flight, after `after`, in order, at most `limit`.
pub(crate) fn read(
    conn: &Conn,
    batches: Option<&[String]>,
    after: JobSeq,
    limit: usize,
) -> rusqlite::Result<Vec<Waiting>> {
    let batches = batches.map(|names| batch_numbers(conn, names)).transpose()?;
    let piles = piles::waiting(conn, batches.as_ref())?;
    let (mut names, mut waiting, mut after) = (Names::default(), Vec::new(), after.0);
    while waiting.len() < limit {
        let most = (limit - waiting.len()).min(PAGE);
        let seqs = piles::seqs(conn, piles.iter().map(|(pile, _)| pile), after, most)?;
        let Some(&last) = seqs.last() else { break };
        after = last;
        for seq in seqs {
            waiting.extend(find(conn, seq, &mut names)?);
        }
    }
    Ok(waiting)
}

/// Takes note of the jobs that another process put to work or ended.
pub(crate) fn take_changed(books: &Books) -> Result<Changed, Trouble> {
    let conn = books.conn();
    let jobs: Vec<i64> = conn
        .prepare_cached("SELECT job FROM changed ORDER BY job LIMIT ?1")?
        .query_map([CHANGED_MAX], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut names = Names::default();
    let mut changed = Changed::default();
    for job in jobs {
        conn.prepare_cached("DELETE FROM changed WHERE job = ?1")?.execute([job])?;
        if let Some(waiting) = find(conn, job, &mut names)? {
            changed.waiting.push(waiting);
        } else if let Some(lane) = lane_of_ended(conn, job)? {
            changed.ended.entry(names.lane(conn, lane)?).or_default().insert(JobSeq(job));
        }
    }
    Ok(changed)
}

/// The lane of a job that has ended.
fn lane_of_ended(conn: &Conn, seq: i64) -> rusqlite::Result<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT lane FROM jobs WHERE seq = ?1 AND state >= ?2")?;
    find.query_row([seq, State::Dead.number()], |row| row.get(0)).optional()
}

/// Those of these jobs that wait and are not in flight.
pub(crate) fn of(conn: &Conn, seqs: &[JobSeq]) -> rusqlite::Result<Vec<Waiting>> {
    let mut names = Names::default();
    let found = seqs.iter().map(|seq| find(conn, seq.0, &mut names));
    found.filter_map(Result::transpose).collect()
}

/// One job, if it waits and is not in flight.
pub(crate) fn one(conn: &Conn, seq: JobSeq) -> rusqlite::Result<Option<Waiting>> {
    find(conn, seq.0, &mut Names::default())
}

fn find(conn: &Conn, seq: i64, names: &mut Names) -> rusqlite::Result<Option<Waiting>> {
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM jobs j WHERE j.seq = ?1 AND j.state <= 1
             AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = j.seq AND a.ended_at IS NULL)"
    ))?
    .query_row([seq], |row| names.waiting(conn, row))
    .optional()
}

/// How many jobs of these batches, or of all, are in which state.
pub(crate) fn counts(conn: &Conn, batches: Option<&[String]>) -> rusqlite::Result<Counts> {
    let mut counts = Counts::default();
    let mut add_all = |condition: &str, values: &[&dyn ToSql]| -> rusqlite::Result<()> {
        let mut sums = conn.prepare_cached(&format!(
            "SELECT kind, sum(n) FROM tallies WHERE {condition} GROUP BY kind
             UNION ALL SELECT {REJECTED}, coalesce(sum(n), 0) FROM input_tallies WHERE {condition}"
        ))?;
        let mut rows = sums.query(values)?;
        while let Some(row) = rows.next()? {
            add(&mut counts, row.get(0)?, row.get(1)?);
        }
        Ok(())
    };
    match batches {
        None => add_all("1", &[])?,
        Some(names) => {
            for batch in batch_numbers(conn, names)? {
                add_all("batch = ?1", &[&batch])?;
            }
        }
    }
    Ok(counts)
}

/// Adds one tally to the counts.
pub(crate) fn add(counts: &mut Counts, kind: i64, n: i64) {
    let n = u64::try_from(n).unwrap_or(0);
    if kind == THROTTLED {
        counts.throttled += n;
        return;
    }
    counts.total += n;
    if kind == WARNED {
        counts.succeeded += n;
        counts.warnings += n;
        return;
    }
    match State::of_number(kind) {
        Some(State::Queued) => counts.queued += n,
        Some(State::Uncertain) => counts.uncertain += n,
        Some(State::Held) => counts.held += n,
        Some(State::Cancelled) => counts.cancelled += n,
        Some(State::Succeeded) => counts.succeeded += n,
        Some(State::Dead) => counts.dead += n,
        None if kind == REJECTED => counts.dead += n,
        None => {}
    }
}
