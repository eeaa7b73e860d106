//! Rows that change after their job succeeded: named and not sent, left alone, or sent as updates of what was created.

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::harness::place::{at_platform, calls};
use super::headings::jobs;

const SECRETS: [(&str, &str); 1] = [("ACME_SECRET", "hunter2")];
const HEADER: &str = "name,capacity,room_level_id,description,room_status.status\n";
const FIRST: &str = "A,1,omb_1,x,true\nB,2,omb_1,,true\nC,3,omb_1,,true\n";

fn place() -> (Place, Simulator) {
    let files = [("rooms.csv", &*format!("{HEADER}{FIRST}"))];
    let quotas = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n\"feishu.vc.room.patch\" = \"50/s\"\n";
    at_platform(&files, "[quotas]\n'feishu.vc.room.*' = '50/s'\n", quotas)
}

fn with(place: &Place, command: &str, rows: &str, more: &[&str]) -> Outcome {
    place.write("rooms.csv", &format!("{HEADER}{rows}"));
    let arguments = [command, "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    place.run_with(&[&arguments[..], more].concat(), &SECRETS)
}

#[test]
fn changed_rows_are_named_left_alone_or_sent_as_updates() {
    let (place, _simulator) = place();
    let first = with(&place, "run", FIRST, &[]);
    assert_eq!((first.code, calls(&place)), (Some(0), 3), "{}", first.transcript());

    let changed = "C,3,omb_1,,true\nA,5,omb_1,x,false\nB,2,omb_1,new,true\nD,4,omb_1,,true\n";
    let stopped = with(&place, "run", changed, &[]);
    assert_eq!((stopped.code, calls(&place)), (Some(2), 3), "{}", stopped.transcript());
    assert!(stopped.err.contains(": body.capacity: 1 → 5; body.room_status.status: true → false\n"));
    assert!(stopped.err.contains(": body.description: absent → \"new\"\n"), "{}", stopped.err);
    assert!(stopped.err.contains("of 4 rows, 2 rows changed after success; nothing was sent"), "{}", stopped.err);
    assert_eq!(with(&place, "run", changed, &["--keep", "--update"]).code, Some(2));

    let kept = with(&place, "run", changed, &["--keep"]);
    assert_eq!((kept.code, calls(&place)), (Some(0), 4), "the new row alone is sent: {}", kept.transcript());
    assert!(kept.err.contains("2 rows changed after success, and --keep leaves them alone"), "{}", kept.err);

    let updated = with(&place, "run", changed, &["--update"]);
    assert_eq!((updated.code, calls(&place)), (Some(0), 6), "{}", updated.transcript());
    let bodies = jobs(&place, "update:rooms");
    let whole = serde_json::json!({"capacity": 5, "room_status": {"status": false}});
    assert_eq!(bodies, [whole, serde_json::json!({"description": "new"})], "only what changed");

    // What the file says is what the platform has: nothing is said, and nothing is sent.
    for more in [&[][..], &["--update"]] {
        let again = with(&place, "run", changed, more);
        assert_eq!((again.code, calls(&place)), (Some(0), 6), "{}", again.transcript());
    }
    let planned = with(&place, "plan", changed, &[]);
    assert!(!planned.out.contains("other content"), "{}", planned.out);

    // Back to the beginning is a change like any other.
    let back = changed.replace("A,5,omb_1,x,false", "A,1,omb_1,x,true");
    assert_eq!(with(&place, "run", &back, &[]).code, Some(2));
    let updated = with(&place, "run", &back, &["--update"]);
    assert_eq!((updated.code, calls(&place)), (Some(0), 7), "{}", updated.transcript());
}

#[test]
fn what_an_update_cannot_bring_about_stops_the_file() {
    let (place, _simulator) = place();
    assert_eq!(with(&place, "run", FIRST, &[]).code, Some(0));
    let emptied = FIRST.replace("A,1,omb_1,x,true", "A,1,omb_1,,true").replace("B,2", "B,9");
    let stopped = with(&place, "run", &emptied, &["--update"]);
    assert_eq!((stopped.code, calls(&place)), (Some(2), 3), "{}", stopped.transcript());
    assert!(stopped.err.contains("body.description is empty now"), "{}", stopped.err);
    assert!(stopped.err.contains("of 3 rows, 1 row cannot be updated; nothing was sent"), "{}", stopped.err);
}

#[test]
fn the_newest_row_wins_among_updates_that_wait() {
    let (place, _simulator) = place();
    assert_eq!(with(&place, "run", FIRST, &[]).code, Some(0));
    let submitted = with(&place, "submit", &FIRST.replace("B,2", "B,9"), &["--update"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    let newest = FIRST.replace("B,2", "B,12");
    let stopped = with(&place, "run", &newest, &[]);
    assert!(stopped.err.contains(": body.capacity: 9 → 12\n"), "{}", stopped.transcript());
    let ran = with(&place, "run", &newest, &["--update"]);
    assert_eq!((ran.code, calls(&place)), (Some(0), 4), "one update is sent: {}", ran.transcript());
    let states = place.run(&["jobs", "list", "--batch", "update:rooms", "--json"]).out;
    assert_eq!(states.matches("\"status\":\"succeeded\"").count(), 1, "{states}");
    assert_eq!(states.matches("\"status\":\"cancelled\"").count(), 1, "{states}");
    // One that waits is sent by the next run of the same file.
    let submitted = with(&place, "submit", &newest.replace("C,3", "C,8"), &["--update"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    let resumed = with(&place, "run", &newest.replace("C,3", "C,8"), &[]);
    assert_eq!((resumed.code, calls(&place)), (Some(0), 5), "{}", resumed.transcript());
    // Back to what the platform has: the update that waits is taken back, and nothing is sent.
    let submitted = with(&place, "submit", &newest.replace("C,3", "C,9"), &["--update"]);
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
    let back = with(&place, "run", &newest.replace("C,3", "C,8"), &["--update"]);
    assert_eq!((back.code, calls(&place)), (Some(0), 5), "{}", back.transcript());
    let states = place.run(&["jobs", "list", "--batch", "update:rooms", "--json"]).out;
    assert_eq!(states.matches("\"status\":\"queued\"").count(), 0, "{states}");
}

#[test]
fn what_the_file_has_no_more_is_deleted_if_somebody_agrees() {
    let (place, simulator) = place();
    assert_eq!(with(&place, "run", FIRST, &[]).code, Some(0));
    let fewer = "A,7,omb_1,x,true\nD,4,omb_1,,true\n";
    let usage = with(&place, "run", fewer, &["--prune", "--yes"]);
    assert_eq!(usage.code, Some(2), "{}", usage.transcript());

    let silent = with(&place, "run", fewer, &["--update", "--prune"]);
    assert_eq!((silent.code, calls(&place)), (Some(2), 3), "nobody was asked: {}", silent.transcript());
    assert!(
        silent.err.contains("batch rooms: 2 objects are in no row any more:\n  rooms.csv:3: rooms:"),
        "{}",
        silent.err
    );
    assert!(silent.err.contains("feishu.vc.room.delete") && silent.err.contains("nothing was sent"), "{}", silent.err);

    let pruned = with(&place, "run", fewer, &["--update", "--prune", "--yes"]);
    assert_eq!((pruned.code, calls(&place)), (Some(0), 7), "{}", pruned.transcript());
    let names = |place: &Place| {
        let read = place
            .run_with(&["read", "feishu.vc.room.list", "--app", "acme", "--param", "room_level_id=omb_1"], &SECRETS);
        let (header, rows) = read.out.split_once('\n').unwrap();
        let at = header.split(',').position(|name| name == "name").unwrap();
        let mut names: Vec<_> = rows.lines().map(|row| row.split(',').nth(at).unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&place), ["A", "D"], "at the platform");

    // It is done once, and a row that comes back is created anew.
    let again = with(&place, "run", fewer, &["--update", "--prune", "--yes"]);
    assert_eq!((again.code, calls(&place)), (Some(0), 7), "{}", again.transcript());
    let back = with(&place, "run", &format!("{fewer}B,2,omb_1,,true\n"), &["--update", "--prune", "--yes"]);
    assert_eq!((back.code, calls(&place)), (Some(0), 8), "{}", back.transcript());
    drop(simulator);
}
