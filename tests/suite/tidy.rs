//! What nobody should have to remember: documents that say what the code says, links that lead somewhere, small files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{file as read, has_ending, root};
use paceline::domain::catalog::{Action, ErrorRule, built_in};
use paceline::domain::reason::Reason;

mod agree;
mod architecture;
mod promises;
mod test_files;
mod workflows;

const LINES_MAX: usize = 500;
const FOLDERS: [&str; 10] =
    ["src", "crates", "tests", "benches", "config", "docs", "examples", "scripts", ".ci", ".github"];
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];
const DEAD_LETTERS: [&str; 2] = ["docs/dead-letters.md", "docs/zh-CN/dead-letters.md"];

/// Every text of the project by its path from the root. What a user keeps beside it (settings, ledgers) is not its own.
fn texts() -> BTreeMap<String, String> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        gather(&root().join(folder), &mut paths);
    }
    for entry in std::fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let is_ours = ["Cargo.toml", "clippy.toml", "deny.toml", "rustfmt.toml", "docker-compose.yml", "Dockerfile"];
        if is_ours.contains(&name.as_str()) || has_ending(&name, "md") {
            paths.push(entry.path());
        }
    }
    let named = |path: &PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    paths.iter().filter_map(|path| Some((named(path), std::fs::read_to_string(path).ok()?))).collect()
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { gather(&entry.path(), paths) } else { paths.push(entry.path()) }
    }
}

/// Panics with all faults, if there are any.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_reason_stands_in_both_manuals() {
    let mut faults = Vec::new();
    for name in DEAD_LETTERS {
        let text = read(name);
        let rows: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        if rows != reasons {
            faults.push(format!("{name}: expected rows for {reasons:?}, got {rows:?}"));
        }
    }
    none(&faults);
}

#[test]
fn every_code_that_suspends_stands_in_both_manuals() {
    let catalog = built_in().unwrap();
    let platforms = catalog.platforms.values().flat_map(|platform| &platform.errors);
    let methods = catalog.methods.values().flat_map(|method| &method.errors);
    let rules: Vec<(i64, &ErrorRule)> = platforms.chain(methods).map(|(code, rule)| (*code, rule)).collect();
    let suspends = |rule: &ErrorRule| matches!(rule.action, Action::Suspend { .. });
    // A new access token that is refused as well suspends, too.
    // What only holds calls back for a while has a table of its own.
    let may_suspend =
        |rule: &ErrorRule| suspends(rule) || matches!(rule.action, Action::AccessToken | Action::Throttled { .. });
    let codes: BTreeSet<_> = rules.iter().filter(|(_, rule)| suspends(rule)).map(|(code, _)| *code).collect();
    assert!(codes.len() > 20, "the catalog knows codes that suspend: {codes:?}");
    let mut faults = Vec::new();
    for name in DEAD_LETTERS {
        let told = told_codes(&read(name));
        let missing: Vec<_> = codes.difference(&told).collect();
        if !missing.is_empty() {
            faults.push(format!("{name}: no row tells of {missing:?}"));
        }
        let made_up = |code: &&i64| !rules.iter().any(|(other, rule)| other == *code && may_suspend(rule));
        let made_up: Vec<_> = told.iter().filter(made_up).collect();
        if !made_up.is_empty() {
            faults.push(format!("{name}: the catalog neither suspends nor holds back for {made_up:?}"));
        }
    }
    none(&faults);
}

/// The codes in the first cells of the tables; `10012 to 10016` are five.
fn told_codes(text: &str) -> BTreeSet<i64> {
    let mut codes = BTreeSet::new();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    for cell in cells.filter(|cell| cell.contains(|char: char| char.is_ascii_digit())) {
        let cell = cell.replace('至', " to ");
        let words: Vec<_> = cell.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for (at, word) in words.iter().enumerate() {
            let Ok(code) = word.parse::<i64>() else { continue };
            let last = (words.get(at + 1) == Some(&"to")).then(|| words.get(at + 2)?.parse().ok()).flatten();
            codes.extend(code..=last.unwrap_or(code));
        }
    }
    codes
}

#[test]
fn codes_are_read_one_by_one_and_in_ranges() {
    let codes = told_codes(
        "| code | x |\n|---|---|\n| 1, 3 to 5; 9 with a new token, too | 7 |\n| 11 至 12、14 | 7 |\ntext 8\n",
    );
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [1, 3, 4, 5, 9, 11, 12, 14]);
}

