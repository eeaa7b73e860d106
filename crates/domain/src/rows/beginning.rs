//! A table's beginning: where its lines come from, its header, and its first rows for a person to look at.

use std::io::BufRead;

use super::opening::{self, Opening};
use super::records::{QuoteFault, Records, Trouble};
use super::table::{Lines, Table};
use super::{FileError, FileFault, Format, Input, Preview, unreadable};
use crate::job::Column;
use crate::messages::HeaderTrouble;

/// Columns that are read; a program has no use for more.
const COLUMNS_MAX: usize = 4_096;

/// The lines of a CSV file, from its header on.
pub(super) fn lines<R: BufRead>(input: &Input, source: R) -> Result<Lines<R>, FileError> {
    let opened = opening::open(source, Format::Csv, &input.layout);
    let opened = opened.map_err(|(line, message)| FileError::at(input, line, *message));
    let (source, Opening { lines, separator }) = opened?;
    let records = Records::new(source, separator, 1 + lines, input.bytes_max);
    Ok(Lines::Text { records, separator })
}

/// The rows of a table, from its header on.
pub(super) fn lines_of_table<R: BufRead>(input: &Input, table: Table) -> Lines<R> {
    Lines::table(table, input.layout.header_row.unwrap_or(1))
}

/// The header and the first rows that are not blank.
pub(super) fn preview<R: BufRead>(mut lines: Lines<R>, input: &Input, rows_max: usize) -> Result<Preview, FileError> {
    let (line, header) = header_of(&mut lines, input)?;
    let (mut rows, mut numbers, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    while rows.len() < rows_max
        && let Some(record) = lines.read().map_err(|trouble| explain(input, trouble, &header))?
    {
        let cells = lines.cells().map_err(|_| FileError::at(input, record.line, HeaderTrouble::NotUtf8Here))?;
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(cells.into_iter().map(str::to_owned).collect());
            numbers.push(record.line);
            faults.extend(lines.faults().iter().map(|(cell, why)| FileFault {
                file: input.name.clone(),
                line: record.line,
                column: Some(column(&header, *cell)),
                message: why.clone(),
            }));
        }
    }
    Ok(Preview { line, header, separator: lines.separator(), rows, lines: numbers, faults })
}

/// Reads the header, and says on which line it is.
pub(super) fn header_of<R: BufRead>(lines: &mut Lines<R>, input: &Input) -> Result<(u64, Vec<String>), FileError> {
    let at = |line, trouble: HeaderTrouble| FileError::at(input, line, trouble);
    let Some(record) = lines.read().map_err(|trouble| explain(input, trouble, &[]))? else {
        let message = match input.layout.header_row {
            Some(row @ 2..) => HeaderTrouble::NoSuchRow { row },
            Some(_) | None => HeaderTrouble::NoHeader,
        };
        return Err(at(1, message));
    };
    let cells = lines.cells().map_err(|_| at(record.line, HeaderTrouble::NotUtf8Here))?;
    let header: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
    if header.len() > COLUMNS_MAX {
        return Err(at(record.line, HeaderTrouble::TooManyColumns { count: header.len(), most: COLUMNS_MAX }));
    }
    Ok((record.line, header))
}

/// Why a file could not be read on.
pub(super) fn explain(input: &Input, trouble: Trouble, header: &[String]) -> FileError {
    let faults = match trouble {
        Trouble::Io(line, error) => return FileError::at(input, line, unreadable(&error)),
        Trouble::Unread(line, trouble) => return FileError::at(input, line, trouble),
        Trouble::Quotes(faults) => faults,
    };
    let fault = |fault: QuoteFault| FileFault {
        file: input.name.clone(),
        line: fault.line,
        column: Some(column(header, fault.cell)),
        message: fault.rule(),
    };
    FileError(faults.into_iter().map(fault).collect())
}

fn column(header: &[String], cell: usize) -> Column {
    Column { number: cell + 1, header: header.get(cell).cloned().unwrap_or_default(), item: None }
}
