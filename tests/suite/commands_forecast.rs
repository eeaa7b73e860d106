//! `plan` and the times of `status`, as a shell sees them.

use std::net::TcpListener;
use std::time::Duration;

use paceline::clock::Clock;

use super::commands::{Place, SETTINGS};

fn rooms(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("r{n},Room {n},4,omb_o\n")).collect::<Vec<_>>().concat()
}

#[test]
fn a_plan_names_the_deciding_quota() {
    let header = "id,name,capacity,room_level_id\n";
    let place = Place::with_apps(&[
        ("rooms.csv", &format!("{header}{}", rooms(0, 61))),
        ("annex.csv", &format!("{header}{}", rooms(61, 66))),
    ]);
    let with = |files: &[&'static str]| {
        place.run(&[&["plan"], files, &["--method", "feishu.vc.room.create", "--app", "acme"]].concat())
    };
    insta::assert_snapshot!("plan", with(&["rooms.csv"]).transcript());
    insta::assert_snapshot!("plan_few", with(&["annex.csv"]).transcript());
    insta::assert_snapshot!("plan_two_files", with(&["rooms.csv", "annex.csv"]).transcript());
}

#[test]
fn a_plan_names_the_rows_that_expire_before_their_turn() {
    let at = |seconds| (Clock::system().now() + Duration::from_secs(seconds)).to_string();
    // Twenty a minute: of the rows that have 90 s, forty go first; those that have an hour come after them.
    let (soon, later) = (at(90), at(3_600));
    let row = |n: usize| format!("r{n},Room {n},4,omb_o,{}\n", if n.is_multiple_of(2) { &soon } else { &later });
    let rows = format!("id,name,capacity,room_level_id,not_after\n{}", (0..100).map(row).collect::<Vec<_>>().concat());
    let place = Place::with_apps(&[("rooms.csv", &rows)]);
    let plan = |more: &[&str]| {
        place.run(&[&["plan", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"], more].concat())
    };
    let said = plan(&[]);
    assert_eq!(said.code, Some(1), "{}", said.transcript());
    let words = "10 rows are due before their turn comes, for the dead letters (expired):\n  rooms.csv:82: r80, not sent at or after ";
    assert!(said.out.contains(words), "{}", said.out);
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"]).out).unwrap();
    let ids: Vec<_> = json["expiring"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["r80", "r82", "r84", "r86", "r88", "r90", "r92", "r94", "r96", "r98"], "{json}");
    assert_eq!((&json["expired"], json["late"].as_array().unwrap().len()), (&10.into(), 0), "{json}");
}

/// Every file of the folder with its bytes; of the log's index the name alone, which a reader marks.
fn contents(place: &Place) -> Vec<(String, Vec<u8>)> {
    let bytes = |name: &str| {
        if name.ends_with("-shm") { Vec::new() } else { std::fs::read(place.path().join(name)).unwrap() }
    };
    place.names().into_iter().map(|name| (name.clone(), bytes(&name))).collect()
}

#[test]
fn a_plan_counts_what_waits_names_what_repeats_and_changes_nothing() {
    let header = "id,name,capacity,room_level_id\n";
    let platform = TcpListener::bind("127.0.0.1:0").unwrap();
    platform.set_nonblocking(true).unwrap();
    let address = format!("platform = \"feishu\"\nbase_url = \"http://{}\"", platform.local_addr().unwrap());
    let place = Place::new(&[
        ("paceline.toml", &SETTINGS.replace("platform = \"feishu\"", &address)),
        ("old.csv", &format!("{header}{}", rooms(0, 50))),
        (
            "new.csv",
            &format!(
                "{header}r3,Room 3,4,omb_o\nr4,Room 4,9,omb_o\nx,Room 5,4,omb_o\ny,Annex,4,omb_o\nz,Annex,4,omb_o\n{}",
                rooms(90, 120)
            ),
        ),
        ("again.csv", &format!("{header}y,Annex,4,omb_o\n")),
    ]);
    let with = |command: &[&'static str]| {
        place.run(&[command, &["--method", "feishu.vc.room.create", "--app", "acme"]].concat())
    };
    assert_eq!(with(&["plan", "old.csv"]).code, Some(0));
    assert_eq!(place.names(), ["again.csv", "new.csv", "old.csv", "paceline.toml"], "no ledger is made");
    assert_eq!(with(&["submit", "old.csv"]).code, Some(0));
    let before = contents(&place);
    insta::assert_snapshot!("plan_repeats", with(&["plan", "new.csv", "again.csv"]).transcript());
    insta::assert_snapshot!("plan_known", with(&["plan", "old.csv"]).transcript());
    let json: serde_json::Value = serde_json::from_str(&with(&["plan", "new.csv", "again.csv", "--json"]).out).unwrap();
    assert_eq!(contents(&place), before, "byte for byte");
    assert!(platform.accept().is_err(), "nobody was called");

    let repeats = &json["repeats"];
    assert_eq!(
        (&repeats["known"], &repeats["id_conflicts"], &repeats["duplicates"]),
        (&2.into(), &1.into(), &2.into())
    );
    let row = |how: &str| {
        let mut rows = repeats["rows"].as_array().unwrap().iter();
        rows.find(|row| row["how"] == how).unwrap().clone()
    };
    assert_eq!(
        (&row("id-conflict")["place"], &row("id-conflict")["earlier_batch"]),
        (&"new.csv:3".into(), &"old".into())
    );
    assert_eq!((&json["jobs"], &json["calls"], &json["backlog"]["jobs"]), (&36.into(), &33.into(), &50.into()));
    assert!(json["time_s"].as_f64().unwrap() > json["least_time_s"].as_f64().unwrap());
    assert!(json["backlog"]["adds_s"].as_f64().unwrap() > 170.0, "83 calls at 20 a minute instead of 33: {json}");
}

#[test]
fn a_plan_looks_at_a_ledger_that_is_being_worked() {
    let place = Place::with_apps(&[("rooms.csv", "id,name,capacity,room_level_id\na,x,1,omb_o\nb,y,1,omb_o\n")]);
    let rooms = ["--method", "feishu.vc.room.create", "--app", "acme"];
    place.run(&[&["submit", "rooms.csv"][..], &rooms].concat());
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    conn.execute("UPDATE jobs SET state = 5 WHERE id = 'a'", []).unwrap();
    let before = contents(&place);
    assert!(before.iter().any(|(name, bytes)| name == "paceline.db-wal" && !bytes.is_empty()), "it is in use");
    let planned = place.run(&[&["plan", "rooms.csv"][..], &rooms].concat());
    assert!(
        planned.out.contains(
            "2 rows are known already, by id and content: 1 done, with their results, 1 waiting in the ledger"
        ),
        "{}",
        planned.transcript()
    );
    assert_eq!((planned.code, contents(&place)), (Some(0), before));
}

#[test]
fn the_time_left_knows_what_was_sent_already() {
    let rows = rooms(0, 61);
    let place = Place::with_apps(&[("rooms.csv", &format!("id,name,capacity,room_level_id\n{rows}"))]);
    place.run(&["submit", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    insta::assert_snapshot!("status_forecast", place.run(&["status"]).transcript());
    let json: serde_json::Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
    let left = json["lanes"][0]["time_left_s"].as_f64().unwrap();
    assert!((180.0..182.0).contains(&left), "{json}");
    assert_eq!(json["batches"][0]["time_left_s"], json["lanes"][0]["time_left_s"]);
    assert_eq!(json["batches"][0]["deciding"]["window"], "20/min");
    assert_eq!(json["worked"], false);
    let conn = rusqlite::Connection::open(place.path().join("paceline.db")).unwrap();
    // The last 20 calls have just been answered: nothing more for a minute.
    conn.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
         INSERT INTO attempts (lane, purpose, sent_at, deadline_at, ended_at, replied, outcome)
         SELECT 1, 0, unixepoch() * 1000000 - 100000, unixepoch() * 1000000, unixepoch() * 1000000, 1, 'succeeded' FROM n",
    )
    .unwrap();
    let json: serde_json::Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
    let later = json["lanes"][0]["time_left_s"].as_f64().unwrap() - left;
    assert!((50.0..60.5).contains(&later), "{later} s later: {json}");
}
