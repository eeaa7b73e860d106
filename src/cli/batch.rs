//! Files of jobs: what the commands that take them share. Every file is read row by row, and twice where something is
//! done with it: once to find every fault, once to take the rows over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::catalog::{Catalog, Method};
use crate::domain::checks::across::{Across, Earlier};
use crate::domain::checks::{self, Finding as Found, Severity};
use crate::domain::decode::Decoder;
use crate::domain::find::Names;
use crate::domain::job::{Fault, Identity, Job, LaneKey};
use crate::domain::printable::plain;
use crate::domain::rows::{FileError, Input, Row, RowIds, Rows};
use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use crate::settings::Settings;
use crate::wiring;
use paceline_ports::location::StoreUrl;
use paceline_ports::operator::Untouched;

use super::chained::{Broken, Chains};
use super::exit::refuse;
use super::files::{self, FileArgs, Place, Written};
use super::findings::Finding;

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
    written: Result<Written, String>,
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

impl BatchArgs {
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
            if let Ok(written) = &written
                && let Some(note) = written.note(&place, &input, decoder)?
            {
                writeln!(err, "note: {}: {note}", input.name)?;
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

impl Source {
    /// Starts to read the file; the inner error is what is wrong with it or its header.
    pub(super) fn rows(
        &self,
        decoder: &Arc<Decoder>,
        ids: &RowIds,
    ) -> anyhow::Result<Result<Rows<Box<dyn BufRead + Send>>, FileError>> {
        let rows = match &self.written {
            Ok(written) => written.rows(&self.place, &self.input, decoder)?,
            Err(message) => Err(files::fault(&self.input, message.clone())),
        };
        Ok(rows.map(|rows| rows.with_ids(ids).with_names(&self.names)))
    }
}

/// What a look at all files found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// All rows.
    pub rows: u64,
    /// Rows with a fault.
    pub bad_rows: u64,
    /// Faults, of rows and files.
    pub faults: u64,
    /// What a person should look at.
    pub warnings: u64,
    /// Files that could not be read to their end.
    pub bad_files: u64,
    /// Valid rows by lane.
    pub calls: BTreeMap<LaneKey, u64>,
    /// App and name of the users that valid rows are called as.
    pub users: BTreeSet<(String, String)>,
    /// Batches that the valid and invalid rows name, in order.
    pub batches: Vec<String>,
    /// Jobs that can never be sent, by id, because of what they wait for.
    pub never: HashMap<String, Vec<Fault>>,
}

impl Checked {
    /// Whether every row is a job.
    pub(super) fn is_valid(&self) -> bool {
        self.faults == 0
    }

    /// `3 faults in 2 of 200 rows`.
    pub(super) fn summary(&self) -> String {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        let warnings = match self.warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            warnings => format!(", {warnings} warnings"),
        };
        if self.is_valid() {
            return format!("{} {rows}, no fault{warnings}", self.rows);
        }
        let faults = if self.faults == 1 { "fault" } else { "faults" };
        match self.bad_files {
            0 => format!("{} {faults} in {} of {} {rows}{warnings}", self.faults, self.bad_rows, self.rows),
            1 => format!("{} {faults}{warnings}; a file could not be read to its end", self.faults),
            files => format!("{} {faults}{warnings}; {files} files could not be read to their end", self.faults),
        }
    }

    /// What to do about the faults, where rows with faults can be passed over in some way.
    pub(super) const fn cure(&self, rows: &'static str) -> &'static str {
        if self.bad_files > 0 {
            "correct what is said above; --skip-invalid does not help a file that cannot be read"
        } else {
            rows
        }
    }

    fn add(&mut self, (row, file): (&Row, &str), late: &[Found], found: Report<'_>) -> anyhow::Result<()> {
        self.rows += 1;
        let mut is_bad = false;
        let mut report = |finding: &Finding| match finding.severity {
            Severity::Fault => {
                is_bad = true;
                self.faults += 1;
                found(finding)
            }
            Severity::Warning => {
                self.warnings += 1;
                found(finding)
            }
        };
        let (id, batch) = match &row.input {
            Ok(job) => {
                *self.calls.entry(job.lane.clone()).or_default() += 1;
                if let Identity::User(user) = &job.identity {
                    self.users.insert((job.lane.app.clone(), user.clone()));
                }
                (Some(job.id.as_str()), &job.batch)
            }
            Err(rejection) => {
                let id = rejection.id.as_deref();
                rejection.faults.iter().try_for_each(|fault| report(&Finding::of_fault(row, file, id, fault)))?;
                (id, &rejection.batch)
            }
        };
        for finding in row.warnings.iter().chain(late) {
            report(&Finding::of_row(row, file, id, finding))?;
        }
        self.bad_rows += u64::from(is_bad);
        if let Some(batch) = batch
            && !self.batches.contains(batch)
        {
            self.batches.push(batch.clone());
        }
        Ok(())
    }

    fn add_chains(&mut self, Broken { findings, never }: Broken, found: Report<'_>) -> anyhow::Result<()> {
        self.faults += findings.len() as u64;
        self.bad_rows += findings.iter().map(|fault| &fault.place).collect::<BTreeSet<_>>().len() as u64;
        self.never = never;
        findings.iter().try_for_each(found)
    }

    fn add_file_faults(&mut self, error: &FileError, found: Report<'_>) -> anyhow::Result<()> {
        self.bad_files += 1;
        self.faults += error.0.len() as u64;
        error.0.iter().try_for_each(|fault| found(&Finding::of_file(fault)))
    }
}

/// Gets every finding.
pub(super) type Report<'a> = &'a mut dyn FnMut(&Finding) -> anyhow::Result<()>;

/// When files are looked at, and what was done before.
pub(super) struct Present {
    /// Now: what began in the past is a fault, unless its job is known. `None`: it is no matter.
    pub now: Option<Timestamp>,
    ledger: Option<Box<dyn Untouched>>,
    referred: Option<Box<dyn Untouched>>,
    /// Jobs that have or may get their objects, by lane and identity.
    objects: RefCell<HashMap<(LaneKey, Identity), u64>>,
}

impl Present {
    /// Beside a ledger, if there is one.
    pub(super) fn new(now: Option<Timestamp>, ledger: Option<Box<dyn Untouched>>) -> Self {
        Self { now, ledger, referred: None, objects: RefCell::default() }
    }

