//! Chains: jobs that wait for other jobs, and values that other jobs' results give.
//!
//! A value `{"$from": "ID", "at": "calendar.calendar_id"}` stands among a job's parameters until the job `ID` has
//! succeeded. It is the job's content; what is filled in for it is not.
//!
//! Decision: docs/decisions/0045-chains-are-rows-of-references.md

pub mod graph;

use serde_json::{Map, Value};

use super::catalog::{At, Method, Schema, SchemaKind, shown_text};
use super::find;
use super::job::{Fault, ID_BYTES_MAX, Job, Params};
use super::messages::{Cause, Rule};

/// The key that tells a reference from a value: the id of the job whose result gives it.
pub const FROM: &str = "$from";
/// The key beside it: a field of that result. Without it, the key of the job's object is taken.
pub const AT: &str = "at";

/// A value that another job's result gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The parameter, with the items of lists: `body.attendees[0].room_id`.
    pub field: String,
    /// The other job.
    pub id: String,
    /// The field of its result; `None` for the key of its object.
    pub at: Option<String>,
}

/// A value that is taken from another job, as people see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Taken {
    /// The parameter.
    pub field: String,
    /// The other job.
    pub id: String,
    /// The field of its result; absent for the key of its object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The value, once it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Whether the value is not there yet: it is taken from another job, or a name stands in its place.
pub fn is_reference(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(FROM) || map.contains_key(find::FIND))
}

fn is_of_job(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(FROM))
}

/// Whether a reference is there, however deep.
pub fn holds_reference(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_reference(value) || map.values().any(holds_reference),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a parameter, by its dotted name, is not known before another job has ended: it, a part of it, or what it is part
/// of is a reference.
pub fn is_open(params: &Params, name: &str) -> bool {
    let Some((part, rest)) = name.split_once('.') else { return false };
    let map = match part {
        "path" => &params.path,
        "query" => &params.query,
        _ => &params.body,
    };
    let mut names = rest.split('.');
    let mut value = names.next().and_then(|name| map.get(name));
    for name in names {
        match value {
            Some(outer) if is_reference(outer) => return true,
            Some(outer) => value = outer.get(name),
            None => return false,
        }
    }
    value.is_some_and(holds_reference)
}

/// The references among the parameters, in their order.
pub fn references(params: &Params) -> Vec<Reference> {
    let mut found = Vec::new();
    for (part, map) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
        find_in(&At::Root(part, None), map, &mut found);
    }
    found
}

fn find_in(at: &At<'_>, map: &Map<String, Value>, found: &mut Vec<Reference>) {
    map.iter().for_each(|(name, value)| find(&At::Name(at, name), value, found));
}

