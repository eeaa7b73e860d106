//! What people may see of a job's parameters: everything but what its method marks as sensitive.

use serde_json::{Map, Value};

use super::catalog::{Catalog, Method, Schema};
use super::edit::MASK;
use super::job::{Job, Params};

/// The job's parameters with every sensitive value masked. `None`: one is among them, and nothing tells (any more) which,
/// because the method is gone from the catalog or marks none of them.
pub fn visible(job: &Job, method: Option<&Method>) -> Option<Params> {
    let Some(method) = method else { return (!job.is_confidential).then(|| job.params.clone()) };
    let shown = params(method, &job.params);
    (!job.is_confidential || shown != job.params).then_some(shown)
}

/// A call's parameters with every value masked that its method marks as sensitive.
pub fn params(method: &Method, params: &Params) -> Params {
    Params {
        path: object(&method.path_schema, &params.path),
        query: object(&method.query_schema, &params.query),
        body: object(&method.body_schema, &params.body),
    }
}

/// A platform's answer with everything masked that is called like a sensitive parameter: platforms give back what they
/// were given.
pub fn answer(method: Option<&Method>, answer: &Value) -> Value {
    let mut names = Vec::new();
    for schema in method.iter().flat_map(|it| [&it.path_schema, &it.query_schema, &it.body_schema]) {
        sensitive_names(schema, &mut names);
    }
    without(answer, &names)
}

/// What a document says that became no job: everything is masked that is called like a sensitive parameter of any method.
pub fn input(catalog: &Catalog, document: &Value) -> Value {
    without(document, &all_sensitive_names(catalog))
}

/// Parameters of a method that nobody knows, likewise.
pub fn params_of_unknown(catalog: &Catalog, params: &Params) -> Params {
    let names = all_sensitive_names(catalog);
    Params {
        path: without_names(&params.path, &names),
        query: without_names(&params.query, &names),
        body: without_names(&params.body, &names),
    }
}

/// Whether a sensitive parameter of any method is called like this.
pub fn may_be_secret(catalog: &Catalog, name: &str) -> bool {
    all_sensitive_names(catalog).contains(&name)
}

/// Whether a text that is no document names a sensitive parameter of any method.
pub fn may_hold_secrets(catalog: &Catalog, text: &str) -> bool {
    all_sensitive_names(catalog).iter().any(|name| text.contains(name))
}

fn all_sensitive_names(catalog: &Catalog) -> Vec<&str> {
    let mut names = Vec::new();
    for method in catalog.methods.values() {
        for schema in [&method.path_schema, &method.query_schema, &method.body_schema] {
            sensitive_names(schema, &mut names);
        }
    }
    names
}

/// Also what the schema does not know: it may have changed since the job came, and a password with it.
fn object(schema: &Schema, map: &Map<String, Value>) -> Map<String, Value> {
    let has_secrets = schema.holds_secrets();
    let shown = map.iter().map(|(name, value)| {
        let value = match schema.property(name) {
            Some(property) => masked(property, value),
            None if has_secrets => Value::from(MASK),
            None => value.clone(),
        };
        (name.clone(), value)
    });
    shown.collect()
}

fn masked(schema: &Schema, value: &Value) -> Value {
    match (value, schema.items.as_deref()) {
        _ if !schema.holds_secrets() => value.clone(),
        _ if schema.sensitive => Value::from(MASK),
        (Value::Object(map), _) => Value::Object(object(schema, map)),
        (Value::Array(items), Some(schema)) => items.iter().map(|item| masked(schema, item)).collect(),
        // Not of the shape that the schema describes: who knows what it is.
        _ => Value::from(MASK),
    }
}

fn sensitive_names<'s>(schema: &'s Schema, names: &mut Vec<&'s str>) {
    for (name, property) in &schema.properties {
        if property.sensitive {
            names.push(name);
        }
        sensitive_names(property, names);
    }
    if let Some(items) = schema.items.as_deref() {
        sensitive_names(items, names);
    }
}

