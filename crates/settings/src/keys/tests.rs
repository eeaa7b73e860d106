use std::collections::BTreeSet;

use paceline_messages::Language;

use super::*;
use crate::key::Unit;
use crate::kind::Kind;
use crate::tree::Tree;

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

#[test]
fn wildcards_match_one_name() {
    assert_eq!(find(&path("apps.acme.app_id")).unwrap().path, "apps.*.app_id");
    assert_eq!(find(&path("apps.acme.users.ann")).unwrap().path, "apps.*.users.*");
    assert!(find(&path("apps.acme")).is_none());
    assert!(find(&path("apps.acme.users")).is_none());
    assert!(find(&path("http.request_timeout_ms.x")).is_none());
}

#[test]
fn tables_are_proper_prefixes() {
    for table in ["http", "apps", "apps.acme", "apps.acme.users", "apps.acme.quotas", "apps.acme.tenants.tk_1.quotas"] {
        assert!(is_table(&path(table)), "{table}");
    }
    for other in ["htp", "http.request_timeout_ms", "apps.acme.user"] {
        assert!(!is_table(&path(other)), "{other}");
    }
}

#[test]
fn siblings_are_the_names_beside() {
    assert!(siblings(&path("htpp")).contains(&"http"));
    assert!(siblings(&path("apps.acme.app_idd")).contains(&"app_id"));
    assert!(siblings(&path("apps.acme.users.ann")).is_empty());
    assert!(siblings(&path("store.uri")).contains(&"url"));
}

#[test]
fn every_number_that_needs_a_unit_has_it_in_its_name_and_its_entry() {
    for key in all().filter(|key| matches!(key.kind, Kind::Whole(..))) {
        assert!(key.unit.is_some(), "{}", key.path);
        assert_eq!(key.path.ends_with("_ms"), key.unit == Some(Unit::Milliseconds), "{}", key.path);
        assert_eq!(key.path.contains("_bytes"), key.unit == Some(Unit::Bytes), "{}", key.path);
    }
}

#[test]
fn every_key_is_listed_once_below_its_header_and_explained() {
    let mut seen = BTreeSet::new();
    for section in SECTIONS {
        for key in section.keys {
            // As TOML reads it: a name in quotes may hold dots.
            let (tree, _) = Tree::read("x.toml", &format!("[{}]\n", section.header));
            let header = tree.tables.into_keys().max_by_key(Vec::len).unwrap();
            let table = key.path.rsplit_once('.').unwrap().0;
            assert!(matches(table, &header, false), "{} under [{}]", key.path, section.header);
            assert!(key.meaning(Language::English).ends_with('.'), "{}", key.path);
            assert!(key.meaning(Language::Chinese).ends_with('。'), "{}", key.path);
            assert!(key.default.is_some() || key.example.is_some(), "{}", key.path);
            assert!(seen.insert(key.path), "{}", key.path);
        }
    }
    assert!(seen.contains(BODY_BYTES_MAX));
}
