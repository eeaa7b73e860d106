//! CSV and JSONL files: rows into jobs, with their places. Reads row by row, whatever the size of the file.
//!
//! It knows neither where the text comes from (it is UTF-8 here) nor what becomes of the rows. `jsonl.rs` and `csv.rs` split
//! a file into rows, `table.rs` takes those of a workbook (`records.rs` knows CSV's grammar, `header.rs` judges the header, `heading.rs` knows what people call a column, `column.rs` says what a column means), and the decoder judges the row as it judges every other input.

pub mod arguments;
mod beginning;
mod column;
mod csv;
pub mod exported;
pub mod guess;
mod header;
mod heading;
mod ids;
mod jsonl;
mod mapping;
mod opening;
mod records;
mod returned;
mod rewritten;
mod swallowed;
mod table;
pub mod template;
pub mod typed;
mod value;
pub mod written;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, BufRead};
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::catalog::{Catalog, shortened};
use super::checks::Finding;
use super::decode::{self, Decoder};
use super::find::Names;
use super::job::{Column, Fault, Job, Params, Rejection};
use super::messages::{FileTrouble, Language, Render as _, Rule, Spot, Wrong};
use super::reason::Reason;
use super::time::Zone;
use csv::Columns;

pub use self::exported::Returned;
use self::ids::Base;
pub use self::ids::{Known, Numbered, RowIds};
pub use self::mapping::Mapping;
pub use self::table::{Table, TableRow};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header and rows.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

impl Format {
    /// The format of a text file by its name's ending: `.csv`, `.tsv` and `.txt`, or `.jsonl`, `.ndjson` and `.json`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn of(name: &str) -> Result<Self, String> {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "csv" | "tsv" | "txt" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            _ => Err(format!("{name}: expected a file that ends in .csv, .xlsx or .jsonl")),
        }
    }
}

/// A file, and what stands in for what its rows leave out.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name, for messages and places.
    pub name: String,
    /// The batch of rows that name none, by custom the file's stem; the ids of rows without one start with it.
    pub batch: String,
    /// The method of rows that name none.
    pub method: Option<String>,
    /// The app of rows that name none.
    pub app: Option<String>,
    /// The longest row that is read as a job, in bytes: as it stands in the file, and as the message that it would be.
    pub bytes_max: usize,
    /// How it is laid out, where it does not tell by itself.
    pub layout: Layout,
}

/// How a table is laid out, and what of it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The ASCII character between the columns of a CSV file. `None`: what the header has most of.
    pub separator: Option<u8>,
    /// The line of the header, counted from 1; what stands above is not read. `None`: the first.
    pub header_row: Option<u64>,
    /// The time zone of dates without one. `None`: they are faults.
    pub zone: Option<Zone>,
    /// What the columns mean, where their headings do not say it.
    pub mapping: Option<Arc<Mapping>>,
    /// Columns that say nothing of the job, by their names; those whose names begin with `#` never do.
    pub ignored: Vec<String>,
    /// The rows that are read, counted from 1 behind the header; blank ones do not count. `None`: all.
    pub rows: Option<RangeInclusive<u64>>,
    /// What a row's cells must hold to be read, by the names of their columns.
    pub wanted: Vec<(String, String)>,
}

impl Layout {
    /// Whether a row stands before those that are read, is one of them, or stands behind.
    fn place_of(&self, row: u64) -> Ordering {
        match &self.rows {
            Some(rows) if row < *rows.start() => Ordering::Less,
            Some(rows) if row > *rows.end() => Ordering::Greater,
            Some(_) | None => Ordering::Equal,
        }
    }

    fn ignores(&self, column: &str) -> bool {
        column.starts_with('#') || self.ignored.iter().any(|ignored| ignored == column)
    }
}

/// The beginning of a table, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The line of its header, counted from 1.
    pub line: u64,
    /// Its header.
    pub header: Vec<String>,
    /// What separates its columns, if it is text.
    pub separator: Option<char>,
    /// Its first rows that are not blank.
    pub rows: Vec<Vec<String>>,
    /// The lines of these rows.
    pub lines: Vec<u64>,
    /// Cells of these rows whose text is not what somebody entered.
    pub faults: Vec<FileFault>,
}

impl Preview {
    /// Of a CSV file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn of_text(input: &Input, source: impl BufRead, rows: usize) -> Result<Self, FileError> {
        beginning::preview(beginning::lines(input, source)?, input, rows)
    }

    /// Of rows that are split already.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn of_table(input: &Input, table: Table, rows: usize) -> Result<Self, FileError> {
        beginning::preview(beginning::lines_of_table::<&[u8]>(input, table), input, rows)
    }

    /// The first values of a column that differ.
    pub fn samples(&self, column: usize, max: usize) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for cell in self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim()) {
            if found.len() < max && !cell.is_empty() && !found.contains(&cell) {
                found.push(cell);
            }
        }
        found
    }
}

