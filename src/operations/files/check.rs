//! What is wrong with the rows of files: each alone, all together, and beside the clock and the ledger.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;
use std::sync::Arc;

use super::chained::{Broken, Chains};
use super::finding::Finding;
use super::names::NameRows;
use crate::domain::catalog::{Catalog, Method};
use crate::domain::checks::across::{Across, Earlier};
use crate::domain::checks::{self, Finding as Found, Severity};
use crate::domain::decode::Decoder;
use crate::domain::job::{Fault, Identity, Job, LaneKey};
use crate::domain::rows::{FileError, Input, Row, RowIds, Rows};
use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use paceline_ports::operator::Untouched;

/// The rows of a file, wherever it lies.
pub type SomeRows = Rows<Box<dyn BufRead + Send>>;

/// A file whose rows can be read, as often as it is wanted.
pub trait RowSource {
    /// Why it cannot be opened.
    type Error;

    /// What stands in for what its rows leave out.
    fn input(&self) -> &Input;

    /// Starts to read it; the inner error is what is wrong with it or its header.
    ///
    /// # Errors
    /// It cannot be opened.
    fn rows(&self, decoder: &Arc<Decoder>, ids: &RowIds) -> Result<Result<SomeRows, FileError>, Self::Error>;
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
    /// What a person should look at.
    pub warnings: u64,
    /// Files that could not be read to their end.
    pub bad_files: u64,
    /// Valid rows by lane.
    pub calls: BTreeMap<LaneKey, u64>,
    /// Lanes of valid rows about which somebody decides after their calls.
    left_open: BTreeSet<LaneKey>,
    /// App and name of the users that valid rows are called as.
    pub users: BTreeSet<(String, String)>,
    /// Batches that the valid and invalid rows name, in order.
    pub batches: Vec<String>,
    /// Jobs that can never be sent, by id, because of what they wait for.
    pub never: HashMap<String, Vec<Fault>>,
}

impl Checked {
    /// Whether every row is a job.
    pub fn is_valid(&self) -> bool {
        self.faults == 0
    }

    /// Lanes of whose rows none is left open by its call.
    pub fn decided_at_once(&self) -> BTreeSet<LaneKey> {
        self.calls.keys().filter(|lane| !self.left_open.contains(lane)).cloned().collect()
    }

    fn note_left_open(&mut self, row: &Row, catalog: &Catalog) {
        let Ok(job) = &row.input else { return };
        if let Some(method) = catalog.job_method(&job.lane.method)
            && let Some(decides) = &method.decides
            && decides.is_left_open(method, &job.params)
        {
            self.left_open.insert(job.lane.clone());
        }
    }

    fn add<E>(&mut self, (row, file): (&Row, &str), late: &[Found], found: Report<'_, E>) -> Result<(), E> {
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

    fn add_chains<E>(&mut self, Broken { findings, never }: Broken, found: Report<'_, E>) -> Result<(), E> {
        self.faults += findings.len() as u64;
        self.bad_rows += findings.iter().map(|fault| &fault.place).collect::<BTreeSet<_>>().len() as u64;
        self.never = never;
        findings.iter().try_for_each(found)
    }

    fn add_file_faults<E>(&mut self, error: &FileError, found: Report<'_, E>) -> Result<(), E> {
        self.bad_files += 1;
        self.faults += error.0.len() as u64;
        error.0.iter().try_for_each(|fault| found(&Finding::of_file(fault)))
    }
}

/// Gets every finding.
pub type Report<'a, E> = &'a mut dyn FnMut(&Finding) -> Result<(), E>;

/// When files are looked at, and what was done before.
pub struct Present {
    /// Now: what began in the past is a fault, unless its job is known. `None`: it is no matter.
    pub now: Option<Timestamp>,
    ledger: Option<Box<dyn Untouched>>,
    referred: Option<Box<dyn Untouched>>,
    /// Jobs that have or may get their objects, by lane and identity.
    objects: RefCell<HashMap<(LaneKey, Identity), u64>>,
}

impl Present {
    /// Beside a ledger, if there is one.
    pub fn new(now: Option<Timestamp>, ledger: Option<Box<dyn Untouched>>) -> Self {
        Self { now, ledger, referred: None, objects: RefCell::default() }
    }

    /// The ledger beside which it is.
    pub fn ledger(&self) -> Option<&dyn Untouched> {
        self.ledger.as_deref()
    }

    /// With a ledger that is looked at only for the jobs that rows refer to.
    #[must_use]
    pub fn referring_to(self, referred: Option<Box<dyn Untouched>>) -> Self {
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

/// Rows whose names are looked up together.
const NAMED_TOGETHER: usize = 500;

/// Beside what files are looked at.
pub struct Beside<'a> {
    /// How rows are read.
    pub decoder: &'a Arc<Decoder>,
    /// What gives them their ids.
    pub ids: &'a RowIds,
    /// The clock and the ledger.
    pub present: &'a Present,
}

/// Reads every file to its end, reports every finding and shows every row; ends with the first error of whom it reports to.
///
/// # Errors
/// A file that cannot be opened, the ledger's, and those of `found` and `each`.
pub fn check<S: RowSource, E>(
    sources: &[S],
    Beside { decoder, ids, present }: Beside<'_>,
    names: &mut dyn NameRows<E>,
    found: Report<'_, E>,
    each: &mut dyn FnMut(&Row) -> Result<(), E>,
) -> Result<Checked, E>
where
    E: From<LedgerError> + From<S::Error>,
{
    let (mut checked, mut across) = (Checked::default(), Across::default());
    let mut chains = Chains::default();
    for source in sources {
        let file = source.input().name.as_str();
        across.end_file();
        let mut rows = match source.rows(decoder, ids)? {
            Ok(rows) => rows,
            Err(error) => {
                checked.add_file_faults(&error, found)?;
                continue;
            }
        };
        loop {
            let mut some: Vec<_> = rows.by_ref().take(NAMED_TOGETHER).collect();
            if some.is_empty() {
                break;
            }
            names.of_rows(&mut some.iter_mut().filter_map(|row| row.as_mut().ok()).collect::<Vec<_>>())?;
            for row in some {
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
                checked.note_left_open(&row, &decoder.catalog);
                checked.add((&row, file), &late, found)?;
            }
        }
    }
    for row in names.levels() {
        each(row)?;
        chains.add(row, &row.place);
        checked.add((row, &row.place), &[], found)?;
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
) -> Result<Vec<Found>, LedgerError> {
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
