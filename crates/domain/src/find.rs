//! Names in the place of ids: `{"$find": "总部/3号楼/2层"}` among the parameters of a job, and the id that was found.
//!
//! What was found stands beside the name, as `{"$find": …, "is": "omb_…"}`, or, where another job makes it, as `"$from"`. The
//! name is the job's content; what was found is not, so that a row stays the same row whatever is found for it. Where names
//! are looked up, the catalog says (`x-resolve`, `[[resolves]]`). [`walk()`] answers a name from what is known of a look-up,
//! or says what has to be asked first.
//!
//! Decisions: docs/decisions/0053-a-name-is-content-and-its-id-is-not.md, docs/decisions/0052-names-are-kept-with-their-age.md

mod directory;
mod walk;

pub use directory::Directory;
pub use walk::{
    Answer, Known, Listed, Nothing, Step, TOP, asked_of, is_same, listed, parent_of, place_below, place_of, walk,
};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalog::{Catalog, Method, Schema, SchemaKind, Wrong};
use super::chain::FROM;
use super::job::{Fault, Job, Params};
use super::messages::Rule;

/// The key that tells a name from a value.
pub const FIND: &str = "$find";
/// The key beside it: the id that was found.
pub const IS: &str = "is";

/// What separates the names of a path.
const STEPS: [char; 2] = ['/', '／'];

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

/// Whether nobody has looked the name up.
fn is_open(value: &Value) -> bool {
    is_name(value) && value.get(IS).is_none() && value.get(FROM).is_none()
}

/// A name in the place of an id.
pub(crate) fn of_text(text: &str) -> Value {
    Value::Object(Map::from_iter([(FIND.to_owned(), Value::from(text.trim()))]))
}

/// The steps of a path; of a plain name, the one.
pub fn steps(name: &str) -> Vec<&str> {
    name.split(STEPS).map(str::trim).filter(|step| !step.is_empty()).collect()
}

/// The names of a job, without those whose ids are there.
pub fn wanted(job: &Job, catalog: &Catalog) -> Vec<Wanted> {
    let Some(method) = catalog.job_method(&job.lane.method) else { return Vec::new() };
    let mut found = Vec::new();
    let mut params = job.params.clone();
    each(&mut params, method, &mut |field, value, schema| {
        let Some(name) = value.get(FIND).and_then(Value::as_str).filter(|_| is_open(value)) else { return };
        if let Some(resolve) = schema.resolver(name) {
            let directory = Directory::of(job, resolve, catalog);
            found.push(Wanted { field: field.to_owned(), directory, name: name.to_owned() });
        }
    });
    found
}

/// Whether names may stand in files of this method.
pub fn takes_names(method: &Method) -> bool {
    fn has(schema: &Schema) -> bool {
        !schema.resolve.is_empty()
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
                Some(Ok((key, found))) => {
                    value[key] = found;
                    has_changed = true;
                }
                Some(Err(rule)) => faults.push(Fault::invalid(field, *rule)),
                None => {}
            }
        });
        if faults.is_empty() { Ok(has_changed) } else { Err(faults) }
    }

    /// What stands beside a name, and under which key; `None` if nobody has looked.
    fn answer(&self, wanted: &Wanted, schema: &Schema) -> Option<Result<(&'static str, Value), Box<Rule>>> {
        let name = if wanted.directory.resolve.personal { shortened(&wanted.name) } else { wanted.name.clone() };
        let found = match self {
            Self::Unasked => return None,
            Self::MadeUp => return Some(Ok((IS, made_up(&wanted.name, schema)))),
            Self::Found(found) => found.get(&(wanted.directory.clone(), wanted.name.clone()))?,
        };
        let creatable = wanted.directory.resolve.create.is_some();
        Some(Err(Box::new(match found {
            Answer::Is(id) => return Some(Ok((IS, id_of(id, schema)))),
            Answer::Made(job) => return Some(Ok((FROM, Value::from(job.as_str())))),
            Answer::Nothing(Nothing { there, below: Some(_), .. }) if creatable => match there.as_slice() {
                [] => Rule::NothingNamedYet { name },
                _ => Rule::NothingNamedYetBut { name, there: there.clone() },
            },
            Answer::Nothing(Nothing { there, .. }) if there.is_empty() => Rule::NothingNamed { name },
            Answer::Nothing(Nothing { there, .. }) => Rule::NothingNamedSo { name, there: there.clone() },
            Answer::Several(ids) => Rule::SeveralNamedSo { name, ids: ids.clone() },
        })))
    }
}

/// People's own data as messages and logs show it: enough to recognise it by.
pub fn shortened(name: &str) -> String {
    if let Some((user, host)) = name.split_once('@') {
        return format!("{}…@{host}", user.chars().take(1).collect::<String>());
    }
    let skipped = name.chars().count().saturating_sub(4);
    format!("…{}", name.chars().skip(skipped).collect::<String>())
}

/// An id as the parameter takes it: some are numbers.
fn id_of(id: &str, schema: &Schema) -> Value {
    let number = (schema.kind == SchemaKind::Integer).then(|| id.parse::<i64>().ok()).flatten();
    number.map_or_else(|| Value::from(id), Value::from)
}

/// An id that looks like one, and is another for every name.
fn made_up(name: &str, schema: &Schema) -> Value {
    use std::fmt::Write as _;
    if schema.kind == SchemaKind::Integer {
        let sum = name.bytes().fold(0_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_000_007);
        return Value::from(1 + sum);
    }
    let example = schema.examples.first().and_then(Value::as_str).unwrap_or("id");
    let mut id = example.to_owned();
    for byte in name.bytes() {
        // Nothing is written to but memory.
        let _ = write!(id, "{byte:02x}");
    }
    Value::from(id)
}

/// Whether a name is there, looked up or not.
pub fn holds(job: &Job) -> bool {
    holds_name(&job.params)
}

/// Forgets what was found for the job's names, so that they are looked up again.
pub fn forget(params: &mut Params) {
    change(params, &mut |value| {
        if let Some(map) = value.as_object_mut() {
            map.remove(IS);
        }
    });
}

/// Where the names were looked up whose ids a code says to be gone, as the parameters' `x-codes` have it.
pub fn gone(job: &Job, catalog: &Catalog, code: i64) -> Vec<Directory> {
    let Some(method) = catalog.job_method(&job.lane.method) else { return Vec::new() };
    let mut gone = Vec::new();
    each(&mut job.params.clone(), method, &mut |_, value, schema| {
        let is_gone = [Wrong::Unknown, Wrong::Deleted].iter().any(|wrong| schema.codes.get(wrong) == Some(&code));
        let name = value.get(FIND).and_then(Value::as_str).filter(|_| is_gone && value.get(IS).is_some());
        if let Some(resolve) = name.and_then(|name| schema.resolver(name)) {
            gone.push(Directory::of(job, resolve, catalog));
        }
    });
    gone
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
                map.remove(FROM);
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
    fn left(value: &Value) -> Option<&str> {
        match value {
            Value::Object(map) if map.contains_key(FIND) => map[FIND].as_str().filter(|_| is_open(value)),
            Value::Object(map) => map.values().find_map(left),
            Value::Array(items) => items.iter().find_map(left),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }
    [&params.path, &params.query, &params.body].into_iter().flat_map(Map::values).find_map(left).map(str::to_owned)
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
