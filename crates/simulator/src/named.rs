//! What a request's ids name, and what the platform says of those that name nothing.
//!
//! Which parameters are ids, and which codes belong to them, stands in the catalog (`x-names`, `x-codes`).
//!
//! Decision: docs/decisions/0038-the-simulator-has-no-tables.md

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::objects::{Object, key_text};
use super::owner::Owner;
use super::params::BadParams;
use super::world::World;
use paceline_domain::catalog::{Schema, Wrong};
use paceline_domain::job::Params;

/// A refusal for what is wrong with one parameter, by its dotted name (`body.title`).
pub(super) fn bad(endpoint: &Endpoint, name: &str, wrong: Wrong, hint: &str) -> BadParams {
    let schema = name.split_once('.').and_then(|(part, rest)| endpoint.method.schema(part)?.at(rest));
    let code = schema.and_then(|schema| schema.codes.get(&wrong).copied());
    BadParams { code: code.unwrap_or_else(|| endpoint.family.bad_parameters(&endpoint.method)), hint: hint.to_owned() }
}

/// One value of a request, with its schema.
struct Given<'a> {
    schema: &'a Schema,
    text: String,
}

impl World {
    /// Refuses a request that names what is not there: what was deleted, what is another identity's, and what the
    /// scenario does not list where it lists such things at all.
    pub(super) fn check_names(&self, endpoint: &Endpoint, params: &Params, owner: &Owner) -> Result<(), BadParams> {
        let method = &endpoint.method;
        let tokens: Vec<&str> = endpoint
            .lists
            .iter()
            .filter_map(|looked| looked.look_up.next.as_ref())
            .map(|next| next.param.as_str())
            .chain(method.reply.shown.changes.as_ref().map(|changes| changes.param.as_str()))
            .collect();
        let mut given = Vec::new();
        let parts = [
            ("path", &method.path_schema, &params.path),
            ("query", &method.query_schema, &params.query),
            ("body", &method.body_schema, &params.body),
        ];
        for (part, schema, values) in parts {
            collect_map(schema, part, values, &tokens, &mut given);
        }
        for Given { schema, text } in given {
            if let Some(code) = self.scenario.codes.get(&text) {
                return Err(BadParams { code: *code, hint: String::new() });
            }
            let wrong = self.wrong_with(endpoint, schema, &text, owner);
            // What is deleted is unknown, where the documents do not tell the two apart.
            let like = |wrong: Wrong| {
                let unknown = (wrong == Wrong::Deleted).then_some(&Wrong::Unknown);
                schema.codes.get(&wrong).or_else(|| schema.codes.get(unknown?))
            };
            if let Some(code) = wrong.and_then(like) {
                return Err(BadParams { code: *code, hint: String::new() });
            }
        }
        Ok(())
    }

    fn wrong_with(&self, endpoint: &Endpoint, schema: &Schema, text: &str, owner: &Owner) -> Option<Wrong> {
        let Some((_, object)) = self.objects.find(text) else {
            let is_known = match self.scenario.known.get(&schema.names) {
                Some(known) => known.iter().any(|known| known == text),
                // Nobody says which there are; what the simulator alone can make is not there.
                None => !schema.names.is_empty(),
            };
            return (!is_known).then_some(Wrong::Unknown);
        };
        let shows_deleted = !endpoint.method.reply.shown.deleted.is_empty();
        match object {
            Object { is_deleted: true, .. } if !shows_deleted => Some(Wrong::Deleted),
            object if object.belongs_to(owner) => None,
            _ if schema.codes.contains_key(&Wrong::Forbidden) => Some(Wrong::Forbidden),
            _ => Some(Wrong::Unknown),
        }
    }
}

/// Every text or number below a schema, with the schema of its own; tokens of pages name nothing.
fn collect<'a>(schema: &'a Schema, field: &str, value: &Value, tokens: &[&str], given: &mut Vec<Given<'a>>) {
    match value {
        Value::Object(map) => collect_map(schema, field, map, tokens, given),
        Value::Array(items) => {
            let Some(inner) = schema.items.as_deref() else { return };
            for item in items {
                collect(inner, field, item, tokens, given);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            given.extend(key_text(value).map(|text| Given { schema, text }));
        }
    }
}

fn collect_map<'a>(
    schema: &'a Schema,
    field: &str,
    map: &Map<String, Value>,
    tokens: &[&str],
    given: &mut Vec<Given<'a>>,
) {
    for (name, value) in map {
        let field = format!("{field}.{name}");
        if let Some(property) = schema.property(name).filter(|_| !tokens.contains(&field.as_str())) {
            collect(property, &field, value, tokens, given);
        }
    }
}
