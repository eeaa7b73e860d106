//! Reads a request's parameters and checks them by the method's schemas, as the platform would.

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::error_replies::Family;
use super::request::SimRequest;
use paceline_domain::catalog::{Kind, Method, Schema, SchemaKind, Wrong};
use paceline_domain::job::{Fault, Params};

/// What is wrong with a request's parameters: the platform's code, and a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadParams {
    /// The code.
    pub code: i64,
    /// Which parameters, without their values.
    pub hint: String,
}

/// Reads path, query and body. A strict platform takes nothing that its documents do not name.
///
/// # Errors
/// The platform's code for a body that is no JSON object, or for values that no document of the call accepts.
pub(crate) fn read(
    endpoint: &Endpoint,
    is_strict: bool,
    path: Map<String, Value>,
    request: &SimRequest,
) -> Result<Params, BadParams> {
    let (method, family) = (&endpoint.method, endpoint.family);
    let body = if request.body.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(&request.body)
            .map_err(|_| BadParams { code: family.bad_body(), hint: "the body is not a JSON object".to_owned() })?
    };
    let raw = Params { path, query: query(&method.query_schema, is_strict, request), body };
    let as_read = |method: &Method| {
        let body = raw.body.clone();
        let body = if is_strict { body } else { tolerated(&method.body_schema, body) };
        Params { body, ..raw.clone() }
    };
    // The document that knows all that was sent, else the first that accepts what it knows of it.
    let documents = || [method].into_iter().chain(&endpoint.also);
    let exact = documents().find(|method| faults(method, &raw).is_empty());
    let method =
        exact.or_else(|| documents().find(|method| faults(method, &as_read(method)).is_empty())).unwrap_or(method);
    let params = as_read(method);
    let faults = faults(method, &params);
    if faults.is_empty() {
        return Ok(params);
    }
    // The platform names fields, never values: a reply with a password in it would be no stand-in for it.
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    let hint = format!("see {}", fields.join(", "));
    let own = faults.iter().find_map(|fault| own_code(method, &params, fault));
    Err(BadParams { code: own.unwrap_or_else(|| family.bad_parameters(method)), hint })
}

/// Refuses a body of another type than Feishu's fixed one. Its SDK for Node leaves the charset out, that for Python the
/// whole header where it fetches a token; which code Feishu answers is UNCONFIRMED. WeCom's documents name no type.
///
/// # Errors
/// The platform's code for a body that it does not read.
pub(crate) fn check_content_type(
    method: &Method,
    family: Family,
    is_strict: bool,
    request: &SimRequest,
) -> Result<(), BadParams> {
    if family != Family::Feishu || request.body.is_empty() {
        return Ok(());
    }
    let is_read = match request.content_type.as_deref() {
        None => !is_strict || method.kind == Kind::Token,
        Some(given) => {
            let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
            parts.next().as_deref() == Some("application/json")
                && parts.all(|part| part.strip_prefix("charset=").is_none_or(|it| it.trim_matches('"') == "utf-8"))
        }
    };
    let hint = "Content-Type: expected application/json; charset=utf-8".to_owned();
    if is_read { Ok(()) } else { Err(BadParams { code: family.bad_body(), hint }) }
}

/// The documented code for what is wrong with one parameter, its own or that of the object or list around it.
fn own_code(method: &Method, params: &Params, fault: &Fault) -> Option<i64> {
    // `userid[3]` is the item of a list; a schema steps into lists by itself.
    let pieces = fault.field.split('[').map(|piece| piece.split_once(']').map_or(piece, |(_, rest)| rest));
    let field: String = pieces.collect();
    let wrong = if params.get(&field).is_none() { Wrong::Missing } else { Wrong::Invalid };
    let (part, mut name) = field.split_once('.')?;
    let schema = method.schema(part)?;
    if fault.field.ends_with(']') {
        let item = schema.at(name).and_then(|list| list.items.as_deref())?;
        return item.codes.get(&wrong).copied();
    }
    loop {
        if let Some(code) = schema.at(name).and_then(|schema| schema.codes.get(&wrong)) {
            return Some(*code);
        }
        name = name.rsplit_once('.')?.0;
    }
}

/// What a tolerant platform makes of a body: fields that it does not know and `null` are as good as absent, and a number
/// is as good as its digits where the documents want digits.
fn tolerated(schema: &Schema, map: Map<String, Value>) -> Map<String, Value> {
    let known = map.into_iter().filter_map(|(name, value)| {
        let schema = schema.property(&name)?;
        (!value.is_null()).then(|| (name, tolerated_value(schema, value)))
    });
    known.collect()
}

fn tolerated_value(schema: &Schema, value: Value) -> Value {
    match (schema.kind, value, schema.items.as_deref()) {
        (SchemaKind::Object, Value::Object(map), _) => Value::Object(tolerated(schema, map)),
        (_, Value::Array(items), Some(inner)) => items.into_iter().map(|item| tolerated_value(inner, item)).collect(),
        (SchemaKind::String, Value::Number(number), _) if schema.format.is_some() => number.to_string().into(),
        (_, value, _) => value,
    }
}

/// What a document of the call finds wrong with parameters.
pub(crate) fn faults(method: &Method, params: &Params) -> Vec<Fault> {
    let mut faults = Vec::new();
    method.path_schema.check_object("path", &params.path, &mut faults);
    method.query_schema.check_object("query", &params.query, &mut faults);
    method.body_schema.check_object("body", &params.body, &mut faults);
    faults
}

/// The query, typed as its schema says; WeCom's access token is no parameter.
fn query(schema: &Schema, is_strict: bool, request: &SimRequest) -> Map<String, Value> {
    let mut typed = Map::new();
    for (name, text) in request.query.iter().filter(|(name, _)| name != "access_token") {
        let property = schema.property(name);
        if property.is_none() && !is_strict {
            continue;
        }
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
        Some(SchemaKind::Number) => text.parse::<f64>().ok().map(Value::from),
        Some(SchemaKind::Boolean) => text.parse::<bool>().ok().map(Value::from),
        Some(SchemaKind::Object | SchemaKind::Array | SchemaKind::String) | None => None,
    };
    parsed.unwrap_or_else(|| Value::from(text))
}
