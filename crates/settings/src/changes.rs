//! What differs between two readings of the settings, beside the apps: what a running worker takes over, and what it
//! reads at its start alone.

use super::Settings;
use super::key::Reload;
use super::keys;
use paceline_domain::rights::Rights;

/// Changed keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that take effect at once, with their values before and after.
    pub at_once: Vec<(&'static str, String, String)>,
    /// Those that take effect at the next start.
    pub at_next_start: Vec<&'static str>,
}

/// What differs, key by key, and of publishers all that they may do; `[apps]` is compared by who knows the catalog.
pub fn changes(before: &Settings, after: &Settings) -> Changes {
    let mut changes = Changes::default();
    for key in keys::all() {
        let (Some(old), Some(new)) = (before.values.get(key), after.values.get(key)) else { continue };
        match key.reload {
            Reload::AtOnce if old != new => changes.at_once.push((key.path, old.to_string(), new.to_string())),
            Reload::NextStart if old != new => changes.at_next_start.push(key.path),
            Reload::AtOnce | Reload::Apart | Reload::NextStart => {}
        }
    }
    let (old, new) = (publishers(before), publishers(after));
    if old != new {
        changes.at_once.push(("broker.publishers", old, new));
    }
    changes
}

fn publishers(settings: &Settings) -> String {
    settings.broker.as_ref().map_or_else(|| Rights::default().summary(), |broker| broker.rights.summary())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::draft::As;
    use crate::load::load_from;

    /// Loads a text whose secrets and certificates hold `content`.
    fn load_with(text: &str, content: &str) -> Settings {
        let read = |path: &Path, _: As| {
            Ok(match path.to_str().unwrap() {
                "x.toml" => text.to_owned(),
                "ca.pem" => format!("-----BEGIN CERTIFICATE-----{content}"),
                _ => format!("0123456789abcdef{content}"),
            })
        };
        load_from(Some(Path::new("x.toml")), std::iter::empty(), &read, true).unwrap()
    }

    fn load(text: &str) -> Settings {
        load_with(text, "")
    }

    #[test]
    fn what_is_given_changed_or_gone_is_told_under_its_key() {
        let token = |role: &str| format!("[admin.tokens.t]\nhash = \"sha256:{}\"\nrole = \"{role}\"\n", "b".repeat(64));
        for (before, after, expected) in [
            ("", "[engine]\ndrain_ms = 1\n", "engine.drain_ms: 30000 → 1"),
            ("[engine]\ndrain_ms = 1\n", "[engine]\ndrain_ms = 30_000\n", "engine.drain_ms: 1 → 30000"),
            ("", "[engine]\ndrain_ms = 30000\n", ""),
            ("", "[catalog]\ndir = \"x\"\n", "catalog.dir: none → x"),
            ("", "[store]\nurl = \"sqlite://other.db\"\n", "store.url"),
            ("", "[lanes.reserve]\n8 = 0.2\n", "lanes.reserve.*"),
            ("", "[store]\nkey = { file = \"k\" }\n", "store.key"),
            ("[store]\nkey = { file = \"k\" }\n", "[store]\nkey = { file = \"k2\" }\n", "store.key"),
            ("", "[admin]\ntoken = { file = \"t\" }\n", "admin.token: none → one (not shown)"),
            (&token("read"), &token("admin"), "admin.tokens.*.role: t read → t admin"),
            (
                &token("read"),
                &token("read").replace('b', "c"),
                "admin.tokens.*.hash: t sha256:bbbbbbbb → t sha256:cccccccc",
            ),
        ] {
            let Changes { at_once, at_next_start } = changes(&load(before), &load(after));
            let at_once = at_once.into_iter().map(|(key, before, after)| format!("{key}: {before} → {after}"));
            let told: Vec<_> = at_once.chain(at_next_start.into_iter().map(str::to_owned)).collect();
            assert_eq!(told.join("; "), expected, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn what_a_file_holds_is_compared_though_its_name_stays() {
        let text = "[admin]\ntoken = { file = \"t\" }\n[http]\nca_file = \"ca.pem\"\n";
        let Changes { at_once, at_next_start } = changes(&load_with(text, "1"), &load_with(text, "2"));
        assert_eq!(at_once, [("admin.token", "one (not shown)".to_owned(), "one (not shown)".to_owned())]);
        assert_eq!(at_next_start, ["http.ca_file"]);
        assert_eq!(changes(&load_with(text, "1"), &load_with(text, "1")), Changes::default());
    }

    #[test]
    fn publishers_rights_are_told_whole() {
        let broker = "[broker]\nurl = \"amqp://u:p@h\"\n";
        let hr = "[broker.publishers.hr]\napps = [\"acme\", \"c*\"]\nreply_to = [\"hr.*\"]\n";
        let Changes { at_once, at_next_start } = changes(&load(broker), &load(&format!("{broker}{hr}")));
        let after = "hr (user hr: apps acme, c*, methods *, identities tenant, reply_to hr.*)".to_owned();
        assert_eq!(at_once, [("broker.publishers", "everybody may everything".to_owned(), after)]);
        assert!(at_next_start.is_empty());
    }

    #[test]
    fn values_are_shown_where_they_take_effect_and_secrets_never() {
        let before = load("[broker]\nurl = \"amqp://u:hunter2@h\"\n");
        let after = load("[broker]\nurl = \"amqp://u:hunter3@h\"\n[engine]\nattempts_max = 8\n");
        let expected = Changes {
            at_once: vec![("engine.attempts_max", "5".to_owned(), "8".to_owned())],
            at_next_start: vec!["broker.url"],
        };
        assert_eq!(changes(&before, &after), expected);
        let with_none = changes(&before, &load(""));
        assert_eq!(with_none.at_next_start, ["broker.url"], "a broker that is gone");
    }
}
