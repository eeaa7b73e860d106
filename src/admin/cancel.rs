//! Queued jobs that shall not be sent.

use axum::extract::State;
use serde_json::json;
use tracing::info;

use super::actor::Actor;
use super::body::Document;
use super::change::{Asked, to_its_end};
use super::{Answer, Shared, answer};
use paceline_ports::State as JobState;

/// Cancels the selected jobs that are queued or blocked; one whose call is in flight ends by its reply.
pub(super) async fn cancel(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let asked = Asked::with_dependents(&mut fields, &[JobState::Queued, JobState::Blocked]);
    fields.end()?;
    let by = actor.by();
    to_its_end(async move {
        let (selection, dependents) = (asked.selection.clone(), asked.dependents);
        let selected = shared.books.read(move |ledger| ledger.cancellable(&selection, dependents)).await?;
        let count = selected.cancelled;
        asked.check(count)?;
        let mut done = selected;
        if !asked.dry_run {
            let (selection, now) = (asked.selection.clone(), shared.now());
            done = shared.books.change(&by, move |ledger| ledger.cancel(&selection, dependents, now)).await?;
            info!(count, cancelled = done.cancelled, "jobs were cancelled over HTTP");
        }
        Ok(answer::document(&json!({
            "count": count, "cancelled": done.cancelled, "running": done.running, "dry_run": asked.dry_run,
        })))
    })
    .await
}
