//! What goes back: JSON documents, and faults with their cures.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::messages::{Cause, FileTrouble, RowsCure, RowsNotSent, Wrong};
use crate::domain::rows::{FileError, FileFault};
use crate::engine::ports::LedgerError;
use crate::operations::refused::Refused;

/// The cure of a request that cannot be understood.
pub(super) const DESCRIBED: &str = "/api/v1/openapi.json describes every field";

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldFault {
    /// Its dotted name.
    pub field: String,
    /// What was expected, and what stands there.
    pub error: String,
    /// The same as data, where there is a sentence for it in more than one language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_fact: Option<Box<Wrong>>,
}

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    status: StatusCode,
    error: String,
    /// The error and its cure as data, where there is a sentence for them in more than one language.
    facts: Option<Box<[Value; 2]>>,
    cure: Box<str>,
    faults: Vec<FieldFault>,
    count: Option<usize>,
    duplicates: Vec<Value>,
}

impl Fault {
    /// A sentence that says what is wrong, and one that says what to do.
    pub(super) fn new(status: StatusCode, error: impl Into<String>, cure: impl Into<String>) -> Self {
        let (error, cure) = (error.into(), cure.into().into_boxed_str());
        Self { status, error, facts: None, cure, faults: Vec::new(), count: None, duplicates: Vec::new() }
    }

    /// 400: something is wrong with these fields.
    pub(super) fn fields(faults: Vec<FieldFault>) -> Self {
        let error = match faults.as_slice() {
            [one] => format!("{}: {}", one.field, one.error),
            several => format!("{} fields are wrong", several.len()),
        };
        Self { faults, ..Self::new(StatusCode::BAD_REQUEST, error, DESCRIBED) }
    }

    /// What is wrong with a file, and what to do in the same sentence.
    pub(super) fn file(status: StatusCode, trouble: &FileTrouble) -> Self {
        let error = trouble.to_string();
        Self { facts: Some(Box::new([json!(trouble), Value::Null])), ..Self::new(status, error, "") }
    }

    /// 400: what is wrong with a file that was read so far.
    pub(super) fn faulty(FileError(faults): &FileError) -> Self {
        let cause = Cause::Faulty { faults: faults.iter().map(FileFault::as_wrong).collect() };
        Self {
            facts: Some(Box::new([json!(cause), Value::Null])),
            ..Self::new(StatusCode::BAD_REQUEST, cause.to_string(), "")
        }
    }

    /// Why the rows of a file are not sent, and what to do.
    pub(super) fn not_sent(status: StatusCode, why: &RowsNotSent, cure: Option<&RowsCure>) -> Self {
        let words = cure.map(ToString::to_string).unwrap_or_default();
        Self { facts: Some(Box::new([json!(why), json!(cure)])), ..Self::new(status, why.to_string(), words) }
    }

    /// 404.
    pub(super) fn unknown(error: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, cure)
    }

    /// 409.
    pub(super) fn conflict(error: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, cure)
    }

    /// With what is wrong in particular.
    pub(super) fn because(self, faults: Vec<FieldFault>) -> Self {
        Self { faults, ..self }
    }

    /// With how many are selected now.
    pub(super) fn with_count(self, count: usize) -> Self {
        Self { count: Some(count), ..self }
    }

    /// With the jobs that would create something again, as far as they are told, of `count`.
    pub(super) fn with_duplicates(self, duplicates: Vec<Value>, count: usize) -> Self {
        Self { duplicates, ..self.with_count(count) }
    }

    /// What is wrong.
    pub(super) fn error(&self) -> &str {
        &self.error
    }

    /// The faults of its fields, in words.
    #[cfg(test)]
    pub(crate) fn told(&self) -> Vec<String> {
        self.faults.iter().map(|fault| format!("{}: {}", fault.field, fault.error)).collect()
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(why) => Self::conflict(why, "look at the job again: it may have changed"),
            LedgerError::Claimed(_) => Self::conflict(error.to_string(), "look at that job"),
            LedgerError::Full(_) => Self::unavailable(error.to_string(), "make room on its disk"),
            LedgerError::Unusable(_) | LedgerError::NotOwner(_) => {
                Self::unavailable(error.to_string(), "the worker stops; start it again afterwards")
            }
            LedgerError::Locked(_) | LedgerError::Failed(_) | LedgerError::Closed => {
                Self::unavailable(error.to_string(), "the worker's log says more; try again in a moment")
            }
        }
    }
}

impl From<Refused> for Fault {
    fn from(Refused { error, cure }: Refused) -> Self {
        Self::conflict(error, cure)
    }
}

impl From<Infallible> for Fault {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Fault {
    /// 503.
    pub(super) fn unavailable(error: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, cure)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut document = Map::new();
        document.insert("error".to_owned(), Value::from(self.error));
        document.insert("cure".to_owned(), Value::from(&*self.cure));
        for (key, fact) in ["error_fact", "cure_fact"].into_iter().zip(self.facts.into_iter().flat_map(|it| *it)) {
            if !fact.is_null() {
                document.insert(key.to_owned(), fact);
            }
        }
        if let Some(count) = self.count {
            document.insert("count".to_owned(), Value::from(count));
        }
        if !self.duplicates.is_empty() {
            document.insert("duplicates".to_owned(), Value::from(self.duplicates));
        }
        if !self.faults.is_empty() {
            document.insert("faults".to_owned(), json!(self.faults));
        }
        let mut response = document_with(self.status, &Value::Object(document));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A document with the status 200.
pub(super) fn document(value: &Value) -> Response {
    document_with(StatusCode::OK, value)
}

/// A document with a status.
pub(super) fn document_with(status: StatusCode, value: &Value) -> Response {
    text(status, "application/json", value.to_string())
}

/// A text of a content type, never kept by anybody: what it says is true for a moment.
pub(super) fn text(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    put(headers, header::CONTENT_TYPE, content_type);
    put(headers, header::CACHE_CONTROL, "no-store");
    response
}

/// Sets a header.
pub(super) fn put(headers: &mut axum::http::HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
