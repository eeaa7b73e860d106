//! What each method's file says, kept: each limit at its edge and beyond it, each code with its outcome, each documented
//! call. The files are read here as plain TOML, so that their reader is tried as well.

mod codes;
mod edges;
mod limits;

use std::sync::LazyLock;

use serde_json::Value;

use super::{Catalog, Kind, built_in};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| built_in().unwrap());

/// The files of a folder of the catalog, read as plain TOML, with their names.
fn files(folder: &str) -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "toml")).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), toml::from_str(&text).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// The files of methods; those that only hold codes are none.
fn methods() -> Vec<(String, Value)> {
    files("methods").into_iter().filter(|(_, file)| file.get("kind").is_some()).collect()
}

/// The files of these show no request: look-ups and access tokens, which the worker calls by itself.
const WITHOUT_EXAMPLE: [&str; 7] = [
    "feishu.auth.tenant_access_token.internal",
    "feishu.calendar.get",
    "feishu.calendar.list",
    "feishu.vc.room.get",
    "feishu.vc.room.list",
    "wecom.gettoken",
    "wecom.meeting.get_user_meetingid",
];

#[test]
fn every_method_that_people_call_has_its_documented_call() {
    let without: Vec<_> = CATALOG.methods.values().filter(|method| method.request.is_none()).collect();
    assert!(without.iter().all(|method| method.kind != Kind::Job), "each job has an example: {without:?}");
    let names: Vec<&str> = without.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, WITHOUT_EXAMPLE);
}
