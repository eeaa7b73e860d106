//! What a parameter takes, in a few words made from its schema.

use crate::domain::catalog::{Schema, SchemaFormat, SchemaKind};

/// The kind and limits of a parameter, e.g. `string, 1 to 255 characters`.
pub fn rules(schema: &Schema) -> String {
    let mut rules = vec![kind(schema)];
    match (schema.length_min, schema.length_max) {
        (Some(1), None) => rules.push("not empty".to_owned()),
        (min, max) => rules.extend(between(min, max, "characters")),
    }
    rules.extend(schema.bytes_max.map(|max| format!("at most {max} bytes")));
    rules
        .extend(schema.bytes_or_chars_max.map(|(bytes, chars)| format!("at most {bytes} bytes or {chars} characters")));
    rules.extend(between(schema.minimum, schema.maximum, ""));
    rules.extend(between(schema.items_min, schema.items_max, "items"));
    if !schema.values.is_empty() {
        rules.push(format!("one of {}", schema.values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
    }
    rules.extend(schema.default.as_ref().map(|default| format!("default {default}")));
    rules.extend(schema.only_when.iter().map(|(name, value)| format!("only when {name} is {value}")));
    if schema.sensitive {
        rules.push("never shown".to_owned());
    }
    rules.join(", ")
}

fn kind(schema: &Schema) -> String {
    let name = match (schema.format, schema.kind) {
        (Some(SchemaFormat::Digits), _) => "digits in a string",
        (Some(SchemaFormat::UnixSeconds), SchemaKind::String) => "Unix seconds in a string",
        (Some(SchemaFormat::UnixSeconds), _) => "Unix seconds",
        (None, SchemaKind::Array) => {
            return format!("list of {}", schema.items.as_deref().map_or_else(|| "anything".to_owned(), kind));
        }
        (None, kind) => kind.as_str(),
    };
    name.to_owned()
}

fn between<N: std::fmt::Display>(min: Option<N>, max: Option<N>, unit: &str) -> Option<String> {
    let text = match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max} {unit}"),
        (Some(min), None) => format!("at least {min} {unit}"),
        (None, Some(max)) => format!("at most {max} {unit}"),
        (None, None) => return None,
    };
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_words() {
        let text = Schema { kind: SchemaKind::String, length_min: Some(1), length_max: Some(255), ..Schema::default() };
        assert_eq!(rules(&text), "string, 1 to 255 characters");
        let list =
            Schema { kind: SchemaKind::Array, items: Some(Box::new(text)), items_max: Some(10), ..Schema::default() };
        assert_eq!(rules(&list), "list of string, at most 10 items");
        let when = Schema {
            kind: SchemaKind::Integer,
            format: Some(SchemaFormat::UnixSeconds),
            minimum: Some(0),
            ..Schema::default()
        };
        assert_eq!(rules(&when), "Unix seconds, at least 0");
        let flag =
            Schema { kind: SchemaKind::Boolean, default: Some(true.into()), sensitive: true, ..Schema::default() };
        assert_eq!(rules(&flag), "boolean, default true, never shown");
    }
}
