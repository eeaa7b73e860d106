//! What a request says: its query, read strictly. An unknown, repeated or wrong field is a fault, and all
//! faults are told at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::answer::{Fault, FieldFault};
use crate::domain::catalog::nearest;

/// Named values on their way to types.
pub struct Fields {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

impl Fields {
    /// The fields of a query.
    pub fn of_query(query: Option<&str>) -> Self {
        let mut fields = Self::empty();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decoded(name), decoded(value)) {
                (Some(name), Some(value)) => {
                    if fields.given.contains_key(&name) {
                        fields.fault(&cut(&name), "stands twice");
                    }
                    fields.given.insert(name, value);
                }
                _ => fields.fault("", "the query is no UTF-8 text"),
            }
        }
        fields
    }

    fn empty() -> Self {
        Self { given: BTreeMap::new(), known: Vec::new(), faults: Vec::new() }
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.take(name)
    }

    /// A text that means something.
    pub fn parsed<T: FromStr<Err = String>>(&mut self, name: &'static str) -> Option<T> {
        match self.text(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, &error);
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, name: &'static str, min: i64, max: i64) -> Option<i64> {
        let given = self.take(name)?;
        match given.parse().ok().filter(|number| (min..=max).contains(number)) {
            None if (min, max) == (i64::MIN, i64::MAX) => self.expected(name, "a whole number", &given),
            None => self.expected(name, &format!("a whole number from {min} to {max}"), &given),
            number => number,
        }
    }

    /// Adds a fault.
    pub fn fault(&mut self, name: &str, error: &str) {
        self.faults.push(FieldFault { field: name.to_owned(), error: error.to_owned() });
    }

    /// Whether all was well.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn end(mut self) -> Result<(), Fault> {
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

    fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name)
    }

    fn expected<T>(&mut self, name: &str, what: &str, given: &str) -> Option<T> {
        self.fault(name, &format!("expected {what}, got {:?}", cut(given)));
        None
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
                "limit: stands twice",
                "code: expected a whole number, got \"1e3\"",
                "aps: no such field; did you mean \"app\"?"
            ]
        );
        let fields = Fields::of_query(Some("a=%ff"));
        assert_eq!(faults(fields), [": the query is no UTF-8 text"]);
        assert!(faults(Fields::of_query(None)).is_empty());
    }
}
