//! What is said in more than one place: names of settings, figures, the map of the modules.

use std::collections::BTreeSet;

use paceline::settings;

use super::{none, texts};
use crate::harness::{file as read, has_ending, root};

/// Names with the look of a setting that are none: attributes of OpenTelemetry.
const NO_SETTINGS: [&str; 1] = ["http.response.status_code"];
/// Names of files begin like settings, too.
const FILES: [&str; 7] = ["db", "rs", "toml", "json", "md", "py", "js"];

/// The words of a text that look like settings: a section, a dot, a name.
fn keys_in(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "._*".contains(char);
    let breaks = move |char: char| !is_word(char);
    text.match_indices(|char: char| char.is_ascii_lowercase()).filter_map(move |(at, _)| {
        // A path, a dotted name and a longer word are not begun in their middle.
        let before = text[..at].chars().next_back();
        if before.is_some_and(|char| is_word(char) || char.is_alphanumeric() || "/-{".contains(char)) {
            return None;
        }
        let rest = &text[at..];
        let word = &rest[..rest.find(breaks).unwrap_or(rest.len())];
        let after = rest[word.len()..].chars().next();
        let word = word.trim_end_matches('.');
        let (section, name) = word.split_once('.')?;
        let is_setting = settings::is_table(&[section.to_owned()]) && !name.is_empty();
        let ending = word.rsplit('.').next().unwrap_or_default();
        let is_other = NO_SETTINGS.contains(&word) || FILES.contains(&ending) || after == Some('(');
        (is_setting && !is_other).then_some(word)
    })
}

/// The literals and documentation of Rust source up to its tests: what people read.
fn said(source: &str) -> String {
    let product = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = product.lines().map(|line| match line.trim_start() {
        words if words.starts_with("//") => words.to_owned(),
        words => words.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" "),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_setting_that_a_text_names_exists() {
    let mut faults = Vec::new();
    let mut count = 0;
    for (name, text) in texts() {
        let is_product = name.starts_with("src/") && has_ending(&name, "rs") && !name.contains("tests");
        let is_document = has_ending(&name, "md") || name.starts_with("config/");
        let text = if is_product { said(&text) } else { text };
        let text = if is_product || is_document && name != "CHANGELOG.md" { text } else { String::new() };
        for (line, words) in text.lines().enumerate() {
            for key in keys_in(words) {
                count += 1;
                let path: Vec<_> = key.split('.').map(str::to_owned).collect();
                if settings::find_key(&path).is_none() && !settings::is_table(&path) {
                    faults.push(format!("{name}:{}: {key} is no setting", line + 1));
                }
            }
        }
    }
    assert!(count > 100, "{count} settings are named");
    none(&faults);
}

#[test]
fn settings_are_told_from_files_paths_and_methods() {
    let keys = |text| keys_in(text).collect::<Vec<_>>();
    assert_eq!(keys("at most 5 (broker.body_bytes_max), got 6"), ["broker.body_bytes_max"]);
    assert_eq!(keys("Raise `engine.concurrency_max`. See [apps.acme]."), ["engine.concurrency_max", "apps.acme"]);
    for other in ["ledger.db", "src/engine.rs", "engine.clock()", "the store. And", "x.engine.y", "paceline.jobs"] {
        assert_eq!(keys(other), <[&str; 0]>::default(), "{other}");
    }
    assert_eq!(said("let a = b.c(\"x {y}\", \"z\");\n/// Doc.\n"), "x {y} z\n/// Doc.");
}

/// The cells of the row of a table that begins so.
fn row(text: &str, beginning: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.starts_with(beginning)).unwrap_or_else(|| panic!("no row {beginning:?}"));
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn figures_are_the_measured_ones_wherever_they_are_given() {
    for (performance, sizing) in
        [("docs/performance.md", "docs/sizing.md"), ("docs/zh-CN/performance.md", "docs/zh-CN/sizing.md")]
    {
        let measured = read(performance);
        let last = |beginning: &str| row(&measured, beginning).pop().unwrap();
        let waiting = [last("| 1 | 100,000 |"), last("| 10,000 | 10 |")];
        let status = last("| `paceline status` |").replace(".1 ms", "");
        let start: f64 = last("| a worker's start").trim_end_matches(" ms").parse().unwrap();
        let start = format!("{:.1} ", start / 1000.0);
        let is_told = |file: &str, text: &str, figure: &String| {
            assert!(text.contains(figure.as_str()), "{file} does not give {figure:?}, which {performance} has");
        };
        let text = read(sizing);
        waiting.iter().chain([&status, &start]).for_each(|figure| is_told(sizing, &text, figure));
        for file in [sizing.replace("sizing", "settings"), "config/paceline.toml".to_owned()] {
            let text = read(&file);
            for figure in &waiting {
                is_told(&file, &text, figure);
            }
        }
    }
}

#[test]
fn both_maps_show_every_module() {
    let entries = std::fs::read_dir(root().join("src")).unwrap().map(Result::unwrap);
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or(&name).to_owned();
        let is_root = ["lib", "main"].contains(&module.as_str());
        (!is_root).then_some((module, entry.file_type().unwrap().is_dir()))
    });
    let (library, page) = (read("src/lib.rs"), read("ARCHITECTURE.md"));
    let map: Vec<_> = library.lines().filter(|line| line.starts_with("//! - ")).collect();
    let mut faults = Vec::new();
    let mut modules = BTreeSet::new();
    for (name, is_folder) in names {
        if !map.iter().any(|line| line.contains(&format!("[`{name}`]"))) {
            faults.push(format!("src/lib.rs: its map lacks {name}"));
        }
        let told = if is_folder { format!("| `src/{name}` | ") } else { format!("`{name}.rs` ") };
        if !page.contains(&told) {
            faults.push(format!("ARCHITECTURE.md: its map lacks {name}"));
        }
        modules.insert(name);
    }
    for line in page.lines().filter_map(|line| line.strip_prefix("| `src/")) {
        let name = line.split('`').next().unwrap_or_default();
        if !modules.contains(name) {
            faults.push(format!("ARCHITECTURE.md: there is no src/{name}"));
        }
    }
    for entry in std::fs::read_dir(root().join("crates")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        for (map, file) in [(&library, "src/lib.rs"), (&page, "ARCHITECTURE.md")] {
            if !map.contains(&format!("paceline_{name}`]")) && !map.contains(&format!("`crates/{name}`")) {
                faults.push(format!("{file}: its map lacks crates/{name}"));
            }
        }
    }
    let ways =
        |text: &str| text.lines().find_map(|line| Some(line.split_once("`main → ")?.1.split('`').next()?.to_owned()));
    assert_eq!(ways(&library), ways(&page), "the direction of dependencies");
    assert!(!modules.is_empty());
    none(&faults);
}
