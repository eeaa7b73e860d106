//! Checks values against schemas: all faults of a value, each with its field, the rule and what stands there.

use std::fmt;

use serde_json::{Map, Value};

use super::schema::{Format, Kind, Number, Schema};
use crate::chain::is_reference;
use crate::job::Fault;
use crate::messages::{Got, Hint, Rule, Wanted};

/// The longest piece of an offending value that a message shows, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// Where a value stands; written out only when there is a fault to name.
pub(crate) enum At<'a> {
    /// A part of the request, and its parameters where it is an object.
    Root(&'a str, Option<&'a Map<String, Value>>),
    /// A property.
    Name(&'a Self, &'a str),
    /// An item of a list.
    Index(&'a Self, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name, _) => out.write_str(name),
            Self::Name(outer, name) => write!(out, "{outer}.{name}"),
            Self::Index(outer, index) => write!(out, "{outer}[{index}]"),
        }
    }
}

impl At<'_> {
    /// Another parameter of the same part of the request, by its dotted name.
    fn parameter(&self, dotted: &str) -> Option<&Value> {
        match self {
            Self::Root(_, map) => {
                let mut names = dotted.split('.');
                let first = (*map)?.get(names.next()?)?;
                names.try_fold(first, |value, name| value.get(name))
            }
            Self::Name(outer, _) | Self::Index(outer, _) => outer.parameter(dotted),
        }
    }
}

impl Schema {
    /// Adds every fault of `value` to `faults`; `field` is the dotted name of the value, e.g. `body`.
    pub fn check(&self, field: &str, value: &Value, faults: &mut Vec<Fault>) {
        self.check_value(&At::Root(field, value.as_object()), value, faults);
    }

    /// Like [`Schema::check`], for an object whose map is at hand.
    pub fn check_object(&self, field: &str, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        self.check_map(&At::Root(field, Some(map)), map, faults);
    }

    fn check_value(&self, field: &At<'_>, value: &Value, faults: &mut Vec<Fault>) {
        if let Some(reference) = value.as_object().filter(|_| is_reference(value)) {
            return self.check_reference(field, reference, faults);
        }
        match (self.kind, value) {
            (Kind::Object, Value::Object(map)) => self.check_map(field, map, faults),
            (Kind::Array, Value::Array(items)) => self.check_array(field, items, faults),
            (Kind::String, Value::String(text)) => self.check_text(field, text, faults),
            (Kind::Integer, Value::Number(number)) if number.as_i64().is_some() => {
                self.check_integer(field, number.as_i64().unwrap_or_default(), value, faults);
            }
            (Kind::Number, Value::Number(number)) => {
                if let Some(number) = number.as_f64() {
                    self.check_number(field, number, value, faults);
                }
            }
            (Kind::Boolean, Value::Bool(_)) => {}
            _ => {
                faults.push(self.fault(field, Rule::Expected { wanted: self.wanted() }, value));
                return;
            }
        }
        if !self.values.is_empty() && !self.values.contains(value) {
            let values = self.values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            faults.push(self.fault(field, Rule::ExpectedOneOf { values }, value));
        }
    }

