//! What no document says is found out on a test tenant, and the settings that are printed take effect.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use paceline::domain::catalog::built_in;
use paceline::domain::job::LaneKey;
use paceline::domain::outcome::{Answer, Outcome as Classified, Reply, classify};
use paceline::engine::planner::Planner;
use paceline::{settings, wiring};
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::harness::until;

const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];
const ROOM: &str = "feishu.vc.room.create";
const DELETE_ROOM: &str = "feishu.vc.room.delete";
const GIVEN: [&str; 4] = ["--given", "user=ou_1", "--given", "level=omb_1"];

/// A platform whose habits differ from method to method and from one number to the next.
fn scenario(room_ms: u64, calendar_ms: u64, room_gone: i64, level_gone: i64) -> String {
    format!(
        "title = 'Habits that no document tells'\n[undocumented]\nheaders = true\n\
         [undocumented.delays_ms]\n'{ROOM}' = {room_ms}\n'feishu.calendar.create' = {calendar_ms}\n\
         [undocumented.gone]\n'{DELETE_ROOM}' = {room_gone}\n'feishu.vc.room_level.del' = {level_gone}\n\
         'feishu.vc.room.get' = 121004\n\
         [undocumented.repeats]\n'feishu.vc.room_level.create' = '121003'\n'feishu.calendar.create' = 'same'\n"
    )
}

fn apps(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_test\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{address}\"\n\
         corp_id = \"ww_test\"\ncorp_secret = {{ env = \"CAMPUS_SECRET\" }}\n"
    )
}

/// A folder with the settings of a simulator of this scenario.
fn place(scenario: &str) -> (Place, Simulator) {
    let place = Place::new(&[("habits.toml", scenario)]);
    let simulator = Simulator::start(&place, "habits.toml");
    place.write("paceline.toml", &apps(&simulator.address));
    (place, simulator)
}

fn calibrate(place: &Place, more: &[&str]) -> Outcome {
    let test = ["calibrate", "acme", "--yes", "--test-tenant", "cli_test"];
    place.run_with(&[&test[..], &GIVEN, more].concat(), &SECRETS)
}

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error}: {}", outcome.transcript()))
}

fn finding<'d>(document: &'d Value, method: &str) -> &'d Value {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["method"] == method).unwrap_or(&Value::Null)
}

/// Objects that are still there: the method that made each, and its key. Attendees go with their event.
fn objects(simulator: &Simulator) -> Vec<(String, String)> {
    let address = simulator.address.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET /_simulator/objects HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let objects: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let there = objects.as_array().unwrap().iter().filter(|object| object["is_deleted"] == false);
    let text = |object: &Value, key: &str| object[key].as_str().unwrap().to_owned();
    let named = there.map(|object| (text(object, "method"), text(object, "key")));
    named.filter(|(method, _)| !method.ends_with("attendee.create")).collect()
}

/// The methods that made the objects that are still there.
fn left(simulator: &Simulator) -> Vec<String> {
    objects(simulator).into_iter().map(|(method, _)| method).collect()
}

