//! JSON Schema 2020-12 of jobs, one of by method: for publishers that check what they send, and for editors.
//!
//! It says what the catalog says, as far as JSON Schema can: limits in bytes and rules across fields are the decoder's
//! alone. What it refuses the decoder refuses, too.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, IdentityKind, Kind, Method, Schema, SchemaKind};
use crate::decode::FIELDS;
use crate::job::{ID_BYTES_MAX, PRIORITY_DEFAULT, PRIORITY_MAX};

/// The dialect.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a job of any method.
pub fn of_catalog(catalog: &Catalog) -> Value {
    let jobs: Vec<_> = catalog.methods.values().filter(|method| method.kind == Kind::Job).collect();
    let refs: Vec<_> = jobs.iter().map(|method| json!({"$ref": format!("#/$defs/{}", method.name)})).collect();
    let defs: Map<_, _> = jobs.iter().map(|method| (method.name.clone(), job(method))).collect();
    json!({
        "$schema": DIALECT,
        "title": "A job",
        "description": "What an AMQP message's body, a line of JSONL and POST /api/v1/jobs hold",
        "oneOf": refs,
        "$defs": defs,
    })
}

/// The schema of a job of one method.
pub fn of_method(method: &Method) -> Value {
    let mut schema = job(method);
    schema["$schema"] = json!(DIALECT);
    schema
}

fn job(method: &Method) -> Value {
    let mut properties: Map<_, _> =
        FIELDS.iter().map(|field| ((*field).to_owned(), field_schema(field, method))).collect();
    properties.insert("meta".to_owned(), json!({"type": "object", "description": "returned with the result"}));
    let mut required = vec!["id", "method", "app"];
    if !method.identities.contains(&IdentityKind::Tenant) {
        required.push("identity");
    }
    for part in ["path", "query", "body"] {
        let Some(schema) = method.schema(part).filter(|schema| !schema.properties.is_empty()) else { continue };
        properties.insert(part.to_owned(), parameter(schema));
        if !schema.required.is_empty() || !schema.one_of.is_empty() {
            required.push(part);
        }
    }
    json!({
        "title": method.title,
        "description": method.source.url,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of a field beside the parameters.
fn field_schema(field: &str, method: &Method) -> Value {
    let text = |description: &str| json!({"type": "string", "minLength": 1, "description": description});
    let time = |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    match field {
        "id" => json!({"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX,
            "description": "your idempotency key, unique in the ledger; AMQP's message_id stands in for it"}),
        "method" => json!({"const": method.name, "description": "AMQP's type stands in for it"}),
        "app" => text("a name from [apps] in the settings; AMQP's app_id stands in for it"),
        "batch" => text("jobs that belong together"),
        "tenant" => text("the customer of a store app or a suite"),
        "identity" => identity(method),
        "priority" => json!({"type": "integer", "minimum": 0, "maximum": PRIORITY_MAX, "default": PRIORITY_DEFAULT}),
        "not_before" => time("not sent before this instant"),
        "not_after" => time("not sent after this instant"),
        "reply_to" => text("a queue that gets a copy of the result"),
        "after" => json!({"type": "array", "items": {"type": "string", "minLength": 1},
            "description": "ids of jobs that must have succeeded first"}),
        // A field that is new to this list is still one.
        _ => json!({}),
    }
}

fn identity(method: &Method) -> Value {
    let word = |kind: &IdentityKind| match kind {
        IdentityKind::Tenant => json!({"const": "tenant"}),
        IdentityKind::User => json!({"type": "string", "pattern": "^user:."}),
    };
    json!({"anyOf": method.identities.iter().map(word).collect::<Vec<_>>(), "description": "as whom it is called"})
}

/// The catalog's schema in the standard's words: our own keywords that it has words for are said in both.
fn parameter(schema: &Schema) -> Value {
    let mut out = schema.to_json();
    if let Some(items) = &schema.items {
        out["items"] = parameter(items);
    }
    if schema.kind != SchemaKind::Object {
        return out;
    }
    for (name, property) in &schema.properties {
        out["properties"][name] = json!({"anyOf": [parameter(property), reference()]});
    }
    let conditions: Vec<_> =
        schema.properties.iter().flat_map(|(name, property)| conditions(schema, name, property)).collect();
    if !conditions.is_empty() {
        out["allOf"] = Value::from(conditions);
    }
    if !schema.one_of.is_empty() {
        let one = |name: &String| json!({"required": [name]});
        out["oneOf"] = schema.one_of.iter().map(one).collect();
    }
    out
}

/// What may stand in the place of any value: one of another job's result.
fn reference() -> Value {
    json!({
        "type": "object",
        "description": "the id of another job, and the field of its result; without one, the id of what it created",
        "properties": {"$from": {"type": "string", "minLength": 1}, "at": {"type": "string", "minLength": 1}},
        "required": ["$from"],
        "additionalProperties": false,
    })
}

/// `x-required-when`, one condition each: the sibling has the value, or has it by default.
fn conditions<'s>(around: &'s Schema, name: &'s str, property: &'s Schema) -> impl Iterator<Item = Value> + 's {
    property.required_when.iter().map(move |(sibling, value)| {
        let is_default = around.property(sibling).is_some_and(|schema| schema.default.as_ref() == Some(value));
        let mut condition = json!({"properties": {sibling: {"const": value}}});
        if !is_default {
            condition["required"] = json!([sibling]);
        }
        json!({"if": condition, "then": {"required": [name]}})
    })
}
