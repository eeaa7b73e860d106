//! Results and dead letters on their way out.

use std::sync::LazyLock;

use super::completion;
use super::seal::Place;
use super::sharing::{Sharing, end_of};
use crate::document::{self, ENDING_COLUMNS, ENDING_COLUMNS_LEN, REJECTED_COLUMNS, REJECTED_COLUMNS_LEN};
use crate::driver::{Conn, Result, Value, values};
use paceline_domain::outcome::Failure;
use paceline_ports::operator::EndingRow;
use paceline_ports::{AmqpOrigin, BATCH_COMPLETED, Ending, Label, Outgoing, Reached};

/// An outbox row as it stands.
struct Pending {
    seq: i64,
    job: Option<i64>,
    rejected: Option<i64>,
    amqp: Option<String>,
    reply_to: Option<String>,
    reached: Reached,
}

/// Rows that are not set aside, after `after`, in order, at most `limit`. Where others publish as well: those that nobody else
/// has claimed, claimed from now on.
pub(crate) fn claim(conn: &Conn, sharing: Option<Sharing>, after: i64, limit: usize) -> Result<Vec<Outgoing>> {
    let Some(sharing) = sharing else {
        let sql = "SELECT seq, job, rejected, amqp, reply_to, reached FROM outbox
               WHERE seq > $1 AND reached < 16 ORDER BY seq LIMIT $2";
        return rows(conn, sql, values![after, limit]);
    };
    let sql = "UPDATE outbox SET owner = $1, claimed_until = $2 WHERE seq IN (
                   SELECT seq FROM outbox WHERE seq > $4 AND reached < 16
                       AND (owner IS NULL OR owner = $1 OR claimed_until <= $3)
                   ORDER BY seq LIMIT $5)
               RETURNING seq, job, rejected, amqp, reply_to, reached";
    let (now, until) = end_of(conn, sharing.claim)?;
    let mut claimed = rows(conn, sql, values![sharing.owner.0, until, now, after, limit])?;
    claimed.sort_unstable_by_key(|row| row.seq);
    Ok(claimed)
}

/// Rows that are set aside, those refused least first, likewise.
pub(crate) fn claim_aside(conn: &Conn, sharing: Option<Sharing>, limit: usize) -> Result<Vec<Outgoing>> {
    let Some(sharing) = sharing else {
        let sql = "SELECT seq, job, rejected, amqp, reply_to, reached FROM outbox
               WHERE reached >= 16 ORDER BY reached, seq LIMIT $1";
        return rows(conn, sql, values![limit]);
    };
    let sql = "UPDATE outbox SET owner = $1, claimed_until = $2 WHERE seq IN (
                   SELECT seq FROM outbox WHERE reached >= 16
                       AND (owner IS NULL OR owner = $1 OR claimed_until <= $3)
                   ORDER BY reached, seq LIMIT $4)
               RETURNING seq, job, rejected, amqp, reply_to, reached";
    let (now, until) = end_of(conn, sharing.claim)?;
    let mut claimed = rows(conn, sql, values![sharing.owner.0, until, now, limit])?;
    claimed.sort_unstable_by_key(|row| (row.reached.number(), row.seq));
    Ok(claimed)
}

/// Lets this owner's claims on these rows last from now on.
pub(crate) fn extend(conn: &Conn, sharing: Sharing, seqs: &[i64]) -> Result<()> {
    let (_, until) = end_of(conn, sharing.claim)?;
    let rows: Vec<_> = seqs.iter().map(|seq| [(*seq).into(), sharing.owner.0.into(), until.into()]).collect();
    conn.send_all("UPDATE outbox SET claimed_until = $3 WHERE seq = $1 AND owner = $2", &rows)
}

fn rows(conn: &Conn, sql: &str, values: &[Value<'_>]) -> Result<Vec<Outgoing>> {
    let pending = conn.query(sql, values, |row| {
        Ok(Pending {
            seq: row.get(0)?,
            job: row.get(1)?,
            rejected: row.get(2)?,
            amqp: row.get(3)?,
            reply_to: row.get(4)?,
            reached: Reached::of(row.get(5)?),
        })
    })?;
    let (mut of_jobs, mut of_rejected) =
        (of_jobs(conn, &pending)?.into_iter(), of_rejected(conn, &pending)?.into_iter());
    let ending = |row: &Pending| match (row.job, row.rejected) {
        (Some(_), _) => of_jobs.next().flatten().map(|ended| ended.ending(row)),
        (None, Some(_)) => of_rejected.next().flatten().map(|ended| ended.ending(row)),
        (None, None) => row.amqp.as_deref().map(event),
    };
    let endings: Vec<_> = pending.iter().map(ending).collect();
    let outgoing = pending.into_iter().zip(endings);
    Ok(outgoing
        .filter_map(|(row, ending)| Some(Outgoing { seq: row.seq, ending: ending?, reached: row.reached }))
        .collect())
}

/// A job or an input that was rejected, with where its document goes.
struct Ended {
    row: EndingRow,
    amqp: Option<String>,
    reply_to: Option<String>,
    raw: Option<Vec<u8>>,
}

impl Ended {
    /// As this row of the outbox wants it published.
    fn ending(self, pending: &Pending) -> Ending {
        let amqp = pending.amqp.clone().or(self.amqp);
        ending(self.row, amqp.as_deref(), pending.reply_to.clone().or(self.reply_to), self.raw)
    }
}

fn of_jobs(conn: &Conn, pending: &[Pending]) -> Result<Vec<Option<Ended>>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS}, j.amqp, j.reply_to, j.raw, j.id
             FROM jobs j JOIN lanes l ON l.lane = j.lane LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = $1"
        )
    });
    const AT: usize = ENDING_COLUMNS_LEN;
    let jobs: Vec<_> = pending.iter().filter_map(|row| Some([row.job?.into()])).collect();
    conn.query_all(&SQL, &jobs, |row| {
        let (raw, id): (Option<Vec<u8>>, String) = (row.get(AT + 2)?, row.get(AT + 3)?);
        let raw = raw.map(|raw| conn.seal().opened_bytes(raw, Place::job_raw(&id))).transpose()?;
        Ok(Ended { row: document::of_job(row)?, amqp: row.get(AT)?, reply_to: row.get(AT + 1)?, raw })
    })
}

