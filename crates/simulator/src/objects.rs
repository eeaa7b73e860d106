//! What was really created, and which of it was created twice.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

use super::owner::Owner;
use paceline_domain::catalog::Method;
use paceline_domain::identity;
use paceline_domain::job::Params;

/// What two creates have in common that mean the same thing. A mark that the worker writes into a create differs from
/// call to call and tells nothing apart.
pub(crate) fn natural_identity(method: &Method, params: &Params) -> String {
    let mut params = params.clone();
    if let Some(look_up) = method.creation.look_up() {
        let marks = look_up.mark.keys().filter(|name| !method.identity.contains(name));
        for name in marks.filter_map(|name| name.strip_prefix("body.")) {
            params.body.remove(name);
        }
    }
    identity::key(method, &params).to_string()
}

/// One created object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Its id.
    pub key: Value,
    /// Of [`natural_identity`].
    pub identity: String,
    /// Fields of which it has values of its own, beside its id.
    pub own: Map<String, Value>,
    /// Whose it is.
    pub owner: Owner,
    /// Parameters that it was created with, as later calls changed them.
    pub params: Params,
    /// When, in microseconds since 1970.
    pub created_at: i64,
    /// The number of the change that made it, see [`Objects::revision`].
    pub order: u64,
    /// The number of its newest change.
    pub changed: u64,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// Whether somebody else created it.
    pub is_others: bool,
}

impl Object {
    /// Whether it belongs to this identity, or to everybody.
    pub(crate) fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner.is_everybody() || self.owner == *owner
    }

    /// Whether it is there and belongs to this identity, or to everybody.
    pub(crate) fn is_seen_by(&self, owner: &Owner) -> bool {
        !self.is_deleted && self.belongs_to(owner)
    }
}

/// One line of the list of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectLine {
    /// The method that created it.
    pub method: String,
    /// App or corp.
    pub account: String,
    /// The user whose it is; empty for the app itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Its id.
    pub key: String,
    /// Higher than that of every object that was created before it, whatever its method.
    pub order: u64,
    /// What duplicates have in common.
    pub identity: String,
    /// Whether somebody else created it.
    pub is_others: bool,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// Of a deleted one: higher than that of every object that was deleted before it, and than every `order` until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
}

/// Everything created.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    by_method: BTreeMap<String, Vec<Object>>,
    /// Key → method and position.
    by_key: HashMap<String, (String, usize)>,
    /// Owner, method and identity → how many, others' not counted.
    identities: HashMap<(Owner, String, String), u32>,
    revision: u64,
}

impl Objects {
    /// Keeps a new object; says whether one of the same identity was there that was not somebody else's.
    pub(crate) fn add(&mut self, method: &str, mut object: Object) -> bool {
        self.revision += 1;
        (object.order, object.changed) = (self.revision, self.revision);
        let identity = (object.owner.clone(), method.to_owned(), object.identity.clone());
        let known = self.identities.entry(identity).or_default();
        *known += u32::from(!object.is_others);
        let is_duplicate = !object.is_others && *known > 1;
        let all = self.by_method.entry(method.to_owned()).or_default();
        for key in [&object.key].into_iter().chain(object.own.values()).filter_map(key_text) {
            self.by_key.insert(key, (method.to_owned(), all.len()));
        }
        all.push(object);
        is_duplicate
    }

    /// Whether an object of that identity was created and not deleted.
    pub(crate) fn has(&self, method: &str, owner: &Owner, identity: &str) -> bool {
        let is_known = [&Owner::default(), owner]
            .into_iter()
            .any(|owner| self.identities.contains_key(&(owner.clone(), method.to_owned(), identity.to_owned())));
        is_known && self.of(method).iter().any(|it| it.is_seen_by(owner) && it.identity == identity)
    }

    /// Lets the newest object of a method be found by another key, too.
    pub(crate) fn also_known_as(&mut self, method: &str, key: String) {
        if let Some(position) = self.of(method).len().checked_sub(1) {
            self.by_key.insert(key, (method.to_owned(), position));
        }
    }

