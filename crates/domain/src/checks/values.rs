//! Single values, judged by what they are: the same for every method, from types and formats alone.

use serde_json::{Map, Value};

use super::{Check, Finding, Severity, characters, spreadsheet};
use crate::catalog::{At, Method, Schema, SchemaFormat, SchemaKind};
use crate::job::Params;

/// What wrote the values: what went wrong in a spreadsheet is only a fault where one was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The cells of a table.
    Cells,
    /// A JSON document.
    Document,
}

/// From here on no time is in seconds: the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;
/// Smaller units of time: below which number, its name, and how many of them are a second.
const UNITS: [(i64, &str, i64); 3] = [
    (SECONDS_MAX * 1_000, "milliseconds", 1_000),
    (SECONDS_MAX * 1_000_000, "microseconds", 1_000_000),
    (i64::MAX, "nanoseconds", 1_000_000_000),
];

/// Adds what is found in the values of all parts.
pub(super) fn check(method: &Method, params: &Params, source: Source, found: &mut Vec<Finding>) {
    let mut walk = Walk { source, found };
    let parts = [
        ("path", &method.path_schema, &params.path),
        ("query", &method.query_schema, &params.query),
        ("body", &method.body_schema, &params.body),
    ];
    for (part, schema, map) in parts {
        walk.map(&At::Root(part, Some(map)), schema, map, part == "path");
    }
}

struct Walk<'f> {
    source: Source,
    found: &'f mut Vec<Finding>,
}

impl Walk<'_> {
    fn map(&mut self, at: &At<'_>, schema: &Schema, map: &Map<String, Value>, is_path: bool) {
        for (name, value) in map {
            if let Some(schema) = schema.property(name) {
                self.value(&At::Name(at, name), schema, value, is_path || names_an_id(name));
            }
        }
    }

    fn value(&mut self, at: &At<'_>, schema: &Schema, value: &Value, is_id: bool) {
        match value {
            Value::Object(map) => self.map(at, schema, map, false),
            Value::Array(items) => {
                let Some(schema) = &schema.items else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(&At::Index(at, index), schema, item, is_id);
                }
            }
            Value::String(text) => self.text(at, schema, text, is_id),
            Value::Number(number) => {
                if let Some(number) = number.as_i64() {
                    self.time(at, schema, number);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, at: &At<'_>, schema: &Schema, text: &str, is_id: bool) {
        let of_spreadsheet = match self.source {
            Source::Cells => Severity::Fault,
            Source::Document => Severity::Warning,
        };
        let mut add = |severity, check| {
            let check = if schema.sensitive { Check::Hidden(Box::new(check)) } else { check };
            self.found.push(Finding::new(severity, at.to_string(), check));
        };
        if spreadsheet::is_error(text) {
            add(of_spreadsheet, Check::SpreadsheetError(text.trim().to_owned()));
            return;
        }
        if spreadsheet::is_shortened(text) {
            let is_number = is_id || schema.format.is_some() || schema.kind != SchemaKind::String;
            let severity = if is_number { of_spreadsheet } else { Severity::Warning };
            add(severity, Check::Shortened(text.trim().to_owned()));
            return;
        }
        if let Some(letter) = characters::control(text) {
            add(Severity::Fault, Check::Control(letter));
        }
        if !schema.lines && characters::has_lines(text) {
            add(Severity::Fault, Check::LineBreak(text.to_owned()));
        }
        if text.contains('\u{fffd}') {
            add(Severity::Warning, Check::Unreadable(text.to_owned()));
        }
        let invisible = characters::invisible(text);
        if !invisible.is_empty() {
            add(Severity::Warning, Check::Invisible(invisible));
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            add(Severity::Warning, Check::Spaces(text.to_owned()));
        }
        if let Ok(number) = text.parse() {
            self.time(at, schema, number);
        }
    }

    fn time(&mut self, at: &At<'_>, schema: &Schema, value: i64) {
        if schema.format != Some(SchemaFormat::UnixSeconds) || value < SECONDS_MAX {
            return;
        }
        if let Some((_, unit, in_a_second)) = UNITS.into_iter().find(|(below, ..)| value < *below || *below == i64::MAX)
        {
            let check = Check::Unit { unit, value, seconds: value / in_a_second };
            self.found.push(Finding::new(Severity::Fault, at.to_string(), check));
        }
    }
}

/// Whether a parameter of that name holds ids, as both platforms name them: `userid`, `room_level_id`, `contact_ids`.
fn names_an_id(name: &str) -> bool {
    ["id", "ids"].contains(&name) || ["_id", "_ids", "userid"].iter().any(|ending| name.ends_with(ending))
}
