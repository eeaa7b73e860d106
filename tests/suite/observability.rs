//! Dashboard, alerts and manuals name the metrics that there are, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use paceline::metrics::names::{self, Kind};
use serde_json::Value;

const MANUALS: [&str; 2] = ["docs/observability.md", "docs/zh-CN/observability.md"];
const DASHBOARD: &str = "config/grafana/paceline.json";
const ALERTS: &str = "config/prometheus/alerts.yml";
const ALERTS_TEST: &str = "config/prometheus/alerts_test.yml";

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every series that there is: a histogram has three names.
fn series() -> BTreeMap<String, &'static [&'static str]> {
    let mut series = BTreeMap::new();
    for one in names::ALL {
        if one.kind == Kind::Histogram {
            series.extend(["_bucket", "_sum", "_count"].map(|end| (format!("{}{end}", one.name), one.labels)));
        } else {
            series.insert(one.name.to_owned(), one.labels);
        }
    }
    series
}

/// The words of a text that are names of metrics of ours or of the process.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let is_one = |word: &&str| word.starts_with("paceline_") || word.starts_with("process_");
    words.filter(is_one).map(str::to_owned).collect()
}

/// What follows `key` on its line, for the plain YAML of the rules.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key)).map(str::trim).collect()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_there_are() {
    let series = series();
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut texts: Vec<(String, String)> =
        [ALERTS, ALERTS_TEST].map(|name| (name.to_owned(), read(name))).into_iter().collect();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = format!("{DASHBOARD}: {}", panel["title"]);
            texts.push((title, target["expr"].as_str().unwrap().to_owned()));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        texts.push((format!("{DASHBOARD}: {}", variable["name"]), variable["definition"].to_string()));
    }
    let mut used = BTreeSet::new();
    for (place, text) in &texts {
        let found = named(text);
        let unknown: Vec<_> = found.iter().filter(|name| !series.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{place} names {unknown:?}, which there are not");
        used.extend(found);
    }
    // Nothing is measured that nobody looks at.
    for one in names::ALL {
        assert!(used.iter().any(|name| name.starts_with(one.name)), "neither dashboard nor alerts show {}", one.name);
    }
}

#[test]
fn selectors_and_sums_go_by_labels_that_the_metrics_have() {
    // Prometheus' own, and those of a rule.
    let known = ["instance", "job", "le", "severity"];
    let labels: BTreeSet<&str> = series().into_values().flatten().copied().chain(known).collect();
    let dashboard = read(DASHBOARD);
    let texts = [read(ALERTS), dashboard.replace("\\\"", "\"")];
    let mut count = 0;
    for text in &texts {
        for (at, _) in text.match_indices("by (").chain(text.match_indices("on (")) {
            let list = text[at + 4..].split(')').next().unwrap();
            for label in list.split(", ") {
                count += 1;
                assert!(labels.contains(label), "{label:?} in {list:?}");
            }
        }
        for (at, _) in text.match_indices("{{") {
            let inner = text[at + 2..].split("}}").next().unwrap();
            let label = inner.trim().trim_start_matches("$labels.");
            if !label.starts_with('$') {
                count += 1;
                assert!(labels.contains(label), "{label:?} in a text");
            }
        }
    }
    assert!(count > 60, "{count} labels");
}

#[test]
fn panels_lie_side_by_side_and_have_their_own_numbers() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies over another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn every_metric_stands_in_both_manuals_as_it_is() {
    for name in MANUALS {
        let text = read(name);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("| `paceline_") || line.starts_with("| `process_"))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let told: Vec<_> = rows.iter().map(|row| (row[0].to_owned(), row[1], row[2].to_owned())).collect();
        let quoted = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let there: Vec<_> =
            names::ALL.iter().map(|one| (quoted(&[one.name]), one.kind.as_str(), quoted(one.labels))).collect();
        assert_eq!(told, there, "{name}");
        assert!(rows.iter().all(|row| row.len() == 4 && !row[3].is_empty()), "{name}");
        let series = series();
        let is_known = |word: &String| series.contains_key(word) || names::ALL.iter().any(|one| one.name == word);
        let unknown: Vec<_> = named(&text).into_iter().filter(|word| !is_known(word)).collect();
        assert!(unknown.is_empty(), "{name} names {unknown:?}");
    }
}

#[test]
fn every_alert_has_its_cure_its_test_and_its_rows_in_the_manuals() {
    let rules = read(ALERTS);
    let alerts = values(&rules, "alert:");
    assert!(alerts.len() > 10, "{alerts:?}");
    for key in ["summary:", "description:", "action:", "labels:"] {
        assert_eq!(values(&rules, key).len(), alerts.len(), "each alert has {key}");
    }
    let tests = read(ALERTS_TEST);
    for alert in &alerts {
        assert!(tests.matches(&format!("{alert}\"")).count() > 0, "{alert} is never seen firing");
        assert!(tests.matches(&format!("alertname: {alert}")).count() > 0, "{alert} is never seen silent");
    }
    for name in MANUALS {
        let text = read(name);
        let rows: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("| `Paceline")?.split('`').next()).collect();
        let expected: Vec<_> = alerts.iter().map(|alert| alert.trim_start_matches("Paceline")).collect();
        assert_eq!(rows, expected, "{name}");
    }
}
