//! An empty file of jobs of one method, for people to fill in: headings, notes, choices and two valid examples.

use serde_json::{Map, Value};

use super::column::{Meaning, Target, meaning, names};
use super::written::{cell, seconds};
use crate::catalog::{Method, Schema, SchemaFormat, SchemaKind};
use crate::checks::{self, Source};
use crate::job::Params;
use crate::look_up::set;
use crate::messages::{Language, Limit, Limits, Render as _};
use crate::time::Timestamp;

const WEEK_S: i64 = 7 * 86_400;
/// Nine in the morning in UTC+8, in seconds of a UTC day.
const MORNING_S: i64 = 3_600;
/// The first Monday of 1970, in days.
const MONDAY: i64 = 4;
/// Smaller numbers are no instants but lengths, or 0 for never.
const FIRST_INSTANT_S: i64 = 100_000_000;

/// A file to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its columns.
    pub columns: Vec<TemplateColumn>,
    /// Two rows of cells that are valid as they stand: the documents' own example, and the least that a job needs.
    pub examples: [Vec<String>; 2],
}

/// A column of a file to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateColumn {
    /// What stands in the header.
    pub heading: String,
    /// The parameter's name, as a header may have it in any language.
    pub name: String,
    /// What it means, and its limits.
    pub note: String,
    /// Whether no row does without it.
    pub is_required: bool,
    /// Whether a cell may hold several values.
    pub is_list: bool,
    /// Whether its values are numbers.
    pub is_number: bool,
    /// The values that there are; none where they are not counted.
    pub choices: Vec<String>,
}

/// The file for a method. The times of its examples lie in the weeks after `now`.
pub fn template(method: &Method, language: Language, now: Timestamp) -> Template {
    let fits_a_cell = |name: &String| {
        let Target::Param(part, path) = Target::of(name) else { return false };
        matches!(meaning(method, part, &path), Meaning::Leaf(_)) && !lacks_a_column(method, part, &path)
    };
    let (in_path, others): (Vec<_>, Vec<_>) =
        names(method).into_iter().filter(fits_a_cell).partition(|name| name.starts_with("path."));
    let names: Vec<String> = in_path.into_iter().chain(others).collect();
    let columns = names.iter().filter_map(|name| column(method, name, &names, language)).collect();
    let row = |params| names.iter().map(|name| example(method, name, &params, language)).collect();
    let examples = examples(method, now).map(row);
    Template { columns, examples }
}

/// Whether an object around the column needs something that no cell can hold, so that no row can have the object.
fn lacks_a_column(method: &Method, part: &str, path: &[String]) -> bool {
    let Some(whole) = method.schema(part) else { return false };
    let has_a_cell = |place: &str| {
        let path: Vec<String> = place.split('.').map(str::to_owned).collect();
        matches!(meaning(method, part, &path), Meaning::Leaf(_))
    };
    (1..path.len()).any(|depth| {
        let around = path[..depth].join(".");
        let Some(schema) = whole.at(&around).map(Schema::leaf) else { return false };
        let places = |name: &String| match schema.property(name).map(|property| property.leaf().leaves()) {
            Some(leaves) if !leaves.is_empty() => {
                leaves.into_iter().map(|leaf| format!("{around}.{name}.{leaf}")).collect()
            }
            Some(_) | None => vec![format!("{around}.{name}")],
        };
        schema.required.iter().any(|name| !places(name).iter().any(|place| has_a_cell(place)))
    })
}

/// The part of a request and the names below it that a column is.
fn place(name: &str) -> (&str, &str) {
    match name.split_once('.') {
        Some((part @ ("path" | "query"), rest)) => (part, rest),
        Some(_) | None => ("body", name),
    }
}

fn column(method: &Method, name: &str, all: &[String], language: Language) -> Option<TemplateColumn> {
    let (part, below) = place(name);
    let whole = method.schema(part)?;
    let schema = whole.at(below)?;
    let leaf = schema.leaf();
    let is_required = whole.requires_below(below);
    let is_list = is_list(whole, below);
    let heading = match language {
        Language::Chinese => alias(method, name, schema, all).unwrap_or_else(|| name.to_owned()),
        Language::English => name.to_owned(),
    };
    Some(TemplateColumn {
        heading,
        name: name.to_owned(),
        note: note(whole, below, schema, (is_required, is_list), language),
        is_required,
        is_list,
        is_number: matches!(leaf.kind, SchemaKind::Integer | SchemaKind::Number) && leaf.format.is_none(),
        choices: choices(leaf, language),
    })
}

