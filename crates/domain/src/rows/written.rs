//! Values as cells hold them: what `column.rs` reads, written.

use std::fmt::Write as _;

use serde_json::Value;

use super::value::LIST_SEPARATORS;
use crate::catalog::{Schema, SchemaFormat};
use crate::time::Timestamp;

/// Between the items of a list in one cell.
const SEPARATOR: char = ';';

/// The cell of what stands under these names of an object; `None` if no cell can hold it: a list inside a list, an
/// object, or an item that holds what separates items.
pub fn cell(schema: &Schema, object: &Value, names: &[&str]) -> Option<String> {
    let mut text = String::new();
    match found(object, names)? {
        Found::One(value) => write_value(&mut text, schema.leaf(), value)?,
        Found::Several(values) => {
            let filled = values.iter().rposition(|value| !value.is_null()).map_or(0, |it| it + 1);
            for (index, value) in values.into_iter().take(filled).enumerate() {
                if index > 0 {
                    text.push(SEPARATOR);
                }
                let start = text.len();
                write_value(&mut text, schema.leaf(), value)?;
                let item = &text[start..];
                if item.contains(LIST_SEPARATORS) || item.trim() != item {
                    return None;
                }
            }
        }
    }
    Some(text)
}

enum Found<'v> {
    One(&'v Value),
    /// One for each item of the list on the way.
    Several(Vec<&'v Value>),
}

/// What stands under these names; `None` if there is a list inside a list.
fn found<'v>(object: &'v Value, names: &[&str]) -> Option<Found<'v>> {
    let mut value = object;
    for (index, name) in names.iter().enumerate() {
        value = match value.get(name) {
            Some(value) => value,
            None => return Some(Found::One(&Value::Null)),
        };
        if let Value::Array(items) = value {
            let rest = &names[index + 1..];
            return items.iter().map(|item| under(item, rest)).collect::<Option<_>>().map(Found::Several);
        }
    }
    Some(Found::One(value))
}

/// What an item of a list has under these names; `None` if there is another list on the way.
fn under<'v>(item: &'v Value, names: &[&str]) -> Option<&'v Value> {
    let mut value = item;
    for name in names {
        if value.is_array() {
            return None;
        }
        value = value.get(name).unwrap_or(&Value::Null);
    }
    Some(value)
}

fn write_value(out: &mut String, schema: &Schema, value: &Value) -> Option<()> {
    match (schema.format, value) {
        (_, Value::Null) => {}
        (Some(SchemaFormat::UnixSeconds), value) if seconds(value).is_some_and(|seconds| seconds > 0) => {
            out.push_str(&Timestamp::from_unix_seconds(seconds(value)?).in_china());
        }
        (_, Value::String(text)) => out.push_str(text),
        (_, Value::Bool(_) | Value::Number(_)) => write!(out, "{value}").ok()?,
        (_, Value::Array(_) | Value::Object(_)) => return None,
    }
    Some(())
}

pub(super) fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
