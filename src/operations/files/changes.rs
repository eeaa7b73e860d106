//! What becomes of rows whose jobs have succeeded: nothing, or an update of what they created.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::catalog::Method;
use crate::domain::decode::Decoder;
use crate::domain::job::{Fault, Job, Rejection};
use crate::domain::rows::Row;
use crate::domain::time::Timestamp;
use crate::domain::update::{self, Compared, Earlier, Prepared, Stage};
use crate::engine::ports::LedgerError;
use paceline_ports::State;
use paceline_ports::operator::{Commands, Likeness, Repeat, Seeker, Selection};

use super::check::Checked;
use crate::operations::refused::Refused;

/// Rows that are something else than new jobs, by their ids.
#[derive(Debug, Default)]
pub struct Changes {
    updates: HashMap<String, Prepared>,
    /// The platform has, or will have, what they say; or they are left alone.
    settled: HashSet<String>,
    /// Updates that wait and are not wanted any more.
    superseded: Vec<String>,
    /// The batches of updates, new and old.
    batches: BTreeSet<String>,
    /// The jobs of all rows.
    rows: HashSet<String>,
    /// Jobs that can never be sent, because of what they wait for.
    never: HashMap<String, Vec<Fault>>,
}

/// Whether the platform may have something else than the row says: its job succeeded with other content, or updates
/// came after it.
pub fn may_differ(seeker: &dyn Seeker, known: &Repeat) -> Result<bool, LedgerError> {
    Ok(known.state == State::Succeeded
        && match known.likeness {
            Likeness::IdConflict => true,
            Likeness::Same => !seeker.updates(&known.id)?.is_empty(),
            Likeness::Corrected | Likeness::Twin => false,
        })
}

/// Compares a row with what the platform has of its job.
pub fn compare(seeker: &dyn Seeker, decoder: &Decoder, known: &Repeat, now: &Job) -> Result<Compared, LedgerError> {
    let Some(before) = seeker.job(&known.id)? else {
        let update = Err("the ledger is of an earlier version: its worker has to be started once".to_owned());
        return Ok(Compared::Changed { changes: Vec::new(), update, superseded: Vec::new() });
    };
    let earlier = seeker.updates(&known.id)?.into_iter().map(|(job, state)| Earlier { job, stage: stage(state) });
    let earlier: Vec<_> = earlier.collect();
    Ok(update::compare(decoder, &before, known.key.as_deref(), &earlier, now))
}

/// What the platform has of a job's object, as far as the ledger knows.
pub fn done(seeker: &dyn Seeker, method: &Method, id: &str, key: &str, before: &Job) -> Result<Job, LedgerError> {
    let earlier = seeker.updates(id)?.into_iter().map(|(job, state)| Earlier { job, stage: stage(state) });
    Ok(update::done(method, before, key, &earlier.collect::<Vec<_>>()))
}

const fn stage(state: State) -> Stage {
    match state {
        State::Succeeded => Stage::Done,
        State::Queued | State::Blocked => Stage::Waiting,
        State::Uncertain | State::Held => Stage::Unclear,
        State::Dead | State::Cancelled => Stage::Gone,
    }
}

impl Changes {
    /// Notes that a job is one of the rows.
    pub fn note(&mut self, id: &str) {
        self.rows.insert(id.to_owned());
    }

    /// Whether one of the rows is this job.
    pub fn has_row(&self, id: &str) -> bool {
        self.rows.contains(id)
    }

    /// Leaves the row's job alone; updates that wait for it go on.
    pub fn settle(&mut self, job: &Job, seeker: &dyn Seeker) -> Result<(), LedgerError> {
        self.settled.insert(job.id.clone());
        let waits = |(_, state): &(Job, State)| matches!(state, State::Queued | State::Blocked | State::Uncertain);
        let waiting = seeker.updates(&job.id)?.into_iter().filter(waits);
        self.batches.extend(waiting.filter_map(|(job, _)| job.batch));
        Ok(())
    }

    /// Sends an update in the place of the row, or nothing at all but takes back the updates that wait.
    pub fn update(&mut self, job: &Job, update: Option<Prepared>, superseded: Vec<String>) {
        self.superseded.extend(superseded);
        if let Some(update) = update {
            self.batches.extend(update.job.batch.clone());
            self.updates.insert(job.id.clone(), update);
        } else {
            self.settled.insert(job.id.clone());
        }
    }

    /// Lets these jobs be dead letters, as rows that are no jobs are.
    pub fn leave_out(&mut self, never: HashMap<String, Vec<Fault>>) {
        self.never = never;
    }

    /// Whether the row's job can never be sent, because of what it waits for.
    pub fn leaves_out(&self, row: &Row) -> bool {
        row.input.as_ref().is_ok_and(|job| self.never.contains_key(&job.id))
    }

    /// What is taken over for a row; `None` if there is nothing to do.
    pub fn of_row(&self, mut row: Row) -> Option<Row> {
        let Ok(job) = &row.input else { return Some(row) };
        if self.settled.contains(&job.id) {
            return None;
        }
        if let Some(Prepared { job, document }) = self.updates.get(&job.id) {
            row.input = Ok(job.clone());
            row.raw = document.clone().into();
            // The row stays that of the job which created the object.
            row.cells = None;
        } else if let Some(faults) = self.never.get(&job.id) {
            let (id, lane, batch) = (Some(job.id.clone()), &job.lane, job.batch.clone());
            let (method, app, faults) = (Some(lane.method.clone()), Some(lane.app.clone()), faults.clone());
            row.input = Err(Rejection { id, method, app, batch, faults });
        }
        Some(row)
    }

    /// Counts the updates among the calls.
    pub fn add_to(&self, checked: &mut Checked) {
        let mut lanes = BTreeMap::new();
        for update in self.updates.values() {
            *lanes.entry(update.job.lane.clone()).or_insert(0_u64) += 1;
        }
        for (lane, count) in lanes {
            *checked.calls.entry(lane).or_default() += count;
        }
        checked.batches.extend(self.batches.iter().cloned());
    }

    /// Whether updates wait that are not wanted any more.
    pub const fn supersedes(&self) -> bool {
        !self.superseded.is_empty()
    }

    /// Cancels the updates that newer ones take the place of.
    ///
    /// # Errors
    /// One of them is being sent; or the ledger's.
    pub fn supersede<E>(&self, operator: &mut dyn Commands, now: Timestamp) -> Result<(), E>
    where
        E: From<LedgerError> + From<Refused>,
    {
        for id in &self.superseded {
            if operator.cancel(&Selection::of_id(id), false, now)?.cancelled == 0 {
                let error = format!("the update {id} is being sent, and is not wanted any more");
                return Err(Refused::new(error, "run the file again when it is over").into());
            }
        }
        Ok(())
    }
}
