//! What jobs can ask for.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::answer;
use super::input::Fields;
use super::{Answer, Shared};
use crate::domain::catalog::{Kind, Method};
use crate::domain::job_schema;

/// Every method that jobs may name, by name.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let planner = shared.worker.engine.planner();
    let methods = planner.catalog.methods.values().filter(|method| method.kind == Kind::Job);
    Ok(answer::document(&json!({"methods": methods.map(|method| document(method)).collect::<Vec<_>>()})))
}

/// JSON Schema of jobs, one of by method.
pub(super) async fn schema(State(shared): State<Shared>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let schema = job_schema::of_catalog(&shared.worker.engine.planner().catalog);
    Ok(answer::text(StatusCode::OK, "application/schema+json", schema.to_string()))
}

fn document(method: &Method) -> Value {
    let quotas = method.quotas.iter().map(|quota| json!({"scope": quota.scope, "quota": quota.quota}));
    json!({
        "method": method.name,
        "title": method.title,
        "title_zh": method.title_zh,
        "platform": method.family,
        "document": method.source.url,
        "read_at": method.source.read,
        "quotas": quotas.collect::<Vec<_>>(),
        "look_up": method.creation.look_up().is_some(),
        "creation": method.creation.as_str(),
    })
}
