//! Names in the place of ids: `{"$find": "总部/3号楼/2层"}` among the parameters of a job, and the id that was found.
//!
//! What was found stands beside the name, as `{"$find": …, "is": "omb_…"}`. The name is the job's content; the id is not, so
//! that a row stays the same row whatever is found for it. Where names are listed, the catalog says (`x-resolve`).
//!
//! Decision: docs/decisions/0053-a-name-is-content-and-its-id-is-not.md

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalog::{Catalog, Method, Resolve, Schema};
use super::job::{Fault, Job, LaneKey, Params};
use super::look_up::set;
use super::messages::Rule;
use super::outcome::{lookup, text_of};

/// The key that tells a name from a value.
pub const FIND: &str = "$find";
/// The key beside it: the id that was found.
pub const IS: &str = "is";

/// What separates the names of a path.
const STEPS: [char; 2] = ['/', '／'];
/// Names that are shown where one was not found.
const CANDIDATES_MAX: usize = 5;

/// Where names are looked up: a listing as one app, tenant and identity sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Directory {
    /// The listing's lane.
    pub lane: LaneKey,
    /// As whom it is asked: `tenant`, or `user:<name>`.
    pub identity: String,
    /// How its items are read.
    pub resolve: Resolve,
}

/// A name that a job uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The parameter: `body.room_level_id`.
    pub field: String,
    /// Where it is looked up.
    pub directory: Directory,
    /// The name.
    pub name: String,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its id.
    Is(String),
    /// Nothing has it; names that are there instead.
    Nothing(Vec<String>),
    /// Several have it: their ids.
    Several(Vec<String>),
}

/// What is known of all names that some files use.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// Nobody has looked.
    #[default]
    Unasked,
    /// As they were found.
    Found(Arc<HashMap<(Directory, String), Answer>>),
    /// In a rehearsal, where every name has an id that is made of it.
    MadeUp,
}

/// Whether the value is a name.
pub fn is_name(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(FIND))
}

/// A name in the place of an id.
pub(crate) fn of_text(text: &str) -> Value {
    Value::Object(Map::from_iter([(FIND.to_owned(), Value::from(text.trim()))]))
}

/// The steps of a path; of a plain name, the one.
pub fn steps(name: &str) -> Vec<&str> {
    name.split(STEPS).map(str::trim).filter(|step| !step.is_empty()).collect()
}

/// Which of the listed items has the name.
pub fn pick(items: &[Value], resolve: &Resolve, name: &str) -> Answer {
    let text = |item: &Value, path: &str| lookup(item, path).and_then(text_of);
    let names = [Some(resolve.name.as_str()), resolve.also.as_deref()];
    let has = |item: &&Value| names.iter().flatten().any(|path| text(item, path).is_some_and(|it| it.trim() == name));
    let mut keys: Vec<String> = items.iter().filter(has).filter_map(|item| text(item, &resolve.key)).collect();
    keys.dedup();
    match keys.len() {
        0 => {
            let mut others: Vec<String> = items.iter().filter_map(|item| text(item, &resolve.name)).collect();
            let is_like = |other: &String| !(other.contains(name) || name.contains(other.as_str()));
            others.sort_by_key(is_like);
            others.truncate(CANDIDATES_MAX);
            Answer::Nothing(others)
        }
        1 => Answer::Is(keys.remove(0)),
        _ => Answer::Several(keys),
    }
}

/// The items directly below one, of a listing that may give the whole tree; below none, those whose parent is not listed.
pub fn below(items: &[Value], resolve: &Resolve, parent: Option<&str>) -> Vec<Value> {
    let Some(above) = &resolve.above else { return items.to_vec() };
    let text = |item: &Value, path: &str| lookup(item, path).and_then(text_of);
    let is_listed = |key: &str| items.iter().any(|item| text(item, &resolve.key).as_deref() == Some(key));
    let is_below = |item: &&Value| match (text(item, above), parent) {
        (Some(its), Some(parent)) => its == parent,
        (Some(its), None) => !is_listed(&its),
        (None, _) => true,
    };
    items.iter().filter(is_below).cloned().collect()
}

/// What the listing is asked with: for what is below one, or for all.
pub fn params(resolve: &Resolve, parent: Option<&str>) -> Params {
    let mut params = Params::default();
    if let (Some(param), Some(parent)) = (&resolve.parent, parent) {
        set(&mut params, param, Value::from(parent));
    }
    params
}

/// The names of a job, without those whose ids are there.
pub fn wanted(job: &Job, catalog: &Catalog) -> Vec<Wanted> {
    let Some(method) = catalog.job_method(&job.lane.method) else { return Vec::new() };
    let mut found = Vec::new();
    let mut params = job.params.clone();
    each(&mut params, method, &mut |field, value, schema| {
        let (Some(name), Some(resolve)) = (value.get(FIND).and_then(Value::as_str), &schema.resolve) else { return };
        if value.get(IS).is_none() {
            let lane = LaneKey { method: resolve.method.clone(), ..job.lane.clone() };
            let directory = Directory { lane, identity: job.identity.to_string(), resolve: resolve.clone() };
            found.push(Wanted { field: field.to_owned(), directory, name: name.to_owned() });
        }
    });
    found
}

/// Whether names may stand in files of this method.
pub fn takes_names(method: &Method) -> bool {
    fn has(schema: &Schema) -> bool {
        schema.resolve.is_some()
            || schema.properties.iter().any(|(_, inner)| has(inner))
            || schema.items.as_deref().is_some_and(has)
    }
    [&method.path_schema, &method.query_schema, &method.body_schema].into_iter().any(has)
}

