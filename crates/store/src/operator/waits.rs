//! When jobs waited: from the instant at which each could have been sent to its first call.

use super::outlook::Names;
use crate::driver::{Conn, Result, values};
use crate::ledger::attempts::FOR_JOB;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;

/// Jobs that waited then, with their first calls.
const WAITED: &str = "SELECT j.lane, j.created_at, j.not_before, coalesce(
         (SELECT min(a.sent_at) FROM attempts a
          WHERE a.job = j.seq AND a.purpose = $3 AND (a.outcome IS NULL OR a.outcome <> $4)),
         j.ended_at, $2)
     FROM jobs j WHERE coalesce(j.ended_at, $2) >= $1 ORDER BY j.seq";

/// Calls `each` with lane, beginning and end, in the order of take-over.
///
/// A job that was put back after a call is left out from then on: how long it had to wait by its backoff is not
/// recorded. One that was put back *until* an instant does not tell any more since when it could be sent at all.
pub(super) fn each(
    conn: &Conn,
    since: Timestamp,
    now: Timestamp,
    mut each: impl FnMut(LaneKey, Timestamp, Timestamp),
) -> Result<()> {
    let names = Names::read(conn)?;
    conn.query_each(WAITED, values![since, now, FOR_JOB, NOT_SENT], |row| {
        let (created_at, not_before): (Timestamp, Option<Timestamp>) = (row.get(1)?, row.get(2)?);
        let from = created_at.max(not_before.unwrap_or_default()).max(since);
        let to: Timestamp = row.get(3)?;
        if from <= to {
            each(names.lane(row.get(0)?), from, to);
        }
        Ok(())
    })
}
