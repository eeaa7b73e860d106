//! Each code of each method leads to the outcome that the files name, its own rule before those that it shares.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CATALOG, files, methods};
use crate::outcome::{Answer, Reply, classify};

/// The entries of a file's error table, by code.
fn errors(file: &Value) -> impl Iterator<Item = (i64, &Value)> {
    file["errors"].as_array().into_iter().flatten().map(|entry| (entry["code"].as_i64().unwrap(), entry))
}

/// The word for what an entry says.
fn wanted(entry: &Value) -> &str {
    match entry["outcome"].as_str().unwrap() {
        "transient" if entry["verify"] == true => "internal",
        "suspend" => "suspended",
        word => word,
    }
}

#[test]
fn every_code_of_every_method_has_the_outcome_that_its_file_names() {
    let (shared, platforms) = (files("methods"), files("platforms"));
    let mut tried = (0, 0);
    for (name, file) in methods() {
        let method = CATALOG.method(&name).unwrap();
        let platform = &CATALOG.platforms[&method.family];
        let mut entries: BTreeMap<i64, &Value> = BTreeMap::new();
        let (_, of_platform) = platforms.iter().find(|(platform, _)| *platform == method.family).unwrap();
        entries.extend(errors(of_platform));
        for list in file["codes"].as_array().into_iter().flatten() {
            let (_, of_list) = shared.iter().find(|(name, _)| Some(name.as_str()) == list.as_str()).unwrap();
            entries.extend(errors(of_list));
        }
        tried.0 += entries.len();
        entries.extend(errors(&file));
        tried.1 += errors(&file).count();
        for (code, entry) in entries {
            let status = entry["http"].as_u64().unwrap_or(200);
            let body = json!({"code": code, "errcode": code, "msg": "words", "errmsg": "words"}).to_string();
            let answer = Answer { status: status.try_into().unwrap(), body: body.into(), ..Answer::default() };
            let outcome = classify(platform, method, &Reply::Answered(answer));
            assert_eq!(outcome.as_str(), wanted(entry), "{name}: {code}");
            let failure = outcome.failure().unwrap();
            assert_eq!(failure.code, Some(code), "{name}");
            assert_eq!(failure.cure.is_some(), entry["cure"].is_string(), "{name}: {code}: what to do");
        }
    }
    assert!(tried.0 > 1_500 && tried.1 > 200, "{tried:?}");
}

#[test]
fn a_code_that_no_file_names_is_permanent_below_500_and_unknown_above() {
    for method in CATALOG.methods.values() {
        for (status, wanted) in [(200, "permanent"), (400, "permanent"), (404, "permanent"), (500, "uncertain")] {
            let body = json!({"code": 987_654_321, "errcode": 987_654_321}).to_string();
            let answer = Answer { status, body: body.into(), ..Answer::default() };
            let platform = &CATALOG.platforms[&method.family];
            assert_eq!(classify(platform, method, &Reply::Answered(answer)).as_str(), wanted, "{}", method.name);
        }
    }
}