fn of_rejected(conn: &Conn, pending: &[Pending]) -> Result<Vec<Option<Ended>>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {REJECTED_COLUMNS}, r.amqp, r.raw, r.seq
             FROM rejected r LEFT JOIN batches b ON b.batch = r.batch WHERE r.seq = $1"
        )
    });
    const AT: usize = REJECTED_COLUMNS_LEN;
    let inputs = pending.iter().filter(|row| row.job.is_none());
    let inputs: Vec<_> = inputs.filter_map(|row| Some([row.rejected?.into()])).collect();
    conn.query_all(&SQL, &inputs, |row| {
        let (raw, seq): (Vec<u8>, i64) = (row.get(AT + 1)?, row.get(AT + 2)?);
        let raw = conn.seal().opened_bytes(raw, Place::rejected_raw(&seq.to_string()))?;
        Ok(Ended { row: document::of_rejected(row)?, amqp: row.get(AT)?, reply_to: None, raw: Some(raw) })
    })
}

/// What became of a batch, as it was when its last job ended.
fn event(document: &str) -> Ending {
    let told: completion::Told = serde_json::from_str(document).unwrap_or_default();
    Ending {
        document: document.to_owned().into(),
        label: Label { id: Some(told.batch), ended_at: Some(told.finished_at), ..Label::default() },
        reason: None,
        failure: Failure::default(),
        attempts: 0,
        raw: bytes::Bytes::new(),
        amqp: AmqpOrigin::default(),
        reply_to: None,
        routing_key: BATCH_COMPLETED.to_owned(),
    }
}

fn ending(mut ended: EndingRow, amqp: Option<&str>, reply_to: Option<String>, raw: Option<Vec<u8>>) -> Ending {
    let amqp: AmqpOrigin = amqp.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(id) = amqp.publisher.as_deref().and_then(|publisher| as_published(ended.id.as_deref()?, publisher)) {
        ended.id = Some(id);
    }
    Ending {
        document: ended.json().into(),
        reason: ended.reason,
        attempts: ended.attempts,
        raw: raw.unwrap_or_default().into(),
        reply_to: reply_to.or_else(|| amqp.reply_to.clone()),
        amqp,
        routing_key: ended.routing_key(),
        failure: Failure { cure: ended.cure(), ..ended.failure },
        label: Label { id: ended.id, method: ended.method, app: ended.app, ended_at: ended.ended_at },
    }
}

/// The id as its publisher knows it, without the name that stands before it in the ledger.
fn as_published(id: &str, publisher: &str) -> Option<String> {
    id.strip_prefix(publisher)?.strip_prefix('/').map(str::to_owned)
}

/// How many rows there are, those set aside among them.
pub(crate) fn count(conn: &Conn) -> Result<u64> {
    conn.query_value("SELECT count(*) FROM outbox", &[])
}

/// Records how far rows have come. One that was dropped meanwhile, or that another owner has claimed, stays as it is.
pub(crate) fn reached(conn: &Conn, sharing: Option<Sharing>, rows: &[(i64, Reached)]) -> Result<()> {
    let Some(Sharing { owner, .. }) = sharing else {
        let rows: Vec<_> =
            rows.iter().map(|(seq, reached)| [(*seq).into(), i64::from(reached.number()).into()]).collect();
        return conn.send_all("UPDATE outbox SET reached = $2 WHERE seq = $1", &rows);
    };
    let rows: Vec<_> =
        rows.iter().map(|(seq, reached)| [(*seq).into(), i64::from(reached.number()).into(), owner.0.into()]).collect();
    conn.send_all("UPDATE outbox SET reached = $2 WHERE seq = $1 AND owner = $3", &rows)
}

/// Forgets rows that the broker has confirmed, but those that another owner has claimed.
pub(crate) fn done(conn: &Conn, sharing: Option<Sharing>, seqs: &[i64]) -> Result<()> {
    let Some(Sharing { owner, .. }) = sharing else {
        let rows: Vec<_> = seqs.iter().map(|seq| [(*seq).into()]).collect();
        return conn.send_all("DELETE FROM outbox WHERE seq = $1", &rows);
    };
    let rows: Vec<_> = seqs.iter().map(|seq| [(*seq).into(), owner.0.into()]).collect();
    conn.send_all("DELETE FROM outbox WHERE seq = $1 AND owner = $2", &rows)
}