fn without(value: &Value, names: &[&str]) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_names(map, names)),
        Value::Array(items) => items.iter().map(|item| without(item, names)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn without_names(map: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let shown = map.iter().map(|(name, value)| {
        let is_secret = names.contains(&name.as_str());
        (name.clone(), if is_secret { Value::from(MASK) } else { without(value, names) })
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::built_in;
    use crate::decode::{Apps, Decoder, Defaults};

    const MEETING: &str = "wecom.meeting.create";

    fn meeting() -> (Catalog, Job) {
        let catalog = built_in().unwrap();
        let Value::Object(document) = json!({"id": "m", "method": MEETING, "app": "campus",
            "body": {"admin_userid": "u", "title": "t", "meeting_start": 1_795_248_600, "meeting_duration": 300,
                "settings": {"password": "8642", "enable_waiting_room": true}}})
        else {
            panic!("no object")
        };
        let decoder = Decoder {
            catalog: std::sync::Arc::new(catalog.clone()),
            apps: Apps::Any,
            rights: std::sync::Arc::default(),
        };
        (catalog, decoder.read(document, &[], &Defaults::default()).unwrap())
    }

    fn text(params: Option<Params>) -> String {
        let params = params.unwrap();
        json!([params.path, params.query, params.body]).to_string()
    }

    #[test]
    fn what_became_no_job_is_masked_by_the_names_of_all_methods() {
        let (catalog, _) = meeting();
        let document = json!({"method": "no.such", "body": {"settings": [{"password": "8642"}], "title": "t"}});
        let shown = input(&catalog, &document).to_string();
        assert!(!shown.contains("8642") && shown.contains("no.such") && shown.contains("title"), "{shown}");
        assert!(may_hold_secrets(&catalog, "{\"password\": \"8642\""));
        assert!(!may_hold_secrets(&catalog, "name,capacity"));
    }

    #[test]
    fn a_password_is_masked_and_its_neighbours_are_shown() {
        let (catalog, job) = meeting();
        assert!(job.is_confidential);
        let shown = visible(&job, catalog.method(MEETING).map(AsRef::as_ref)).unwrap();
        assert_eq!(shown.body["settings"], json!({"password": MASK, "enable_waiting_room": true}));
        assert_eq!(shown.body["title"], "t");
    }

    #[test]
    fn what_does_not_fit_the_schema_is_masked_where_a_password_could_be() {
        let (catalog, mut job) = meeting();
        let method = catalog.method(MEETING).map(AsRef::as_ref);
        for settings in [json!("8642"), json!(["8642"]), json!({"pass_word": "8642"}), json!({"password": {"a": 8642}})]
        {
            job.params.body["settings"] = settings.clone();
            let shown = text(visible(&job, method));
            assert!(!shown.contains("8642"), "{settings}: {shown}");
        }
        job.params.body.insert("passwort".to_owned(), json!("8642"));
        assert!(!text(visible(&job, method)).contains("8642"));
    }

    #[test]
    fn without_a_schema_that_tells_a_confidential_job_shows_nothing() {
        let (mut catalog, mut job) = meeting();
        assert_eq!(visible(&job, None), None);
        // An overridden method that marks nothing any more.
        let mut method = catalog.methods.remove(MEETING).unwrap().as_ref().clone();
        let settings = method.body_schema.properties.iter_mut().find(|(name, _)| name == "settings").unwrap();
        for (_, property) in &mut settings.1.properties {
            property.sensitive = false;
        }
        assert_eq!(visible(&job, Some(&method)), None);
        job.is_confidential = false;
        assert_eq!(visible(&job, None), Some(job.params.clone()), "it never held one");
    }

    #[test]
    fn an_answer_gives_no_password_back() {
        let (catalog, _) = meeting();
        let method = catalog.method(MEETING).map(AsRef::as_ref);
        let given = json!({"meetingid": "m1", "info": [{"settings": {"password": "8642"}}]});
        let shown = json!({"meetingid": "m1", "info": [{"settings": {"password": MASK}}]});
        assert_eq!(answer(method, &given), shown);
        assert_eq!(answer(None, &json!({"a": 1})), json!({"a": 1}));
    }
}
