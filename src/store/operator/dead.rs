//! Dead letters: jobs that ended without success, and inputs that never became jobs.

use rusqlite::{Row, named_params, params};
use serde::Serialize;
use serde_json::Value;

use super::{Operator, ids_text, limit_of};
use crate::domain::reason::Reason;
use crate::engine::ports::{AmqpOrigin, JobSeq, LedgerError, Origin};
use crate::store::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow, REJECTED_COLUMNS};
use crate::store::sqlite::books::{Books, REJECTED, Trouble};
use crate::store::state::State;

/// Which dead letters; an absent field restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// These alone: ids of jobs, or `#<number>` of rejected inputs as [`DeadLine::handle`] shows them.
    pub ids: Vec<String>,
    /// Died of this reason.
    pub reason: Option<Reason>,
    /// With this code of the platform.
    pub code: Option<i64>,
    /// Of this batch.
    pub batch: Option<String>,
    /// Of this method.
    pub method: Option<String>,
    /// Of this app.
    pub app: Option<String>,
}

/// One dead letter in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLine {
    /// What names it in commands: the job's id, or `#<number>` of an input that never became a job.
    pub handle: String,
    /// File name and line, where it came from a file.
    pub place: Option<String>,
    /// The contract's document.
    #[serde(flatten)]
    pub document: Value,
}

/// An input that never became a job, with what is needed to read it again.
#[derive(Clone, Debug)]
pub struct RejectedInput {
    /// What names it in commands.
    pub handle: String,
    /// Its batch.
    pub batch: Option<String>,
    /// As it came.
    pub origin: Origin,
}

const JOBS: &str = "jobs j INDEXED BY jobs_parked JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch
     WHERE j.state IN (2, 3, 4) AND j.state = 3 AND j.seq > :after
     AND (:ids IS NULL OR j.id IN (SELECT value FROM json_each(:ids)))
     AND (:reason IS NULL OR j.reason = :reason) AND (:code IS NULL OR j.code = :code)
     AND (:batch IS NULL OR b.name = :batch) AND (:method IS NULL OR l.method = :method)
     AND (:app IS NULL OR l.app = :app) ORDER BY j.seq LIMIT :limit";

const INPUTS: &str = "rejected r LEFT JOIN batches b ON b.batch = r.batch
     WHERE r.seq > :after AND (:ids IS NULL OR '#' || r.seq IN (SELECT value FROM json_each(:ids)))
     AND (:reason IS NULL OR r.reason = :reason) AND :code IS NULL
     AND (:batch IS NULL OR b.name = :batch) AND (:method IS NULL OR r.method = :method)
     AND (:app IS NULL OR r.app = :app) ORDER BY r.seq LIMIT :limit";

impl DeadFilter {
    /// Runs `SELECT <columns> FROM <source>` with the filter's values.
    fn query<T>(
        &self,
        conn: &rusqlite::Connection,
        columns: &str,
        source: &str,
        (after, limit): (i64, usize),
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        conn.prepare_cached(&format!("SELECT {columns} FROM {source}"))?
            .query_map(
                named_params! {
                    ":after": after,
                    ":limit": limit_of(limit),
                    ":ids": ids_text(&self.ids),
                    ":reason": self.reason.map(Reason::as_str),
                    ":code": self.code,
                    ":batch": self.batch,
                    ":method": self.method,
                    ":app": self.app,
                },
                read,
            )?
            .collect()
    }
}

impl Operator {
    /// The dead letters that match: jobs in the order of take-over, then inputs that never became jobs; at most `limit`.
    pub fn list_dead(&self, filter: &DeadFilter, limit: usize) -> Result<Vec<DeadLine>, LedgerError> {
        self.read(|conn| {
            let columns = format!("{ENDING_COLUMNS}, j.place");
            let mut lines = filter.query(conn, &columns, JOBS, (0, limit), |row| {
                let ending = EndingRow::of_job(row)?;
                let handle = ending.id.clone().unwrap_or_default();
                Ok(DeadLine { handle, place: row.get(ENDING_COLUMNS_LEN)?, document: ending.document() })
            })?;
            let columns = format!("{REJECTED_COLUMNS}, r.seq, r.place");
            lines.extend(filter.query(conn, &columns, INPUTS, (0, limit - lines.len()), |row| {
                let seq: i64 = row.get(7)?;
                let place = row.get(8).map(|place: String| Some(place).filter(|place| !place.is_empty()))?;
                Ok(DeadLine { handle: format!("#{seq}"), place, document: EndingRow::of_rejected(row)?.document() })
            })?);
            Ok(lines)
        })
    }

