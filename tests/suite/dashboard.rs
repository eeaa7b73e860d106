//! What can be said of the dashboard's files without a browser: texts in both languages, nothing from elsewhere, and
//! nothing that turns data into markup. What needs a browser is in `scripts/e2e_dashboard.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::has_ending;

use paceline::domain::messages::Language;
use paceline::domain::reason::Reason;
use paceline_ports::State;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/assets")
}

/// Every file by its name.
fn files() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let files =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()));
    files.collect()
}

/// The program, without the tables of texts.
fn program() -> Vec<(String, String)> {
    let is_table = |name: &str| name.starts_with("text-");
    files().into_iter().filter(|(name, _)| has_ending(name, "js") && !is_table(name)).collect()
}

/// The texts of a language by their keys.
fn texts(language: &str) -> BTreeMap<String, String> {
    table(&format!("text-{language}.js"))
}

/// What a file of texts has, a line each.
fn table(name: &str) -> BTreeMap<String, String> {
    let table = files().remove(name).unwrap();
    let mut texts = BTreeMap::new();
    for line in table.lines().map(str::trim).filter(|line| line.starts_with('"')) {
        let line = line.strip_suffix(',').unwrap_or_else(|| panic!("{line}"));
        let pair: BTreeMap<String, String> = serde_json::from_str(&format!("{{{line}}}")).unwrap();
        for (key, text) in pair {
            assert!(texts.insert(key.clone(), text).is_none(), "{name} has {key:?} twice");
        }
    }
    texts
}

/// The values that a text takes: `{count}`, and `count` of `{count|job|jobs}`.
fn values(text: &str) -> BTreeSet<&str> {
    let ends = text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0);
    ends.map(|inside| inside.split('|').next().unwrap()).collect()
}

/// What stands between `opening` and the next `"` or `` ` ``.
fn quoted<'t>(text: &'t str, opening: &str) -> Vec<&'t str> {
    let ends = text.split(opening).skip(1);
    ends.map(|rest| rest.split(['"', '`']).next().unwrap()).collect()
}

#[test]
fn both_languages_have_the_same_texts() {
    let (english, chinese) = (texts("en"), texts("zh"));
    assert!(english.len() > 150, "{} texts", english.len());
    let keys = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<BTreeSet<_>>();
    let (en, zh) = (keys(&english), keys(&chinese));
    assert_eq!(en.difference(&zh).collect::<Vec<_>>(), Vec::<&String>::new(), "only in English");
    assert_eq!(zh.difference(&en).collect::<Vec<_>>(), Vec::<&String>::new(), "only in Chinese");
    for (key, text) in &english {
        assert_eq!(values(text), values(&chinese[key]), "{key}: {text:?} and {:?}", chinese[key]);
        assert!(!text.is_empty() && !chinese[key].is_empty(), "{key} is empty");
    }
}

#[test]
fn every_text_is_used_and_every_used_text_is_there() {
    let texts = texts("en");
    let program: String = program().into_iter().map(|(_, text)| text).collect();
    let mut used: BTreeSet<String> = quoted(&program, "t(\"").into_iter().map(str::to_owned).collect();
    // `t(isOpen ? "a.b" : "c.d")` and tables of keys: any quoted word with a dot that is a key counts as used.
    used.extend(program.split('"').filter(|word| texts.contains_key(*word)).map(str::to_owned));
    let families: BTreeSet<&str> =
        quoted(&program, "t(`").into_iter().filter_map(|key| key.split_once("${").map(|(start, _)| start)).collect();
    assert!(families.contains("state."), "{families:?}");
    let is_used =
        |key: &String| used.contains(key) || families.iter().any(|start| !start.is_empty() && key.starts_with(start));
    let unused: Vec<_> = texts.keys().filter(|key| !is_used(key)).collect();
    assert_eq!(unused, Vec::<&String>::new(), "texts that nothing shows");
    let calls = quoted(&program, " t(\"").into_iter().chain(quoted(&program, "(t(\"")).chain(quoted(&program, "[t(\""));
    let missing: BTreeSet<_> = calls.filter(|key| !texts.contains_key(*key)).collect();
    assert_eq!(missing, BTreeSet::new(), "texts that are shown and do not exist");
}

#[test]
fn data_never_becomes_markup_and_nothing_stands_inline() {
    let ways = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "createContextualFragment",
        "setHTML",
    ];
    for (name, text) in program() {
        for way in ways {
            assert!(!text.contains(way), "{name} uses {way}");
        }
    }
    let page = &files()["index.html"];
    assert!(!page.contains("style="), "the page has an inline style");
    assert!(
        page.split("<script").skip(1).all(|tag| tag.contains("src=\"") && tag.contains("></script>")),
        "the page has an inline script"
    );
    assert!(!page.contains(" on"), "the page has an inline handler");
}

#[test]
fn nothing_comes_from_elsewhere() {
    for (name, text) in files() {
        let outside: Vec<_> = text.split("://").collect();
        for before in &outside[..outside.len() - 1] {
            // The one address is SVG's name for itself; nothing is fetched from it.
            assert!(text.contains("://www.w3.org/2000/svg") && before.ends_with("http"), "{name} names an address");
        }
        assert!(!text.contains("url(") && !text.contains("@import"), "{name} loads something");
    }
}

#[test]
fn every_file_is_named_by_another() {
    let files = files();
    for name in files.keys().filter(|name| *name != "index.html") {
        let is_named = files.iter().any(|(other, text)| {
            other != name && (text.contains(&format!("\"{name}\"")) || text.contains(&format!("\"./{name}\"")))
        });
        assert!(is_named, "{name} is used by nothing");
    }
    for (name, text) in &files {
        for import in quoted(text, "from \"./") {
            assert!(files.contains_key(import), "{name} imports {import}, which is not there");
        }
    }
}

#[test]
fn every_state_and_reason_has_a_name() {
    let texts = texts("en");
    for reason in Reason::ALL {
        assert!(texts.contains_key(&format!("reason.{}", reason.as_str())), "{}", reason.as_str());
    }
    let sentences = paceline::domain::messages::table(Language::English);
    for state in State::ALL {
        assert!(sentences.contains_key(&format!("state-{}", state.as_str())), "{}", state.as_str());
    }
}

#[test]
fn the_form_for_corrections_starts_with_what_may_be_edited() {
    let program = &files()["edit-prefill.js"];
    let list = program.split("const EDITABLE = ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let names: Vec<String> = serde_json::from_str(list).unwrap();
    assert_eq!(names, paceline::domain::edit::EDITABLE);
}
