//! The settings as documentation: the commented file that is compiled in, and a table for the manual.

use std::fmt::Write;

use super::keys::KEYS;

/// `config/paceline.toml`: every key with its default, unit and reason.
pub const DEFAULT_FILE: &str = include_str!("../../../config/paceline.toml");

/// A Markdown table of every key, from the same list that the loader reads by.
pub fn reference() -> String {
    let mut out = String::from("| key | takes | default | unit | meaning |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let default = match key.default {
            Some("") => "empty".to_owned(),
            Some(text) => format!("`{text}`"),
            None => "—".to_owned(),
        };
        let unit = if key.unit.is_empty() { "—" } else { key.unit };
        let name = key.path.replace(".*.", ".NAME.").replace(".*", ".\"NAME\"");
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{name}` | {} | {default} | {unit} | {} |", key.kind, key.doc);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::As;
    use crate::keys::{Key, Kind};

    /// The line of `config/paceline.toml` that shows a key, commented out or not, with the comment above it.
    fn shown(key: &Key) -> Option<(String, String)> {
        let (mut section, mut comment) = (String::new(), String::new());
        let (table, name) = key.path.rsplit_once('.').unwrap();
        for line in DEFAULT_FILE.lines() {
            let bare = line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).unwrap_or(line);
            if let Some(header) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                section = header.0.replace("apps.acme", "apps.*").replace("apps.campus", "apps.*");
                section = section.replace("tenants.tk_1", "tenants.*").replace("publishers.hr", "publishers.*");
                section = section.replace("tokens.grafana", "tokens.*");
            } else if section == table
                && let Some((left, right)) = bare.split_once(" = ")
                && (left == name || name == "*" && !left.contains(' '))
            {
                return Some((right.to_owned(), comment));
            } else {
                comment.push_str(bare);
                comment.push(' ');
                continue;
            }
            comment.clear();
        }
        None
    }

    #[test]
    fn the_default_file_shows_every_key_with_its_true_default_unit_and_reason() {
        for key in KEYS {
            let (value, comment) = shown(key).unwrap_or_else(|| panic!("{} is missing", key.path));
            let written = value.trim_matches('"');
            assert_eq!(
                value.contains('"'),
                !matches!(key.kind, Kind::Whole(..) | Kind::Share | Kind::Part | Kind::Bool),
                "{}",
                key.path
            );
            if let Some(default) = key.default {
                assert_eq!(written, default, "{}", key.path);
            }
            assert!(comment.len() > 20, "{}: {comment:?}", key.path);
            let words = comment.replace("  ", " ");
            assert!(words.contains(key.doc.split(['.', ':', ';', ',']).next().unwrap()), "{}: {words}", key.path);
            assert!(key.unit.is_empty() || words.contains(key.unit), "{}: {words}", key.path);
        }
    }

    #[test]
    fn the_default_file_loads_as_it_stands_and_changes_nothing() {
        let read = |path: &std::path::Path, _: As| {
            let is_it = path == std::path::Path::new("config/paceline.toml");
            if is_it { Ok(DEFAULT_FILE.to_owned()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        };
        let none = |_: &std::path::Path, _: As| Err(std::io::ErrorKind::NotFound.into());
        let mut with = super::super::load::load_from(None, std::iter::empty(), &read, true).unwrap();
        let without = super::super::load::load_from(None, std::iter::empty(), &none, true).unwrap();
        assert_eq!(with.file.take().unwrap(), std::path::Path::new("config/paceline.toml"));
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
    }

    #[test]
    fn the_reference_has_a_row_for_every_key() {
        let text = reference();
        assert_eq!(text.lines().count(), KEYS.len() + 2);
        assert!(
            text.contains("| `http.request_timeout_ms` | a whole number from 100 to 600000 | `30000` | milliseconds |")
        );
        assert!(text.lines().all(|line| line.replace("\\|", "").matches('|').count() == 6), "a cell holds a bar");
    }
}