fn find(at: &At<'_>, value: &Value, found: &mut Vec<Reference>) {
    match value {
        Value::Object(map) => match map.get(FROM) {
            Some(id) => found.push(Reference {
                field: at.to_string(),
                id: id.as_str().unwrap_or_default().to_owned(),
                at: map.get(AT).and_then(Value::as_str).map(str::to_owned),
            }),
            None => find_in(at, map, found),
        },
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| find(&At::Index(at, index), item, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Calls `change` for each reference among the parameters, in the order of [`references`], with the schema of its place.
fn each_mut(params: &mut Params, method: Option<&Method>, change: &mut impl FnMut(&mut Value, Option<&Schema>)) {
    let schema = |part| method.and_then(|method| method.schema(part));
    for (part, map) in [("path", &mut params.path), ("query", &mut params.query), ("body", &mut params.body)] {
        change_in(map, schema(part), change);
    }
}

fn change_in(
    map: &mut Map<String, Value>,
    schema: Option<&Schema>,
    change: &mut impl FnMut(&mut Value, Option<&Schema>),
) {
    for (name, value) in map {
        change_at(value, schema.and_then(|schema| schema.property(name)), change);
    }
}

fn change_at(value: &mut Value, schema: Option<&Schema>, change: &mut impl FnMut(&mut Value, Option<&Schema>)) {
    if is_of_job(value) {
        return change(value, schema);
    }
    match value {
        Value::Object(map) => change_in(map, schema, change),
        Value::Array(items) => {
            let schema = schema.and_then(|schema| schema.items.as_deref());
            for item in items {
                change_at(item, schema, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts another id into every reference.
pub fn rename(params: &mut Params, mut renamed: impl FnMut(&str) -> String) {
    each_mut(params, None, &mut |value, _| {
        if let Some(id) = value.get_mut(FROM) {
            *id = Value::from(renamed(id.as_str().unwrap_or_default()));
        }
    });
}

/// Puts the values in the place of the references, in their order, and ids in the place of names; one too few leaves its
/// reference where it is.
pub fn fill(params: &mut Params, values: &[Value], method: Option<&Method>) {
    let mut values = values.iter();
    each_mut(params, method, &mut |place, schema| {
        if let Some(value) = values.next() {
            *place = fitted(value, schema.map(|schema| schema.kind));
        }
    });
    find::fill(params);
}

/// Ids are kept as text, and some methods take them as numbers.
fn fitted(value: &Value, kind: Option<SchemaKind>) -> Value {
    match (kind, value) {
        (Some(SchemaKind::Integer), Value::String(text)) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
        }
        (Some(SchemaKind::String), Value::Number(number)) => Value::from(number.to_string()),
        (Some(_) | None, _) => value.clone(),
    }
}

/// The value that a job which succeeded gives: a field of its result, or the key of its object.
///
/// # Errors
/// It has none.
pub fn value_of(id: &str, at: Option<&str>, key: Option<&str>, result: &Value) -> Result<Value, Cause> {
    let Some(at) = at else {
        return key.map(Value::from).ok_or_else(|| Cause::NoKeyToTake { id: id.to_owned() });
    };
    let step = |value: &Value, name: &str| match value.as_array() {
        Some(items) => items.get(name.parse::<usize>().ok()?).cloned(),
        None => value.get(name).cloned(),
    };
    let found = at.split('.').try_fold(result.clone(), |value, name| step(&value, name));
    found.filter(|value| !value.is_null()).ok_or_else(|| Cause::NothingToTake { id: id.to_owned(), at: at.to_owned() })
}

/// What is wrong with a job now that its values are there.
pub fn faults_of_filled(job: &Job, method: &Method) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Params { path, query, body } = &job.params;
    for (part, map) in [("path", path), ("query", query), ("body", body)] {
        if let Some(schema) = method.schema(part) {
            schema.check_object(part, map, &mut faults);
        }
    }
    faults.extend(super::checks::faults_of_params(method, &job.params));
    faults
}

impl Job {
    /// Every job that must have succeeded before this one is sent: those that it waits for, and those that give it values.
    pub fn prerequisites(&self) -> Vec<String> {
        let mut ids = self.after.clone();
        for reference in references(&self.params) {
            if !ids.contains(&reference.id) {
                ids.push(reference.id);
            }
        }
        ids
    }

    /// What it takes from other jobs.
    pub fn taken(&self) -> Vec<Taken> {
        let mut values = self.filled.iter().cloned();
        let taken = |Reference { field, id, at }| Taken { field, id, at, value: values.next() };
        references(&self.params).into_iter().map(taken).collect()
    }

    /// Puts the values that other jobs gave in the place of the references.
    #[must_use]
    pub fn with_values(mut self, method: Option<&Method>) -> Self {
        self.put_values(method);
        self
    }

    /// Likewise, in its place.
    pub fn put_values(&mut self, method: Option<&Method>) {
        let values = std::mem::take(&mut self.filled);
        fill(&mut self.params, &values, method);
    }
}

impl Schema {
    /// What is wrong with a reference in this place, before its value is known.
    pub(crate) fn check_reference(&self, field: &At<'_>, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        let mut fail = |rule: Rule| faults.push(Fault::invalid(field.to_string(), rule));
        if let Some(name) = map.get(find::FIND) {
            return self.check_name(name, map, &mut fail);
        }
        let at = map.get(AT);
        let is_path =
            |at: &Value| at.as_str().is_some_and(|at| !at.is_empty() && at.split('.').all(|name| !name.is_empty()));
        if !map.get(FROM).is_some_and(is_id) || !at.is_none_or(is_path) || map.len() > 1 + usize::from(at.is_some()) {
            let (form, long) = (r#"{"$from":"ID"}"#.to_owned(), r#"{"$from":"ID","at":"field.path"}"#.to_owned());
            return fail(Rule::ResultOfJob { form, long });
        }
        if self.holds_secrets() {
            return fail(Rule::NoSecretOfJob);
        }
        if at.is_none() && !matches!(self.kind, SchemaKind::String | SchemaKind::Integer) {
            fail(Rule::KeyIsText { wanted: self.kind.wanted() });
        }
    }
}

impl Schema {
    /// What is wrong with a name in this place, and with what was found for it.
    fn check_name(&self, name: &Value, map: &Map<String, Value>, fail: &mut impl FnMut(Rule)) {
        let is_key = |id: &Value| id.is_i64() || id.as_str().is_some_and(|id| !id.is_empty());
        let (found, made) = (map.get(find::IS), map.get(FROM));
        let name = name.as_str().filter(|name| !find::steps(name).is_empty());
        let is_well = found.is_none_or(is_key)
            && made.is_none_or(is_id)
            && map.len() == 1 + usize::from(found.is_some()) + usize::from(made.is_some());
        match name.filter(|_| is_well) {
            None => fail(Rule::NameInPlace { form: r#"{"$find":"NAME"}"#.to_owned() }),
            Some(_) if self.resolve.is_empty() => fail(Rule::NoNamesHere),
            Some(name) if self.resolver(name).is_none() => fail(Rule::NoNameOfSuch),
            Some(_) => {}
        }
    }
}

/// Whether it can be the id of a job.
fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.chars().any(char::is_control))
}

/// The ids of `after`, each once.
///
/// # Errors
/// What is wrong with it, and what stands there.
pub(crate) fn after_of(value: &Value) -> Result<Vec<String>, Box<Fault>> {
    let expected = || Fault::malformed("after", Rule::JobIds);
    let Value::Array(items) = value else { return Err(Box::new(expected())) };
    let mut ids: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let id = item.as_str().filter(|_| is_id(item));
        let got = || item.as_str().map_or_else(|| item.to_string(), shown_text);
        let id = id.ok_or_else(|| Box::new(expected().got(got())))?;
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

/// A cell that refers to another job: `@{ID}` or `@{ID:field.path}`. Behind the last colon stands the field, so an id that
/// has one itself is written `@{a:b:}`.
pub(crate) fn of_cell(cell: &str) -> Option<Value> {
    let inner = cell.trim().strip_prefix("@{")?.strip_suffix('}')?;
    let (id, at) = inner.rsplit_once(':').map_or((inner, ""), |(id, at)| (id.trim(), at.trim()));
    let mut reference = Map::from_iter([(FROM.to_owned(), Value::from(id.trim()))]);
    if !at.is_empty() {
        reference.insert(AT.to_owned(), Value::from(at));
    }
    Some(Value::Object(reference))
}

#[cfg(test)]
mod tests;
