//! Batches with their counts.

use axum::extract::State;
use axum::http::Uri;
use serde_json::json;

use super::answer;
use super::input::Fields;
use super::{Answer, Shared};
use crate::store::operator::Operator;

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

/// Batches in the order of creation; jobs without one come first, under an empty name.
pub async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let after = fields.whole("after", 0, i64::from(u32::MAX)).unwrap_or_default();
    let limit = fields.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    fields.end()?;
    let place = |number: i64| usize::try_from(number).unwrap_or_default();
    let batches = shared.books.read(Operator::batches).await?;
    let end = place(after) + place(limit);
    let next = (end < batches.len()).then(|| end.to_string());
    let page: Vec<_> = batches.into_iter().skip(place(after)).take(place(limit)).collect();
    Ok(answer::document(&json!({"batches": page, "next": next})))
}
