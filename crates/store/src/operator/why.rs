//! What only the ledger knows of why a job waits.

use super::Operator;
use super::batches::number;
use crate::driver::values;
use crate::facts;
use crate::ledger::chains;
use crate::state::State;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{Ahead, Awaited, JobSheet, Rejected};
use paceline_ports::{JobSeq, LedgerError};

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

impl Operator {
    pub(super) fn ahead(&self, sheet: &JobSheet, now: Timestamp) -> Result<Ahead, LedgerError> {
        let deadline = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| at.0);
        let (seq, priority, not_after) = (sheet.line.seq, sheet.line.priority, deadline(sheet.line.not_after));
        self.read(|conn| {
            conn.query_one(AHEAD, values![seq, priority, not_after, now, i64::MAX], |row| {
                Ok(Ahead { higher: number(row, 0)?, own_batch: number(row, 1)?, others: number(row, 2)? })
            })
        })
    }

    pub(super) fn awaited(&self, seq: i64) -> Result<Vec<Awaited>, LedgerError> {
        let awaited = |(id, state): (String, Option<i64>)| Awaited {
            id,
            state: state.and_then(State::of_number).map(State::as_str),
        };
        let found = chains::awaited(self.books.conn(), JobSeq(seq))?;
        Ok(found.into_iter().map(awaited).collect())
    }

    pub(super) fn rejection_of(&self, id: &str) -> Result<Option<Rejected>, LedgerError> {
        let newest = "SELECT seq, reason, detail FROM rejected WHERE id = $1 ORDER BY seq DESC LIMIT 1";
        self.read(|conn| {
            conn.query_opt(newest, values![id], |row| {
                Ok(Rejected { number: row.get(0)?, reason: row.get(1)?, detail: facts::cause_of(row.get(2)?) })
            })
        })
    }
}
