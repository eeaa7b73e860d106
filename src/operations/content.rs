//! An input that never became a job, as people may see it: what is wrong with it, how it came, and what it says.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::inputs::Inputs;
use crate::domain::catalog::Catalog;
use crate::domain::job::Fault;
use crate::domain::messages::{Rule, Wrong};
use crate::domain::{json as json_text, mask};
use paceline_ports::operator::{DeadLine, RejectedInput};

/// Longer inputs are not shown.
pub const SHOWN_BYTES_MAX: usize = 64 * 1_024;

/// What may be shown of an input's bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Its JSON, with everything masked that any method calls sensitive.
    Json(Value),
    /// A text that is not JSON.
    Text(String),
    /// Bytes that are not UTF-8: those that are no ASCII are escaped, as `\xff`.
    Escaped(String),
    /// Nothing.
    Hidden(Hidden),
}

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hidden {
    /// It is longer than [`SHOWN_BYTES_MAX`].
    TooLong,
    /// It is not JSON, so that nothing can be masked, and it has the name of a sensitive parameter in it.
    Sensitive,
}

impl fmt::Display for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(out, "it is longer than {SHOWN_BYTES_MAX} bytes"),
            Self::Sensitive => out.write_str("it is not JSON, and a name in it is that of a sensitive parameter"),
        }
    }
}

impl Content {
    /// Of these bytes.
    pub fn of(raw: &[u8], catalog: &Catalog) -> Self {
        if raw.len() > SHOWN_BYTES_MAX {
            return Self::Hidden(Hidden::TooLong);
        }
        if let Ok((value, _)) = json_text::parse(raw) {
            return Self::Json(mask::input(catalog, &value));
        }
        if mask::may_hold_secrets(catalog, &String::from_utf8_lossy(raw)) {
            return Self::Hidden(Hidden::Sensitive);
        }
        match std::str::from_utf8(raw) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Escaped(raw.escape_ascii().to_string()),
        }
    }
}

/// Inputs of a group with the same fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SameFault {
    /// The field, dotted; empty for the input as a whole.
    pub field: String,
    /// What was expected.
    pub rule: String,
    /// The same as data.
    pub rule_fact: Rule,
    /// How many have it.
    pub count: usize,
}

/// A fault as a document: the facts, and the sentence.
pub fn fault(fault: &Fault) -> Value {
    let got = fault.got.as_ref().map(ToString::to_string).unwrap_or_default();
    json!({
        "field": fault.field, "rule": fault.rule.to_string(), "rule_fact": fault.rule, "got": got,
        "message": fault.message(), "message_fact": Wrong::new(None, fault.rule.clone(), fault.got.clone()),
    })
}

impl Inputs {
    /// The input as a list shows it: the dead letter, and its faults with the apps and methods of now.
    pub fn line(&self, line: &DeadLine, input: &RejectedInput) -> Value {
        let faults = if input.origin.raw.len() > SHOWN_BYTES_MAX { Vec::new() } else { self.faults(input) };
        let mut document = json!(line);
        document["faults"] = faults.iter().map(fault).collect();
        document
    }

    /// The input alone: besides, what it says.
    pub fn sheet(&self, line: &DeadLine, input: &RejectedInput) -> Value {
        let raw = &input.origin.raw;
        let mut document = self.line(line, input);
        document["bytes"] = json!(raw.len());
        let (content, kind, hidden) = match Content::of(raw, &self.decoder.catalog) {
            Content::Json(value) => (value, "json", None),
            Content::Text(text) => (Value::from(text), "text", None),
            Content::Escaped(text) => (Value::from(text), "escaped", None),
            Content::Hidden(why) => (Value::Null, "hidden", Some(why)),
        };
        document["content"] = content;
        document["content_kind"] = json!(kind);
        document["content_hidden"] = json!(hidden);
        document
    }

    /// What is wrong with these inputs, the most frequent fault first. Those that are too long to be shown are not read.
    pub fn same_faults<'i>(&self, inputs: impl IntoIterator<Item = &'i RejectedInput>) -> Vec<SameFault> {
        let mut counts: BTreeMap<(String, String), (Rule, usize)> = BTreeMap::new();
        for input in inputs.into_iter().filter(|input| input.origin.raw.len() <= SHOWN_BYTES_MAX) {
            for fault in self.faults(input) {
                counts.entry((fault.field, fault.rule.to_string())).or_insert((fault.rule, 0)).1 += 1;
            }
        }
        let each = counts.into_iter();
        let each = each.map(|((field, rule), (rule_fact, count))| SameFault { field, rule, rule_fact, count });
        let mut faults: Vec<_> = each.collect();
        faults.sort_by_key(|fault| std::cmp::Reverse(fault.count));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::built_in;

    #[test]
    fn content_is_shown_as_far_as_it_can_hold_no_secret() {
        let catalog = built_in().unwrap();
        let of = |raw: &[u8]| Content::of(raw, &catalog);
        let json = json!({"body": {"settings": {"password": "8642"}, "title": "T"}}).to_string();
        let Content::Json(shown) = of(json.as_bytes()) else { panic!("{:?}", of(json.as_bytes())) };
        assert_eq!((&shown["body"]["title"], shown.to_string().contains("8642")), (&json!("T"), false));
        assert_eq!(of("会议室".as_bytes()), Content::Text("会议室".to_owned()));
        assert_eq!(of(b"a\xff\x00"), Content::Escaped(r"a\xff\x00".to_owned()));
        assert_eq!(of(b"password=8642"), Content::Hidden(Hidden::Sensitive));
        assert_eq!(of(&vec![b'a'; SHOWN_BYTES_MAX]), Content::Text("a".repeat(SHOWN_BYTES_MAX)));
        assert_eq!(of(&vec![b'a'; SHOWN_BYTES_MAX + 1]), Content::Hidden(Hidden::TooLong));
    }
}