    fn check_map(&self, field: &At<'_>, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        for name in self.required.iter().filter(|name| !map.contains_key(*name)) {
            let wanted = self.property(name).map_or(Wanted::AValue, |schema| schema.kind.wanted());
            let at = At::Name(field, name).to_string();
            faults.push(Fault::invalid(at, Rule::MissingFieldOf { wanted }));
        }
        self.check_one_of(field, map, faults);
        self.check_required_when(field, map, faults);
        for (name, value) in map {
            let at = At::Name(field, name);
            match self.property(name) {
                Some(schema) => {
                    schema.check_value(&at, value, faults);
                    self.check_only_when(&at, schema, value, map, faults);
                    check_max_after(&at, schema, value, map, faults);
                }
                None => faults.push(Fault::invalid(at.to_string(), self.unknown(name))),
            }
        }
    }

    /// Exactly one of some properties must be there.
    fn check_one_of(&self, field: &At<'_>, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        let given: Vec<&str> = self.one_of.iter().map(String::as_str).filter(|name| map.contains_key(*name)).collect();
        if self.one_of.is_empty() || given.len() == 1 {
            return;
        }
        let fault = Fault::invalid(field.to_string(), Rule::ExactlyOneOf { names: self.one_of.clone() });
        faults.push(if given.is_empty() { fault } else { fault.got(given.join(", ")) });
    }

    /// A property must be there while a sibling has a certain value.
    fn check_required_when(&self, field: &At<'_>, map: &Map<String, Value>, faults: &mut Vec<Fault>) {
        for (name, schema) in self.properties.iter().filter(|(name, _)| !map.contains_key(name)) {
            let sibling = |name: &String| map.get(name).or_else(|| self.property(name)?.default.as_ref());
            let met = schema.required_when.iter().find(|(name, wanted)| sibling(name) == Some(wanted));
            if let Some((other, value)) = met {
                let (other, value) = (other.clone(), value.to_string());
                let rule = Rule::MissingWhen { wanted: schema.kind.wanted(), other, value };
                faults.push(Fault::invalid(At::Name(field, name).to_string(), rule));
            }
        }
    }

    fn unknown(&self, name: &str) -> Rule {
        let known = self.properties.iter().map(|(known, _)| known.as_str());
        let hint = match nearest(name, known.clone()) {
            Some(near) => Hint::DidYouMean { near: near.to_owned() },
            None if self.properties.is_empty() => Hint::TakesNoneHere,
            None => Hint::ThereAre { names: known.map(str::to_owned).collect() },
        };
        Rule::NoSuchParameter { hint }
    }

    /// A property may differ from its own default only while its siblings have certain values.
    fn check_only_when(
        &self,
        field: &At<'_>,
        schema: &Self,
        value: &Value,
        siblings: &Map<String, Value>,
        faults: &mut Vec<Fault>,
    ) {
        if schema.default.as_ref() == Some(value) {
            return;
        }
        for (name, wanted) in &schema.only_when {
            let actual = siblings.get(name).or_else(|| self.property(name)?.default.as_ref());
            if actual != Some(wanted) && !actual.is_some_and(is_reference) {
                let (name, wanted) = (name.clone(), wanted.to_string());
                let rule = match actual {
                    Some(actual) => Rule::OnlyWhen { name, wanted, actual: actual.to_string() },
                    None => Rule::OnlyWhenAbsent { name, wanted },
                };
                faults.push(schema.fault(field, rule, value));
            }
        }
    }

    fn check_array(&self, field: &At<'_>, items: &[Value], faults: &mut Vec<Fault>) {
        if let Some(min) = self.items_min.filter(|min| items.len() < *min) {
            faults.push(Fault::invalid(field.to_string(), Rule::ItemsAtLeast { min }).got(items.len().to_string()));
        }
        let besides = self.not_counted.as_deref().and_then(|name| Some((name, field.parameter(name)?)));
        let counted = items.iter().filter(|item| besides.is_none_or(|(_, other)| *item != other)).count();
        if let Some(max) = self.items_max.filter(|max| counted > *max) {
            let rule = match besides {
                Some((name, _)) => Rule::ItemsAtMostBesides { max, name: name.to_owned() },
                None => Rule::ItemsAtMost { max },
            };
            faults.push(Fault::invalid(field.to_string(), rule).got(counted.to_string()));
        }
        if let Some(schema) = &self.items {
            for (index, item) in items.iter().enumerate() {
                schema.check_value(&At::Index(field, index), item, faults);
            }
        }
    }

    fn check_text(&self, field: &At<'_>, text: &str, faults: &mut Vec<Fault>) {
        let before = faults.len();
        self.check_length(field, text, faults);
        // A text of the wrong length is named once.
        if faults.len() == before && self.pattern.as_ref().is_some_and(|pattern| !pattern.fits(text)) {
            let (called, example) = (self.called.clone(), self.example().to_owned());
            faults.push(self.fault(
                field,
                Rule::Expected { wanted: Wanted::Called { called, example } },
                &Value::from(text),
            ));
        }
    }

    /// What a value that the pattern fits is called, with an example.
    pub(super) fn kind_of_id(&self) -> String {
        format!("{} such as {:?}", self.called, self.example())
    }

    fn example(&self) -> &str {
        self.examples.iter().find_map(Value::as_str).unwrap_or_default()
    }

    fn check_length(&self, field: &At<'_>, text: &str, faults: &mut Vec<Fault>) {
        let (bytes, chars) = (text.len(), text.chars().count());
        let sized = |count| Some(Got::Sized { count, shown: shown_text(text) });
        let mut fail = |rule, got| faults.push(self.size_fault(field, rule, got, text));
        if let Some(min) = self.length_min.filter(|min| chars < *min) {
            match min {
                1 => fail(Rule::MustNotBeEmpty, None),
                _ => fail(Rule::CharactersAtLeast { min }, sized(chars)),
            }
        }
        if let Some(max) = self.length_max.filter(|max| chars > *max) {
            fail(Rule::CharactersAtMost { max }, sized(chars));
        }
        if let Some(max) = self.bytes_max.filter(|max| bytes > *max) {
            fail(Rule::Utf8BytesAtMost { max }, sized(bytes));
        }
        if let Some((bytes_max, chars_max)) = self.bytes_or_chars_max
            && bytes > bytes_max
            && chars > chars_max
        {
            let got = Got::BytesAndCharacters { bytes, chars, shown: shown_text(text) };
            fail(Rule::BytesOrCharactersAtMost { bytes_max, chars_max }, Some(got));
        }
        if self.format.is_some() && (text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit())) {
            fail(Rule::Expected { wanted: self.wanted() }, None);
        }
    }

    fn check_integer(&self, field: &At<'_>, number: i64, value: &Value, faults: &mut Vec<Fault>) {
        // Whole limits are compared whole: a double cannot hold every integer.
        let is_below = |limit: Number| match limit {
            Number::Whole(limit) => number < limit,
            Number::Fraction(limit) => Number::Whole(number).as_f64() < limit,
        };
        let is_above = |limit: Number| match limit {
            Number::Whole(limit) => number > limit,
            Number::Fraction(limit) => Number::Whole(number).as_f64() > limit,
        };
        self.check_limits(field, value, is_below, is_above, faults);
    }

    fn check_number(&self, field: &At<'_>, number: f64, value: &Value, faults: &mut Vec<Fault>) {
        self.check_limits(field, value, |limit| number < limit.as_f64(), |limit| number > limit.as_f64(), faults);
    }

    fn check_limits(
        &self,
        field: &At<'_>,
        value: &Value,
        is_below: impl Fn(Number) -> bool,
        is_above: impl Fn(Number) -> bool,
        faults: &mut Vec<Fault>,
    ) {
        if let Some(min) = self.minimum.filter(|min| is_below(*min)) {
            faults.push(self.fault(field, Rule::AtLeast { min: min.to_string() }, value));
        }
        if let Some(max) = self.maximum.filter(|max| is_above(*max)) {
            faults.push(self.fault(field, Rule::AtMost { max: max.to_string() }, value));
        }
    }

    /// What a message says is wanted.
    fn wanted(&self) -> Wanted {
        match (self.kind, self.format) {
            (Kind::String, Some(Format::Digits)) => Wanted::Digits,
            (Kind::String, Some(Format::UnixSeconds)) => Wanted::UnixSecondsText,
            (Kind::Integer, Some(Format::UnixSeconds)) => Wanted::UnixSeconds,
            (kind, _) => kind.wanted(),
        }
    }

    /// A text whose size is wrong: `got` names the size before it, if there is one.
    fn size_fault(&self, field: &At<'_>, rule: Rule, got: Option<Got>, text: &str) -> Fault {
        let fault = self.fault(field, rule, &Value::from(text));
        match got {
            Some(got) if !self.sensitive => fault.got(got),
            _ => fault,
        }
    }

    fn fault(&self, field: &At<'_>, rule: Rule, value: &Value) -> Fault {
        if self.sensitive {
            return Fault::invalid(field.to_string(), Rule::ValueHidden { rule: Box::new(rule) });
        }
        Fault::invalid(field.to_string(), rule).got(got(value))
    }
}

