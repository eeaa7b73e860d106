//! How a file is written: told by its first bytes and its name, and said in words where it cannot be read.

use std::io::BufRead;
use std::sync::Arc;

use paceline_tables::{COLUMNS_MAX, CellFault, Found, Kind, Notes, Reader, Refused as Unread, Sheet, Unreadable};

use crate::domain::decode::Decoder;
use crate::domain::messages::{FileNote, FileTrouble, HeaderTrouble, Names, Rule};
use crate::domain::rows::{FileError, FileFault, Format, Input, Preview, Rows, Table, TableRow};
use crate::operations::refused::Refused;

/// Endings of workbooks.
const WORKBOOKS: [&str; 4] = ["xlsx", "xlsm", "xlsb", "ods"];
/// The ending of those before.
const OLD_WORKBOOK: &str = "xls";
/// Names of ranges that a note shows.
const NAMES_SHOWN_MAX: usize = 3;

/// What somebody said of how a file is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// The encoding of a text.
    pub encoding: Option<String>,
}

/// How a file is written.
#[derive(Clone, Debug)]
pub enum Written {
    /// Text in this encoding.
    Text {
        /// What its lines are.
        format: Format,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// One sheet of a workbook.
    Workbook {
        /// What its first bytes tell.
        kind: Kind,
        /// The sheet.
        sheet: String,
        /// What is not read.
        notes: Notes,
    },
}

impl Written {
    /// Whether it is one sheet of several.
    pub const fn is_workbook(&self) -> bool {
        matches!(self, Self::Workbook { .. })
    }

    /// Looks at a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(mut file: Reader, named: &Named, how: &How) -> Result<Self, FileTrouble> {
        let kind = paceline_tables::kind_of(&mut file).map_err(|error| unreadable(&Unreadable::Io(error)))?;
        match (kind, named) {
            (Kind::Zip | Kind::Compound, _) => paceline_tables::find_sheet(file, kind, how.sheet.as_deref())
                .map(|Found { name, notes }| Self::Workbook { kind, sheet: name, notes })
                .map_err(|refused| unread(&refused)),
            (Kind::Html, Named::Workbook | Named::OldWorkbook) => Err(FileTrouble::WebPageAsWorkbook),
            (Kind::Json | Kind::Text | Kind::Binary, Named::Workbook) | (Kind::Binary, Named::OldWorkbook) => {
                Err(FileTrouble::NoWorkbookInside)
            }
            // Whoever names the encoding knows better.
            (Kind::Binary, Named::Text(_) | Named::Nothing) if how.encoding.is_none() => Err(FileTrouble::NoTextInside),
            (Kind::Json, Named::Nothing) => {
                text(file, how).map(|encoding| Self::Text { format: Format::Jsonl, encoding })
            }
            (_, Named::Text(format)) => text(file, how).map(|encoding| Self::Text { format: *format, encoding }),
            // Some systems export tables of text under the name of a workbook.
            (_, Named::OldWorkbook | Named::Nothing) => {
                text(file, how).map(|encoding| Self::Text { format: Format::Csv, encoding })
            }
        }
    }

    /// What separates its columns, if it is a CSV file with a header.
    pub fn separator(&self, file: Reader, input: &Input) -> Option<char> {
        self.preview(file, input, 0).ok()?.ok()?.separator
    }

    /// What a person should know of how the file is read, if it is not as usual.
    pub fn notes(&self, file: Reader, input: &Input) -> Vec<FileNote> {
        match self {
            Self::Text { encoding, .. } => {
                let encoding = (*encoding != "UTF-8").then(|| FileNote::ReadAs { encoding: (*encoding).to_owned() });
                let columns = match self.separator(file, input) {
                    None | Some(',') => None,
                    Some('\t') => Some(FileNote::TabsBetween),
                    Some(other) => Some(FileNote::SeparatedBy { separator: format!("{other:?}") }),
                };
                encoding.into_iter().chain(columns).collect()
            }
            Self::Workbook { sheet, notes, .. } => {
                let mut said = vec![FileNote::ReadSheet { sheet: sheet.clone() }];
                if !notes.others.is_empty() {
                    let quoted = notes.others.iter().map(|name| format!("{name:?}"));
                    said.push(FileNote::OtherSheets { others: some(quoted) });
                }
                said.extend(self.unseen());
                said
            }
        }
    }

    /// What of a workbook is not read as it looks.
    pub fn unseen(&self) -> Vec<FileNote> {
        let Self::Workbook { notes, .. } = self else { return Vec::new() };
        let merged = FileNote::MergedCells { ranges: some(notes.merged.iter().cloned()) };
        let hidden = FileNote::HiddenRows { rows: some(notes.hidden.iter().map(ToString::to_string)) };
        let all = [
            (!notes.merged.is_empty(), merged),
            (!notes.hidden.is_empty(), hidden),
            (notes.is_untold, FileNote::HiddenUntold),
        ];
        all.into_iter().filter_map(|(is_so, note)| is_so.then_some(note)).collect()
    }

