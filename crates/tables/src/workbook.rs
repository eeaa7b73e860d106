//! One sheet of a workbook, a row at a time.

use std::io::{self, BufReader, Read as _};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use calamine::{Ods, Reader as _, SheetType, SheetVisible, Sheets, Xls, Xlsb, Xlsx};

use self::cell::Cell;
use super::kind::Kind;
use super::reader::Reader;

mod archive;
mod cell;
mod hidden;

/// Rows that are read ahead of the one that is asked for.
const AHEAD: usize = 64;
/// Columns that are read; a program has no use for more.
pub const COLUMNS_MAX: u32 = 4_096;
/// Merged cells and hidden rows are looked for in files of this size at most, because the whole sheet is read for them.
const MERGED_BYTES_MAX: u64 = 8 << 20;
/// What is looked through for the name that a password's wrapper gives its content.
const WRAPPER_BYTES_MAX: u64 = 64 << 20;

type Source = BufReader<Reader>;

/// Which sheet of a workbook is read, and what a person should know of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What is not read.
    pub notes: Notes,
}

/// The rows of a sheet, from its first.
pub struct Sheet {
    rows: Receiver<Result<Row, Refused>>,
}

/// What a reader of one sheet does not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The other sheets that are shown.
    pub others: Vec<String>,
    /// Ranges of merged cells: only the first cell of each has a value.
    pub merged: Vec<String>,
    /// Rows that are hidden, counted from 1: they are read as well.
    pub hidden: Vec<u64>,
    /// Whether neither is known: the format does not tell it here, or the file is too large to be read twice.
    pub is_untold: bool,
}

/// A row with at least one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its number, counted from 1.
    pub number: u64,
    /// Its cells as text, up to the last that has a value: numbers with their digits, dates as `2026-11-28T09:00:00`.
    pub cells: Vec<String>,
    /// Cells, counted from 0, whose value is not what was entered.
    pub faults: Vec<(usize, CellFault)>,
}

/// Why a cell's value is not what was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFault {
    /// A number of more than 15 digits: spreadsheets put zeros in the place of the others.
    Rounded,
}

/// Why a workbook is not read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What the file system says.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is an archive, but of something else.
    #[error("the file is a ZIP archive, but not a workbook")]
    NoWorkbook,
    /// It would be very much larger than it is.
    #[error("{part} unpacks to {unpacked} bytes from {packed}, as no workbook does")]
    Bomb {
        /// The part of the archive.
        part: String,
        /// Its bytes in the archive.
        packed: u64,
        /// Its bytes outside.
        unpacked: u64,
    },
    /// It is protected by a password.
    #[error("the workbook is protected by a password")]
    Password,
    /// It has no such sheet.
    #[error("there is no sheet {name:?}; the workbook has {}", list(has))]
    NoSheet {
        /// The one that was asked for.
        name: String,
        /// Those that it has.
        has: Vec<String>,
    },
    /// It has no sheet that is shown.
    #[error("the workbook has no visible sheet")]
    Empty,
    /// A value stands in a column beyond all bounds.
    #[error("row {row} has a value in column {column}; at most {COLUMNS_MAX} columns are read")]
    Wide {
        /// Counted from 1.
        row: u64,
        /// Counted from 1.
        column: u64,
    },
    /// It is damaged.
    #[error("the workbook is damaged: {0}")]
    Damaged(String),
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

impl Iterator for Sheet {
    type Item = Result<Row, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.recv().ok()
    }
}

/// Finds the sheet of this name, or else the first that is shown.
///
/// # Errors
/// Why there is none to be read.
pub fn find_sheet(file: impl Into<Reader>, kind: Kind, sheet: Option<&str>) -> Result<Found, Refused> {
    let file = file.into();
    let mut book = open(&file, kind)?;
    let shown = shown(&book);
    let name = match sheet {
        Some(name) if book.sheet_names().iter().any(|known| known == name) => name.to_owned(),
        Some(name) => return Err(Refused::NoSheet { name: name.to_owned(), has: shown }),
        None => shown.first().cloned().ok_or(Refused::Empty)?,
    };
    let is_small = file.size_bytes()? <= MERGED_BYTES_MAX;
    let merged = if is_small { merged(&mut book, &name) } else { Vec::new() };
    let is_xlsx = matches!(book, Sheets::Xlsx(_));
    let hidden = if is_small && is_xlsx { hidden::rows(BufReader::new(file.again()), &name) } else { Vec::new() };
    let others = shown.into_iter().filter(|other| *other != name).collect();
    Ok(Found { name, notes: Notes { others, merged, hidden, is_untold: !(is_small && is_xlsx) } })
}

/// Starts to read a sheet that was found.
///
/// # Errors
/// Why it cannot be read.
pub fn read_sheet(file: impl Into<Reader>, kind: Kind, name: &str) -> Result<Sheet, Refused> {
    let book = open(&file.into(), kind)?;
    let (sender, rows) = sync_channel(AHEAD);
    let name = name.to_owned();
    // The reader of cells borrows the workbook, so both live on a thread that ends with the last row, or with the sheet.
    thread::Builder::new().name("workbook".to_owned()).spawn(move || {
        let send = |row| sender.send(row).is_ok();
        if let Err(refused) = read(book, &name, &mut |row| send(Ok(row))) {
            send(Err(refused));
        }
    })?;
    Ok(Sheet { rows })
}

