//! What makes two jobs the same object: the parameters that a method's `identity` names, for one app, tenant and caller.
//!
//! Ids of rows that bring none are made of it, jobs that would create an object again are found by it, and the simulator
//! counts its duplicates by it. What the worker itself writes into a create, such as a room's mark, is no part of it.
//!
//! Decision: docs/decisions/0019-duplicates-are-found-by-an-index.md

use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::catalog::{Catalog, Method};
use super::find;
use super::job::{Identity, Params};
use super::json;
use super::mask;

/// An object, wherever it is wanted: 64 bits of a SHA-256, so that no two of a million meet by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectHash(pub i64);

impl fmt::Display for ObjectHash {
    /// 16 hex digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// Where an object is wanted, and as whom.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The method that is called, as the job names it.
    pub method: &'a str,
    /// The app.
    pub app: &'a str,
    /// The tenant, empty for a custom app.
    pub tenant: &'a str,
    /// As whom: `tenant` or `user:<name>`.
    pub identity: &'a str,
}

/// The object that a call is about. `method` is what the catalog knows of it; of an unknown one all parameters count.
pub fn hash(place: Place<'_>, method: Option<&Method>, params: &Params) -> ObjectHash {
    let Place { method: name, app, tenant, identity } = place;
    let key = method.map_or_else(|| all(params), |it| key(it, params));
    let digest = Sha256::digest(json::bytes(&(name, app, tenant, identity, key)));
    ObjectHash(digest.first_chunk().map_or(0, |chunk| i64::from_be_bytes(*chunk)))
}

/// What two calls of a method have in common that are about the same object, within one app, tenant and caller.
pub fn key(method: &Method, params: &Params) -> Value {
    if method.identity.is_empty() {
        return all(&mask::params(method, params));
    }
    method.identity.iter().map(|name| params.get(name).map_or(Value::Null, plain)).collect()
}

/// The object that a job's document is about, with what stands in for its absent fields.
pub fn of_document(
    catalog: &Catalog,
    document: &Map<String, Value>,
    method: Option<&str>,
    app: Option<&str>,
) -> ObjectHash {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let tenant = Identity::default().to_string();
    let place = Place {
        method: text("method").or(method).unwrap_or_default(),
        app: text("app").or(app).unwrap_or_default(),
        tenant: text("tenant").unwrap_or_default(),
        identity: text("identity").unwrap_or(&tenant),
    };
    let part = |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let params = Params { path: part("path"), query: part("query"), body: part("body") };
    let known = catalog.job_method(place.method).map(AsRef::as_ref);
    // Which parameters of an unknown method are sensitive, their names alone can tell.
    hash(place, known, &if known.is_some() { params } else { mask::params_of_unknown(catalog, &params) })
}

/// The id of a row that brings none.
pub fn row_id(batch: &str, object: ObjectHash) -> String {
    format!("{batch}:{object}")
}

fn all(params: &Params) -> Value {
    json!([params.path, params.query, params.body])
}

/// An empty text is what the platforms take for an absent one, and a number is the same with and without quotes.
fn plain(value: &Value) -> Value {
    if value.as_str().is_some_and(str::is_empty) {
        return Value::Null;
    }
    // What was found for a name is what the object has.
    if let Some(id) = value.get(find::IS).filter(|_| find::is_name(value)) {
        return plain(id);
    }
    if value.is_number() { Value::from(value.to_string()) } else { value.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;

    fn object(document: &Value) -> ObjectHash {
        of_document(&built_in().unwrap(), document.as_object().unwrap(), None, None)
    }

    fn room(body: &Value) -> Value {
        json!({"method": "feishu.vc.room.create", "app": "acme", "body": body})
    }

    #[test]
    fn identity_fields_alone_tell_objects_apart() {
        let one = object(&room(&json!({"name": "A", "room_level_id": "omb_l", "capacity": 1})));
        assert_eq!(one, object(&room(&json!({"name": "A", "room_level_id": "omb_l", "custom_room_id": "x"}))));
        assert_ne!(one, object(&room(&json!({"name": "A", "room_level_id": "omb_m"}))));
        let calendar = |body: Value| object(&json!({"method": "feishu.calendar.create", "app": "acme", "body": body}));
        assert_eq!(calendar(json!({"summary": "a"})), calendar(json!({"summary": "a", "description": ""})));
        assert_ne!(calendar(json!({"summary": "a"})), calendar(json!({"description": "a"})));
    }

    #[test]
    fn app_tenant_caller_and_method_tell_objects_apart() {
        let base = room(&json!({"name": "A", "room_level_id": "omb_l"}));
        let mut seen = vec![object(&base)];
        for (field, value) in
            [("app", "b"), ("tenant", "t"), ("identity", "user:ann"), ("method", "feishu.vc.room.delete")]
        {
            let mut other = base.clone();
            other[field] = json!(value);
            seen.push(object(&other));
        }
        let mut same = base;
        same["identity"] = json!("tenant");
        assert_eq!(object(&same), seen[0]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn a_method_without_identity_goes_by_all_parameters_but_secrets() {
        let catalog = built_in().unwrap();
        let mut method = (**catalog.method("wecom.meeting.create").unwrap()).clone();
        method.identity.clear();
        let of = |body: Value| key(&method, &Params { body: body.as_object().unwrap().clone(), ..Params::default() });
        let meeting = |place: &str, password: &str| {
            of(json!({"title": "a", "location": place, "settings": {"password": password}}))
        };
        assert_ne!(meeting("x", "1234"), meeting("y", "1234"));
        assert_eq!(meeting("x", "1234"), meeting("x", "5678"));
    }

    #[test]
    fn the_hash_of_a_row_never_changes() {
        let one = object(&room(&json!({"name": "7F-701", "room_level_id": "omb_1"})));
        assert_eq!(row_id("hq", one), "hq:26f8da2495b0f6fd");
    }
}
