//! Changes over HTTP: a real worker with its admin server, and the simulator behind it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::engine::minutes;
use super::harness::{until, until_async};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "864297";
const REFUSED_ROOMS: &str = "[[faults]]\nmethod = 'feishu.vc.room.create'\nkind = 'code'\ncode = 125001\nfirst = 3\n";

/// A worker in a process of its own, and the simulator that it calls.
pub(crate) struct Desk {
    pub place: Place,
    child: Child,
    address: String,
    _simulator: Simulator,
}

impl Desk {
    pub(crate) async fn new(scenario: &str) -> Self {
        Self::with_admin(scenario, "[admin]\ntoken = { env = \"ADMIN_TOKEN\" }\nread = \"open\"").await
    }

    pub(crate) async fn with_admin(scenario: &str, admin: &str) -> Self {
        let place = Place::new(&[("scenario.toml", scenario)]);
        let simulator = Simulator::start(&place, "scenario.toml");
        let url = &simulator.address;
        place.write(
            "paceline.toml",
            &format!(
                "{admin}\n[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{url}\"\napp_id = \"cli_a1\"\n\
                 app_secret = {{ env = \"S\" }}\n[apps.campus]\nplatform = \"wecom\"\nbase_url = \"{url}\"\n\
                 corp_id = \"ww1\"\ncorp_secret = {{ env = \"S\" }}\n"
            ),
        );
        let log = std::fs::File::create(place.path().join("work.log")).unwrap();
        let mut command = place.command(&["work"]);
        command.env("S", "s").env("ADMIN_TOKEN", TOKEN).env("PACELINE_ADMIN__LISTEN", "127.0.0.1:0");
        let child = command.stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let mut desk = Self { place, child, address: String::new(), _simulator: simulator };
        let mut address = None;
        until("the admin server listens", || {
            let ended = desk.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", desk.log());
            address = desk.log().split_once("address=").map(|(_, rest)| rest.lines().next().unwrap().to_owned());
            address.is_some()
        })
        .await;
        desk.address = address.unwrap();
        desk
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("work.log")).unwrap()
    }

    /// Asks the worker to read its settings again.
    pub(crate) fn hang_up(&self) {
        let done = std::process::Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Asks, and gives status and document.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, Value) {
        let answer = self.raw(method, path, headers, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
    }

    /// Asks, and gives everything that comes back.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[&str], body: &str) -> String {
        self.bytes(method, path, headers, body.as_bytes())
    }

    /// The same with a body of any bytes.
    pub(crate) fn bytes(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
        stream.write_all(format!("{head}{more}Content-Length: {length}\r\n\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(!answer.contains(PASSWORD) && !answer.contains(TOKEN), "{answer}");
        answer
    }

    /// The same, where the head alone is sent.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[&str]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let more: String = headers.iter().flat_map(|header| [*header, "\r\n"]).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.address);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, document) = self.ask("GET", path, &[], "");
        assert_eq!(status, 200, "{document}");
        document
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let token = format!("Authorization: Bearer {TOKEN}");
        self.ask("POST", path, &["Content-Type: application/json", &token], &body.to_string())
    }

    /// A change that goes through.
    pub(crate) fn done(&self, path: &str, body: &Value) -> Value {
        let (status, document) = self.post(path, body);
        assert_eq!(status, 200, "{document}");
        document
    }

    fn status(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}"))["status"].clone()
    }

    pub(crate) async fn until_total(&self, state: &str, count: u64) {
        until_async(&format!("{count} {state}"), async || {
            self.get("/api/v1/overview")["totals"][state] == json!(count)
        })
        .await;
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert!(!self.log().contains(PASSWORD) && !self.log().contains(TOKEN), "{}", self.log());
        }
    }
}

fn room(n: usize) -> Value {
    json!({"id": format!("room-{n}"), "method": "feishu.vc.room.create", "app": "acme", "batch": "rooms",
        "body": {"name": format!("R{n}"), "capacity": 4, "room_level_id": "omb_1"}})
}

