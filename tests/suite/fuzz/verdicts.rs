//! What must hold for input of any bytes: each function takes some and asserts it. The property tests beside it give them
//! mutated seeds; the fuzzers in `fuzz/` give them what a coverage-guided search comes upon.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use paceline::domain::catalog::{Catalog, CatalogSource, built_in};
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::job::{Job, Rejection};
use paceline::domain::outcome::{Answer, Outcome, Reply, classify};
use paceline::domain::rows::{Format, Input, Layout, Rows};
use paceline::settings;
use paceline::simulator::Scenario;
use paceline_tables as tables;

pub(super) static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

pub(super) fn decoder() -> Decoder {
    Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() }
}

pub(super) fn explains(rejection: &Rejection) {
    assert!(!rejection.faults.is_empty(), "an input is refused for a reason");
    for fault in &rejection.faults {
        let text = fault.to_string();
        assert!(!fault.message().trim().is_empty(), "{text:?} says nothing");
        assert!(text.len() < 4_096, "{} bytes for one fault", text.len());
    }
}

/// What is taken has to be sendable: it fits its own method.
pub(super) fn is_sound(job: &Job) {
    assert!(!job.id.is_empty() && job.priority <= 9, "{job:?}");
    assert!(CATALOG.job_method(&job.lane.method).is_some(), "{job:?}");
}

pub(super) fn job(raw: &[u8], defaults: &Defaults) {
    match decoder().decode(raw, defaults) {
        Ok(job) => is_sound(&job),
        Err(rejection) => explains(&rejection),
    }
}

pub(super) fn rows(raw: &[u8], format: Format) {
    let input = Input {
        name: "f".to_owned(),
        batch: "b".to_owned(),
        method: Some("feishu.vc.room.create".to_owned()),
        app: Some("acme".to_owned()),
        bytes_max: 1024 * 1024,
        layout: Layout::default(),
    };
    let rows = match Rows::open(Arc::new(decoder()), input, format, raw) {
        Ok(rows) => rows,
        Err(error) => {
            return assert!(
                error
                    .0
                    .iter()
                    .all(|fault| fault.file == "f" && fault.line > 0 && !fault.message.to_string().is_empty()),
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
                error
                    .0
                    .iter()
                    .all(|fault| fault.file == "f" && fault.line > 0 && !fault.message.to_string().is_empty()),
                "{error}"
            ),
        }
    }
}

/// A file of any kind: what cannot be read says why.
pub(super) fn table(raw: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(raw).unwrap();
    match tables::kind_of(&mut file).unwrap() {
        kind @ (tables::Kind::Zip | tables::Kind::Compound) => {
            let read = || -> Result<usize, tables::Refused> {
                let reader = tables::Reader::from(file);
                let found = tables::find_sheet(reader.clone(), kind, None)?;
                tables::read_sheet(reader, kind, &found.name)?.try_fold(0, |rows, row| row.map(|_| rows + 1))
            };
            if let Err(refused) = read() {
                assert!(!refused.to_string().trim().is_empty());
            }
        }
        tables::Kind::Html | tables::Kind::Json | tables::Kind::Text | tables::Kind::Binary => {
            let mut whole = String::new();
            let read = tables::text(file, None).map(|mut text| text.source.read_to_string(&mut whole));
            if let Err(error) = read {
                assert!(!error.to_string().trim().is_empty());
            }
        }
    }
}

pub(super) fn scenario(raw: &[u8]) {
    if let Err(error) = Scenario::parse(&String::from_utf8_lossy(raw), "s.toml") {
        assert!(!error.to_string().trim().is_empty());
    }
}

/// No fault shows a secret.
pub(super) fn settings_file(raw: &[u8], mut variables: BTreeMap<String, String>) {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    file.write_all(raw).unwrap();
    for name in ["ACME_SECRET", "CAMPUS_SECRET", "PATH"] {
        variables.insert(name.to_owned(), "hunter2-the-secret".to_owned());
    }
    let told = match settings::load(Some(file.path()), variables.into_iter()) {
        Ok(settings) => format!("{settings:?}"),
        Err(faults) => {
            assert!(!faults.0.is_empty());
            assert!(faults.0.iter().all(|fault| !fault.message.trim().is_empty()), "{faults}");
            faults.to_string()
        }
    };
    assert!(!told.contains("hunter2"), "{told}");
}

pub(super) fn reply(status: u16, body: &[u8]) {
    for method in CATALOG.methods.values() {
        for platform in CATALOG.platforms.values().filter(|platform| platform.family == method.family) {
            let answer = Answer { status, body: Bytes::copy_from_slice(body), ..Answer::default() };
            judged(&classify(platform, method, &Reply::Answered(answer)), status, body);
        }
    }
}

pub(super) fn catalog(raw: &[u8]) {
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
pub(super) fn judged(outcome: &Outcome, status: u16, body: &[u8]) {
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
