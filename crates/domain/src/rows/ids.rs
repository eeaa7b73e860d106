//! Ids of rows that bring none, and rows that want one object twice: over all files of a command.
//!
//! A row is known by its content: its id is made of its batch and of what it wants, so that inserting, moving or deleting
//! rows changes nobody's. Jobs that were begun when an id was a row's number keep theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use super::returned::Changeable;
use super::{Input, Row, fingerprint};
use crate::catalog::{Catalog, Method};
use crate::checks::{Check, Finding, Severity};
use crate::decode::Decoder;
use crate::identity::{self, ObjectHash};
use crate::job::{Fault, Job, Rejection};
use crate::messages::Rule;
use crate::reason::Reason;

/// A job whose id is its batch and a row number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub object: ObjectHash,
    /// The content that it came with, and what a person made of it since.
    pub contents: Vec<Vec<u8>>,
}

/// The jobs that a ledger knows.
pub trait Known: Send {
    /// The numbered jobs of a batch.
    fn numbered(&mut self, batch: &str) -> Result<Vec<Numbered>, String>;
    /// What a content's hash is in [`Numbered::contents`].
    fn digest(&mut self, content: [u8; 32]) -> Vec<u8>;
    /// Whether a job has this id.
    fn has(&mut self, id: &str) -> Result<bool, String>;
    /// The ids of the jobs of a method that have this key.
    fn of_key(&mut self, method: &str, key: &str) -> Result<Vec<String>, String>;
    /// All ids of a batch.
    fn ids(&mut self, batch: &str) -> Result<Vec<String>, String>;
}

/// Gives rows their ids; one for all files that are read together.
#[derive(Clone, Default)]
pub struct RowIds(Arc<Mutex<Given>>);

/// Where a row stands.
#[derive(Clone, Debug)]
struct Place {
    file: Arc<str>,
    line: u64,
}

/// The first row that wants an object.
struct First {
    place: Place,
    brings_id: bool,
}

#[derive(Default)]
struct Given {
    allow_duplicates: bool,
    known: Option<Box<dyn Known>>,
    changeable: Changeable,
    numbered: HashMap<String, Unclaimed>,
    /// Ids that were made, without their numbers: the first row of each, and how many there are.
    made: HashMap<u128, (Place, usize)>,
    objects: HashMap<ObjectHash, First>,
}

/// Numbered jobs of a batch that no row has taken yet.
#[derive(Default)]
struct Unclaimed {
    jobs: Vec<Option<Numbered>>,
    by_content: HashMap<Vec<u8>, Vec<usize>>,
    by_object: HashMap<ObjectHash, Vec<usize>>,
}

/// What the id of a row without one is made of.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) batch: String,
    pub(super) object: ObjectHash,
}

impl Base {
    /// What a row's document is about; `None` if the document brings an id.
    pub(super) fn of(decoder: &Decoder, document: &Map<String, Value>, input: &Input) -> Option<Self> {
        if document.contains_key("id") {
            return None;
        }
        let batch = document.get("batch").and_then(Value::as_str).unwrap_or(&input.batch).to_owned();
        let (method, app) = (input.method.as_deref(), input.app.as_deref());
        Some(Self { batch, object: identity::of_document(&decoder.catalog, document, method, app) })
    }

    pub(super) fn id(&self) -> String {
        identity::row_id(&self.batch, self.object)
    }
}

impl RowIds {
    /// With `allow_duplicates` rows that want the same object get numbered ids; `known` is the ledger beside them.
    pub fn new(allow_duplicates: bool, known: Option<Box<dyn Known>>) -> Self {
        Self(Arc::new(Mutex::new(Given { allow_duplicates, known, ..Given::default() })))
    }

    /// Gives the row its id, and notes an earlier row that wants the same object.
    pub(super) fn settle(
        &self,
        file: &Arc<str>,
        row: &mut Row,
        base: Option<&Base>,
        catalog: &Catalog,
    ) -> Result<(), String> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place { file: Arc::clone(file), line: row.line };
        let mut brings_id = base.is_none();
        if let Some(base) = base {
            let id = match given.claim(base, row.input.as_ref().ok())? {
                Some(id) => {
                    brings_id = true;
                    id
                }
                None => given.make(base, row, &place, catalog),
            };
            set_id(row, id);
        }
        given.fit(row)?;
        given.note(row, place, brings_id, catalog);
        Ok(())
    }
}

impl Given {
    /// Refuses a row of an export that is not of its job.
    fn fit(&mut self, row: &mut Row) -> Result<(), String> {
        let (Some(known), Some(returned), Ok(job)) = (&mut self.known, &row.returned, &row.input) else {
            return Ok(());
        };
        if let Some(mut fault) = self.changeable.fault(job, returned, known.as_mut())? {
            fault.column = row.column_of(&fault.field);
            row.refuse(fault);
        }
        Ok(())
    }