/// The commands that `paceline … --help` lists.
fn commands(of: &[&str]) -> Vec<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_paceline")).args(of).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let Some((_, rest)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = rest.lines().take_while(|line| line.starts_with("  "));
    // A description's further lines are indented deeper.
    lines.filter_map(|line| line[2..].split(' ').next().filter(|word| !word.is_empty())).map(str::to_owned).collect()
}

#[test]
fn every_command_stands_in_both_readmes() {
    let names = commands(&[]);
    assert!(names.iter().any(|name| name == "run") && names.len() > 10, "{names:?}");
    let mut faults = Vec::new();
    for readme in READMES {
        let text = read(readme);
        let cells = text.lines().filter(|line| line.starts_with("| `paceline ")).map(|line| line.split(" | ").next());
        let quoted: BTreeSet<String> = cells
            .flat_map(|cell| cell.unwrap_or_default().split('`').skip(1).step_by(2).collect::<Vec<_>>())
            .flat_map(|code| code.split(' ').map(str::to_owned))
            .collect();
        for name in &names {
            let further = commands(&[name]);
            for word in std::iter::once(name).chain(&further).filter(|word| !quoted.contains(*word)) {
                faults.push(format!("{readme}: its table of commands lacks `{word}`"));
            }
        }
    }
    none(&faults);
}

#[test]
fn no_file_is_long_or_tells_of_somebodys_machine() {
    let texts = texts();
    assert!(texts.contains_key("src/lib.rs") && texts.contains_key("README.md"));
    // Put together here, or this file would name them itself.
    let machine = ["/wo", "/ro", "/ho", "/tm"].into_iter().zip(["rk/", "ot/", "me/", "p/"]);
    let mut marks: Vec<String> = machine.map(|(head, tail)| format!("{head}{tail}")).collect();
    marks.extend(["TO", "FIX"].into_iter().zip(["DO", "ME"]).map(|(head, tail)| format!("{head}{tail}")));
    let mut faults = Vec::new();
    for (name, text) in &texts {
        for (line, words) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| words.contains(mark.as_str())) {
                faults.push(format!("{name}:{}: holds {mark:?}", line + 1));
            }
        }
        let is_source = has_ending(name, "rs") || has_ending(name, "py") || name.starts_with("scripts/");
        let lines = text.lines().count();
        if is_source && lines > LINES_MAX {
            faults.push(format!("{name}: {lines} lines; at most {LINES_MAX}, so give an idea of it a file of its own"));
        }
    }
    none(&faults);
}

#[test]
fn every_method_says_where_and_when_it_was_read() {
    let catalog = built_in().unwrap();
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(root().join("config/methods")).unwrap().map(Result::unwrap) {
        let file = entry.file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".toml") else { continue };
        let method = catalog.method(name).map(|method| &method.source);
        let Some(source) = method.or_else(|| catalog.codes.get(name).map(|codes| &codes.source)) else {
            faults.push(format!("{file}: is not compiled in as {name}: its name key says otherwise"));
            continue;
        };
        let is_day = |text: &str| {
            let shape: String = text.chars().map(|char| if char.is_ascii_digit() { '9' } else { char }).collect();
            shape == "9999-99-99"
        };
        if !source.url.starts_with("https://") {
            faults.push(format!("{file}: source.url: expected https://…, got {:?}", source.url));
        }
        if !is_day(&source.read) {
            faults.push(format!("{file}: source.read: expected a day like 2026-11-21, got {:?}", source.read));
        }
    }
    none(&faults);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    let mut links = 0;
    for (name, text) in texts().iter().filter(|(name, _)| has_ending(name, "md")) {
        for target in targets(text).into_iter().filter(|target| !target.contains("://")) {
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = root().join(name).parent().unwrap().to_owned();
            let path = if file.is_empty() { root().join(name) } else { folder.join(file) };
            if !path.exists() {
                faults.push(format!("{name}: ({target}): there is no such file"));
            } else if !anchor.is_empty() && !anchors(&std::fs::read_to_string(&path).unwrap()).contains(anchor) {
                faults.push(format!("{name}: ({target}): there is no such heading"));
            }
        }
    }
    assert!(links > 20, "{links} links");
    none(&faults);
}

/// The lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What `[words](target)` leads to.
fn targets(text: &str) -> Vec<String> {
    let ends = prose(text).flat_map(|line| line.split("](").skip(1));
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// Headings as their anchors are named.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        prose(text).filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    let name = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
    };
    headings.map(name).collect()
}
