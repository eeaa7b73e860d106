//! Jobs of which nobody knows whether they were applied, and who owns which object.

use std::sync::LazyLock;

use super::attempts::FOR_JOB;
use super::books::{Books, Trouble};
use super::held::Held;
use super::job_row::{JOB_COLUMNS, JOB_COLUMNS_LEN, JOB_TABLES, JOB_TABLES_OF_ATTEMPTS, JobRow};
use super::seal::Seal;
use super::{piles, settle};
use crate::driver::{self, Conn, Row, values};
use crate::facts;
use crate::state::State;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::outcome::{NOT_SENT, SUCCEEDED};
use paceline_domain::time::Timestamp;
use paceline_ports::{JobSeq, LedgerError, Settlement, Unsettled, Verified};

const AT: usize = JOB_COLUMNS_LEN;

/// What is read of a job besides itself. An answer with the platform's code ends a call; any other may still be applied
/// until its deadline.
static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{JOB_COLUMNS}, j.seq, j.http_status, j.code, j.detail, j.cure, j.log_id,
         (SELECT max(a.deadline_at) FROM attempts a WHERE a.job = j.seq AND a.purpose = {FOR_JOB} AND a.ended_at IS NULL),
         (SELECT max(CASE WHEN a.replied = 1 AND (a.code IS NOT NULL OR a.outcome = '{SUCCEEDED}') THEN a.ended_at ELSE a.deadline_at END)
             FROM attempts a WHERE a.job = j.seq AND a.purpose = {FOR_JOB} AND (a.outcome IS NULL OR a.outcome <> '{NOT_SENT}')),
         (SELECT a.outcome FROM attempts a WHERE a.seq =
             (SELECT max(b.seq) FROM attempts b WHERE b.job = j.seq AND b.purpose = {FOR_JOB}))"
    )
});

/// An unsettled job, not yet parsed.
pub(crate) struct UnsettledRow {
    row: JobRow,
    seq: i64,
    failure: Failure,
    in_flight_until: Option<i64>,
    lost_until: Option<i64>,
    last_outcome: Option<String>,
}

impl UnsettledRow {
    fn read(row: &Row<'_>, seal: &Seal) -> driver::Result<Self> {
        Ok(Self {
            row: JobRow::read(row, seal)?,
            seq: row.get(AT)?,
            failure: facts::failure(row, AT + 1)?,
            in_flight_until: row.get(AT + 6)?,
            lost_until: row.get(AT + 7)?,
            last_outcome: row.get(AT + 8)?,
        })
    }

    pub(crate) fn parse(self) -> Result<Unsettled, LedgerError> {
        Ok(Unsettled {
            seq: JobSeq(self.seq),
            job: self.row.parse()?,
            in_flight_until: self.in_flight_until.map(Timestamp),
            lost_until: Timestamp(self.lost_until.unwrap_or_default()),
            is_applied: self.last_outcome.as_deref() == Some(SUCCEEDED),
            failure: self.failure,
        })
    }
}

/// Jobs of the lane that are uncertain, all or those of these, and all jobs of its method that are in flight.
pub(crate) fn read(conn: &Conn, lane: &LaneKey, only: Option<&[JobSeq]>) -> driver::Result<Vec<UnsettledRow>> {
    static ONE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM {JOB_TABLES} WHERE j.seq = $1 AND j.state = $2 AND NOT EXISTS
                 (SELECT 1 FROM attempts o WHERE o.job = j.seq AND o.purpose = {FOR_JOB} AND o.ended_at IS NULL)",
            *COLUMNS
        )
    });
    static IN_FLIGHT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM {JOB_TABLES_OF_ATTEMPTS}
             WHERE o.ended_at IS NULL AND o.purpose = {FOR_JOB} AND l.method = $1",
            *COLUMNS
        )
    });
    let seqs = match only {
        Some(only) => only.iter().map(|seq| seq.0).collect(),
        None => piles::uncertain(conn, lane)?,
    };
    let mut rows = Vec::with_capacity(seqs.len());
    let mut add = |row: &Row<'_>| {
        rows.push(UnsettledRow::read(row, conn.seal())?);
        Ok(())
    };
    for seq in seqs {
        conn.query_each(&ONE, values![seq, State::Uncertain.number()], &mut add)?;
    }
    conn.query_each(&IN_FLIGHT, values![lane.method], &mut add)?;
    Ok(rows)
}

/// How many calls of the job the platform has answered with this code.
pub(crate) fn answers(conn: &Conn, seq: JobSeq, code: i64) -> driver::Result<u32> {
    let sql = "SELECT count(*) FROM attempts WHERE job = $1 AND code = $2 AND purpose = $3";
    conn.query_value(sql, values![seq, code, FOR_JOB])
}

/// Which of these objects jobs of the method own.
pub(crate) fn owned(conn: &Conn, method: &str, keys: &[String]) -> driver::Result<Vec<String>> {
    let is_owned =
        "SELECT EXISTS (SELECT 1 FROM jobs j JOIN lanes l ON l.lane = j.lane WHERE j.key = $1 AND l.method = $2)
             OR EXISTS (SELECT 1 FROM owned o JOIN lanes l ON l.lane = o.lane WHERE o.key = $1 AND l.method = $2)";
    let mut owned = Vec::new();
    for key in keys {
        if conn.query_value(is_owned, values![key, method])? {
            owned.push(key.clone());
        }
    }
    Ok(owned)
}

/// Settles those of the jobs that are still uncertain, and whose object nobody else owns.
pub(crate) fn settle(
    books: &mut Books,
    held: &Held,
    found: &[(JobSeq, Settlement)],
    now: Timestamp,
) -> Result<Vec<Verified>, Trouble> {
    let mut verified = Vec::with_capacity(found.len());
    for (seq, settlement) in found {
        let is_in_flight = is_in_flight(books.conn(), *seq)?;
        let standing = settle::standing(books, *seq)?.filter(|standing| standing.state == State::Uncertain);
        let Some(standing) = standing.filter(|_| !is_in_flight) else {
            verified.push(Verified::Gone);
            continue;
        };
        held.check(books, standing.place.lane)?;
        verified.push(match settle::apply(books, *seq, standing, settlement, false, now) {
            Ok(()) => Verified::Settled,
            Err(Trouble::Claimed(_)) => Verified::Claimed,
            Err(trouble) => return Err(trouble),
        });
    }
    Ok(verified)
}

fn is_in_flight(conn: &Conn, seq: JobSeq) -> driver::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM attempts a WHERE a.job = $1 AND a.purpose = $2 AND a.ended_at IS NULL)";
    conn.query_value(sql, values![seq, FOR_JOB])
}
