//! What a CSV column means: a field of the job, or a parameter of a method, typed by the method's schema.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::heading::normal;
use super::mapping;
use super::value;
use crate::catalog::{Method, Pattern, Resolve, Schema, SchemaFormat, SchemaKind};
use crate::chain;
use crate::checks::is_spoilt;
use crate::decode::FIELDS;
use crate::find;
use crate::messages::{Rule, Wanted};
use crate::time::{self, Timestamp, Zone};

/// What a header names, whatever the method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A field of the job, such as `id`.
    Field(&'static str),
    /// A parameter: `path`, `query` or `body`, and the names below.
    Param(&'static str, Vec<String>),
    /// A column without a name, as spreadsheets leave them.
    Nothing,
    /// A column that says nothing of the job.
    Ignored,
    /// A result column of an export, whose cells say nothing about the job that is wanted.
    Result(&'static str),
}

impl Target {
    pub(super) fn of(header: &str) -> Self {
        if header.is_empty() {
            return Self::Nothing;
        }
        if let Some(field) = FIELDS.into_iter().find(|field| *field == header) {
            return Self::Field(field);
        }
        let (part, names) = ["path", "query", "body"]
            .into_iter()
            .find_map(|part| Some((part, header.strip_prefix(part)?.strip_prefix('.')?)))
            .unwrap_or(("body", header));
        Self::Param(part, names.split('.').map(str::to_owned).collect())
    }

    /// The name that faults carry for it.
    pub(super) fn field(&self) -> String {
        match self {
            Self::Field(field) => (*field).to_owned(),
            Self::Param(part, names) => format!("{part}.{}", names.join(".")),
            Self::Nothing | Self::Ignored | Self::Result(_) => String::new(),
        }
    }
}

/// How the cells of a parameter's column become values of one method.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf {
    kind: SchemaKind,
    format: Option<SchemaFormat>,
    /// What people write for a value.
    words: Vec<(String, Value)>,
    /// Units behind a number, and what each is worth.
    units: Vec<(String, i64)>,
    /// What a number without a unit is worth, by the heading.
    unit: i64,
    /// Where dates are meant that do not say it.
    zone: Option<Zone>,
    /// What an id looks like, where that is known.
    id: Option<Pattern>,
    /// How a name in its place becomes one.
    resolve: Vec<Arc<Resolve>>,
    /// How many names lead to the list, if there is one on the way.
    list_at: Option<usize>,
    pub(super) sensitive: bool,
}

/// What a method makes of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// Values.
    Leaf(Leaf),
    /// The method has no such parameter.
    Unknown,
    /// It has, but no cell can hold it; why.
    NoCell(Rule),
}

/// Finds out what a method makes of a parameter's column.
pub(super) fn meaning(method: &Method, part: &str, names: &[String]) -> Meaning {
    let mut schema = match part {
        "path" => &method.path_schema,
        "query" => &method.query_schema,
        _ => &method.body_schema,
    };
    let mut list_at = None;
    let mut sensitive = false;
    for (index, name) in names.iter().enumerate() {
        let Some(next) = schema.property(name) else { return Meaning::Unknown };
        schema = next;
        sensitive |= schema.sensitive;
        while let Some(items) = &schema.items {
            if list_at.is_some() {
                return Meaning::NoCell(Rule::ListInList);
            }
            list_at = Some(index + 1);
            schema = items;
            sensitive |= schema.sensitive;
        }
    }
    if schema.kind == SchemaKind::Object {
        let parts = schema.leaves().into_iter().map(|leaf| format!("{}.{leaf}", names.join(".")));
        let parts = parts.collect::<Vec<_>>().join(", ");
        return Meaning::NoCell(Rule::HasParts { parts });
    }
    let words = schema.words.iter().map(|(word, value)| (normal(word), value.clone())).collect();
    let units = schema.units.iter().map(|(unit, worth)| (normal(unit), *worth)).collect();
    Meaning::Leaf(Leaf {
        kind: schema.kind,
        format: schema.format,
        words,
        units,
        unit: 1,
        zone: None,
        id: schema.pattern.clone(),
        resolve: schema.resolve.clone(),
        list_at,
        sensitive,
    })
}

impl Meaning {
    /// The same in a column whose heading names a unit, in a file whose dates are of this zone and whose map has words.
    pub(super) fn read_as(mut self, unit: Option<&str>, zone: Option<&Zone>, words: &[(String, String)]) -> Self {
        if let Self::Leaf(leaf) = &mut self {
            let known = unit.and_then(|unit| leaf.units.iter().find(|(known, _)| *known == normal(unit)));
            leaf.unit = known.map_or(1, |(_, worth)| *worth);
            leaf.zone = zone.cloned();
            let words = mapping::values(words, |text| leaf.value(text));
            leaf.words.splice(0..0, words);
        }
        self
    }
}

