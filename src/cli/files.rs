//! Files of jobs as people have them: where they are, how they are written, and their rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use paceline_tables::Reader;

use crate::domain::decode::Decoder;
use crate::domain::json::BOM;
use crate::domain::messages::{FileNote, FileTrouble};
use crate::domain::rows::{FileError, Format, Input, Layout, Mapping, Preview, Rows};
use crate::domain::time::Zone;
use crate::operations::files::{self, How, Named, SomeRows};
use crate::settings::Settings;

use super::exit::refuse;
use super::lang::Lang;

/// The name that stands for standard input.
const STDIN: &str = "-";
/// What standard input is called in messages and places.
const STDIN_NAME: &str = "stdin";

/// How files are written, where they do not tell by themselves.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct FileArgs {
    /// The sheet of a workbook [default: the first that is visible]
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// The row of the column names, counted from 1; rows above it are not read [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub header_row: Option<u64>,
    /// The encoding of text files, such as gb18030 or windows-1252 [default: told by their bytes]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// The time zone of dates without one, such as Asia/Shanghai or +08:00 [default: that of the settings]
    #[arg(long, value_name = "ZONE", value_parser = Zone::parse)]
    pub time_zone: Option<Zone>,
    /// What separates the columns of CSV files: one character, or tab [default: told by their header]
    #[arg(long, value_name = "CHARACTER", value_parser = separator)]
    pub delimiter: Option<u8>,
    /// A map file: which column is which parameter, constants, texts of several columns, words for values
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// Columns that say nothing of the jobs, as A,B; those whose names begin with # never do
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub ignore_columns: Vec<String>,
    /// The rows that are read, counted from 1 below the header, as 1-50
    #[arg(long, value_name = "FROM-TO", value_parser = rows)]
    pub rows: Option<RangeInclusive<u64>>,
    /// Only rows that have this value in this column; given several times, all must hold
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = wanted)]
    pub wanted: Vec<(String, String)>,
    /// The language of what is said of the files and their rows
    #[arg(long, value_enum, default_value_t)]
    pub lang: Lang,
}

fn rows(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), if last.trim().is_empty() { Some(u64::MAX) } else { number(last) }) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("expected the first and the last row, counted from 1, as 1-50, 7 or 100-".to_owned()),
    }
}

fn wanted(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("expected a column's name, = and a value")?;
    Ok((column.trim().to_owned(), value.trim().to_owned()))
}

pub(super) fn separator(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("expected one ASCII character that is no letter, digit or quote, or `tab`".to_owned()),
    }
}

impl FileArgs {
    /// What the reader of rows is told.
    pub(super) fn layout(&self, settings: &Settings) -> anyhow::Result<Layout> {
        let set = settings.files.time_zone.as_deref().filter(|_| self.time_zone.is_none());
        let set = set.map(Zone::parse).transpose();
        let zone = self.time_zone.clone().or(set.map_err(|why| refuse(format!("files.time_zone: {why}"), ""))?);
        let mapping = self.map.as_deref().map(mapping).transpose()?.map(Arc::new);
        Ok(Layout {
            zone,
            mapping,
            separator: self.delimiter,
            header_row: self.header_row,
            ignored: self.ignore_columns.clone(),
            rows: self.rows.clone(),
            wanted: self.wanted.clone(),
        })
    }
}

fn mapping(path: &Path) -> anyhow::Result<Mapping> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    Mapping::read(&name, &text)
        .map_err(|faults| refuse(FileError(faults).to_string(), "`paceline import` writes a map to begin with"))
}

/// A file that stays as it is while it is read, more than once.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Keeps the copy of standard input, which can be read only once.
    copy: Option<Reader>,
}