/// A meeting whose start has passed.
fn late() -> Value {
    json!({"id": "late", "method": "wecom.meeting.create", "app": "campus", "body": {"admin_userid": "u", "title": "t",
        "meeting_start": 1_600_000_000, "meeting_duration": 300, "settings": {"password": PASSWORD}}})
}

/// What stands in the answer under these names.
fn of(document: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| document[*name].clone()).collect()
}

#[tokio::test]
async fn nobody_changes_anything_without_being_let_in() {
    let desk = Desk::new(REFUSED_ROOMS).await;
    desk.done("/api/v1/jobs", &room(0));
    desk.until_total("dead", 1).await;
    let (json, token) = ("Content-Type: application/json", format!("Authorization: Bearer {TOKEN}"));
    let drop = json!({"selection": {"id": "room-0"}}).to_string();
    let ask = |headers: &[&str], body: &str| desk.ask("POST", "/api/v1/dead/drop", headers, body);
    let paths =
        ["dead/redrive", "dead/edit", "dead/drop", "jobs/room-0/resolve", "jobs/cancel", "suspend", "resume", "jobs"];
    for path in paths {
        assert_eq!(desk.ask("POST", &format!("/api/v1/{path}"), &[json], &drop).0, 401, "{path}");
    }
    let wrong = token.replace("0123", "0124");
    assert_eq!(ask(&[json, &wrong], &drop).0, 401);
    assert_eq!(ask(&[json, &token, "Origin: https://evil.example"], &drop).0, 403);
    assert_eq!(ask(&[&token], &drop).0, 415);
    assert_eq!(ask(&["Content-Type: text/plain", &token], &drop).0, 415);
    assert_eq!(ask(&[json, &token], &format!("\"{}\"", "x".repeat(1024 * 1024))).0, 413);
    assert_eq!(desk.ask("POST", "/api/v1/dead/drop?all=1", &[json, &token], &drop).0, 400);
    assert_eq!(desk.ask("PUT", "/api/v1/dead/drop", &[json, &token], &drop).0, 405);

    for (body, words) in [
        (json!({"selection": {"apps": "acme"}}), "no such field; did you mean \"app\"?"),
        (json!({"selection": {"id": "room-0"}, "expects": 1}), "no such field; did you mean \"expect\"?"),
        (json!({"selection": {"id": "room-0"}, "expect": "1"}), "got a text"),
        (json!({"selection": {"state": "held"}}), "this is for dead jobs alone, and these are held"),
        (json!({}), "missing required field"),
        (json!([]), "the body is not a JSON object"),
        (json!({"selection": {}}), "the selection leaves everything open"),
        (json!({"selection": {"state": "dead"}}), "the selection leaves everything open"),
    ] {
        let (status, document) = desk.post("/api/v1/dead/drop", &body);
        assert_eq!(status, 400, "{document}");
        assert!(document["error"].as_str().unwrap().contains(words), "{document}");
        assert!(!document["cure"].as_str().unwrap().is_empty(), "{document}");
    }
    for body in ["{\"selection\":{\"id\":\"a\",\"id\":\"room-0\"}}", "{", ""] {
        assert_eq!(ask(&[json, &token], body).0, 400, "{body}");
    }
    assert_eq!(desk.status("room-0"), "dead");
    let own = format!("Origin: http://{}", desk.address);
    assert_eq!(ask(&["Content-Type: Application/JSON; charset=utf-8", &token, &own], &drop).0, 200);
    assert_eq!(desk.ask("GET", "/api/v1/jobs/room-0", &[], "").0, 404);

    let closed = Desk::with_admin("", "").await;
    let (status, document) = closed.post("/api/v1/jobs", &room(1));
    assert_eq!(status, 403, "{document}");
    assert!(document["cure"].as_str().unwrap().contains("admin.token"), "{document}");
    assert_eq!(closed.get("/api/v1/overview")["totals"]["queued"], 0);
}

