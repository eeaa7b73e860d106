//! Results row by row, in the order of the file, without holding them all.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::piles::{self, Seqs};
use crate::document::{self, ENDING_COLUMNS, ENDING_COLUMNS_LEN, REJECTED_COLUMNS, REJECTED_COLUMNS_LEN};
use crate::driver::{self, Conn, Row, values};
use paceline_ports::operator::{EndingRow, ExportRow, Selection};

/// Numbers of rows read at one time.
const PAGE: usize = 10_000;

/// Reads jobs and rejected inputs side by side and gives out whichever stands earlier in its file.
pub(super) fn merge(
    conn: &Conn,
    selection: &Selection,
    linked: bool,
    each: &mut dyn FnMut(ExportRow) -> ControlFlow<()>,
) -> driver::Result<()> {
    let next_job = if linked { next_linked_job } else { next_job };
    let mut jobs = Rows::new(|after| piles::jobs(conn, selection, after, PAGE), conn, next_job);
    let mut inputs = Rows::new(|after| piles::inputs(conn, selection, after, PAGE), conn, next_input);
    let (mut job, mut input) = (jobs.next()?, inputs.next()?);
    loop {
        let input_first = match (&job, &input) {
            (None, None) => break,
            (Some(job), Some(input)) => line_of(&input.place) < line_of(&job.place),
            (_, input) => input.is_some(),
        };
        let row = if input_first {
            std::mem::replace(&mut input, inputs.next()?)
        } else {
            std::mem::replace(&mut job, jobs.next()?)
        };
        if row.is_some_and(|row| each(row).is_break()) {
            break;
        }
    }
    Ok(())
}

/// Rows whose numbers are read page by page, so that however many there are, few are in memory.
struct Rows<'c, P> {
    page: P,
    conn: &'c Conn,
    read: fn(&Conn, i64) -> driver::Result<ExportRow>,
    seqs: std::vec::IntoIter<i64>,
    after: Option<i64>,
}

impl<'c, P: Fn(i64) -> driver::Result<Seqs>> Rows<'c, P> {
    fn new(page: P, conn: &'c Conn, read: fn(&Conn, i64) -> driver::Result<ExportRow>) -> Self {
        Self { page, conn, read, seqs: Vec::new().into_iter(), after: Some(0) }
    }

    fn next(&mut self) -> driver::Result<Option<ExportRow>> {
        loop {
            if let Some(seq) = self.seqs.next() {
                return (self.read)(self.conn, seq).map(Some);
            }
            let Some(after) = self.after else { return Ok(None) };
            let page = (self.page)(after)?;
            (self.seqs, self.after) = (page.lines.into_iter(), page.next);
        }
    }
}

fn next_job(conn: &Conn, seq: i64) -> driver::Result<ExportRow> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {ENDING_COLUMNS}, j.place, j.cells FROM jobs j JOIN lanes l USING (lane)
                 LEFT JOIN batches b ON b.batch = j.batch WHERE j.seq = $1"
        )
    });
    conn.query_one(&SQL, values![seq], |row| export_row(&document::of_job(row)?, row, ENDING_COLUMNS_LEN))
}

/// With the jobs that it waited for, and those that waited for it.
fn next_linked_job(conn: &Conn, seq: i64) -> driver::Result<ExportRow> {
    static SQL: LazyLock<[String; 2]> = LazyLock::new(|| {
        let of = |jobs: &str| {
            format!(
                "SELECT {ENDING_COLUMNS} FROM jobs j JOIN lanes l USING (lane) LEFT JOIN batches b ON b.batch = j.batch
                 WHERE {jobs} ORDER BY j.seq"
            )
        };
        [
            of("j.id IN (SELECT r.id FROM prerequisites r WHERE r.job = $1)"),
            of("j.seq IN (SELECT r.job FROM prerequisites r JOIN jobs p ON p.id = r.id WHERE p.seq = $1)"),
        ]
    });
    let documents = |sql: &str| conn.query(sql, values![seq], |row| Ok(document::of_job(row)?.document()));
    let [before, behind] = &*SQL;
    Ok(ExportRow { linked: [documents(before)?, documents(behind)?], ..next_job(conn, seq)? })
}

fn next_input(conn: &Conn, seq: i64) -> driver::Result<ExportRow> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {REJECTED_COLUMNS}, r.place, r.cells FROM rejected r
                 LEFT JOIN batches b ON b.batch = r.batch WHERE r.seq = $1"
        )
    });
    conn.query_one(&SQL, values![seq], |row| export_row(&document::of_rejected(row)?, row, REJECTED_COLUMNS_LEN))
}

fn export_row(ending: &EndingRow, row: &Row<'_>, rest: usize) -> driver::Result<ExportRow> {
    let cells: Option<String> = row.get(rest + 1)?;
    Ok(ExportRow {
        document: ending.document(),
        place: row.get::<Option<String>>(rest)?.unwrap_or_default(),
        cells: cells.and_then(|text| serde_json::from_str(&text).ok()),
        detail: ending.failure.detail.clone(),
        cure: ending.cure(),
        linked: [Vec::new(), Vec::new()],
    })
}

/// The line of `file:line`; what has none comes last.
fn line_of(place: &str) -> u64 {
    place.rsplit_once(':').and_then(|(_, line)| line.parse().ok()).unwrap_or(u64::MAX)
}
