//! Finding out from a listing whether creates happened, without the calls: templates and queries here, what is compared
//! in [`criteria`], what one reading of a listing gathers in [`scan`], and what follows from it in [`judge`].

pub mod criteria;
pub mod judge;
pub mod scan;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::catalog::{LookUp, Method};
use super::job::{Identity, Job, Params};
use super::outcome::{lookup, text_of};

pub use criteria::Criteria;
pub use judge::{Group, Verdict};
pub use scan::{Candidates, Pages, Scan, Turn};

/// Writes the method's mark into the parameters that the job left open, so that a look-up has something to compare.
pub fn mark(job: &mut Job, look_up: &LookUp) {
    for (name, template) in &look_up.mark {
        if job.params.get(name).is_some() {
            continue;
        }
        if let Some(value) = resolve(&Value::String(template.clone()), job, None) {
            set(&mut job.params, name, value);
        }
    }
}

/// The parameters of a listing (or of the call for one item) for this job; absent where the job says nothing.
pub fn params_of<'a>(
    templates: impl IntoIterator<Item = (&'a String, &'a Value)>,
    job: &Job,
    item: Option<&Value>,
) -> Params {
    let mut params = Params::default();
    for (name, template) in templates {
        if let Some(value) = resolve(template, job, item) {
            set(&mut params, name, value);
        }
    }
    params
}

/// What is asked of a listing, for all the jobs that one reading of it can serve.
#[derive(Clone, Debug)]
pub struct Query {
    /// As whom: a user's objects stand in the user's own listing.
    pub identity: Identity,
    /// The listing's parameters, without a page.
    pub params: Params,
    /// What the job itself gives to the call for one item.
    detail: Params,
}

impl Query {
    /// What a look-up for this job asks.
    pub fn of(look_up: &LookUp, job: &Job) -> Self {
        // As it was sent: some listings are asked for the mark.
        let mut sent = job.clone();
        mark(&mut sent, look_up);
        Self {
            identity: job.identity.clone(),
            params: params_of(&look_up.params, &sent, None),
            detail: look_up
                .detail
                .iter()
                .map(|detail| params_of(&detail.params, &sent, None))
                .next()
                .unwrap_or_default(),
        }
    }

    /// Widens this query so that it serves the other one too; `false` if no listing serves both.
    pub fn take_in(&mut self, look_up: &LookUp, other: &Self) -> bool {
        let bare = |query: &Self| {
            let mut params = query.params.clone();
            look_up.least.iter().for_each(|name| unset(&mut params, name));
            params
        };
        if self.identity != other.identity || self.detail != other.detail || bare(self) != bare(other) {
            return false;
        }
        for name in &look_up.least {
            match least(self.params.get(name), other.params.get(name)).cloned() {
                Some(value) => set(&mut self.params, name, value),
                None => unset(&mut self.params, name),
            }
        }
        true
    }
}

/// The smaller of two numbers; an absent one asks for everything.
fn least<'a>(left: Option<&'a Value>, right: Option<&'a Value>) -> Option<&'a Value> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    match (number(left?), number(right?)) {
        (Some(a), Some(b)) if b < a => right,
        (Some(_), Some(_)) => left,
        // What is no number cannot be compared.
        (None, _) | (_, None) => None,
    }
}

/// The items of a list inside a result; the path may step into lists. Nothing there, or null, is an empty list; `None` if
/// something else than a list is there.
pub fn listed_under<'a>(result: &'a Value, path: &str) -> Option<Vec<&'a Value>> {
    let mut found = vec![result];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let outer = std::mem::take(&mut found);
        let each = outer
            .into_iter()
            .flat_map(|value| value.as_array().map_or_else(|| vec![value], |items| items.iter().collect()));
        found = each.filter_map(|value| value.get(name)).collect();
    }
    let mut items = Vec::new();
    for value in found.into_iter().filter(|value| !value.is_null()) {
        items.extend(value.as_array()?);
    }
    Some(items)
}

/// Writes the key that lets the platform drop a repeated call into a job that brings none: the same for every call of
/// this job, and no other job's.
pub fn write_idempotency_key(job: &mut Job, method: &Method) {
    let super::catalog::Creation::IdempotencyKey(by_key) = &method.creation else { return };
    if job.params.get(&by_key.field).is_some() {
        return;
    }
    let digest = Sha256::digest(format!("{}\n{}", job.lane, job.id));
    let mut key = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    if let Some(most) = method.param(&by_key.field).and_then(|schema| schema.length_max) {
        key.truncate(most);
    }
    set(&mut job.params, &by_key.field, Value::String(key));
}

/// The id of a listed item.
pub fn key_of(look_up: &LookUp, item: &Value) -> Option<String> {
    lookup(item, &look_up.key).and_then(text_of)
}

/// Whether a job may be marked at all: the method has a look-up that compares a mark.
pub fn mark_of(method: &Method) -> Option<&LookUp> {
    method.creation.look_up().filter(|look_up| !look_up.mark.is_empty())
}

/// Fills a template; `item` is what it calls `$item`, or `$each` for one of the job's own list.
pub(super) fn resolve(template: &Value, job: &Job, item: Option<&Value>) -> Option<Value> {
    let Some(name) = template.as_str().and_then(|text| text.strip_prefix('$')) else {
        return Some(template.clone());
    };
    match name.split_once('.') {
        None if name == "id" => Some(Value::String(job.id.clone())),
        None if name == "item" || name == "each" => item.cloned(),
        Some(("item" | "each", field)) => item.and_then(|item| lookup(item, field)).cloned(),
        None | Some(_) => job.params.get(name).cloned(),
    }
}

