//! Over a broker, too: the worker looks names up, changed rows are updates, and other content under an id is a conflict.

use lapin::BasicProperties;
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::declared;
use super::headings::jobs;

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];

fn app(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n\
         \"feishu.vc.room.patch\" = \"50/s\"\n\
         \"feishu.vc.room_level.create\" = \"50/s\"\n"
    )
}

fn room(id: &str, capacity: u32, level: &Value) -> Value {
    json!({"id": id, "method": "feishu.vc.room.create", "app": "acme", "batch": "rooms",
        "body": {"name": id, "capacity": capacity, "room_level_id": level}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_updates_go_over_a_broker() {
    let place = Place::new(&[("world.toml", "title = 'w'\n[quotas]\n'feishu.vc.*' = '50/s'\n")]);
    let simulator = Simulator::start(&place, "world.toml");
    let (queues, client) = declared(&place, &app(&simulator.address), &SECRETS).await;
    let level = json!({"id": "hq", "method": "feishu.vc.room_level.create", "app": "acme",
        "body": {"name": "总部", "parent_id": "omb_root"}});
    let send = async |job: &Value| {
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    };
    let work = || place.run_with(&["work", "--until-idle"], &SECRETS);
    send(&level).await;
    assert_eq!(work().code, Some(0));
    send(&room("r1", 4, &json!({"$find": "总部"}))).await;
    send(&room("r2", 4, &json!({"$find": "总部"}))).await;
    send(&room("r3", 4, &json!({"$find": "没有"}))).await;
    let worked = work();
    assert_eq!(worked.code, Some(1), "{}", worked.transcript());
    let mut ended = Vec::new();
    for queue in [&queues.results_queue, &queues.dead_queue] {
        while let Some(message) = client.get(queue).await {
            let document: Value = serde_json::from_slice(&message.data).unwrap();
            ended.push((document["id"].as_str().unwrap().to_owned(), document["status"].clone()));
        }
    }
    ended.sort_by(|left, right| left.0.cmp(&right.0));
    let ids: Vec<_> = ended.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["hq", "r1", "r2", "r3"], "{ended:?}");

    // A row that changed is an update, with its changed field alone; published as it is, it is a conflict.
    let row = |capacity: u32| format!("id,name,capacity,room_level_id\nr1,r1,{capacity},总部\n");
    let submit = |more: &[&str]| {
        let arguments = ["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
        place.run_with(&[&arguments[..], more].concat(), &SECRETS)
    };
    place.write("rooms.csv", &row(9));
    let stopped = submit(&[]);
    assert_eq!(stopped.code, Some(2), "{}", stopped.transcript());
    assert!(stopped.err.contains("body.capacity: 4 → 9"), "{}", stopped.transcript());
    let updated = submit(&["--update"]);
    assert!(updated.err.contains("1 published"), "{}", updated.transcript());
    send(&room("r2", 11, &json!({"$find": "总部"}))).await;
    work();
    let listed = place.run(&["jobs", "list", "--batch", "update:rooms", "--json"]);
    let update: Value = serde_json::from_str(listed.out.lines().next().unwrap()).unwrap();
    assert_eq!(update["status"], "succeeded", "{}", listed.transcript());
    assert_eq!(jobs(&place, "update:rooms"), [json!({"capacity": 9})]);
    let conflicts = place.run(&["dead", "list", "--reason", "id-conflict", "--json"]);
    assert!(conflicts.out.contains("\"r2\""), "{}", conflicts.transcript());
    assert_eq!(submit(&[]).code, Some(0), "what the platform has by now");
    client.clean_up(&queues).await;
}
