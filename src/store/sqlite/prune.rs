//! Retention: what ended long ago is forgotten, a small piece at a time.
//!
//! Jobs are walked in the order of their take-over, so nothing has to be indexed by its end: the first job that was taken
//! over too late ends the walk. What a forgotten job created stays known, or a look-up could take it for another job's.

use rusqlite::params;

use super::books::{Books, REJECTED, Trouble};
use crate::domain::time::Timestamp;
use crate::engine::ports::{JobSeq, Pruned};
use crate::store::state::State;

/// Jobs looked at in one transaction: bounds how long a call's record waits behind it.
const PIECE: i64 = 250;

/// A job of the walk.
struct Walked {
    seq: i64,
    batch: i64,
    state: State,
    is_old: bool,
}

/// Forgets jobs after `after` that ended before `before`, with their attempts; at the walk's end also inputs that never
/// became jobs, calls of the worker itself and batches that hold nothing any more.
pub(crate) fn prune(books: &mut Books, before: Timestamp, after: JobSeq) -> Result<Pruned, Trouble> {
    let walked = walk(books, before, after)?;
    let mut pruned = Pruned { forgotten: 0, next: walked.last().map(|job| JobSeq(job.seq)) };
    let unpublished = unpublished(books, after, pruned.next)?;
    for job in walked.iter().filter(|job| job.is_old && !unpublished.contains(&job.seq)) {
        forget(books, job)?;
        pruned.forgotten += 1;
    }
    if pruned.next.is_none() {
        pruned.forgotten += rest(books, before)?;
    }
    Ok(pruned)
}

fn walk(books: &Books, before: Timestamp, after: JobSeq) -> Result<Vec<Walked>, Trouble> {
    let mut walked = Vec::new();
    let mut jobs = books.conn().prepare_cached(
        "SELECT seq, batch, state, ended_at IS NOT NULL AND ended_at < ?2, created_at < ?2 FROM jobs
         WHERE seq > ?1 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = jobs.query(params![after.0, before.0, PIECE])?;
    while let Some(row) = rows.next()? {
        let was_taken_over_before: bool = row.get(4)?;
        if !was_taken_over_before {
            break;
        }
        let (seq, number) = (row.get(0)?, row.get(2)?);
        let state = super::settle::known_state(JobSeq(seq), number)?;
        walked.push(Walked { seq, batch: row.get(1)?, state, is_old: state.is_ended() && row.get(3)? });
    }
    Ok(walked)
}

/// Jobs of this piece whose result or dead letter is still on its way.
fn unpublished(books: &Books, after: JobSeq, last: Option<JobSeq>) -> Result<Vec<i64>, Trouble> {
    let Some(last) = last else { return Ok(Vec::new()) };
    let mut jobs = books.conn().prepare_cached("SELECT job FROM outbox WHERE job > ?1 AND job <= ?2")?;
    let jobs = jobs.query_map([after.0, last.0], |row| row.get(0))?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}

fn forget(books: &mut Books, job: &Walked) -> Result<(), Trouble> {
    let conn = books.conn();
    conn.prepare_cached(
        "INSERT OR IGNORE INTO owned (key, lane) SELECT key, lane FROM jobs WHERE seq = ?1 AND key IS NOT NULL",
    )?
    .execute([job.seq])?;
    conn.prepare_cached("DELETE FROM attempts WHERE job = ?1 AND ended_at IS NOT NULL")?.execute([job.seq])?;
    conn.prepare_cached("DELETE FROM jobs WHERE seq = ?1")?.execute([job.seq])?;
    books.tally(job.batch, job.state.number(), -1);
    Ok(())
}

/// What belongs to no job, a piece of each; says how many rows went.
fn rest(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    let attempts = books
        .conn()
        .prepare_cached(
            "DELETE FROM attempts WHERE seq IN (SELECT seq FROM attempts INDEXED BY attempts_by_time
                 WHERE sent_at < ?1 AND job IS NULL AND ended_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.0, PIECE])?;
    let inputs = inputs(books, before)?;
    let batches = if attempts + inputs == 0 { batches(books, before)? } else { 0 };
    Ok(attempts + inputs + batches)
}

fn inputs(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    let old: Vec<(i64, i64)> = books
        .conn()
        .prepare_cached(
            "SELECT seq, batch FROM rejected r WHERE at < ?1
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.rejected = r.seq) ORDER BY seq LIMIT ?2",
        )?
        .query_map(params![before.0, PIECE], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for &(seq, batch) in &old {
        books.conn().prepare_cached("DELETE FROM rejected WHERE seq = ?1")?.execute([seq])?;
        books.tally(batch, REJECTED, -1);
    }
    Ok(old.len())
}

/// Batches without jobs and inputs, with their tallies; one made lately may be about to get its first.
fn batches(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    let empty: Vec<i64> = books
        .conn()
        .prepare_cached(
            "SELECT batch FROM batches b WHERE created_at < ?1
                 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.batch = b.batch)
                 AND NOT EXISTS (SELECT 1 FROM rejected r WHERE r.batch = b.batch) LIMIT ?2",
        )?
        .query_map(params![before.0, PIECE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for batch in &empty {
        books.forget_batch(*batch)?;
    }
    Ok(empty.len())
}
