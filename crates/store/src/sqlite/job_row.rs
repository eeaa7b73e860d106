//! A job as columns, and back.

use rusqlite::{Row, named_params};
use serde_json::{Map, Value, json};

use super::books::{Books, Trouble};
use super::tallies::Place;
use paceline_domain::identity::ObjectHash;
use paceline_domain::job::{Identity, Job, LaneKey, Params};
use paceline_domain::time::Timestamp;
use paceline_domain::trace::{self, Trace};
use paceline_ports::{AmqpOrigin, JobSeq, LedgerError};

/// A job ready to be written: what takes time is done before the writer's turn.
pub(crate) struct JobText {
    pub(crate) job: Box<Job>,
    pub(crate) hash: [u8; 32],
    params: String,
    meta: Option<String>,
    identity: Option<String>,
}

impl JobText {
    pub(crate) fn of(job: Box<Job>) -> Self {
        let hash = job.content_hash();
        let params = params_text(&job.params);
        let meta = job.meta.as_ref().map(object_text);
        let identity = (job.identity != Identity::Tenant).then(|| job.identity.to_string());
        Self { job, hash, params, meta, identity }
    }
}

/// What a job needs to be given back, as the ledger keeps it.
pub(crate) struct OriginText<'a> {
    pub(crate) amqp: Option<&'a str>,
    /// Kept for AMQP alone: a dead letter gives the body back byte for byte.
    pub(crate) raw: Option<&'a [u8]>,
    pub(crate) place: Option<&'a str>,
    pub(crate) cells: Option<&'a str>,
}

/// Inserts the job, and says where it stands; `None` if its id is taken.
pub(crate) fn insert(
    books: &mut Books,
    text: &JobText,
    origin: &OriginText<'_>,
    now: Timestamp,
) -> Result<Option<(JobSeq, Place)>, Trouble> {
    let job = &text.job;
    let lane = books.lane(&job.lane)?;
    let batch = books.batch(job.batch.as_deref(), now)?;
    let inserted = books
        .conn()
        .prepare_cached(
            "INSERT INTO jobs (lane, batch, state, priority, attempts, not_before, not_after, created_at, id, hash,
                 object, identity, reply_to, meta, amqp, place, params, cells, raw)
             VALUES (:lane, :batch, 0, :priority, 0, :not_before, :not_after, :now, :id, keyed(:hash),
                 :object, :identity, :reply_to, :meta, :amqp, :place, sealed(:params, :confidential, 'jobs.params', :id),
                 :cells, sealed(:raw, :confidential, 'jobs.raw', :id))
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(named_params! {
            ":lane": lane,
            ":batch": batch,
            ":priority": job.priority,
            ":not_before": job.not_before.map(|at| at.0),
            ":not_after": job.not_after.map(|at| at.0),
            ":now": now.0,
            ":id": job.id,
            ":hash": text.hash,
            ":object": job.object.map(|object| object.0),
            ":identity": text.identity,
            ":reply_to": job.reply_to,
            ":meta": text.meta,
            ":amqp": origin.amqp,
            ":place": origin.place,
            ":params": text.params,
            ":confidential": job.is_confidential,
            ":cells": origin.cells,
            ":raw": origin.raw,
        })?;
    let place = Place { batch, lane, priority: job.priority.into() };
    Ok((inserted == 1).then(|| (JobSeq(books.conn().last_insert_rowid()), place)))
}

/// Puts an ended job of the same content back to the start, as its new arrival wants it; with `keep`, as it stands.
pub(crate) fn renew(
    books: &mut Books,
    seq: JobSeq,
    batch: i64,
    text: &JobText,
    origin: &OriginText<'_>,
    keep: bool,
) -> Result<(), Trouble> {
    let job = &text.job;
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET batch = :batch, state = 0, attempts = 0, ended_at = NULL, outbox = NULL,
                 priority = iif(:keep, priority, :priority), not_before = iif(:keep, not_before, :not_before),
                 not_after = iif(:keep, not_after, :not_after), reply_to = iif(:keep, reply_to, :reply_to),
                 meta = iif(:keep, meta, :meta), object = iif(:keep, object, :object),
                 key = NULL, reason = NULL, http_status = NULL, code = NULL, detail = NULL, cure = NULL,
                 log_id = NULL, result = NULL, warnings = NULL, amqp = coalesce(:amqp, amqp),
                 raw = coalesce(sealed(:raw, :confidential, 'jobs.raw', id), raw),
                 place = coalesce(:place, place), cells = coalesce(:cells, cells)
             WHERE seq = :seq",
        )?
        .execute(named_params! {
            ":batch": batch,
            ":priority": job.priority,
            ":not_before": job.not_before.map(|at| at.0),
            ":not_after": job.not_after.map(|at| at.0),
            ":reply_to": job.reply_to,
            ":meta": text.meta,
            ":object": job.object.map(|object| object.0),
            ":amqp": origin.amqp,
            ":raw": origin.raw,
            ":confidential": job.is_confidential,
            ":place": origin.place,
            ":cells": origin.cells,
            ":keep": keep,
            ":seq": seq.0,
        })?;
    Ok(())
}

