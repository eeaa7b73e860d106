use super::*;

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
fn every_number_that_needs_a_unit_has_it_in_its_name_and_its_row() {
    for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::Whole(..))) {
        assert!(!key.unit.is_empty(), "{}", key.path);
        assert_eq!(key.path.ends_with("_ms"), key.unit == "milliseconds", "{}", key.path);
        assert_eq!(key.path.contains("_bytes"), key.unit == "bytes", "{}", key.path);
    }
}

#[test]
fn every_key_is_listed_once_and_explained() {
    for (index, key) in KEYS.iter().enumerate() {
        assert!(key.doc.ends_with('.'), "{}", key.path);
        assert!(KEYS[index + 1..].iter().all(|other| other.path != key.path), "{}", key.path);
    }
}
