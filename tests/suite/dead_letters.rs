//! Dead letters, held and queued jobs in the hands of a person: the commands as a shell sees them.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::commands::Place;
use crate::harness::place::json;

/// Two jobs that wait, one that has expired in the ledger, and two inputs that are no jobs.
const JOBS: &str = r#"{"id":"a","method":"feishu.vc.room.create","app":"acme","body":{"name":"A","capacity":1,"room_level_id":"omb_o"}}
{"id":"b","method":"feishu.vc.room.create","app":"acme","body":{"name":"B","capacity":2,"room_level_id":"omb_o"}}
{"id":"late","method":"wecom.meeting.create","app":"campus","body":{"admin_userid":"u","title":"t","meeting_start":1600000000,"meeting_duration":300,"settings":{"password":"8642"}}}
{"id":"bad","method":"feishu.calendar.create","app":"acme","body":{"summary":7}}
{"method":"feishu.calendar.create","app":"nobody","body":{"summary":"no id of its own"}}
"#;

/// With these jobs in the ledger; the rooms among them are dead, as if refused, and so is the meeting.
fn place() -> Place {
    let place = Place::with_apps(&[("jobs.jsonl", JOBS)]);
    assert_eq!(place.run(&["submit", "jobs.jsonl", "--skip-invalid"]).code, Some(1));
    kill(&place, "a", "rejected", Some(125_001));
    kill(&place, "b", "exhausted", None);
    kill(&place, "late", "expired", None);
    place
}

