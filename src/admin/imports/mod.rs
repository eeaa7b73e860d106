//! Files over HTTP: given and held in memory, looked at, checked, planned and started, or expanded as timetables. What is
//! found and what becomes of the rows is `operations::files`, as for the command line.
//!
//! Decision: docs/decisions/0054-a-file-over-http-lives-in-memory.md

mod asked;
mod check;
mod expand;
mod findings;
mod held;
mod look;
mod start;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use serde_json::json;

pub(super) use self::check::check;
pub(super) use self::expand::expand;
pub(super) use self::held::Imports;
use self::held::Upload;
pub(super) use self::look::look;
pub(super) use self::start::start;
use super::answer::Fault;
use super::body::{self, Document};
use super::input::{Fields, Id};
use super::{Answer, Shared, State as AdminState, answer};
use crate::domain::messages::FileTrouble;
use crate::domain::printable::plain;

/// The longest name of a file that is kept.
const NAME_MAX: usize = 200;

/// What the settings say of files.
#[derive(Clone, Debug, Default)]
pub struct FileRules {
    /// The longest row that is read as a job.
    pub row_bytes_max: usize,
    /// The time zone of dates without one, as it is written.
    pub time_zone: Option<String>,
}

/// Keeps a file.
pub(super) async fn give(State(shared): State<Shared>, request: Request<Body>) -> Answer {
    let mut fields = Fields::of_query(request.uri().query());
    let name = fields.text("name").unwrap_or_default();
    if name.is_empty() {
        fields.missing("name");
    }
    fields.end()?;
    let bytes = body::file(request, held::BYTES_MAX).await?;
    if bytes.is_empty() {
        return Err(Fault::file(StatusCode::BAD_REQUEST, &FileTrouble::FileIsEmpty));
    }
    // Some browsers of old give a path. What is long is cut at its beginning: the ending tells what it is.
    let name = plain(name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or("file"));
    let name = name.chars().skip(name.chars().count().saturating_sub(NAME_MAX)).collect();
    let upload = keep(&shared, name, bytes.as_ref().into())?;
    Ok(answer::document(&upload.document(shared.now())))
}

fn keep(shared: &Shared, name: String, bytes: Arc<[u8]>) -> Result<Arc<Upload>, Fault> {
    let now = shared.worker.engine.clock().mono();
    let kept = shared.imports.keep(name, bytes, now);
    kept.ok_or_else(|| Fault::unavailable("this machine gives no random numbers", "try again in a moment"))
}

/// Forgets a file at once.
pub(super) async fn drop_it(State(shared): State<Shared>, Id(id): Id, document: Document) -> Answer {
    document.fields()?.end()?;
    if !shared.imports.forget(&id) {
        return Err(absent());
    }
    Ok(answer::document(&json!({"dropped": true})))
}

/// The text of a file that was made here.
pub(super) async fn text(State(shared): State<Shared>, Id(id): Id, document: Document) -> Answer {
    document.fields()?.end()?;
    let upload = find(&shared, &id)?;
    let Ok(text) = std::str::from_utf8(upload.bytes()) else {
        return Err(Fault::new(
            StatusCode::CONFLICT,
            "the file is not text in UTF-8",
            "this is for what a timetable became",
        ));
    };
    Ok(answer::document(&json!({"name": upload.name, "text": text})))
}

fn find(shared: &AdminState, id: &str) -> Result<Arc<Upload>, Fault> {
    shared.imports.find(id, shared.worker.engine.clock().mono()).ok_or_else(absent)
}

fn absent() -> Fault {
    Fault::file(StatusCode::NOT_FOUND, &FileTrouble::FileIsGone)
}

/// Reads a file beside everything else, when it is its turn.
async fn apart<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let stopped = |error: String| Fault::unavailable(error, "the worker's log says more; try again in a moment");
    let turn = shared.imports.turn().acquire_owned().await.map_err(|error| stopped(error.to_string()))?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| stopped(format!("work on it stopped: {error}")))?
}
