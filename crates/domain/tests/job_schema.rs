//! The JSON Schema of jobs, as a validator that is not ours reads it: nothing here names a method.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers as well")]

use std::collections::BTreeMap;
use std::sync::Arc;

use paceline_domain::catalog::{IdentityKind, Kind, Method, built_in};
use paceline_domain::decode::{Apps, Decoder, Defaults, FIELDS};
use paceline_domain::job_schema::{of_catalog, of_method};
use serde_json::{Map, Value, json};

fn document(method: &Method) -> Value {
    let params = method.request.as_ref().unwrap().params(method).unwrap();
    let mut job = json!({"id": "a-1", "method": method.name, "app": "acme", "priority": 3, "meta": {"row": 7}});
    if !method.identities.contains(&IdentityKind::Tenant) {
        job["identity"] = json!("user:li");
    }
    for (part, map) in [("path", params.path), ("query", params.query), ("body", params.body)] {
        if !map.is_empty() {
            job[part] = Value::Object(map);
        }
    }
    job
}

#[test]
fn what_the_schema_takes_the_decoder_takes_and_the_other_way_round() {
    let catalog = Arc::new(built_in().unwrap());
    let decoder = Decoder { catalog: Arc::clone(&catalog), apps: Apps::Any, rights: Arc::default() };
    let all = jsonschema::validator_for(&of_catalog(&catalog)).unwrap();
    let (mut wrong, mut tried) = (BTreeMap::new(), 0);
    for method in catalog.methods.values().filter(|method| method.kind == Kind::Job) {
        let own = jsonschema::validator_for(&of_method(method)).unwrap();
        let job = document(method);
        let mut cases = vec![("as documented".to_owned(), job.clone(), true)];
        for name in ["id", "method", "app"] {
            let mut lacking = job.clone();
            lacking.as_object_mut().unwrap().remove(name);
            cases.push((format!("without {name}"), lacking, false));
        }
        for (name, value) in [("colour", json!("red")), ("priority", json!(10)), ("not_after", json!(5))] {
            let mut with = job.clone();
            with[name] = value;
            cases.push((format!("with {name}"), with, false));
        }
        for part in ["path", "query", "body"] {
            let schema = method.schema(part).unwrap();
            for name in &schema.required {
                let mut lacking = job.clone();
                lacking[part].as_object_mut().unwrap().remove(name);
                cases.push((format!("without {part}.{name}"), lacking, false));
            }
            if job.get(part).is_some() {
                let mut with = job.clone();
                with[part]["colour"] = json!("red");
                cases.push((format!("with {part}.colour"), with, false));
            }
        }
        for (case, job, is_valid) in cases {
            tried += 1;
            let is_taken = decoder.decode(job.to_string().as_bytes(), &Defaults::default()).is_ok();
            let found = (own.is_valid(&job), all.is_valid(&job), is_taken);
            if found != (is_valid, is_valid, is_valid) {
                let why: Vec<_> = own.iter_errors(&job).map(|error| error.to_string()).collect();
                wrong.insert(format!("{}: {case}", method.name), format!("{found:?} {why:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 400, "{tried}");
}

#[test]
fn conditions_of_the_catalog_are_conditions_of_the_schema() {
    let catalog = built_in().unwrap();
    let method = catalog.method("feishu.calendar.event.attendee.create").unwrap();
    let schema = jsonschema::validator_for(&of_method(method)).unwrap();
    let job = |attendee: Value| {
        let mut job = document(method);
        job["body"]["attendees"] = json!([attendee]);
        job
    };
    assert!(schema.is_valid(&job(json!({"type": "user", "user_id": "ou_1"}))));
    assert!(!schema.is_valid(&job(json!({"type": "user"}))), "a user without an id");
    assert!(!schema.is_valid(&job(json!({"type": "resource", "user_id": "ou_1"}))), "a room without an id");
}

#[test]
fn every_field_of_a_job_is_described() {
    let catalog = built_in().unwrap();
    let schema = of_method(catalog.method("feishu.vc.room.create").unwrap());
    let undescribed = FIELDS.iter().filter(|field| schema["properties"][**field] == Value::Object(Map::new()));
    assert_eq!(undescribed.collect::<Vec<_>>(), Vec::<&&str>::new());
}
