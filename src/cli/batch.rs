//! Files of jobs: what the commands that take them share. Every file is read row by row, and twice where something is
//! done with it: once to find every fault, once to take the rows over.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::catalog::Catalog;
use crate::domain::decode::Decoder;
use crate::domain::find::Names;
use crate::domain::messages::{FileNote, FileTrouble, Language};
use crate::domain::printable::plain;
use crate::domain::rows::{FileError, Input, Row, RowIds};
use crate::operations::files::{self, Beside, RowSource, SomeRows};
pub(super) use crate::operations::files::{Checked, Present};
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::location::StoreUrl;

use super::exit::refuse;
use super::files::{FileArgs, Place, Written};
use super::names::LookUps;
use super::said;

/// How many faults are printed for people; programs get all.
pub(super) const FAULTS_SHOWN_MAX: u64 = 20;

/// Files, and what stands in for what their rows leave out.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BatchArgs {
    /// CSV files, workbooks or JSONL files of jobs; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub written: FileArgs,
    /// The method of rows that name none
    #[arg(long)]
    pub method: Option<String>,
    /// The app of rows that name none
    #[arg(long)]
    pub app: Option<String>,
    /// The batch of rows that name none [default: the file's name without its ending]
    #[arg(long)]
    pub batch: Option<String>,
    /// Let rows create again what another row or an earlier job creates
    #[arg(long)]
    pub allow_duplicates: bool,
}

/// One file, as it will be read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: PathBuf,
    place: Place,
    /// How it is written, or what is wrong with it.
    written: Result<Written, FileTrouble>,
    /// What stands in for what its rows leave out.
    pub input: Input,
    /// What is known of the names in its rows.
    pub names: Names,
    ids: IdRule,
}

/// How rows that bring no id get one.
#[derive(Clone, Debug)]
struct IdRule {
    allow_duplicates: bool,
    /// Where jobs of theirs may be known by row numbers.
    ledger: Option<StoreUrl>,
    catalog: Arc<Catalog>,
}

/// What gives rows their ids, new for each reading of the files.
pub(super) fn row_ids(sources: &[Source]) -> RowIds {
    let Some(IdRule { allow_duplicates, ledger, catalog }) = sources.first().map(|source| source.ids.clone()) else {
        return RowIds::default();
    };
    let known = ledger.map(|ledger| wiring::known_jobs(ledger, catalog));
    RowIds::new(allow_duplicates, known)
}

/// Says how a file is read, if that is not as usual.
pub(super) fn tell(err: &mut dyn Write, notes: &Vec<FileNote>, name: &str, language: Language) -> std::io::Result<()> {
    if notes.is_empty() { Ok(()) } else { writeln!(err, "{}", said::note(name, notes, language)) }
}

impl BatchArgs {
    /// The language of what is said of the files.
    pub(super) fn language(&self) -> Language {
        self.written.lang.into()
    }

    /// The files in order, each known by its name; the same file twice is refused, and so are a method or an app that
    /// nobody knows: said once, not for every row. `ledger` is where their jobs may be known already. How a file is read is
    /// told to `err` where it is not as usual.
    pub(super) fn sources(
        &self,
        err: &mut dyn Write,
        decoder: &Arc<Decoder>,
        settings: &Settings,
        ledger: Option<&StoreUrl>,
    ) -> anyhow::Result<Vec<Source>> {
        let faults = decoder.faults_of(self.method.as_deref(), self.app.as_deref());
        if !faults.is_empty() {
            let lines: Vec<_> = faults.iter().map(|fault| format!("--{}: {}", fault.field, fault.message())).collect();
            return Err(refuse(lines.join("\n"), ""));
        }
        let mut sources: Vec<Source> = Vec::new();
        for path in &self.files {
            if sources.iter().any(|source| source.path == *path) {
                return Err(refuse(format!("{} is named twice", path.display()), ""));
            }
            let place = Place::of(path)?;
            let name = plain(&place.name());
            if path.is_dir() {
                return Err(refuse(format!("{name} is a folder"), "name the files in it"));
            }
            if place.is_stdin() && self.batch.is_none() {
                return Err(refuse("standard input has no name for its batch", "give one with --batch"));
            }
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let batch = self.batch.clone().unwrap_or(stem);
            let (method, app) = (self.method.clone(), self.app.clone());
            let (bytes_max, layout) = (settings.intake.body_bytes_max, self.written.layout(settings)?);
            let input = Input { name, batch, method, app, bytes_max, layout };
            let ids = IdRule {
                allow_duplicates: self.allow_duplicates,
                ledger: ledger.cloned(),
                catalog: Arc::clone(&decoder.catalog),
            };
            let written = Written::of(&place, &self.written)?;
            if let Ok(written) = &written {
                tell(err, &written.notes(&place, &input)?, &input.name, self.language())?;
            }
            let names = Names::default();
            sources.push(Source { path: path.clone(), place, written, input, names, ids });
        }
        let is_text = |source: &Source| source.written.as_ref().is_ok_and(|written| !written.is_workbook());
        if self.written.sheet.is_some() && sources.iter().all(is_text) {
            let names: Vec<_> = sources.iter().map(|source| source.input.name.as_str()).collect();
            return Err(refuse(format!("--sheet: {} has no sheets", names.join(", ")), "leave --sheet out"));
        }
        Ok(sources)
    }
}

impl RowSource for Source {
    type Error = anyhow::Error;

    fn input(&self) -> &Input {
        &self.input
    }

    fn rows(&self, decoder: &Arc<Decoder>, ids: &RowIds) -> anyhow::Result<Result<SomeRows, FileError>> {
        let rows = match &self.written {
            Ok(written) => written.rows(&self.place, &self.input, decoder)?,
            Err(trouble) => Err(files::fault(&self.input, trouble)),
        };
        Ok(rows.map(|rows| rows.with_ids(ids).with_names(&self.names)))
    }
}

/// Gets every finding.
pub(super) type Report<'a> = files::Report<'a, anyhow::Error>;

/// Reads every file to its end, reports every finding, looks names up and shows every row to `each`, and ends with its first
/// error.
pub(super) fn check_each(
    sources: &[Source],
    decoder: &Arc<Decoder>,
    (present, names): (&Present, &mut LookUps<'_>),
    found: Report<'_>,
    each: &mut dyn FnMut(&Row) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let ids = &row_ids(sources);
    files::check(sources, Beside { decoder, ids, present }, names, found, each)
}