    /// How many changes there were: creations, deletions and edits.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The objects that a method created, in order.
    pub(crate) fn of(&self, method: &str) -> &[Object] {
        self.by_method.get(method).map_or(&[], Vec::as_slice)
    }

    /// The object with that id, or another value of its own, with the method that created it.
    pub(crate) fn find(&self, key: &str) -> Option<(&str, &Object)> {
        let (method, position) = self.by_key.get(key)?;
        Some((method, self.of(method).get(*position)?))
    }

    /// Changes the object that one of these parameters names.
    pub(crate) fn touch(&mut self, params: &Params, about: Option<&str>) {
        let Some((method, position)) = self.place_of(params, about) else { return };
        if let Some(object) = self.by_method.get_mut(&method).and_then(|all| all.get_mut(position)) {
            self.revision += 1;
            object.params.body.extend(params.body.clone());
            object.changed = self.revision;
        }
    }

    /// Deletes the object that one of these parameters names. Another one like it is no duplicate then. False if this
    /// identity has no such object.
    pub(crate) fn delete(&mut self, params: &Params, about: Option<&str>, owner: &Owner) -> bool {
        let found = self
            .place_of(params, about)
            .filter(|(method, position)| self.of(method).get(*position).is_some_and(|object| object.is_seen_by(owner)));
        let Some((method, position)) = found else { return false };
        self.mark_deleted(&method, position);
        true
    }

    /// Deletes those that lists of the body name: by their ids, or by parameters that they were created with, below the
    /// same parents. Says how many.
    pub(crate) fn delete_listed(&mut self, params: &Params, owner: &Owner) -> usize {
        let items: Vec<&Value> = params.body.values().filter_map(Value::as_array).flatten().collect();
        let is_named = |object: &Object| {
            object.is_seen_by(owner)
                && object.params.path == params.path
                && items.iter().any(|item| match item.as_object() {
                    Some(like) => like.iter().all(|(name, value)| object.params.body.get(name) == Some(value)),
                    None => **item == object.key,
                })
        };
        let of_method = |(method, all): (&String, &Vec<Object>)| -> Vec<(String, usize)> {
            let named = all.iter().enumerate().filter(|(_, object)| is_named(object));
            named.map(|(position, _)| (method.clone(), position)).collect()
        };
        let found: Vec<_> = self.by_method.iter().flat_map(of_method).collect();
        for (method, position) in &found {
            self.mark_deleted(method, *position);
        }
        found.len()
    }

    fn mark_deleted(&mut self, method: &str, position: usize) {
        let Some(object) = self.by_method.get_mut(method).and_then(|all| all.get_mut(position)) else { return };
        self.revision += 1;
        (object.is_deleted, object.changed) = (true, self.revision);
        let identity = (object.owner.clone(), method.to_owned(), object.identity.clone());
        if !object.is_others
            && let Some(known) = self.identities.get_mut(&identity)
        {
            *known = known.saturating_sub(1);
        }
    }

    /// The object that the parameter `about` names, else any of them, with the method that created it.
    pub(crate) fn named(&self, params: &Params, about: Option<&str>) -> Option<(&str, &Object)> {
        let (method, position) = self.place_of(params, about)?;
        let (method, all) = self.by_method.get_key_value(&method)?;
        Some((method, all.get(position)?))
    }

    fn place_of(&self, params: &Params, about: Option<&str>) -> Option<(String, usize)> {
        let named: Vec<String> = match about {
            Some(about) => params.get(about).and_then(key_text).into_iter().collect(),
            None => params.path.values().chain(params.body.values()).filter_map(key_text).collect(),
        };
        named.iter().find_map(|key| self.by_key.get(key)).cloned()
    }

    /// Every object in order of creation, method by method.
    pub(crate) fn lines(&self) -> Vec<ObjectLine> {
        let lines = self.by_method.iter().flat_map(|(method, all)| {
            all.iter().map(|object| ObjectLine {
                method: method.clone(),
                account: object.owner.account.to_string(),
                user: object.owner.user.to_string(),
                key: key_text(&object.key).unwrap_or_default(),
                order: object.order,
                identity: object.identity.clone(),
                is_others: object.is_others,
                is_deleted: object.is_deleted,
                deleted: object.is_deleted.then_some(object.changed),
            })
        });
        lines.collect()
    }
}

