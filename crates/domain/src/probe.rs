//! How a method is tried on a test tenant: the `[probe]` of its file, and the calls that are made of it.
//!
//! Decision: docs/decisions/0057-a-probe-is-part-of-a-method.md

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::{Catalog, Method, Schema, SchemaKind};
use crate::job::{Job, Params};
use crate::look_up::set;
use crate::outcome::lookup;
use crate::time::Timestamp;

/// Text that is another one in each calibration.
const UNIQUE: &str = "{unique}";
/// Times of probes begin at a full hour: platforms round to quarters and halves of one.
const HOUR_S: i64 = 3_600;

/// How a create is tried: the object that is made, asked for and deleted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Parameters of the create: dotted name → template.
    pub params: BTreeMap<String, Value>,
    /// What a person has to name: word → what it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<String, String>,
    /// Fetches the object, to be asked for it after its deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub get: Option<ProbeCall>,
    /// Takes back a state, which no `[undo]` can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<ProbeCall>,
}

/// A call about the object that was made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeCall {
    /// Which.
    pub method: String,
    /// Dotted name → template.
    pub params: BTreeMap<String, Value>,
}

/// The object that was made.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// By which job.
    pub job: &'a Job,
    /// Its id; empty for a state.
    pub key: &'a str,
    /// What the platform returned.
    pub result: &'a Value,
}

/// What templates stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// In place of `{unique}`.
    pub unique: &'a str,
    /// When the calibration began.
    pub now: Timestamp,
    /// What a person named.
    pub given: &'a BTreeMap<String, String>,
    /// The objects that earlier probes made: method → id.
    pub made: &'a BTreeMap<String, String>,
    /// What the call is about; `None` for the create itself.
    pub about: Option<Object<'a>>,
}

