//! Dead letters corrected by a JSON merge patch: what it would do to each, then all of it at once.
//!
//! Decision: docs/decisions/0021-edited-jobs-and-selections.md

use std::sync::Arc;

use serde_json::{Map, Value};

use super::inputs::{Again, Inputs};
use super::still_dead::{Kept, StillDead};
use crate::domain::activity::Action;
use crate::domain::decode::Defaults;
use crate::domain::edit::{Change, Patch, changes, document_of};
use crate::domain::job::Job;
use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use paceline_ports::operator::{Commands, Edit, Letter, RejectedInput, Reports};

/// A letter whose patched document is a job.
pub struct Planned {
    /// The letter.
    pub letter: Letter,
    /// What it is now.
    pub job: Job,
    /// What the patch changes.
    pub changes: Vec<Change>,
    /// Set for an input that never became a job.
    input: Option<RejectedInput>,
}

/// What the patch does to the selection.
#[derive(Default)]
pub struct Plan {
    /// Those that are jobs then.
    pub valid: Vec<Planned>,
    /// How many already are as the patch wants them.
    pub unchanged: usize,
    /// Those that would not be valid, and why.
    pub faults: Vec<Kept>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Edited {
    /// Letters with new content.
    pub edited: usize,
    /// Of these, put back to work.
    pub redriven: usize,
    /// Changed by somebody else since they were selected, and left alone.
    pub changed: usize,
    /// Left dead, because their deadline has passed.
    pub late: usize,
    /// Inputs that the ledger refused, and why.
    pub refused: Vec<Kept>,
}

impl Plan {
    /// What the patch would do to these letters; `redrive` puts them back to work, which inputs that never became jobs need.
    pub fn of(
        ledger: &dyn Reports,
        inputs: &Inputs,
        letters: &[Letter],
        patch: &Patch,
        (redrive, now): (bool, Timestamp),
    ) -> Result<Self, LedgerError> {
        let mut plan = Self::default();
        for letter in letters {
            plan.add(ledger, inputs, letter, patch, (redrive, now))?;
        }
        Ok(plan)
    }

    /// How many of the valid ones would expire at once.
    pub fn late(&self, now: Timestamp) -> usize {
        self.valid.iter().filter(|edit| edit.job.is_expired(now)).count()
    }

    /// Writes the valid ones.
    pub async fn apply(
        self,
        ledger: &mut dyn Commands,
        inputs: &mut Inputs,
        (redrive, now): (bool, Timestamp),
    ) -> Result<Edited, LedgerError> {
        let mut done = Edited { late: self.late(now), ..Edited::default() };
        let mut edits = Vec::new();
        for Planned { letter, job, input, .. } in self.valid {
            // One that would expire at once stays dead, with its new content.
            let redrive = redrive && !job.is_expired(now);
            match input {
                None => edits.push(Edit { letter, job: Box::new(job), redrive }),
                Some(input) => match inputs.take_over(ledger, &letter, (input, job), (Action::Edit, now)).await? {
                    Again::Queued(_) | Again::Blocked | Again::Known => {
                        done.edited += 1;
                        done.redriven += 1;
                    }
                    Again::Refused(why) => done.refused.push((letter.handle, why)),
                },
            }
        }
        let planned = edits.len();
        let (written, queued) = ledger.edit_dead(edits, now)?;
        done.edited += written;
        done.redriven += queued.len();
        done.changed = planned - written;
        Ok(done)
    }

    fn add(
        &mut self,
        ledger: &dyn Reports,
        inputs: &Inputs,
        letter: &Letter,
        patch: &Patch,
        (redrive, now): (bool, Timestamp),
    ) -> Result<(), LedgerError> {
        let planned = if letter.is_input() {
            if !redrive {
                self.faults.push((letter.handle.clone(), StillDead::NeverAJob));
                return Ok(());
            }
            plan_input(ledger, inputs, letter, patch)?
        } else {
            plan_job(ledger, inputs, letter, patch, now)?
        };
        match planned {
            Ok(planned) if planned.changes.is_empty() => self.unchanged += 1,
            Ok(planned) => self.valid.push(planned),
            Err(why) => self.faults.push((letter.handle.clone(), why)),
        }
        Ok(())
    }
}

fn plan_job(
    ledger: &dyn Reports,
    inputs: &Inputs,
    letter: &Letter,
    patch: &Patch,
    now: Timestamp,
) -> Result<Result<Planned, StillDead>, LedgerError> {
    let Some(job) = ledger.dead_job(letter)? else {
        return Ok(Err(StillDead::Gone));
    };
    let method = inputs.decoder.catalog.job_method(&job.lane.method).map(Arc::as_ref);
    let before = document_of(&job, method, now);
    let mut after = before.clone();
    patch.apply(&mut after);
    let changes = changes(method, &before, &after);
    let filed = Defaults { is_filed: true, ..Defaults::default() };
    Ok(match inputs.decoder.read(after, &[], &filed) {
        Ok(job) => Ok(Planned { letter: letter.clone(), job, changes, input: None }),
        Err(rejection) => Err(StillDead::Invalid(rejection.faults)),
    })
}

fn plan_input(
    ledger: &dyn Reports,
    inputs: &Inputs,
    letter: &Letter,
    patch: &Patch,
) -> Result<Result<Planned, StillDead>, LedgerError> {
    let (input, before) = match Inputs::document(ledger, letter)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let mut after: Map<String, Value> = before.clone();
    patch.apply(&mut after);
    Ok(match inputs.read_edited(ledger, input, after.clone())? {
        Ok((input, job)) => {
            let method = inputs.decoder.catalog.job_method(&job.lane.method).map(Arc::as_ref);
            let changes = changes(method, &before, &after);
            Ok(Planned { letter: letter.clone(), job, changes, input: Some(input) })
        }
        Err(why) => Err(why),
    })
}
