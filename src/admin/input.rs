//! What a request says: its query, or the JSON object of its body, read strictly. An unknown, repeated or wrong field is
//! a fault, and all faults are told at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer::{Fault, FieldFault};
use crate::domain::catalog::nearest;
use crate::domain::messages::Wrong;

/// Named values on their way to types.
pub(super) struct Fields {
    given: BTreeMap<String, Value>,
    /// Of a query every value is a text, whatever it means.
    is_query: bool,
    /// The field whose fields these are; empty for those of the whole.
    within: &'static str,
    known: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Fields {
    /// The fields of a query.
    pub(super) fn of_query(query: Option<&str>) -> Self {
        let mut fields = Self { is_query: true, ..Self::of_object(Map::new(), "") };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => {
                    if fields.given.contains_key(&name) {
                        fields.fault(&cut(&name), "appears more than once");
                    }
                    fields.given.insert(name, Value::String(value));
                }
                _ => fields.fault("", "the query is no UTF-8 text"),
            }
        }
        fields
    }

    /// The fields of an object; `within` names the field that holds it, if one does.
    pub(super) fn of_object(object: Map<String, Value>, within: &'static str) -> Self {
        let given = object.into_iter().collect();
        Self { given, is_query: false, within, known: Vec::new(), faults: Vec::new() }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let given = self.take(name)?;
        if let Value::String(text) = given { Some(text) } else { self.expected(name, "a text", kind(&given)) }
    }

    /// The texts under names that begin so, by what follows.
    pub(super) fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (named, rest) = std::mem::take(&mut self.given).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.given = rest;
        let named: BTreeMap<String, Value> = named;
        let bare =
            |(name, value): (String, Value)| Some((name.strip_prefix(prefix)?.to_owned(), value.as_str()?.to_owned()));
        named.into_iter().filter_map(bare).collect()
    }

    /// A text that means something.
    pub(super) fn parsed<T: FromStr<Err = String>>(&mut self, name: &'static str) -> Option<T> {
        match self.text(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, &error);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole(&mut self, name: &'static str, min: i64, max: i64) -> Option<i64> {
        let given = self.take(name)?;
        let text = given.as_str().filter(|_| self.is_query);
        let number =
            text.map_or_else(|| given.as_i64().or_else(|| given.as_f64().and_then(whole_of)), |text| text.parse().ok());
        let shown = match (text, given.as_number()) {
            (Some(text), _) => format!("{:?}", cut(text)),
            (None, Some(number)) => number.to_string(),
            (None, None) => kind(&given).to_owned(),
        };
        match number.filter(|number| (min..=max).contains(number)) {
            None if (min, max) == (i64::MIN, i64::MAX) => self.expected(name, "a whole number", &shown),
            None => self.expected(name, &format!("a whole number from {min} to {max}"), &shown),
            number => number,
        }
    }

    /// `true` or `false`; absent, it is `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) if self.is_query && text == "true" => true,
            Some(Value::String(text)) if self.is_query && text == "false" => false,
            Some(other) if self.is_query => {
                self.expected(name, "true or false", &cut(other.as_str().unwrap_or_default())).unwrap_or_default()
            }
            Some(other) => self.expected(name, "true or false", kind(&other)).unwrap_or_default(),
        }
    }

    /// An object, whose own fields are then read; [`Self::absorb`] brings back what is wrong with them.
    pub(super) fn object(&mut self, name: &'static str) -> Option<Self> {
        let given = self.take(name)?;
        if let Value::Object(object) = given {
            Some(Self::of_object(object, name))
        } else {
            self.expected(name, "an object", kind(&given))
        }
    }

    /// Any value.
    pub(super) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.take(name)
    }

    /// What is wrong with the fields of one of these.
    pub(super) fn absorb(&mut self, mut inner: Self) {
        inner.refuse_unknown();
        self.faults.append(&mut inner.faults);
    }

    /// Says that a field has to be there.
    pub(super) fn missing(&mut self, name: &str) {
        self.fault(name, "missing required field");
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, name: &str, error: &str) {
        self.add(name, error.to_owned(), None);
    }

    /// Says what is wrong with a field, as data as well.
    pub(super) fn wrong(&mut self, name: &str, wrong: Wrong) {
        self.add(name, wrong.to_string(), Some(Box::new(wrong)));
    }

    fn add(&mut self, name: &str, error: String, error_fact: Option<Box<Wrong>>) {
        let dot = if self.within.is_empty() || name.is_empty() { "" } else { "." };
        self.faults.push(FieldFault { field: format!("{}{dot}{name}", self.within), error, error_fact });
    }

    /// Whether all was well.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        self.refuse_unknown();
        if self.faults.is_empty() { Ok(()) } else { Err(Fault::fields(self.faults)) }
    }

    fn refuse_unknown(&mut self) {
        for name in std::mem::take(&mut self.given).into_keys() {
            let near = nearest(&name, self.known.iter().copied());
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            self.fault(&cut(&name), &format!("no such field{hint}"));
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.remove(name)
    }

    fn expected<T>(&mut self, name: &str, what: &str, given: &str) -> Option<T> {
        self.fault(name, &format!("expected {what}, got {given}"));
        None
    }
}