/// One row of a file.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line on which it starts, counted from 1.
    pub line: u64,
    /// `file:line`.
    pub place: String,
    /// A JSONL line as it stands, or the job document that a CSV row is equivalent to.
    pub raw: Bytes,
    /// For CSV: the row's cells, a JSON array of strings in the file's order, sensitive ones masked.
    pub cells: Option<String>,
    /// The job, or why it is none. Faults know the columns that they come from.
    pub input: Result<Job, Rejection>,
    /// What a person should look at, although it is no fault.
    pub warnings: Vec<Finding>,
    /// What the result columns say of its job, in a file that was exported.
    pub returned: Option<Returned>,
    columns: Option<Arc<Columns>>,
}

impl Row {
    /// That of a job which no file has: another row needs what it makes.
    pub fn made(place: String, raw: Bytes, input: Result<Job, Rejection>) -> Self {
        Self { line: 0, place, raw, cells: None, input, warnings: Vec::new(), returned: None, columns: None }
    }

    /// Puts ids beside the row's names, or says what is wrong with them.
    pub fn find_names(&mut self, names: &Names, catalog: &Catalog) {
        let Ok(job) = &mut self.input else { return };
        match names.settle(job, catalog) {
            Ok(false) => {}
            Ok(true) => {
                decode::identify(job, catalog);
                self.raw = with_params(&self.raw, &job.params);
            }
            Err(faults) => {
                for mut fault in faults {
                    fault.column = self.column_of(&fault.field);
                    self.refuse(fault);
                }
            }
        }
    }

    /// The finding with the column that it comes from.
    pub fn in_column(&self, mut finding: Finding) -> Finding {
        finding.column = self.column_of(&finding.field);
        finding
    }

    /// The column of the file that a field comes from.
    pub fn column_of(&self, field: &str) -> Option<Column> {
        self.columns.as_ref().and_then(|columns| columns.column_of(field))
    }
}

/// A fault of the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Its name.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// The column of a CSV file, if it is in one.
    pub column: Option<Column>,
    /// What is wrong.
    pub message: Rule,
}

impl FileFault {
    /// What is wrong and where, in one sentence.
    pub fn render(&self, language: Language) -> String {
        self.as_wrong().render(language)
    }

    /// The same as data.
    pub fn as_wrong(&self) -> Wrong {
        let wrong = Wrong::new(self.column.as_ref().map(Column::spot), self.message.clone(), None);
        let spot = Spot::Field { field: format!("{}:{}", self.file, self.line) };
        Wrong::InField { spot, wrong: Box::new(wrong) }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.render(Language::English))
    }
}

/// What is wrong with the file as a whole. No row after it is read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct FileError(pub Vec<FileFault>);

impl FileError {
    fn at(input: &Input, line: u64, message: impl Into<Rule>) -> Self {
        Self(vec![FileFault { file: input.name.clone(), line, column: None, message: message.into() }])
    }
}

/// The rows of a file, in its order.
pub struct Rows<R> {
    source: Source<R>,
    decoder: Arc<Decoder>,
    input: Input,
    file: Arc<str>,
    ids: RowIds,
    names: Names,
    first_lines: HashMap<u128, u64>,
    over: bool,
}

enum Source<R> {
    Csv(Box<csv::Reader<R>>),
    Jsonl(jsonl::Reader<R>),
}

impl<R: BufRead> Rows<R> {
    /// Starts to read a file; of a CSV file, the header.
    ///
    /// # Errors
    /// Everything that is wrong with the header.
    pub fn open(decoder: Arc<Decoder>, input: Input, format: Format, source: R) -> Result<Self, FileError> {
        let source = match format {
            Format::Csv => Source::Csv(Box::new(csv::Reader::open(&decoder, &input, source)?)),
            Format::Jsonl => Source::Jsonl(jsonl::Reader::open(&input, source)?),
        };
        Ok(Self::over(decoder, input, source))
    }

    /// Starts to read rows that are split already; the header is the first.
    ///
    /// # Errors
    /// Everything that is wrong with the header.
    pub fn open_table(decoder: Arc<Decoder>, input: Input, table: Table) -> Result<Self, FileError> {
        let source = Source::Csv(Box::new(csv::Reader::open_table(&decoder, &input, table)?));
        Ok(Self::over(decoder, input, source))
    }

    fn over(decoder: Arc<Decoder>, input: Input, source: Source<R>) -> Self {
        let file = input.name.as_str().into();
        Self {
            source,
            decoder,
            input,
            file,
            ids: RowIds::default(),
            names: Names::default(),
            first_lines: HashMap::new(),
            over: false,
        }
    }