    /// Starts to read the rows.
    ///
    /// # Errors
    /// What is wrong with the file or its header.
    pub fn rows(
        &self,
        file: Reader,
        input: &Input,
        decoder: &Arc<Decoder>,
    ) -> Result<Rows<Box<dyn BufRead + Send>>, FileError> {
        let (decoder, input) = (Arc::clone(decoder), input.clone());
        match self {
            Self::Text { format, encoding } => match paceline_tables::text(file, Some(encoding)) {
                Ok(text) => Rows::open(decoder, input, *format, text.source),
                Err(error) => Err(fault(&input, &unreadable(&error))),
            },
            Self::Workbook { kind, sheet, .. } => match paceline_tables::read_sheet(file, *kind, sheet) {
                Ok(sheet) => Rows::open_table(decoder, input, table(sheet)),
                Err(refused) => Err(fault(&input, &unread(&refused))),
            },
        }
    }

    /// The beginning of a table.
    ///
    /// # Errors
    /// The outer one: the file has no columns. The inner one: what is wrong with it.
    pub fn preview(&self, file: Reader, input: &Input, rows: usize) -> Result<Result<Preview, FileError>, Refused> {
        Ok(match self {
            Self::Text { format: Format::Csv, encoding } => match paceline_tables::text(file, Some(encoding)) {
                Ok(text) => Preview::of_text(input, text.source, rows),
                Err(error) => Err(fault(input, &unreadable(&error))),
            },
            Self::Workbook { kind, sheet, .. } => match paceline_tables::read_sheet(file, *kind, sheet) {
                Ok(sheet) => Preview::of_table(input, table(sheet), rows),
                Err(refused) => Err(fault(input, &unread(&refused))),
            },
            Self::Text { format: Format::Jsonl, .. } => return Err(no_table(&input.name)),
        })
    }
}

/// That a file has no columns.
pub fn no_table(name: &str) -> Refused {
    Refused::new(format!("{name} is no table"), "a table is a CSV file or a workbook")
}

/// What a file's name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Text.
    Text(Format),
    /// A workbook.
    Workbook,
    /// One of the kind before, whose name some systems give to tables of text.
    OldWorkbook,
    /// Nothing: it has none.
    Nothing,
}

impl Named {
    /// By a name's ending.
    ///
    /// # Errors
    /// What was expected.
    pub fn of(name: &str) -> Result<Self, Refused> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
        if ending == OLD_WORKBOOK {
            return Ok(Self::OldWorkbook);
        }
        if WORKBOOKS.contains(&ending.as_str()) {
            return Ok(Self::Workbook);
        }
        let format = Format::of(name);
        format.map(Self::Text).map_err(|message| {
            Refused::new(message, "a CSV file or a workbook has a header and a job a row, a JSONL file a job a line")
        })
    }
}

/// A fault of the file as a whole.
pub fn fault(input: &Input, trouble: &FileTrouble) -> FileError {
    FileError(vec![FileFault { file: input.name.clone(), line: 1, column: None, message: trouble.clone().into() }])
}

fn text(file: Reader, how: &How) -> Result<&'static str, FileTrouble> {
    let opened = paceline_tables::text(file, how.encoding.as_deref());
    opened.map(|text| text.encoding).map_err(|error| unreadable(&error))
}

/// Why a text cannot be read, and what to do.
pub fn unreadable(error: &Unreadable) -> FileTrouble {
    match error {
        Unreadable::Io(error) => FileTrouble::FileUnreadable { error: error.to_string() },
        Unreadable::Unknown { guess } => {
            FileTrouble::EncodingUnknown { guess: (*guess).to_owned(), name: guess.to_lowercase() }
        }
        Unreadable::NoSuch(name) => FileTrouble::NoSuchEncoding { name: name.clone() },
    }
}

fn unread(refused: &Unread) -> FileTrouble {
    match refused {
        Unread::Io(error) => FileTrouble::FileUnreadable { error: error.to_string() },
        Unread::Password => FileTrouble::WorkbookPassword,
        Unread::NoWorkbook => FileTrouble::NotWorkbook,
        Unread::Damaged(error) => FileTrouble::WorkbookDamaged { error: error.clone() },
        Unread::Bomb { part, packed, unpacked } => {
            FileTrouble::WorkbookBomb { part: part.clone(), packed: *packed, unpacked: *unpacked }
        }
        Unread::Wide { row, column } => {
            FileTrouble::WorkbookTooWide { row: *row, column: *column, most: u64::from(COLUMNS_MAX) }
        }
        Unread::NoSheet { name, has } => {
            let has = has.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            FileTrouble::NoSuchSheet { name: name.clone(), has }
        }
        Unread::Empty => FileTrouble::NoVisibleSheet,
    }
}

fn table(sheet: Sheet) -> Table {
    Box::new(sheet.map(|row| {
        let row = row.map_err(|refused| unread(&refused))?;
        let faults = row.faults.into_iter().map(|(cell, fault)| (cell, why(fault))).collect();
        Ok(TableRow { number: row.number, cells: row.cells, faults })
    }))
}

fn why(fault: CellFault) -> Rule {
    match fault {
        CellFault::Rounded => HeaderTrouble::NumberRounded.into(),
    }
}

fn some(names: impl ExactSizeIterator<Item = String>) -> Names {
    let count = names.len();
    Names::first(names, count, NAMES_SHOWN_MAX)
}