impl Names {
    /// Puts ids beside the job's names.
    ///
    /// # Errors
    /// What is wrong with names that were looked up.
    pub fn settle(&self, job: &mut Job, catalog: &Catalog) -> Result<bool, Vec<Fault>> {
        if matches!(self, Self::Unasked) || !holds_name(&job.params) {
            return Ok(false);
        }
        let names: BTreeMap<String, Wanted> =
            wanted(job, catalog).into_iter().map(|wanted| (wanted.field.clone(), wanted)).collect();
        let Some(method) = catalog.job_method(&job.lane.method) else { return Ok(false) };
        let (mut faults, mut has_changed) = (Vec::new(), false);
        each(&mut job.params, method, &mut |field, value, schema| {
            let Some(wanted) = names.get(field) else { return };
            match self.answer(wanted, schema) {
                Some(Ok(id)) => {
                    value[IS] = Value::from(id);
                    has_changed = true;
                }
                Some(Err(rule)) => faults.push(Fault::invalid(field, *rule)),
                None => {}
            }
        });
        if faults.is_empty() { Ok(has_changed) } else { Err(faults) }
    }

    /// The id of a name; `None` if nobody has looked.
    fn answer(&self, wanted: &Wanted, schema: &Schema) -> Option<Result<String, Box<Rule>>> {
        let name = wanted.name.clone();
        let found = match self {
            Self::Unasked => return None,
            Self::MadeUp => return Some(Ok(made_up(&name, schema))),
            Self::Found(found) => found.get(&(wanted.directory.clone(), name.clone()))?,
        };
        Some(Err(Box::new(match found {
            Answer::Is(id) => return Some(Ok(id.clone())),
            Answer::Nothing(there) if there.is_empty() => Rule::NothingNamed { name },
            Answer::Nothing(there) => Rule::NothingNamedSo { name, there: there.clone() },
            Answer::Several(ids) => Rule::SeveralNamedSo { name, ids: ids.clone() },
        })))
    }
}

/// An id that looks like one, and is another for every name.
fn made_up(name: &str, schema: &Schema) -> String {
    use std::fmt::Write as _;
    let example = schema.examples.first().and_then(Value::as_str).unwrap_or("id");
    let mut id = example.to_owned();
    for byte in name.bytes() {
        // Nothing is written to but memory.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

fn holds_name(params: &Params) -> bool {
    fn holds(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.contains_key(FIND) || map.values().any(holds),
            Value::Array(items) => items.iter().any(holds),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    [&params.path, &params.query, &params.body].into_iter().any(|map| map.values().any(holds))
}

/// The parameters as content: names without what was found for them. `None` if they are that already.
pub(crate) fn content(params: &Params) -> Option<Params> {
    holds_name(params).then(|| {
        let mut params = params.clone();
        change(&mut params, &mut |value| {
            if let Some(map) = value.as_object_mut() {
                map.remove(IS);
            }
        });
        params
    })
}

/// Puts the ids in the place of their names; a name without one stays.
pub fn fill(params: &mut Params) {
    change(params, &mut |value| {
        if let Some(id) = value.get(IS).cloned() {
            *value = id;
        }
    });
}

/// The first name that has no id.
pub fn left(params: &Params) -> Option<String> {
    let mut left = None;
    let mut params = params.clone();
    change(&mut params, &mut |value| {
        if value.get(IS).is_none() && left.is_none() {
            left = value.get(FIND).and_then(Value::as_str).map(str::to_owned);
        }
    });
    left
}

/// Calls `take` for every name among the parameters.
fn change(params: &mut Params, take: &mut impl FnMut(&mut Value)) {
    fn at(value: &mut Value, take: &mut impl FnMut(&mut Value)) {
        if is_name(value) {
            return take(value);
        }
        match value {
            Value::Object(map) => map.values_mut().for_each(|value| at(value, take)),
            Value::Array(items) => items.iter_mut().for_each(|value| at(value, take)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for map in [&mut params.path, &mut params.query, &mut params.body] {
        map.values_mut().for_each(|value| at(value, take));
    }
}

/// Calls `take` for every name with its field and schema.
fn each(params: &mut Params, method: &Method, take: &mut impl FnMut(&str, &mut Value, &Schema)) {
    fn at(field: &str, value: &mut Value, schema: &Schema, take: &mut impl FnMut(&str, &mut Value, &Schema)) {
        if is_name(value) {
            return take(field, value, schema);
        }
        match value {
            Value::Object(map) => below(field, map, schema, take),
            Value::Array(items) => {
                let Some(schema) = schema.items.as_deref() else { return };
                for (index, item) in items.iter_mut().enumerate() {
                    at(&format!("{field}[{index}]"), item, schema, take);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    fn below(
        field: &str,
        map: &mut Map<String, Value>,
        schema: &Schema,
        take: &mut impl FnMut(&str, &mut Value, &Schema),
    ) {
        for (name, value) in map {
            if let Some(schema) = schema.property(name) {
                at(&format!("{field}.{name}"), value, schema, take);
            }
        }
    }
    for (part, map) in [("path", &mut params.path), ("query", &mut params.query), ("body", &mut params.body)] {
        if let Some(schema) = method.schema(part) {
            below(part, map, schema, take);
        }
    }
}

#[cfg(test)]
mod tests;