    /// Rows get their ids here, together with those of the other files of a command.
    #[must_use]
    pub fn with_ids(self, ids: &RowIds) -> Self {
        Self { ids: ids.clone(), ..self }
    }

    /// Names in rows get the ids that were found for them.
    #[must_use]
    pub fn with_names(self, names: &Names) -> Self {
        Self { names: names.clone(), ..self }
    }

    /// The header of a CSV file, without the result columns of an export.
    pub fn header(&self) -> Option<&[String]> {
        match &self.source {
            Source::Csv(reader) => Some(reader.own_header()),
            Source::Jsonl(_) => None,
        }
    }

    /// Whether the file is an export: what its columns are called, and in which order, is known from the batch.
    pub fn is_export(&self) -> bool {
        matches!(&self.source, Source::Csv(reader) if reader.is_export())
    }

    /// An id may stand in a file only once: the second row could never be told from the first.
    fn refuse_second_id(&mut self, row: &mut Row) {
        let id = match &row.input {
            Ok(job) => &job.id,
            Err(Rejection { id: Some(id), .. }) => id,
            Err(_) => return,
        };
        let first = match self.first_lines.entry(fingerprint(id)) {
            Entry::Vacant(entry) => {
                entry.insert(row.line);
                return;
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        let rule = Rule::SecondId { id: shortened(id), place: format!("{}:{first}", self.input.name) };
        row.refuse(Fault::of(Reason::IdConflict, "id", rule));
    }

    fn finish(&mut self, draft: Draft) -> Result<Row, FileError> {
        let Draft { mut row, base } = draft;
        let settled = self.ids.settle(&self.file, &mut row, base.as_ref(), &self.decoder.catalog);
        settled.map_err(|message| FileError::at(&self.input, row.line, message))?;
        if base.is_some() {
            row.raw = with_id(&row);
        }
        row.find_names(&self.names, &self.decoder.catalog);
        if let (Ok(_), Some(fault)) = (&row.input, decode::too_long(row.raw.len() as u64, self.input.bytes_max)) {
            row.refuse(fault);
        }
        self.refuse_second_id(&mut row);
        Ok(row)
    }
}

/// A row before it has its id.
struct Draft {
    row: Row,
    /// What its id is made of, if it brings none and is known by its content.
    base: Option<Base>,
}

/// A row with more bytes than a job may have, of which only the beginning was read.
fn too_long(input: &Input, line: u64, bytes: usize, beginning: &[u8], id: Option<String>) -> Draft {
    let rejection = Rejection {
        id,
        method: input.method.clone(),
        app: input.app.clone(),
        batch: Some(input.batch.clone()),
        faults: decode::too_long(bytes as u64, input.bytes_max).into_iter().collect(),
    };
    let row = Row {
        line,
        place: format!("{}:{line}", input.name),
        raw: Bytes::copy_from_slice(beginning.get(..decode::HEAD_BYTES).unwrap_or(beginning)),
        cells: None,
        input: Err(rejection),
        warnings: Vec::new(),
        returned: None,
        columns: None,
    };
    Draft { row, base: None }
}

/// The row's document with the id that was made for it.
fn with_id(row: &Row) -> Bytes {
    let id = match &row.input {
        Ok(job) => Some(&job.id),
        Err(rejection) => rejection.id.as_ref(),
    };
    // A document names a batch at least, so that there is something behind the comma.
    let (Some(id), Some(rest)) = (id, row.raw.strip_prefix(b"{")) else { return row.raw.clone() };
    let id = Value::from(id.as_str()).to_string();
    Bytes::from([b"{\"id\":", id.as_bytes(), b",", rest].concat())
}

/// The row's document with these parameters.
fn with_params(raw: &Bytes, params: &Params) -> Bytes {
    let Ok(mut document) = serde_json::from_slice::<Map<String, Value>>(raw) else { return raw.clone() };
    for (part, map) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
        if !map.is_empty() {
            document.insert(part.to_owned(), Value::Object(map.clone()));
        }
    }
    serde_json::to_vec(&document).map_or_else(|_| raw.clone(), Bytes::from)
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let row = match &mut self.source {
            Source::Csv(reader) => reader.next(&self.decoder, &self.input),
            Source::Jsonl(reader) => reader.next(&self.decoder, &self.input),
        };
        match row {
            Ok(Some(draft)) => {
                let row = self.finish(draft);
                self.over = row.is_err();
                Some(row)
            }
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.over = true;
                Some(Err(error))
            }
        }
    }
}

/// 128 bits of an id: a file of a million rows fits in memory, and no two ids of it meet by chance.
fn fingerprint(id: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, id).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// The source of a file failed.
fn unreadable(error: &io::Error) -> Rule {
    FileTrouble::FileUnreadable { error: error.to_string() }.into()
}

#[cfg(test)]
mod tests;
