//! Batches with their counts.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::answer;
use super::input::Fields;
use super::{Answer, Shared};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

/// Batches in the order of creation; jobs without one come first, under an empty name.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let after = fields.whole("after", 0, i64::MAX).unwrap_or(-1);
    let limit = fields.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    fields.end()?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let page = shared.books.read(move |ledger| ledger.page_batches(after, limit)).await?;
    let cached = shared.forecast.look(&shared.worker.engine);
    let batches = page.lines.iter().map(|line| {
        let mut document = json!(line);
        let forecast = cached.as_ref().and_then(|cached| cached.forecast.batch(&line.name));
        document["finish_at"] = json!(forecast.and_then(|batch| batch.finish));
        document
    });
    Ok(answer::document(
        &json!({"batches": batches.collect::<Vec<_>>(), "next": page.next.map(|next| next.to_string())}),
    ))
}
