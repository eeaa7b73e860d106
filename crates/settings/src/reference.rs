//! The settings as documents: the file that shows every key, and the manual in both languages.

use std::fmt::Write as _;

use paceline_messages::{Language, Render as _};

use super::key::{Key, Section};
use super::table::SECTIONS;

/// The longest line of the file.
const WIDTH: usize = 120;
const ABOUT_FILE: &str = r#"Paceline's settings: every key with its default, its unit and the reason for it.

This file loads as it stands: a key that is commented out has no default or belongs to a section that is off.
It is looked for at --config FILE, else PACELINE_CONFIG, else ./paceline.toml, else config/paceline.toml.
A variable PACELINE_SECTION__KEY overrides a key: PACELINE_HTTP__REQUEST_TIMEOUT_MS=10000,
PACELINE_APPS__ACME__APP_ID=cli_a1. Names without a double underscore are no settings. Unknown keys are errors.
Secrets come from the environment, { env = "NAME" }, from a file, { file = "/run/secrets/name" }, or from a credential
that systemd gives the unit, { credential = "name" }; never from here.
"#;

const ABOUT_MANUAL: &str = r#"# Settings

[中文](zh-CN/settings.md)

Every key of the settings file. `--config FILE` names the file, else `PACELINE_CONFIG`, else
`./paceline.toml`, else `config/paceline.toml`. Any key can come from the environment instead:
`http.request_timeout_ms` is `PACELINE_HTTP__REQUEST_TIMEOUT_MS`. Unknown keys are errors.
[config/paceline.toml](../config/paceline.toml) shows the same keys as a file, and `paceline check`
says what is wrong with yours. SIGHUP lets a running worker read the file again; "taken over" says
whether a changed key then takes effect at once or at the next start.

This page is made from the table in `crates/settings/src/table.rs`:
`PACELINE_BLESS=1 cargo test -p paceline-settings` writes it anew.
"#;
const ABOUT_MANUAL_ZH: &str = r"# 设置

[English](../settings.md)

设置文件的全部键。文件由 `--config FILE` 指定，否则依次是 `PACELINE_CONFIG`、`./paceline.toml`、
`config/paceline.toml`。任何一个键都可以改由环境变量给出：`http.request_timeout_ms` 写作
`PACELINE_HTTP__REQUEST_TIMEOUT_MS`。写了不认识的键就是错误。
[config/paceline.toml](../../config/paceline.toml) 是带全部键的样例；`paceline check` 指出你的设置哪里不对。
向运行中的 worker 发 SIGHUP，它会重新读取设置文件；“何时生效”一栏说明改动是立即生效，还是下次启动时才生效。

本页由 `crates/settings/src/table.rs` 里的表生成：`PACELINE_BLESS=1 cargo test -p paceline-settings` 会重新写出它。
";

/// `config/paceline.toml`: every key with its default or an example, its unit and its reason.
pub fn file() -> String {
    let mut out = String::new();
    for line in ABOUT_FILE.lines() {
        out += &commented(line);
    }
    for section in SECTIONS {
        out.push('\n');
        if !section.note.is_empty() {
            out += &comment(section.note);
        }
        let header = format!("[{}]", section.header);
        out += &if section.is_shown { header + "\n" } else { commented(&header) };
        if !section.beside.is_empty() {
            out += &commented(section.beside);
        }
        for key in section.keys {
            out += &entry(section, key);
        }
    }
    out
}

/// A key under its comment.
fn entry(section: &Section, key: &Key) -> String {
    let unit = key.unit.map_or_else(String::new, |unit| format!(" Unit: {}.", unit.render(Language::English)));
    let value = match (key.default, key.example) {
        (Some(default), _) if key.kind.is_quoted() => format!("{default:?}"),
        (default, example) => default.or(example).unwrap_or_default().to_owned(),
    };
    let line = match key.path.rsplit('.').next() {
        Some(name) if name != "*" => format!("{name} = {value}"),
        // An example has the name with it.
        _ => value,
    };
    let line = if section.is_shown && key.default.is_some() { line + "\n" } else { commented(&line) };
    comment(&format!("{}{unit}", key.meaning(Language::English))) + &line
}

fn commented(line: &str) -> String {
    format!("# {line}").trim_end().to_owned() + "\n"
}

