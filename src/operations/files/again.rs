//! Rows that would create again what the ledger has, and rows that have changed since their job succeeded: neither is
//! sent before a person has looked at it.

use super::changes::{self, Changes};
use crate::domain::decode::Decoder;
use crate::domain::difference::Change;
use crate::domain::job::Job;
use crate::domain::rows::Row;
use crate::domain::update::Compared;
use crate::engine::ports::LedgerError;
use paceline_ports::State;
use paceline_ports::operator::{Repeat, Seeker, Sought};

/// Rows of a kind that are kept to be shown; a count says how many more there are.
const KEPT_MAX: usize = 50;

/// What is done with rows that changed after their job succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Nothing is sent at all.
    Stop,
    /// They are left alone.
    Keep,
    /// The objects are changed.
    Update,
}

/// Looks every row up in the ledger.
pub struct Again<'l> {
    seeker: Box<dyn Seeker + 'l>,
    decoder: &'l Decoder,
    allow_duplicates: bool,
    /// What is done with changed rows.
    pub on_change: OnChange,
    /// Rows that are jobs.
    pub rows: u64,
    /// Rows that would create again what is there, by the batch of that.
    pub twins: Vec<(String, Firsts<Twin>)>,
    /// Rows that are not what their jobs were done with.
    pub changed: Firsts<Changed>,
    /// Those of them that cannot be sent.
    pub impossible: Firsts<Changed>,
    /// What becomes of changed rows.
    pub changes: Changes,
    failed: Option<LedgerError>,
}

/// The first of some rows, and their number.
#[derive(Debug)]
pub struct Firsts<T> {
    /// How many there are.
    pub count: u64,
    /// The first.
    pub rows: Vec<T>,
}

impl<T> Default for Firsts<T> {
    fn default() -> Self {
        Self { count: 0, rows: Vec::new() }
    }
}

impl<T> Firsts<T> {
    fn add(&mut self, row: impl FnOnce() -> T) {
        self.count += 1;
        if self.rows.len() < KEPT_MAX {
            self.rows.push(row());
        }
    }
}

/// A row that would create something again.
#[derive(Clone, Debug)]
pub struct Twin {
    /// `file:line`.
    pub place: String,
    /// The line.
    pub line: u64,
    /// The job that has it or is about to create it.
    pub earlier: Repeat,
}

/// A row that is not what its job was done with.
#[derive(Clone, Debug)]
pub struct Changed {
    /// `file:line`.
    pub place: String,
    /// The line.
    pub line: u64,
    /// The job.
    pub earlier: Repeat,
    /// Field by field.
    pub changes: Vec<Change>,
    /// Why no update can be made of it.
    pub why: Option<String>,
}

impl<'l> Again<'l> {
    /// With `allow_duplicates` rows may create again what is there.
    pub fn new(
        seeker: Box<dyn Seeker + 'l>,
        decoder: &'l Decoder,
        allow_duplicates: bool,
        on_change: OnChange,
    ) -> Self {
        Self {
            seeker,
            decoder,
            allow_duplicates,
            on_change,
            rows: 0,
            twins: Vec::new(),
            changed: Firsts::default(),
            impossible: Firsts::default(),
            changes: Changes::default(),
            failed: None,
        }
    }

    /// Looks a row up; a ledger that cannot be read is told at the end.
    pub fn look(&mut self, row: &Row) {
        let Ok(job) = &row.input else { return };
        self.rows += 1;
        if self.on_change == OnChange::Update {
            self.changes.note(&job.id);
        }
        if self.failed.is_none() {
            self.failed = self.compare(row, job).err();
        }
    }

    /// Everything, if the ledger could be read.
    ///
    /// # Errors
    /// The ledger's.
    pub fn end(mut self) -> Result<Self, LedgerError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    fn compare(&mut self, row: &Row, job: &Job) -> Result<(), LedgerError> {
        let asked = Sought { job, is_row: true, by_content: !row.goes_by_object() };
        let (known, twin) = self.seeker.seek(asked)?;
        if let Some(known) = known
            && changes::may_differ(&*self.seeker, &known)?
        {
            match changes::compare(&*self.seeker, self.decoder, &known, job)? {
                Compared::Same => self.changes.settle(job, &*self.seeker)?,
                Compared::Changed { changes, update, superseded } => {
                    let (update, why) = match update {
                        Ok(update) => (update.map(|update| *update), None),
                        Err(why) => (None, Some(why)),
                    };
                    let line = || Changed {
                        place: row.place.clone(),
                        line: row.line,
                        earlier: known.clone(),
                        changes: changes.clone(),
                        why: why.clone(),
                    };
                    self.changed.add(line);
                    match self.on_change {
                        OnChange::Stop => {}
                        OnChange::Keep => self.changes.settle(job, &*self.seeker)?,
                        OnChange::Update if why.is_none() => self.changes.update(job, update, superseded),
                        OnChange::Update => self.impossible.add(line),
                    }
                }
            }
        }
        if let Some(twin) = twin.filter(|twin| !self.allow_duplicates && !is_gone(row, twin)) {
            let at = self.twins.iter().position(|(batch, _)| *batch == twin.batch).unwrap_or(self.twins.len());
            if at == self.twins.len() {
                self.twins.push((twin.batch.clone(), Firsts::default()));
            }
            self.twins[at].1.add(|| Twin { place: row.place.clone(), line: row.line, earlier: twin });
        }
        Ok(())
    }
}

/// Whether what the twin of a row has made is not there any more: only of what a listing does not have there is a row that
/// stands in no file.
pub(super) fn is_gone(row: &Row, twin: &Repeat) -> bool {
    row.line == 0 && twin.state == State::Succeeded
}
