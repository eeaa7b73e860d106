//! What becomes of a job whose object was deleted: cancelled, so that nothing claims that the object is there.

use super::books::{Books, Trouble};
use super::chains;
use super::tallies::Place;
use crate::driver::values;
use crate::facts;
use crate::state::State;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::JobSeq;

/// A job that owns the object.
struct Owner {
    seq: i64,
    place: Place,
    warned: bool,
    method: String,
}

/// Cancels the job that owns the object: `by` has deleted it. The object stays known as one that is not to be claimed:
/// a listing may show it for some time.
pub(super) fn apply(
    books: &mut Books,
    by: JobSeq,
    creates: &[String],
    key: &str,
    now: Timestamp,
) -> Result<(), Trouble> {
    let owners = "SELECT j.seq, j.batch, j.lane, j.priority, j.warnings IS NOT NULL, l.method
         FROM jobs j JOIN lanes l ON l.lane = j.lane WHERE j.key = $1 AND j.state = 5";
    let mut owners = books.conn().query(owners, values![key], |row| {
        let place = Place { batch: row.get(1)?, lane: row.get(2)?, priority: row.get(3)? };
        Ok(Owner { seq: row.get(0)?, place, warned: row.get(4)?, method: row.get(5)? })
    })?;
    owners.retain(|owner| creates.contains(&owner.method));
    if owners.is_empty() {
        return Ok(());
    }
    let by: String = books.conn().query_value("SELECT id FROM jobs WHERE seq = $1", values![by])?;
    let detail = facts::text(&Cause::Deleted { key: key.to_owned(), by });
    let cure = facts::text(&Cure::CreateAnew);
    for Owner { seq, place, warned, .. } in owners {
        books.touch(JobSeq(seq));
        let conn = books.conn();
        conn.send(
            "INSERT INTO owned (key, lane) VALUES ($1, $2) ON CONFLICT (key, lane) DO NOTHING",
            values![key, place.lane],
        )?;
        let (state, reason) = (State::Cancelled.number(), Reason::Cancelled.as_str());
        conn.send(
            "UPDATE jobs SET state = $2, ended_at = $3, key = NULL, result = NULL, warnings = NULL, reason = $4,
                 http_status = NULL, code = NULL, detail = $5, cure = $6, log_id = NULL
             WHERE seq = $1",
            values![seq, state, now, reason, detail, cure],
        )?;
        books.tallies.moved(place.succeeded(warned), place.pile(State::Cancelled, None, None), now);
        chains::follow(books, JobSeq(seq), now)?;
    }
    Ok(())
}