/// A job's id in the path.
pub(super) struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let unreadable = |_: PathRejection| {
            Fault::new(
                StatusCode::BAD_REQUEST,
                "the id in the address is no UTF-8 text",
                "percent-encode its UTF-8 bytes",
            )
        };
        Path::from_request_parts(parts, state).await.map(|Path(id)| Self(id)).map_err(unreadable)
    }
}

/// `7.0` is a whole number to JSON.
fn whole_of(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
}

/// What a value is, without what it says: it may be a password.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn decoded(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(fields: Fields) -> Vec<String> {
        let Err(fault) = fields.end() else { return Vec::new() };
        let text = format!("{fault:?}");
        assert!(text.contains("BAD_REQUEST") || text.contains("400"), "{text}");
        fault.told()
    }

    #[test]
    fn a_query_is_read_strictly() {
        let mut fields = Fields::of_query(Some("app=a%2Fb+c&limit=7&limit=8&aps=x&code=1e3"));
        assert_eq!(fields.text("app").as_deref(), Some("a/b c"));
        assert_eq!(fields.whole("limit", 1, 500), Some(8));
        assert_eq!(fields.whole("code", i64::MIN, i64::MAX), None);
        assert_eq!(
            faults(fields),
            [
                "limit: appears more than once",
                "code: expected a whole number, got \"1e3\"",
                "aps: no such field; did you mean \"app\"?"
            ]
        );
        let fields = Fields::of_query(Some("a=%ff"));
        assert_eq!(faults(fields), [": the query is no UTF-8 text"]);
        assert!(faults(Fields::of_query(None)).is_empty());
    }

    #[test]
    fn an_object_is_read_strictly_and_its_values_are_not_told() {
        let Value::Object(object) = serde_json::json!({"app": 7, "code": "s3cret", "dry_run": "s3cret", "limit": 9.0, "expect": 1.5,
            "selection": {"apps": "s3cret", "reason": null}, "patch": []})
        else {
            return;
        };
        let mut fields = Fields::of_object(object, "");
        assert_eq!((fields.text("app"), fields.whole("code", i64::MIN, i64::MAX)), (None, None));
        assert_eq!(
            (fields.flag("dry_run"), fields.flag("absent"), fields.whole("limit", 1, 9)),
            (false, false, Some(9))
        );
        assert_eq!(fields.whole("expect", 0, 9), None);
        let mut selection = fields.object("selection").unwrap();
        assert_eq!((selection.text("app"), selection.text("reason")), (None, None));
        fields.absorb(selection);
        assert!(fields.object("patch").is_none());
        assert_eq!(
            faults(fields),
            [
                "app: expected a text, got a number",
                "code: expected a whole number, got a text",
                "dry_run: expected true or false, got a text",
                "expect: expected a whole number from 0 to 9, got 1.5",
                "selection.reason: expected a text, got null",
                "selection.apps: no such field; did you mean \"app\"?",
                "patch: expected an object, got a list",
            ]
        );
    }
}