#[tokio::test]
async fn a_group_of_dead_letters_is_put_back_to_work_and_ends_well() {
    let desk = Desk::new(REFUSED_ROOMS).await;
    desk.done("/api/v1/jobs", &json!([room(0), room(1), room(2), late()]));
    desk.until_total("dead", 4).await;
    desk.place.write("bad.jsonl", "{\"id\":\"x\",\"method\":\"feishu.vc.room.create\",\"app\":\"nobody\"}\n");
    assert_eq!(
        desk.place.run_with(&["submit", "bad.jsonl", "--skip-invalid"], &[("ADMIN_TOKEN", TOKEN)]).code,
        Some(1)
    );

    let group = json!({"reason": "rejected", "code": 125_001, "method": "feishu.vc.room.create"});
    let redrive = "/api/v1/dead/redrive";
    let (status, refused) = desk.post(redrive, &json!({"selection": group, "expect": 4}));
    assert_eq!((status, &refused["count"]), (409, &json!(3)), "{refused}");
    assert!(refused["error"].is_string() && refused["cure"].is_string(), "{refused}");
    let dry = desk.done(redrive, &json!({"selection": group, "expect": 3, "dry_run": true}));
    assert_eq!(of(&dry, &["count", "moved", "skipped"]), [json!(3), json!(3), json!([])]);
    assert_eq!(desk.status("room-0"), "dead");
    let done = desk.done(redrive, &json!({"selection": group, "expect": 3}));
    assert_eq!(of(&done, &["count", "moved", "skipped"]), [json!(3), json!(3), json!([])]);
    desk.until_total("succeeded", 3).await;

    for dry_run in [true, false] {
        let rest = desk.done(redrive, &json!({"selection": {}, "expect": 2, "dry_run": dry_run}));
        assert_eq!(of(&rest, &["count", "moved", "skipped_count"]), [2, 0, 2].map(|n| json!(n)), "{rest}");
        let why = |n: usize| rest["skipped"][n]["reason"].as_str().unwrap();
        assert_eq!(of(&rest["skipped"][0], &["id"]), [json!("late")]);
        assert!(why(0).contains("its deadline has passed"), "{rest}");
        assert!(why(1).contains("the settings have no app \"nobody\""), "{rest}");
    }
    let dry = desk.done("/api/v1/dead/drop", &json!({"selection": {"app": "campus"}, "dry_run": true}));
    assert_eq!(of(&dry, &["count", "dropped"]), [1, 1].map(|n| json!(n)));
    assert_eq!(desk.status("late"), "dead");
    assert_eq!(desk.post("/api/v1/dead/drop", &json!({"selection": {}, "expect": 1})).0, 409);
    assert_eq!(desk.done("/api/v1/dead/drop", &json!({"selection": {}, "expect": 2}))["dropped"], 2);
    assert_eq!(desk.get("/api/v1/dead/groups"), json!({"groups": []}));
}

#[tokio::test]
async fn an_edit_changes_all_or_nothing() {
    let desk = Desk::new(REFUSED_ROOMS).await;
    desk.done("/api/v1/jobs", &json!([room(0), room(1), late()]));
    desk.until_total("dead", 3).await;
    let edit = "/api/v1/dead/edit";
    let everything = |patch: Value| json!({"selection": {}, "expect": 3, "patch": patch});

    // Good for the meeting, unknown to rooms.
    let soon = json!({"body": {"meeting_start": 4_000_000_000_u64}});
    let refused = desk.done(edit, &everything(soon.clone()));
    assert_eq!(of(&refused, &["count", "moved", "faults_count"]), [3, 0, 2].map(|n| json!(n)), "{refused}");
    let ids: Vec<_> = refused["faults"].as_array().unwrap().iter().map(|fault| &fault["id"]).collect();
    assert_eq!(ids, ["room-0", "room-1"]);
    assert!(refused["faults"][0]["error"].as_str().unwrap().contains("body.meeting_start"), "{refused}");
    assert_eq!(["room-0", "room-1", "late"].map(|id| desk.status(id)), ["dead"; 3].map(|state| json!(state)));

    // No answer holds the password, whatever is wrong with it: `ask` looks at each.
    let secret = json!({"body": {"settings": {"password": format!("{PASSWORD}x")}}});
    assert_eq!(desk.done(edit, &json!({"selection": {"id": "late"}, "patch": secret}))["faults_count"], 1);
    let secret = json!({"body": {"meeting_start": 4_000_000_000_u64, "settings": {"password": "1234"}}});
    let dry = desk.done(edit, &json!({"selection": {"id": "late"}, "patch": secret, "dry_run": true}));
    assert_eq!((&dry["moved"], dry["edits"][0]["changes"].as_array().unwrap().len()), (&json!(1), 2), "{dry}");
    assert!(!dry.to_string().contains("1234"), "{dry}");
    for (patch, words) in [
        (json!({"id": "other"}), "id cannot be edited"),
        (json!({"bodi": {}}), "did you mean \"body\"?"),
        (json!(PASSWORD), "expected to be an object"),
        (json!({}), "changes nothing"),
    ] {
        let (status, document) = desk.post(edit, &everything(patch));
        assert!(status == 400 && document["faults"][0]["field"] == "patch", "{document}");
        assert!(document["error"].as_str().unwrap().contains(words), "{document}");
    }
    assert_eq!(desk.status("late"), "dead");

    let rooms = json!({"selection": {"batch": "rooms"}, "expect": 2, "patch": {"body": {"capacity": 20}}});
    let done = desk.done(edit, &rooms);
    assert_eq!(of(&done, &["count", "moved", "faults"]), [json!(2), json!(2), json!([])]);
    assert_eq!(desk.done(edit, &json!({"selection": {"id": "late"}, "patch": soon}))["moved"], 1);
    // The third room is refused once more by the simulator's fault.
    desk.until_total("succeeded", 2).await;
    desk.until_total("dead", 1).await;
    assert_eq!(desk.status("late"), "succeeded");
}

