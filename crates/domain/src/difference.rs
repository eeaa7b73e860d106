//! How two jobs of one id differ, for people: field by field, with what is sensitive masked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::catalog::{Method, shown};
use super::edit::MASK;
use super::find;
use super::job::{Job, Params};
use super::mask;

/// One field that is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its dotted name.
    pub field: String,
    /// What it was; `None` if it was absent.
    pub before: Option<Value>,
    /// What it is; `None` if it is absent.
    pub now: Option<Value>,
}

impl std::fmt::Display for Change {
    /// `body.capacity: 10 → 12`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |value: &Option<Value>| value.as_ref().map_or_else(|| "absent".to_owned(), shown);
        write!(out, "{}: {} → {}", self.field, word(&self.before), word(&self.now))
    }
}

/// What reaches the platform and differs, in the order of the fields' names.
pub fn between(before: &Job, now: &Job, method: Option<&Method>) -> Vec<Change> {
    let (old, new) = (values(before, &before.params), values(now, &now.params));
    let visible = |job: &Job| mask::visible(job, method).map(|params| values(job, &params)).unwrap_or_default();
    let (shown_old, shown_new) = (visible(before), visible(now));
    let fields: BTreeSet<&String> =
        old.keys().chain(new.keys()).filter(|field| old.get(*field) != new.get(*field)).collect();
    let masked = |value: Option<&Value>, shown: Option<&Value>| {
        value.map(|_| shown.cloned().unwrap_or_else(|| Value::from(MASK)))
    };
    let change = |field: &String| Change {
        field: field.clone(),
        before: masked(old.get(field), shown_old.get(field)),
        now: masked(new.get(field), shown_new.get(field)),
    };
    fields.into_iter().map(change).collect()
}

/// Every value by its dotted name; a list is one value.
fn values(job: &Job, params: &Params) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let own = [
        ("method", &job.lane.method),
        ("app", &job.lane.app),
        ("tenant", &job.lane.tenant),
        ("identity", &job.identity.to_string()),
    ];
    values.extend(own.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))));
    for (part, map) in [("path", &params.path), ("query", &params.query), ("body", &params.body)] {
        add(part, map, &mut values);
    }
    values
}

fn add(prefix: &str, map: &Map<String, Value>, values: &mut BTreeMap<String, Value>) {
    for (name, value) in map {
        let field = format!("{prefix}.{name}");
        if let Some(name) = value.get(find::FIND) {
            values.insert(field, name.clone());
        } else if let Value::Object(inner) = value {
            add(&field, inner, values);
        } else {
            values.insert(field, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;
    use crate::decode::{Apps, Decoder, Defaults};

    #[test]
    fn changed_fields_are_named_and_passwords_are_not_shown() {
        let decoder =
            Decoder { catalog: built_in().unwrap().into(), apps: Apps::Any, rights: std::sync::Arc::default() };
        let meeting = |duration: u32, password: &str, location: Option<&str>| {
            let mut job = json!({"id": "m", "method": "wecom.meeting.create", "app": "a", "body": {
                "admin_userid": "z", "title": "t", "meeting_start": 1_900_000_000, "meeting_duration": duration,
                "settings": {"password": password}}});
            if let Some(location) = location {
                job["body"]["location"] = json!(location);
            }
            decoder.decode(job.to_string().as_bytes(), &Defaults::default()).unwrap()
        };
        let method = decoder.catalog.job_method("wecom.meeting.create").map(AsRef::as_ref);
        let (before, now) = (meeting(3600, "1234", Some("hall")), meeting(7200, "5678", None));
        let words: Vec<String> = between(&before, &now, method).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "body.location: \"hall\" → absent",
                "body.meeting_duration: 3600 → 7200",
                "body.settings.password: \"******\" → \"******\"",
            ]
        );
        assert_eq!(between(&before, &before, method), []);
        let unknown: Vec<_> = between(&before, &now, None).into_iter().map(|change| change.now).collect();
        assert_eq!(unknown, [None, Some(json!(MASK)), Some(json!(MASK))], "nothing says which is the password");
    }
}