impl Place {
    /// The file at a path; `-` is standard input.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        if path != Path::new(STDIN) {
            return Ok(Self { path: path.to_owned(), copy: None });
        }
        // Without a name, so that nothing is left of it however the process ends.
        let mut copy = tempfile::tempfile().context("there is no place for a copy of standard input")?;
        io::copy(&mut io::stdin().lock(), &mut copy).context("standard input cannot be read")?;
        Ok(Self { path: path.to_owned(), copy: Some(copy.into()) })
    }

    /// What it is called in messages and places.
    pub(super) fn name(&self) -> String {
        if self.is_stdin() { STDIN_NAME.to_owned() } else { self.path.display().to_string() }
    }

    /// Whether it has no name of its own.
    pub(super) const fn is_stdin(&self) -> bool {
        self.copy.is_some()
    }

    /// Whether its first bytes can be seen only once.
    fn is_pipe(&self) -> bool {
        !self.is_stdin()
            && std::fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
    }

    /// Whether its first bytes are these, behind a byte order mark or without one; a pipe's are not looked at.
    pub(super) fn begins_with(&self, text: &str) -> anyhow::Result<bool> {
        if self.is_pipe() {
            return Ok(false);
        }
        let mut first = Vec::new();
        self.open()?.take(BOM.len() as u64 + text.len() as u64).read_to_end(&mut first)?;
        Ok(first.strip_prefix(BOM).unwrap_or(&first).starts_with(text.as_bytes()))
    }

    /// Its text, or why it is none.
    pub(super) fn text(&self, args: &FileArgs) -> anyhow::Result<Result<String, FileTrouble>> {
        let mut text = String::new();
        match paceline_tables::text(self.open()?, args.encoding.as_deref()) {
            Ok(mut found) => found.source.read_to_string(&mut text)?,
            Err(error) => return Ok(Err(files::unreadable(&error))),
        };
        Ok(Ok(text))
    }

    fn open(&self) -> anyhow::Result<Reader> {
        match &self.copy {
            Some(copy) => Ok(copy.again()),
            None => self.stream().map(Reader::from),
        }
    }

    fn stream(&self) -> anyhow::Result<File> {
        File::open(&self.path).with_context(|| format!("{} cannot be read", self.name()))
    }
}

/// How a file is written.
#[derive(Clone, Debug)]
pub(super) enum Written {
    /// A pipe under a file's name: it is read as it comes, as UTF-8.
    Stream {
        /// What its lines are.
        format: Format,
    },
    /// As its first bytes tell.
    Told(files::Written),
}

impl Written {
    /// Whether it is one sheet of several.
    pub(super) const fn is_workbook(&self) -> bool {
        matches!(self, Self::Told(written) if written.is_workbook())
    }

    /// Looks at the file.
    ///
    /// # Errors
    /// The outer one: it cannot be opened, or its name tells nothing. The inner one: what is wrong with it.
    pub(super) fn of(place: &Place, args: &FileArgs) -> anyhow::Result<Result<Self, FileTrouble>> {
        if place.is_pipe() {
            let format = Format::of(&place.name()).map_err(|message| refuse(message, "a pipe is CSV or JSONL"))?;
            return Ok(Ok(Self::Stream { format }));
        }
        let file = place.open()?;
        let named = if place.is_stdin() { Named::Nothing } else { Named::of(&place.name())? };
        let how = How { sheet: args.sheet.clone(), encoding: args.encoding.clone() };
        Ok(files::Written::of(file, &named, &how).map(Self::Told))
    }

    /// What a person should know of how the file is read, if it is not as usual. Of a CSV file the header is read for it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn notes(&self, place: &Place, input: &Input) -> anyhow::Result<Vec<FileNote>> {
        let Self::Told(written) = self else { return Ok(Vec::new()) };
        Ok(written.notes(place.open()?, input))
    }

    /// Starts to read the rows.
    ///
    /// # Errors
    /// The outer one: the file cannot be opened. The inner one: what is wrong with it or its header.
    pub(super) fn rows(
        &self,
        place: &Place,
        input: &Input,
        decoder: &Arc<Decoder>,
    ) -> anyhow::Result<Result<SomeRows, FileError>> {
        Ok(match self {
            Self::Stream { format } => {
                let source: Box<dyn BufRead + Send> = Box::new(BufReader::new(place.stream()?));
                Rows::open(Arc::clone(decoder), input.clone(), *format, source)
            }
            Self::Told(written) => written.rows(place.open()?, input, decoder),
        })
    }

    /// The beginning of a table.
    ///
    /// # Errors
    /// The outer one: the file cannot be opened, or has no columns. The inner one: what is wrong with it.
    pub(super) fn preview(
        &self,
        place: &Place,
        input: &Input,
        rows: usize,
    ) -> anyhow::Result<Result<Preview, FileError>> {
        match self {
            Self::Stream { .. } => Err(files::no_table(&input.name).into()),
            Self::Told(written) => Ok(written.preview(place.open()?, input, rows)?),
        }
    }
}
