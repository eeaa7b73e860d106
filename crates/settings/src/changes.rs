//! What differs between two readings of the settings, beside the apps: what a running worker takes over, and what it
//! reads at its start alone.

use secrecy::ExposeSecret;

use super::keys::BODY_BYTES_MAX;
use super::{Broker, Engine, Named, Reading, Settings};
use paceline_domain::rights::Rights;

/// Changed keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that take effect at once, with their values before and after.
    pub at_once: Vec<(&'static str, String, String)>,
    /// Those that take effect at the next start.
    pub at_next_start: Vec<&'static str>,
}

/// What differs, key by key; `[apps]` is compared by who knows the catalog.
pub fn changes(before: &Settings, after: &Settings) -> Changes {
    let at_once = live(before).into_iter().zip(live(after));
    let at_once = at_once.filter(|((_, old), (_, new))| old != new).map(|((key, old), (_, new))| (key, old, new));
    let mut at_once: Vec<_> = at_once.collect();
    if token(before) != token(after) {
        let told = |settings| if token(settings).is_some() { "one (not shown)" } else { "none" }.to_owned();
        // Whether reading needs it follows from it, if nothing else is said.
        at_once.retain(|(key, ..)| *key != "admin.read");
        at_once.push(("admin.token", told(before), told(after)));
    }
    let fixed = fixed(before, after).into_iter().filter(|(_, is_changed)| *is_changed);
    Changes { at_once, at_next_start: fixed.map(|(key, _)| key).collect() }
}

/// What a running worker takes over.
fn live(settings: &Settings) -> Vec<(&'static str, String)> {
    let Engine { concurrency_max, lane_concurrency_max, attempts_max, backoff_initial, backoff_max, grace, drain } =
        &settings.engine;
    let dir = settings.catalog.dir.as_ref().map_or_else(|| "none".to_owned(), |dir| dir.display().to_string());
    let rights = settings.broker.as_ref().map(|broker| &broker.rights);
    let reply_to =
        rights.and_then(|rights| rights.reply_to.as_ref()).map_or_else(|| "any".to_owned(), ToString::to_string);
    let ids = if rights.is_some_and(|rights| rights.ids_by_publisher) { "publisher" } else { "shared" };
    let publishers = rights.map_or_else(String::new, Rights::summary);
    let keep_days = settings.ledger.keep.map_or(0, |keep| keep.as_secs() / 86_400);
    let mut all = vec![
        ("ledger.keep_days", keep_days.to_string()),
        ("engine.concurrency_max", concurrency_max.to_string()),
        ("engine.lane_concurrency_max", lane_concurrency_max.to_string()),
        ("engine.attempts_max", attempts_max.to_string()),
        ("engine.backoff_initial_ms", backoff_initial.as_millis().to_string()),
        ("engine.backoff_max_ms", backoff_max.as_millis().to_string()),
        ("engine.grace_ms", grace.as_millis().to_string()),
        ("engine.drain_ms", drain.as_millis().to_string()),
        ("lanes.stop_after", settings.lanes.stop_after.to_string()),
        ("catalog.dir", dir),
        ("broker.reply_to", reply_to),
        ("broker.ids", ids.to_owned()),
        ("broker.publishers", publishers),
    ];
    all.extend(of_admin(settings));
    all
}