/// A number may exceed its siblings only by so much.
fn check_max_after(
    field: &At<'_>,
    schema: &Schema,
    value: &Value,
    siblings: &Map<String, Value>,
    faults: &mut Vec<Fault>,
) {
    for (name, max) in &schema.max_after {
        let (Some(own), Some(other)) = (value.as_i64(), siblings.get(name).and_then(Value::as_i64)) else { continue };
        if own.saturating_sub(other) > *max {
            faults.push(schema.fault(field, Rule::AtMostAfter { max: *max, name: name.clone(), other }, value));
        }
    }
}

/// A value in the place of another: what is not to be there at all is better left out.
pub(crate) fn got(value: &Value) -> Got {
    match value {
        Value::Array(_) => Got::GotList,
        Value::Object(_) => Got::GotObject,
        Value::Null => Got::GotNull,
        Value::String(_) | Value::Bool(_) | Value::Number(_) => shown(value).into(),
    }
}

/// A value as a message shows it: shortened, lists and objects by their kind alone.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => shown_text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text as a message shows it: quoted and shortened.
pub(crate) fn shown_text(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// A text as long as a message may show it.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
}

/// The known name that was probably meant: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance * 3 <= known.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters differ, are missing, are too many or swapped with their neighbour; case ignored.
fn distance(left: &str, right: &str) -> usize {
    strsim::osa_distance(&left.to_lowercase(), &right.to_lowercase())
}

