//! Retention: what ended long ago is forgotten, a small piece at a time.
//!
//! Jobs are walked in the order of their take-over, so nothing has to be indexed by its end: the first job that was taken
//! over too late ends the walk. What a forgotten job created stays known, or a look-up could take it for another job's.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::activity;
use super::books::{Books, Trouble};
use super::calls;
use super::listed;
use super::tallies::{INPUT_PILE_COLUMNS, InputPile, PILE_COLUMNS, PILE_COLUMNS_LEN, Pile, THROTTLED, read_pile};
use crate::driver::values;
use crate::state::State;
use paceline_domain::time::Timestamp;
use paceline_ports::{JobSeq, Pruned};

/// Jobs looked at in one transaction: bounds how long a call's record waits behind it.
const PIECE: i64 = 100;

/// A job of the walk.
struct Walked {
    seq: i64,
    pile: Pile,
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
        calls::forget_days(books.conn())?;
        pruned.forgotten += rest(books, before)?;
    }
    Ok(pruned)
}

fn walk(books: &Books, before: Timestamp, after: JobSeq) -> Result<Vec<Walked>, Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {PILE_COLUMNS}, j.seq, j.ended_at IS NOT NULL AND j.ended_at < $2
                 AND NOT EXISTS (SELECT 1 FROM prerequisites r JOIN jobs d ON d.seq = r.job
                     WHERE r.id = j.id AND d.state = 6), j.created_at < $2 FROM jobs j
             WHERE j.seq > $1 ORDER BY j.seq LIMIT $3"
        )
    });
    let mut walked = Vec::new();
    books.conn().query_until(&SQL, values![after, before, PIECE], |row| {
        let was_taken_over_before: bool = row.get(PILE_COLUMNS_LEN + 2)?;
        if !was_taken_over_before {
            return Ok(ControlFlow::Break(()));
        }
        let pile = read_pile(row)?;
        let is_ended = pile.state().is_some_and(State::is_ended);
        let is_old = is_ended && row.get(PILE_COLUMNS_LEN + 1)?;
        walked.push(Walked { seq: row.get(PILE_COLUMNS_LEN)?, pile, is_old });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(walked)
}

/// Jobs of this piece whose result or dead letter is still on its way.
fn unpublished(books: &Books, after: JobSeq, last: Option<JobSeq>) -> Result<Vec<i64>, Trouble> {
    let Some(last) = last else { return Ok(Vec::new()) };
    let sql = "SELECT job FROM outbox WHERE job > $1 AND job <= $2";
    Ok(books.conn().query(sql, values![after, last], |row| row.get(0))?)
}

fn forget(books: &mut Books, job: &Walked) -> Result<(), Trouble> {
    let conn = books.conn();
    conn.send(
        "INSERT INTO owned (key, lane) SELECT key, lane FROM jobs WHERE seq = $1 AND key IS NOT NULL
         ON CONFLICT (key, lane) DO NOTHING",
        values![job.seq],
    )?;
    conn.send("DELETE FROM attempts WHERE job = $1 AND ended_at IS NOT NULL", values![job.seq])?;
    conn.send("DELETE FROM jobs WHERE seq = $1", values![job.seq])?;
    books.tallies.remove(job.pile);
    Ok(())
}

/// What belongs to no job, a piece of each; says how many rows went.
fn rest(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    let old = "DELETE FROM attempts WHERE seq IN (SELECT seq FROM attempts
             WHERE job IS NULL AND sent_at < $1 AND ended_at < $1 LIMIT $2)";
    let attempts = books.conn().execute(old, values![before, PIECE])?;
    let inputs = inputs(books, before)?;
    listed::prune(books.conn(), before)?;
    let changes = activity::forget(books, before)?;
    let batches = if attempts + inputs == 0 { batches(books, before)? } else { 0 };
    Ok(attempts + inputs + changes + batches)
}

fn inputs(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {INPUT_PILE_COLUMNS}, seq FROM rejected r WHERE at < $1
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.rejected = r.seq) ORDER BY seq LIMIT $2"
        )
    });
    let old: Vec<(InputPile, i64)> =
        books.conn().query(&SQL, values![before, PIECE], |row| Ok((InputPile::read(row)?, row.get(4)?)))?;
    let count = old.len();
    for (pile, seq) in old {
        books.conn().send("DELETE FROM rejected WHERE seq = $1", values![seq])?;
        books.tallies.remove_input(pile);
    }
    Ok(count)
}

/// Batches without jobs and inputs, with their tallies; one made lately may be about to get its first.
fn batches(books: &mut Books, before: Timestamp) -> Result<usize, Trouble> {
    books.keep_tallies()?;
    let empty = "SELECT batch FROM batches b WHERE created_at < $1
             AND NOT EXISTS (SELECT 1 FROM tallies t WHERE t.batch = b.batch AND t.kind <> $2 AND t.n <> 0)
             AND NOT EXISTS (SELECT 1 FROM input_tallies t WHERE t.batch = b.batch) LIMIT $3";
    let empty: Vec<i64> = books.conn().query(empty, values![before, THROTTLED, PIECE], |row| row.get(0))?;
    for batch in &empty {
        books.forget_batch(*batch)?;
    }
    Ok(empty.len())
}
