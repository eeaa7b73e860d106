//! The part of JSON Schema 2020-12 that the catalog uses, with a few keywords of our own (`x-…`).
//!
//! Our own rather than a crate's: the keywords below are all there are (an unknown one is refused when the catalog
//! loads), CSV cells are typed by them, and their faults are written for people. An object never takes properties
//! that it does not name. How a value is checked stands in `check.rs`; how a schema is read from TOML in `read.rs`.
//!
//! Decision: docs/decisions/0027-our-own-subset-of-json-schema.md

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::messages::Wanted;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::pattern::Pattern;
use super::resolve::Resolve;

/// What a value is: the keyword `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An object; what a schema is that says nothing.
    #[default]
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number that fits 64 bits.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Kind {
    /// The word of the keyword `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// What a value of it is called.
    pub const fn wanted(self) -> Wanted {
        match self {
            Self::Object => Wanted::AnObject,
            Self::Array => Wanted::AList,
            Self::String => Wanted::AString,
            Self::Integer => Wanted::AnInteger,
            Self::Number => Wanted::ANumber,
            Self::Boolean => Wanted::TrueOrFalse,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A limit of a number: whole where it was written so.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
}

impl Number {
    /// The number, as far as a double holds it.
    #[expect(clippy::cast_precision_loss, reason = "limits of platforms are far below 2^53")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Fraction(number) => number,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(out),
            Self::Fraction(number) => number.fmt(out),
        }
    }
}

/// The keyword `x-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A string of the digits 0 to 9.
    Digits,
    /// Seconds since 1970: an integer, or a string of digits. A CSV cell may hold RFC 3339 instead.
    UnixSeconds,
}

/// What can be wrong with one parameter, where the documents have a code for it: the keys of `x-codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// It is not what the schema asks for.
    Invalid,
    /// It is required, and not there.
    Missing,
    /// It names nothing that exists.
    Unknown,
    /// It names something that was deleted.
    Deleted,
    /// It names something that the caller may not use.
    Forbidden,
    /// It contradicts another parameter.
    Conflict,
    /// It is a time that has passed.
    Past,
}

/// What a value must be. Absent keywords limit nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// `type`.
    pub kind: Kind,
    /// `title`: a short name, where the property's own name does not say enough.
    pub title: String,
    /// `description`, in English.
    pub description: String,
    /// `description_zh`: the documentation's own words.
    pub description_zh: String,
    /// `properties` of an object, in the file's order.
    pub properties: Vec<(String, Schema)>,
    /// `required`: names of properties.
    pub required: Vec<String>,
    /// `items` of a list.
    pub items: Option<Box<Schema>>,
    /// `minLength`, in characters.
    pub length_min: Option<usize>,
    /// `maxLength`, in characters.
    pub length_max: Option<usize>,
    /// `x-max-bytes`: UTF-8 bytes.
    pub bytes_max: Option<usize>,
    /// `x-max-bytes-or-chars = [bytes, characters]`: keeping either limit is enough.
    pub bytes_or_chars_max: Option<(usize, usize)>,
    /// `pattern`: what an id of this kind surely looks like.
    pub pattern: Option<Pattern>,
    /// `x-called`: how messages call a value that the pattern fits, with its article.
    pub called: String,
    /// `minimum`.
    pub minimum: Option<Number>,
    /// `maximum`.
    pub maximum: Option<Number>,
    /// `minItems`.
    pub items_min: Option<usize>,
    /// `maxItems`.
    pub items_max: Option<usize>,
    /// `x-not-counted`: a parameter of the same part, dotted; items equal to it do not count for `maxItems`.
    pub not_counted: Option<String>,
    /// `enum`; empty for any value.
    pub values: Vec<Value>,
    /// `x-enum-notes`: what each value means, in the order of `enum`; empty or as long.
    pub value_notes: Vec<String>,
    /// `default`: what the platform takes when the value is absent. Never sent.
    pub default: Option<Value>,
    /// `examples`, each a valid value.
    pub examples: Vec<Value>,
    /// `x-format`.
    pub format: Option<Format>,
    /// `x-sensitive`: masked in every message.
    pub sensitive: bool,
    /// `x-lines`: a text that may have several lines.
    pub lines: bool,
    /// `x-only-when`: siblings and the values they must have (or have by default) for this property to differ from
    /// its own default.
    pub only_when: Vec<(String, Value)>,
    /// `x-required-when`: siblings and the values with any of which this property must be there, given or by default.
    pub required_when: Vec<(String, Value)>,
    /// `x-one-of` of an object: properties of which exactly one must be there.
    pub one_of: Vec<String>,
    /// `x-max-after`: siblings, and by how much this number may at most exceed theirs.
    pub max_after: Vec<(String, i64)>,
    /// `x-codes`: what the platform answers when something is wrong with this value; a simulated platform goes by it.
    pub codes: BTreeMap<Wrong, i64>,
    /// `aliases`: what people call the parameter in the headings of their files.
    pub aliases: Vec<String>,
    /// `x-words`: what people write in a cell for a value, and the value.
    pub words: Vec<(String, Value)>,
    /// `x-units`: units that people write behind a number or in its heading, and what each is worth.
    pub units: Vec<(String, i64)>,
    /// How names become this id: its own `x-resolve`, and the `[[resolves]]` of look-ups for its `x-names`.
    pub resolve: Vec<Arc<Resolve>>,
    /// `x-names`: what kind of things the value names, e.g. `users`; empty where it names nothing.
    pub names: String,
}