#[tokio::test]
async fn held_jobs_are_resolved_in_all_ways() {
    let lost = "[[faults]]\nmethod = 'feishu.calendar.event.meeting_minute.create'\nkind = 'cut-before'\nfirst = 4\n";
    let desk = Desk::new(lost).await;
    let taken = desk.done("/api/v1/jobs", &json!([minutes(0), minutes(1), minutes(2), minutes(3)]));
    assert_eq!(taken["accepted"].as_array().unwrap().len(), 4);
    desk.until_total("held", 4).await;
    let resolve = |n: usize, body: Value| desk.post(&format!("/api/v1/jobs/minutes-{n}/resolve"), &body);
    for body in [json!({}), json!({"retry": false}), json!({"retry": true, "dead": true})] {
        assert_eq!(resolve(0, body).0, 400);
    }
    for key in ["", " ", ".", "..", " .. "] {
        let (status, answer) = resolve(0, json!({"succeeded": key}));
        assert_eq!((status, answer["faults"][0]["field"].as_str()), (400, Some("succeeded")), "{answer}");
    }
    assert_eq!(desk.post("/api/v1/jobs/nobody/resolve", &json!({"dead": true})).0, 404);
    let verdicts = [
        (json!({"succeeded": "minutes_1"}), "succeeded"),
        (json!({"retry": true}), "queued"),
        (json!({"dead": true}), "dead"),
        (json!({"look_up": true}), "uncertain"),
    ];
    for (n, (body, status)) in verdicts.into_iter().enumerate() {
        assert_eq!(resolve(n, body), (200, json!({"id": format!("minutes-{n}"), "status": status})));
    }
    let key = desk.get("/api/v1/jobs/minutes-0");
    assert_eq!(of(&key, &["status", "key"]), [json!("succeeded"), json!("minutes_1")]);
    desk.until_total("succeeded", 2).await;
    assert_eq!((desk.status("minutes-1"), desk.status("minutes-2")), (json!("succeeded"), json!("dead")));
    // Nothing lists minutes, so that it is held again.
    desk.until_total("held", 1).await;
    let (status, document) = resolve(0, json!({"dead": true}));
    assert_eq!(status, 409, "{document}");
    assert!(document["error"].as_str().unwrap().contains("is succeeded"), "{document}");
}

