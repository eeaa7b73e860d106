//! A success that is not whole: from the platform's reply to whoever reads of it.

use std::fmt::Write as _;

use lapin::BasicProperties;
use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::harness::bench::declared;

const SECRETS: [(&str, &str); 1] = [("CAMPUS_SECRET", "swordfish")];
const REHEARSED: [(&str, &str); 1] = [("PACELINE_STORE__URL", "sqlite://paceline.simulated.db")];

/// Ten lectures, so that the scenario leaves something out of two.
fn lectures() -> String {
    let mut csv = "id,admin_userid,title,meeting_start,meeting_duration,invitees.userid\n".to_owned();
    for n in 0..10 {
        writeln!(csv, "m-{n},t2001,Lecture {n},2031-03-{:02}T10:00:00+08:00,3600,zhangsan;lisi", n + 1).unwrap();
    }
    csv
}

/// Without what differs from run to run: how long it took, and ids of the platform.
fn steady(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("in ") && !line.contains("planned "));
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn a_rehearsal_says_what_was_left_out() {
    let place = Place::with_apps(&[("lectures.csv", &lectures())]);
    let run = ["run", "lectures.csv", "--method", "wecom.meeting.create", "--app", "campus", "--simulate"];
    let run = [&run[..], &["--scenario", "warnings", "--speed", "600"]].concat();
    let done = place.run(&run);
    assert_eq!(done.code, Some(0), "a success stays one: {}", done.transcript());
    insta::assert_snapshot!("rehearsal_with_warnings", steady(&done.out));
    assert!(done.err.contains("lets the other commands look at the rehearsal"), "{}", done.err);
    let counts: Value = serde_json::from_str(&place.run(&[&run[..], &["--json"]].concat()).out).unwrap();
    assert_eq!((&counts["succeeded"], &counts["warnings"], &counts["dead"]), (&json!(10), &json!(2), &json!(0)));

    let look = |arguments: &[&str]| place.run_with(arguments, &REHEARSED);
    let listed = look(&["jobs", "list", "--warnings", "--json"]);
    let jobs: Vec<Value> = listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = json!([{"field": "excess_users", "message": "invited without a valid meeting account", "message_zh": "参会人没有有效的会议账号",
        "values": ["zhangsan", "lisi"]}]);
    assert_eq!(jobs.len(), 2, "{}", listed.transcript());
    assert!(jobs.iter().all(|job| job["warnings"] == expected && job["status"] == "succeeded"), "{}", listed.out);
    let id = jobs[0]["id"].as_str().unwrap();
    assert!(look(&["jobs", "list", "--warnings"]).out.contains("invited without a valid meeting account"));
    let shown = look(&["jobs", "show", id]).out;
    let line = "\n  warning     excess_users: invited without a valid meeting account: zhangsan, lisi\n";
    assert!(shown.contains(line), "{shown}");
    let why = look(&["why", id]).out;
    assert!(why.contains("reported excess_users: invited without a valid meeting account: zhangsan, lisi"), "{why}");
    let status = look(&["status"]);
    assert!(status.out.starts_with("10 jobs: 10 succeeded (2 with warnings), 0 queued"), "{}", status.transcript());
    assert!(status.out.contains(" 10 (2 with warnings) "), "the batch: {}", status.out);
    assert!(status.err.contains("paceline jobs list --warnings"), "{}", status.err);
    let status: Value = serde_json::from_str(&look(&["status", "--json"]).out).unwrap();
    assert_eq!((&status["counts"]["warnings"], &status["batches"][0]["warnings"]), (&json!(2), &json!(2)));

    let csv = look(&["export", "--batch", "lectures"]).out;
    let in_words =
        csv.lines().filter(|row| row.ends_with(",\"invited without a valid meeting account: zhangsan, lisi\""));
    assert_eq!(in_words.count(), 2, "{csv}");
    let jsonl = look(&["export", "--batch", "lectures", "--format", "jsonl"]).out;
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().filter(|row| row["warnings"] == expected).count(), 2, "{jsonl}");
    assert_eq!(rows.iter().filter(|row| row.get("warnings").is_none()).count(), 8, "{jsonl}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_over_the_broker_says_what_was_left_out() {
    let place = Place::new(&[]);
    let simulator = Simulator::start(&place, "warnings");
    let app = format!(
        "[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{}\"\ncorp_id = \"ww1\"\n\
         corp_secret = {{ env = \"CAMPUS_SECRET\" }}\n",
        simulator.address
    );
    let (queues, client) = declared(&place, &app, &SECRETS).await;
    let (events, exchange) = (format!("{}.events", queues.jobs_queue), queues.results_exchange.as_str());
    client.declare(&events, FieldTable::default()).await;
    let channel = &client.channel;
    let bound = channel.queue_bind(
        events.as_str().into(),
        exchange.into(),
        "batch.#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    for n in 0..5 {
        let job = json!({"id": format!("m-{n}"), "method": "wecom.meeting.create", "app": "campus", "batch": "term",
            "body": {"admin_userid": "zhang", "title": format!("Lecture {n}"), "meeting_start": 1_930_000_000 + n,
                "meeting_duration": 3_600}});
        client.send(&queues.jobs_queue, job.to_string().as_bytes(), BasicProperties::default()).await;
    }
    let worked = place.run_with(&["work", "--until-idle"], &SECRETS);
    assert_eq!(worked.code, Some(0), "{}", worked.transcript());

    let mut warned = Vec::new();
    for _ in 0..5 {
        let result: Value = serde_json::from_slice(&client.receive(&queues.results_queue).await.data).unwrap();
        assert_eq!(result["status"], "succeeded", "{result}");
        warned.extend(result.get("warnings").cloned());
    }
    let expected = json!([{"field": "excess_users", "message": "invited without a valid meeting account", "message_zh": "参会人没有有效的会议账号",
        "values": ["zhangsan", "lisi"]}]);
    assert_eq!(warned, [expected]);
    let event: Value = serde_json::from_slice(&client.receive(&events).await.data).unwrap();
    assert_eq!((&event["batch"], &event["succeeded"], &event["warnings"]), (&json!("term"), &json!(5), &json!(1)));
    client.delete(&events).await;
    client.clean_up(&queues).await;
}
