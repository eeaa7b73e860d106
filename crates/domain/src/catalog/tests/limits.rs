//! Each limit of each parameter of each method: kept at the edge and below, a fault that names field and rule above.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::super::Method;
use super::edges::{self, Edge};
use super::{CATALOG, methods};
use crate::job::{Fault, Params};
use crate::messages::Rule;

/// On the way to a value.
#[derive(Clone)]
enum Step {
    Name(String),
    /// The first of a list.
    Item,
}

/// Where a value stands, below a part of the request.
#[derive(Clone)]
struct Way(&'static str, Vec<Step>);

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)?;
        self.1.iter().try_for_each(|step| match step {
            Step::Name(name) => write!(out, ".{name}"),
            Step::Item => out.write_str("[0]"),
        })
    }
}

impl Way {
    fn to(&self, step: Step) -> Self {
        Self(self.0, self.1.iter().cloned().chain([step]).collect())
    }

    /// Puts a value there, or takes what is there away; what leads to it is made where it is missing.
    fn put(&self, params: &mut Params, value: Option<Value>) {
        let part = match self.0 {
            "path" => &mut params.path,
            "query" => &mut params.query,
            _ => &mut params.body,
        };
        let mut whole = Value::Object(std::mem::take(part));
        let mut place = &mut whole;
        let (last, before) = self.1.split_last().unwrap();
        for step in before {
            place = inner(place, step);
        }
        match (value, last) {
            (Some(value), last) => *inner(place, last) = value,
            (None, Step::Name(name)) => drop(object(place).remove(name)),
            (None, Step::Item) => *place = json!([]),
        }
        *part = std::mem::take(object(&mut whole));
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().unwrap()
}

fn inner<'v>(value: &'v mut Value, step: &Step) -> &'v mut Value {
    match step {
        Step::Name(name) => object(value).entry(name).or_insert(Value::Null),
        Step::Item => {
            if value.as_array().is_none_or(Vec::is_empty) {
                *value = json!([null]);
            }
            &mut value[0]
        }
    }
}

fn faults(method: &Method, params: &Params) -> Vec<Fault> {
    let mut faults = Vec::new();
    method.path_schema.check_object("path", &params.path, &mut faults);
    method.query_schema.check_object("query", &params.query, &mut faults);
    method.body_schema.check_object("body", &params.body, &mut faults);
    faults
}

/// One method's trial: a call that is documented, changed in one place at a time.
struct Trial<'m> {
    method: &'m Method,
    valid: Params,
    tried: BTreeMap<&'static str, usize>,
}