impl Leaf {
    /// An item of a list that holds a comma, although it may have been meant to be two.
    pub(super) fn doubtful_item<'c>(&self, cell: &'c str) -> Option<&'c str> {
        self.list_at.and_then(|_| value::doubtful_item(cell))
    }

    /// Why a date in the cell is no instant.
    pub(super) fn no_instant(&self, cell: &str) -> Option<Rule> {
        if self.format != Some(SchemaFormat::UnixSeconds) || !value::items(cell).any(time::is_local) {
            return None;
        }
        let Some(zone) = &self.zone else {
            return Some(Rule::TimeWithZone);
        };
        let is_one = |text: &str| !time::is_local(text) || zone.instant(text).is_some();
        (!value::items(cell).all(is_one)).then_some(Rule::ClocksChange)
    }

    /// Adds the words that a cell may hold to what is expected of its value.
    pub(super) fn add_words(&self, rule: &mut Rule) {
        let mut words: Vec<String> = self.words.iter().map(|(word, _)| word.clone()).collect();
        if matches!(rule, Rule::Expected { wanted: Wanted::TrueOrFalse }) {
            words.extend(value::YES_OR_NO.map(str::to_owned));
        }
        if matches!(rule, Rule::Expected { .. } | Rule::ExpectedOneOf { .. }) && !words.is_empty() {
            *rule = Rule::OrWords { rule: Box::new(rule.clone()), words };
        }
    }

    /// Puts a cell's value, or the values of its list, under these names.
    pub(super) fn put(&self, map: &mut Map<String, Value>, names: &[String], cell: &str) {
        let Some(list_at) = self.list_at else {
            put(map, names, self.value(cell));
            return;
        };
        let items = value::items(cell);
        let (outer, inner) = names.split_at(list_at);
        if inner.is_empty() {
            put(map, names, items.map(|item| self.value(item)).collect());
            return;
        }
        let Some(Value::Array(list)) = entry(map, outer, || Value::Array(Vec::new())) else { return };
        for (index, item) in items.enumerate() {
            if list.len() == index {
                list.push(Value::Object(Map::new()));
            }
            if let (false, Some(object)) = (item.is_empty(), list[index].as_object_mut()) {
                put(object, inner, self.value(item));
            }
        }
    }

    /// Whether the text is the name of something whose id is wanted.
    fn is_name(&self, text: &str) -> bool {
        let text = text.trim();
        !is_spoilt(text) && self.resolve.iter().any(|way| way.is_name(text, self.id.as_ref()) && way.takes(text))
    }

    /// A text as a value; one that does not fit stays a text, so that the schema's check names it.
    fn value(&self, text: &str) -> Value {
        if let Some(reference) = chain::of_cell(text) {
            return reference;
        }
        if let Some((_, value)) = self.words.iter().find(|(word, _)| *word == normal(text)) {
            return value.clone();
        }
        let unix_seconds = || {
            let wanted = self.format == Some(SchemaFormat::UnixSeconds);
            let local = || self.zone.as_ref().and_then(|zone| zone.instant(text));
            let instant = || Timestamp::parse(text.trim()).ok().or_else(local);
            wanted.then(instant).flatten().map(Timestamp::unix_seconds)
        };
        match self.kind {
            SchemaKind::Integer => {
                let number = value::measured(text, &self.units, self.unit).or_else(unix_seconds);
                let name = || if self.is_name(text) { find::of_text(text) } else { Value::from(text) };
                number.map_or_else(name, Value::from)
            }
            SchemaKind::Number => {
                let whole = value::integer(text).map(Value::from);
                let fraction = || text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
                whole.or_else(fraction).unwrap_or_else(|| Value::from(text))
            }
            SchemaKind::String if self.format.is_some() => {
                unix_seconds().map_or_else(|| Value::from(text.trim()), |seconds| Value::from(seconds.to_string()))
            }
            SchemaKind::Boolean => value::boolean(text).map_or_else(|| Value::from(text), Value::Bool),
            SchemaKind::String if self.is_name(text) => find::of_text(text),
            SchemaKind::String | SchemaKind::Object | SchemaKind::Array => Value::from(text),
        }
    }
}

fn put(map: &mut Map<String, Value>, names: &[String], value: Value) {
    if let Some(place) = entry(map, names, || Value::Null) {
        *place = value;
    }
}

/// The place under nested names, made where there is none; `None` if something else than an object is in the way.
fn entry<'a>(
    map: &'a mut Map<String, Value>,
    names: &[String],
    absent: impl FnOnce() -> Value,
) -> Option<&'a mut Value> {
    let (last, outer) = names.split_last()?;
    let map = outer.iter().try_fold(map, |map, name| {
        map.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    })?;
    Some(map.entry(last.as_str()).or_insert_with(absent))
}

/// Puts a cell that no schema types: the text as it stands.
pub(super) fn put_text(map: &mut Map<String, Value>, names: &[String], cell: &str) {
    put(map, names, Value::from(cell));
}

/// Every column that a method knows, by the names that a header uses.
pub(super) fn names(method: &Method) -> Vec<String> {
    let prefixed = |part: &str, schema: &Schema| {
        schema.leaves().into_iter().map(|leaf| format!("{part}.{leaf}")).collect::<Vec<_>>()
    };
    let mut names = method.body_schema.leaves();
    names.extend(prefixed("query", &method.query_schema));
    names.extend(prefixed("path", &method.path_schema));
    names
}