/// A key as text.
pub(crate) fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value under a dotted path; the empty path is the value itself.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// Puts a value under a dotted path, making objects on the way; the empty path replaces the whole.
pub(crate) fn put(value: &mut Value, path: &str, new: Value) {
    let mut place = value;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(name).or_insert(Value::Null);
    }
    *place = new;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use paceline_domain::catalog::built_in;

    fn params(path: Value, body: Value) -> Params {
        let map = |value: Value| value.as_object().unwrap().clone();
        Params { path: map(path), body: map(body), ..Params::default() }
    }

    #[test]
    fn identities_follow_the_thing_not_the_request() {
        let catalog = built_in().unwrap();
        let method = catalog.method("feishu.vc.room.create").unwrap();
        let room = |method: &Method, body| natural_identity(method, &params(json!({}), body));
        let one = room(method, json!({"name": "A", "room_level_id": "omb_l", "capacity": 1, "custom_room_id": "7"}));
        assert_eq!(one, room(method, json!({"name": "A", "room_level_id": "omb_l", "custom_room_id": "8"})));
        assert_ne!(one, room(method, json!({"name": "A", "room_level_id": "omb_m", "custom_room_id": "7"})));
        // Without an identity in the catalog everything counts but the mark.
        let all = Method { identity: Vec::new(), ..(**method).clone() };
        assert_eq!(room(&all, json!({"name": "A"})), room(&all, json!({"name": "A", "custom_room_id": "7"})));
        assert_ne!(room(&all, json!({"name": "A"})), room(&all, json!({"name": "A", "capacity": 1})));
    }

    #[test]
    fn duplicates_are_seen_per_owner() {
        let object = |account: &str, key: &str| Object {
            key: json!(key),
            identity: "same".to_owned(),
            own: Map::new(),
            owner: Owner::of_account(account),
            params: Params::default(),
            created_at: 0,
            order: 0,
            changed: 0,
            is_deleted: false,
            is_others: false,
        };
        let (mut objects, b) = (Objects::default(), Owner::of_account("b"));
        assert!(!objects.add("m", object("a", "1")));
        assert!(!objects.add("m", object("b", "2")));
        assert!(objects.add("m", object("a", "3")));
        assert!(objects.has("m", &b, "same") && !objects.has("m", &Owner::of_account("c"), "same"));
        assert!(objects.delete(&params(json!({"id": "2"}), json!({})), None, &b));
        assert!(!objects.has("m", &b, "same"), "deleted");
        assert!(!objects.delete(&params(json!({"id": "1"}), json!({})), None, &b), "another's");
        assert_eq!(objects.lines().len(), 3);
        let others = |account: &str, key: &str| Object { is_others: true, ..object(account, key) };
        assert!(!objects.add("m", others("a", "4")) && !objects.add("n", others("", "5")));
        assert!(objects.has("n", &b, "same"), "everybody's");
        let of_a_user = Object { owner: Owner { user: "ann".into(), ..Owner::of_account("a") }, ..object("a", "7") };
        assert!(!objects.add("m", of_a_user), "a user's list is another one than the app's");
        assert!(objects.has("m", &Owner::of_account("a"), "same"));
        assert!(!objects.add("n", object("b", "6")), "the first of the worker's own");
    }

    #[test]
    fn values_are_put_where_the_path_says() {
        let mut value = json!({"data": {"room": {"room_id": "old", "name": "n"}}});
        put(&mut value, "data.room.room_id", json!("new"));
        put(&mut value, "data.more.deep", json!(1));
        assert_eq!(value, json!({"data": {"room": {"room_id": "new", "name": "n"}, "more": {"deep": 1}}}));
        assert_eq!(at(&value, "data.more.deep"), Some(&json!(1)));
        assert_eq!(at(&value, ""), Some(&value));
    }
}
