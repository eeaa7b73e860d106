//! What only the ledger knows of why a job waits.

use super::batches::number;
use crate::driver::{Conn, Result, values};
use crate::ledger::chains;
use crate::state::State;
use paceline_domain::time::Timestamp;
use paceline_ports::JobSeq;
use paceline_ports::operator::{Ahead, Awaited, JobSheet};

/// Jobs that go before one: of a higher priority, of its own batch, and of others.
pub(super) const AHEAD: &str = "WITH me AS (SELECT seq, lane, batch FROM jobs WHERE seq = $1),
      others AS (SELECT j.batch, j.priority,
             j.batch = (SELECT batch FROM me) AND (coalesce(j.not_after, $5), j.seq) < ($3, $1) AS mine_first
         FROM jobs j
         WHERE j.state <= 1 AND j.state = 0 AND j.lane = (SELECT lane FROM me) AND j.seq <> $1
             AND (j.not_before IS NULL OR j.not_before <= $4) AND j.priority >= $2),
      own AS (SELECT count(*) AS n FROM others WHERE priority = $2 AND mine_first)
     SELECT (SELECT count(*) FROM others WHERE priority > $2), (SELECT n FROM own),
         (SELECT CAST(coalesce(sum(CASE WHEN n <= (SELECT n FROM own) THEN n ELSE (SELECT n FROM own) + 1 END), 0)
                 AS BIGINT)
          FROM (SELECT count(*) AS n FROM others
                WHERE priority = $2 AND batch <> (SELECT batch FROM me) GROUP BY batch) AS of_batches)";

pub(super) fn ahead(conn: &Conn, sheet: &JobSheet, now: Timestamp) -> Result<Ahead> {
    let deadline = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| at.0);
    let (seq, priority, not_after) = (sheet.line.seq, sheet.line.priority, deadline(sheet.line.not_after));
    conn.query_one(AHEAD, values![seq, priority, not_after, now, i64::MAX], |row| {
        Ok(Ahead { higher: number(row, 0)?, own_batch: number(row, 1)?, others: number(row, 2)? })
    })
}

pub(super) fn awaited(conn: &Conn, seq: i64) -> Result<Vec<Awaited>> {
    let awaited = |(id, state): (String, Option<i64>)| Awaited { id, state: state.and_then(State::of_number) };
    Ok(chains::awaited(conn, JobSeq(seq))?.into_iter().map(awaited).collect())
}