impl Trial<'_> {
    fn named(&self, way: &Way, value: Option<Value>, field: &str, is_named: impl Fn(&Rule) -> bool) -> bool {
        let mut params = self.valid.clone();
        way.put(&mut params, value);
        faults(self.method, &params).iter().any(|fault| fault.field == field && is_named(&fault.rule))
    }

    fn edge(&mut self, way: &Way, edge: Edge) {
        let (name, field) = (&self.method.name, way.to_string());
        for value in edge.good {
            let shown = value.to_string();
            assert!(!self.named(way, Some(value), &field, edge.is_named), "{name}: {field} {}: {shown}", edge.keyword);
        }
        for value in edge.bad {
            let shown = value.to_string();
            assert!(self.named(way, Some(value), &field, edge.is_named), "{name}: {field} {}: {shown}", edge.keyword);
        }
        *self.tried.entry(edge.keyword).or_default() += 1;
    }

    /// A schema and all below it.
    fn walk(&mut self, way: &Way, schema: &Value) {
        if !way.1.is_empty() {
            for edge in edges::of(schema) {
                self.edge(way, edge);
            }
        }
        self.properties_that_must_be_there(way, schema);
        if let Some(items) = schema.get("items") {
            self.walk(&way.to(Step::Item), items);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.walk(&way.to(Step::Name(name.clone())), property);
            self.depends_on_siblings(way, name, property, schema);
        }
    }

    fn properties_that_must_be_there(&mut self, way: &Way, schema: &Value) {
        let method = self.method.name.clone();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let below = way.to(Step::Name(name.to_owned()));
            let is_named = |rule: &Rule| matches!(rule, Rule::MissingFieldOf { .. });
            assert!(self.named(&below, None, &below.to_string(), is_named), "{method}: {below} may be left out");
            assert!(!self.named(&below, Some(json!("x")), &below.to_string(), is_named), "{method}: {below}");
            *self.tried.entry("required").or_default() += 1;
        }
        let Some(names) = schema["x-one-of"].as_array() else { return };
        let is_named = |rule: &Rule| matches!(rule, Rule::ExactlyOneOf { .. });
        let with = |count: usize| -> Value {
            let given = names.iter().take(count).map(|name| (name.as_str().unwrap().to_owned(), json!("1602504000")));
            Value::Object(given.collect())
        };
        for (count, is_wrong) in [(0, true), (1, false), (2, true)] {
            let found = self.named(way, Some(with(count)), &way.to_string(), is_named);
            assert_eq!(found, is_wrong, "{method}: {way} with {count} of {names:?}");
        }
        *self.tried.entry("x-one-of").or_default() += 1;
    }

    /// What is asked of a property only together with others of the same object.
    fn depends_on_siblings(&mut self, way: &Way, name: &str, property: &Value, object: &Value) {
        let (method, below) = (self.method.name.clone(), way.to(Step::Name(name.to_owned())));
        let own = property["examples"][0].clone();
        let with = |siblings: Vec<(&str, Value)>| -> Option<Value> {
            Some(Value::Object(siblings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
        };
        let whole = |trial: &Self, given, is_named: fn(&Rule) -> bool| {
            if !way.1.is_empty() {
                return trial.named(way, Some(Value::Object(given)), &below.to_string(), is_named);
            }
            let mut params = trial.valid.clone();
            params.body = given;
            faults(trial.method, &params).iter().any(|it| it.field == below.to_string() && is_named(&it.rule))
        };
        let map = |value: Option<Value>| value.unwrap().as_object().unwrap().clone();
        for (sibling, wanted) in property["x-required-when"].as_object().into_iter().flatten() {
            let is_named: fn(&Rule) -> bool = |rule| matches!(rule, Rule::MissingWhen { .. });
            assert!(whole(self, map(with(vec![(sibling, wanted.clone())])), is_named), "{method}: {below}");
            let both = map(with(vec![(sibling, wanted.clone()), (name, own.clone())]));
            assert!(!whole(self, both, is_named), "{method}: {below}");
            *self.tried.entry("x-required-when").or_default() += 1;
        }
        for (sibling, wanted) in property["x-only-when"].as_object().into_iter().flatten() {
            let is_named: fn(&Rule) -> bool =
                |rule| matches!(rule, Rule::OnlyWhen { .. } | Rule::OnlyWhenAbsent { .. });
            let other =
                object["properties"][sibling]["enum"].as_array().unwrap().iter().find(|it| *it != wanted).unwrap();
            let own = if own.is_null() || own == property["default"] { json!("other") } else { own.clone() };
            assert!(
                whole(self, map(with(vec![(sibling, other.clone()), (name, own.clone())])), is_named),
                "{method}: {below}"
            );
            let both = map(with(vec![(sibling, wanted.clone()), (name, own)]));
            assert!(!whole(self, both, is_named), "{method}: {below}");
            *self.tried.entry("x-only-when").or_default() += 1;
        }
        for (sibling, most) in property["x-max-after"].as_object().into_iter().flatten() {
            let is_named: fn(&Rule) -> bool = |rule| matches!(rule, Rule::AtMostAfter { .. });
            for (more, is_wrong) in [(0, false), (1, true)] {
                let later = json!(1_602_504_000 + most.as_i64().unwrap() + more);
                let both = map(with(vec![(sibling, json!(1_602_504_000)), (name, later)]));
                assert_eq!(whole(self, both, is_named), is_wrong, "{method}: {below}");
            }
            *self.tried.entry("x-max-after").or_default() += 1;
        }
    }
}

/// How often keywords stand in the schemas of a file.
fn count(schema: &Value, found: &mut BTreeMap<&'static str, usize>) {
    const KEYWORDS: [&str; 15] = [
        "minLength",
        "maxLength",
        "x-max-bytes",
        "x-max-bytes-or-chars",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "enum",
        "pattern",
        "x-required-when",
        "x-only-when",
        "x-max-after",
        "x-one-of",
        "required",
    ];
    for keyword in KEYWORDS {
        let names = schema[keyword].as_array().filter(|_| keyword == "required").map(Vec::len);
        let each = names.unwrap_or_else(|| schema.get(keyword).is_some().into());
        if each > 0 {
            *found.entry(keyword).or_default() += each;
        }
    }
    for inner in
        schema.get("items").into_iter().chain(schema["properties"].as_object().into_iter().flat_map(Map::values))
    {
        count(inner, found);
    }
}

#[test]
fn every_limit_of_every_method_is_kept_at_its_edge_and_named_beyond_it() {
    let (mut tried, mut there) = (BTreeMap::new(), BTreeMap::new());
    for (name, file) in methods() {
        let method = CATALOG.method(&name).unwrap();
        let documented = method.request.as_ref().map(|example| example.params(method).unwrap());
        let valid = documented.unwrap_or_else(|| Params {
            path: method.path_schema.sample_object(),
            query: method.query_schema.sample_object(),
            body: method.body_schema.sample_object(),
        });
        assert_eq!(faults(method, &valid), [], "{name}: the documented call");
        let mut trial = Trial { method, valid, tried: BTreeMap::new() };
        for (part, key) in [("path", "path_params"), ("query", "query"), ("body", "body")] {
            if let Some(schema) = file.get(key) {
                trial.walk(&Way(part, Vec::new()), schema);
                count(schema, &mut there);
            }
        }
        for (keyword, times) in trial.tried {
            *tried.entry(keyword).or_insert(0) += times;
        }
    }
    assert!(tried.values().sum::<usize>() > 1_000, "{tried:?}");
    tried.retain(|keyword, _| !["type", "x-format"].contains(keyword));
    assert_eq!(tried, there, "every keyword of the files was tried");
}
