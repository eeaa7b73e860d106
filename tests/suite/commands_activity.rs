//! `paceline activity` as a shell sees it.

use serde_json::Value;

use super::commands::Place;

const JOBS: &str = "{\"id\":\"a\",\"method\":\"feishu.calendar.create\",\"app\":\"acme\",\"body\":{\"summary\":\"A\"}}\n\
    {\"id\":\"b\",\"method\":\"feishu.calendar.create\",\"app\":\"acme\",\"body\":{\"summary\":\"B\"}}\n";

#[test]
fn changes_are_listed_with_the_latest_first() {
    let place = Place::with_apps(&[("jobs.jsonl", JOBS)]);
    place.run(&["submit", "jobs.jsonl"]);
    insta::assert_snapshot!("activity_of_others", place.run(&["activity", "--actor", "nobody at all"]).transcript());
    place.run(&["suspend", "acme", "--reason", "=maintenance\u{202e}"]);
    place.run(&["resume", "acme"]);
    place.run(&["jobs", "cancel", "a", "b"]);
    let newest = place.run(&["activity", "--limit", "1", "--json"]);
    assert!(newest.err.contains("there are more"), "{}", newest.transcript());
    let newest: Value = serde_json::from_str(&newest.out).unwrap();
    let user = format!(",{},{},", newest["actor"].as_str().unwrap(), newest["uid"]);
    let changes = place.run(&["activity", "--csv"]).transcript();
    insta::assert_snapshot!("activity_csv", changes.replace(&user, ",<user>,<uid>,"));
    let table = place.run(&["activity", "--action", "suspend"]).out;
    assert_eq!(table.lines().count(), 2);
    assert!(table.contains("app acme; reason =maintenance<U+202E>"), "{table}");
    insta::assert_snapshot!("activity_unknown_action", place.run(&["activity", "--action", "delete"]).transcript());
}
