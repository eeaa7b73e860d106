//! The endings of jobs and of rejected inputs, read for their documents.

use super::driver::{self, Error, Row};
use super::facts;
use super::state::State;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_ports::operator::EndingRow;

/// The columns that [`of_job`] wants; `j` is the job, `l` its lane, `b` its batch.
pub(crate) const ENDING_COLUMNS: &str = "j.id, l.method, l.app, l.tenant, b.name, j.state, j.attempts, j.ended_at, \
     j.key, j.result, j.reason, j.http_status, j.code, j.detail, j.cure, j.log_id, j.meta, j.warnings";

/// How many columns [`ENDING_COLUMNS`] names: the next one has this index.
pub(crate) const ENDING_COLUMNS_LEN: usize = 18;

/// The columns that [`of_rejected`] wants; `r` is the rejected input, `b` its batch.
pub(crate) const REJECTED_COLUMNS: &str = "r.id, r.method, r.app, b.name, r.reason, r.detail, r.at, r.more";

/// How many columns [`REJECTED_COLUMNS`] names.
pub(crate) const REJECTED_COLUMNS_LEN: usize = 8;

/// Reads the columns [`ENDING_COLUMNS`], from the first.
pub(crate) fn of_job(row: &Row<'_>) -> driver::Result<EndingRow> {
    let state: i64 = row.get(5)?;
    let state = State::of_number(state).ok_or_else(|| Error::unexpected(format!("there is no state {state}")))?;
    let reason: Option<String> = row.get(10)?;
    Ok(EndingRow {
        id: row.get(0)?,
        method: row.get(1)?,
        app: row.get(2)?,
        tenant: row.get(3)?,
        batch: row.get(4)?,
        state,
        attempts: row.get(6)?,
        ended_at: row.get(7)?,
        key: row.get(8)?,
        result: row.get(9)?,
        reason: reason.and_then(|word| word.parse().ok()),
        failure: facts::failure(row, 11)?,
        meta: row.get(16)?,
        warnings: row.get(17)?,
        more: 0,
    })
}

/// Reads the columns [`REJECTED_COLUMNS`], from the first.
pub(crate) fn of_rejected(row: &Row<'_>) -> driver::Result<EndingRow> {
    let reason: String = row.get(4)?;
    let reason = reason.parse().unwrap_or(Reason::Malformed);
    let (mut detail, more) = (facts::cause_of(row.get(5)?), row.get(7)?);
    if more > 0 {
        detail = Cause::AndMore { before: Box::new(detail), more };
    }
    Ok(EndingRow {
        id: row.get(0)?,
        method: row.get(1)?,
        app: row.get(2)?,
        tenant: String::new(),
        batch: row.get(3)?,
        state: State::Dead,
        attempts: 0,
        ended_at: Some(row.get(6)?),
        key: None,
        result: None,
        reason: Some(reason),
        failure: Failure { detail, ..Failure::default() },
        meta: None,
        warnings: None,
        more,
    })
}
