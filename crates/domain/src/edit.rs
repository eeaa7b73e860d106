//! A dead job corrected by hand: a JSON merge patch over its document, and what that changes.

use serde_json::{Map, Value};

use super::catalog::{Method, Schema, nearest};
use super::decode::{FIELDS, implied_deadline};
use super::job::{Identity, Job, PRIORITY_DEFAULT};
use super::json;
use super::time::Timestamp;

/// The fields that a patch may change. The others say which job it is, and whose.
pub const EDITABLE: [&str; 10] =
    ["body", "path", "query", "meta", "after", "priority", "not_before", "not_after", "identity", "reply_to"];

/// What stands in place of a sensitive value.
pub(super) const MASK: &str = "******";
/// A value is shown in so many characters at most.
const SHOWN_CHARS_MAX: usize = 60;

/// A JSON merge patch (RFC 7396) over job documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch(Map<String, Value>);

impl Patch {
    /// Reads a patch.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it; no value of it stands there, because one may be a password.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let (value, twice) = json::parse(text).map_err(|error| format!("the patch is not valid JSON: {error}"))?;
        if let Some(name) = twice.first() {
            return Err(format!("the patch holds {name} twice"));
        }
        let Value::Object(patch) = value else {
            return Err("the patch is expected to be an object, like {\"body\":{\"capacity\":20}}".to_owned());
        };
        if patch.is_empty() {
            return Err("the patch changes nothing".to_owned());
        }
        match patch.keys().find(|name| !EDITABLE.contains(&name.as_str())) {
            None => Ok(Self(patch)),
            Some(name) => Err(not_editable(name)),
        }
    }

    /// Changes a document.
    pub fn apply(&self, document: &mut Map<String, Value>) {
        merge(document, &self.0);
    }
}

fn not_editable(name: &str) -> String {
    if FIELDS.contains(&name) {
        return format!("{name} cannot be edited: it says which job it is; publish another job under a new id instead");
    }
    let hint = match nearest(name, EDITABLE.into_iter()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "a method's parameters belong into \"body\", \"query\" or \"path\"".to_owned(),
    };
    format!("no such field of a job: {name:?}; {hint}")
}

/// RFC 7396: `null` removes, objects are merged, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, change) in patch {
        match change {
            Value::Null => drop(target.remove(name)),
            Value::Object(inner) => {
                let entry = target.entry(name.clone()).or_insert(Value::Null);
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Value::Object(entry) = entry {
                    merge(entry, inner);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(name.clone(), change.clone());
            }
        }
    }
}

/// The contract's document of a job, as it would be published at `now`. A deadline that the parameters imply is left
/// out, or it would outlive their change; so is a start that has passed, which may have been a pause between attempts.
pub fn document_of(job: &Job, method: Option<&Method>, now: Timestamp) -> Map<String, Value> {
    let mut document = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), value);
        }
    };
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Value::from);
    let map = |map: &Map<String, Value>| Some(map).filter(|map| !map.is_empty()).cloned().map(Value::Object);
    put("id", Some(Value::from(job.id.as_str())));
    put("method", Some(Value::from(job.lane.method.as_str())));
    put("app", Some(Value::from(job.lane.app.as_str())));
    put("after", (!job.after.is_empty()).then(|| Value::from(job.after.clone())));
    put("tenant", text(&job.lane.tenant));
    put("batch", job.batch.as_deref().and_then(text));
    put("identity", (job.identity != Identity::Tenant).then(|| Value::from(job.identity.to_string())));
    put("path", map(&job.params.path));
    put("query", map(&job.params.query));
    put("body", map(&job.params.body));
    put("priority", (job.priority != PRIORITY_DEFAULT).then(|| Value::from(job.priority)));
    put("not_before", job.not_before.filter(|at| *at > now).map(|at| Value::from(at.exact())));
    let implied = method.and_then(|method| implied_deadline(method, &job.params));
    put("not_after", job.not_after.filter(|at| implied != Some(*at)).map(|at| Value::from(at.exact())));
    put("reply_to", job.reply_to.as_deref().map(Value::from));
    put("meta", job.meta.clone().map(Value::Object));
    document
}

