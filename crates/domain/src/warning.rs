//! A success that is not whole: what the platform left out of it, found in its reply by the catalog's `[[warnings]]`.
//!
//! Decision: docs/decisions/0025-partial-success-is-success-with-warnings.md

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages::Language;
use super::outcome::{lookup, text_of};

/// A field of a successful reply that is there only when something was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WarningRule {
    /// Dotted path inside the result.
    pub field: String,
    /// In a list of objects: the dotted path, inside each, of what the warning names; `None` for the item itself.
    pub value: Option<String>,
    /// What it means, in English; the values follow it.
    pub message: String,
    /// The same in Chinese; empty where the file does not say.
    pub message_zh: String,
}

/// What a successful reply left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Where the reply says it: the rule's field.
    pub field: String,
    /// What it means, in English, as the catalog said when the job ended.
    pub message: String,
    /// The same in Chinese; empty where the catalog did not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message_zh: String,
    /// What it is about, e.g. userids.
    pub values: Vec<Value>,
}

impl WarningRule {
    /// The warning in a result, if its field is there and says anything.
    fn warning(&self, result: &Value) -> Option<Warning> {
        let found = lookup(result, &self.field).filter(|found| !says_nothing(found))?;
        let items = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
        let named = |item: &Value| self.value.as_ref().and_then(|path| lookup(item, path)).unwrap_or(item).clone();
        let values = items.iter().map(named).collect();
        Some(Warning {
            field: self.field.clone(),
            message: self.message.clone(),
            message_zh: self.message_zh.clone(),
            values,
        })
    }
}

/// Everything that a result warns of, in the order of the rules.
pub fn warnings_of(rules: &[WarningRule], result: &Value) -> Vec<Warning> {
    rules.iter().filter_map(|rule| rule.warning(result)).collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

impl Warning {
    /// The warnings of a contract's document; none if it has none.
    pub fn of_document(document: &Value) -> Vec<Self> {
        let warnings = document.get("warnings").cloned().unwrap_or_default();
        serde_json::from_value(warnings).unwrap_or_default()
    }

    /// In words: `invited without …: zhangsan, lisi`, with at most so many values.
    pub fn text(&self, values_max: usize) -> String {
        format!("{}: {}", self.message, self.values_text(values_max))
    }

    /// The same with all values, in a language.
    pub fn text_in(&self, language: Language) -> String {
        let values = self.values_text(usize::MAX);
        match language {
            Language::Chinese if !self.message_zh.is_empty() => format!("{}：{values}", self.message_zh),
            Language::Chinese | Language::English => format!("{}: {values}", self.message),
        }
    }

    /// Its values in words, at most so many.
    pub fn values_text(&self, values_max: usize) -> String {
        let word = |value: &Value| text_of(value).unwrap_or_else(|| value.to_string());
        let shown: Vec<_> = self.values.iter().take(values_max).map(word).collect();
        let rest = self.values.len().saturating_sub(values_max);
        let end = if rest > 0 { format!(", … and {rest} more") } else { String::new() };
        format!("{}{end}", shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(field: &str, value: Option<&str>) -> WarningRule {
        let (field, value) = (field.to_owned(), value.map(str::to_owned));
        WarningRule { field, value, message: "left out".to_owned(), message_zh: String::new() }
    }

    fn values(rule: &WarningRule, result: &Value) -> Option<Vec<Value>> {
        let mut found = warnings_of(std::slice::from_ref(rule), result);
        assert!(found.len() <= 1);
        found.pop().map(|warning| warning.values)
    }

    #[test]
    fn a_field_that_says_something_is_a_warning() {
        for (found, expected) in [
            (json!(["a", "b"]), Some(vec![json!("a"), json!("b")])),
            (json!([1_700_000_000]), Some(vec![json!(1_700_000_000)])),
            (json!("a"), Some(vec![json!("a")])),
            (json!(true), Some(vec![json!(true)])),
            (json!([]), None),
            (json!({}), None),
            (json!(""), None),
            (json!(0), None),
            (json!(false), None),
            (json!(null), None),
        ] {
            let result = json!({"deep": {"left": found}});
            assert_eq!(values(&rule("deep.left", None), &result), expected, "{result}");
        }
        assert_eq!(values(&rule("deep.left", None), &json!({"deep": 1})), None);
        assert_eq!(values(&rule("left", None), &Value::Null), None);
    }

    #[test]
    fn a_list_of_objects_warns_of_one_member_of_each() {
        let result = json!({"fail_result": {"shares": [
            {"errcode": 60_111, "errmsg": "userid not found", "userid": "zhangsan"}, {"errcode": 1}, "lisi",
        ]}});
        let shares = rule("fail_result.shares", Some("userid"));
        let expected = [json!("zhangsan"), json!({"errcode": 1}), json!("lisi")];
        assert_eq!(values(&shares, &result).unwrap(), expected, "what does not have it is shown whole");
    }

    #[test]
    fn a_result_may_warn_of_several_things() {
        let rules = [rule("b", None), rule("a", None), rule("c", None)];
        let found = warnings_of(&rules, &json!({"a": ["x"], "b": ["y"], "c": []}));
        assert_eq!(found.iter().map(|warning| &*warning.field).collect::<Vec<_>>(), ["b", "a"], "in the rules' order");
    }

    #[test]
    fn words_name_the_first_values() {
        let warning = Warning {
            field: "f".to_owned(),
            message: "left out".to_owned(),
            message_zh: String::new(),
            values: vec![json!("a"), json!(7), json!({"x": 1})],
        };
        assert_eq!(warning.text(9), "left out: a, 7, {\"x\":1}");
        assert_eq!(warning.text(1), "left out: a, … and 2 more");
        let document = json!({"warnings": [warning]});
        assert_eq!(Warning::of_document(&document), [warning]);
        assert!(Warning::of_document(&json!({"status": "dead"})).is_empty());
    }
}
