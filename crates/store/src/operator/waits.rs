//! When jobs waited: from the instant at which each could have been sent to its first call.

use rusqlite::params;

use crate::driver::Conn;
use crate::sqlite::attempts::FOR_JOB;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;

/// Calls `each` with lane, beginning and end, in the order of take-over.
///
/// A job that was put back after a call is left out from then on: how long it had to wait by its backoff is not
/// recorded. One that was put back *until* an instant does not tell any more since when it could be sent at all.
pub(super) fn each(
    conn: &Conn,
    since: Timestamp,
    now: Timestamp,
    mut each: impl FnMut(LaneKey, Timestamp, Timestamp),
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "SELECT l.app, l.tenant, l.method, max(j.created_at, coalesce(j.not_before, 0), ?1), coalesce(
             (SELECT min(a.sent_at) FROM attempts a WHERE a.job = j.seq AND a.purpose = ?3 AND a.outcome IS NOT ?4),
             j.ended_at, ?2)
         FROM jobs j CROSS JOIN lanes l USING (lane) WHERE coalesce(j.ended_at, ?2) >= ?1 ORDER BY j.seq",
    )?;
    let mut rows = statement.query(params![since.0, now.0, FOR_JOB, NOT_SENT])?;
    while let Some(row) = rows.next()? {
        let (from, to) = (Timestamp(row.get(3)?), Timestamp(row.get(4)?));
        if from <= to {
            each(LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? }, from, to);
        }
    }
    Ok(())
}
