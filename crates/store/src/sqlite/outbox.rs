//! Results and dead letters on their way out.

use std::sync::LazyLock;

use rusqlite::{OptionalExtension, Row, params};

use super::books::{Books, Trouble};
use crate::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow, REJECTED_COLUMNS, REJECTED_COLUMNS_LEN};
use crate::driver::Conn;
use paceline_domain::outcome::Failure;
use paceline_ports::{AmqpOrigin, BATCH_COMPLETED, Ending, Outgoing, Reached};

/// An outbox row as it stands.
struct Pending {
    seq: i64,
    job: Option<i64>,
    rejected: Option<i64>,
    amqp: Option<String>,
    reply_to: Option<String>,
    reached: Reached,
}

/// Rows that are not set aside, after `after`, in order, at most `limit`.
pub(crate) fn read(conn: &Conn, after: i64, limit: usize) -> rusqlite::Result<Vec<Outgoing>> {
    let sql = "SELECT seq, job, rejected, amqp, reply_to, reached FROM outbox INDEXED BY outbox_open
               WHERE seq > ?1 AND reached < 16 ORDER BY seq LIMIT ?2";
    rows(conn, sql, after, limit)
}

/// Rows that are set aside, those refused least first, at most `limit`.
pub(crate) fn read_aside(conn: &Conn, limit: usize) -> rusqlite::Result<Vec<Outgoing>> {
    let sql = "SELECT seq, job, rejected, amqp, reply_to, reached FROM outbox INDEXED BY outbox_aside
               WHERE reached >= 16 AND seq > ?1 ORDER BY reached, seq LIMIT ?2";
    rows(conn, sql, 0, limit)
}

fn rows(conn: &Conn, sql: &str, after: i64, limit: usize) -> rusqlite::Result<Vec<Outgoing>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let pending: Vec<Pending> = conn
        .prepare_cached(sql)?
        .query_map(params![after, limit], |row| {
            Ok(Pending {
                seq: row.get(0)?,
                job: row.get(1)?,
                rejected: row.get(2)?,
                amqp: row.get(3)?,
                reply_to: row.get(4)?,
                reached: Reached::of(row.get(5)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut outgoing = Vec::with_capacity(pending.len());
    for row in pending {
        if let Some(ending) = ending_of(conn, &row)? {
            outgoing.push(Outgoing { seq: row.seq, ending, reached: row.reached });
        }
    }
    Ok(outgoing)
}

fn ending_of(conn: &Conn, pending: &Pending) -> rusqlite::Result<Option<Ending>> {
    static OF_JOB: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS}, coalesce(?2, j.amqp), coalesce(?3, j.reply_to), opened(j.raw, 'jobs.raw', j.id)
             FROM jobs j JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = ?1"
        )
    });
    static OF_REJECTED: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {REJECTED_COLUMNS}, r.amqp, ?2, opened(r.raw, 'rejected.raw', CAST(r.seq AS TEXT))
             FROM rejected r LEFT JOIN batches b ON b.batch = r.batch WHERE r.seq = ?1"
        )
    });
    if let Some(job) = pending.job {
        return conn
            .prepare_cached(&OF_JOB)?
            .query_row(params![job, pending.amqp, pending.reply_to], |row| {
                ending(&EndingRow::of_job(row)?, row, ENDING_COLUMNS_LEN)
            })
            .optional();
    }
    if pending.rejected.is_none() {
        return Ok(pending.amqp.as_deref().map(event));
    }
    conn.prepare_cached(&OF_REJECTED)?
        .query_row(params![pending.rejected, pending.reply_to], |row| {
            ending(&EndingRow::of_rejected(row)?, row, REJECTED_COLUMNS_LEN)
        })
        .optional()
}

/// What became of a batch, as it was when its last job ended.
fn event(document: &str) -> Ending {
    Ending {
        document: serde_json::from_str(document).unwrap_or_default(),
        reason: None,
        failure: Failure::default(),
        attempts: 0,
        raw: bytes::Bytes::new(),
        amqp: AmqpOrigin::default(),
        reply_to: None,
        routing_key: BATCH_COMPLETED.to_owned(),
    }
}

fn ending(ended: &EndingRow, row: &Row<'_>, rest: usize) -> rusqlite::Result<Ending> {
    let amqp: Option<String> = row.get(rest)?;
    let amqp: AmqpOrigin = amqp.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let reply_to: Option<String> = row.get(rest + 1)?;
    let raw: Option<Vec<u8>> = row.get(rest + 2)?;
    let mut document = ended.document();
    if let Some(id) = amqp.publisher.as_deref().and_then(|publisher| as_published(&document, publisher)) {
        document["id"] = id.into();
    }
    Ok(Ending {
        document,
        reason: ended.reason,
        failure: Failure { cure: ended.cure(), ..ended.failure.clone() },
        attempts: ended.attempts,
        raw: raw.unwrap_or_default().into(),
        reply_to: reply_to.or_else(|| amqp.reply_to.clone()),
        amqp,
        routing_key: ended.routing_key(),
    })
}

/// The id as its publisher knows it, without the name that stands before it in the ledger.
fn as_published(document: &serde_json::Value, publisher: &str) -> Option<String> {
    document.get("id")?.as_str()?.strip_prefix(publisher)?.strip_prefix('/').map(str::to_owned)
}

/// How many rows there are, those set aside among them.
pub(crate) fn count(conn: &Conn) -> rusqlite::Result<u64> {
    let count: i64 = conn.prepare_cached("SELECT count(*) FROM outbox")?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Records how far rows have come. One that was dropped meanwhile stays dropped.
pub(crate) fn reached(books: &Books, rows: &[(i64, Reached)]) -> Result<(), Trouble> {
    let mut update = books.conn().prepare_cached("UPDATE outbox SET reached = ?2 WHERE seq = ?1")?;
    for (seq, reached) in rows {
        update.execute(params![seq, reached.number()])?;
    }
    Ok(())
}

/// Forgets rows that the broker has confirmed.
pub(crate) fn done(books: &Books, seqs: &[i64]) -> Result<(), Trouble> {
    let mut delete = books.conn().prepare_cached("DELETE FROM outbox WHERE seq = ?1")?;
    for seq in seqs {
        delete.execute([seq])?;
    }
    Ok(())
}