#[test]
fn hidden_habits_are_found_whatever_they_are() {
    for (room_ms, calendar_ms, room_gone, level_gone) in [(1_100, 300, 121_004, 126_099), (0, 700, 126_001, 121_004)] {
        let (place, simulator) = place(&scenario(room_ms, calendar_ms, room_gone, level_gone));
        let outcome = calibrate(&place, &["--json"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.transcript());
        let found = json_of(&outcome);
        for (method, ms) in [(ROOM, room_ms), ("feishu.calendar.create", calendar_ms)] {
            let shown = &finding(&found, method)["shown"];
            let (after, before) = (shown["after_s"].as_f64().unwrap(), shown["not_after_s"].as_f64().unwrap());
            let delay = ms as f64 / 1e3;
            assert!(before <= delay + 0.02 && after >= delay - 0.02, "{method}: {before} to {after}, not {delay}");
            let proposed = found["settings"][method]["delay_s"].as_u64().unwrap();
            assert!(proposed as f64 >= delay && proposed >= 1, "{method}: {proposed}");
        }
        let again = |method: &str| finding(&found, method)["again"]["code"].as_i64();
        assert_eq!([again(ROOM), again("feishu.vc.room_level.create")], [Some(room_gone), Some(level_gone)]);
        assert_eq!(found["settings"][DELETE_ROOM]["gone_codes"], gone_codes(DELETE_ROOM, room_gone), "{found}");
        assert_eq!(finding(&found, ROOM)["get"]["code"], 121_004);
        let repeat = |method: &str| finding(&found, method)["repeat"].clone();
        assert_eq!(repeat("feishu.vc.room_level.create")["code"], 121_003);
        assert_eq!(repeat("feishu.calendar.create"), json!({"answer": "same"}));
        assert_eq!(repeat("feishu.calendar.event.create"), json!({"answer": "same"}), "the same key");
        assert_eq!(repeat(ROOM), json!({"answer": "another"}));
        assert_eq!(found["headers"][ROOM]["x-ogw-ratelimit-limit"], json!(["20"]));
        assert_eq!(found["left"], json!([]));
        assert_eq!(left(&simulator), Vec::<String>::new());
        let dead = place.run(&["dead", "list", "--json"]);
        assert_eq!(dead.out, "", "nothing is left for people to look at");
        let audit = place.run(&["audit", "--json"]);
        assert_eq!(json_of(&audit)["kept"], true, "{}", audit.transcript());
    }
}

/// What a calibration proposes: nothing for a code that the catalog has as gone already.
fn gone_codes(method: &str, code: i64) -> Value {
    let known = built_in().unwrap();
    let rule = known.job_method(method).unwrap().errors.get(&code).cloned();
    let is_known = rule.is_some_and(|rule| rule.action == paceline::domain::catalog::Action::Gone);
    if is_known { Value::Null } else { json!([code]) }
}

#[test]
fn nothing_is_called_without_yes_or_the_name_of_a_test_tenant() {
    let (place, simulator) = place(&scenario(0, 0, 121_004, 121_004));
    let plan = place.run(&["calibrate", "acme"]);
    assert_eq!(plan.code, Some(0), "{}", plan.transcript());
    assert!(plan.out.contains("feishu.calendar.delete twice") && plan.out.contains("--given user=…"), "{}", plan.out);
    assert!(plan.err.contains("nothing was called"), "{}", plan.err);
    for (more, expected) in [
        (&[][..], "nothing says that it is a test tenant"),
        (&["--test-tenant", "acme"], "is not its app_id"),
        (&["--test-tenant", "cli_test", "--method", "feishu.vc.room.patch"], "cannot be calibrated"),
    ] {
        let refused = place.run_with(&[&["calibrate", "acme", "--yes"], more].concat(), &SECRETS);
        assert_eq!(refused.code, Some(2), "{}", refused.transcript());
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
    assert_eq!(left(&simulator), Vec::<String>::new());
    assert!(!place.names().contains(&"paceline.db".to_owned()), "{:?}", place.names());
}

#[tokio::test]
async fn a_calibration_that_was_killed_or_interrupted_leaves_nothing() {
    let (place, simulator) = place(&scenario(600_000, 0, 121_004, 121_004));
    let arguments =
        [&["calibrate", "acme", "--yes", "--test-tenant", "cli_test", "--method", ROOM][..], &GIVEN].concat();
    let begin = || {
        let mut command = place.command(&arguments);
        command.envs(SECRETS).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let rooms = || objects(&simulator).into_iter().filter(|(method, _)| method == ROOM).collect::<Vec<_>>();
    // Not in the ledger yet it would be looked for first, and no listing shows it before long.
    let is_known =
        || place.run(&["jobs", "list", "--json", "--method", ROOM, "--state", "succeeded"]).out.contains(ROOM);
    let mut killed = begin();
    until("a room is there and known", || !rooms().is_empty() && is_known()).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let first = rooms();
    assert_eq!(first.len(), 1);
    let mut interrupted = begin();
    until("another room is there instead", || {
        let now = rooms();
        !now.is_empty() && !now.contains(&first[0])
    })
    .await;
    let pid = rustix::process::Pid::from_child(&interrupted);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(interrupted.wait().unwrap().code(), Some(130));
    assert_eq!(left(&simulator), Vec::<String>::new());
}

#[test]
fn what_cannot_be_deleted_is_named_with_its_id() {
    let stubborn = "[[faults]]\nmethod = 'feishu.calendar.delete'\nkind = 'code'\ncode = 190002\n";
    let (place, simulator) = place(&format!("{}{stubborn}", scenario(0, 0, 121_004, 121_004)));
    let outcome = calibrate(&place, &["--json", "--method", "feishu.calendar.create"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.transcript());
    let key = json_of(&outcome)["left"][0]["key"].as_str().unwrap().to_owned();
    assert!(outcome.err.contains(&key) && outcome.err.contains("paceline undo"), "{}", outcome.err);
    assert_eq!(left(&simulator), ["feishu.calendar.create"]);
}

#[test]
fn wecom_is_asked_too() {
    let hidden = "[undocumented.gone]\n'wecom.oa.meetingroom.del' = 60030\n'wecom.oa.meetingroom.cancel_book' = 90499\n\
                  [undocumented.repeats]\n'wecom.meeting.create' = '400302'\n'wecom.oa.meetingroom.book' = '90498'\n";
    let (place, simulator) = place(&format!("title = 'Habits'\n{hidden}"));
    let arguments = ["calibrate", "campus", "--yes", "--test-tenant", "ww_test", "--json"];
    let outcome = place.run_with(&[&arguments[..], &["--given", "user=zhangsan"]].concat(), &SECRETS);
    assert_eq!(outcome.code, Some(0), "{}", outcome.transcript());
    let found = json_of(&outcome);
    let repeat = |method: &str| finding(&found, method)["repeat"]["code"].as_i64();
    assert_eq!([repeat("wecom.meeting.create"), repeat("wecom.oa.meetingroom.book")], [Some(400_302), Some(90_498)]);
    assert_eq!(finding(&found, "wecom.oa.meetingroom.add")["again"]["code"], 60_030);
    assert_eq!(left(&simulator), Vec::<String>::new());
}

#[test]
fn the_printed_settings_take_effect() {
    let (place, _simulator) = place(&scenario(1_100, 0, 126_001, 121_004));
    let outcome = calibrate(&place, &["--method", ROOM]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.transcript());
    place.write("calibrated.toml", &format!("{}{}", apps("http://127.0.0.1:9"), outcome.out));
    let variables = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = settings::load(Some(&place.path().join("calibrated.toml")), variables.into_iter()).unwrap();
    let catalog = Arc::new(built_in().unwrap());
    let apps = wiring::apps_of(&read, &catalog).unwrap();
    let planner = Planner::new(Arc::clone(&catalog), apps, 1.0);
    let plan = |method: &str| {
        let lane = LaneKey { app: "acme".to_owned(), tenant: String::new(), method: method.to_owned() };
        planner.plan(&lane).unwrap()
    };
    let delay = plan(ROOM).method.creation.look_up().unwrap().delay;
    assert!(delay >= Duration::from_secs(2) && delay < Duration::from_secs(10), "{delay:?}");
    let answer = Reply::Answered(Answer {
        status: 400,
        body: json!({"code": 126_001, "msg": "no such room"}).to_string().into(),
        ..Answer::default()
    });
    let own = plan(DELETE_ROOM);
    assert!(matches!(classify(&own.app.platform, &own.method, &answer), Classified::Gone(_)));
    let documented = catalog.job_method(DELETE_ROOM).unwrap();
    assert!(matches!(classify(&own.app.platform, documented, &answer), Classified::Permanent(_)));
}
