//! Suspends and resumes apps and lanes.

use axum::extract::State;
use serde_json::json;
use tracing::info;

use super::actor::Actor;
use super::body::Document;
use super::change::to_its_end;
use super::input::Fields;
use super::{Answer, Shared, answer};
use crate::operations::refused::Refused;
use crate::operations::suspension::{Scope, known_app, known_method};

/// Suspends an app, or a part of it.
pub(super) async fn suspend(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let scope = scope_of(&mut fields);
    let reason = fields.text("reason");
    refuse_unknown(&shared, &scope, &mut fields);
    fields.end()?;
    let by = actor.by();
    to_its_end(async move {
        let (now, name) = (shared.now(), scope.name());
        shared.books.change(&by, move |ledger| scope.suspend(ledger, reason, now)).await?;
        shared.worker.engine.look_at_ledger();
        info!(scope = name, "suspended over HTTP");
        Ok(answer::document(&json!({"suspended": true})))
    })
    .await
}

/// Lets it go on.
pub(super) async fn resume(State(shared): State<Shared>, actor: Actor, document: Document) -> Answer {
    let mut fields = document.fields()?;
    let scope = scope_of(&mut fields);
    // What is suspended may have left the settings; without a fault in the rest it is tried first.
    let mut doubts = Fields::of_object(serde_json::Map::new(), "");
    refuse_unknown(&shared, &Scope { method: String::new(), ..scope.clone() }, &mut doubts);
    fields.end()?;
    let by = actor.by();
    to_its_end(async move {
        let name = scope.name();
        let done = shared.books.change(&by, move |ledger| scope.resume(ledger)).await?;
        if done.resumed + done.lifted == 0 {
            doubts.end()?;
        }
        shared.worker.engine.look_at_ledger();
        info!(scope = name, resumed = done.resumed, lifted = done.lifted, "resumed over HTTP");
        Ok(answer::document(&json!(done)))
    })
    .await
}

fn scope_of(fields: &mut Fields) -> Scope {
    let app = fields.text("app").unwrap_or_default();
    if app.is_empty() {
        fields.missing("app");
    }
    let mut text = |name| fields.text(name).unwrap_or_default();
    Scope { app, tenant: text("tenant"), method: text("method") }
}

fn refuse_unknown(shared: &Shared, scope: &Scope, fields: &mut Fields) {
    let planner = shared.worker.engine.planner();
    let mut refuse = |field, Refused { error, cure }: Refused| fields.fault(field, &format!("{error}; {cure}"));
    if !scope.app.is_empty()
        && let Err(refused) = known_app(&scope.app, planner.apps.keys().map(|app| &**app))
    {
        refuse("app", refused);
    }
    if !scope.method.is_empty()
        && let Err(refused) = known_method(&planner.catalog, &scope.method)
    {
        refuse("method", refused);
    }
}
