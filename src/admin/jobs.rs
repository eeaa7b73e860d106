//! Jobs in pages, and one with its attempts.

use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::json;

use super::answer::{self, Fault};
use super::input::Fields;
use super::{Answer, Shared, selection};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

/// Jobs in the order of take-over.
pub async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let mut selection = selection::of(&mut fields);
    selection.prefix = fields.text("prefix");
    let after = fields.whole("after", 0, i64::MAX).unwrap_or_default();
    let limit = fields.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    fields.end()?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let page = shared.books.read(move |ledger| ledger.page_jobs(&selection, after, limit)).await?;
    Ok(answer::document(&json!({"jobs": page.lines, "next": page.next.map(|next| next.to_string())})))
}

/// One job.
pub async fn show(State(shared): State<Shared>, Path(id): Path<String>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let sought = id.clone();
    match shared.books.read(move |ledger| ledger.show_job(&sought)).await? {
        Some(sheet) => Ok(answer::document(&json!(sheet))),
        None => Err(unknown(&id)),
    }
}

/// The job with the id `cancel`, at whose address others are cancelled.
pub async fn show_cancel(shared: State<Shared>, uri: Uri) -> Answer {
    show(shared, Path("cancel".to_owned()), uri).await
}

/// That there is no such job.
pub fn unknown(id: &str) -> Fault {
    Fault::unknown(
        format!("there is no job {id:?}"),
        "/api/v1/jobs shows them; inputs that never became jobs are in /api/v1/dead/groups",
    )
}