/// Records a death as the worker does.
fn kill(place: &Place, id: &str, reason: &str, code: Option<i64>) {
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    let changed = conn
        .execute(
            "UPDATE jobs SET state = 3, reason = ?2, code = ?3, detail = 'why', ended_at = 1795248000000000 WHERE id = ?1",
            rusqlite::params![id, reason, code],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let none = i64::MIN;
    conn.execute("UPDATE tallies SET n = n - 1 WHERE kind = 0", []).unwrap();
    conn.execute(
        "INSERT INTO tallies (batch, lane, kind, priority, reason, code, n, latest_at)
             SELECT batch, lane, 3, 0, reason, coalesce(code, ?2), 1, ended_at FROM jobs WHERE id = ?1
         ON CONFLICT DO UPDATE SET n = n + excluded.n",
        rusqlite::params![id, none],
    )
    .unwrap();
}

fn status(place: &Place, id: &str) -> String {
    json(&place.run(&["jobs", "show", id, "--json"]))["status"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_left_out_selects_nothing() {
    let place = place();
    for command in [&["dead", "redrive"][..], &["dead", "drop"], &["dead", "edit", "--patch", "{\"priority\":1}"]] {
        let outcome = place.run(command);
        assert_eq!(outcome.code, Some(2), "{command:?}");
        assert!(outcome.err.contains("nothing is selected"), "{}", outcome.err);
    }
    assert_eq!(place.run(&["jobs", "cancel"]).code, Some(2));
    assert_eq!(place.run(&["resolve", "--dead"]).code, Some(2));
    assert_eq!(place.run(&["dead", "redrive", "a", "--all"]).code, Some(2));
    assert_eq!(place.run(&["dead", "redrive", "a", "--stop-at", "5%"]).code, Some(2), "only with --staged");
    assert_eq!(status(&place, "a"), "dead");
}

#[test]
fn criteria_hold_together() {
    let place = place();
    let count = |criteria: &[&str]| {
        let arguments = [&["dead", "redrive", "--dry-run", "--json"], criteria].concat();
        json(&place.run(&arguments))["selected"].as_u64().unwrap()
    };
    assert_eq!(count(&["--all"]), 5);
    assert_eq!(count(&["--method", "feishu.vc.room.create"]), 2);
    assert_eq!(count(&["--method", "feishu.vc.room.create", "--reason", "rejected"]), 1);
    assert_eq!(count(&["--reason", "rejected", "--code", "125002"]), 0);
    assert_eq!(count(&["a", "b", "#1", "--reason", "exhausted"]), 1);
    assert_eq!(count(&["--batch", "jobs", "--app", "acme"]), 3);
    assert_eq!(count(&["--batch", "other"]), 0);
    insta::assert_snapshot!("dead_redrive_dry_run", place.run(&["dead", "redrive", "--all", "--dry-run"]).transcript());
}

#[test]
fn letters_go_back_to_work_but_for_those_that_would_die_at_once() {
    let place = place();
    insta::assert_snapshot!(
        "dead_redrive_staged_without_worker",
        place.run(&["dead", "redrive", "--all", "--staged"]).transcript()
    );
    let missing = place.run(&["dead", "redrive", "a", "nope"]);
    insta::assert_snapshot!("dead_redrive_missing", missing.transcript());
    assert_eq!(status(&place, "a"), "queued");
    insta::assert_snapshot!("dead_redrive_all", place.run(&["dead", "redrive", "--all"]).transcript());
    assert_eq!((status(&place, "b"), status(&place, "late")), ("queued".to_owned(), "dead".to_owned()));
    let paced =
        json(&place.run(&["dead", "redrive", "--method", "feishu.vc.room.create", "--rate", "1/min", "--json"]));
    assert_eq!((&paced["redriven"], &paced["left"]), (&0.into(), &0.into()));
}

#[test]
fn a_redrive_that_is_interrupted_says_what_it_has_moved() {
    let place = place();
    let rooms = ["dead", "redrive", "--method", "feishu.vc.room.create", "--rate", "1/h", "--json"];
    let mut command = place.command(&rooms);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Each look is a process of its own, and takes long enough to be no busy loop.
    assert!((0..1_000).any(|_| status(&place, "a") == "queued"), "the first goes at once");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    let outcome: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&outcome["redriven"], &outcome["left"]), (&1.into(), &1.into()));
    assert!(String::from_utf8_lossy(&done.stderr).contains("2 dead letters at 1/h: about 1 h"));
    assert_eq!(status(&place, "b"), "dead");
}

#[test]
fn an_input_without_an_id_of_its_own_is_read_as_it_was() {
    let place = place();
    let settings = std::fs::read_to_string(place.path().join("paceline.toml")).unwrap();
    place.write(
        "paceline.toml",
        &format!("{settings}\n[apps.nobody]\nplatform = \"feishu\"\napp_id = \"c\"\napp_secret = {{ env = \"S\" }}\n"),
    );
    let redriven = place.run(&["dead", "redrive", "#2", "--json"]);
    assert_eq!(json(&redriven)["redriven"], 1, "{}", redriven.transcript());
    assert_eq!(status(&place, "jobs:5"), "queued");
}

#[test]
fn an_id_conflict_that_is_redriven_stays_one_dead_letter() {
    let other = JOBS.lines().next().unwrap().replace("\"capacity\":1", "\"capacity\":9");
    let place = Place::with_apps(&[("jobs.jsonl", JOBS), ("other.jsonl", &other)]);
    place.run(&["submit", "jobs.jsonl", "--skip-invalid"]);
    assert_eq!(place.run(&["submit", "other.jsonl"]).code, Some(1));
    let conflict = ["--reason", "id-conflict"];
    for _ in 0..2 {
        let redriven = place.run(&[&["dead", "redrive"][..], &conflict].concat());
        assert_eq!(redriven.code, Some(1));
        assert!(redriven.err.contains("still belongs to another job"), "{}", redriven.err);
        assert_eq!(place.run(&[&["dead", "list"][..], &conflict].concat()).out.lines().count(), 2, "a header and one");
    }
}

#[test]
fn a_row_of_a_csv_file_is_corrected_in_its_file() {
    let place = Place::with_apps(&[("rooms.csv", "id,name,capacity,room_level_id\na,A,1\n")]);
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme", "--skip-invalid"];
    assert_eq!(place.run(&[&["submit", "rooms.csv"][..], &rooms].concat()).code, Some(1), "a cell is missing");
    // What is left of the row may be a job by itself; it is not the one that was meant.
    let redriven = place.run(&["dead", "redrive", "#1"]);
    assert_eq!(redriven.code, Some(1));
    assert!(redriven.err.contains("run its file again"), "{}", redriven.err);
    let edited = place.run(&["dead", "edit", "#1", "--patch", "{\"body\":{\"room_level_id\":\"omb_o\"}}", "--redrive"]);
    assert!(edited.err.contains("correct it there"), "{}", edited.err);
}

#[test]
fn letters_are_edited_all_or_none() {
    let place = place();
    let edit = |more: &[&'static str]| place.run(&[&["dead", "edit"][..], more].concat());
    let rooms = ["--method", "feishu.vc.room.create", "--patch"];
    insta::assert_snapshot!(
        "dead_edit_dry_run",
        edit(
            &[&rooms[..], &["{\"body\":{\"capacity\":20,\"description\":\"x\"},\"priority\":9}", "--dry-run"]].concat()
        )
        .transcript()
    );
    insta::assert_snapshot!(
        "dead_edit_invalid",
        edit(&["--all", "--patch", "{\"body\":{\"capacity\":\"ten\"}}"]).transcript()
    );
    insta::assert_snapshot!("dead_edit_not_editable", edit(&["a", "--patch", "{\"app\":\"campus\"}"]).transcript());
    let capacity = || json(&edit(&[&rooms[..], &["{\"body\":{\"capacity\":20}}", "--dry-run", "--json"]].concat()));
    assert_eq!(capacity()["edits"].as_array().unwrap().len(), 2, "nothing was changed so far");

    let skipping = edit(&["a", "late", "--patch", "{\"body\":{\"capacity\":20}}", "--skip-invalid", "--json"]);
    assert_eq!(skipping.code, Some(1));
    let counts = json(&skipping);
    assert_eq!((&counts["edited"], &counts["invalid"], &counts["redriven"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(status(&place, "a"), "dead");
    assert_eq!(capacity()["unchanged"], 1);
    assert!(place.run(&["jobs", "show", "a"]).out.contains("edited"), "it is said that somebody did");
}

#[test]
fn an_expired_letter_is_given_another_start_and_its_password_is_not_shown() {
    let place = place();
    let secret = place.run(&[
        "dead",
        "edit",
        "late",
        "--patch",
        "{\"body\":{\"settings\":{\"password\":\"1357\"}}}",
        "--dry-run",
    ]);
    insta::assert_snapshot!("dead_edit_masked", secret.transcript());
    place.write("patch.json", "{\"body\":{\"meeting_start\":4000000000,\"settings\":{\"password\":\"12x4\"}}}");
    let refused = place.run(&["dead", "edit", "late", "--patch-file", "patch.json", "--redrive"]);
    assert_eq!(refused.code, Some(2));
    assert!(!refused.err.contains("12x4") && refused.err.contains("password"), "{}", refused.err);
    place.write("patch.json", "{\"body\":{\"meeting_start\":4000000000}}");
    let edited = place.run(&["dead", "edit", "late", "--patch-file", "patch.json", "--redrive"]);
    assert_eq!(edited.code, Some(0), "{}", edited.transcript());
    let job = json(&place.run(&["jobs", "show", "late", "--json"]));
    assert_eq!((&job["status"], &job["not_after"]), (&"queued".into(), &"2096-10-02T07:06:40.000Z".into()));
}

#[test]
fn an_input_becomes_a_job_when_it_is_edited() {
    let place = place();
    let patch = ["dead", "edit", "#1", "--patch", "{\"body\":{\"summary\":\"seven\"}}"];
    assert_eq!(place.run(&patch).code, Some(2), "it cannot stay dead with another content");
    let edited = place.run(&[&patch[..], &["--redrive"]].concat());
    assert_eq!(edited.code, Some(0), "{}", edited.transcript());
    assert_eq!(status(&place, "bad"), "queued");
    assert!(!place.run(&["dead", "list"]).out.contains("#1"));
}

#[test]
fn a_selection_is_cancelled_after_a_yes() {
    let place = Place::with_apps(&[("jobs.jsonl", JOBS)]);
    place.run(&["submit", "jobs.jsonl", "--skip-invalid"]);
    let cancel = |more: &[&'static str]| place.run(&[&["jobs", "cancel"][..], more].concat());
    insta::assert_snapshot!("jobs_cancel_dry_run", cancel(&["--batch", "jobs", "--dry-run"]).transcript());
    insta::assert_snapshot!("jobs_cancel_without_yes", cancel(&["--batch", "jobs"]).transcript());
    assert_eq!(status(&place, "a"), "queued");
    insta::assert_snapshot!("jobs_cancel_held", cancel(&["--state", "held"]).transcript());
    assert_eq!(cancel(&["--app", "campus"]).code, Some(0), "one job needs no yes");
    let rest = cancel(&["--state", "queued", "--yes", "--json"]);
    assert_eq!(json(&rest)["cancelled"], 2, "{}", rest.transcript());
    assert_eq!(json(&place.run(&["dead", "drop", "--all", "--dry-run", "--json"]))["selected"], 2);
    assert_eq!(json(&place.run(&["dead", "drop", "--all", "--json"]))["dropped"], 2);
}

#[test]
fn held_jobs_are_resolved_one_by_one_or_together() {
    let place = Place::with_apps(&[("jobs.jsonl", JOBS)]);
    place.run(&["submit", "jobs.jsonl", "--skip-invalid"]);
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    conn.execute("UPDATE jobs SET state = 2, detail = 'nobody knows'", []).unwrap();
    conn.execute("UPDATE tallies SET kind = 2, priority = 0 WHERE kind = 0", []).unwrap();
    let resolve = |more: &[&'static str]| place.run(&[&["resolve"][..], more].concat());
    insta::assert_snapshot!("resolve_succeeded_of_several", resolve(&["a", "b", "--succeeded", "k"]).transcript());
    insta::assert_snapshot!("resolve_without_yes", resolve(&["--batch", "jobs", "--dead"]).transcript());
    assert_eq!(json(&resolve(&["--batch", "jobs", "--dead", "--dry-run", "--json"]))["would_resolve"], 3);
    assert_eq!(resolve(&["a", "--succeeded", "omm_1"]).code, Some(0));
    assert_eq!(json(&resolve(&["--app", "campus", "--dead", "--json"]))["resolved"], 1);
    let two = resolve(&["a", "b", "--retry"]);
    assert_eq!(two.code, Some(1), "{}", two.transcript());
    assert!(two.err.contains("1 not resolved"), "{}", two.err);
    assert_eq!(["a", "b", "late"].map(|id| status(&place, id)), ["succeeded", "queued", "dead"]);
}
