//! Bad input of every kind: no panic, no hang, every fault named, no secret in it.
//!
//! A bounded number of cases in each run; `PROPTEST_CASES=200000 cargo test --release --test suite fuzz` takes its time.

mod extremes;
mod mutate;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use paceline::domain::catalog::{Catalog, CatalogSource, built_in};
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::job::{Job, Rejection};
use paceline::domain::outcome::{Answer, Outcome, Reply, classify};
use paceline::domain::rows::{Format, Input, Rows};
use paceline::settings;
use paceline::simulator::Scenario;
use proptest::prelude::*;

use self::mutate::mutated;

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

fn decoder() -> Decoder {
    Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() }
}

/// The files of a folder of the project.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn seeds(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let seeds: Vec<_> =
        files(folder).into_iter().filter(|(name, _)| name.ends_with(ending)).map(|(_, seed)| seed).collect();
    assert!(!seeds.is_empty(), "{folder} has files that end in {ending}");
    seeds
}

fn explains(rejection: &Rejection) {
    assert!(!rejection.faults.is_empty(), "an input is refused for a reason");
    for fault in &rejection.faults {
        let text = fault.to_string();
        assert!(!fault.message().trim().is_empty(), "{text:?} says nothing");
        assert!(text.len() < 4_096, "{} bytes for one fault", text.len());
    }
}

/// What is taken has to be sendable: it fits its own method.
fn is_sound(job: &Job) {
    assert!(!job.id.is_empty() && job.priority <= 9, "{job:?}");
    assert!(CATALOG.job_method(&job.lane.method).is_some(), "{job:?}");
}

fn defaults() -> impl Strategy<Value = Defaults> {
    let text = || prop::option::of("\\PC{0,20}");
    (text(), text(), text(), text(), prop::option::of(any::<u8>()), text()).prop_map(
        |(id, method, app, batch, priority, reply_to)| Defaults {
            id,
            method,
            app,
            batch,
            priority,
            reply_to,
            sender: None,
            is_filed: false,
        },
    )
}

fn rows_of(raw: &[u8], format: Format) {
    let input = Input {
        name: "f".to_owned(),
        batch: "b".to_owned(),
        method: Some("feishu.vc.room.create".to_owned()),
        app: Some("acme".to_owned()),
        bytes_max: 1024 * 1024,
        layout: paceline::domain::rows::Layout::default(),
    };
    let rows = match Rows::open(Arc::new(decoder()), input, format, raw) {
        Ok(rows) => rows,
        Err(error) => {
            return assert!(
                error.0.iter().all(|fault| fault.file == "f" && fault.line > 0 && !fault.message.is_empty()),
                "{error}"
            );
        }
    };
    let mut count = 0;
    for row in rows {
        count += 1;
        assert!(count <= raw.len() + 1, "more rows than bytes");
        match row {
            Ok(row) => {
                assert_eq!(row.place, format!("f:{}", row.line));
                match &row.input {
                    Ok(job) => is_sound(job),
                    Err(rejection) => explains(rejection),
                }
            }
            Err(error) => assert!(
                error.0.iter().all(|fault| fault.file == "f" && fault.line > 0 && !fault.message.is_empty()),
                "{error}"
            ),
        }
    }
}