/// A text in lines that are not too long.
fn comment(text: &str) -> String {
    let (mut out, mut width) = (String::from("#"), 1);
    for word in text.split(' ') {
        let more = 1 + word.chars().count();
        if width + more > WIDTH {
            out += "\n#";
            width = 1;
        }
        out.push(' ');
        out += word;
        width += more;
    }
    out + "\n"
}

/// The page of the manual: every key with what the table says of it.
pub fn manual(language: Language) -> String {
    let (about, columns) = match language {
        Language::English => (ABOUT_MANUAL, "key | takes | default | unit | taken over | meaning"),
        Language::Chinese => (ABOUT_MANUAL_ZH, "键 | 取值 | 默认 | 单位 | 何时生效 | 含义"),
    };
    let mut out = format!("{about}\n| {columns} |\n|---|---|---|---|---|---|\n");
    for key in SECTIONS.into_iter().flat_map(|section| section.keys) {
        let default = match (key.default, language) {
            (Some(""), Language::English) => "empty".to_owned(),
            (Some(""), Language::Chinese) => "空".to_owned(),
            (Some(text), _) => format!("`{text}`"),
            (None, _) => "—".to_owned(),
        };
        let unit = key.unit.map_or_else(|| "—".to_owned(), |unit| unit.render(language));
        let (kind, reload) = (key.kind.render(language), key.reload.render(language));
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "| `{}` | {kind} | {default} | {unit} | {reload} | {} |", key.name(), key.meaning(language));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::draft::As;
    use crate::keys;
    use crate::load::load_from;
    use crate::tree::Tree;

    /// Panics if a file of the repository is not as it is made; with `PACELINE_BLESS` it is written.
    fn is_written(name: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        if std::env::var_os("PACELINE_BLESS").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let is_same = std::fs::read_to_string(path).is_ok_and(|found| found == text);
        assert!(is_same, "{name} is not what the table says: PACELINE_BLESS=1 cargo test -p paceline-settings");
    }

    #[test]
    fn the_manuals_and_the_file_are_made_from_the_table() {
        is_written("docs/settings.md", &manual(Language::English));
        is_written("docs/zh-CN/settings.md", &manual(Language::Chinese));
        is_written("config/paceline.toml", &file());
    }

    #[test]
    fn the_file_loads_as_it_stands_and_changes_nothing() {
        let read = |path: &Path, _: As| {
            let is_it = path == Path::new("config/paceline.toml");
            if is_it { Ok(file()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        };
        let none = |_: &Path, _: As| Err(std::io::ErrorKind::NotFound.into());
        let mut with = load_from(None, std::iter::empty(), &read, true).unwrap();
        let without = load_from(None, std::iter::empty(), &none, true).unwrap();
        assert_eq!(with.file.take().unwrap(), Path::new("config/paceline.toml"));
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
    }

    /// The file with every line of an example as it would be written.
    #[test]
    fn every_example_is_a_setting_that_loads() {
        let text = file();
        let is_example = |line: &str| line.starts_with("# [") || line.starts_with("# ") && line.contains(" = ");
        let is_text = |line: &str| line.ends_with(['.', ',']) || line.contains('`') && !line.contains(" = {");
        let lines = text.lines().skip(ABOUT_FILE.lines().count());
        let lines = lines.map(|line| if is_example(line) && !is_text(line) { &line[2..] } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        let (tree, faults) = Tree::read("x.toml", &text);
        assert!(faults.is_empty(), "{faults:?}");
        for key in keys::all() {
            let given = tree.leaves.keys().chain(tree.tables.keys());
            let paths: Vec<_> = given.filter(|path| keys::matches(key.path, path, false)).collect();
            assert!(!paths.is_empty(), "{} is not shown:\n{text}", key.path);
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn both_manuals_have_a_row_for_every_key() {
        for language in [Language::English, Language::Chinese] {
            let text = manual(language);
            let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
            assert_eq!(rows.len(), keys::all().count());
            assert!(rows.iter().all(|row| row.matches('|').count() == 7), "a cell holds a bar: {rows:?}");
        }
        let row =
            "| `http.request_timeout_ms` | a whole number from 100 to 600000 | `30000` | milliseconds | next start |";
        assert!(manual(Language::English).contains(row));
        let row = "| `engine.drain_ms` | 0 到 86400000 的整数 | `30000` | 毫秒 | 立即 |";
        assert!(manual(Language::Chinese).contains(row));
    }
}
