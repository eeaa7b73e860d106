//! Inputs that are no jobs: recorded once, published, and forgotten when they are corrected.

use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::Duration;

use super::Incoming;
use crate::driver::{Error, Value, values};
use crate::facts;
use crate::ledger::books::{Books, Trouble};
use crate::ledger::job_row::JobText;
use crate::ledger::seal;
use crate::ledger::tallies::{INPUT_PILE_COLUMNS, InputPile};
use paceline_domain::job::Rejection;
use paceline_domain::messages::Cause;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;

/// How long a redelivered message is looked for among those that were rejected; longer than a worker takes to come back.
const REDELIVERED_WITHIN: Duration = Duration::from_secs(600);
/// How many of the newest are looked through: more than can have been delivered and not acked.
const REDELIVERED_ROWS_MAX: i64 = 4_096;

/// What the ledger keeps of an input that is no job.
pub(super) struct RejectionText<'a> {
    id: Option<&'a str>,
    method: Option<&'a str>,
    app: Option<&'a str>,
    batch: Option<&'a str>,
    reason: Reason,
    detail: Cause,
}

impl<'a> RejectionText<'a> {
    pub(super) fn of(rejection: &'a Rejection) -> Self {
        Self {
            id: rejection.id.as_deref(),
            method: rejection.method.as_deref(),
            app: rejection.app.as_deref(),
            batch: rejection.batch.as_deref(),
            reason: rejection.reason(),
            detail: rejection.detail(),
        }
    }

    fn pile(&self, batch: i64) -> InputPile {
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        InputPile { batch, app: text(self.app), method: text(self.method), reason: self.reason.as_str().to_owned() }
    }

    pub(super) fn of_conflict(text: &'a JobText, edited: bool) -> Self {
        let job = &text.job;
        Self {
            id: Some(&job.id),
            method: Some(&job.lane.method),
            app: Some(&job.lane.app),
            batch: job.batch.as_deref(),
            reason: Reason::IdConflict,
            detail: if edited {
                Cause::IdTakenEdited { id: job.id.clone() }
            } else {
                Cause::IdTaken { id: job.id.clone() }
            },
        }
    }
}

/// Records an input that is no job; its document goes to `reply_to`, or to nobody if that is empty.
pub(super) fn reject(
    books: &mut Books,
    arrival: &Incoming,
    text: &RejectionText<'_>,
    reply_to: Option<&str>,
    now: Timestamp,
) -> Result<(), Trouble> {
    if arrival.is_answered || arrival.redelivered && is_recorded(books, arrival, now)? {
        return Ok(());
    }
    let batch = books.batch(text.batch, now)?;
    forget_row(books, batch, &arrival.place, text.id)?;
    let conn = books.conn();
    let rejected: i64 = conn.query_value(
        "INSERT INTO rejected (id, method, app, batch, reason, detail, amqp, place, cells, at, raw)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING seq",
        values![
            text.id,
            text.method,
            text.app,
            batch,
            text.reason.as_str(),
            facts::text(&text.detail),
            arrival.amqp,
            arrival.place,
            arrival.cells,
            now,
            // What is sealed is bound to its row, whose number is known only now.
            Value::Blob(&[]),
        ],
    )?;
    // Whether there is a password in it cannot be known.
    let raw = conn.seal().sealed_bytes(&arrival.raw, seal::Place::rejected_raw(&rejected.to_string()))?;
    conn.send("UPDATE rejected SET raw = $2 WHERE seq = $1", values![rejected, raw])?;
    books.tallies.add_input(text.pile(batch), now);
    if arrival.amqp.is_some() {
        let values = values![rejected, reply_to];
        books.conn().send("INSERT INTO outbox (rejected, reply_to) VALUES ($1, $2)", values)?;
    }
    Ok(())
}

/// Whether a message that comes once more was recorded before its ack got lost: the same bytes under the same
/// properties. Only for a while, because a dead letter that is moved back later is a message of its own.
fn is_recorded(books: &Books, arrival: &Incoming, now: Timestamp) -> Result<bool, Error> {
    let sql = "SELECT seq, raw FROM rejected
         WHERE seq > (SELECT max(seq) FROM rejected) - $1 AND at > $2 AND amqp IS NOT DISTINCT FROM $3";
    let (conn, mut is_recorded) = (books.conn(), false);
    conn.query_until(sql, values![REDELIVERED_ROWS_MAX, now - REDELIVERED_WITHIN, arrival.amqp], |row| {
        let (seq, raw): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        is_recorded = conn.seal().opened_bytes(raw, seal::Place::rejected_raw(&seq.to_string()))? == arrival.raw;
        Ok(if is_recorded { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(is_recorded)
}

/// The same row again, of the same file or of an export of its batch: what was wrong with it before is no longer true.
fn forget_row(books: &mut Books, batch: i64, place: &str, id: Option<&str>) -> Result<(), Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "DELETE FROM rejected WHERE batch = $1
                 AND (place = $2 OR id = $3 AND place <> '' AND reason <> 'id-conflict')
             RETURNING {INPUT_PILE_COLUMNS}"
        )
    });
    if place.is_empty() {
        return Ok(());
    }
    remove_inputs(books, &SQL, values![batch, place, id])
}

/// A job that was no job before: its earlier rejections are no longer true, except those still to be published and
/// those that say that the id belongs to this very job.
pub(super) fn forget_rejections(
    books: &mut Books,
    text: &JobText,
    arrival: &Incoming,
    now: Timestamp,
) -> Result<(), Trouble> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "DELETE FROM rejected WHERE id = $1 AND batch = $2 AND place = '' AND reason <> 'id-conflict'
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.rejected = rejected.seq)
             RETURNING {INPUT_PILE_COLUMNS}"
        )
    });
    let batch = books.batch(text.job.batch.as_deref(), now)?;
    forget_row(books, batch, &arrival.place, Some(&text.job.id))?;
    remove_inputs(books, &SQL, values![text.job.id, batch])
}

/// Runs a removal that gives back what it removed.
fn remove_inputs(books: &mut Books, sql: &str, values: &[Value<'_>]) -> Result<(), Trouble> {
    let gone = books.conn().query(sql, values, InputPile::read)?;
    for pile in gone {
        books.tallies.remove_input(pile);
    }
    Ok(())
}