    /// The ledger beside which it is.
    pub(super) fn ledger(&self) -> Option<&dyn Untouched> {
        self.ledger.as_deref()
    }

    /// With a ledger that is looked at only for the jobs that rows refer to.
    #[must_use]
    pub(super) fn referring_to(self, referred: Option<Box<dyn Untouched>>) -> Self {
        Self { referred, ..self }
    }

    fn knows(&self, job: &Job) -> Result<bool, LedgerError> {
        self.ledger.as_ref().map_or(Ok(false), |ledger| ledger.knows(&job.id))
    }

    /// Whether there is a job of this id.
    fn has(&self, id: &str) -> Result<bool, LedgerError> {
        let ledger = self.ledger.as_ref().or(self.referred.as_ref());
        ledger.map_or(Ok(false), |ledger| ledger.knows(id))
    }

    fn past(&self, method: &Method, job: &Job) -> Result<Option<Found>, LedgerError> {
        let Some(found) = self.now.and_then(|now| checks::past(method, job, now)) else { return Ok(None) };
        Ok((!self.knows(job)?).then_some(found))
    }

    fn earlier(&self, job: &Job) -> Result<Earlier, LedgerError> {
        let Some(ledger) = &self.ledger else { return Ok(Earlier::default()) };
        let whose = (job.lane.clone(), job.identity.clone());
        let counted = self.objects.borrow().get(&whose).copied();
        let jobs = match counted {
            Some(jobs) => jobs,
            None => ledger.objects(&whose.0, &whose.1)?,
        };
        self.objects.borrow_mut().insert(whose, jobs);
        Ok(Earlier { is_known: self.knows(job)?, jobs })
    }
}

/// Reads every file to its end and reports every finding.
pub(super) fn check(
    sources: &[Source],
    decoder: &Arc<Decoder>,
    present: &Present,
    found: Report<'_>,
) -> anyhow::Result<Checked> {
    check_each(sources, decoder, present, found, &mut |_| Ok(()))
}

/// [`check`] that shows every row to `each`, too, and ends with its first error.
pub(super) fn check_each(
    sources: &[Source],
    decoder: &Arc<Decoder>,
    present: &Present,
    found: Report<'_>,
    each: &mut dyn FnMut(&Row) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let (mut checked, mut across) = (Checked::default(), Across::default());
    let mut chains = Chains::default();
    let ids = row_ids(sources);
    for source in sources {
        let file = source.input.name.as_str();
        across.end_file();
        let rows = match source.rows(decoder, &ids)? {
            Ok(rows) => rows,
            Err(error) => {
                checked.add_file_faults(&error, found)?;
                continue;
            }
        };
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    checked.add_file_faults(&error, found)?;
                    continue;
                }
            };
            each(&row)?;
            chains.add(&row, file);
            let late = seen_beside(&row, file, decoder, present, &mut across)?;
            checked.add((&row, file), &late, found)?;
        }
    }
    checked.add_chains(chains.end(&decoder.catalog, |id| present.has(id))?, found)?;
    for (file, line, finding) in across.end(&decoder.catalog) {
        checked.warnings += 1;
        found(&Finding::of_rows(&file, line, &finding))?;
    }
    Ok(checked)
}

/// What is found in a job that is right in itself: beside the clock, the ledger and the other rows.
fn seen_beside(
    row: &Row,
    file: &str,
    decoder: &Decoder,
    present: &Present,
    across: &mut Across,
) -> anyhow::Result<Vec<Found>> {
    let Ok(job) = &row.input else { return Ok(Vec::new()) };
    let Some(method) = decoder.catalog.job_method(&job.lane.method) else { return Ok(Vec::new()) };
    let mut late = across.add(method, job, row.line);
    if row.goes_by_object() {
        late.extend(across.add_look(method, job, row.line));
    }
    across.count(method, job, (file, row.line), || present.earlier(job))?;
    late.extend(present.past(method, job)?);
    Ok(late.into_iter().map(|finding| row.in_column(finding)).collect())
}
