//! `paceline status` beside a worker says how it stands with its broker.

use serde_json::{Value, json};

use super::commands::Place;
use super::harness::bench::{Client, options, table};
use super::harness::process::Process;
use super::harness::rabbitmq::shared_url;
use super::harness::until_async;

const APP: &str = "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"http://127.0.0.1:9\"\napp_id = \"cli_acme\"\n\
    app_secret = { env = \"ACME_SECRET\" }\n";

/// Waits until a worker works the ledger and says so of its broker.
async fn until_broker(place: &Place, what: &str, mut is_so: impl FnMut(&Value) -> bool) {
    until_async(what, async || {
        // There is no ledger yet when the worker has only just begun.
        let status: Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap_or_default();
        status["worker"].is_string() && is_so(&status["broker"])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_how_the_worker_stands_with_its_broker() {
    let queues = options(&shared_url());
    let place = Place::new(&[("paceline.toml", &format!("[broker]\nurl = \"amqp://127.0.0.1:9\"\n{APP}"))]);
    let mut worker = Process::start(&place, &["work"]);
    until_broker(&place, "that it is refused", |broker| {
        broker["ready"] == json!(false) && broker["jobs_in"].as_str().is_some_and(|words| words.contains("127.0.0.1:9"))
    })
    .await;
    let text = place.run(&["status"]).out;
    assert!(text.contains("\nbroker: not ready since ") && text.contains("down since"), "{text}");
    worker.signal("TERM");
    worker.ends_with(0).await;
    let text = place.run(&["status"]).out;
    assert!(!text.contains("broker:"), "nobody works it: {text}");

    let with_broker = table(&shared_url(), &queues) + APP;
    place.write("paceline.toml", &with_broker);
    let mut worker = Process::start(&place, &["work"]);
    until_broker(&place, "that it is ready", |broker| broker["ready"] == json!(true)).await;
    let text = place.run(&["status"]).out;
    assert!(text.contains("jobs in: consuming (connected); results out: publishing (connected)"), "{text}");
    worker.signal("TERM");
    worker.ends_with(0).await;

    place.write("paceline.toml", APP);
    let mut worker = Process::start(&place, &["work"]);
    until_broker(&place, "that there is none any more", Value::is_null).await;
    worker.says(&["working"]).await;
    worker.signal("TERM");
    worker.ends_with(0).await;
    Client::connect(&shared_url()).await.clean_up(&queues).await;
}