/// What people call the parameter, if they call no other parameter of the method so.
fn alias(method: &Method, name: &str, schema: &Schema, all: &[String]) -> Option<String> {
    let others: Vec<&Schema> = all
        .iter()
        .filter(|other| *other != name)
        .filter_map(|other| method.schema(place(other).0)?.at(place(other).1))
        .collect();
    schema.aliases.iter().find(|alias| others.iter().all(|other| !other.aliases.contains(alias))).cloned()
}

/// Whether there is a list on the way.
fn is_list(whole: &Schema, below: &str) -> bool {
    let mut schema = whole;
    below.split('.').any(|name| {
        let Some(next) = schema.property(name) else { return false };
        schema = next.leaf();
        next.kind == SchemaKind::Array
    })
}

fn note(
    whole: &Schema,
    below: &str,
    schema: &Schema,
    (is_required, is_list): (bool, bool),
    language: Language,
) -> String {
    let leaf = schema.leaf();
    let mut limits: Vec<Limit> = is_required.then_some(Limit::Required).into_iter().collect();
    if is_list {
        limits.push(Limit::SeveralInCell);
    }
    limits.extend(match (leaf.format, leaf.kind) {
        (Some(SchemaFormat::UnixSeconds), _) => Some(Limit::TimeInCell),
        (_, SchemaKind::Boolean) => Some(Limit::YesOrNo),
        (_, SchemaKind::Integer) if leaf.values.is_empty() => Some(Limit::WholeNumber),
        (_, SchemaKind::Number) if leaf.values.is_empty() => Some(Limit::AnyNumber),
        _ => None,
    });
    limits.extend(schema.limits().0);
    let around = below.rsplit_once('.').map_or(Some(whole), |(around, _)| whole.at(around));
    let one_of = around.map(|around| around.leaf().one_of.clone()).filter(|names| !names.is_empty());
    limits.extend(one_of.map(|names| Limit::OneOf { names }));
    let words = Limits(limits).render(language);
    let described = match language {
        Language::Chinese if !schema.description_zh.is_empty() => &schema.description_zh,
        Language::Chinese | Language::English => &schema.description,
    };
    match (described.is_empty(), words.is_empty(), language) {
        (true, ..) => words,
        (_, true, _) => described.clone(),
        (_, _, Language::English) => format!("{described} ({words})"),
        (_, _, Language::Chinese) => format!("{described}（{words}）"),
    }
}

fn choices(leaf: &Schema, language: Language) -> Vec<String> {
    match (leaf.kind, language) {
        (SchemaKind::Boolean, Language::English) => ["true", "false"].map(str::to_owned).into(),
        (SchemaKind::Boolean, Language::Chinese) => ["是", "否"].map(str::to_owned).into(),
        _ => leaf.values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect(),
    }
}

fn example(method: &Method, name: &str, params: &Params, language: Language) -> String {
    let (part, below) = place(name);
    let map = match part {
        "path" => &params.path,
        "query" => &params.query,
        _ => &params.body,
    };
    let names: Vec<&str> = below.split('.').collect();
    let Some(schema) = method.schema(part).and_then(|whole| whole.at(below)) else { return String::new() };
    let text = cell(schema, &Value::Object(map.clone()), &names).unwrap_or_default();
    match (schema.leaf().kind, language) {
        (SchemaKind::Boolean, Language::Chinese) => text.replace("true", "是").replace("false", "否"),
        _ => text,
    }
}

/// The documented call, and the least one; about two objects, and of the weeks to come.
fn examples(method: &Method, now: Timestamp) -> [Params; 2] {
    let mut least = Params {
        path: method.path_schema.sample_object(),
        query: method.query_schema.sample_object(),
        body: method.body_schema.sample_object(),
    };
    let documented = method.request.as_ref().and_then(|request| request.params(method).ok());
    let mut documented = documented.unwrap_or_else(|| least.clone());
    for (name, value) in &mut least.body {
        // An object of which nothing is required is no cell.
        if let (true, Some(full)) = (value.as_object().is_some_and(Map::is_empty), documented.body.get(name)) {
            *value = full.clone();
        }
    }
    let is_nothing = least == Params::default();
    for name in &method.identity {
        // A row needs a cell at least.
        if let Some(value) = documented.get(name).filter(|_| is_nothing || least.get(name).is_some()) {
            set(&mut least, name, value.clone());
        }
        change(method, name, &mut least);
    }
    follow_rules(method, &mut least, &documented.clone());
    follow_rules(method, &mut documented, &least);
    let days = now.unix_seconds().div_euclid(86_400);
    let monday = days + 7 - (days - MONDAY).rem_euclid(7);
    let morning = monday * 86_400 + MORNING_S;
    move_times(method, &mut documented, morning);
    move_times(method, &mut least, morning + WEEK_S);
    [documented, least]
}

