//! `docs/openapi.json` and the routes tell of the same addresses. That answers are as it says is tried by
//! `scripts/e2e_api.py`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

/// Every operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = object(&document["paths"]).iter();
    let of_path = |(path, item): (&String, &'_ Value)| -> Vec<(String, String)> {
        object(item).keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    let names = paths.flat_map(of_path);
    names
        .map(|(method, path)| {
            let operation = &document["paths"][&path][method.to_lowercase()];
            (method, path, operation)
        })
        .collect()
}

/// Every `$ref` below a value.
fn references<'d>(value: &'d Value, found: &mut BTreeSet<&'d str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<_> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routes = paceline::admin::addresses();
    let served: BTreeSet<_> = routes.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(routes.len(), served.len(), "a route is listed twice");
    assert!(served.len() > 15, "{served:?}");
    assert_eq!(served.difference(&described).collect::<Vec<_>>(), Vec::<&_>::new(), "not described");
    assert_eq!(described.difference(&served).collect::<Vec<_>>(), Vec::<&_>::new(), "described, and not there");
}

#[test]
fn every_operation_says_who_may_and_what_can_go_wrong() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}: its name is taken");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{place}: no summary");
        let mut wanted = vec!["200", "403", "405"];
        if method == "POST" {
            wanted.extend(["400", "401", "413", "415", "503"]);
            assert_eq!(operation["security"], serde_json::json!([{"token": []}]), "{place}");
            assert_eq!(operation["requestBody"]["required"], true, "{place}");
        }
        let answers = object(&operation["responses"]);
        let missing: Vec<_> = wanted.into_iter().filter(|status| !answers.contains_key(*status)).collect();
        assert!(missing.is_empty(), "{place}: nothing is said of {missing:?}");
        let in_path = path.matches('{').count();
        let declared = operation["parameters"].as_array().map_or(0, |parameters| {
            let is_in_path =
                |parameter: &&Value| parameter["in"] == "path" || parameter["$ref"] == "#/components/parameters/job";
            parameters.iter().filter(is_in_path).count()
        });
        assert_eq!(declared, in_path, "{place}: parameters in the path");
    }
}

#[test]
fn every_operation_names_the_role_that_the_server_asks_for() {
    let document = document();
    let open = ["/healthz", "/readyz", "/api/v1/session", "/api/v1/openapi.json"];
    let roles = paceline::admin::roles();
    for (method, path, operation) in operations(&document) {
        let (.., role) = roles.iter().find(|(one, of, _)| *one == method && *of == path).unwrap();
        let told = operation["x-paceline-role"].as_str();
        assert_eq!(told, (!open.contains(&path.as_str())).then_some(role.as_str()), "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_part_is_used() {
    let document = document();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for name in &used {
        let pointer = name.strip_prefix('#').unwrap_or_else(|| panic!("{name} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{name} leads nowhere");
    }
    for kind in ["parameters", "responses", "schemas"] {
        for name in object(&document["components"][kind]).keys() {
            assert!(used.contains(&*format!("#/components/{kind}/{name}")), "nothing uses {kind}/{name}");
        }
    }
}

#[test]
fn it_is_of_this_version() {
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"), "docs/openapi.json tells of another version");
}