    /// The id of the numbered job that the row is of: that of its very content, else of the same object.
    fn claim(&mut self, base: &Base, job: Option<&Job>) -> Result<Option<String>, String> {
        let Some(known) = &mut self.known else { return Ok(None) };
        if !self.numbered.contains_key(&base.batch) {
            self.numbered.insert(base.batch.clone(), Unclaimed::of(known.numbered(&base.batch)?));
        }
        let unclaimed = self.numbered.get_mut(&base.batch).filter(|unclaimed| !unclaimed.jobs.is_empty());
        Ok(unclaimed
            .and_then(|unclaimed| unclaimed.claim(base.object, job.map(|job| known.digest(job.content_hash())))))
    }

    fn make(&mut self, base: &Base, row: &mut Row, place: &Place, catalog: &Catalog) -> String {
        let id = base.id();
        let (first, count) = self.made.entry(fingerprint(&id)).or_insert_with(|| (place.clone(), 0));
        *count += 1;
        let (first, count) = (first.clone(), *count);
        if count == 1 {
            return id;
        }
        if !self.allow_duplicates {
            refuse_twin(row, &first, catalog);
        }
        format!("{id}-{count}")
    }

    /// Notes what the row creates. A row that would create it again is refused if neither brings an id, as two files of
    /// one content would.
    fn note(&mut self, row: &mut Row, place: Place, brings_id: bool, catalog: &Catalog) {
        let Ok(job) = &row.input else { return };
        let Some(object) = job.object else { return };
        match self.objects.get(&object) {
            None => drop(self.objects.insert(object, First { place, brings_id })),
            // Programs that write JSON know what they want; a spreadsheet's rows are easily copied.
            Some(first) if brings_id || first.brings_id => {
                if row.goes_by_object() && first.place.file == place.file {
                    let check = Check::Alike { line: first.place.line };
                    row.warnings.push(Finding {
                        severity: Severity::Warning,
                        field: String::new(),
                        column: None,
                        check,
                    });
                }
            }
            Some(_) if self.allow_duplicates => {}
            Some(first) => {
                let first = first.place.clone();
                refuse_twin(row, &first, catalog);
            }
        }
    }
}

impl Unclaimed {
    fn of(jobs: Vec<Numbered>) -> Self {
        let mut all = Self::default();
        for (index, job) in jobs.iter().enumerate() {
            for content in &job.contents {
                all.by_content.entry(content.clone()).or_default().push(index);
            }
            all.by_object.entry(job.object).or_default().push(index);
        }
        all.jobs = jobs.into_iter().map(Some).collect();
        all
    }

    fn claim(&mut self, object: ObjectHash, content: Option<Vec<u8>>) -> Option<String> {
        let same = content.and_then(|content| self.by_content.get(&content));
        let candidates = same.into_iter().chain(self.by_object.get(&object)).flatten().copied();
        let index = candidates.into_iter().find(|index| self.jobs.get(*index).is_some_and(Option::is_some))?;
        self.jobs.get_mut(index)?.take().map(|job| job.id)
    }
}

fn refuse_twin(row: &mut Row, first: &Place, catalog: &Catalog) {
    let Ok(job) = &row.input else { return };
    let method: Option<&Method> = catalog.job_method(&job.lane.method).map(AsRef::as_ref);
    let fields = method.filter(|method| !method.identity.is_empty());
    let place = first.to_string();
    let rule = match fields {
        Some(method) => Rule::WantsTheSame { place, fields: method.identity.clone() },
        None => Rule::WantsAllTheSame { place },
    };
    row.refuse(Fault::of(Reason::IdConflict, "", rule));
}

fn set_id(row: &mut Row, id: String) {
    match &mut row.input {
        Ok(job) => job.id = id,
        Err(rejection) => rejection.id = Some(id),
    }
}

impl Row {
    /// Whether what it wants tells it from others. A job that brings its id in a JSON document goes by its whole content:
    /// the program that wrote it tells them apart.
    pub fn goes_by_object(&self) -> bool {
        self.cells.is_some()
    }

    /// Makes it no job, for this fault too.
    pub(super) fn refuse(&mut self, fault: Fault) {
        match &mut self.input {
            Err(rejection) => rejection.faults.push(fault),
            Ok(job) => {
                self.input = Err(Rejection {
                    id: Some(job.id.clone()),
                    method: Some(job.lane.method.clone()),
                    app: Some(job.lane.app.clone()),
                    batch: job.batch.clone(),
                    faults: vec![fault],
                });
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}
