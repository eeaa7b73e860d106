//! Rows of an export that do not fit their jobs any more: a spreadsheet has changed their ids, or moved the result columns
//! against the others. Sent, they would create again what is there.

use std::collections::HashMap;

use super::exported::Returned;
use super::ids::Known;
use super::rewritten::{is_rewritten, may_be, number, shown_as};
use crate::job::{Fault, Job};
use crate::messages::{Got, Rule};
use crate::reason::Reason;

/// States of jobs that a row must belong to: what they wanted is there, or under way.
const PRESENT: [&str; 4] = ["succeeded", "queued", "uncertain", "held"];

/// The ids of each batch that a spreadsheet would change, with their numbers, in the order of these.
#[derive(Default)]
pub(super) struct Changeable(HashMap<String, Vec<(f64, String)>>);

impl Changeable {
    /// Why the row cannot be of the job with its id.
    pub(super) fn fault(
        &mut self,
        job: &Job,
        returned: &Returned,
        known: &mut dyn Known,
    ) -> Result<Option<Fault>, String> {
        let is_there = known.has(&job.id)?;
        if !returned.key.is_empty() {
            let owners = known.of_key(&job.lane.method, &returned.key)?;
            if let Some(owner) = owners.first().filter(|_| !owners.contains(&job.id)) {
                let is_moved = is_there && !may_be(&job.id, owner);
                return Ok(Some(if is_moved { moved(job, returned, owner) } else { changed(&job.id, owner) }));
            }
        }
        if is_there || returned.status.is_empty() {
            return Ok(None);
        }
        if let Some(was) = self.original(job, known)? {
            return Ok(Some(changed(&job.id, &was)));
        }
        Ok(PRESENT.contains(&returned.status.as_str()).then(|| stranger(job, returned)))
    }

    /// The id of the batch that a spreadsheet has made this one of.
    fn original(&mut self, job: &Job, known: &mut dyn Known) -> Result<Option<String>, String> {
        let Some((from, to)) = shown_as(&job.id) else { return Ok(None) };
        let batch = job.batch.as_deref().unwrap_or_default();
        if !self.0.contains_key(batch) {
            let ids = known.ids(batch)?.into_iter().filter(|id| is_rewritten(id));
            let mut ids: Vec<_> = ids.filter_map(|id| Some((number(&id)?, id))).collect();
            ids.sort_by(|left, right| left.0.total_cmp(&right.0));
            self.0.insert(batch.to_owned(), ids);
        }
        let ids = self.0.get(batch).map(Vec::as_slice).unwrap_or_default();
        let first = ids.partition_point(|(number, _)| *number < from);
        let rest = ids.get(first..).unwrap_or_default();
        let alike: Vec<&str> = rest.iter().take_while(|(number, _)| *number <= to).map(|(_, id)| id.as_str()).collect();
        Ok((!alike.is_empty()).then(|| alike.join(" or ")))
    }
}

fn changed(id: &str, was: &str) -> Fault {
    Fault::of(Reason::IdConflict, "id", Rule::IdsChanged)
        .got(Got::ChangedFrom { id: id.to_owned(), was: was.to_owned() })
}

fn moved(job: &Job, returned: &Returned, owner: &str) -> Fault {
    let got = Got::KeyOfAnother { key: returned.key.clone(), owner: owner.to_owned(), id: job.id.clone() };
    Fault::of(Reason::IdConflict, "id", Rule::ResultsMoved).got(got)
}

fn stranger(job: &Job, returned: &Returned) -> Fault {
    Fault::of(Reason::IdConflict, "id", Rule::NotInLedger).got(format!("{} ({})", job.id, returned.status))
}
