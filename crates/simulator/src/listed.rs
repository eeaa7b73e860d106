//! Look-ups of what nobody creates here: people and departments, as the scenario lists them.
//!
//! How names are asked for stands in the catalog (`[[resolves]]`); there is no table of methods.

use serde_json::Value;

use super::objects::{at, key_text, put};
use super::params::BadParams;
use super::replies::{self, in_body};
use paceline_domain::catalog::{Envelope, Method, Resolve};
use paceline_domain::job::Params;

/// The reply of a look-up that is asked for names, or for what is below one.
pub(crate) fn reply(
    method: &Method,
    envelope: &Envelope,
    items: &[Value],
    params: &Params,
) -> Result<Value, BadParams> {
    let mut reply = replies::example(method, envelope);
    let mut asked: Vec<(&Resolve, &str, String)> = Vec::new();
    for way in &method.resolves {
        for param in way.asked_params() {
            let values = params.get(param).map(texts).unwrap_or_default();
            let new = |value: &String| !asked.iter().any(|(_, known, asked)| known == &param && asked == value);
            let values: Vec<_> = values.into_iter().filter(new).collect();
            asked.extend(values.into_iter().map(|value| (&**way, param, value)));
        }
    }
    let Some((way, param, first)) = asked.first() else {
        let Some(way) = method.resolves.first() else { return Ok(reply) };
        let below = items.iter().filter(|item| is_below(way, item, params)).cloned().collect();
        put(&mut reply, &in_body(envelope, &way.items), Value::Array(below));
        if let Some(next) = way.next.as_ref().filter(|next| !next.more.is_empty()) {
            put(&mut reply, &in_body(envelope, &next.more), Value::Bool(false));
        }
        return Ok(reply);
    };
    if way.items.is_empty() {
        let code = way.nothing.first().copied().unwrap_or(-1);
        let nobody = || BadParams { code, hint: "nobody has it".to_owned() };
        let found = items.iter().find(|item| has(way, param, item, first)).ok_or_else(nobody)?;
        put(&mut reply, &in_body(envelope, &way.key), at(found, &way.key).cloned().unwrap_or_default());
        return Ok(reply);
    }
    let mut shown = Vec::new();
    for (way, param, value) in &asked {
        for found in items.iter().filter(|item| has(way, param, item, value)) {
            let mut item = Value::Object(serde_json::Map::new());
            put(&mut item, &way.name, Value::from(value.as_str()));
            put(&mut item, &way.key, at(found, &way.key).cloned().unwrap_or_default());
            shown.push(item);
        }
    }
    put(&mut reply, &in_body(envelope, &way.items), Value::Array(shown));
    Ok(reply)
}

/// Whether the item has the value; where the look-up shows no name, under the name of the parameter.
fn has(way: &Resolve, param: &str, item: &Value, value: &str) -> bool {
    let last = param.rsplit('.').next().unwrap_or_default();
    let field = if way.name.is_empty() { last } else { &way.name };
    at(item, field).and_then(key_text).is_some_and(|own| own.eq_ignore_ascii_case(value))
}

/// Whether the item is directly below the one that the request names.
fn is_below(way: &Resolve, item: &Value, params: &Params) -> bool {
    let asked = way.parent.as_ref().and_then(|parent| params.get(parent)).and_then(key_text);
    let above = way.above.as_ref().and_then(|above| at(item, above)).and_then(key_text);
    asked.is_none_or(|asked| above.as_ref() == Some(&asked))
}

/// Every text of a value; one that is a list of JSON is its items.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => match serde_json::from_str::<Vec<String>>(text) {
            Ok(items) => items,
            Err(_) => vec![text.clone()],
        },
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.get("value").map(texts).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