/// Who is let in by the admin server. Of a token it is told whether there is one, and of hashes the beginning.
fn of_admin(settings: &Settings) -> [(&'static str, String); 8] {
    let admin = &settings.admin;
    let each = |part: &dyn Fn(&Named) -> String| {
        let all: Vec<_> = admin.tokens.iter().map(|(name, token)| format!("{name} {}", part(token))).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let expires = |token: &Named| token.expires.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let of_tls = |at: usize| admin.tls.as_ref().map_or_else(|| "none".to_owned(), |tls| tls.files[at].clone());
    let read = match admin.read {
        Reading::Open => "open",
        Reading::Token => "token",
    };
    [
        ("admin.tls_cert", of_tls(0)),
        ("admin.tls_key", of_tls(1)),
        ("admin.client_ca", of_tls(2)),
        ("admin.tokens.*.hash", each(&|token| token.hash.chars().take(15).collect())),
        ("admin.tokens.*.role", each(&|token| token.role.to_string())),
        ("admin.tokens.*.expires", each(&expires)),
        ("admin.read", read.to_owned()),
        ("admin.public_url", admin.public_url.clone().unwrap_or_else(|| "none".to_owned())),
    ]
}

/// What is read at the start alone, and whether it changed. Their values may be secret, and are not told.
fn fixed(before: &Settings, after: &Settings) -> [(&'static str, bool); 21] {
    let (http, new_http) = (&before.http, &after.http);
    [
        ("store.url", before.store.path != after.store.path),
        ("store.key", before.store.key != after.store.key),
        ("broker.url", differs(before, after, |broker| broker.url.expose_secret())),
        ("broker.jobs_queue", differs(before, after, |broker| &broker.jobs_queue)),
        ("broker.results_queue", differs(before, after, |broker| &broker.results_queue)),
        ("broker.results_exchange", differs(before, after, |broker| &broker.results_exchange)),
        ("broker.dead_queue", differs(before, after, |broker| &broker.dead_queue)),
        ("broker.prefetch", differs(before, after, |broker| &broker.prefetch)),
        ("broker.ca_file", differs(before, after, |broker| &broker.ca)),
        ("http.request_timeout_ms", http.request_timeout != new_http.request_timeout),
        ("http.connect_timeout_ms", http.connect_timeout != new_http.connect_timeout),
        ("http.reply_bytes_max", http.reply_bytes_max != new_http.reply_bytes_max),
        ("http.pool_idle_ms", http.pool_idle != new_http.pool_idle),
        ("http.ca_file", http.ca != new_http.ca),
        ("intake.pending_max", before.intake.pending_max != after.intake.pending_max),
        (BODY_BYTES_MAX, before.intake.body_bytes_max != after.intake.body_bytes_max),
        ("lanes.reserve.*", before.lanes.reserve != after.lanes.reserve),
        ("admin.listen", before.admin.listen != after.admin.listen),
        ("admin.socket", before.admin.socket != after.admin.socket),
        ("telemetry.otlp_endpoint", before.telemetry.otlp_endpoint != after.telemetry.otlp_endpoint),
        ("telemetry.otlp_headers", otlp_headers(before) != otlp_headers(after)),
    ]
}

fn token(settings: &Settings) -> Option<&str> {
    settings.admin.token.as_ref().map(ExposeSecret::expose_secret)
}

fn otlp_headers(settings: &Settings) -> Option<&str> {
    settings.telemetry.otlp_headers.as_ref().map(ExposeSecret::expose_secret)
}

/// Whether this part of `[broker]` is another one, or there on one side only.
fn differs<T: PartialEq + ?Sized>(before: &Settings, after: &Settings, part: impl Fn(&Broker) -> &T) -> bool {
    before.broker.as_ref().map(&part) != after.broker.as_ref().map(&part)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::draft::As;
    use crate::keys::{KEYS, Kind};
    use crate::load::load_from;

    fn load(text: &str) -> Settings {
        let read = |path: &Path, _: As| {
            let is_ca = path.ends_with("ca.pem");
            let is_token = path.ends_with("token");
            let is_headers = path.ends_with("headers");
            Ok(match (is_ca, is_token, is_headers) {
                (true, ..) => "-----BEGIN CERTIFICATE-----".to_owned(),
                (_, true, _) => "0123456789abcdef".to_owned(),
                (.., true) => "x-key=1".to_owned(),
                _ => text.to_owned(),
            })
        };
        load_from(Some(Path::new("x.toml")), std::iter::empty(), &read, true).unwrap()
    }

    const WITH_TOKEN: &str = "token = { file = \"token\" }\n";
    const ROLE: &str = "role = \"read\"\n";
    const WITH_COLLECTOR: &str = "otlp_endpoint = \"http://127.0.0.1:4318\"\n";

    /// A section with one key that is not as it stands in the other.
    fn with(path: &str, kind: Kind) -> String {
        let (section, key) = path.rsplit_once('.').unwrap();
        let key = if key == "*" { "8" } else { key };
        let text = |text: &str| format!("{text:?}");
        let value = if let Kind::Whole(min, _) = kind {
            min.max(900).to_string()
        } else {
            match path {
                "store.url" => text("sqlite://other.db"),
                "broker.url" => text("amqp://u:other@h"),
                "admin.listen" => text("127.0.0.1:1"),
                "store.key" | "admin.token" => "{ file = \"token\" }".to_owned(),
                "admin.tokens.*.hash" => text(&format!("sha256:{}", "a".repeat(64))),
                "admin.tokens.*.role" => text("operate"),
                "admin.tokens.*.expires" => text("2027-03-01T00:00:00Z"),
                "admin.read" => text("open"),
                "admin.public_url" => text("https://paceline.example.com"),
                "telemetry.otlp_endpoint" => text("http://127.0.0.1:4318"),
                "telemetry.otlp_headers" => "{ file = \"headers\" }".to_owned(),
                "lanes.reserve.*" => "0.2".to_owned(),
                "broker.ids" => text("publisher"),
                "broker.reply_to" => "[\"a.*\"]".to_owned(),
                _ => text("other/ca.pem"),
            }
        };
        let hash = format!("hash = \"sha256:{}\"\n", "b".repeat(64));
        let named = format!("{hash}{ROLE}");
        let beside = match (section, key) {
            ("admin.tokens.*", "hash") => ROLE,
            ("admin.tokens.*", "role") => &hash,
            ("admin.tokens.*", _) => &named,
            ("broker", "url") => "",
            ("broker", _) => "url = \"amqp://u:p@h\"\n",
            ("admin", "public_url" | "read") => WITH_TOKEN,
            ("telemetry", "otlp_headers") => WITH_COLLECTOR,
            _ => "",
        };
        let section = section.replace('*', "t");
        format!("[{section}]\n{beside}{key} = {value}\n")
    }

    #[test]
    fn every_key_is_looked_at_and_no_other_is_said_to_have_changed() {
        let before = load("[broker]\nurl = \"amqp://u:p@h\"\n");
        let without_broker = load("");
        let with_token = load(&format!("[admin]\n{WITH_TOKEN}"));
        let with_named = load(&format!("[admin.tokens.t]\nhash = \"sha256:{}\"\n{ROLE}", "b".repeat(64)));
        let with_collector = load(&format!("[telemetry]\n{WITH_COLLECTOR}"));
        for key in KEYS
            .iter()
            .filter(|key| !key.path.starts_with("apps.") && !key.path.contains("publishers"))
            // These are read together, and hold what a library takes: tests/suite/security/admin/tls.rs.
            .filter(|key| !key.path.starts_with("admin.tls_") && key.path != "admin.client_ca")
        {
            let after = load(&with(key.path, key.kind));
            let before = match key.path {
                "admin.public_url" | "admin.read" => &with_token,
                path if path.starts_with("admin.tokens.") => &with_named,
                "telemetry.otlp_headers" => &with_collector,
                path if path.starts_with("broker.") => &before,
                _ => &without_broker,
            };
            let Changes { at_once, at_next_start } = changes(before, &after);
            let found: Vec<_> = at_once.iter().map(|(key, ..)| *key).chain(at_next_start).collect();
            assert_eq!(found, [key.path]);
        }
        assert_eq!(changes(&before, &before.clone()), Changes::default());
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
        assert_eq!(with_none.at_next_start.len(), 7, "a broker that is gone: {with_none:?}");
    }
}