/// Replies as the platforms' documents show them.
fn replies() -> Vec<Vec<u8>> {
    [
        r#"{"code":0,"msg":"success","data":{"room":{"room_id":"omm_4de3","name":"7F"}}}"#,
        r#"{"code":99991400,"msg":"request trigger frequency limit","error":{"log_id":"2026112108","troubleshooter":"x"}}"#,
        r#"{"code":190003,"msg":"internal error","data":null}"#,
        r#"{"errcode":0,"errmsg":"ok","meetingid":"mtid_1","excess_users":["a"]}"#,
        r#"{"errcode":45009,"errmsg":"api freq out of limit, hint: [1600000000_1_abc], from ip: 1.2.3.4"}"#,
        r#"{"errcode":"400302","errmsg":"repeated"}"#,
        "<html><head><title>502 Bad Gateway</title></head></html>",
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

proptest! {
    #[test]
    fn jobs_of_any_bytes(raw in mutated(lines("examples/jobs.jsonl")), defaults in defaults()) {
        match decoder().decode(&raw, &defaults) {
            Ok(job) => is_sound(&job),
            Err(rejection) => explains(&rejection),
        }
    }

    #[test]
    fn csv_files_of_any_bytes(raw in mutated(seeds("examples", ".csv"))) {
        rows_of(&raw, Format::Csv);
    }

    #[test]
    fn jsonl_files_of_any_bytes(raw in mutated(seeds("examples", ".jsonl"))) {
        rows_of(&raw, Format::Jsonl);
    }

    #[test]
    fn methods_of_any_text(raw in mutated(seeds("config/methods", ".toml"))) {
        extends(&raw);
    }

    #[test]
    fn platforms_of_any_text(raw in mutated(seeds("config/platforms", ".toml"))) {
        extends(&raw);
    }

    #[test]
    fn scenarios_of_any_text(raw in mutated(seeds("config/scenarios", ".toml"))) {
        if let Err(error) = Scenario::parse(&String::from_utf8_lossy(&raw), "s.toml") {
            prop_assert!(!error.to_string().trim().is_empty());
        }
    }

    #[test]
    fn settings_of_any_text(
        raw in mutated(settings_seeds()),
        variables in prop::collection::btree_map("PACELINE_[A-Z]{1,6}__[A-Z_]{1,12}", "\\PC{0,20}", 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, &raw).unwrap();
        let mut variables: BTreeMap<String, String> = variables;
        for name in ["ACME_SECRET", "CAMPUS_SECRET", "PATH"] {
            variables.insert(name.to_owned(), "hunter2-the-secret".to_owned());
        }
        let told = match settings::load(Some(&path), variables.into_iter()) {
            Ok(settings) => format!("{settings:?}"),
            Err(faults) => {
                prop_assert!(!faults.0.is_empty());
                prop_assert!(faults.0.iter().all(|fault| !fault.message.trim().is_empty()), "{faults}");
                faults.to_string()
            }
        };
        prop_assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn replies_of_any_bytes(
        body in mutated(replies()),
        status in prop::sample::select(vec![100_u16, 200, 204, 301, 400, 401, 403, 404, 429, 500, 502, 504, 599]),
    ) {
        for method in CATALOG.methods.values() {
            for platform in CATALOG.platforms.values().filter(|platform| platform.family == method.family) {
                let answer = Answer { status, body: Bytes::from(body.clone()), ..Answer::default() };
                judged(&classify(platform, method, &Reply::Answered(answer)), status, &body);
            }
        }
    }
}

fn lines(file: &str) -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read(path)
        .unwrap()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn settings_seeds() -> Vec<Vec<u8>> {
    let mut seeds = seeds("examples", "paceline.toml");
    seeds.extend(self::seeds("config", "paceline.toml"));
    seeds
}

fn extends(raw: &[u8]) {
    let source = CatalogSource { name: "m.toml".to_owned(), text: String::from_utf8_lossy(raw).into_owned() };
    match Catalog::clone(&CATALOG).extend(&[source]) {
        Ok(catalog) => {
            for method in catalog.methods.values() {
                assert!(!method.quotas.is_empty(), "{} loads without a quota", method.name);
            }
        }
        Err(error) => {
            // A file that overrides one of the catalog may leave another of the catalog's wrong.
            let has_place = |line: &String| line.starts_with("m.toml:") || line.starts_with("the catalog's ");
            assert!(!error.0.is_empty() && error.0.iter().all(has_place), "{error}");
        }
    }
}

/// Only an answer that says so in the platform's own words is a success or an end.
fn judged(outcome: &Outcome, status: u16, body: &[u8]) {
    let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body.is_object());
    if let Outcome::Succeeded { .. } = outcome {
        assert!(is_json && status < 400, "{status} {}", String::from_utf8_lossy(body));
    }
    // A gateway's own refusal of a request has no code either.
    if let Outcome::Permanent(_) = outcome {
        assert!(is_json || (400..500).contains(&status), "{status} {outcome:?}");
    }
    if let Some(failure) = outcome.failure() {
        assert!(!failure.detail.to_string().trim().is_empty(), "{outcome:?} says nothing");
    }
}
