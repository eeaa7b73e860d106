//! The documented call of a method: what `[request] example` holds, read into parameters.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Method;
use super::schema::{Kind, Schema};
use crate::job::Params;

/// A call as the documents show it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestExample {
    /// `GET`, `POST`, …
    pub http_method: String,
    /// Path and query, as they are sent.
    pub target: String,
    /// The body, if there is one.
    pub body: Option<Map<String, Value>>,
}

impl RequestExample {
    /// Reads a first line like `POST /open-apis/vc/v1/rooms?user_id_type=open_id` and, below it, a JSON object.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (first, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
        let (http_method, target) = first.split_once(' ').ok_or("expected a first line like `POST /path?query`")?;
        let body = match rest.trim() {
            "" => None,
            json => {
                Some(serde_json::from_str(json).map_err(|error| format!("the body is not a JSON object: {error}"))?)
            }
        };
        Ok(Self { http_method: http_method.to_owned(), target: target.trim().to_owned(), body })
    }

    /// Its parameters, typed as the method's schemas say; why it is no call of the method, otherwise.
    pub fn params(&self, method: &Method) -> Result<Params, String> {
        if self.http_method != method.http_method {
            return Err(format!("expected {}, got {}", method.http_method, self.http_method));
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut params = Params { body: self.body.clone().unwrap_or_default(), ..Params::default() };
        let (wanted, given): (Vec<_>, Vec<_>) = (method.path.split('/').collect(), path.split('/').collect());
        if wanted.len() != given.len() {
            return Err(format!("expected the path {}, got {path}", method.path));
        }
        for (wanted, given) in wanted.into_iter().zip(given) {
            match wanted.strip_prefix(':') {
                Some(name) => drop(params.path.insert(name.to_owned(), Value::from(decoded(given)))),
                None if wanted == given => {}
                None => return Err(format!("expected the path {}, got {path}", method.path)),
            }
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = typed(method.query_schema.property(name), decoded(value));
            params.query.insert(decoded(name), value);
        }
        Ok(params)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Numbers and truth values of a query are written as text.
fn typed(schema: Option<&Schema>, text: String) -> Value {
    match schema.map(|schema| schema.kind) {
        Some(Kind::Integer | Kind::Number | Kind::Boolean) => {
            serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text))
        }
        _ => Value::from(text),
    }
}
