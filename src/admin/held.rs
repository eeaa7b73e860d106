//! Jobs that wait for a person, with what is known of them.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::input::Fields;
use super::{Answer, Shared, answer, jobs, selection};
use paceline_ports::operator::HeldLine;

/// Held jobs in the order of take-over; a state in the query is not looked at.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let selection = selection::of(&mut fields);
    let (after, limit) = jobs::place(&mut fields);
    fields.end()?;
    let page = shared.books.read(move |ledger| ledger.page_held(&selection, after, limit)).await?;
    let planner = shared.worker.engine.planner();
    let lines = page.lines.iter().map(|held| {
        let mut document = jobs::line(&held.line, &planner);
        document["evidence"] = evidence(held);
        document
    });
    Ok(answer::document(&json!({"jobs": lines.collect::<Vec<_>>(), "next": page.next.map(|next| next.to_string())})))
}

fn evidence(held: &HeldLine) -> Value {
    let detail = held.line.document["detail"].as_str().unwrap_or_default();
    json!({"detail": detail, "detail_fact": held.line.document["detail_fact"], "candidates": held.candidates, "last_attempt": held.last_attempt})
}
