//! Builds successful replies from the documented examples: the catalog's own shapes, the request's values.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::endpoint::Looked;
use super::objects::{Object, at, put};
use paceline_domain::catalog::{Changes, Envelope, LookUp, Method, NextPage, Schema};
use paceline_domain::job::Params;
use paceline_domain::look_up::listed_under;

/// A dotted path inside the result, as a path inside the whole body.
pub(crate) fn in_body(envelope: &Envelope, path: &str) -> String {
    match (envelope.data.as_str(), path) {
        ("", path) => path.to_owned(),
        (data, "") => data.to_owned(),
        (data, path) => format!("{data}.{path}"),
    }
}

/// The documented example, without what stands there only when something is left out.
pub(crate) fn example(method: &Method, envelope: &Envelope) -> Value {
    let mut reply = Value::Object(method.reply.example.as_object().cloned().unwrap_or_default());
    for rule in &method.warnings {
        take_out(&mut reply, &in_body(envelope, &rule.field));
    }
    reply
}

/// Puts a list into a successful reply.
pub(crate) fn put_list(reply: &mut Value, envelope: &Envelope, field: &str, values: &[Value]) {
    put(reply, &in_body(envelope, field), Value::Array(values.to_vec()));
}

/// The documented example of a new object's id; a stand-in if the example has none.
pub(crate) fn key_example(method: &Method, envelope: &Envelope) -> Value {
    let path = method.reply.key.as_ref().map(|key| in_body(envelope, key));
    path.and_then(|path| at(&method.reply.example, &path)).cloned().unwrap_or_else(|| Value::from("id"))
}

/// The documented example of an item's id in a listing.
pub(crate) fn listed_key(listing: &Method, envelope: &Envelope, look_up: &LookUp) -> Value {
    let items = listed_under(&listing.reply.example, &in_body(envelope, &look_up.items)).unwrap_or_default();
    let key = items.first().and_then(|item| at(item, &look_up.key));
    key.cloned().unwrap_or_else(|| Value::from("id"))
}

/// The reply to a create.
pub(crate) fn created(method: &Method, envelope: &Envelope, object: &Object) -> Value {
    let mut reply = example(method, envelope);
    let Some(path) = &method.reply.key else { return reply };
    // `room.room_id` stands inside the object; a key of its own (`meetingid`) has none beside it.
    if let Some((inside, _)) = path.rsplit_once('.')
        && let Some(fields) = at_mut(&mut reply, &in_body(envelope, inside)).and_then(Value::as_object_mut)
    {
        describe(fields, method, &method.body_schema, object);
    }
    put(&mut reply, &in_body(envelope, path), object.key.clone());
    reply
}

/// The reply to a create that brings a state about: the object beside the envelope, its id under the name that listings
/// give it.
pub(crate) fn brought_about(method: &Method, envelope: &Envelope, look_up: &LookUp, object: &Object) -> Value {
    let mut reply = example(method, envelope);
    let Some(fields) = at_mut(&mut reply, &envelope.data).and_then(Value::as_object_mut) else { return reply };
    describe(fields, method, &method.body_schema, object);
    if let Some(key) = fields.get_mut(&look_up.key) {
        *key = object.key.clone();
    }
    reply
}

/// One page of a listing, with the token of the next page or, on the last one, that of later changes.
pub(crate) fn page(
    listing: &Method,
    envelope: &Envelope,
    looked: &Looked,
    items: Vec<Value>,
    next: Option<String>,
    changes: String,
) -> Value {
    let mut reply = example(listing, envelope);
    put_items(&mut reply, &in_body(envelope, &looked.look_up.items), items);
    let is_last = next.is_none();
    let by_token = looked.look_up.next.as_ref().filter(|next| !next.token.is_empty());
    if let Some(NextPage { token, more, .. }) = by_token {
        let token = in_body(envelope, token);
        match (next, more.is_empty()) {
            // "Otherwise no page_token is returned", where a flag says whether there is more; WeCom's cursor is empty.
            (None, false) => take_out(&mut reply, &token),
            (next, _) => put(&mut reply, &token, Value::String(next.unwrap_or_default())),
        }
        if !more.is_empty() {
            put(&mut reply, &in_body(envelope, more), Value::Bool(!is_last));
        }
    }
    if let Some(Changes { token, .. }) = &listing.reply.shown.changes {
        let token = in_body(envelope, token);
        if is_last {
            put(&mut reply, &token, Value::String(changes));
        } else {
            take_out(&mut reply, &token);
        }
    }
    reply
}

/// Puts items where a listing has them. Where the way leads through a list, each item gets a place of its own in it.
fn put_items(reply: &mut Value, path: &str, items: Vec<Value>) {
    let outer = path.rsplit_once('.').map_or("", |(outer, _)| outer);
    let is_nested = at(reply, outer).is_some_and(Value::is_array);
    let (true, Some((outer, name))) = (is_nested, path.rsplit_once('.')) else {
        return put(reply, path, Value::Array(items));
    };
    let shape = at(reply, outer).and_then(|list| list.get(0)).cloned().unwrap_or_default();
    let places = items.into_iter().map(|item| {
        let mut place = shape.clone();
        put(&mut place, name, Value::Array(vec![item]));
        place
    });
    let places = places.collect();
    put(reply, outer, Value::Array(places));
}