#[tokio::test]
async fn a_suspended_app_stands_still_its_jobs_are_cancelled_and_it_goes_on() {
    let desk = Desk::new("").await;
    let (status, document) = desk.post("/api/v1/suspend", &json!({"app": "acne", "method": "feishu.vc.rom.create"}));
    assert_eq!((status, &document["faults"][0]["field"]), (400, &json!("app")), "{document}");
    assert!(document["faults"][1]["error"].as_str().unwrap().contains("did you mean feishu.vc.room.create?"));
    assert_eq!(desk.post("/api/v1/resume", &json!({"app": "acne"})).0, 400);
    assert_eq!(desk.post("/api/v1/suspend", &json!({})).0, 400);
    let suspended = desk.done("/api/v1/suspend", &json!({"app": "acme", "reason": "maintenance"}));
    assert_eq!(suspended, json!({"suspended": true}));
    let suspensions = || desk.get("/api/v1/overview")["suspensions"].clone();
    until("the suspension is seen", || suspensions() != json!([])).await;
    let seen = suspensions();
    assert_eq!(of(&seen[0], &["app", "detail", "by_hand"]), [json!("acme"), json!("maintenance"), json!(true)]);

    desk.done("/api/v1/jobs", &json!([room(0), room(1), room(2)]));
    let batch = json!({"batch": "rooms"});
    let cancel = "/api/v1/jobs/cancel";
    assert_eq!(desk.post(cancel, &json!({"selection": {"state": "dead"}})).0, 400);
    let (status, document) = desk.post(cancel, &json!({"selection": batch, "expect": 2}));
    assert_eq!((status, &document["count"]), (409, &json!(3)));
    let dry = desk.done(cancel, &json!({"selection": batch, "dry_run": true}));
    assert_eq!(of(&dry, &["count", "cancelled", "running"]), [3, 3, 0].map(|n| json!(n)));
    assert_eq!(desk.done(cancel, &json!({"selection": {"id": "room-1"}}))["cancelled"], 1);
    assert_eq!(desk.done(cancel, &json!({"selection": batch, "expect": 2}))["cancelled"], 2);
    let mut behind = room(4);
    behind["after"] = json!(["room-5"]);
    desk.done("/api/v1/jobs", &json!([room(5), behind]));
    let blocked = json!({"batch": "rooms", "state": "blocked"});
    assert_eq!(desk.done(cancel, &json!({"selection": blocked}))["cancelled"], 1);
    assert_eq!((desk.status("room-4"), desk.status("room-5")), (json!("cancelled"), json!("queued")));
    let queued = json!({"batch": "rooms", "state": "queued"});
    assert_eq!(desk.done(cancel, &json!({"selection": queued, "expect": 1}))["cancelled"], 1);
    let one = json!({"id": "cancel", "method": "feishu.vc.room.create", "app": "acme", "body": room(3)["body"]});
    assert_eq!(desk.done("/api/v1/jobs", &one)["accepted"], json!(["cancel"]));
    assert_eq!((desk.status("room-1"), desk.status("cancel")), (json!("cancelled"), json!("queued")));

    assert_eq!(desk.done("/api/v1/resume", &json!({"app": "acme"})), json!({"resumed": 1, "lifted": 0}));
    desk.until_total("succeeded", 1).await;
    assert_eq!(suspensions(), json!([]));
    assert_eq!(desk.done("/api/v1/resume", &json!({"app": "acme"})), json!({"resumed": 0, "lifted": 0}));
    desk.until_total("cancelled", 5).await;
}

