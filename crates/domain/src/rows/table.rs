//! Rows from where they come: CSV's text, or a table that is split already.

use std::io::BufRead;

use super::opening::Opened;
use super::records::{Record, Records, Trouble};
use crate::messages::{FileTrouble, Rule};

/// A row of a table that is no text, such as a workbook's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRow {
    /// Its number, counted from 1.
    pub number: u64,
    /// Its cells as text.
    pub cells: Vec<String>,
    /// Cells, counted from 0, whose text is not what somebody entered, and why.
    pub faults: Vec<(usize, Rule)>,
}

/// The rows of such a table in their order, or why it cannot be read further.
pub type Table = Box<dyn Iterator<Item = Result<TableRow, FileTrouble>> + Send>;

pub(super) enum Lines<R> {
    Text { records: Records<Opened<R>>, separator: u8 },
    Table { rows: Table, row: TableRow, width: usize },
}

impl<R: BufRead> Lines<R> {
    /// A table, from this row on.
    pub(super) fn table(rows: Table, first: u64) -> Self {
        let passed = move |row: &Result<TableRow, FileTrouble>| row.as_ref().is_ok_and(|row| row.number < first);
        Self::Table { rows: Box::new(rows.skip_while(passed)), row: TableRow::default(), width: 0 }
    }

    pub(super) fn read(&mut self) -> Result<Option<Record>, Trouble> {
        match self {
            Self::Text { records, .. } => records.read(),
            Self::Table { rows, row, width } => {
                let Some(next) = rows.next() else { return Ok(None) };
                *row = next.map_err(|why| Trouble::Unread(row.number + 1, why))?;
                // The header is as wide as its last name; rows end with their last value.
                *width = if *width == 0 { row.cells.len() } else { *width };
                row.cells.resize(row.cells.len().max(*width), String::new());
                Ok(Some(Record { line: row.number, bytes: row.cells.iter().map(|cell| cell.len() + 1).sum() }))
            }
        }
    }

    /// The cells of the row that was read last, or the first of them that is no UTF-8.
    pub(super) fn cells(&self) -> Result<Vec<&str>, &[u8]> {
        match self {
            Self::Text { records, .. } => records.cells(),
            Self::Table { row, .. } => Ok(row.cells.iter().map(String::as_str).collect()),
        }
    }

    /// The beginning of the row that was read last, as bytes.
    pub(super) fn text(&self) -> Vec<u8> {
        match self {
            Self::Text { records, .. } => records.text().to_vec(),
            Self::Table { row, .. } => row.cells.concat().into_bytes(),
        }
    }

    /// Cells of the row that was read last, whose text is not what somebody entered.
    pub(super) fn faults(&self) -> &[(usize, Rule)] {
        match self {
            Self::Text { .. } => &[],
            Self::Table { row, .. } => &row.faults,
        }
    }

    /// What separates the columns of text.
    pub(super) const fn separator(&self) -> Option<char> {
        match self {
            Self::Text { separator, .. } => Some(*separator as char),
            Self::Table { .. } => None,
        }
    }

    pub(super) const fn is_table(&self) -> bool {
        matches!(self, Self::Table { .. })
    }
}
