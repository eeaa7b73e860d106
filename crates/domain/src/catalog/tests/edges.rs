//! The edges of a schema's keywords: values that keep each one, values that just do not, and the rule that is then named.

use serde_json::{Value, json};

use crate::messages::{Rule, Wanted};

/// One keyword of one value.
pub(super) struct Edge {
    pub(super) keyword: &'static str,
    pub(super) good: Vec<Value>,
    pub(super) bad: Vec<Value>,
    /// Whether a fault is this keyword's.
    pub(super) is_named: fn(&Rule) -> bool,
}

fn size(schema: &Value, keyword: &str) -> Option<usize> {
    schema[keyword].as_u64().map(|size| usize::try_from(size).unwrap())
}

fn text(schema: &Value, length: usize) -> Value {
    let letter = if schema["x-format"].is_string() { "1" } else { "a" };
    letter.repeat(length).into()
}

fn hidden(rule: &Rule) -> &Rule {
    if let Rule::ValueHidden { rule } = rule { rule } else { rule }
}

/// Every keyword of a schema that limits its value.
pub(super) fn of(schema: &Value) -> Vec<Edge> {
    let mut edges = vec![kind(schema)];
    edges.extend(lengths(schema));
    edges.extend(bytes(schema));
    edges.extend(numbers(schema));
    edges.extend(items(schema));
    edges.extend(values(schema));
    edges
}

fn kind(schema: &Value) -> Edge {
    let kind = schema["type"].as_str().unwrap_or("object");
    let bad = match kind {
        "string" => json!(7),
        "integer" => json!(1.5),
        "boolean" => json!("yes"),
        "number" => json!("1.5"),
        _ => json!("text"),
    };
    Edge {
        keyword: "type",
        good: Vec::new(),
        bad: vec![bad],
        is_named: |rule| matches!(hidden(rule), Rule::Expected { .. }),
    }
}

fn lengths(schema: &Value) -> Vec<Edge> {
    let least = size(schema, "minLength").filter(|least| *least > 0).map(|least| Edge {
        keyword: "minLength",
        good: vec![text(schema, least), text(schema, least + 1)],
        bad: vec![text(schema, least - 1)],
        is_named: |rule| matches!(hidden(rule), Rule::MustNotBeEmpty | Rule::CharactersAtLeast { .. }),
    });
    let most = size(schema, "maxLength").map(|most| Edge {
        keyword: "maxLength",
        good: vec![text(schema, most - 1), text(schema, most), "会".repeat(most).into()],
        bad: vec![text(schema, most + 1), "会".repeat(most + 1).into()],
        is_named: |rule| matches!(hidden(rule), Rule::CharactersAtMost { .. }),
    });
    least.into_iter().chain(most).collect()
}

fn bytes(schema: &Value) -> Vec<Edge> {
    let most = size(schema, "x-max-bytes").map(|most| Edge {
        keyword: "x-max-bytes",
        good: vec![text(schema, most - 1), text(schema, most), "会".repeat(most / 3).into()],
        bad: vec![text(schema, most + 1), "会".repeat(most / 3 + 1).into()],
        is_named: |rule| matches!(hidden(rule), Rule::Utf8BytesAtMost { .. }),
    });
    let either = schema["x-max-bytes-or-chars"].as_array().map(|pair| {
        let most = |at: usize| usize::try_from(pair[at].as_u64().unwrap()).unwrap();
        let (bytes, characters) = (most(0), most(1));
        Edge {
            keyword: "x-max-bytes-or-chars",
            good: vec![text(schema, bytes), "会".repeat(characters).into()],
            bad: vec![text(schema, bytes.max(characters) + 1), "会".repeat(bytes.max(characters) + 1).into()],
            is_named: |rule| matches!(hidden(rule), Rule::BytesOrCharactersAtMost { .. }),
        }
    });
    most.into_iter().chain(either).collect()
}

fn numbers(schema: &Value) -> Vec<Edge> {
    let step = |value: &Value, by: i64| match value.as_i64() {
        Some(whole) if schema["type"] == "integer" => json!(whole + by),
        _ => json!(value.as_f64().unwrap() + by as f64 / 2.0),
    };
    let least = schema.get("minimum").map(|least| Edge {
        keyword: "minimum",
        good: vec![step(least, 0), step(least, 1)],
        bad: vec![step(least, -1)],
        is_named: |rule| matches!(hidden(rule), Rule::AtLeast { .. }),
    });
    let most = schema.get("maximum").map(|most| Edge {
        keyword: "maximum",
        good: vec![step(most, 0), step(most, -1)],
        bad: vec![step(most, 1)],
        is_named: |rule| matches!(hidden(rule), Rule::AtMost { .. }),
    });
    least.into_iter().chain(most).collect()
}

fn items(schema: &Value) -> Vec<Edge> {
    let item = |n: usize| match schema["items"]["type"].as_str() {
        Some("string") => json!(format!("item{n}")),
        Some("integer" | "number") => json!(n),
        _ => json!({}),
    };
    let list = |length: usize| Value::Array((0..length).map(item).collect());
    let least = size(schema, "minItems").map(|least| Edge {
        keyword: "minItems",
        good: vec![list(least), list(least + 1)],
        bad: vec![list(least - 1)],
        is_named: |rule| matches!(rule, Rule::ItemsAtLeast { .. }),
    });
    let most = size(schema, "maxItems").map(|most| Edge {
        keyword: "maxItems",
        good: vec![list(most - 1), list(most)],
        bad: vec![list(most + 1)],
        is_named: |rule| matches!(rule, Rule::ItemsAtMost { .. } | Rule::ItemsAtMostBesides { .. }),
    });
    least.into_iter().chain(most).collect()
}

fn values(schema: &Value) -> Vec<Edge> {
    let known = schema["enum"].as_array().map(|known| Edge {
        keyword: "enum",
        good: known.clone(),
        bad: vec![if schema["type"] == "string" { json!("nothing of it") } else { json!(987_654) }],
        is_named: |rule| matches!(hidden(rule), Rule::ExpectedOneOf { .. }),
    });
    let least = size(schema, "minLength").unwrap_or(1).max(1);
    let pattern = schema.get("pattern").map(|_| Edge {
        keyword: "pattern",
        good: schema["examples"].as_array().cloned().unwrap_or_default(),
        bad: vec!["!".repeat(least).into()],
        is_named: |rule| matches!(hidden(rule), Rule::Expected { wanted: Wanted::Called { .. } }),
    });
    let is_text = schema["type"] == "string";
    let digits = schema.get("x-format").filter(|_| is_text).map(|_| Edge {
        keyword: "x-format",
        good: vec!["1".repeat(least).into()],
        bad: vec![format!("{}a", "1".repeat(least - 1)).into(), format!("{}１", "1".repeat(least - 1)).into()],
        is_named: |rule| matches!(hidden(rule), Rule::Expected { wanted: Wanted::Digits | Wanted::UnixSecondsText }),
    });
    known.into_iter().chain(pattern).chain(digits).collect()
}