impl Schema {
    /// What is wrong with the schema itself: keywords that do not fit its type or each other.
    pub(super) fn keyword_faults(&self, field: &str, faults: &mut Vec<Fault>) {
        let mut fail = |keyword: &str, message: &str| faults.push(Fault::invalid(join(field, keyword), message));
        let kinds: [(&str, bool, &[Kind]); 17] = [
            ("properties", !self.properties.is_empty(), &[Kind::Object]),
            ("required", !self.required.is_empty(), &[Kind::Object]),
            ("items", self.items.is_some(), &[Kind::Array]),
            ("minItems", self.items_min.is_some(), &[Kind::Array]),
            ("maxItems", self.items_max.is_some(), &[Kind::Array]),
            ("minLength", self.length_min.is_some(), &[Kind::String]),
            ("maxLength", self.length_max.is_some(), &[Kind::String]),
            ("x-max-bytes", self.bytes_max.is_some(), &[Kind::String]),
            ("x-max-bytes-or-chars", self.bytes_or_chars_max.is_some(), &[Kind::String]),
            ("pattern", self.pattern.is_some(), &[Kind::String]),
            ("x-not-counted", self.not_counted.is_some(), &[Kind::Array]),
            ("minimum", self.minimum.is_some(), &[Kind::Integer, Kind::Number]),
            ("maximum", self.maximum.is_some(), &[Kind::Integer, Kind::Number]),
            ("x-one-of", !self.one_of.is_empty(), &[Kind::Object]),
            ("x-format", self.format.is_some(), &[Kind::String, Kind::Integer]),
            ("x-words", !self.words.is_empty(), &[Kind::String, Kind::Integer, Kind::Boolean]),
            ("x-units", !self.units.is_empty(), &[Kind::Integer]),
        ];
        for (keyword, _, _) in kinds.iter().filter(|(_, given, kinds)| *given && !kinds.contains(&self.kind)) {
            fail(keyword, &format!("does not belong to type {:?}", self.kind.as_str()));
        }
        if self.kind == Kind::Array && self.items.is_none() {
            fail("items", "is required for type \"array\"");
        }
        if self.kind == Kind::Integer && self.format == Some(Format::Digits) {
            fail("x-format", "\"digits\" belongs to type \"string\"");
        }
        if self.pattern.is_some() && (self.called.is_empty() || !self.examples.iter().any(Value::is_string)) {
            fail("pattern", "needs x-called, such as \"a level id\", and an example, for messages");
        }
        if self.pattern.is_none() && !self.called.is_empty() {
            fail("x-called", "belongs to a pattern");
        }
        for (unit, _) in self.units.iter().filter(|(_, worth)| *worth < 1) {
            fail("x-units", &format!("{unit:?} is worth less than one"));
        }
        if self.not_counted.is_some() && self.items_max.is_none() {
            fail("x-not-counted", "belongs to maxItems");
        }
        if !self.value_notes.is_empty() && self.value_notes.len() != self.values.len() {
            fail("x-enum-notes", "needs one note for each value of enum");
        }
        for name in self.required.iter().filter(|name| self.property(name).is_none()) {
            fail("required", &format!("names {name:?}, which is no property"));
        }
        for name in self.one_of.iter().filter(|name| self.property(name).is_none()) {
            fail("x-one-of", &format!("names {name:?}, which is no property"));
        }
        for (name, property) in &self.properties {
            for (sibling, _) in property.required_when.iter().filter(|(sibling, _)| self.property(sibling).is_none()) {
                fail(&format!("properties.{name}.x-required-when"), &format!("names {sibling:?}, which is no sibling"));
            }
            for (sibling, _) in property.only_when.iter().filter(|(sibling, _)| self.property(sibling).is_none()) {
                fail(&format!("properties.{name}.x-only-when"), &format!("names {sibling:?}, which is no sibling"));
            }
            for (sibling, _) in &property.max_after {
                if self.property(sibling).is_none_or(|it| it.kind != Kind::Integer) || property.kind != Kind::Integer {
                    let message = format!("{name} and {sibling} must both be integers of one object");
                    fail(&format!("properties.{name}.x-max-after"), &message);
                }
            }
        }
    }

    /// What is wrong with the values that the schema itself names, for a schema that is sound otherwise.
    pub(super) fn value_faults(&self, field: &str, faults: &mut Vec<Fault>) {
        let own = self.default.iter().map(|value| ("default", value));
        let own = own.chain(self.words.iter().map(|(_, value)| ("x-words", value)));
        for (keyword, value) in own.chain(self.examples.iter().map(|value| ("examples", value))) {
            self.check(&join(field, keyword), value, faults);
        }
    }
}

#[cfg(test)]
mod tests;
