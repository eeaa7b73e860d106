//! How a name becomes an id: `x-resolve` of a parameter, or `[[resolves]]` of the look-up for every parameter that names
//! such things (`x-names`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::creation::NextPage;
use super::pattern::Pattern;
use crate::job::Params;
use crate::look_up::set;

/// What stands in `ask` for the names that one call asks for: a list of them, the one, or the list as a text of JSON.
const ASKED: [&str; 3] = ["$values", "$value", "$json"];

/// Where names of a kind are looked up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resolve {
    /// The kind of things, as `x-names` calls it; empty in an `x-resolve`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub names: String,
    /// The look-up.
    pub method: String,
    /// Which names it takes; all, where it is left out. What the first group holds is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<Pattern>,
    /// What in a cell surely is such a name and no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<Pattern>,
    /// Of a look-up that is asked for certain names: its parameters, with `$values`, `$value` or `$json` for the names.
    /// `$query.x` is the job's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ask: BTreeMap<String, Value>,
    /// The most names of one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// Dotted path of the list inside its result; empty where the result is the one item.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub items: String,
    /// Dotted path of the name inside an item; empty where the one item is what was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Dotted path of another name inside an item, e.g. an id of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// Dotted path of the id inside an item.
    pub key: String,
    /// Of things in a tree, which are named by their path: the listing's parameter that takes the one above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What that parameter takes for the top; left out, it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Dotted path of the id of the one above inside an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// Other parameters of the listing; those of its `[read]`, where it has one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// How it is paged, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextPage>,
    /// Codes that say that nothing has the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nothing: Vec<i64>,
    /// Which method makes one that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Create>,
    /// Whether the names are people's own data: shortened in every message.
    #[serde(skip)]
    pub personal: bool,
}

/// How something in a tree is made below another.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The method.
    pub method: String,
    /// Its parameter that takes the name.
    pub name: String,
    /// Its parameter that takes the id of the one above.
    pub parent: String,
}

impl Resolve {
    /// Whether it takes this name.
    pub fn takes(&self, name: &str) -> bool {
        self.like.as_ref().is_none_or(|like| like.fits(name.trim()))
    }

    /// Whether the text of a cell is a name, where an id would look like `id`.
    pub fn is_name(&self, text: &str, id: Option<&Pattern>) -> bool {
        match (&self.cell, &self.like) {
            (Some(cell), _) => cell.fits(text),
            (None, Some(_)) => false,
            (None, None) => id.is_some_and(|id| !id.fits(text)),
        }
    }

    /// What is asked for: the part of the name that the pattern captures.
    pub fn asked(&self, name: &str) -> String {
        let captured = self.like.as_ref().and_then(|like| like.captured(name.trim()));
        captured.unwrap_or_else(|| name.trim().to_owned())
    }

    /// Whether the names are asked for, not picked from a listing.
    pub fn is_asked(&self) -> bool {
        !self.ask.is_empty()
    }

    /// Whether things are named by their path.
    pub const fn is_tree(&self) -> bool {
        self.above.is_some()
    }

    /// How many names one call may ask for.
    pub fn most(&self) -> usize {
        self.most.unwrap_or(1).max(1)
    }

    /// The parameters in `ask` that take names.
    pub fn asked_params(&self) -> impl Iterator<Item = &str> {
        self.ask.iter().filter(|(_, template)| holds(template)).map(|(name, _)| name.as_str())
    }

    /// What of a job the look-up is asked with, whatever the names.
    pub fn given(&self, job: &Params) -> BTreeMap<String, Value> {
        let own = |template: &Value| match template.as_str().and_then(|text| text.strip_prefix('$')) {
            Some(name) => job.get(name).cloned(),
            None => Some(template.clone()),
        };
        let plain = self.ask.iter().filter(|(_, template)| !holds(template));
        plain.filter_map(|(name, template)| Some((name.clone(), own(template)?))).collect()
    }

    /// The parameters of one call.
    pub fn call(&self, given: &BTreeMap<String, Value>, names: &[String]) -> Params {
        let mut params = Params::default();
        for (name, value) in given {
            set(&mut params, name, value.clone());
        }
        for (name, template) in self.ask.iter().filter(|(_, template)| holds(template)) {
            set(&mut params, name, filled(template, names));
        }
        params
    }
}

fn holds(template: &Value) -> bool {
    match template {
        Value::String(text) => ASKED.contains(&text.as_str()),
        Value::Array(items) => items.iter().any(holds),
        Value::Object(map) => map.values().any(holds),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn filled(template: &Value, names: &[String]) -> Value {
    match template {
        Value::String(text) if text == "$values" => Value::from(names.to_vec()),
        Value::String(text) if text == "$value" => names.first().map(String::as_str).into(),
        Value::String(text) if text == "$json" => Value::from(Value::from(names.to_vec()).to_string()),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, inner)| (name.clone(), filled(inner, names))).collect::<Map<_, _>>())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
    }
}
