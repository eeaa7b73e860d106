//! Files of jobs: what the commands that take them share. Every file is read row by row, and twice where something is
//! done with it: once to find every fault, once to take the rows over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Serialize;

use crate::domain::catalog::Catalog;
use crate::domain::decode::{Apps, Decoder};
use crate::domain::job::{Identity, LaneKey};
use crate::domain::reason::Reason;
use crate::domain::rows::{FileError, Format, Input, Row, Rows};
use crate::settings::Settings;
use crate::wiring;

use super::exit::refuse;
use super::table::plain;

/// How many faults are printed for people; programs get all.
pub const FAULTS_SHOWN_MAX: u64 = 20;

/// Files, and what stands in for what their rows leave out.
#[derive(Clone, Debug, clap::Args)]
pub struct BatchArgs {
    /// CSV or JSONL files of jobs
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The method of rows that name none
    #[arg(long)]
    pub method: Option<String>,
    /// The app of rows that name none
    #[arg(long)]
    pub app: Option<String>,
    /// The batch of rows that name none [default: the file's name without its ending]
    #[arg(long)]
    pub batch: Option<String>,
}

/// One file, as it will be read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// What stands in for what its rows leave out.
    pub input: Input,
}

impl BatchArgs {
    /// The files in order, each known by its name; the same file twice is refused, and so are a method or an app that
    /// nobody knows: said once, not for every row.
    pub fn sources(&self, decoder: &Decoder) -> anyhow::Result<Vec<Source>> {
        let faults = decoder.faults_of(self.method.as_deref(), self.app.as_deref());
        if !faults.is_empty() {
            let lines: Vec<_> = faults.iter().map(|fault| format!("--{}: {}", fault.field, fault.message)).collect();
            return Err(refuse(lines.join("\n"), ""));
        }
        let mut sources: Vec<Source> = Vec::new();
        for path in &self.files {
            if sources.iter().any(|source| source.path == *path) {
                return Err(refuse(format!("{} is named twice", path.display()), ""));
            }
            let name = path.display().to_string();
            let format = Format::of(&name)
                .map_err(|message| refuse(message, "a CSV file has a header, a JSONL file one job a line"))?;
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let batch = self.batch.clone().unwrap_or(stem);
            let input = Input { name, batch, method: self.method.clone(), app: self.app.clone() };
            sources.push(Source { path: path.clone(), format, input });
        }
        Ok(sources)
    }
}

impl Source {
    /// Starts to read the file; the inner error is what is wrong with its header.
    pub fn rows(&self, decoder: &Arc<Decoder>) -> anyhow::Result<Result<Rows<BufReader<File>>, FileError>> {
        let file = File::open(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
        Ok(Rows::open(Arc::clone(decoder), self.input.clone(), self.format, BufReader::new(file)))
    }
}

/// The decoder for files: with the apps of the settings, or any app if the settings have none or `is_rehearsal`.
pub fn decoder(settings: &Settings, catalog: &Arc<Catalog>, is_rehearsal: bool) -> Decoder {
    let apps = if is_rehearsal || settings.apps.is_empty() { Apps::Any } else { wiring::facts_of(settings, catalog) };
    Decoder { catalog: Arc::clone(catalog), apps }
}

/// One fault of one row, or of a file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowFault {
    /// `file:line`.
    pub place: String,
    /// The id of the row's job, if one could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The reason that its dead letter would have.
    pub reason: Reason,
    /// As the file names it; empty for the row or file as a whole.
    pub field: String,
    /// What was expected, and what stands there.
    pub message: String,
}

impl RowFault {
    /// `rooms.csv:17: body.capacity: expected …`, in one line.
    pub fn line(&self) -> String {
        let field = if self.field.is_empty() { String::new() } else { format!("{}: ", self.field) };
        plain(&format!("{}: {field}{}", self.place, self.message))
    }
}

/// What a look at all files found.
#[derive(Debug, Default)]
pub struct Checked {
    /// All rows.
    pub rows: u64,
    /// Rows with a fault.
    pub bad_rows: u64,
    /// Faults, of rows and files.
    pub faults: u64,
    /// Files that could not be read to their end.
    pub bad_files: u64,
    /// Valid rows by lane.
    pub calls: BTreeMap<LaneKey, u64>,
    /// App and name of the users that valid rows are called as.
    pub users: BTreeSet<(String, String)>,
    /// Batches that the valid and invalid rows name, in order.
    pub batches: Vec<String>,
}

