//! Causes and what to do about them, as the ledger keeps them: their JSON.

use crate::driver::{self, Row};
pub(crate) use paceline_domain::json::text;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::Failure;

/// The cause of a failure, for a column.
pub(crate) fn detail(failure: Option<&Failure>) -> Option<String> {
    failure.map(|failure| text(&failure.detail))
}

/// What to do about a failure, for a column.
pub(crate) fn cure(failure: Option<&Failure>) -> Option<String> {
    failure.and_then(|failure| failure.cure.as_ref()).map(text)
}

/// A failure in five columns from this one on: HTTP status, code, cause, what to do, log id.
pub(crate) fn failure(row: &Row<'_>, at: usize) -> driver::Result<Failure> {
    Ok(Failure {
        status: row.get(at)?,
        code: row.get(at + 1)?,
        detail: cause_of(row.get(at + 2)?),
        cure: cure_of(row.get(at + 3)?),
        log_id: row.get(at + 4)?,
        candidates: Vec::new(),
    })
}

/// The cause in a column. A page or a start never fails for what is said in it: other text counts as somebody's words.
pub(crate) fn cause_of(column: Option<String>) -> Cause {
    let text = column.unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Cause::Said { text })
}

/// What to do, in a column; likewise.
pub(crate) fn cure_of(column: Option<String>) -> Option<Cure> {
    column.map(|text| serde_json::from_str(&text).unwrap_or(Cure::Older { text }))
}