impl Schema {
    /// The schema of a direct property.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, schema)| schema)
    }

    /// How this name becomes the id.
    pub fn resolver(&self, name: &str) -> Option<&Arc<Resolve>> {
        self.resolve.iter().find(|resolve| resolve.takes(name))
    }

    /// Whether something sensitive is there, however deep.
    pub fn hides(&self, value: &Value) -> bool {
        self.sensitive
            || match value {
                Value::Object(map) => {
                    map.iter().any(|(name, value)| self.property(name).is_some_and(|schema| schema.hides(value)))
                }
                Value::Array(items) => {
                    self.items.as_deref().is_some_and(|schema| items.iter().any(|item| schema.hides(item)))
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            }
    }

    /// Whether something sensitive may be there, however deep.
    pub fn holds_secrets(&self) -> bool {
        self.sensitive
            || self.properties.iter().any(|(_, property)| property.holds_secrets())
            || self.items.as_deref().is_some_and(Self::holds_secrets)
    }

    /// The schema under a dotted name; lists are stepped into without a word of their own (`device.name`). The empty
    /// name is the schema itself.
    pub fn at(&self, dotted: &str) -> Option<&Self> {
        if dotted.is_empty() {
            return Some(self);
        }
        dotted.split('.').try_fold(self, |schema, name| schema.leaf().property(name))
    }

    /// The schema of the items of a list (of lists), else the schema itself.
    pub fn leaf(&self) -> &Self {
        self.items.as_deref().map_or(self, Self::leaf)
    }

    /// Whether the property of that name must be there.
    pub fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }

    /// Every dotted name below this schema that holds no further properties, in the file's order: the CSV columns.
    pub fn leaves(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, schema) in &self.properties {
            let inner = schema.leaf();
            if inner.kind == Kind::Object {
                names.extend(inner.leaves().into_iter().map(|leaf| format!("{name}.{leaf}")));
            } else {
                names.push(name.clone());
            }
        }
        names
    }

    /// Whether the value under a dotted name must be there whatever else is.
    pub fn requires_below(&self, dotted: &str) -> bool {
        let mut schema = self;
        dotted.split('.').all(|name| {
            let required = schema.requires(name);
            schema = schema.property(name).map_or(schema, Self::leaf);
            required
        })
    }

    /// The schema as JSON Schema, with every keyword that was given.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let mut put = |keyword: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(keyword.to_owned(), value);
            }
        };
        let text = |text: &String| (!text.is_empty()).then(|| json!(text));
        put("type", Some(json!(self.kind)));
        put("title", text(&self.title));
        put("description", text(&self.description));
        put("description_zh", text(&self.description_zh));
        if self.kind == Kind::Object {
            let properties: Map<_, _> =
                self.properties.iter().map(|(name, schema)| (name.clone(), schema.to_json())).collect();
            put("properties", Some(Value::Object(properties)));
            put("required", (!self.required.is_empty()).then(|| json!(self.required)));
            put("additionalProperties", Some(json!(false)));
        }
        put("items", self.items.as_ref().map(|items| items.to_json()));
        put("minLength", self.length_min.map(Value::from));
        put("maxLength", self.length_max.map(Value::from));
        put("x-max-bytes", self.bytes_max.map(Value::from));
        put("x-max-bytes-or-chars", self.bytes_or_chars_max.map(|(bytes, chars)| json!([bytes, chars])));
        put("pattern", self.pattern.as_ref().map(|pattern| json!(pattern.as_str())));
        put("x-called", text(&self.called));
        put("minimum", self.minimum.map(|limit| json!(limit)));
        put("maximum", self.maximum.map(|limit| json!(limit)));
        put("minItems", self.items_min.map(Value::from));
        put("maxItems", self.items_max.map(Value::from));
        put("x-not-counted", self.not_counted.as_ref().map(|name| json!(name)));
        put("enum", (!self.values.is_empty()).then(|| json!(self.values)));
        put("x-enum-notes", (!self.value_notes.is_empty()).then(|| json!(self.value_notes)));
        put("default", self.default.clone());
        put("examples", (!self.examples.is_empty()).then(|| json!(self.examples)));
        put("x-format", self.format.map(|format| json!(format)));
        put("x-sensitive", self.sensitive.then_some(Value::Bool(true)));
        put("x-lines", self.lines.then_some(Value::Bool(true)));
        let only_when: Map<_, _> = self.only_when.iter().cloned().collect();
        put("x-only-when", (!only_when.is_empty()).then_some(Value::Object(only_when)));
        let required_when: Map<_, _> = self.required_when.iter().cloned().collect();
        put("x-required-when", (!required_when.is_empty()).then_some(Value::Object(required_when)));
        put("x-one-of", (!self.one_of.is_empty()).then(|| json!(self.one_of)));
        let max_after: BTreeMap<_, _> = self.max_after.iter().cloned().collect();
        put("x-max-after", (!max_after.is_empty()).then(|| json!(max_after)));
        put("x-codes", (!self.codes.is_empty()).then(|| json!(self.codes)));
        put("x-names", text(&self.names));
        put("aliases", (!self.aliases.is_empty()).then(|| json!(self.aliases)));
        let words: Map<_, _> = self.words.iter().cloned().collect();
        put("x-words", (!words.is_empty()).then_some(Value::Object(words)));
        let units: BTreeMap<_, _> = self.units.iter().cloned().collect();
        put("x-units", (!units.is_empty()).then(|| json!(units)));
        put(
            "x-resolve",
            match &*self.resolve {
                [] => None,
                [resolve] => Some(json!(**resolve)),
                several => Some(several.iter().map(|resolve| json!(**resolve)).collect()),
            },
        );
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Schema {
        let text = Schema { kind: Kind::String, ..Schema::default() };
        let device = Schema { properties: vec![("name".to_owned(), text.clone())], ..Schema::default() };
        Schema {
            properties: vec![
                ("title".to_owned(), text),
                ("device".to_owned(), Schema { kind: Kind::Array, items: Some(Box::new(device)), ..Schema::default() }),
            ],
            required: vec!["title".to_owned()],
            ..Schema::default()
        }
    }

    #[test]
    fn dotted_names_step_into_lists() {
        let schema = sample();
        assert_eq!(schema.at("device.name").unwrap().kind, Kind::String);
        assert!(schema.at("device.nome").is_none());
        assert_eq!(schema.at("").unwrap(), &schema);
        assert_eq!(schema.leaves(), ["title", "device.name"]);
    }

    #[test]
    fn json_says_what_the_file_said() {
        let schema = sample().to_json();
        assert_eq!(schema["properties"]["device"]["items"]["properties"]["name"], json!({"type": "string"}));
        assert_eq!(schema["required"], json!(["title"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
