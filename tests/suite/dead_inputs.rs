//! Inputs that never became jobs: counted alike on every surface, and shown with what is wrong with them.

use serde_json::{Value, json};

use super::admin_reading::World;
use super::commands::Place;
use super::harness::place::lines;

const MEETING: &str = "wecom.meeting.create";

fn meeting(id: &str, title: &str) -> String {
    let body = json!({"admin_userid": "u", "title": title, "meeting_start": 1_995_248_600, "meeting_duration": 300,
        "settings": {"password": "8642"}});
    json!({"id": id, "method": MEETING, "app": "campus", "batch": "b1", "body": body}).to_string()
}

/// Three titles that are too long, and an app that nobody knows; nothing of it is a job.
fn inputs() -> String {
    let long = "x".repeat(50);
    let mut lines: Vec<_> = (0..3).map(|number| meeting(&format!("long-{number}"), &long)).collect();
    lines.push(json!({"id": "stray", "method": MEETING, "app": "campos", "body": {}}).to_string());
    lines.join("\n")
}

fn submit(place: &Place, name: &str, text: &str) {
    place.write(name, text);
    let submitted = place.run(&["submit", name, "--skip-invalid"]);
    assert_eq!(submitted.code, Some(1), "{}", submitted.transcript());
}

fn sum(documents: &Value, field: &str) -> u64 {
    documents.as_array().unwrap().iter().map(|document| document[field].as_u64().unwrap()).sum()
}

/// The number of dead letters by every surface, and of inputs among them; they have to agree.
async fn counted(world: &World) -> (u64, u64) {
    let totals = world.get("/api/v1/overview").await["totals"].clone();
    let (dead, inputs) = (totals["dead"].as_u64().unwrap(), totals["dead_inputs"].as_u64().unwrap());
    let groups = world.get("/api/v1/dead/groups").await;
    assert_eq!(sum(&groups["groups"], "count"), dead, "groups: {groups}");
    let batches = world.get("/api/v1/batches").await;
    assert_eq!(sum(&batches["batches"], "dead"), dead, "batches: {batches}");
    let listed = world.get("/api/v1/dead/inputs").await["inputs"].as_array().unwrap().len() as u64;
    let jobs = world.get("/api/v1/jobs?state=dead").await["jobs"].as_array().unwrap().len() as u64;
    assert_eq!((listed, jobs), (inputs, dead - inputs), "lists");
    let status = &lines(&world.place.run(&["status", "--json"]))[0];
    assert_eq!((&status["counts"]["dead"], &status["dead_inputs"]), (&json!(dead), &json!(inputs)), "{status}");
    assert_eq!(sum(&status["batches"], "dead"), dead, "{status}");
    assert_eq!(sum(&status["lanes"], "dead"), dead - inputs, "{status}");
    let words = world.place.run(&["status"]).out;
    assert!(words.contains(&format!("{dead} dead ({} jobs + {inputs} inputs)", dead - inputs)), "{words}");
    assert_eq!(lines(&world.place.run(&["dead", "list", "--json"])).len() as u64, dead);
    (dead, inputs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_surface_counts_the_same_dead_letters() {
    let world = World::new("127.0.0.1:0").await;
    submit(&world.place, "inputs.jsonl", &inputs());
    assert_eq!(counted(&world).await, (5, 4));
    // The job is dropped; with inputs alone they are counted all the same.
    assert_eq!(world.place.run(&["dead", "drop", "dead"]).code, Some(0));
    assert_eq!(counted(&world).await, (4, 4));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_name_the_fields_that_are_wrong_and_inputs_are_shown_without_their_passwords() {
    let world = World::new("127.0.0.1:0").await;
    submit(&world.place, "inputs.jsonl", &inputs());
    let groups = world.get("/api/v1/dead/groups").await["groups"].clone();
    let invalid = groups.as_array().unwrap().iter().find(|group| group["reason"] == "invalid").unwrap();
    let rule_fact = json!({"code": "bytes-or-characters-at-most", "values": {"bytes_max": 40, "chars_max": 20}});
    let rule = "expected at most 40 bytes or 20 characters";
    let same = json!([{"field": "body.title", "rule": rule, "rule_fact": rule_fact, "count": 3}]);
    assert_eq!((&invalid["faults"], &invalid["looked_at"]), (&same, &json!(3)), "{invalid}");
    let one = world.get("/api/v1/dead/inputs/1").await;
    assert_eq!(one["faults"][0]["field"], "body.title", "{one}");
    assert_eq!(one["place"], "inputs.jsonl:1", "{one}");
    assert_eq!(one["content"]["body"]["title"], "x".repeat(50), "{one}");
    assert!(one["content_kind"] == "json" && !one.to_string().contains("8642"), "{one}");
    let same = lines(&world.place.run(&["dead", "show", "#1", "--json"]));
    assert_eq!(same, [one], "the program shows what HTTP shows");
    let shown = world.place.run(&["dead", "show", "#1"]).out;
    assert!(
        shown.contains("body.title  expected at most 40 bytes") && shown.contains("\"password\": \"******\""),
        "{shown}"
    );
    world.end().await;
}
