//! A person says what became of a held job.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use tracing::info;

use super::actor::Actor;
use super::answer::{self, Fault};
use super::body::Document;
use super::change::to_its_end;
use super::input::{Fields, Id};
use super::{Answer, Shared, jobs};
use crate::domain::segment::leads_elsewhere;
use crate::operations::verdict::state_after;
use paceline_ports::operator::Resolution;

/// Resolves one job.
pub(super) async fn resolve(State(shared): State<Shared>, actor: Actor, Id(id): Id, document: Document) -> Answer {
    let resolution = resolution(document.fields()?)?;
    let by = actor.by();
    to_its_end(async move {
        let sought = id.clone();
        if shared.books.read(move |ledger| ledger.show_job(&sought)).await?.is_none() {
            return Err(jobs::unknown(&id));
        }
        let (now, status) = (shared.now(), state_after(&resolution));
        let resolved = id.clone();
        shared.books.change(&by, move |ledger| ledger.resolve(&resolved, &resolution, now)).await?;
        shared.worker.engine.look_at_ledger();
        info!(id, status = status.as_str(), "a job was resolved over HTTP");
        Ok(answer::document(&json!({"id": id, "status": status})))
    })
    .await
}

fn resolution(mut fields: Fields) -> Result<Resolution, Fault> {
    let key = fields.text("succeeded");
    if let Some(key) = key.as_deref().filter(|key| leads_elsewhere(key)) {
        fields.fault("succeeded", &format!("expected the id of the object that the job created, got {key:?}"));
    }
    let words = [
        (key.is_some(), Resolution::Succeeded { key: key.unwrap_or_default() }),
        (fields.flag("retry"), Resolution::Retry),
        (fields.flag("dead"), Resolution::Dead),
        (fields.flag("look_up"), Resolution::LookUp),
    ];
    fields.end()?;
    let mut given = words.into_iter().filter_map(|(is_given, resolution)| is_given.then_some(resolution));
    match (given.next(), given.next()) {
        (Some(resolution), None) => Ok(resolution),
        _ => Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "the body says no verdict, or several",
            "send one of {\"succeeded\": KEY}, {\"retry\": true}, {\"dead\": true}, {\"look_up\": true}",
        )),
    }
}
