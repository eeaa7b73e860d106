//! A backlog that cannot run shuts nobody out.

use lapin::BasicProperties;
use paceline::amqp::IntakeState;
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::{Bench, Client, declared, options};
use super::harness::process::Process;
use super::harness::rabbitmq::shared_url;
use super::harness::{until, until_async};

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];

/// Publishes so many jobs of an app.
async fn send(client: &Client, queue: &str, app: &str, count: usize) {
    for number in 0..count {
        let job = json!({"id": format!("{app}-{number}"), "app": app});
        client.send(queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_cannot_run_shut_others_out_only_when_memory_is_at_stake() {
    let mut options = options(&shared_url());
    options.pending_max = 10;
    let bench = Bench::start(options);
    bench.until_up().await;
    bench.lanes.stopped.lock().unwrap().push("acme".to_owned());
    let client = Client::connect(&shared_url()).await;
    let jobs = bench.options.jobs_queue.clone();
    send(&client, &jobs, "acme", 40).await;
    send(&client, &jobs, "campus", 1).await;
    until("all are taken over", || bench.ledger.jobs() == 41).await;
    assert_eq!(*bench.intake.borrow(), IntakeState::IntakeConsuming);

    send(&client, &jobs, "other", 12).await;
    until("those that can run are too many", || matches!(*bench.intake.borrow(), IntakeState::IntakePaused { .. }))
        .await;
    let paused = bench.intake.borrow().to_string();
    assert!(paused.contains("jobs are waiting for their turn") && paused.contains("of app acme"), "{paused}");
    bench.lanes.take_out(|job| job.lane.app != "acme");
    until("it goes on", || *bench.intake.borrow() == IntakeState::IntakeConsuming).await;
    until("all are taken over", || bench.ledger.jobs() == 53).await;

    bench.lanes.take_out(|job| job.lane.app != "acme");
    let more = (0..70).map(|number| format!("more-{number}"));
    client.send_jobs(&jobs, more).await;
    until("all of them together are too many", || matches!(*bench.intake.borrow(), IntakeState::IntakePaused { .. }))
        .await;
    let paused = bench.intake.borrow().to_string();
    assert!(
        paused.contains("jobs are unfinished, most of which cannot run now, ") && paused.contains("of app acme"),
        "{paused}"
    );
    assert!((100..103).contains(&bench.lanes.len()), "{}", bench.lanes.len());
    bench.lanes.drain();
    until("the rest comes", || bench.ledger.jobs() == 123).await;
    let (options, _) = bench.stop().await;
    client.clean_up(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_app_and_jobs_for_later_leave_the_way_free() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "zero");
    let apps = format!(
        "[intake]\npending_max = 20\n[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{0}\"\napp_id = \"cli_acme\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{0}\"\n\
         corp_id = \"ww1\"\ncorp_secret = {{ env = \"ACME_SECRET\" }}\n",
        simulator.address
    );
    let (queues, client) = declared(&place, &apps, &SECRETS).await;
    let suspended = place.run(&["suspend", "acme"]);
    assert_eq!(suspended.code, Some(0), "{}", suspended.transcript());
    let mut worker = Process::start(&place, &["work"]);
    let calendar =
        |id: String| json!({"id": id, "method": "feishu.calendar.create", "app": "acme", "body": {"summary": id}});
    let meeting = |id: String| {
        json!({"id": id, "method": "wecom.meeting.create", "app": "campus", "body": {"admin_userid": "zhang", "title": id,
            "meeting_start": 1_930_000_000, "meeting_duration": 3_600}})
    };
    let mut jobs: Vec<Value> = (0..40).map(|number| calendar(format!("s-{number}"))).collect();
    jobs.extend((0..40).map(|number| {
        let mut later = meeting(format!("later-{number}"));
        later["not_before"] = "2030-01-01T00:00:00Z".into();
        later
    }));
    jobs.push(meeting("now".to_owned()));
    for job in &jobs {
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
    let result: Value = serde_json::from_slice(&client.receive(&queues.results_queue).await.data).unwrap();
    assert_eq!((&result["id"], &result["status"]), (&json!("now"), &json!("succeeded")));
    let status: Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
    assert_eq!(status["intake"], json!({"unfinished": 80, "pending_max": 20, "full": false}));
    for number in 0..160 {
        let job = calendar(format!("t-{number}"));
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
    worker.says(&["WARN", "intake paused", "of them of app acme", "intake.pending_max is 20"]).await;
    until_async("status says so", async || {
        let status: Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
        status["intake"]["full"] == json!(true) && status["broker"]["jobs_in"].as_str().unwrap().contains("of app acme")
    })
    .await;
    let why = place.run(&["why", "t-159"]).err;
    assert!(why.contains("intake is paused") && why.contains("of app acme"), "{why}");
    worker.signal("TERM");
    worker.ends_with(0).await;
    client.clean_up(&queues).await;
}
