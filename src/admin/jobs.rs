//! Jobs in pages.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::input::Fields;
use super::{Answer, Shared, selection};
use crate::domain::mask;
use crate::engine::planner::Planner;
use paceline_ports::operator::{JobLine, Reports};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 500;

/// Jobs in the order of take-over.
pub(super) async fn list(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let (mut selection, is_running) = selection::of_or_running(&mut fields);
    selection.prefix = fields.text("prefix");
    selection.warnings = fields.flag("warnings");
    let (after, limit) = place(&mut fields);
    fields.end()?;
    let read = move |ledger: &dyn Reports| {
        if is_running {
            ledger.page_running(&selection, after, limit)
        } else {
            ledger.page_jobs(&selection, after, limit)
        }
    };
    let page = shared.books.read(read).await?;
    let planner = shared.worker.engine.planner();
    let lines: Vec<_> = page.lines.iter().map(|line| self::line(line, &planner)).collect();
    Ok(answer::document(&json!({"jobs": lines, "next": page.next.map(|next| next.to_string())})))
}

/// Where a page of jobs begins, and how many it may hold.
pub(super) fn place(fields: &mut Fields) -> (i64, usize) {
    let after = fields.whole("after", 0, i64::MAX).unwrap_or_default();
    let limit = fields.whole("limit", 1, LIMIT_MAX).unwrap_or(LIMIT_DEFAULT);
    (after, usize::try_from(limit).unwrap_or_default())
}

/// A job as lists show it.
pub(super) fn line(line: &JobLine, planner: &Planner) -> Value {
    let mut document = json!(line);
    if let Some(result) = document.get_mut("result") {
        let method = line.document["method"].as_str().and_then(|method| planner.catalog.method(method));
        *result = mask::answer(method.map(AsRef::as_ref), result);
    }
    document
}

/// That there is no such job.
pub(super) fn unknown(id: &str) -> Fault {
    Fault::unknown(
        format!("there is no job {id:?}"),
        "/api/v1/jobs shows them; inputs that never became jobs are in /api/v1/dead/groups",
    )
}