/// Takes out what a rule finds too much, and puts in from the other example what one misses: the documents' own examples
/// show every parameter, whether it has an effect or not.
fn follow_rules(method: &Method, params: &mut Params, other: &Params) {
    let mut found = Vec::new();
    checks::of_params(method, params, Source::Document, &mut found);
    for finding in found {
        let Some((part, below)) = finding.field.split_once('.') else { continue };
        let Some(map) = part_of(params, part) else { continue };
        let (around, last) = below.rsplit_once('.').unwrap_or(("", below));
        let mut around = around.split('.').filter(|name| !name.is_empty());
        let Some(map) = around.try_fold(map, |map, name| map.get_mut(name)?.as_object_mut()) else { continue };
        if map.remove(last).is_none() {
            let missing = other.get(&finding.field).cloned();
            let sample = || method.param(&finding.field).map(Schema::sample);
            map.extend(missing.or_else(sample).map(|value| (last.to_owned(), value)));
        }
    }
}

fn value_at<'p>(params: &'p mut Params, name: &str) -> Option<&'p mut Value> {
    let (part, below) = name.split_once('.')?;
    let map = part_of(params, part)?;
    let mut names = below.split('.');
    let first = map.get_mut(names.next()?)?;
    names.try_fold(first, |value, name| value.get_mut(name))
}

/// Makes another object of it: the parameter's values get another last letter.
fn change(method: &Method, name: &str, params: &mut Params) {
    let (Some(schema), Some(value)) = (method.param(name), value_at(params, name)) else { return };
    visit(schema, value, &mut |schema, value| {
        if !schema.values.is_empty() || schema.format.is_some() {
            return;
        }
        match value {
            Value::String(text) => *text = another(text),
            Value::Number(number) => *value = Value::from(number.as_i64().unwrap_or_default() + 1),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    });
}

fn another(text: &str) -> String {
    let (before, last) = match text.char_indices().next_back() {
        Some((at, last)) if last.is_ascii_alphanumeric() => (&text[..at], last),
        Some(_) | None => return format!("{text}2"),
    };
    let last = match last {
        '9' => '0',
        'f'..='z' => 'a',
        'F'..='Z' => 'A',
        other => char::from_u32(u32::from(other) + 1).unwrap_or(other),
    };
    format!("{before}{last}")
}

fn part_of<'p>(params: &'p mut Params, part: &str) -> Option<&'p mut Map<String, Value>> {
    match part {
        "path" => Some(&mut params.path),
        "query" => Some(&mut params.query),
        "body" => Some(&mut params.body),
        _ => None,
    }
}

/// Moves all times together, so that the first of them is at `start`.
fn move_times(method: &Method, params: &mut Params, start: i64) {
    let mut first: Option<i64> = None;
    let is_time = |schema: &Schema| schema.format == Some(SchemaFormat::UnixSeconds);
    let instant = |value: &Value| seconds(value).filter(|seconds| *seconds >= FIRST_INSTANT_S);
    each_value(method, params, &mut |schema, value| {
        if let Some(at) = instant(value).filter(|_| is_time(schema)) {
            first = Some(first.map_or(at, |first| first.min(at)));
        }
    });
    let Some(first) = first else { return };
    each_value(method, params, &mut |schema, value| {
        if let Some(at) = instant(value).filter(|_| is_time(schema)) {
            let at = at - first + start;
            *value = if value.is_string() { Value::from(at.to_string()) } else { Value::from(at) };
        }
    });
}

fn each_value(method: &Method, params: &mut Params, act: &mut dyn FnMut(&Schema, &mut Value)) {
    for part in ["path", "query", "body"] {
        let Some(whole) = method.schema(part) else { continue };
        let Some(map) = part_of(params, part) else { continue };
        for (name, value) in map {
            if let Some(schema) = whole.property(name) {
                visit(schema, value, act);
            }
        }
    }
}

/// Comes to every value that is neither an object nor a list.
fn visit(schema: &Schema, value: &mut Value, act: &mut dyn FnMut(&Schema, &mut Value)) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if let Some(schema) = schema.property(name) {
                    visit(schema, value, act);
                }
            }
        }
        Value::Array(items) => {
            let schema = schema.items.as_deref().unwrap_or(schema);
            for item in items {
                visit(schema, item, act);
            }
        }
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => act(schema, leaf),
    }
}

#[cfg(test)]
mod tests;
