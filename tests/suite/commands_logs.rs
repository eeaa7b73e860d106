//! What is logged to standard error, as people and as programs read it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::commands::Place;

const ROOMS: &str = "id,name,capacity,room_level_id\nsn-a,Swordfish,1,omb_1\nsn-b,Marlin,2,omb_1\n";
const RUN: [&str; 10] = [
    "run",
    "rooms.csv",
    "--method",
    "feishu.vc.room.create",
    "--app",
    "acme",
    "--simulate",
    "--speed",
    "600",
    "--log-level",
];

fn lines(err: &str) -> Vec<Value> {
    err.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_call_is_logged_by_its_job_and_without_its_parameters() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS)]);
    let ran = place.run(&[&RUN[..], &["trace", "--log-format", "json"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut calls: BTreeMap<(String, u64), Vec<Value>> = BTreeMap::new();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    for line in lines(&ran.err).into_iter().filter(|line| line["target"] == "paceline::call") {
        let Some(call) = line["call"].as_u64() else { continue };
        calls.entry((text(&line, "job"), call)).or_default().push(line);
    }
    let jobs: Vec<_> = calls.keys().map(|(job, _)| job.as_str()).collect();
    assert_eq!(jobs, ["", "sn-a", "sn-b"], "a token's call has no job: {}", ran.err);
    for ((job, _), lines) in &calls {
        let [calling, called] = &lines[..] else { panic!("{job}: {lines:?}") };
        assert_eq!((text(calling, "message"), text(called, "message")), ("calling".to_owned(), "called".to_owned()));
        assert_eq!((text(called, "outcome"), called["status"].as_u64()), ("succeeded".to_owned(), Some(200)));
        assert!(called["ms"].is_u64() && called["log_id"].is_string() && called["app"] == "acme", "{called}");
        if !job.is_empty() {
            assert_eq!(called["method"], "feishu.vc.room.create");
            assert_eq!(
                (&called["batch"], &called["attempt"], &called["span"]),
                (&"rooms".into(), &1.into(), &"attempt".into())
            );
        }
    }
    for secret in ["Swordfish", "Marlin", "omb_1", "https://", "http://"] {
        assert!(!ran.err.contains(secret), "{secret}: {}", ran.err);
    }
}

#[test]
fn an_app_that_stops_for_many_calls_at_once_is_said_once() {
    let rows = (0..40).map(|row| format!("sn-{row},Marlin,2,omb_1\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[("rooms.csv", &format!("id,name,capacity,room_level_id\n{rows}"))]);
    let ran = place.run(&[&RUN[..], &["error", "--scenario", "wrong-secret"]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert_eq!(ran.err.matches("suspended; its jobs stay queued").count(), 1, "{}", ran.err);
}

#[test]
fn the_format_comes_from_the_variable_too_and_is_text_by_default() {
    let place = Place::with_apps(&[("rooms.csv", ROOMS)]);
    let debug = [&RUN[..], &["debug"]].concat();
    assert!(!lines(&place.run_with(&debug, &[("PACELINE_LOG_FORMAT", "json")]).err).is_empty());
    let ran = place.run(&debug);
    assert!(lines(&ran.err).is_empty(), "{}", ran.err);
    let named = ran
        .err
        .lines()
        .filter(|line| line.contains("attempt{job=\"sn-a\" app=\"acme\"") && line.contains("called call="));
    assert_eq!(named.count(), 1, "{}", ran.err);
    // An argument goes before the variable.
    let chosen = place.run_with(&[&debug[..], &["--log-format", "text"]].concat(), &[("PACELINE_LOG_FORMAT", "json")]);
    assert!(lines(&chosen.err).is_empty(), "{}", chosen.err);
    let refused = place.run_with(&["methods", "list"], &[("PACELINE_LOG_FORMAT", "yaml")]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    assert_eq!(refused.err, "error: PACELINE_LOG_FORMAT: expected text or json, got \"yaml\"\n");
}