impl Values<'_> {
    /// The parameters that these templates make up; without what has no value.
    pub fn params(&self, method: &Method, templates: &BTreeMap<String, Value>) -> Params {
        let mut params = Params::default();
        for (name, template) in templates {
            if let Some(value) = self.fill(template, method.param(name)) {
                set(&mut params, name, value);
            }
        }
        params
    }

    fn fill(&self, template: &Value, schema: Option<&Schema>) -> Option<Value> {
        match template {
            Value::String(text) => self.text(text, schema),
            Value::Array(items) => {
                let schema = schema.and_then(|schema| schema.items.as_deref());
                Some(items.iter().filter_map(|item| self.fill(item, schema)).collect())
            }
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| {
                    let schema = schema.and_then(|schema| schema.property(name));
                    Some((name.clone(), self.fill(value, schema)?))
                };
                Some(Value::Object(fields.iter().filter_map(field).collect::<Map<_, _>>()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(template.clone()),
        }
    }

    fn text(&self, text: &str, schema: Option<&Schema>) -> Option<Value> {
        let Some(reference) = text.strip_prefix('$') else {
            return Some(Value::from(text.replace(UNIQUE, self.unique)));
        };
        let named = |name: &str| -> Option<Value> {
            let about = self.about?;
            match name.split_once('.') {
                None if name == "key" => Some(Value::from(about.key)),
                Some(("result", path)) => lookup(about.result, path).cloned(),
                _ => about.job.params.get(name).cloned(),
            }
        };
        let value = match Reference::of(reference) {
            Reference::Given(name) => Value::from(self.given.get(name)?.as_str()),
            Reference::Made(method) => Value::from(self.made.get(method)?.as_str()),
            Reference::In(seconds) => {
                let hour = self.now.unix_seconds().div_euclid(HOUR_S) * HOUR_S;
                Value::from(hour + HOUR_S + seconds)
            }
            Reference::About(name) => named(name)?,
        };
        Some(typed(value, schema))
    }
}

/// An id or instant as the parameter has it: as text, or as a number.
fn typed(value: Value, schema: Option<&Schema>) -> Value {
    match (schema.map(|schema| schema.kind), &value) {
        (Some(SchemaKind::Integer), Value::String(text)) => text.parse::<i64>().map_or(value, Value::from),
        (Some(SchemaKind::String), Value::Number(number)) => Value::from(number.to_string()),
        _ => value,
    }
}

/// What a template that begins with `$` refers to.
enum Reference<'t> {
    Given(&'t str),
    /// The object that the probe of this method made.
    Made(&'t str),
    /// So many seconds after the next full hour.
    In(i64),
    About(&'t str),
}

impl<'t> Reference<'t> {
    fn of(text: &'t str) -> Self {
        match text.split_once('.') {
            Some(("given", name)) => Self::Given(name),
            Some(("of", method)) => Self::Made(method),
            Some(("in", seconds)) => seconds.parse().map_or(Self::About(text), Self::In),
            _ => Self::About(text),
        }
    }
}

/// Every text of a template, however deep it stands.
fn texts(template: &Value) -> Vec<&str> {
    match template {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

impl Probe {
    fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let texts = self.params.values().flat_map(texts);
        texts.filter_map(|text| text.strip_prefix('$')).map(Reference::of)
    }

    /// The creates whose objects it needs.
    pub fn needs(&self) -> BTreeSet<&str> {
        self.references().filter_map(|of| if let Reference::Made(method) = of { Some(method) } else { None }).collect()
    }

    /// What a person has to name for it.
    pub fn wants(&self) -> BTreeSet<&str> {
        self.references().filter_map(|of| if let Reference::Given(name) = of { Some(name) } else { None }).collect()
    }

    /// References of the create's parameters that stand for nothing: what is made is not there yet.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        self.references().filter_map(|of| if let Reference::About(name) = of { Some(name) } else { None }).collect()
    }
}

/// The methods with a probe that this choice needs, what others need first; a need that never ends is left out.
pub fn in_order(catalog: &Catalog, chosen: impl Fn(&Method) -> bool) -> Vec<(&Method, &Probe)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for method in catalog.methods.values().filter(|method| method.probe.is_some() && chosen(method)) {
        visit(catalog, &method.name, &mut seen, &mut found);
    }
    found
}

fn visit<'c>(catalog: &'c Catalog, name: &str, seen: &mut BTreeSet<String>, found: &mut Vec<(&'c Method, &'c Probe)>) {
    let Some(method) = catalog.job_method(name) else { return };
    let Some(probe) = &method.probe else { return };
    if !seen.insert(name.to_owned()) {
        return;
    }
    for need in probe.needs() {
        visit(catalog, need, seen, found);
    }
    found.push((method, probe));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;

    fn first_example(method: &Method, name: &str) -> Option<String> {
        let parts = [&method.path_schema, &method.query_schema, &method.body_schema];
        let mut left: Vec<&Schema> = parts.into();
        // Any id of its kind will do: what the template stands for has the parameter's own shape.
        while let Some(schema) = left.pop() {
            left.extend(schema.properties.iter().map(|(_, inner)| inner).chain(schema.items.as_deref()));
            if schema.names == name {
                return schema.examples.first().and_then(crate::outcome::text_of);
            }
        }
        None
    }

    #[test]
    fn every_probe_makes_a_call_that_the_schemas_accept() {
        let catalog = built_in().unwrap();
        let probes = in_order(&catalog, |_| true);
        assert!(probes.len() >= 8, "{}", probes.len());
        let (mut made, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (method, probe) in probes {
            for need in probe.needs() {
                assert!(seen.contains(need), "{}: {need} comes first", method.name);
            }
            seen.insert(method.name.clone());
            let given = probe.wants().into_iter().map(|word| {
                let kind = if word == "user" { "users".to_owned() } else { format!("{word}s") };
                (word.to_owned(), first_example(method, &kind).unwrap_or_else(|| "1".to_owned()))
            });
            let given = given.collect();
            let now = Timestamp::parse("2026-11-29T12:34:56+08:00").unwrap();
            let values = Values { unique: "0123456789abcdef", now, given: &given, made: &made, about: None };
            let params = values.params(method, &probe.params);
            let mut faults = Vec::new();
            for (part, map) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
                method.schema(part).unwrap().check_object(part, map, &mut faults);
            }
            assert!(faults.is_empty(), "{}: {faults:?}", method.name);
            let example = method.reply.key.as_ref().and_then(|key| {
                let result = ["data", ""].iter().find_map(|data| lookup(&method.reply.example, data))?;
                lookup(result, key).and_then(crate::outcome::text_of)
            });
            made.insert(method.name.clone(), example.unwrap_or_else(|| "1".to_owned()));
        }
    }

    #[test]
    fn templates_become_what_their_parameters_take() {
        let catalog = built_in().unwrap();
        let method = catalog.job_method("wecom.oa.meetingroom.book").unwrap();
        let made = BTreeMap::from([("wecom.oa.meetingroom.add".to_owned(), "17".to_owned())]);
        let given = BTreeMap::from([("user".to_owned(), "zhangsan".to_owned())]);
        let now = Timestamp::parse("2026-11-29T12:34:56+08:00").unwrap();
        let values = Values { unique: "u", now, given: &given, made: &made, about: None };
        let template = |value: Value| values.fill(&value, method.param("body.meetingroom_id"));
        assert_eq!(template(json!("$of.wecom.oa.meetingroom.add")), Some(json!(17)));
        assert_eq!(template(json!("$of.wecom.nothing")), None);
        let hour = Timestamp::parse("2026-11-29T13:00:00+08:00").unwrap().unix_seconds();
        assert_eq!(template(json!("$in.600")), Some(json!(hour + 600)));
        assert_eq!(
            values.fill(&json!(["$given.user", "x-{unique}", "$given.nobody"]), None),
            Some(json!(["zhangsan", "x-u"]))
        );
    }
}
