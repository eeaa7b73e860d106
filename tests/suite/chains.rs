//! Chains: jobs that wait for others, from the command line and in the engine's virtual time.

use std::collections::HashMap;

use paceline::domain::time::Timestamp;
use serde_json::{Value, json};

use super::commands::Place;
use super::engine::{CALM, T0, World, calendar};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

fn counts(out: &str) -> Value {
    let mut counts: Value = serde_json::from_str(out).unwrap();
    counts.as_object_mut().unwrap().retain(|name, _| ["total", "succeeded", "dead", "blocked"].contains(&&**name));
    counts
}

#[test]
fn the_examples_are_rehearsed_to_their_end() {
    for (file, jobs) in [("chain.jsonl", 4), ("chain.csv", 3)] {
        let place = Place::new(&[]);
        let file = format!("{EXAMPLES}/{file}");
        let outcome = place.run(&["run", &file, "--app", "acme", "--simulate", "--speed", "60", "--json"]);
        assert_eq!(outcome.code, Some(0), "{file}: {}{}", outcome.out, outcome.err);
        assert_eq!(counts(&outcome.out), json!({"total": jobs, "succeeded": jobs, "dead": 0, "blocked": 0}), "{file}");
    }
}

fn event(n: u32, calendar: &str) -> Value {
    let start = 1_929_229_200 + n * 7_200;
    json!({"id": format!("event-{n}"), "method": "feishu.calendar.event.create", "app": "acme",
        "path": {"calendar_id": {"$from": calendar}}, "body": {"summary": format!("event {n}"),
        "start_time": {"timestamp": start.to_string()}, "end_time": {"timestamp": (start + 3_600).to_string()}}})
}

#[test]
fn unknown_ids_and_circles_are_faults_of_their_lines() {
    let circle = [event(1, "event-2"), event(2, "event-1"), event(3, "nowhere")];
    let lines: Vec<_> = circle.iter().map(Value::to_string).collect();
    let place = Place::with_apps(&[("chain.jsonl", &lines.join("\n"))]);
    let outcome = place.run(&["validate", "chain.jsonl"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.err);
    assert_eq!(
        outcome.out,
        "chain.jsonl:1: path.calendar_id: the job waits for itself: event-1 → event-2 → event-1\n\
         chain.jsonl:3: path.calendar_id: expected the id of a job of these files or of the ledger, got nowhere\n"
    );
    assert!(outcome.err.contains("2 faults in 2 of 3 rows"), "{}", outcome.err);
}

/// When each job's only call left, and when it ended.
fn spans(world: &World, ids: &[String]) -> HashMap<String, (Timestamp, Timestamp)> {
    let span = |id: &String| {
        let sheet = world.sheet(id);
        (id.clone(), (sheet.history[0].sent_at, sheet.line.ending.ended_at.unwrap()))
    };
    ids.iter().map(span).collect()
}

#[tokio::test(start_paused = true)]
async fn no_job_is_sent_before_what_it_waits_for_has_succeeded() {
    let world = World::new(CALM);
    let mut jobs = Vec::new();
    for n in 0..20 {
        let mut last = event(1_000 + n, &format!("calendar-{n}"));
        last["after"] = json!([format!("event-{n}")]);
        jobs.extend([last, event(n, &format!("calendar-{n}")), calendar(n as usize)]);
    }
    let ids: Vec<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.blocked, counts.dead), (60, 0, 0));
    let spans = spans(&world, &ids);
    for n in 0..20 {
        let [calendar, event, last] =
            [format!("calendar-{n}"), format!("event-{n}"), format!("event-{}", 1_000 + n)].map(|id| spans[&id]);
        assert!(calendar.1 <= event.0 && event.1 <= last.0, "{n}: {calendar:?} {event:?} {last:?}");
    }
}

/// A meeting whose start another job's result gives.
fn meeting_of(calendar: &str) -> Value {
    json!({"id": format!("meeting-{calendar}"), "method": "wecom.meeting.create", "app": "campus",
        "body": {"admin_userid": "zhangsan", "title": calendar, "meeting_duration": 3_600,
            "meeting_start": {"$from": calendar, "at": "starts"}}})
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_filled_in_is_a_deadline() {
    // By the calendar's name: one starts in a day, the other one before the world began.
    let world = World::new(CALM).editing(|_, body| {
        let Some(data) = body.get_mut("data").filter(|data| data["calendar"]["summary"].is_string()) else { return };
        let starts = if data["calendar"]["summary"] == "Department 0" { 86_400 } else { -60 };
        data["starts"] = json!(T0.unix_seconds() + starts);
    });
    let jobs = [meeting_of("calendar-0"), meeting_of("calendar-1"), calendar(0), calendar(1)];
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.dead), (3, 1), "{:?}", world.sheet("meeting-calendar-1").line.document);
    let document = world.sheet("meeting-calendar-1").line.document;
    assert_eq!((&document["status"], &document["reason"]), (&json!("dead"), &json!("expired")), "{document}");
    let meetings = &world.stats().methods["wecom.meeting.create"];
    assert_eq!((meetings.arrivals, world.stats().refused), (1, 0), "what is too late is never sent");
}