fn open(file: &Reader, kind: Kind) -> Result<Sheets<Source>, Refused> {
    let source = || BufReader::new(file.again());
    if kind == Kind::Compound {
        return Xls::new(source()).map(Sheets::Xls).map_err(|error| {
            let is_locked = matches!(error, calamine::XlsError::Password) || is_encrypted(file);
            if is_locked { Refused::Password } else { damaged(&error) }
        });
    }
    match archive::look(source())? {
        archive::Inside::Xlsx => Xlsx::new(source()).map(Sheets::Xlsx).map_err(|error| damaged(&error)),
        archive::Inside::Xlsb => Xlsb::new(source()).map(Sheets::Xlsb).map_err(|error| damaged(&error)),
        archive::Inside::Ods => Ods::new(source()).map(Sheets::Ods).map_err(|error| damaged(&error)),
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Refused {
    Refused::Damaged(error.to_string())
}

/// Whether an XLSX was wrapped for its password: its wrapper names the part, in UTF-16.
fn is_encrypted(file: &Reader) -> bool {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut whole = Vec::new();
    let read = file.again().take(WRAPPER_BYTES_MAX).read_to_end(&mut whole);
    read.is_ok() && whole.windows(name.len()).any(|part| part == name)
}

fn shown(book: &Sheets<Source>) -> Vec<String> {
    let sheets = book.sheets_metadata().iter();
    let shown = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    shown.map(|sheet| sheet.name.clone()).collect()
}

/// `A1:B2`, of formats that tell.
fn merged(book: &mut Sheets<Source>, name: &str) -> Vec<String> {
    let Sheets::Xlsx(book) = book else { return Vec::new() };
    let ranges = book.merge_cells_by_sheet_name(name).unwrap_or_default();
    let address = |(row, column): (u32, u32)| format!("{}{}", cell::letters(column), row + 1);
    ranges.iter().map(|range| format!("{}:{}", address(range.start), address(range.end))).collect()
}

/// Gives each row to `take` until it takes no more.
fn read(book: Sheets<Source>, name: &str, take: &mut dyn FnMut(Row) -> bool) -> Result<(), Refused> {
    let mut book = match book {
        Sheets::Xlsx(mut book) => return read_cells(&mut book, name, take),
        book @ (Sheets::Xls(_) | Sheets::Xlsb(_) | Sheets::Ods(_)) => book,
    };
    let range = book.worksheet_range(name).map_err(|error| damaged(&error))?;
    let (top, left) = range.start().unwrap_or_default();
    let mut rows = Rows::new(take);
    for (row, column, value) in range.used_cells() {
        if !rows.add(top + row as u32, left + column as u32, Cell::of(&cell::borrowed(value)))? {
            return Ok(());
        }
    }
    rows.end();
    Ok(())
}

fn read_cells(book: &mut Xlsx<Source>, name: &str, take: &mut dyn FnMut(Row) -> bool) -> Result<(), Refused> {
    let mut cells = book.worksheet_cells_reader(name).map_err(|error| damaged(&error))?;
    let mut rows = Rows::new(take);
    while let Some(cell) = cells.next_cell().map_err(|error| damaged(&error))? {
        let (row, column) = cell.get_position();
        if !rows.add(row, column, Cell::of(cell.get_value()))? {
            return Ok(());
        }
    }
    rows.end();
    Ok(())
}

/// Cells in their order, put together to rows.
struct Rows<'a> {
    row: Row,
    take: &'a mut dyn FnMut(Row) -> bool,
}

impl<'a> Rows<'a> {
    fn new(take: &'a mut dyn FnMut(Row) -> bool) -> Self {
        Self { row: Row::default(), take }
    }

    /// Whether more are wanted.
    fn add(&mut self, row: u32, column: u32, cell: Cell) -> Result<bool, Refused> {
        let number = u64::from(row) + 1;
        if cell.text.is_empty() {
            return Ok(true);
        }
        if column >= COLUMNS_MAX {
            return Err(Refused::Wide { row: number, column: u64::from(column) + 1 });
        }
        if number < self.row.number {
            return Err(Refused::Damaged(format!("row {number} stands behind row {}", self.row.number)));
        }
        if number > self.row.number && !self.end() {
            return Ok(false);
        }
        self.row.number = number;
        let column = column as usize;
        if self.row.cells.len() <= column {
            self.row.cells.resize(column + 1, String::new());
        }
        self.row.cells[column] = cell.text;
        self.row.faults.extend(cell.fault.map(|fault| (column, fault)));
        Ok(true)
    }

    fn end(&mut self) -> bool {
        let row = std::mem::take(&mut self.row);
        row.cells.is_empty() || (self.take)(row)
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
