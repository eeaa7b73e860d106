//! Who changed what.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::input::Fields;
use super::{Answer, Shared, answer, jobs};
use crate::domain::time::Timestamp;
use paceline_ports::operator::ActivityFilter;

/// Changes, the latest first.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let since = fields.text("since").and_then(|text| match Timestamp::parse(&text) {
        Ok(since) => Some(since),
        Err(error) => {
            fields.fault("since", &error);
            None
        }
    });
    let filter = ActivityFilter { since, actor: fields.text("actor"), action: fields.parsed("action") };
    let (before, limit) = jobs::place(&mut fields);
    fields.end()?;
    let page = shared.books.read(move |ledger| ledger.activity(&filter, before, limit)).await?;
    Ok(answer::document(&json!({"activity": page.lines, "next": page.next.map(|next| next.to_string())})))
}