/// Gives a dead job the content that a person wrote; what upstream sent stays on record beside it.
pub(crate) fn rewrite(books: &Books, seq: JobSeq, text: &JobText, now: Timestamp) -> Result<(), Trouble> {
    let job = &text.job;
    books
        .conn()
        .prepare_cached(
            "UPDATE jobs SET params = sealed(:params, :confidential, 'jobs.params', id), object = :object, identity = :identity, priority = :priority,
                 not_before = :not_before, not_after = :not_after, reply_to = :reply_to, meta = :meta, edited_hash = keyed(:hash), edited_at = :now
             WHERE seq = :seq",
        )?
        .execute(named_params! {
            ":params": text.params,
            ":object": job.object.map(|object| object.0),
            ":confidential": job.is_confidential,
            ":identity": text.identity,
            ":priority": job.priority,
            ":not_before": job.not_before.map(|at| at.0),
            ":not_after": job.not_after.map(|at| at.0),
            ":reply_to": job.reply_to,
            ":meta": text.meta,
            ":hash": text.hash,
            ":now": now.0,
            ":seq": seq.0,
        })?;
    Ok(())
}

/// The columns that [`JobRow::read`] wants; `j` is the job, `l` its lane, `b` its batch.
pub(crate) const JOB_COLUMNS: &str = "j.id, l.app, l.tenant, l.method, b.name, j.identity, \
     opened(j.params, 'jobs.params', j.id), j.priority, j.not_before, j.not_after, j.reply_to, j.meta, j.params LIKE 'sealed:%', j.amqp, j.object";

/// Joins that [`JOB_COLUMNS`] needs.
pub(crate) const JOB_TABLES: &str = "jobs j JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch";

/// A job's columns, not yet parsed.
pub(crate) struct JobRow {
    id: String,
    lane: LaneKey,
    batch: Option<String>,
    identity: Option<String>,
    params: String,
    is_confidential: bool,
    priority: u8,
    not_before: Option<i64>,
    not_after: Option<i64>,
    reply_to: Option<String>,
    meta: Option<String>,
    amqp: Option<String>,
    object: Option<i64>,
}

impl JobRow {
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            lane: LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? },
            batch: row.get(4)?,
            identity: row.get(5)?,
            params: row.get(6)?,
            priority: row.get(7)?,
            not_before: row.get(8)?,
            not_after: row.get(9)?,
            reply_to: row.get(10)?,
            meta: row.get(11)?,
            is_confidential: row.get(12)?,
            amqp: row.get(13)?,
            object: row.get(14)?,
        })
    }

    pub(crate) fn parse(self) -> Result<Job, LedgerError> {
        let identity = self.identity.as_deref().map_or(Ok(Identity::Tenant), Identity::parse);
        Ok(Job {
            identity: identity.map_err(|why| damaged(&self.id, &why))?,
            params: params_of(&self.params).map_err(|why| damaged(&self.id, &why))?,
            trace: self.amqp.as_deref().and_then(trace_of),
            meta: self.meta.as_deref().map(object_of).transpose().map_err(|why| damaged(&self.id, &why))?,
            id: self.id,
            lane: self.lane,
            batch: self.batch,
            object: self.object.map(ObjectHash),
            is_confidential: self.is_confidential,
            priority: self.priority,
            not_before: self.not_before.map(Timestamp),
            not_after: self.not_after.map(Timestamp),
            reply_to: self.reply_to,
        })
    }
}

/// Upstream's trace, out of the properties that came with the job.
fn trace_of(amqp: &str) -> Option<Trace> {
    // Most have none, and need not be read for it.
    let amqp = Some(amqp).filter(|amqp| amqp.contains(trace::TRACEPARENT))?;
    Trace::of(&serde_json::from_str::<AmqpOrigin>(amqp).ok()?.headers)
}

/// A record that this program cannot have written. The parser's words name a position, never a value.
pub(crate) fn damaged(id: &str, why: &str) -> LedgerError {
    LedgerError::Failed(format!("the record of job {id:?} is damaged: {why}; restore the ledger from a backup"))
}

fn params_text(params: &Params) -> String {
    let part = |map: &Map<String, Value>| if map.is_empty() { "{}".to_owned() } else { object_text(map) };
    if params.path.is_empty() && params.query.is_empty() {
        return part(&params.body);
    }
    format!("[{},{},{}]", part(&params.path), part(&params.query), part(&params.body))
}

fn object_text(map: &Map<String, Value>) -> String {
    // Keys are strings and values are JSON already: there is nothing that could fail.
    serde_json::to_string(map).unwrap_or_default()
}

fn object_of(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| position(&error))
}

pub(crate) fn params_of(text: &str) -> Result<Params, String> {
    if text.starts_with('[') {
        let (path, query, body) = serde_json::from_str(text).map_err(|error| position(&error))?;
        Ok(Params { path, query, body })
    } else {
        Ok(Params { body: object_of(text)?, ..Params::default() })
    }
}

fn position(error: &serde_json::Error) -> String {
    format!("no JSON object at column {}", error.column())
}

/// A JSON column, `null` where it is absent.
pub(crate) fn json_of(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_there_and_back() {
        let map = |text: &str| object_of(text).unwrap();
        for params in [
            Params::default(),
            Params { body: map(r#"{"name":"7F","n":1.5,"deep":[{"a":null}]}"#), ..Params::default() },
            Params { path: map(r#"{"calendar_id":"c"}"#), query: map(r#"{"q":"[x"}"#), body: Map::new() },
        ] {
            assert_eq!(params_of(&params_text(&params)), Ok(params));
        }
        assert!(params_of("[{}").unwrap_err().contains("column"));
        assert!(!params_of("secret").unwrap_err().contains("secret"));
    }
}
