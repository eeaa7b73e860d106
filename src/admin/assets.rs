//! The page at `/`.

use axum::http::StatusCode;
use axum::response::Response;

use super::answer;

const INDEX: &str = include_str!("assets/index.html");

/// The first page.
pub async fn index() -> Response {
    answer::text(StatusCode::OK, "text/html; charset=utf-8", INDEX.to_owned())
}
