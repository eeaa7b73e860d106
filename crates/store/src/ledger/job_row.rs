//! A job as columns, and back.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::books::{Books, Trouble};
use super::chains::{self, Needs};
use super::seal::{self, Place as Sealed, Seal};
use super::tallies::Place;
use crate::driver::{self, Insertion, Row, values};
use crate::state::State;
use paceline_domain::identity::ObjectHash;
use paceline_domain::job::{Identity, Job, LaneKey, Params};
use paceline_domain::json;
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
    pub(crate) needs: Needs,
}

impl JobText {
    pub(crate) fn of(job: Box<Job>) -> Self {
        let hash = job.content_hash();
        let params = params_text(&job.params);
        let meta = job.meta.as_ref().map(json::text);
        let identity = (job.identity != Identity::Tenant).then(|| job.identity.to_string());
        let needs = Needs::of(&job);
        Self { job, hash, params, meta, identity, needs }
    }

    /// The parameters as the ledger keeps them.
    fn sealed_params(&self, seal: &Seal) -> driver::Result<Cow<'_, str>> {
        let place = Sealed::job_params(&self.job.id);
        if self.job.is_confidential {
            seal.sealed_text(&self.params, place).map(Cow::Owned)
        } else {
            Ok(Cow::Borrowed(&self.params))
        }
    }

    /// The message likewise.
    pub(crate) fn sealed_raw<'a>(&self, seal: &Seal, raw: Option<&'a [u8]>) -> driver::Result<Option<Cow<'a, [u8]>>> {
        let sealed = |raw| {
            let place = Sealed::job_raw(&self.job.id);
            if self.job.is_confidential {
                seal.sealed_bytes(raw, place).map(Cow::Owned)
            } else {
                Ok(Cow::Borrowed(raw))
            }
        };
        raw.map(sealed).transpose()
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

/// Inserts jobs, and says where they stand; `None` for one whose id is taken.
pub(crate) fn insert_all(
    books: &mut Books,
    jobs: &[(&JobText, OriginText<'_>)],
    now: Timestamp,
) -> Result<Vec<Option<(JobSeq, Place)>>, Trouble> {
    let mut places = Vec::with_capacity(jobs.len());
    for (JobText { job, .. }, _) in jobs {
        let (lane, batch) = (books.lane(&job.lane)?, books.batch(job.batch.as_deref(), now)?);
        places.push(Place { batch, lane, priority: job.priority.into() });
    }
    let conn = books.conn();
    let sealed: Vec<_> =
        jobs.iter().map(|(text, origin)| SealedText::of(text, origin, conn.seal())).collect::<driver::Result<_>>()?;
    let rows: Vec<_> = jobs
        .iter()
        .zip(&places)
        .zip(&sealed)
        .map(|(((text, origin), place), sealed)| {
            let job = &text.job;
            *values![
                place.lane,
                place.batch,
                place.priority,
                job.not_before,
                job.not_after,
                now,
                job.id,
                sealed.hash,
                sealed.object,
                text.identity,
                job.reply_to,
                text.meta,
                origin.amqp,
                origin.place,
                sealed.params,
                origin.cells,
                sealed.raw,
                sealed.state,
                text.needs.after,
                sealed.finds,
            ]
        })
        .collect();
    let insertion = Insertion {
        sql: "INSERT INTO jobs (lane, batch, state, priority, attempts, not_before, not_after, created_at, id, hash, object,
             identity, reply_to, meta, amqp, place, params, cells, raw, waits_for, finds)
         VALUES ($1, $2, $18, $3, 0, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $19, $20)
         ON CONFLICT (id) DO NOTHING",
        known_by: ("id", 6),
    };
    // Of those that come twice, the first one is new.
    let seqs: Vec<_> = conn.insert_all(insertion, &rows)?.into_iter().map(|seq| seq.map(JobSeq)).collect();
    let blocked = seqs.iter().zip(jobs).filter(|(_, (text, _))| text.needs.state() == State::Blocked);
    chains::begin_all(conn, blocked.filter_map(|(seq, (text, _))| Some(((*seq)?, &text.needs))))?;
    Ok(seqs.into_iter().zip(places).map(|(seq, place)| Some((seq?, place))).collect())
}

/// The columns of a job that are made for its row.
struct SealedText<'a> {
    hash: Vec<u8>,
    object: Option<i64>,
    params: Cow<'a, str>,
    raw: Option<Cow<'a, [u8]>>,
    state: i64,
    finds: Option<i64>,
}

impl<'a> SealedText<'a> {
    fn of(text: &'a JobText, origin: &OriginText<'a>, seal: &Seal) -> driver::Result<Self> {
        Ok(Self {
            hash: seal.keyed(&text.hash)?,
            object: text.job.object.map(|object| object.0),
            params: text.sealed_params(seal)?,
            raw: text.sealed_raw(seal, origin.raw)?,
            state: text.needs.state().number(),
            finds: text.needs.finds.map(i64::from),
        })
    }
}

