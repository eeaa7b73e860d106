//! Builds successful replies from the documented examples: the catalog's own shapes, the request's values.

use serde_json::{Map, Value};

use super::objects::{Object, at, put};
use super::served::Looked;
use crate::domain::catalog::{Envelope, Method, NextPage, Schema};

/// The field that WeCom returns only when some attendees have no meeting account.
const ONLY_ON_TROUBLE: &str = "excess_users";

/// A dotted path inside the result, as a path inside the whole body.
fn in_body(envelope: &Envelope, path: &str) -> String {
    match (envelope.data.as_str(), path) {
        ("", path) => path.to_owned(),
        (data, "") => data.to_owned(),
        (data, path) => format!("{data}.{path}"),
    }
}

/// The documented example.
pub fn example(method: &Method) -> Value {
    let mut fields = method.reply.example.as_object().cloned().unwrap_or_default();
    fields.remove(ONLY_ON_TROUBLE);
    Value::Object(fields)
}

/// The documented example of a new object's id; a stand-in if the example has none.
pub fn key_example(method: &Method, envelope: &Envelope) -> Value {
    let path = method.reply.key.as_ref().map(|key| in_body(envelope, key));
    path.and_then(|path| at(&method.reply.example, &path)).cloned().unwrap_or_else(|| Value::from("id"))
}

/// The reply to a create.
pub fn created(method: &Method, envelope: &Envelope, key: &Value, body: &Map<String, Value>) -> Value {
    let mut reply = example(method);
    let Some(path) = &method.reply.key else { return reply };
    // `room.room_id` stands inside the object; a key of its own (`meetingid`) has none beside it.
    if let Some((object, _)) = path.rsplit_once('.')
        && let Some(fields) = at_mut(&mut reply, &in_body(envelope, object)).and_then(Value::as_object_mut)
    {
        echo(fields, &method.body_schema, body);
    }
    put(&mut reply, &in_body(envelope, path), key.clone());
    reply
}

/// One page of a listing.
pub fn page(listing: &Method, envelope: &Envelope, looked: &Looked, items: Vec<Value>, next: Option<String>) -> Value {
    let mut reply = example(listing);
    put(&mut reply, &in_body(envelope, &looked.look_up.items), Value::Array(items));
    if let Some(NextPage { token, more, .. }) = &looked.look_up.next {
        if !more.is_empty() {
            put(&mut reply, &in_body(envelope, more), Value::Bool(next.is_some()));
        }
        put(&mut reply, &in_body(envelope, token), Value::String(next.unwrap_or_default()));
    }
    reply
}

/// An object as a listing shows it: the id alone, or shaped like the first item of the documented example.
pub fn item(listing: &Method, envelope: &Envelope, looked: &Looked, object: &Object) -> Value {
    if looked.look_up.key.is_empty() {
        return object.key.clone();
    }
    let path = in_body(envelope, &looked.look_up.items);
    let shape = at(&listing.reply.example, &path).and_then(|items| items.get(0)).and_then(Value::as_object);
    let mut item = shape.cloned().unwrap_or_else(|| object.params.body.clone());
    echo(&mut item, &looked.create.body_schema, &object.params.body);
    let mut item = Value::Object(item);
    put(&mut item, &looked.look_up.key, object.key.clone());
    item
}

/// An object fetched by itself.
pub fn detail(fetch: &Method, envelope: &Envelope, looked: &Looked, object: &Object) -> Value {
    let mut reply = example(fetch);
    let inside = looked.look_up.detail.as_ref().map_or("", |detail| detail.item.as_str());
    if let Some(fields) = at_mut(&mut reply, &in_body(envelope, inside)).and_then(Value::as_object_mut) {
        echo(fields, &looked.create.body_schema, &object.params.body);
    }
    reply
}

/// Overwrites what the create was given, and takes out what it was not given: the example's values are nobody's.
///
/// What the documented shape does not have is not added: a look-up that needs it must fail here, not on the platform.
fn echo(fields: &mut Map<String, Value>, schema: &Schema, body: &Map<String, Value>) {
    for (name, _) in &schema.properties {
        match (fields.get_mut(name), body.get(name)) {
            (Some(field), Some(given)) => *field = given.clone(),
            (Some(_), None) => {
                fields.remove(name);
            }
            (None, _) => {}
        }
    }
}

fn at_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(value, |value, name| value.get_mut(name))
}
