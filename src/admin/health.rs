//! Whether the worker is alive and ready, its metrics, and who is asking.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::actor::Actor;
use super::answer::{self, Fault, FieldFault};
use super::connection::Connection;
use super::{Answer, Shared};
use crate::settings::Role;

/// The process is alive.
pub(super) async fn alive() -> Response {
    answer::document(&json!({"alive": true}))
}

/// The ledger can be written, and the broker, if there is one, is connected.
pub(super) async fn ready(
    State(shared): State<Shared>,
    actor: Actor,
    from: Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    let mut faults = Vec::new();
    if shared.worker.engine.cannot_write() {
        faults.push(fault("ledger", "the last write failed; no call is sent until one goes through".to_owned()));
    } else if let Err(fault_) = shared.books.probe().await {
        faults.push(fault("ledger", fault_.error().to_owned()));
    }
    if let Some(broker) = &shared.worker.broker {
        let status = broker.status();
        if !status.is_ready() {
            faults.push(fault("broker", status.to_string().replace('\n', "; ")));
        }
    }
    if shared.worker.engine.is_stopping() {
        faults.push(fault("worker", "it is stopping".to_owned()));
    }
    if faults.is_empty() {
        return answer::document(&json!({"ready": true}));
    }
    if actor == Actor::Nobody && shared.access().reading_needs_token(&headers, from.origin) {
        return Fault::unavailable("the worker is not ready", "the same with the token tells why").into_response();
    }
    let cure = "fix what the faults name; the worker goes on by itself";
    Fault::unavailable("the worker is not ready", cure).because(faults).into_response()
}

fn fault(field: &str, error: String) -> FieldFault {
    FieldFault { field: field.to_owned(), error, error_fact: None }
}

/// For Prometheus.
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    answer::text(StatusCode::OK, "text/plain; version=0.0.4", (shared.worker.metrics)())
}

/// Who is asking, and what they may do.
pub(super) async fn session(
    State(shared): State<Shared>,
    actor: Actor,
    from: Extension<Connection>,
    headers: HeaderMap,
) -> Answer {
    let access = shared.access();
    Ok(answer::document(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "token_needed": access.reading_needs_token(&headers, from.origin),
        "can_change": access.has_tokens(),
        "authenticated": actor != Actor::Nobody,
        "token": actor.name(),
        "role": actor.role().map(Role::as_str),
    })))
}
