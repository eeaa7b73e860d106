//! The JSON that a request carries.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest};
use axum::http::{Request, StatusCode, header};
use http_body_util::LengthLimitError;
use serde_json::Value;

use super::answer::Fault;
use super::input::Fields;
use super::{Shared, answer};
use crate::domain::json;
use crate::domain::messages::FileTrouble;

/// The most that a request may carry.
const BYTES_MAX: usize = 1024 * 1024;

/// How long that may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long a file may take.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Refuses larger bodies, as far as they are read.
pub(super) fn limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BYTES_MAX)
}

/// A JSON value, and the dotted names of the keys that stand in it twice.
pub(super) struct Document {
    /// The value.
    pub value: Value,
    /// Those keys.
    pub twice: Vec<String>,
}

impl Document {
    /// The fields of an object.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn fields(self) -> Result<Fields, Fault> {
        let Value::Object(object) = self.value else {
            return Err(Fault::new(StatusCode::BAD_REQUEST, "the body is not a JSON object", answer::DESCRIBED));
        };
        let mut fields = Fields::of_object(object, "");
        for name in &self.twice {
            fields.fault(name, "appears more than once");
        }
        Ok(fields)
    }
}

/// The bytes of a file.
///
/// # Errors
/// They are too many, or do not come.
pub(super) async fn file(request: Request<Body>, bytes_max: usize) -> Result<Bytes, Fault> {
    if !is_of(&request, "application/octet-stream") {
        return Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is not said to be a file",
            "send the header Content-Type: application/octet-stream",
        ));
    }
    let too_large = || {
        let trouble = FileTrouble::FileTooLarge { mebibytes: bytes_max as u64 >> 20 };
        Fault::file(StatusCode::PAYLOAD_TOO_LARGE, &trouble)
    };
    // Said before it is read, where it can be.
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let bytes = tokio::time::timeout(FILE_TIMEOUT, axum::body::to_bytes(request.into_body(), bytes_max));
    let bytes = bytes.await.map_err(|_| too_slow(FILE_TIMEOUT, "`paceline run` reads files where they are"))?;
    bytes.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            return too_large();
        }
        Fault::new(StatusCode::BAD_REQUEST, "the body did not come as a whole", "send it again")
    })
}

fn is_of(request: &Request<Body>, wanted: &str) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(wanted)
}

fn too_slow(timeout: Duration, cure: &str) -> Fault {
    let error = format!("the body took longer than {} seconds", timeout.as_secs());
    Fault::new(StatusCode::REQUEST_TIMEOUT, error, cure)
}

impl FromRequest<Shared> for Document {
    type Rejection = Fault;

    async fn from_request(request: Request<Body>, shared: &Shared) -> Result<Self, Fault> {
        Fields::of_query(request.uri().query()).end()?;
        if !is_of(&request, "application/json") {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is not said to be JSON",
                "send the header Content-Type: application/json",
            ));
        }
        let bytes = tokio::time::timeout(TIMEOUT, Bytes::from_request(request, shared));
        let bytes = bytes.await.map_err(|_| too_slow(TIMEOUT, "send it in several requests"))?;
        let bytes = bytes.map_err(|rejection| match rejection.status() {
            status @ StatusCode::PAYLOAD_TOO_LARGE => {
                Fault::new(status, "the body is larger than 1 MiB", "send it in several requests")
            }
            status => Fault::new(status, "the body did not come as a whole", "send it again"),
        })?;
        let (value, twice) = json::parse(&bytes).map_err(|error| {
            Fault::new(StatusCode::BAD_REQUEST, format!("the body is not valid JSON: {error}"), answer::DESCRIBED)
        })?;
        Ok(Self { value, twice })
    }
}
