//! The map, the decisions and the pages with wrapped lines: short, and what they name exists.

use super::{none, prose, texts};
use crate::harness::{file as read, has_ending};

const MAP_LINES_MAX: usize = 200;
/// A record of a decision fits on a screen.
const RECORD_LINES_MAX: usize = 40;
const WIDTH_MAX: usize = 100;

/// The tests that a text links to, with the files that have them.
fn tests_named(text: &str) -> Vec<(String, String)> {
    let links = text.split('[').skip(1).filter_map(|rest| rest.split_once(')')?.0.split_once("]("));
    let tests = links.filter(|(_, file)| has_ending(file, "rs"));
    tests.map(|(name, file)| (name.to_owned(), file.to_owned())).collect()
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let page = read("ARCHITECTURE.md");
    let lines = page.lines().count();
    assert!(lines <= MAP_LINES_MAX, "ARCHITECTURE.md: {lines} lines; at most {MAP_LINES_MAX}");
    let (_, rest) = page.split_once("\n## Invariants\n").unwrap();
    let (mut rest, _) = rest.split_once("\n## ").unwrap();
    let mut faults = Vec::new();
    let mut number = 1;
    while let Some((_, text)) = rest.split_once(&format!("\n{number}. **")) {
        rest = text;
        let end = text.find(&format!("\n{}. **", number + 1)).unwrap_or(text.len());
        let named = tests_named(&text[..end]);
        if named.is_empty() {
            faults.push(format!("ARCHITECTURE.md: invariant {number} names no test"));
        }
        let missing = named.iter().filter(|(test, file)| !read(file).contains(&format!("fn {test}(")));
        faults.extend(missing.map(|(test, file)| format!("ARCHITECTURE.md: {file} has no test {test}")));
        number += 1;
    }
    assert!(number > 5, "{number} invariants");
    none(&faults);
}

#[test]
fn decisions_are_short_listed_and_found_where_they_are_named() {
    let texts = texts();
    let list = read("docs/decisions/README.md");
    let mut faults = Vec::new();
    let records = texts.iter().filter_map(|(name, text)| Some((name.strip_prefix("docs/decisions/")?, text)));
    for (name, text) in records.filter(|(name, _)| *name != "README.md") {
        let lines = text.lines().count();
        if lines > RECORD_LINES_MAX {
            faults.push(format!("docs/decisions/{name}: {lines} lines; at most {RECORD_LINES_MAX}"));
        }
        if !list.contains(&format!("]({name})")) {
            faults.push(format!("docs/decisions/README.md: does not list {name}"));
        }
        for heading in ["\n## Context\n", "\n## Decision\n", "\n## Consequences\n"] {
            if !text.contains(heading) {
                faults.push(format!("docs/decisions/{name}: lacks {:?}", heading.trim()));
            }
        }
    }
    let sources = texts
        .iter()
        .filter(|(name, _)| ["src/", "crates/", "Cargo.toml"].iter().any(|folder| name.starts_with(folder)));
    for (name, text) in sources {
        for rest in text.split("Decision: ").skip(1) {
            let record = rest.split_whitespace().next().unwrap_or_default();
            if !texts.contains_key(record) {
                faults.push(format!("{name}: there is no {record}"));
            }
        }
    }
    none(&faults);
}

#[test]
fn wrapped_pages_stay_wrapped() {
    let mut faults = Vec::new();
    let is_wrapped = |name: &str| {
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].contains(&name) || name.starts_with("docs/decisions/")
    };
    for (name, text) in texts().iter().filter(|(name, _)| is_wrapped(name)) {
        // A table's row is one line; a link and a line of code are one word.
        let is_code = |line: &str| line.starts_with('`') && line.ends_with('`');
        let fixed = |line: &str| {
            line.starts_with('|') || line.trim_start().trim_start_matches("- ").starts_with(['[', '!']) || is_code(line)
        };
        for line in prose(text).filter(|line| line.chars().count() > WIDTH_MAX && !fixed(line)) {
            faults.push(format!("{name}: wrap at {WIDTH_MAX}: {line}"));
        }
    }
    none(&faults);
}

#[test]
fn only_the_composition_knows_which_store_there_is() {
    let texts = texts();
    let above = ["src/cli/", "src/admin/", "src/operations/"];
    let is_above = |name: &&String| above.iter().any(|folder| name.starts_with(folder));
    let mut looked_at = 0;
    let mut faults = Vec::new();
    for (name, text) in texts.iter().filter(|(name, _)| is_above(name)) {
        looked_at += 1;
        if text.contains("crate::store") || text.contains("paceline_store") {
            faults.push(format!("{name}: speaks to a store past its ports; src/wiring opens it"));
        }
    }
    assert!(looked_at > 50, "{looked_at} files");
    none(&faults);
}
