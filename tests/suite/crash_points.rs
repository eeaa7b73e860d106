//! The points at which the trial `crash` lets the process die: named alike everywhere, and not there in a release.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use paceline::crash_points::POINTS;

/// Every `reach("…")` and `during("…"` below a folder.
fn used_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            used_in(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in ["crash_points::reach(\"", "crash_points::during(\""] {
                let names = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_point_is_passed_and_waited_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = Vec::new();
    used_in(&root.join("src"), &mut used);
    used_in(&root.join("crates"), &mut used);
    let used: BTreeSet<_> = used.iter().map(String::as_str).collect();
    let listed: BTreeSet<_> = POINTS.iter().copied().collect();
    assert_eq!(used, listed, "the code and POINTS differ");
    let trial = std::fs::read_to_string(root.join("tests/trials/crash/round.rs")).unwrap();
    let missing: Vec<_> = POINTS.iter().filter(|point| !trial.contains(&format!("(\"{point}\", "))).collect();
    assert!(missing.is_empty(), "tests/trials/crash/round.rs never waits for {missing:?}");
}

/// They are there with debug assertions alone, which only this build and its like have.
#[test]
fn no_release_has_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in ["Cargo.toml", ".cargo/config.toml", ".github/workflows/release.yml"] {
        let text = std::fs::read_to_string(root.join(place)).unwrap_or_default();
        assert!(!text.contains("debug-assertions"), "{place}");
    }
}

#[test]
#[cfg(not(debug_assertions))]
fn nobody_can_ask_a_release_to_die() {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/campus.csv");
    let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
    command.current_dir(folder.path()).env("PACELINE_CRASH_AT", "after-record:1");
    let output = command.arg("run").arg(examples).args(["--simulate", "--speed", "600"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[cfg(debug_assertions)]
fn the_process_dies_where_it_was_asked_to() {
    use std::os::unix::process::ExitStatusExt;

    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/campus.csv");
    for (asked, signal, code) in [("after-record:3", Some(6), None), ("after-supper:1", None, Some(2))] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command.current_dir(folder.path()).env("PACELINE_CRASH_AT", asked);
        let output = command.arg("run").arg(&examples).args(["--simulate", "--speed", "600"]).output().unwrap();
        assert_eq!((output.status.signal(), output.status.code()), (signal, code), "{asked}");
    }
}