/// One field that an edit changes, as people may see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its dotted name.
    pub field: String,
    /// What stands there; absent if nothing does.
    pub before: Option<String>,
    /// What will stand there; absent if nothing will.
    pub after: Option<String>,
}

/// What differs between two documents of a job. Sensitive values are masked.
pub fn changes(method: Option<&Method>, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let mut found = Vec::new();
    for name in names(before, after) {
        let schema = method.and_then(|method| match name {
            "path" => Some(&method.path_schema),
            "query" => Some(&method.query_schema),
            "body" => Some(&method.body_schema),
            _ => None,
        });
        compare(name.to_owned(), schema, before.get(name), after.get(name), &mut found);
    }
    found
}

fn names<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn compare(
    field: String,
    schema: Option<&Schema>,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Change>,
) {
    if before == after {
        return;
    }
    let none = Map::new();
    let object = |value: Option<&'_ Value>| value.is_none_or(Value::is_object);
    if object(before) && object(after) {
        let map = |value: Option<&Value>| value.and_then(Value::as_object).unwrap_or(&none).clone();
        let (before, after) = (map(before), map(after));
        for name in names(&before, &after) {
            let inner = schema.and_then(|schema| schema.property(name));
            compare(format!("{field}.{name}"), inner, before.get(name), after.get(name), found);
        }
        return;
    }
    let masked = schema.is_some_and(Schema::holds_secrets);
    let text = |value: &Value| if masked { MASK.to_owned() } else { short(value) };
    found.push(Change { field, before: before.map(text), after: after.map(text) });
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;
    use crate::decode::{Apps, Decoder, Defaults};

    const NOW: Timestamp = Timestamp(1_795_248_000_000_000);

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("no object: {value}") };
        map
    }

    /// The examples of RFC 7396, appendix A, as far as they concern objects.
    #[test]
    fn patches_are_those_of_the_standard() {
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": "foo"}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}})),
        ] {
            let mut target = map(before);
            merge(&mut target, &map(patch.clone()));
            assert_eq!(Value::Object(target), after, "{patch}");
        }
    }

    #[test]
    fn a_patch_may_change_what_a_job_says_and_not_which_job_it_is() {
        for field in EDITABLE {
            assert!(Patch::parse(json!({field: null}).to_string().as_bytes()).is_ok(), "{field}");
        }
        for (patch, why) in [
            (r#"{"id":"x"}"#, "id cannot be edited"),
            (r#"{"app":"x"}"#, "app cannot be edited"),
            (r#"{"tenant":"x"}"#, "tenant cannot be edited"),
            (r#"{"capacity":20}"#, "belong into \"body\""),
            (r#"{"bodi":{}}"#, "did you mean \"body\"?"),
            (r#"{"body":{"a":1,"a":2}}"#, "body.a twice"),
            ("[\"7391\"]", "expected to be an object, like"),
            ("{}", "changes nothing"),
            ("{", "not valid JSON"),
        ] {
            let error = Patch::parse(patch.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{patch}: {error}");
        }
    }

    fn decoder() -> Decoder {
        Decoder {
            catalog: std::sync::Arc::new(built_in().unwrap()),
            apps: Apps::Any,
            rights: std::sync::Arc::default(),
        }
    }

    #[test]
    fn a_job_comes_back_out_of_its_document() {
        let decoder = decoder();
        let full = json!({
            "id": "x", "method": "feishu.calendar.event.meeting_minute.create", "app": "acme", "tenant": "t",
            "batch": "b", "identity": "user:anna", "priority": 9, "not_before": "2026-11-21T09:00:00.000001Z",
            "not_after": "2026-11-21T10:00:00Z", "reply_to": "r", "meta": {"a": null},
            "path": {"calendar_id": "c", "event_id": "e"},
        });
        let plain = json!({"id": "x", "method": "feishu.calendar.create", "app": "acme", "body": {"summary": "s"}});
        for document in [full, plain] {
            let job = decoder.read(map(document), &[], &Defaults::default()).unwrap();
            let method = decoder.catalog.job_method(&job.lane.method).map(AsRef::as_ref);
            let again = decoder.read(document_of(&job, method, NOW), &[], &Defaults::default()).unwrap();
            assert_eq!(again, job);
        }
    }

    fn meeting(more: Value) -> Value {
        let mut document = map(json!({"id": "m", "method": "wecom.meeting.create", "app": "campus",
            "body": {"admin_userid": "u", "title": "t", "meeting_start": 1_795_248_600, "meeting_duration": 300,
                "settings": {"password": "1234"}}}));
        document.extend(map(more));
        Value::Object(document)
    }

    #[test]
    fn a_deadline_moves_with_the_start_that_implies_it() {
        let decoder = decoder();
        let edited = |document: Value, patch: Value| {
            let job = decoder.read(map(document), &[], &Defaults::default()).unwrap();
            let mut document = document_of(&job, decoder.catalog.job_method(&job.lane.method).map(AsRef::as_ref), NOW);
            Patch::parse(patch.to_string().as_bytes()).unwrap().apply(&mut document);
            decoder.read(document, &[], &Defaults::default()).unwrap().not_after.unwrap().unix_seconds()
        };
        let later = json!({"body": {"meeting_start": 1_795_252_200}});
        assert_eq!(edited(meeting(json!({})), later.clone()), 1_795_252_200);
        // Its own deadline, 08:05, is a person's word and stays.
        let own = meeting(json!({"not_after": "2026-11-21T08:05:00Z"}));
        assert_eq!(edited(own.clone(), later), 1_795_248_300);
        assert_eq!(edited(own, json!({"not_after": null})), 1_795_248_600);
    }

    #[test]
    fn a_start_that_has_passed_is_no_start_any_more() {
        let decoder = decoder();
        let job = decoder
            .read(map(meeting(json!({"not_before": "2026-11-21T08:00:00Z"}))), &[], &Defaults::default())
            .unwrap();
        assert!(!document_of(&job, None, NOW).contains_key("not_before"));
        assert!(document_of(&job, None, Timestamp(NOW.0 - 1)).contains_key("not_before"));
    }

    #[test]
    fn changes_are_named_one_by_one_and_secrets_are_masked() {
        let decoder = decoder();
        let method = decoder.catalog.job_method("wecom.meeting.create").map(AsRef::as_ref);
        let before = map(meeting(json!({"priority": 9})));
        let mut after = before.clone();
        let patch = json!({"priority": null, "meta": {"n": 1}, "body": {"title": "T".repeat(99),
            "settings": {"password": "9999"}, "invitees": {"userid": ["a"]}}});
        Patch::parse(patch.to_string().as_bytes()).unwrap().apply(&mut after);
        let found = changes(method, &before, &after);
        let shown: Vec<_> = found
            .iter()
            .map(|change| (change.field.as_str(), change.before.as_deref(), change.after.as_deref()))
            .collect();
        let long = format!("\"{}…", "T".repeat(58));
        assert_eq!(
            shown,
            [
                ("body.invitees.userid", None, Some("[\"a\"]")),
                ("body.settings.password", Some("******"), Some("******")),
                ("body.title", Some("\"t\""), Some(long.as_str())),
                ("meta.n", None, Some("1")),
                ("priority", Some("9"), None),
            ]
        );
        // Also where the whole object around it is replaced by something else.
        let mut broken = before.clone();
        broken["body"]["settings"] = json!("1234");
        assert!(changes(method, &before, &broken).iter().all(|change| change.before.as_deref() == Some(MASK)));
        assert!(changes(method, &before, &before).is_empty());
    }
}