pub(crate) fn set(params: &mut Params, name: &str, value: Value) {
    let Some((part, rest)) = name.split_once('.') else { return };
    let map = match part {
        "path" => &mut params.path,
        "query" => &mut params.query,
        _ => &mut params.body,
    };
    set_in(map, rest, value);
}

fn unset(params: &mut Params, name: &str) {
    let Some((part, rest)) = name.split_once('.') else { return };
    let map = match part {
        "path" => &mut params.path,
        "query" => &mut params.query,
        _ => &mut params.body,
    };
    let (outer, last) = rest.rsplit_once('.').map_or((None, rest), |(outer, last)| (Some(outer), last));
    let map = match outer {
        None => Some(map),
        Some(outer) => {
            let mut names = outer.split('.');
            let first = names.next().and_then(|name| map.get_mut(name));
            names.fold(first, |value, name| value?.get_mut(name)).and_then(Value::as_object_mut)
        }
    };
    if let Some(map) = map {
        map.remove(last);
    }
}

fn set_in(map: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            map.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set_in(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Look-ups and jobs for the tests of this folder.

    use serde_json::json;

    use super::*;
    use crate::catalog::{Creation, built_in};
    use crate::job::LaneKey;

    pub(crate) fn job(id: &str, body: Value) -> Job {
        let Value::Object(body) = body else { panic!("a body is an object") };
        Job {
            id: id.to_owned(),
            lane: LaneKey { app: "a".to_owned(), tenant: String::new(), method: "m".to_owned() },
            batch: None,
            identity: Identity::Tenant,
            params: Params { body, ..Params::default() },
            object: None,
            after: Vec::new(),
            filled: Vec::new(),
            is_confidential: false,
            priority: 4,
            not_before: None,
            not_after: None,
            reply_to: None,
            meta: None,
            trace: None,
        }
    }

    /// The look-up of a method of the catalog.
    pub(crate) fn look_up(method: &str) -> LookUp {
        match &built_in().unwrap().method(method).unwrap().creation {
            Creation::LookUp(look_up) => (**look_up).clone(),
            other @ (Creation::Natural | Creation::IdempotencyKey(_) | Creation::None) => panic!("{method}: {other:?}"),
        }
    }

    pub(crate) fn room(id: &str, body: Value) -> Job {
        let mut job = job(id, json!({"name": "R", "capacity": 8, "room_level_id": "omb_1"}));
        if let Value::Object(body) = body {
            job.params.body.extend(body);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::samples::{job, look_up, room};
    use super::*;

    #[test]
    fn an_absent_mark_is_written_and_a_present_one_kept() {
        let rooms = look_up("feishu.vc.room.create");
        let mut open = room("hq-1", json!({}));
        mark(&mut open, &rooms);
        assert_eq!(open.params.body["custom_room_id"], "hq-1");
        let mut given = room("hq-1", json!({"custom_room_id": "7F-701"}));
        mark(&mut given, &rooms);
        assert_eq!(given.params.body["custom_room_id"], "7F-701");
    }

    #[test]
    fn one_query_serves_the_rooms_of_one_level() {
        let rooms = look_up("feishu.vc.room.create");
        let query = |body| Query::of(&rooms, &room("x", body));
        let mut first = query(json!({}));
        assert_eq!(Value::Object(first.params.query.clone()), json!({"page_size": 100, "room_level_id": "omb_1"}));
        assert!(first.take_in(&rooms, &query(json!({"name": "other"}))));
        assert!(!first.take_in(&rooms, &query(json!({"room_level_id": "omb_2"}))));
        let mut others = query(json!({}));
        others.identity = Identity::User("ann".to_owned());
        assert!(!first.take_in(&rooms, &others), "a user's listing is another one");
    }

    #[test]
    fn one_query_serves_all_meetings_of_an_organiser_from_the_earliest_on() {
        let meetings = look_up("wecom.meeting.create");
        let query = |who: &str, start: Value| {
            Query::of(&meetings, &job("x", json!({"admin_userid": who, "title": "t", "meeting_start": start})))
        };
        let mut all = query("li", json!(500));
        assert!(all.take_in(&meetings, &query("li", json!("300"))) && all.take_in(&meetings, &query("li", json!(900))));
        assert_eq!(all.params.body["begin_time"], "300");
        assert!(!all.take_in(&meetings, &query("wang", json!(300))));
        let mut unbound = query("li", json!(1));
        unbound.params.body.remove("begin_time");
        assert!(all.take_in(&meetings, &unbound));
        assert_eq!(all.params.get("body.begin_time"), None, "an absent bound asks for everything");
    }

    #[test]
    fn values_are_taken_out_where_they_stand() {
        let mut params = Params::default();
        set(&mut params, "body.a.b.c", json!(1));
        set(&mut params, "body.a.d", json!(2));
        unset(&mut params, "body.a.b.c");
        unset(&mut params, "body.x.y");
        unset(&mut params, "query.z");
        assert_eq!(Value::Object(params.body), json!({"a": {"b": {}, "d": 2}}));
    }
}
