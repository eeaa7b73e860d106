//! Chains as people and other programs see them: over AMQP in any order, in files with faults, cancelled, redriven,
//! dropped and undone.

use lapin::BasicProperties;
use lapin::types::AMQPValue;
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::declared;
use super::harness::place::json;

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];
const ROOM: &str = "feishu.vc.room.create";

fn app(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_acme\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n"
    )
}

fn calendar(id: &str) -> Value {
    json!({"id": id, "method": "feishu.calendar.create", "app": "acme", "batch": "term", "body": {"summary": id}})
}

fn patch(id: &str, calendar: &str, after: &[String]) -> Value {
    json!({"id": id, "method": "feishu.calendar.patch", "app": "acme", "batch": "term", "after": after,
        "path": {"calendar_id": {"$from": calendar}}, "body": {"description": id}})
}

fn event(id: &str, calendar: &Value, after: &[String]) -> Value {
    json!({"id": id, "method": "feishu.calendar.event.create", "app": "acme", "batch": "term", "after": after,
        "path": {"calendar_id": calendar}, "body": {"summary": id, "start_time": {"timestamp": "1929229200"},
        "end_time": {"timestamp": "1929234600"}}})
}

fn room(id: &str, level: &str, after: &[&str]) -> Value {
    json!({"id": id, "method": ROOM, "app": "acme", "batch": "term", "after": after,
        "body": {"name": id, "capacity": 4, "room_level_id": level}})
}

