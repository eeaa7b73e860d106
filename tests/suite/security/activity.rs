//! Who changed what: every change leaves one line, in its own transaction, and nobody takes it away.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use paceline::domain::catalog::built_in;
use paceline::domain::decode::{Apps, Decoder, Defaults};
use paceline::domain::outcome::Failure;
use paceline::domain::reason::Reason;
use paceline::domain::time::Timestamp;
use paceline::engine::ports::operator::{ActivityFilter, Reports, Selection};
use paceline::engine::ports::{Arrival, Intake, JobSeq, Ledger, Origin, Settlement};
use paceline::store;
use paceline::store::{Mode, SqlStore};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::commands::Place;
use crate::harness::admin::{Served, TOKEN, access, status};
use crate::harness::process::Process;
use crate::harness::until_async;

const NOW: Timestamp = Timestamp(1_795_248_000_000_000);
const APP: &str = "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"http://127.0.0.1:9\"\napp_id = \"cli_a1\"\n\
    app_secret = { env = \"S\" }\n";
/// A parameter's value that no line may hold.
const VALUE: &str = "not-to-be-told";

fn calendar(id: &str) -> Value {
    json!({"id": id, "method": "feishu.calendar.create", "app": "acme", "batch": "b", "body": {"summary": id}})
}

fn dead() -> Settlement {
    Settlement::Dead { reason: Reason::Rejected, failure: Failure::default() }
}

/// Jobs in the states that changes are about.
fn ends() -> Vec<(&'static str, Option<Settlement>)> {
    let held = || Some(Settlement::Held { failure: Failure::default() });
    let made = Settlement::Succeeded { key: Some("cal_1".into()), result: json!({}), sole: true, warnings: vec![] };
    let dead = || Some(dead());
    vec![
        ("q1", None),
        ("q2", None),
        ("d1", dead()),
        ("d2", dead()),
        ("d3", dead()),
        ("h1", held()),
        ("made", Some(made)),
    ]
}

async fn end_all(ledger: &SqlStore) {
    for (n, (_, end)) in (1..).zip(ends()) {
        if let Some(end) = end {
            ledger.acquire_all().await.unwrap().settle(JobSeq(n), end, NOW).await.unwrap();
        }
    }
}

/// The commands under a heading of the program's help.
fn commands_of(place: &Place, of: &[&str]) -> BTreeSet<String> {
    let help = place.run(&[of, &["--help"]].concat()).out;
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(|name| [of, &[name]].concat().join(" ")).collect()
}

/// Whether a command changes the ledger for somebody; of a new one a person decides it here, and tries it below.
fn all_commands(place: &Place) -> BTreeMap<String, bool> {
    const CHANGING: [&str; 13] = [
        "run",
        "submit",
        "jobs cancel",
        "dead redrive",
        "dead edit",
        "dead drop",
        "resolve",
        "undo",
        "calibrate",
        "suspend",
        "resume",
        "store rekey",
        "store copy",
    ];
    const LOOKING: &[&str] = &[
        "work",
        "validate",
        "plan",
        "status",
        "why",
        "jobs list",
        "jobs show",
        "dead list",
        "dead show",
        "methods list",
        "methods show",
        "methods template",
        "methods schema",
        "read",
        "export",
        "import",
        "expand",
        "audit",
        "activity",
        "admin token",
        "check",
        "simulate",
        "completions",
        "help",
    ];
    let mut all = BTreeMap::new();
    for name in commands_of(place, &[]) {
        let inner = commands_of(place, &[&name]);
        let names = if inner.is_empty() { BTreeSet::from([name]) } else { inner };
        for name in names.into_iter().filter(|name| !name.ends_with(" help")) {
            let is_changing = CHANGING.contains(&name.as_str());
            assert!(is_changing || LOOKING.contains(&name.as_str()), "does {name:?} change the ledger? Say it here");
            all.insert(name, is_changing);
        }
    }
    all
}

fn lines(place: &Place) -> Vec<Value> {
    let listed = place.run_with(&["activity", "--json"], &[("S", "s")]);
    assert!(!listed.out.contains(VALUE), "{}", listed.out);
    listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_changes_something_leaves_one_line_with_its_user() {
    let jobs = ends().iter().map(|(id, _)| calendar(id).to_string()).collect::<Vec<_>>().join("\n");
    let place =
        Place::new(&[("paceline.toml", APP), ("jobs.jsonl", &jobs), ("more.jsonl", &calendar("more").to_string())]);
    let mut untried: BTreeSet<_> = all_commands(&place).into_iter().filter(|(_, changes)| *changes).collect();
    let patch = json!({"body": {"summary": VALUE}}).to_string();
    let commands: [(&str, Vec<&str>, &str, Value); 9] = [
        ("submit", vec!["submit", "jobs.jsonl"], "submit", json!({"files": ["jobs.jsonl"]})),
        ("jobs cancel", vec!["jobs", "cancel", "q1"], "cancel", json!({"ids": ["q1"]})),
        ("dead redrive", vec!["dead", "redrive", "d1"], "redrive", json!({"ids": ["d1"]})),
        ("dead edit", vec!["dead", "edit", "d2", "--patch", &patch], "edit", json!({"ids": ["d2"]})),
        ("dead drop", vec!["dead", "drop", "d3"], "drop", json!({"ids": ["d3"]})),
        ("resolve", vec!["resolve", "h1", "--retry"], "resolve", json!({"ids": ["h1"], "verdict": "retry"})),
        ("suspend", vec!["suspend", "acme", "--reason", "why"], "suspend", json!({"app": "acme", "reason": "why"})),
        ("resume", vec!["resume", "acme"], "resume", json!({"app": "acme"})),
        ("store rekey", vec!["store", "rekey"], "rekey", json!({})),
    ];
    let mut before = 0;
    let uid = rustix::process::getuid().as_raw();
    let mut check = |place: &Place, name: &str, action: &str, facts: &Value| {
        let lines = lines(place);
        assert_eq!(lines.len(), before + 1, "{name} leaves one line: {lines:?}");
        let line = &lines[0];
        assert_eq!((&line["action"], &line["facts"]), (&json!(action), facts), "{name}");
        assert_eq!((&line["via"], &line["uid"]), (&json!("command"), &json!(uid)), "{name}");
        assert!(!line["actor"].as_str().unwrap().is_empty());
        before += 1;
        assert!(untried.remove(&(name.to_owned(), true)), "{name}");
    };
    for (name, arguments, action, facts) in commands {
        let done = place.run_with(&arguments, &[("S", "s")]);
        assert_eq!(done.code, Some(0), "{name}: {}", done.transcript());
        if name == "submit" {
            let ledger = SqlStore::open(&place.path().join("paceline.db"), Mode::Worker, NOW).unwrap();
            end_all(&ledger).await;
            ledger.close().await;
        }
        check(&place, name, action, &facts);
    }
    let calibrating =
        vec!["calibrate", "acme", "--yes", "--test-tenant", "cli_a1", "--method", "feishu.calendar.create"];
    // These go on to call the platform, which is not there.
    for (name, arguments, action, facts) in [
        ("run", vec!["run", "more.jsonl"], "submit", json!({"files": ["more.jsonl"]})),
        ("undo", vec!["undo", "--batch", "b", "--yes"], "undo", json!({"batch": "b"})),
        ("calibrate", calibrating, "submit", json!({"batch": "calibrate:acme"})),
    ] {
        let mut child = place.command(&arguments).env("S", "s").spawn().unwrap();
        let count = lines(&place).len();
        until_async(name, async || lines(&place).len() > count || child.try_wait().unwrap().is_some()).await;
        child.kill().unwrap();
        child.wait().unwrap();
        check(&place, name, action, &facts);
    }
    place.write("moved.toml", &format!("{APP}[store]\nurl = \"sqlite://moved.db\"\n"));
    let copied = place.run(&["store", "copy", "sqlite://paceline.db", "moved.toml"]);
    assert_eq!(copied.code, Some(0), "{}", copied.transcript());
    assert!(place.run(&["status"]).err.contains("was copied to another place"), "one of them alone is worked");
    std::fs::copy(place.path().join("moved.toml"), place.path().join("paceline.toml")).unwrap();
    check(&place, "store copy", "copy", &json!({}));
    assert!(untried.is_empty(), "these change something, and were not tried: {untried:?}");

    for arguments in [
        vec!["jobs", "cancel", "nobody"],
        vec!["resolve", "q2", "--dead"],
        vec!["dead", "drop", "--all", "--dry-run"],
        vec!["resume", "acme"],
    ] {
        place.run_with(&arguments, &[("S", "s")]);
        assert_eq!(lines(&place).len(), 13, "{arguments:?} changes nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_over_http_leaves_one_line_with_its_token() {
    let served = Served::with_settings(&access(), APP).await;
    let post = async |path: &str, token: &str, body: &Value| {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        served.send(head.as_bytes()).await
    };
    let lines = async |query: &str| {
        let answer = served.ask("GET", &format!("/api/v1/activity{query}"), &[]).await;
        let document: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert!(!answer.contains(VALUE), "{answer}");
        (document["activity"].as_array().unwrap().clone(), document["next"].clone())
    };
    let jobs: Vec<_> = ends().iter().map(|(id, _)| calendar(id)).collect();
    let of = |id: &str| json!({"selection": {"id": id}});
    let mut edit = of("d2");
    edit["patch"] = json!({"body": {"summary": VALUE}});
    let mut untried: BTreeSet<_> =
        paceline::admin::addresses().into_iter().filter(|(method, _)| *method != "GET").map(|(_, path)| path).collect();
    let changes = [
        ("/api/v1/jobs", json!(jobs), "submit", 7),
        ("/api/v1/jobs/cancel", of("q1"), "cancel", 1),
        ("/api/v1/dead/redrive", of("d1"), "redrive", 1),
        ("/api/v1/dead/edit", edit, "edit", 1),
        ("/api/v1/dead/drop", of("d3"), "drop", 1),
        ("/api/v1/jobs/{id}/resolve", json!({"dead": true}), "resolve", 1),
        ("/api/v1/suspend", json!({"app": "acme"}), "suspend", 1),
        ("/api/v1/resume", json!({"app": "acme"}), "resume", 1),
    ];
    for (n, (path, body, action, count)) in changes.into_iter().enumerate() {
        let address = path.replace("{id}", "h1");
        assert_eq!(status(&post(&address, "0000000000000000", &body).await), 401);
        if body.get("selection").is_some() {
            let mut dry = body.clone();
            dry["dry_run"] = json!(true);
            assert_eq!(status(&post(&address, TOKEN, &dry).await), 200);
        }
        assert_eq!(lines("").await.0.len(), n, "{path}: nothing was changed yet");
        let answer = post(&address, TOKEN, &body).await;
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        if action == "submit" {
            end_all(served.ledger()).await;
        }
        let told = lines("").await.0;
        assert_eq!(told.len(), n + 1, "{path}: {told:?}");
        let expected = json!([action, count, "http", "admin.token", null]);
        assert_eq!(
            json!([told[0]["action"], told[0]["count"], told[0]["via"], told[0]["actor"], told[0]["uid"]]),
            expected
        );
        assert!(untried.remove(path), "{path}");
    }
    let count = lines("").await.0.len();
    for path in files_are_told_of_when_they_are_started(&served, &post, async || lines("").await.0).await {
        assert!(untried.remove(path), "{path}");
    }
    assert!(untried.is_empty(), "these change something, and were not tried: {untried:?}");
    assert_eq!(lines("").await.0.len(), count + 1);

    assert_eq!(lines("?action=edit&actor=admin.token").await.0.len(), 1);
    assert_eq!(lines("?actor=nobody").await.0.len(), 0);
    assert_eq!(lines("?since=2099-01-01T00:00:00Z").await.0.len(), 0);
    let (page, next) = lines("?limit=5").await;
    let (rest, end) = lines(&format!("?limit=5&after={}", next.as_str().unwrap())).await;
    assert_eq!((page.len(), rest.len(), end), (5, 4, Value::Null));
    served.end().await;
}

/// A ledger with jobs, in its own folder.
async fn ledger(jobs: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("paceline.db");
    let ledger = SqlStore::open(&path, Mode::Worker, NOW).unwrap();
    let decoder = Decoder { catalog: Arc::new(built_in().unwrap()), apps: Apps::Any, rights: Arc::default() };
    let arrivals = (0..jobs).map(|n| {
        let job = decoder.decode(calendar(&format!("j-{n}")).to_string().as_bytes(), &Defaults::default()).unwrap();
        Arrival { input: Ok(Box::new(job)), origin: Origin::default() }
    });
    ledger.take_over(arrivals.collect(), NOW).await.unwrap();
    ledger.close().await;
    (folder, path)
}

fn told(operator: &dyn Reports) -> Vec<(String, i64)> {
    let page = operator.activity(&ActivityFilter::default(), 0, 100).unwrap();
    page.lines.into_iter().map(|line| (line.action, line.count)).collect()
}

/// Where the line cannot be written, nothing is changed; where the change fails, there is no line.
#[tokio::test]
async fn a_change_and_its_line_are_one() {
    let (_folder, path) = ledger(2).await;
    let mut operator = store::open(&path).unwrap();
    let by_hand = Connection::open(&path).unwrap();
    by_hand
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON activity BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    assert!(operator.cancel(&Selection::of_id("j-0"), false, NOW).is_err());
    assert_eq!(operator.show_job("j-0").unwrap().unwrap().line.document["status"], "queued");
    by_hand
        .execute_batch(
            "DROP TRIGGER full; CREATE TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        .unwrap();
    assert!(operator.cancel(&Selection::of_id("j-0"), false, NOW).is_err());
    assert_eq!(told(&*operator), []);
    by_hand.execute_batch("DROP TRIGGER full").unwrap();
    operator.cancel(&Selection::of_id("j-0"), false, NOW).unwrap();
    assert_eq!(told(&*operator), [("cancel".to_owned(), 1)]);
}

#[tokio::test]
async fn a_large_change_is_one_line() {
    let (_folder, path) = ledger(1_203).await;
    let mut operator = store::open(&path).unwrap();
    assert_eq!(operator.cancel(&Selection::of_batch("b"), false, NOW).unwrap().cancelled, 1_203);
    assert_eq!(told(&*operator), [("cancel".to_owned(), 1_203)]);
}

/// By every statement that could: changed, deleted, replaced, or inserted in the place of another.
#[tokio::test]
async fn lines_are_added_and_never_changed() {
    let (_folder, path) = ledger(3).await;
    let mut operator = store::open(&path).unwrap();
    operator.cancel(&Selection::of_id("j-0"), false, NOW).unwrap();
    let by_hand = Connection::open(&path).unwrap();
    for statement in [
        "UPDATE activity SET actor = 'somebody else'",
        "UPDATE OR REPLACE activity SET seq = seq + 1",
        "DELETE FROM activity",
        "DELETE FROM activity WHERE at < 9000000000000000",
        "REPLACE INTO activity SELECT seq, change, at, via, 'somebody else', uid, action, count, facts FROM activity",
        "INSERT INTO activity SELECT * FROM activity WHERE true ON CONFLICT (seq) DO UPDATE SET actor = 'somebody else'",
    ] {
        let refusal = by_hand.execute(statement, []).unwrap_err().to_string();
        assert!(refusal.contains("the activity can only be added to"), "{statement}: {refusal}");
    }
    assert_eq!(told(&*operator), [("cancel".to_owned(), 1)]);
}

/// What is older than the ledger remembers is forgotten, and no more.
#[tokio::test]
async fn old_lines_go_with_the_rest_of_their_time() {
    let (_folder, path) = ledger(1).await;
    let by_hand = Connection::open(&path).unwrap();
    let row = "INSERT INTO activity (change, at, via, actor, action, count, facts) VALUES (?1, ?2, 'http', 'ops', 'drop', 1, '{}')";
    for (change, days) in [(1, 500), (2, 401), (3, 399)] {
        by_hand.execute(row, [change, NOW.0 - days * 86_400_000_000]).unwrap();
    }
    let ledger = SqlStore::open(&path, Mode::Worker, NOW).unwrap();
    let before = Timestamp(NOW.0 - 400 * 86_400_000_000);
    while ledger.prune(before, JobSeq(i64::MAX)).await.unwrap().forgotten > 0 {}
    let left: Vec<i64> = {
        let mut rows = by_hand.prepare("SELECT change FROM activity").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(left, [3]);
    assert!(by_hand.execute("DELETE FROM activity", []).is_err(), "the rest stays");
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_are_read_again_leave_a_line() {
    let app = APP.replace("{ env = \"S\" }", "{ env = \"ACME_SECRET\" }");
    let place = Place::new(&[("paceline.toml", &app)]);
    let mut worker = Process::start(&place, &["work"]);
    until_async("a worker", async || place.run(&["status"]).code == Some(0)).await;
    worker.signal("HUP");
    worker.says(&["nothing changed"]).await;
    place.write("paceline.toml", &format!("{app}share = 0.5\n[engine]\nattempts_max = 9\n"));
    worker.signal("HUP");
    worker.says(&["engine.attempts_max: 5 → 9"]).await;
    until_async("the line", async || lines(&place).len() == 1).await;
    let line = &lines(&place)[0];
    assert_eq!(json!([line["action"], line["via"], line["actor"]]), json!(["reload", "signal", "SIGHUP"]));
    assert!(line["facts"]["settings"].as_array().unwrap().contains(&json!("engine.attempts_max")), "{line}");
    worker.signal("TERM");
    worker.ends_with(0).await;
}

/// Gives a file, and does everything with it; the addresses that were tried. One line comes of it.
async fn files_are_told_of_when_they_are_started(
    served: &Served,
    post: &impl AsyncFn(&str, &str, &Value) -> String,
    lines: impl AsyncFn() -> Vec<Value>,
) -> Vec<&'static str> {
    let count = lines().await.len();
    let rows = "summary\nF1\n";
    let head = format!(
        "POST /api/v1/imports?name=rows.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/octet-stream\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{rows}",
        rows.len()
    );
    let given = served.send(head.as_bytes()).await;
    assert_eq!(status(&given), 200, "{given}");
    let given: Value = serde_json::from_str(given.split_once("\r\n\r\n").unwrap().1).unwrap();
    let order = json!({"method": "feishu.calendar.create", "app": "acme", "batch": "files"});
    let mut tried = vec!["/api/v1/imports"];
    for (path, body) in [
        ("/api/v1/imports/{id}/look", json!({})),
        ("/api/v1/imports/{id}/text", json!({})),
        ("/api/v1/imports/{id}/expand", json!({"rule": "[term]"})),
        ("/api/v1/imports/{id}/check", order.clone()),
        ("/api/v1/imports/{id}/start", order),
        ("/api/v1/imports/{id}/drop", json!({})),
    ] {
        let address = path.replace("{id}", given["id"].as_str().unwrap());
        assert_eq!(status(&post(&address, "0000000000000000", &body).await), 401);
        let before = lines().await.len();
        assert_eq!(before, count + usize::from(path.ends_with("drop")), "only a start is a change: {path}");
        let answer = post(&address, TOKEN, &body).await;
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        if path.ends_with("start") {
            let told = lines().await.swap_remove(0);
            assert_eq!(json!([told["action"], told["count"], told["actor"]]), json!(["submit", 1, "admin.token"]));
        }
        tried.push(path);
    }
    tried
}
