//! Results row by row, in the order of the file, without holding them all.

use rusqlite::{Connection, Row, Rows};
use serde_json::Value;

use super::{Operator, Selection};
use crate::engine::ports::LedgerError;
use crate::store::document::{ENDING_COLUMNS, ENDING_COLUMNS_LEN, EndingRow, REJECTED_COLUMNS};

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

impl Operator {
    /// Calls `each` for every row that matches; stops at its first error. Rows of one file come in the file's order.
    ///
    /// # Errors
    /// The first error of `each`, or of the ledger.
    pub fn export<E: From<LedgerError>>(
        &self,
        selection: &Selection,
        each: impl FnMut(ExportRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut refused = None;
        self.read(|conn| merge(conn, selection, each, &mut refused))?;
        refused.map_or(Ok(()), Err)
    }
}

/// Reads jobs and rejected inputs side by side and gives out whichever stands earlier in its file.
fn merge<E>(
    conn: &Connection,
    selection: &Selection,
    mut each: impl FnMut(ExportRow) -> Result<(), E>,
    refused: &mut Option<E>,
) -> rusqlite::Result<()> {
    // One snapshot, so that a job that ends meanwhile is not seen twice or not at all.
    let snapshot = conn.unchecked_transaction()?;
    let (of_jobs, of_inputs) = (selection.jobs(), selection.inputs());
    let sql = format!("SELECT {ENDING_COLUMNS}, j.place, j.cells {} ORDER BY j.seq", of_jobs.jobs_where());
    let mut jobs = conn.prepare(&sql)?;
    let mut jobs = jobs.query(&of_jobs.values()[..])?;
    let sql = format!("SELECT {REJECTED_COLUMNS}, r.place, r.cells {} ORDER BY r.seq", of_inputs.inputs_where());
    let mut inputs = conn.prepare(&sql)?;
    let mut inputs = inputs.query(&of_inputs.values()[..])?;
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
