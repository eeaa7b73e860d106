//! SIGHUP to real processes: `work` and `run` read their settings again, and nothing ends by it.

use std::time::Duration;

use lapin::BasicProperties;
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::{Client, options, table};
use super::harness::process::Process;
use super::harness::rabbitmq::shared_url;
use super::harness::until_async;

/// An app at the simulator, and what else its table says.
fn app(name: &str, address: &str, secret: &str, rest: &str) -> String {
    format!(
        "[apps.{name}]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_{name}\"\n\
         app_secret = {{ {secret} }}\n{rest}\n"
    )
}

const BY_ENV: &str = "env = \"ACME_SECRET\"";

fn room(app: &str, n: usize) -> Value {
    json!({"id": format!("{app}-{n}"), "method": "feishu.vc.room.create", "app": app,
        "body": {"name": format!("{app} {n}"), "capacity": 4, "room_level_id": "omb_1"}})
}

/// Puts rooms into the ledger, beside the worker.
fn submit(place: &Place, app: &str, from: usize, count: usize) {
    let lines: Vec<String> = (from..from + count).map(|n| room(app, n).to_string() + "\n").collect();
    place.write("rooms.jsonl", &lines.concat());
    let submitted = place.run(&["submit", "rooms.jsonl"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
}

async fn until_succeeded(place: &Place, wanted: u64) {
    until_async(&format!("{wanted} rooms"), async || {
        let status = place.run(&["status", "--json"]);
        // There is no ledger yet when the command has only just begun.
        let status: Value = serde_json::from_str(&status.out).unwrap_or_default();
        status["counts"]["succeeded"] == json!(wanted)
    })
    .await;
}

#[tokio::test]
async fn a_worker_takes_good_settings_over_and_refuses_faulty_ones() {
    let place = Place::new(&[("later.secret", "swordfish\n")]);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(place.path().join("later.secret"), private).unwrap();
    let simulator = Simulator::start(&place, "calm");
    let acme = app("acme", &simulator.address, BY_ENV, "");
    place.write("paceline.toml", &acme);
    submit(&place, "acme", 0, 2);
    let mut worker = Process::start(&place, &["work"]);
    until_succeeded(&place, 2).await;

    place.write("paceline.toml", &format!("[engine]\nattempts_max = 0\nattempt_max = 1\n{acme}"));
    worker.signal("HUP");
    worker
        .says(&[
            "paceline.toml:2: engine.attempts_max: expected a whole number from 1 to 1000, got 0",
            "paceline.toml:3: engine.attempt_max: no such key; did you mean attempts_max?",
            "the old ones go on",
        ])
        .await;
    place.write(
        "paceline.toml",
        &app("acme", &simulator.address, BY_ENV, "[apps.acme.quotas]\n\"feishu.vc.rom\" = \"1/s\""),
    );
    worker.signal("HUP");
    worker.says(&["paceline.toml:7: quotas: no method \"feishu.vc.rom\" of feishu"]).await;

    let raised = app("acme", &simulator.address, BY_ENV, "quotas.\"feishu.vc.room.create\" = \"100/min\"");
    let later = app("later", &simulator.address, "file = \"later.secret\"", "");
    let rest = "[http]\nrequest_timeout_ms = 20000\n[intake]\npending_max = 9\n[engine]\nattempts_max = 8\n";
    place.write("paceline.toml", &format!("{rest}{raised}{later}"));
    worker.signal("HUP");
    worker
        .says(&[
            "feishu.vc.room.create of acme: 20/min → 100/min",
            "the app is new",
            "engine.attempts_max: 5 → 8",
            "takes effect at the next start: http.request_timeout_ms, intake.pending_max",
            "the settings were read again",
        ])
        .await;
    submit(&place, "later", 0, 3);
    until_succeeded(&place, 5).await;

    submit(&place, "acme", 2, 1);
    until_succeeded(&place, 6).await;
    place.write("paceline.toml", &format!("{rest}{raised}"));
    worker.signal("HUP");
    worker.says(&["the app is gone"]).await;
    worker.signal("HUP");
    worker.signal("TERM");
    worker.ends_with(0).await;
    assert!(!worker.log().contains("swordfish"), "{}", worker.log());
}

#[tokio::test]
async fn a_run_goes_on_with_the_raised_quota() {
    let place = Place::new(&[("rooms.csv", "name,capacity,room_level_id\na,1,omb_o\nb,1,omb_o\nc,1,omb_o\n")]);
    let simulator = Simulator::start(&place, "calm");
    let with = |quota: &str| {
        app("acme", &simulator.address, BY_ENV, &format!("quotas.\"feishu.vc.room.create\" = \"{quota}\""))
    };
    place.write("paceline.toml", &with("1/h"));
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme", "--log-level", "info"];
    let mut run = Process::start(&place, &[&["run", "rooms.csv"], &rooms[..]].concat());
    until_succeeded(&place, 1).await;
    place.write("paceline.toml", &with("20/min"));
    run.signal("HUP");
    run.says(&["feishu.vc.room.create of acme: 1/h → 20/min"]).await;
    run.ends_with(0).await;
    until_succeeded(&place, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_intake_knows_an_added_app_at_once() {
    let options = options(&shared_url());
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "calm");
    let broker = table(&shared_url(), &options);
    let acme = app("acme", &simulator.address, BY_ENV, "");
    let both = app("beta", &simulator.address, BY_ENV, "") + &acme;
    place.write("paceline.toml", &format!("{broker}{acme}"));
    let mut worker = Process::start(&place, &["work"]);
    let client = Client::connect(&shared_url()).await;
    client.send_when_there(&options.jobs_queue, "no-job").await;
    let send = async |n: usize| {
        client.send(&options.jobs_queue, room("beta", n).to_string().as_bytes(), BasicProperties::default()).await;
    };
    send(0).await;
    // The worker declares its queues one after the other.
    client.send_when_there(&options.dead_queue, "no-letter").await;
    let unknown = async || {
        let dead = client.receive(&options.dead_queue).await;
        String::from_utf8(dead.delivery.data.clone()).unwrap().contains("beta-")
    };
    // The others are the one that is no job, and the one that is no letter.
    assert!([unknown().await, unknown().await, unknown().await].contains(&true), "nobody knows the app yet");

    place.write("paceline.toml", &format!("{broker}{both}"));
    worker.signal("HUP");
    worker.says(&["the settings were read again"]).await;
    send(1).await;
    let result = client.receive(&options.results_queue).await;
    let result: Value = serde_json::from_slice(&result.delivery.data).unwrap();
    assert_eq!((&result["id"], &result["status"]), (&json!("beta-1"), &json!("succeeded")));
    worker.signal("TERM");
    worker.ends_with(0).await;
    tokio::time::timeout(Duration::from_secs(240), client.clean_up(&options)).await.unwrap();
}
