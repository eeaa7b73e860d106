//! Results row by row, in the order of the file, without holding them all.

use rusqlite::{Connection, Row, Rows, named_params};
use serde_json::Value;

use super::Operator;
use crate::engine::ports::LedgerError;
use crate::store::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow, REJECTED_COLUMNS};
use crate::store::state::State;

/// Which rows; an absent field restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct ExportFilter {
    /// Of this batch.
    pub batch: Option<String>,
    /// In this state; inputs that never became jobs are dead.
    pub state: Option<State>,
    /// Of this method.
    pub method: Option<String>,
    /// Of this app.
    pub app: Option<String>,
}

/// One row of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRow {
    /// The contract's document, as far as the job has come.
    pub document: Value,
    /// File name and line; empty for AMQP.
    pub place: String,
    /// For a CSV row: its cells, in the file's order.
    pub cells: Option<Vec<String>>,
}

const JOB_TABLES: &str = "jobs j JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch";
const JOB_FILTER: &str = "(:state IS NULL OR j.state = :state) AND (:method IS NULL OR l.method = :method)
     AND (:app IS NULL OR l.app = :app)";

impl Operator {
    /// Calls `each` for every row that matches; stops at its first error. Rows of one file come in the file's order.
    ///
    /// # Errors
    /// The first error of `each`, or of the ledger.
    pub fn export<E: From<LedgerError>>(
        &self,
        filter: &ExportFilter,
        each: impl FnMut(ExportRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut refused = None;
        self.read(|conn| merge(conn, filter, each, &mut refused))?;
        refused.map_or(Ok(()), Err)
    }
}

/// Reads jobs and rejected inputs side by side and gives out whichever stands earlier in its file.
fn merge<E>(
    conn: &Connection,
    filter: &ExportFilter,
    mut each: impl FnMut(ExportRow) -> Result<(), E>,
    refused: &mut Option<E>,
) -> rusqlite::Result<()> {
    // One snapshot, so that a job that ends meanwhile is not seen twice or not at all.
    let snapshot = conn.unchecked_transaction()?;
    // The batch is compared only where one is asked for: then its index is used.
    let of_batch = if filter.batch.is_some() { "b.name = :batch" } else { ":batch IS NULL" };
    let mut jobs = conn.prepare(&format!(
        "SELECT {ENDING_COLUMNS}, j.place, j.cells FROM {JOB_TABLES} WHERE {of_batch} AND {JOB_FILTER} ORDER BY j.seq"
    ))?;
    let mut jobs = jobs.query(named_params! {
        ":batch": filter.batch, ":state": filter.state.map(State::number), ":method": filter.method, ":app": filter.app,
    })?;
    let mut inputs = conn.prepare(&format!(
        "SELECT {REJECTED_COLUMNS}, r.place, r.cells FROM rejected r LEFT JOIN batches b ON b.batch = r.batch
         WHERE {of_batch} AND (:state IS NULL OR :state = 3) AND (:method IS NULL OR r.method = :method)
             AND (:app IS NULL OR r.app = :app) ORDER BY r.seq"
    ))?;
    let mut inputs = inputs.query(named_params! {
        ":batch": filter.batch, ":state": filter.state.map(State::number), ":method": filter.method, ":app": filter.app,
    })?;
    let (mut job, mut input) = (next_job(&mut jobs)?, next_input(&mut inputs)?);
    loop {
        let input_first = match (&job, &input) {
            (None, None) => break,
            (Some(job), Some(input)) => line_of(&input.place) < line_of(&job.place),
            (_, input) => input.is_some(),
        };
        let row = if input_first {
            std::mem::replace(&mut input, next_input(&mut inputs)?)
        } else {
            std::mem::replace(&mut job, next_job(&mut jobs)?)
        };
        if let Some(Err(error)) = row.map(&mut each) {
            *refused = Some(error);
            break;
        }
    }
    drop((jobs, inputs));
    snapshot.commit()
}

fn next_job(rows: &mut Rows<'_>) -> rusqlite::Result<Option<ExportRow>> {
    rows.next()?.map(|row| export_row(&EndingRow::of_job(row)?, row, ENDING_COLUMNS_LEN)).transpose()
}

fn next_input(rows: &mut Rows<'_>) -> rusqlite::Result<Option<ExportRow>> {
    rows.next()?.map(|row| export_row(&EndingRow::of_rejected(row)?, row, 7)).transpose()
}

fn export_row(ending: &EndingRow, row: &Row<'_>, rest: usize) -> rusqlite::Result<ExportRow> {
    let cells: Option<String> = row.get(rest + 1)?;
    Ok(ExportRow {
        document: ending.document(),
        place: row.get::<_, Option<String>>(rest)?.unwrap_or_default(),
        cells: cells.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

/// The line of `file:line`; what has none comes last.
fn line_of(place: &str) -> u64 {
    place.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(u64::MAX)
}