impl Checked {
    /// Whether every row is a job.
    pub fn is_valid(&self) -> bool {
        self.faults == 0
    }

    /// `3 faults in 2 of 200 rows`.
    pub fn summary(&self) -> String {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        if self.is_valid() {
            return format!("{} {rows}, no fault", self.rows);
        }
        let faults = if self.faults == 1 { "fault" } else { "faults" };
        match self.bad_files {
            0 => format!("{} {faults} in {} of {} {rows}", self.faults, self.bad_rows, self.rows),
            1 => format!("{} {faults}; a file could not be read to its end", self.faults),
            files => format!("{} {faults}; {files} files could not be read to their end", self.faults),
        }
    }

    /// What to do about the faults, where rows with faults can be passed over in some way.
    pub const fn cure(&self, rows: &'static str) -> &'static str {
        if self.bad_files > 0 {
            "correct what is said above; --skip-invalid does not help a file that cannot be read"
        } else {
            rows
        }
    }

    fn add(&mut self, row: &Row, found: &mut dyn FnMut(&RowFault) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.rows += 1;
        let batch = match &row.input {
            Ok(job) => {
                *self.calls.entry(job.lane.clone()).or_default() += 1;
                if let Identity::User(user) = &job.identity {
                    self.users.insert((job.lane.app.clone(), user.clone()));
                }
                &job.batch
            }
            Err(rejection) => {
                self.bad_rows += 1;
                for fault in &rejection.faults {
                    self.faults += 1;
                    let (field, message) = (fault.field.clone(), fault.message.clone());
                    found(&RowFault {
                        place: row.place.clone(),
                        id: rejection.id.clone(),
                        reason: fault.reason,
                        field,
                        message,
                    })?;
                }
                &rejection.batch
            }
        };
        if let Some(batch) = batch
            && !self.batches.contains(batch)
        {
            self.batches.push(batch.clone());
        }
        Ok(())
    }

    fn add_file_fault(
        &mut self,
        error: FileError,
        found: &mut dyn FnMut(&RowFault) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.bad_files += 1;
        for text in error.0 {
            self.faults += 1;
            let (place, message) = text.split_once(": ").unwrap_or(("", &text));
            let (place, message) = (place.to_owned(), message.to_owned());
            found(&RowFault { place, id: None, reason: Reason::Malformed, field: String::new(), message })?;
        }
        Ok(())
    }
}

/// Reads every file to its end and reports every fault to `found`.
pub fn check(
    sources: &[Source],
    decoder: &Arc<Decoder>,
    found: &mut dyn FnMut(&RowFault) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    check_each(sources, decoder, found, &mut |_| {})
}

/// [`check`] that shows every row to `each`, too.
pub fn check_each(
    sources: &[Source],
    decoder: &Arc<Decoder>,
    found: &mut dyn FnMut(&RowFault) -> anyhow::Result<()>,
    each: &mut dyn FnMut(&Row),
) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    for source in sources {
        match source.rows(decoder)? {
            Err(error) => checked.add_file_fault(error, found)?,
            Ok(rows) => {
                for row in rows {
                    match row {
                        Ok(row) => {
                            each(&row);
                            checked.add(&row, found)?;
                        }
                        Err(error) => checked.add_file_fault(error, found)?,
                    }
                }
            }
        }
    }
    Ok(checked)
}

/// Prints faults for people: the first ones, then how many more there are.
#[derive(Debug, Default)]
pub struct FirstFaults {
    seen: u64,
}

impl FirstFaults {
    /// Prints a fault, if it is one of the first.
    pub fn print(&mut self, fault: &RowFault, out: &mut dyn Write) -> std::io::Result<()> {
        self.seen += 1;
        if self.seen <= FAULTS_SHOWN_MAX { writeln!(out, "{}", fault.line()) } else { Ok(()) }
    }

    /// Prints how many were left out.
    pub fn print_rest(&self, out: &mut dyn Write) -> std::io::Result<()> {
        match self.seen.saturating_sub(FAULTS_SHOWN_MAX) {
            0 => Ok(()),
            rest => writeln!(out, "… and {rest} more; `paceline validate --json` prints them all"),
        }
    }
}