#[tokio::test]
async fn one_array_holds_good_known_invalid_and_conflicting_jobs() {
    let desk = Desk::new("").await;
    assert_eq!(
        desk.done("/api/v1/jobs", &room(0)),
        json!({"accepted": ["room-0"], "known": [], "refused": [], "warnings": []})
    );
    desk.until_total("succeeded", 1).await;
    let mut other = room(0);
    other["body"]["capacity"] = json!(9);
    let mut invalid = room(2);
    invalid["body"]["capacity"] = json!("ten");
    let mut stranger = room(3);
    stranger["app"] = json!("acne");
    let mut same_array = room(1);
    same_array["body"]["name"] = json!("another");
    let mut secret = late();
    secret["body"]["settings"]["password"] = json!(format!("{PASSWORD}x"));
    let quoted = json!(late().to_string());
    let jobs = json!([room(0), other, invalid, room(1), room(1), same_array, stranger, secret, quoted]);
    let answer = desk.done("/api/v1/jobs", &jobs);
    assert_eq!(answer["accepted"], json!(["room-1"]));
    let known = &answer["known"];
    assert_eq!(known[0], json!({"id": "room-0", "status": "succeeded"}), "{answer}");
    assert_eq!((&known[1]["id"], known.as_array().unwrap().len()), (&json!("room-1"), 2), "{answer}");
    assert!(known[1]["status"] == "queued" || known[1]["status"] == "succeeded", "{answer}");
    let refused: Vec<_> = answer["refused"].as_array().unwrap().iter().collect();
    let told: Vec<_> = refused.iter().map(|refused| of(refused, &["index", "id", "reason"])).collect();
    assert_eq!(
        told,
        [
            [json!(1), json!("room-0"), json!("id-conflict")],
            [json!(2), json!("room-2"), json!("invalid")],
            [json!(5), json!("room-1"), json!("id-conflict")],
            [json!(6), json!("room-3"), json!("unknown-app")],
            [json!(7), json!("late"), json!("invalid")],
            [json!(8), json!(null), json!("malformed")],
        ]
    );
    let details: Vec<_> = refused.iter().map(|refused| refused["detail"].as_str().unwrap()).collect();
    assert!(details[1].contains("body.capacity: expected an integer, got \"ten\""), "{details:?}");
    assert!(details[3].contains("did you mean \"acme\"?"), "{details:?}");
    assert!(details[5].contains("expected a JSON object, got a text"), "{details:?}");
    desk.until_total("succeeded", 2).await;
    assert_eq!(desk.get("/api/v1/dead/groups"), json!({"groups": []}), "who sent them was told");
    let twice = format!("[{},{{\"id\":\"t\",\"id\":\"t\"}}]", room(0));
    let token = format!("Authorization: Bearer {TOKEN}");
    let (_, answer) = desk.ask("POST", "/api/v1/jobs", &["Content-Type: application/json", &token], &twice);
    assert!(answer["refused"][0]["detail"].as_str().unwrap().contains("id: appears more than once"), "{answer}");
    let mut odd = room(4);
    odd["body"]["name"] = json!("7F\u{200b}");
    let answer = desk.done("/api/v1/jobs", &json!([room(0), odd]));
    assert_eq!(answer["accepted"], json!(["room-4"]), "a warning stops nothing");
    let warning = json!({"index": 1, "id": "room-4", "field": "body.name",
                         "message": "expected no invisible characters, got U+200B"});
    assert_eq!(answer["warnings"], json!([warning]));
    let many: Vec<_> = (0..1_001).map(|n| json!({ "id": n })).collect();
    assert_eq!(desk.post("/api/v1/jobs", &json!(many)).0, 400);
    assert_eq!(
        desk.done("/api/v1/jobs", &json!([])),
        json!({"accepted": [], "known": [], "refused": [], "warnings": []})
    );
}

#[tokio::test]
async fn what_would_be_created_again_is_refused_as_the_manual_shows_it() {
    let desk = Desk::new("").await;
    desk.done("/api/v1/jobs", &room(0));
    desk.until_total("succeeded", 1).await;
    let mut again = room(0);
    again["id"] = json!("room-0-again");
    let (status, answer) = desk.post("/api/v1/jobs", &again);
    assert_eq!(status, 409, "{answer}");
    let key = answer["duplicates"][0]["earlier_key"].as_str().unwrap().to_owned();
    // The same answer stands in docs/api.md, of another room.
    let shown =
        answer.to_string().replace(&key, "omm_4de3").replace("room-0-again", "hq-701").replace("room-0", "hq-7f-701");
    let shown: Value = serde_json::from_str(&shown.replace("\"rooms\"", "\"hq-move\"")).unwrap();
    let manual = include_str!("../../docs/api.md");
    let example = manual.split("```json\n").map(|part| part.split("```").next().unwrap());
    let example = example.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    assert!(example.clone().any(|example| example == shown), "docs/api.md does not show {shown}");
    let allowed = desk.done("/api/v1/jobs", &json!({"jobs": [again], "allow_duplicates": true}));
    assert_eq!(allowed["accepted"], json!(["room-0-again"]));
}