/// Puts an ended job of the same content back to the start, as its new arrival wants it; with `keep`, as it stands. Gives
/// the state that it begins in.
pub(crate) fn renew(
    books: &mut Books,
    seq: JobSeq,
    batch: i64,
    text: &JobText,
    origin: &OriginText<'_>,
    keep: bool,
) -> Result<State, Trouble> {
    let job = &text.job;
    let conn = books.conn();
    if !keep {
        chains::keep(conn, seq, &text.needs)?;
    }
    let state = if keep { chains::state_of(conn, seq)? } else { text.needs.state() };
    if !keep && text.needs.finds.is_some() {
        name(books, seq, text)?;
    }
    conn.send(
        "UPDATE jobs SET batch = $2, state = $7, attempts = 0, filled = NULL, ended_at = NULL, outbox = NULL, key = NULL, reason = NULL,
             http_status = NULL, code = NULL, detail = NULL, cure = NULL, log_id = NULL, result = NULL, warnings = NULL,
             amqp = coalesce($3, amqp), raw = coalesce($4, raw), place = coalesce($5, place), cells = coalesce($6, cells)
         WHERE seq = $1",
        values![
            seq,
            batch,
            origin.amqp,
            text.sealed_raw(conn.seal(), origin.raw)?,
            origin.place,
            origin.cells,
            state.number()
        ],
    )?;
    if !keep {
        conn.send(
            "UPDATE jobs SET priority = $2, not_before = $3, not_after = $4, reply_to = $5, meta = $6, object = $7,
                 waits_for = $8
             WHERE seq = $1",
            values![
                seq,
                job.priority,
                job.not_before,
                job.not_after,
                job.reply_to,
                text.meta,
                job.object.map(|object| object.0),
                text.needs.after,
            ],
        )?;
    }
    Ok(state)
}

/// Gives a dead job the content that a person wrote; what upstream sent stays on record beside it.
pub(crate) fn rewrite(books: &Books, seq: JobSeq, text: &JobText, now: Timestamp) -> Result<(), Trouble> {
    let job = &text.job;
    let seal = books.conn().seal();
    books.conn().send(
        "UPDATE jobs SET params = $2, object = $3, identity = $4, priority = $5, not_before = $6, not_after = $7,
             reply_to = $8, meta = $9, edited_hash = $10, edited_at = $11, waits_for = $12, filled = NULL,
             finds = $13
         WHERE seq = $1",
        values![
            seq,
            text.sealed_params(seal)?,
            job.object.map(|object| object.0),
            text.identity,
            job.priority,
            job.not_before,
            job.not_after,
            job.reply_to,
            text.meta,
            seal.keyed(&text.hash)?,
            now,
            text.needs.after,
            text.needs.finds.map(i64::from),
        ],
    )?;
    chains::keep(books.conn(), seq, &text.needs)?;
    Ok(())
}

/// Gives a job the ids that were found for its names: its content stays.
pub(crate) fn name(books: &Books, seq: JobSeq, text: &JobText) -> Result<(), Trouble> {
    let (params, object) = (text.sealed_params(books.conn().seal())?, text.job.object.map(|object| object.0));
    let finds = text.needs.finds.map(i64::from);
    let sql = "UPDATE jobs SET params = $2, object = $3, finds = $4 WHERE seq = $1";
    books.conn().send(sql, values![seq, params, object, finds])?;
    Ok(())
}

/// The columns that [`JobRow::read`] wants; `j` is the job, `l` its lane, `b` its batch.
pub(crate) const JOB_COLUMNS: &str = "j.id, l.app, l.tenant, l.method, b.name, j.identity, j.params, j.priority, \
     j.not_before, j.not_after, j.reply_to, j.meta, j.amqp, j.object, j.waits_for, j.filled";

/// How many columns [`JOB_COLUMNS`] names: the next one has this index.
pub(crate) const JOB_COLUMNS_LEN: usize = 16;

/// Joins that [`JOB_COLUMNS`] needs.
pub(crate) const JOB_TABLES: &str = "jobs j JOIN lanes l ON l.lane = j.lane LEFT JOIN batches b ON b.batch = j.batch";

/// Likewise, of the jobs of the attempts `o`.
pub(crate) const JOB_TABLES_OF_ATTEMPTS: &str = "attempts o JOIN jobs j ON j.seq = o.job \
     JOIN lanes l ON l.lane = j.lane LEFT JOIN batches b ON b.batch = j.batch";

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
    waits_for: Option<String>,
    filled: Option<String>,
}

impl JobRow {
    pub(crate) const fn lane(&self) -> &LaneKey {
        &self.lane
    }

    pub(crate) fn read(row: &Row<'_>, seal: &Seal) -> driver::Result<Self> {
        let (id, params): (String, String) = (row.get(0)?, row.get(6)?);
        let is_confidential = seal::is_sealed(&params);
        Ok(Self {
            lane: LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? },
            batch: row.get(4)?,
            identity: row.get(5)?,
            params: seal.opened_text(params, Sealed::job_params(&id))?,
            priority: row.get(7)?,
            not_before: row.get(8)?,
            not_after: row.get(9)?,
            reply_to: row.get(10)?,
            meta: row.get(11)?,
            amqp: row.get(12)?,
            object: row.get(13)?,
            waits_for: row.get(14)?,
            filled: row.get(15)?,
            is_confidential,
            id,
        })
    }

    pub(crate) fn parse(self) -> Result<Job, LedgerError> {
        let identity = self.identity.as_deref().map_or(Ok(Identity::Tenant), Identity::parse);
        Ok(Job {
            identity: identity.map_err(|why| damaged(&self.id, &why))?,
            params: params_of(&self.params).map_err(|why| damaged(&self.id, &why))?,
            after: list_of(self.waits_for.as_deref()).map_err(|why| damaged(&self.id, &why))?,
            filled: list_of(self.filled.as_deref()).map_err(|why| damaged(&self.id, &why))?,
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
    if params.path.is_empty() && params.query.is_empty() {
        return json::text(&params.body);
    }
    json::text(&(&params.path, &params.query, &params.body))
}

fn object_of(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| position(&error))
}

/// A list for a column; an empty one is none.
pub(super) fn list_text(list: &[impl Serialize]) -> Option<String> {
    (!list.is_empty()).then(|| json::text(&list))
}

/// A list in a column; none is an empty one.
fn list_of<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Vec<T>, String> {
    text.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(text).map_err(|error| position(&error)))
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