    /// Matching inputs that never became jobs, to be read and taken over again (an app was added to the settings, a
    /// method to the catalog), at most `limit`.
    pub fn rejected_inputs(&self, filter: &DeadFilter, limit: usize) -> Result<Vec<RejectedInput>, LedgerError> {
        const COLUMNS: &str = "r.seq, b.name, r.raw, r.amqp, r.place, r.cells";
        self.read(|conn| {
            filter.query(conn, COLUMNS, INPUTS, (0, limit), |row| {
                let (seq, raw): (i64, Vec<u8>) = (row.get(0)?, row.get(2)?);
                let amqp: Option<String> = row.get(3)?;
                let amqp = amqp.and_then(|text| serde_json::from_str::<AmqpOrigin>(&text).ok());
                let origin = Origin { raw: raw.into(), amqp, place: row.get(4)?, cells: row.get(5)? };
                Ok(RejectedInput { handle: format!("#{seq}"), batch: row.get(1)?, origin })
            })
        })
    }

    /// Queues the matching dead jobs again, from the start; says how many. Inputs that never became jobs are untouched.
    pub fn redrive(&mut self, filter: &DeadFilter) -> Result<usize, LedgerError> {
        self.change_in_chunks(|books, after, limit| {
            let jobs = dead_jobs(books, filter, after, limit)?;
            for &(seq, batch, outbox) in &jobs {
                forget_publication(books, outbox)?;
                books
                    .conn()
                    .prepare_cached(
                        "UPDATE jobs SET state = 0, attempts = 0, ended_at = NULL, outbox = NULL,
                             reason = NULL, http_status = NULL, code = NULL, detail = NULL, cure = NULL, log_id = NULL
                         WHERE seq = ?1",
                    )?
                    .execute([seq])?;
                books.moved(batch, State::Dead, State::Queued);
                books.announce(JobSeq(seq))?;
            }
            Ok(jobs.into_iter().map(|(seq, _, _)| seq).collect())
        })
    }

    /// Forgets the matching dead letters, jobs and inputs; says how many. Their ids may be used again; their calls stay
    /// recorded, because the platform has counted them.
    pub fn drop_dead(&mut self, filter: &DeadFilter) -> Result<usize, LedgerError> {
        let jobs = self.change_in_chunks(|books, after, limit| {
            let jobs = dead_jobs(books, filter, after, limit)?;
            for &(seq, batch, outbox) in &jobs {
                forget_publication(books, outbox)?;
                books.conn().prepare_cached("DELETE FROM jobs WHERE seq = ?1")?.execute([seq])?;
                books.tally(batch, State::Dead.number(), -1);
            }
            Ok(jobs.into_iter().map(|(seq, _, _)| seq).collect())
        })?;
        let inputs = self.change_in_chunks(|books, after, limit| {
            let inputs = filter
                .query(books.conn(), "r.seq, r.batch", INPUTS, (after, limit), |row| Ok((row.get(0)?, row.get(1)?)))?;
            for &(seq, batch) in &inputs {
                books.conn().prepare_cached("DELETE FROM outbox WHERE rejected = ?1")?.execute(params![seq])?;
                books.conn().prepare_cached("DELETE FROM rejected WHERE seq = ?1")?.execute(params![seq])?;
                books.tally(batch, REJECTED, -1);
            }
            Ok(inputs.into_iter().map(|(seq, _)| seq).collect::<Vec<i64>>())
        })?;
        Ok(jobs + inputs)
    }
}

type DeadJob = (i64, i64, Option<i64>);

fn dead_jobs(books: &Books, filter: &DeadFilter, after: i64, limit: usize) -> Result<Vec<DeadJob>, Trouble> {
    let jobs = filter.query(books.conn(), "j.seq, j.batch, j.outbox", JOBS, (after, limit), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(jobs)
}

/// A dead letter that is still on its way is no longer true.
fn forget_publication(books: &Books, outbox: Option<i64>) -> Result<(), Trouble> {
    if let Some(outbox) = outbox {
        books.conn().prepare_cached("DELETE FROM outbox WHERE seq = ?1")?.execute([outbox])?;
    }
    Ok(())
}
