//! The rows of the files: which of them will be called, and which repeat what was wanted before.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;

use crate::domain::job::{Job, LaneKey};
use crate::domain::rows::Row;
use crate::domain::time::Timestamp;
use crate::engine::forecast::Group;
use crate::engine::ports::LedgerError;
use crate::store::operator::{Likeness, Repeat, Untouched, Wanted};
use crate::store::state::State;

/// Lane, batch, priority, not before, not after.
type Kind = (LaneKey, Option<String>, u8, Option<Timestamp>, Option<Timestamp>);

/// What will become of the rows.
#[derive(Debug, Default)]
pub struct PlannedRows {
    rows: Vec<PlannedRow>,
    wanted: Wanted,
    /// Each kind of job once, and its place.
    kinds: Vec<Kind>,
    of_kind: HashMap<Kind, usize>,
    repeats: Vec<Repeated>,
}

/// A valid row.
#[derive(Debug)]
struct PlannedRow {
    place: Box<str>,
    id: Box<str>,
    kind: usize,
    /// Whether it will be called.
    is_called: bool,
    /// Whether its id was known before.
    is_known: bool,
}

/// A row whose deadline has passed: its job would be dead without a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Late {
    /// `file:line`.
    pub place: String,
    /// The job's id.
    pub id: String,
    /// The deadline: the job's own, or that of its parameters.
    pub not_after: Timestamp,
}

/// A row that repeats an earlier job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// `file:line`.
    pub place: String,
    /// How.
    pub how: How,
    /// The earlier job's id.
    pub earlier_id: String,
    /// Its batch; empty if none.
    pub earlier_batch: String,
    /// Its state in the ledger; absent for a row of these files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_state: Option<State>,
    /// Its place; absent for a job of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier_place: Option<String>,
}

/// How a row repeats an earlier job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The same id, the same content: nothing is done twice.
    Known,
    /// The same id for other content: a dead letter.
    IdConflict,
    /// The same content under another id: probably created twice.
    Duplicate,
}

impl PlannedRows {
    /// Notes a row of the files.
    pub fn add(&mut self, row: &Row) {
        let Ok(job) = &row.input else { return };
        let (number, content) = (self.rows.len(), job.content_hash());
        let kind = self.kind(job);
        let (place, id) = (row.place.as_str().into(), job.id.as_str().into());
        let mut planned = PlannedRow { place, id, kind, is_called: true, is_known: false };
        match self.wanted.ids.entry(job.id.as_str().into()) {
            Entry::Occupied(earlier) => {
                let earlier = *earlier.get();
                let how = if self.wanted.of_row[earlier] == content { How::Known } else { How::IdConflict };
                (planned.is_called, planned.is_known) = (false, true);
                self.repeat_row(row, how, earlier);
            }
            Entry::Vacant(place) => {
                place.insert(number);
                match self.wanted.contents.get(&content).copied() {
                    Some(earlier) => self.repeat_row(row, How::Duplicate, earlier),
                    None => drop(self.wanted.contents.insert(content, number)),
                }
            }
        }
        self.wanted.of_row.push(content);
        self.rows.push(planned);
    }

    /// Looks for the rows in the ledger.
    pub fn look_into(&mut self, ledger: &Untouched) -> Result<(), LedgerError> {
        let mut found = Vec::new();
        ledger.repeats(&self.wanted, |repeat| found.push(repeat))?;
        for repeat in &found {
            self.settle(repeat);
        }
        let of_known = |repeat: &Repeat| repeat.likeness == Likeness::Twin && self.rows[repeat.row].is_known;
        let repeated = found.iter().filter(|repeat| !of_known(repeat)).map(|repeat| Repeated {
            place: self.rows[repeat.row].place.to_string(),
            how: match repeat.likeness {
                Likeness::Same => How::Known,
                Likeness::IdConflict => How::IdConflict,
                Likeness::Twin => How::Duplicate,
            },
            earlier_id: repeat.id.clone(),
            earlier_batch: repeat.batch.clone(),
            earlier_state: Some(repeat.state),
            earlier_place: None,
        });
        let repeated: Vec<_> = repeated.collect();
        self.repeats.extend(repeated);
        Ok(())
    }

    /// What a start makes of a row whose id is known: only what ended without success is put to work again.
    fn settle(&mut self, repeat: &Repeat) {
        let row = &mut self.rows[repeat.row];
        match repeat.likeness {
            Likeness::Same => {
                row.is_known = true;
                row.is_called = matches!(repeat.state, State::Dead | State::Cancelled);
            }
            Likeness::IdConflict => (row.is_known, row.is_called) = (true, false),
            Likeness::Twin => {}
        }
    }

    /// The jobs that the files add, those of a kind together, younger than any of the ledger.
    pub fn groups(&self, younger_than: i64) -> Vec<Group> {
        let mut groups: Vec<Option<Group>> = vec![None; self.kinds.len()];
        for (row, age) in self.rows.iter().zip(younger_than + 1..).filter(|(row, _)| row.is_called) {
            let new = || {
                let (lane, batch, priority, not_before, not_after) = &self.kinds[row.kind];
                Group {
                    lane: lane.clone(),
                    batch: batch.as_deref().unwrap_or_default().into(),
                    priority: *priority,
                    not_before: *not_before,
                    not_after: *not_after,
                    ages: (age, age),
                    count: 0,
                }
            };
            let group = groups[row.kind].get_or_insert_with(new);
            group.ages.1 = age;
            group.count += 1;
        }
        groups.into_iter().flatten().collect()
    }

    /// Rows that would be called, were it not too late.
    pub fn late(&self, now: Timestamp) -> Vec<Late> {
        let late = |row: &PlannedRow| {
            let not_after = self.kinds[row.kind].4.filter(|at| row.is_called && *at <= now)?;
            Some(Late { place: row.place.to_string(), id: row.id.to_string(), not_after })
        };
        self.rows.iter().filter_map(late).collect()
    }

    /// Rows that repeat something, in the order in which they were found: first those that repeat a row of the files.
    pub fn repeats(&self) -> &[Repeated] {
        &self.repeats
    }

    fn kind(&mut self, job: &Job) -> usize {
        let kind = (job.lane.clone(), job.batch.clone(), job.priority, job.not_before, job.not_after);
        match self.of_kind.entry(kind) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.kinds.push(new.key().clone());
                *new.insert(self.kinds.len() - 1)
            }
        }
    }

    fn repeat_row(&mut self, row: &Row, how: How, earlier: usize) {
        let earlier = &self.rows[earlier];
        self.repeats.push(Repeated {
            place: row.place.clone(),
            how,
            earlier_id: earlier.id.to_string(),
            earlier_batch: self.kinds[earlier.kind].1.clone().unwrap_or_default(),
            earlier_state: None,
            earlier_place: Some(earlier.place.to_string()),
        });
    }
}
