//! Jobs that wait, as the schedule keeps them, and how many are in which state.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::attempts::IS_OPEN;
use super::books::{Books, Trouble};
use super::held::Held;
use super::tallies::{REJECTED, THROTTLED, WARNED};
use super::{piles, sharing};
use crate::driver::{Conn, Result, Row, Value, values};
use crate::state::State;
use paceline_domain::job::LaneKey;
use paceline_ports::{Changed, Counts, JobSeq, QuotaDomain, Waiting};

/// Jobs picked up from another process in one transaction at most.
const CHANGED_MAX: i64 = 10_000;

/// Jobs looked up at one time.
const PAGE: usize = 10_000;

const COLUMNS: &str = "j.seq, j.lane, j.batch, j.priority, j.not_before, j.not_after, j.attempts, j.state";

/// The names behind the numbers, each read once.
#[derive(Default)]
pub(crate) struct Names {
    lanes: HashMap<i64, LaneKey>,
    batches: HashMap<i64, Arc<str>>,
}

impl Names {
    /// Batches may be gone, or others under their numbers.
    pub(crate) fn forget_batches(&mut self) {
        self.batches.clear();
    }

    fn lane(&mut self, conn: &Conn, lane: i64) -> Result<LaneKey> {
        if let Some(key) = self.lanes.get(&lane) {
            return Ok(key.clone());
        }
        let key = conn.query_one("SELECT app, tenant, method FROM lanes WHERE lane = $1", values![lane], |row| {
            Ok(LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? })
        })?;
        self.lanes.insert(lane, key.clone());
        Ok(key)
    }

    fn batch(&mut self, conn: &Conn, batch: i64) -> Result<Arc<str>> {
        if let Some(name) = self.batches.get(&batch) {
            return Ok(Arc::clone(name));
        }
        let name: Option<String> =
            conn.query_opt("SELECT name FROM batches WHERE batch = $1", values![batch], |row| row.get(0))?;
        let name: Arc<str> = name.unwrap_or_default().into();
        self.batches.insert(batch, Arc::clone(&name));
        Ok(name)
    }

    fn waiting(&mut self, conn: &Conn, row: &Row<'_>) -> Result<Waiting> {
        let state: i64 = row.get(7)?;
        Ok(Waiting {
            seq: row.get(0)?,
            lane: self.lane(conn, row.get(1)?)?,
            batch: self.batch(conn, row.get(2)?)?,
            priority: row.get(3)?,
            not_before: row.get(4)?,
            not_after: row.get(5)?,
            attempts: row.get(6)?,
            uncertain: state == State::Uncertain.number(),
        })
    }
}

/// The numbers of these batches, of those that exist.
pub(crate) fn batch_numbers(conn: &Conn, names: &[String]) -> Result<HashSet<i64>> {
    let mut numbers = HashSet::new();
    for name in names {
        if name.is_empty() {
            numbers.insert(0);
        } else {
            let find = "SELECT batch FROM batches WHERE name = $1";
            numbers.extend(conn.query_opt(find, values![name], |row| row.get::<i64>(0))?);
        }
    }
    Ok(numbers)
}

/// Jobs of a domain that wait and are not in flight, after `after`, in order, at most `limit`.
pub(crate) fn read(
    conn: &Conn,
    domain: &QuotaDomain,
    batches: Option<&[String]>,
    after: JobSeq,
    limit: usize,
) -> Result<Vec<Waiting>> {
    let batches = batches.map(|names| batch_numbers(conn, names)).transpose()?;
    let mut piles = piles::waiting(conn, batches.as_ref())?;
    if let Some(lanes) = sharing::lanes_of(conn, domain)? {
        piles.retain(|(pile, _)| lanes.contains(&pile.lane));
    }
    let (mut names, mut waiting, mut after) = (Names::default(), Vec::new(), after.0);
    while waiting.len() < limit {
        let most = (limit - waiting.len()).min(PAGE);
        let seqs = piles::seqs(conn, piles.iter().map(|(pile, _)| pile), after, most)?;
        let Some(&last) = seqs.last() else { break };
        after = last;
        waiting.extend(find(conn, &seqs, &mut names)?.into_iter().flatten());
    }
    Ok(waiting)
}

/// Takes note of the jobs of a domain that another process put to work or ended, as far as it is held.
pub(crate) fn take_changed(
    books: &mut Books,
    held: &Held,
    domain: &QuotaDomain,
) -> std::result::Result<Changed, Trouble> {
    let jobs = if held.is_fenced() {
        let lanes = changed_lanes(books.conn(), domain)?;
        fenced(books, held, changed_in(books.conn(), &lanes)?)?
    } else {
        let changed = "SELECT job FROM changed ORDER BY job LIMIT $1";
        books.conn().query(changed, values![CHANGED_MAX], |row| row.get::<i64>(0))?
    };
    let conn = books.conn();
    let mut names = Names::default();
    let mut changed = Changed::default();
    let mut others = Vec::new();
    for (job, waiting) in jobs.iter().zip(find(conn, &jobs, &mut names)?) {
        conn.send("DELETE FROM changed WHERE job = $1", values![job])?;
        match waiting {
            Some(waiting) => changed.waiting.push(waiting),
            None => others.push([(*job).into()]),
        }
    }
    let ended = "SELECT seq, lane FROM jobs WHERE seq = $1 AND state IN (3, 4, 5)";
    let ended = conn.query_all(ended, &others, |row| Ok((JobSeq(row.get(0)?), row.get(1)?)))?;
    for (job, lane) in ended.into_iter().flatten() {
        changed.ended.entry(names.lane(conn, lane)?).or_default().insert(job);
    }
    Ok(changed)
}