fn lines(jobs: &[Value]) -> String {
    jobs.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

fn shown(place: &Place, id: &str) -> Value {
    json(&place.run(&["jobs", "show", id, "--json"]))
}

/// The status of each, and the reason of a dead one.
fn ends(place: &Place, ids: &[&str]) -> Vec<String> {
    let end = |id: &&str| {
        let document = shown(place, id);
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        if text("status") == "dead" { format!("dead {}", text("reason")) } else { text("status") }
    };
    ids.iter().map(end).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_amqp_the_jobs_of_chains_come_in_any_order() {
    let place = Place::new(&[("codes.toml", "title = 'codes'\n[codes]\n'omb_2' = 125001\n")]);
    let simulator = Simulator::start(&place, "codes.toml");
    let (queues, client) = declared(&place, &app(&simulator.address), &SECRETS).await;
    let mut jobs = vec![room("good", "omb_1", &["bad"]), room("bad", "omb_2", &[])];
    for n in 0..6 {
        let [first, second, third, last] = ["c", "p", "e", "f"].map(|kind| format!("{kind}-{n}"));
        let taken = json!({"$from": first});
        jobs.extend([
            calendar(&first),
            patch(&second, &first, &[]),
            event(&third, &taken, std::slice::from_ref(&second)),
            event(&last, &taken, &[third.clone(), second.clone()]),
        ]);
    }
    let seed = fastrand::u64(..);
    fastrand::Rng::with_seed(seed).shuffle(&mut jobs);
    for job in &jobs {
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
    let worked = place.run_with(&["work", "--until-idle"], &SECRETS);
    assert_eq!(worked.code, Some(1), "seed {seed}: {}", worked.transcript());
    let mut order = Vec::new();
    while let Some(message) = client.get(&queues.results_queue).await {
        let document: Value = serde_json::from_slice(&message.data).unwrap();
        assert_eq!(document["status"], "succeeded", "seed {seed}: {document}");
        order.push(document["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(order.len(), 24, "seed {seed}: {order:?}");
    let place_of = |id: &str| order.iter().position(|other| other == id);
    for n in 0..6 {
        let places = ["c", "p", "e", "f"].map(|kind| place_of(&format!("{kind}-{n}")).unwrap());
        assert!(places.is_sorted(), "seed {seed}: chain {n} ended in the order {places:?} of {order:?}");
    }
    let mut dead = Vec::new();
    while let Some(message) = client.get(&queues.dead_queue).await {
        let reason = message.properties.headers().as_ref().unwrap().inner()["x-paceline-reason"].clone();
        let AMQPValue::LongString(reason) = reason else { panic!("{reason:?}") };
        let body: Value = serde_json::from_slice(&message.data).unwrap();
        assert!(jobs.contains(&body), "as it was published: {body}");
        dead.push((body["id"].as_str().unwrap().to_owned(), reason.to_string()));
    }
    dead.sort();
    let expected = [("bad", "rejected"), ("good", "prerequisite")].map(|(id, why)| (id.to_owned(), why.to_owned()));
    assert_eq!(dead, expected, "seed {seed}");
    client.clean_up(&queues).await;
}

#[test]
fn rows_that_wait_for_what_never_comes_are_left_out_with_those_behind_them() {
    let rows = [
        room("a", "omb_1", &["nowhere"]),
        room("b", "omb_1", &["a"]),
        room("c", "omb_1", &["broken"]),
        json!({"id": "broken", "method": ROOM, "app": "acme", "batch": "term", "body": {"name": 7}}),
        room("d", "omb_1", &["e"]),
        room("e", "omb_1", &["d"]),
        room("f", "omb_1", &["d"]),
        room("good", "omb_1", &[]),
        room("behind", "omb_1", &["good"]),
    ];
    let place = Place::with_apps(&[("rows.jsonl", &lines(&rows))]);
    let whole = place.run(&["submit", "rows.jsonl"]);
    assert_eq!(whole.code, Some(2), "{}", whole.transcript());
    let skipping = place.run(&["submit", "rows.jsonl", "--skip-invalid", "--json"]);
    assert_eq!(skipping.code, Some(1), "{}", skipping.transcript());
    let taken = json(&skipping);
    assert_eq!([&taken["queued"], &taken["blocked"], &taken["rejected"]], [1, 1, 7], "{taken}");
    assert_eq!(ends(&place, &["good", "behind"]), ["queued", "blocked"]);
    let dead = place.run(&["dead", "list", "--json"]);
    let dead: Vec<Value> = dead.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = dead.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c", "broken", "d", "e", "f"], "{dead:?}");
    assert!(dead.iter().all(|line| line["reason"] == "invalid"), "{dead:?}");
    assert!(dead[1]["detail"].as_str().unwrap().contains("of the ledger, got a"), "{}", dead[1]);
    let run = place.run(&["run", "rows.jsonl", "--skip-invalid", "--simulate", "--speed", "60", "--json"]);
    assert_eq!(run.code, Some(1), "it waits for nobody: {}", run.transcript());
    assert_eq!([&json(&run)["succeeded"], &json(&run)["blocked"]], [2, 0]);
}

#[test]
fn people_change_a_chain_with_what_depends_on_it() {
    let rows =
        [room("a", "omb_1", &[]), room("b", "omb_1", &["a"]), room("c", "omb_1", &["b"]), room("d", "omb_1", &[])];
    let place = Place::with_apps(&[("rows.jsonl", &lines(&rows))]);
    let all = ["a", "b", "c", "d"];
    assert_eq!(place.run(&["submit", "rows.jsonl"]).code, Some(0));
    assert_eq!(ends(&place, &all), ["queued", "blocked", "blocked", "queued"]);

    let cancelled = place.run(&["jobs", "cancel", "a", "--yes", "--json"]);
    assert_eq!(json(&cancelled)["cancelled"], 1, "{}", cancelled.transcript());
    assert_eq!(ends(&place, &all), ["cancelled", "dead prerequisite", "dead prerequisite", "queued"]);
    // Put to work again, b waits for a, and c for b.
    let redriven = place.run(&["dead", "redrive", "b", "--with-dependents", "--json"]);
    assert_eq!(redriven.code, Some(0), "{}", redriven.transcript());
    assert_eq!(ends(&place, &all), ["cancelled", "blocked", "blocked", "queued"]);
    assert_eq!(place.run(&["submit", "rows.jsonl"]).code, Some(0));
    assert_eq!(ends(&place, &all), ["queued", "blocked", "blocked", "queued"]);

    let listed = place.run(&["jobs", "list", "--state", "blocked", "--batch", "term", "--json"]);
    assert_eq!(listed.out.lines().count(), 2, "{}", listed.transcript());
    let blocked = place.run(&["jobs", "cancel", "--state", "blocked", "--batch", "term", "--yes", "--json"]);
    assert_eq!(json(&blocked)["cancelled"], 2, "{}", blocked.transcript());
    assert_eq!(place.run(&["submit", "rows.jsonl"]).code, Some(0));
    assert_eq!(ends(&place, &all), ["queued", "blocked", "blocked", "queued"]);

    let with = place.run(&["jobs", "cancel", "a", "--with-dependents", "--yes", "--json"]);
    assert_eq!(json(&with)["cancelled"], 3, "{}", with.transcript());
    assert_eq!(ends(&place, &all), ["cancelled", "cancelled", "cancelled", "queued"]);
    assert_eq!(place.run(&["submit", "rows.jsonl"]).code, Some(0));
    assert_eq!(place.run(&["jobs", "cancel", "a", "--yes"]).code, Some(0));
    let dropped = place.run(&["dead", "drop", "b", "--with-dependents", "--json"]);
    assert_eq!(dropped.code, Some(0), "{}", dropped.transcript());
    assert_eq!(place.run(&["dead", "list", "--json"]).out, "", "{}", dropped.transcript());
    assert_eq!(place.run(&["jobs", "show", "c"]).code, Some(2), "it is forgotten");
    assert_eq!(ends(&place, &["a", "d"]), ["cancelled", "queued"]);
}

#[tokio::test]
async fn an_undo_goes_past_a_job_that_made_nothing_to_delete() {
    let rows = [
        calendar("cal"),
        patch("mark", "cal", &[]),
        event("lecture", &json!("feishu.cn_x@group.calendar.feishu.cn"), &["mark".to_owned()]),
    ];
    let place = Place::new(&[("rows.jsonl", &lines(&rows)), ("calm.toml", "title = 'calm'\n")]);
    let simulator = Simulator::start(&place, "calm.toml");
    place.write("paceline.toml", &app(&simulator.address));
    let ran = place.run_with(&["run", "rows.jsonl"], &SECRETS);
    assert_eq!(ran.code, Some(0), "{}", ran.transcript());
    let undone = place.run_with(&["undo", "--batch", "term", "--yes", "--json"], &SECRETS);
    assert_eq!(undone.code, Some(1), "the change of the calendar stays: {}", undone.transcript());
    assert_eq!(json(&undone)["deleted"], 2, "{}", undone.out);
    assert_eq!(shown(&place, "undo:cal")["after"], json!(["undo:lecture"]), "the calendar goes last");
}

#[test]
fn a_run_names_the_held_jobs_that_others_wait_behind() {
    let scenario = "title = 'lost'\n[[faults]]\nmethod = 'wecom.oa.calendar.add'\nkind = 'cut-after'\nfirst = 1\n";
    let job = |id: &str, method: &str, after: &[&str], body: Value| json!({"id": id, "method": method, "app": "campus", "batch": "term", "after": after, "body": body});
    let schedule = |id: &str, after: &[&str]| {
        let body = json!({"schedule": {"cal_id": {"$from": "cal"}, "summary": id, "start_time": 1_930_000_000,
            "end_time": 1_930_003_600}});
        job(id, "wecom.oa.schedule.add", after, body)
    };
    let calendar = json!({"calendar": {"summary": "term", "color": "#FF3030"}});
    let rows =
        [job("cal", "wecom.oa.calendar.add", &[], calendar), schedule("first", &[]), schedule("second", &["first"])];
    let place = Place::new(&[("lost.toml", scenario), ("rows.jsonl", &lines(&rows))]);
    let simulator = Simulator::start(&place, "lost.toml");
    let campus = format!(
        "[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{}\"\ncorp_id = \"ww1\"\n\
         corp_secret = {{ env = \"ACME_SECRET\" }}\n",
        simulator.address
    );
    place.write("paceline.toml", &campus);
    let run = place.run_with(&["run", "rows.jsonl"], &SECRETS);
    assert_eq!(run.code, Some(1), "{}", run.transcript());
    assert!(run.err.contains("they wait behind 1 job that needs review: cal\n"), "{}", run.err);
    assert!(run.err.contains("`paceline resolve ID`") && run.err.contains("the same command goes on"), "{}", run.err);
    let again = json(&place.run_with(&["run", "rows.jsonl", "--json"], &SECRETS));
    assert_eq!((&again["behind_held"], &again["blocked"]), (&json!(["cal"]), &json!(2)), "{again}");
    let resolve = place.run(&["resolve", "cal", "--succeeded", "wc_1"]);
    assert_eq!(resolve.code, Some(0), "{}", resolve.transcript());
    let rest = place.run_with(&["run", "rows.jsonl"], &SECRETS);
    assert_eq!(rest.code, Some(0), "{}", rest.transcript());
    assert_eq!(ends(&place, &["first", "second"]), ["succeeded", "succeeded"]);
}
