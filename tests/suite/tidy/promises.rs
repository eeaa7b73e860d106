//! Every sentence of the security manuals names what proves it: `<!-- test: a_test, another -->` behind it,
//! `<!-- trial: x -->`, `<!-- advice -->` for what the reader does, or `<!-- limit -->` for what is not guarded.

use std::collections::BTreeSet;
use std::path::Path;

use super::none;
use crate::harness::{file as read, root};

const MANUALS: [&str; 2] = ["docs/security.md", "docs/zh-CN/security.md"];

/// A piece of a manual, and what stands behind it.
struct Promise {
    line: usize,
    text: String,
    proof: String,
}

/// The pieces of a manual; what follows the last proof of a line is a fault.
fn promises(name: &str, faults: &mut Vec<String>) -> Vec<Promise> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (line, text) in (1..).zip(read(name).lines()) {
        is_code ^= text.starts_with("```");
        let is_text = !(is_code || text.is_empty() || text.starts_with(['#', '`']) || is_frame(text));
        if !is_text {
            continue;
        }
        let mut rest = text;
        while let Some((piece, behind)) = rest.split_once("<!--") {
            let (proof, behind) = behind.split_once("-->").unwrap_or((behind, ""));
            found.push(Promise { line, text: piece.trim().to_owned(), proof: proof.trim().to_owned() });
            rest = behind;
        }
        if rest.chars().any(char::is_alphanumeric) {
            faults.push(format!("{name}:{line}: nothing proves {:?}", rest.trim()));
        }
    }
    found
}

/// A link to the other language, the head of a table, a line that introduces a list.
fn is_frame(text: &str) -> bool {
    text.starts_with('[') && text.ends_with(".md)")
        || text.starts_with("|---")
        || text.starts_with("| secret ")
        || text.starts_with("| 秘密 ")
        || text.starts_with("| who ")
        || text.starts_with("| 谁 ")
}

/// Ends of sentences inside a piece: what is proved together is one sentence.
fn sentences(text: &str) -> usize {
    let ends = ["。", "！", "？"].map(|end| text.trim_end_matches(end).matches(end).count()).iter().sum::<usize>();
    let starts = |rest: &str| rest.trim_start().starts_with(|first: char| first.is_uppercase());
    ends + text.match_indices(". ").filter(|(at, _)| starts(&text[at + 1..])).count()
}

/// Every function of the sources and tests, and every trial.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for folder in ["src", "crates", "tests"] {
        functions(&root().join(folder), &mut known);
    }
    let trials = std::fs::read_dir(root().join("tests/trials")).unwrap().map(|entry| entry.unwrap().path());
    known.extend(trials.map(|path| format!("trial {}", path.file_stem().unwrap().display())));
    known
}

fn functions(folder: &Path, known: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, known);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // The contract's tests carry no attribute: a macro makes a test of each.
            let is_contract = path.parent().is_some_and(|folder| folder.ends_with("store-contract/src"));
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
                if let Some(name) = name.filter(|_| is_test || is_contract) {
                    known.insert(name.to_owned());
                }
                is_test = (line.starts_with("#[") && (is_test || line.contains("test"))) || is_test && line.is_empty();
            }
        }
    }
}

#[test]
fn every_sentence_of_the_security_manuals_names_a_proof_that_exists() {
    let (known, mut faults) = (known(), Vec::new());
    for name in MANUALS {
        for Promise { line, text, proof } in promises(name, &mut faults) {
            if sentences(&text) > 0 {
                faults.push(format!("{name}:{line}: several sentences share a proof: {text:?}"));
            }
            let (kind, names) = match proof.split_once(": ") {
                Some(("test", names)) => ("", names),
                Some(("trial", names)) => ("trial ", names),
                None if matches!(proof.as_str(), "advice" | "limit") => continue,
                _ => {
                    faults.push(format!("{name}:{line}: no such kind of proof: {proof:?}"));
                    continue;
                }
            };
            let missing = names.split(", ").filter(|name| !known.contains(&format!("{kind}{name}")));
            faults.extend(missing.map(|missing| format!("{name}:{line}: there is no test or trial {missing}")));
        }
    }
    none(&faults);
}

#[test]
fn both_security_manuals_promise_the_same() {
    let mut faults = Vec::new();
    let [english, chinese] =
        MANUALS.map(|name| promises(name, &mut faults).into_iter().map(|promise| promise.proof).collect::<Vec<_>>());
    assert_eq!(english, chinese);
}

#[test]
fn the_advisories_that_are_left_open_are_told() {
    let ids = |text: &str| {
        let ids = text.match_indices("RUSTSEC-").map(|(at, _)| text[at..].chars().take(17).collect::<String>());
        ids.collect::<BTreeSet<_>>()
    };
    let ignored = ids(&read("deny.toml"));
    assert!(!ignored.is_empty());
    for name in MANUALS {
        assert_eq!(ids(&read(name)), ignored, "{name}");
    }
}
