//! Bad input of every kind: no panic, no hang, every fault named, no secret in it.
//!
//! A bounded number of cases in each run; `PROPTEST_CASES=200000 cargo test --release --test suite fuzz` takes its time.

mod extremes;
mod mutate;
mod verdicts;

use paceline::domain::decode::Defaults;
use paceline::domain::rows::Format;
use paceline_tables::{FormColumn, FormNames, form};
use proptest::prelude::*;

use self::mutate::mutated;
use self::verdicts::{CATALOG, decoder, explains, is_sound};

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
        verdicts::job(&raw, &defaults);
    }

    #[test]
    fn csv_files_of_any_bytes(raw in mutated(seeds("examples", ".csv"))) {
        verdicts::rows(&raw, Format::Csv);
    }

    #[test]
    fn jsonl_files_of_any_bytes(raw in mutated(seeds("examples", ".jsonl"))) {
        verdicts::rows(&raw, Format::Jsonl);
    }

    #[test]
    fn tables_of_any_bytes(raw in mutated(tables())) {
        verdicts::table(&raw);
    }

    #[test]
    fn methods_of_any_text(raw in mutated(seeds("config/methods", ".toml"))) {
        verdicts::catalog(&raw);
    }

    #[test]
    fn platforms_of_any_text(raw in mutated(seeds("config/platforms", ".toml"))) {
        verdicts::catalog(&raw);
    }

    #[test]
    fn scenarios_of_any_text(raw in mutated(seeds("config/scenarios", ".toml"))) {
        verdicts::scenario(&raw);
    }

    #[test]
    fn settings_of_any_text(
        raw in mutated(settings_seeds()),
        variables in prop::collection::btree_map("PACELINE_[A-Z]{1,6}__[A-Z_]{1,12}", "\\PC{0,20}", 0..3),
    ) {
        verdicts::settings_file(&raw, variables);
    }

    #[test]
    fn replies_of_any_bytes(
        body in mutated(replies()),
        status in prop::sample::select(vec![100_u16, 200, 204, 301, 400, 401, 403, 404, 429, 500, 502, 504, 599]),
    ) {
        verdicts::reply(status, &body);
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

/// Texts, and a workbook.
fn tables() -> Vec<Vec<u8>> {
    let mut tables = seeds("examples", ".csv");
    let column = FormColumn {
        heading: "名称".to_owned(),
        note: "7F-701".to_owned(),
        is_required: true,
        is_number: false,
        choices: vec!["7F".to_owned()],
        is_open: true,
    };
    let names = FormNames { rows: "rooms", notes: "notes", choices: "choices" };
    tables.push(form(&[column], &[vec!["7F-701".to_owned()]], names).unwrap());
    tables
}

fn settings_seeds() -> Vec<Vec<u8>> {
    let mut seeds = seeds("examples", "paceline.toml");
    seeds.extend(self::seeds("config", "paceline.toml"));
    seeds
}
