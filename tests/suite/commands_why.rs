//! `paceline why` and `status --watch`: what they say about jobs in a real ledger, beside a worker and without one.

use paceline::clock::Clock;
use paceline::domain::job::LaneKey;
use paceline::domain::messages::Cure;
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::engine::ports::{AttemptEnd, AttemptStart, JobSeq, Ledger, Purpose, Settlement};
use paceline::store::{Mode, SqlStore};
use serde_json::{Value, json};

use super::commands::Place;
use super::harness::until;

/// A call of a job that is answered at once; what becomes of the job.
async fn call(ledger: &SqlStore, clock: &Clock, seq: JobSeq, outcome: &'static str, settlement: Settlement) {
    let method = "feishu.vc.room.create".to_owned();
    let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method };
    let now = clock.now();
    let start = AttemptStart {
        purpose: Purpose::Job(seq),
        lane: lane.into(),
        sent_at: now,
        deadline_at: now + std::time::Duration::from_secs(30),
    };
    let domain = ledger.acquire_all().await.unwrap();
    let (attempt, job) = domain.begin_attempt(start).await.unwrap();
    assert!(job.is_some());
    let failure = if let Settlement::Dead { failure, .. } | Settlement::Uncertain { failure, .. } = &settlement {
        Some(failure.clone())
    } else {
        None
    };
    let settlement = Some((seq, settlement));
    domain
        .end_attempt(AttemptEnd { attempt, ended_at: now, outcome, replied: true, failure, settlement }.into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_watched_status_comes_again_until_it_is_interrupted() {
    let place = Place::with_apps(&[("rooms.csv", "id,name,capacity,room_level_id\na,7F-1,4,omb_1\n")]);
    let submit = ["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    assert_eq!(place.run(&submit).code, Some(0));
    let file = place.path().join("watched.txt");
    let out = std::fs::File::create(&file).unwrap();
    let mut child = place.command(&["status", "--watch", "--interval", "0.1"]).stdout(out).spawn().unwrap();
    let seen = || std::fs::read_to_string(&file).unwrap();
    until("three looks", || seen().matches("1 jobs: 0 succeeded, 1 queued").count() >= 3).await;
    let kill = format!("kill -INT {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!seen().contains('\u{1b}'), "no terminal, no escapes");
    let too_often = place.run(&["status", "--watch", "--interval", "0"]);
    assert_eq!(too_often.code, Some(2), "{}", too_often.transcript());
}

/// Of a suspended job that waits behind nine others.
fn speaks_both_languages(place: &Place, ahead: &Value) {
    let chinese = place.run(&["why", "r29", "--lang", "zh"]).out;
    assert!(chinese.contains("由人暂停，直到执行 `paceline resume`：maintenance"), "{chinese}");
    assert!(chinese.contains("处理建议：") && chinese.contains("同批次中更早或期限更近的 9 个"), "{chinese}");
    let which = json!({"code": "of-own-batch", "values": {"count": 9}});
    assert_eq!(ahead["text_fact"], json!({"code": "go-first", "values": {"count": 9, "which": which}}), "{ahead}");
}

#[tokio::test]
async fn every_job_has_its_reason() {
    let rows: Vec<String> = (0..30).map(|n| format!("r{n:02},7F-{n},4,omb_1\n")).collect();
    let place = Place::with_apps(&[(
        "rooms.csv",
        &format!("id,name,capacity,room_level_id\n{}bad,7F-x,ten,omb_1\n", rows.concat()),
    )]);
    let submit = ["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme", "--skip-invalid"];
    assert_eq!(place.run(&submit).code, Some(1));
    insta::assert_snapshot!("why_without_worker", place.run(&["why", "r00"]).transcript());
    insta::assert_snapshot!("why_unknown", place.run(&["why", "x"]).transcript());
    insta::assert_snapshot!("why_never_a_job", place.run(&["why", "bad"]).transcript());

    let clock = Clock::system();
    let ledger = SqlStore::open(&place.path().join("paceline.db"), Mode::Worker, clock.now()).unwrap();
    let waiting = ledger.acquire_all().await.unwrap().waiting(None, JobSeq(0), 100).await.unwrap();
    assert_eq!(waiting.len(), 30);
    for (n, job) in waiting.iter().take(18).enumerate() {
        let key = Some(format!("omm_{n}"));
        call(
            &ledger,
            &clock,
            job.seq,
            "succeeded",
            Settlement::Succeeded { key, result: json!({}), sole: true, warnings: Vec::new() },
        )
        .await;
    }
    let failure = Failure {
        status: Some(404),
        code: Some(125_001),
        detail: "cannot create/update room at this level".into(),
        cure: Some(Cure::Older { text: "use a level that allows rooms".into() }),
        log_id: Some("0217".to_owned()),
        candidates: Vec::new(),
    };
    let dead = Settlement::Dead { reason: Reason::Rejected, failure };
    call(&ledger, &clock, waiting[18].seq, "permanent", dead).await;
    let lost = Failure { detail: "no whole reply".into(), ..Failure::default() };
    let later = clock.now() + std::time::Duration::from_secs(3_000);
    let uncertain = Settlement::Uncertain { not_before: later, charged: true, failure: lost };
    call(&ledger, &clock, waiting[19].seq, "uncertain", uncertain).await;

    let done = place.run(&["why", "r00"]);
    assert!(done.out.contains("succeeded at ") && done.out.contains("with 1 attempt: omm_0"), "{}", done.out);
    let dead = place.run(&["why", "r18"]);
    assert!(
        dead.out.contains("rejected: 125001 cannot create/update room at this level (log id 0217)"),
        "{}",
        dead.out
    );
    assert!(dead.out.contains("fix: use a level that allows rooms"), "{}", dead.out);
    let uncertain = place.run(&["why", "r19"]);
    assert!(uncertain.out.contains("looked up with feishu.vc.room.list at "), "{}", uncertain.out);

    let waits: Value = serde_json::from_str(&place.run(&["why", "r29", "--json"]).out).unwrap();
    let facts: Vec<&str> =
        waits["why"]["facts"].as_array().unwrap().iter().map(|fact| fact["kind"].as_str().unwrap()).collect();
    assert_eq!(facts, ["quota", "ahead", "expected"], "{waits}");
    let text = waits["why"]["text"].as_str().unwrap();
    assert!(text.contains("20 of 20/min permits of feishu.vc.room.create (app-tenant cli_a1) are taken"), "{text}");
    assert!(text.contains("9 jobs go first: 9 of its batch"), "{text}");

    assert_eq!(place.run(&["suspend", "acme", "--reason", "maintenance"]).code, Some(0));
    let suspended = place.run(&["why", "r29"]);
    assert!(
        suspended.out.contains("acme has been suspended by a person since ") && suspended.out.contains("maintenance")
    );
    speaks_both_languages(&place, &waits["why"]["facts"][1]);
    place.write("paceline.toml", "[apps.other]\nplatform = \"feishu\"\napp_id = \"x\"\napp_secret = { env = \"S\" }\n");
    let gone = place.run(&["why", "r29"]);
    assert!(gone.out.contains("the settings have no app \"acme\" any more"), "{}", gone.transcript());
    ledger.close().await;
}