/// Those jobs whose domains are held. One that is lost takes the others' along only where it is the only one.
fn fenced(books: &mut Books, held: &Held, jobs: Vec<(i64, i64)>) -> std::result::Result<Vec<i64>, Trouble> {
    let lanes: HashSet<_> = jobs.iter().map(|(_, lane)| *lane).collect();
    let keys = lanes.into_iter().map(|lane| books.lane_key(lane)).collect::<Result<Vec<_>>>()?;
    books.check_ahead(&keys.iter().filter_map(|key| held.fenced(key)).collect::<Vec<_>>())?;
    let mut kept = Vec::with_capacity(jobs.len());
    for (job, lane) in jobs {
        match held.check(books, lane) {
            Ok(()) => kept.push(job),
            Err(Trouble::NotOwner(_)) if held.is_shared() => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(kept)
}

/// Whether there are any to take note of.
pub(crate) fn has_changed(conn: &Conn, domain: &QuotaDomain) -> Result<bool> {
    Ok(!changed_lanes(conn, domain)?.is_empty())
}

/// Lanes of a domain with jobs to take note of.
fn changed_lanes(conn: &Conn, domain: &QuotaDomain) -> Result<HashSet<i64>> {
    let lanes = "SELECT l.lane, l.app, l.tenant, l.method FROM lanes l
         WHERE l.lane IN (SELECT j.lane FROM changed c JOIN jobs j ON j.seq = c.job)";
    sharing::covered(conn, domain, lanes)
}

/// Those of these lanes; the other lanes' are somebody else's to take note of. Each with its lane.
pub(crate) fn changed_in(conn: &Conn, lanes: &HashSet<i64>) -> Result<Vec<(i64, i64)>> {
    let changed = "SELECT c.job, j.lane FROM changed c JOIN jobs j ON j.seq = c.job ORDER BY c.job";
    let mut jobs: Vec<(i64, i64)> = conn.query(changed, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    jobs.retain(|(_, lane)| lanes.contains(lane));
    jobs.truncate(PAGE);
    Ok(jobs)
}

/// Those of these jobs that wait and are not in flight.
pub(crate) fn of(conn: &Conn, seqs: &[JobSeq]) -> Result<Vec<Waiting>> {
    let seqs: Vec<_> = seqs.iter().map(|seq| seq.0).collect();
    Ok(find(conn, &seqs, &mut Names::default())?.into_iter().flatten().collect())
}

/// Puts a blocked job into its lane, with the values that it took; gives it back if it is not in flight.
pub(crate) fn release(conn: &Conn, seq: JobSeq, filled: Option<&str>, names: &mut Names) -> Result<Option<Waiting>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "UPDATE jobs SET state = 0, filled = $2, absent_since = NULL WHERE seq = $1
             RETURNING {}, EXISTS (SELECT 1 FROM attempts a WHERE a.job = jobs.seq AND {IS_OPEN})",
            // SQLite knows no other name of the table here.
            COLUMNS.replace("j.", "jobs.")
        )
    });
    conn.query_one(&SQL, values![seq, filled], |row| {
        let is_in_flight: bool = row.get(8)?;
        if is_in_flight { Ok(None) } else { names.waiting(conn, row).map(Some) }
    })
}

/// One job, if it waits and is not in flight.
pub(crate) fn one(conn: &Conn, seq: JobSeq) -> Result<Option<Waiting>> {
    Ok(find(conn, &[seq.0], &mut Names::default())?.pop().flatten())
}

/// Each of these jobs, if it waits and is not in flight.
fn find(conn: &Conn, seqs: &[i64], names: &mut Names) -> Result<Vec<Option<Waiting>>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {COLUMNS} FROM jobs j WHERE j.seq = $1 AND j.state <= 1
                 AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job = j.seq AND {IS_OPEN})"
        )
    });
    let asked: Vec<_> = seqs.iter().map(|seq| [(*seq).into()]).collect();
    conn.query_all(&SQL, &asked, |row| names.waiting(conn, row))
}

/// How many jobs of these batches, or of all, are in which state.
pub(crate) fn counts(conn: &Conn, batches: Option<&[String]>) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut add_all = |condition: &str, values: &[Value<'_>]| {
        let sums = format!(
            "SELECT kind, CAST(sum(n) AS BIGINT) FROM tallies WHERE {condition} GROUP BY kind
             UNION ALL SELECT {REJECTED}, CAST(coalesce(sum(n), 0) AS BIGINT) FROM input_tallies WHERE {condition}"
        );
        conn.query_each(&sums, values, |row| {
            add(&mut counts, row.get(0)?, row.get(1)?);
            Ok(())
        })
    };
    match batches {
        None => add_all("TRUE", &[])?,
        Some(names) => {
            for batch in batch_numbers(conn, names)? {
                add_all("batch = $1", values![batch])?;
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
        Some(State::Blocked) => counts.blocked += n,
        Some(State::Cancelled) => counts.cancelled += n,
        Some(State::Succeeded) => counts.succeeded += n,
        Some(State::Dead) => counts.dead += n,
        None if kind == REJECTED => counts.dead += n,
        None => {}
    }
}