/// An object as a listing shows it: the id alone, or shaped like the first item of the documented example.
pub(crate) fn item(listing: &Method, envelope: &Envelope, looked: &Looked, object: &Object) -> Value {
    if looked.look_up.key.is_empty() {
        return object.key.clone();
    }
    let path = in_body(envelope, &looked.look_up.items);
    let items = listed_under(&listing.reply.example, &path).unwrap_or_default();
    let shape = items.first().and_then(|item| item.as_object());
    let mut item = shape.cloned().unwrap_or_else(|| object.params.body.clone());
    let of_item = looked.look_up.each.as_ref().and_then(|each| looked.create.param(each)?.items.as_deref());
    describe(&mut item, listing, of_item.unwrap_or(&looked.create.body_schema), object);
    let mut item = Value::Object(item);
    put(&mut item, &looked.look_up.key, object.key.clone());
    item
}

/// An object fetched by itself.
pub(crate) fn detail(fetch: &Method, envelope: &Envelope, inside: &str, create: &Method, object: &Object) -> Value {
    let mut reply = example(fetch, envelope);
    let Some(fields) = at_mut(&mut reply, &in_body(envelope, inside)).and_then(Value::as_object_mut) else {
        return reply;
    };
    describe(fields, fetch, &create.body_schema, object);
    // The id stands under the name that the create gives it, if it stands there at all.
    let key = create.reply.key.as_deref().and_then(|key| key.rsplit('.').next());
    if let Some(place) = key.and_then(|key| fields.get_mut(key)) {
        *place = object.key.clone();
    }
    reply
}

/// Makes a documented shape describe an object: what its create was given, the documented defaults of what it was not
/// given, its own values, and what a deletion makes of it. The example's values are nobody's.
///
/// What the documented shape does not have is not added: a look-up that needs it must fail here, not on the platform.
fn describe(fields: &mut Map<String, Value>, shows: &Method, schema: &Schema, object: &Object) {
    echo(fields, schema, &object.params.body);
    for (name, value) in &object.own {
        if let Some(field) = fields.get_mut(name) {
            *field = value.clone();
        }
    }
    for (path, names) in &shows.reply.shown.from {
        repeat(fields, path, &values(&object.params, names));
    }
    if object.is_deleted {
        fields.extend(shows.reply.shown.deleted.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

fn echo(fields: &mut Map<String, Value>, schema: &Schema, body: &Map<String, Value>) {
    for (name, property) in &schema.properties {
        let Some(field) = fields.get_mut(name) else { continue };
        let given = body.get(name);
        match (field, given) {
            (Value::Object(inner), None | Some(Value::Object(_))) if !property.properties.is_empty() => {
                let empty = Map::new();
                echo(inner, property, given.and_then(Value::as_object).unwrap_or(&empty));
                if inner.is_empty() {
                    fields.remove(name);
                }
            }
            (field, Some(given)) => *field = given.clone(),
            (field, None) => match &property.default {
                Some(default) => *field = default.clone(),
                None => {
                    fields.remove(name);
                }
            },
        }
    }
}

/// The values of parameters, lists taken apart, each once.
fn values(params: &Params, names: &[String]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for value in names.iter().filter_map(|name| params.get(name)) {
        let each = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        all.extend(each.iter().cloned());
    }
    let mut seen = HashSet::new();
    all.retain(|value| seen.insert(value.to_string()));
    all
}

/// Puts values under a dotted path; in a list, one item a value, each shaped like the first.
fn repeat(fields: &mut Map<String, Value>, path: &str, values: &[Value]) {
    let (outer, name) = path.rsplit_once('.').unwrap_or(("", path));
    if outer.is_empty() {
        match (fields.get_mut(name), values.first()) {
            (Some(field @ Value::Array(_)), _) => *field = Value::Array(values.to_vec()),
            (Some(field), Some(value)) => *field = value.clone(),
            (_, None) => drop(fields.remove(name)),
            (None, Some(_)) => {}
        }
        return;
    }
    let (first, rest) = outer.split_once('.').unwrap_or((outer, ""));
    let place = fields.get_mut(first).and_then(|value| at_mut(value, rest));
    match place {
        Some(Value::Array(items)) => {
            let shape = items.first().cloned().unwrap_or_else(|| Value::Object(Map::new()));
            *items = values
                .iter()
                .map(|value| {
                    let mut item = shape.clone();
                    put(&mut item, name, value.clone());
                    item
                })
                .collect();
        }
        Some(Value::Object(inner)) => drop(inner.insert(name.to_owned(), Value::Array(values.to_vec()))),
        _ => {}
    }
}

/// Takes what stands under a dotted path out.
fn take_out(value: &mut Value, path: &str) {
    let (outer, name) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some(fields) = at_mut(value, outer).and_then(Value::as_object_mut) {
        fields.remove(name);
    }
}

fn at_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(value, |value, name| value.get_mut(name))
}
