//! Reads a request's parameters and checks them by the method's schemas, as the platform would.

use serde_json::{Map, Value};

use super::request::SimRequest;
use super::voice::Family;
use crate::domain::catalog::{Method, Schema, SchemaKind};
use crate::domain::job::Params;

/// What is wrong with a request's parameters: the platform's code, and a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadParams {
    /// The code.
    pub code: i64,
    /// Which parameters, without their values.
    pub hint: String,
}

/// Reads path, query and body.
///
/// # Errors
/// The platform's code for a body that is no JSON object, or for values that the schemas refuse.
pub fn read(
    method: &Method,
    family: Family,
    path: Map<String, Value>,
    request: &SimRequest,
) -> Result<Params, BadParams> {
    let body = if request.body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(&request.body)
            .map_err(|_| BadParams { code: family.bad_body(), hint: "the body is no JSON object".to_owned() })?
    };
    let params = Params { path, query: query(&method.query_schema, request), body };
    let mut faults = Vec::new();
    method.path_schema.check_object("path", &params.path, &mut faults);
    method.query_schema.check_object("query", &params.query, &mut faults);
    method.body_schema.check_object("body", &params.body, &mut faults);
    if faults.is_empty() {
        return Ok(params);
    }
    // The platform names fields, never values: a reply with a password in it would be no stand-in for it.
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    Err(BadParams { code: family.bad_parameters(method), hint: format!("see {}", fields.join(", ")) })
}

/// The query, typed as its schema says; WeCom's access token is no parameter.
fn query(schema: &Schema, request: &SimRequest) -> Map<String, Value> {
    let mut typed = Map::new();
    for (name, text) in request.query.iter().filter(|(name, _)| name != "access_token") {
        let property = schema.property(name);
        match property.map(|property| property.kind) {
            Some(SchemaKind::Array) => {
                let item = property.and_then(|property| property.items.as_deref());
                let list = typed.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if let Some(list) = list.as_array_mut() {
                    list.push(scalar(item.map(|item| item.kind), text));
                }
            }
            kind => {
                typed.insert(name.clone(), scalar(kind, text));
            }
        }
    }
    typed
}

/// What is not of its kind stays text: the schema then refuses it.
fn scalar(kind: Option<SchemaKind>, text: &str) -> Value {
    let parsed = match kind {
        Some(SchemaKind::Integer) => text.parse::<i64>().ok().map(Value::from),
        Some(SchemaKind::Boolean) => text.parse::<bool>().ok().map(Value::from),
        Some(SchemaKind::Object | SchemaKind::Array | SchemaKind::String) | None => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}
