//! What becomes of a job whose object was deleted: cancelled, so that nothing claims that the object is there.

use rusqlite::params;

use super::books::{Books, Trouble};
use super::tallies::Place;
use crate::state::State;
use paceline_domain::cure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::JobSeq;

/// Cancels the job that owns the object: `by` has deleted it. The object stays known as one that is not to be claimed:
/// a listing may show it for some time.
pub(super) fn apply(
    books: &mut Books,
    by: JobSeq,
    creates: &[String],
    key: &str,
    now: Timestamp,
) -> Result<(), Trouble> {
    let creates = serde_json::Value::from(creates.to_vec()).to_string();
    let owners: Vec<(i64, Place, bool)> = books
        .conn()
        .prepare_cached(
            "SELECT j.seq, j.batch, j.lane, j.priority, j.warnings IS NOT NULL FROM jobs j JOIN lanes l USING (lane)
             WHERE j.key = ?1 AND j.state = 5 AND l.method IN (SELECT value FROM json_each(?2))",
        )?
        .query_map(params![key, creates], |row| {
            let place = Place { batch: row.get(1)?, lane: row.get(2)?, priority: row.get(3)? };
            Ok((row.get(0)?, place, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (seq, place, warned) in owners {
        books
            .conn()
            .prepare_cached("INSERT OR IGNORE INTO owned (key, lane) VALUES (?1, ?2)")?
            .execute(params![key, place.lane])?;
        books
            .conn()
            .prepare_cached(
                "UPDATE jobs SET state = ?2, ended_at = ?3, key = NULL, result = NULL, warnings = NULL, reason = ?4, http_status = NULL,
                     code = NULL, detail = (SELECT ?5 || ' was deleted by ' || id FROM jobs WHERE seq = ?6), cure = ?7,
                     log_id = NULL
                 WHERE seq = ?1",
            )?
            .execute(params![
                seq,
                State::Cancelled.number(),
                now.0,
                Reason::Cancelled.as_str(),
                key,
                by.0,
                cure::CREATE_ANEW
            ])?;
        books.tallies.moved(place.succeeded(warned), place.pile(State::Cancelled, None, None), now);
    }
    Ok(())
}
