//! Dead letters corrected by a JSON merge patch and put back to work: all of them are validated before any is changed.

use axum::extract::State;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tracing::info;

use super::actor::Actor;
use super::body::Document;
use super::change::{Asked, PORTION, named, to_its_end};
use super::input::Fields;
use super::{Answer, Shared, answer};
use crate::domain::activity::By;
use crate::domain::edit::Patch;
use crate::operations::edit::{Edited, Plan, Planned};
use crate::operations::still_dead::{Kept, StillDead};
use paceline_ports::State as JobState;

/// Letters whose changes a dry run shows.
const SHOWN_MAX: usize = 20;

/// Corrects the selected letters. If one of them would not be valid, none is changed.
pub(super) async fn edit(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::of(&mut fields, &[JobState::Dead]);
    let patch = patch_of(&mut fields);
    fields.end()?;
    // Without a patch the fields have a fault.
    let Some(patch) = patch else { return Ok(answer::document(&Value::Null)) };
    let by = actor.by();
    to_its_end(async move {
        let letters = asked.letters(&shared).await?;
        let (count, now, inputs) = (letters.len(), shared.now(), shared.inputs());
        let plan = shared.books.read(move |ledger| Plan::of(ledger, &inputs, &letters, &patch, (true, now))).await?;
        let late: Vec<_> = plan.valid.iter().filter(|edit| edit.job.is_expired(now)).map(would_expire).collect();
        let mut document = json!({
            "count": count, "moved": 0, "unchanged": plan.unchanged, "changed": 0, "skipped": named(&late, "reason"),
            "skipped_count": late.len(), "dry_run": asked.dry_run,
        });
        let mut faults = plan.faults;
        if asked.dry_run {
            let shown = plan.valid.iter().take(SHOWN_MAX);
            let edits = shown.map(|edit| json!({"id": edit.letter.handle, "changes": edit.changes}));
            document["edits"] = edits.collect();
            if faults.is_empty() {
                document["moved"] = json!(plan.valid.len() - late.len());
            }
        } else if faults.is_empty() {
            let done = apply(&shared, &by, plan.valid).await?;
            info!(count, edited = done.edited, moved = done.redriven, "dead letters were edited over HTTP");
            document["moved"] = json!(done.redriven);
            document["changed"] = json!(done.changed);
            faults = done.refused;
        } else {
            document["skipped"] = json!([]);
            document["skipped_count"] = json!(0);
        }
        document["faults"] = named(&faults, "error");
        document["faults_count"] = json!(faults.len());
        Ok(answer::document(&document))
    })
    .await
}

fn patch_of(fields: &mut Fields) -> Option<Patch> {
    let Some(patch) = fields.value("patch") else {
        fields.missing("patch");
        return None;
    };
    match Patch::parse(patch.to_string().as_bytes()) {
        Ok(patch) => Some(patch),
        Err(error) => {
            fields.fault("patch", &error);
            None
        }
    }
}

fn would_expire(edit: &Planned) -> Kept {
    (edit.letter.handle.clone(), StillDead::ExpiredAsEdited)
}

async fn apply(shared: &Shared, by: &By, valid: Vec<Planned>) -> Result<Edited, answer::Fault> {
    let mut all = Edited::default();
    let (mut inputs, now) = (shared.inputs(), shared.now());
    let mut valid = valid.into_iter();
    loop {
        let portion: Vec<_> = valid.by_ref().take(PORTION).collect();
        if portion.is_empty() {
            break;
        }
        let plan = Plan { valid: portion, ..Plan::default() };
        let (done, given_back) = shared
            .books
            .change(by, move |ledger| {
                let done = Handle::current().block_on(plan.apply(ledger, &mut inputs, (true, now)))?;
                Ok((done, inputs))
            })
            .await?;
        inputs = given_back;
        all.edited += done.edited;
        all.redriven += done.redriven;
        all.changed += done.changed;
        all.late += done.late;
        all.refused.extend(done.refused);
    }
    inputs.close().await;
    shared.worker.engine.look_at_ledger();
    Ok(all)
}
