//! Files as people have them, as a shell sees them: what they are not is refused, whichever command reads them.

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::harness::place::at_platform;

const ROOM: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];
const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];
const HEADER: &str = "name,capacity,room_level_id,room_status.status,description\n";

fn with(place: &Place, command: &[&str]) -> Outcome {
    place.run_with(&[command, &ROOM].concat(), &SECRETS)
}

fn place_at_platform(files: &[(&str, &str)], scenario: &str) -> (Place, Simulator) {
    let quotas = "[quotas]\n'feishu.vc.room.*' = '50/s'\n'feishu.vc.room.create' = '50/s'\n";
    let more = "[apps.acme.quotas]\n\"feishu.vc.room.create\" = \"50/s\"\n[engine]\nconcurrency_max = 1\n";
    at_platform(files, &format!("{quotas}{scenario}"), more)
}

#[test]
fn a_folder_is_no_file() {
    let place = Place::with_apps(&[]);
    std::fs::create_dir(place.path().join("rooms.csv")).unwrap();
    for command in ["run", "submit", "validate", "plan"] {
        let told = with(&place, &[command, "rooms.csv"]);
        assert_eq!(told.code, Some(2), "{}", told.transcript());
        assert!(told.err.starts_with("error: rooms.csv is a folder\n"), "{}", told.transcript());
    }
}

#[test]
fn quotes_out_of_place_let_nothing_leave() {
    let swallowed = "A,10,omb_x,true,\"65 inch screen\nB,10,omb_x,true,plain\nD,10,omb_x,true,see 65\" screen\n";
    let place = Place::with_apps(&[
        ("s.csv", &format!("{HEADER}{swallowed}")),
        ("t.csv", &format!("{HEADER}\"7F 65\" east\",10,omb_x,true,x\n")),
    ]);
    for command in ["run", "submit", "validate", "plan"] {
        let told = with(&place, &[command, "s.csv", "t.csv"]);
        assert_eq!(told.code, Some(if command == "validate" { 1 } else { 2 }), "{}", told.transcript());
        let text = told.out + &told.err;
        assert!(text.contains("s.csv:2: column 5 (description): the quote that opens here"), "{text}");
        assert!(text.contains("t.csv:2: column 1 (name): text behind the closing quote"), "{text}");
    }
    assert!(!place.path().join("paceline.db").exists(), "--skip-invalid does not help either");
    assert_eq!(with(&place, &["run", "s.csv", "--skip-invalid"]).code, Some(2));
    let json = with(&place, &["validate", "--json", "s.csv"]).out;
    let found: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&found["line"], &found["column"], &found["severity"]), (&2.into(), &5.into(), &"fault".into()));
}

#[test]
fn one_bound_holds_for_every_way_in() {
    let long = format!(
        "{{\"id\":\"l\",\"method\":\"feishu.calendar.create\",\"app\":\"acme\",\"body\":{{\"summary\":\"s\"}},\"meta\":{{\"x\":\"{}\"}}}}\n",
        "y".repeat(3_000)
    );
    let row = format!("A,10,omb_x,true,{}\n", "y".repeat(3_000));
    let place = Place::with_apps(&[("long.jsonl", &long), ("long.csv", &format!("{HEADER}{row}"))]);
    place.write("paceline.toml", &format!("[intake]\nbody_bytes_max = 2000\n{}", super::commands::SETTINGS));
    for file in ["long.jsonl", "long.csv"] {
        for command in ["run", "submit", "validate"] {
            let told = with(&place, &[command, file]);
            assert_ne!(told.code, Some(0), "{}", told.transcript());
            let text = told.out + &told.err;
            assert!(text.contains("expected a job of at most 2000 bytes (intake.body_bytes_max), got 3"), "{text}");
        }
    }
    let skipped = with(&place, &["submit", "long.jsonl", "--skip-invalid"]);
    assert!(skipped.err.contains("1 dead letters"), "{}", skipped.transcript());
    assert!(place.run(&["dead", "list"]).out.contains("malformed"));
}

#[test]
fn rows_that_look_the_same_are_warned_of() {
    let rows = "Room 1,4,omb_1,true,\nＲＯＯＭ １,4,omb_1,true,\nroom\u{200b} 1,4,omb_1,true,\nRoom  1,4,omb_1,true,\n\
                Room 11,4,omb_1,true,\n1F,4,omb_1,true,\nIF,4,omb_1,true,\nRoom 1,4,omb_2,true,\n";
    let place = Place::with_apps(&[("rooms.csv", &format!("{HEADER}{rows}"))]);
    let told = with(&place, &["validate", "rooms.csv"]);
    assert_eq!(told.code, Some(0), "{}", told.transcript());
    assert_eq!(told.out.matches("looks the same as line 2").count(), 3, "{}", told.out);
    for line in ["rooms.csv:3: ", "rooms.csv:4: ", "rooms.csv:5: "] {
        assert!(told.out.contains(&format!("{line}warning: looks the same as line 2\n")), "{}", told.out);
    }
    assert_eq!(with(&place, &["validate", "--strict", "rooms.csv"]).code, Some(1));
    assert_eq!(with(&place, &["submit", "--strict", "rooms.csv"]).code, Some(2));
    let lines: String = ["Room 1", "room 1"]
        .map(|name| {
            format!(
                "{{\"id\":\"{name}\",\"body\":{{\"name\":\"{name}\",\"capacity\":1,\"room_level_id\":\"omb_1\"}}}}\n"
            )
        })
        .concat();
    place.write("rooms.jsonl", &lines);
    assert_eq!(with(&place, &["validate", "rooms.jsonl"]).out, "", "programs know what they want");
}

/// What a spreadsheet saves of a cell: numbers as it shows them, truth values in capitals.
fn saved(cell: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (cell, cell.split_once('E')) {
        ("true", _) => "TRUE".to_owned(),
        (_, Some((mantissa, exponent))) if is_number(mantissa) && is_number(exponent) => {
            let number: f64 = cell.parse().unwrap();
            let exponent = number.log10().floor();
            format!("{:.2}E+{exponent:02}", number / 10_f64.powf(exponent))
        }
        (text, _) if is_number(text) => text.trim_start_matches('0').to_owned(),
        (text, _) => text.to_owned(),
    }
}

fn through_a_spreadsheet(text: &str, edit: impl Fn(&str) -> String) -> String {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in reader.records() {
        writer.write_record(record.unwrap().iter().map(&edit)).unwrap();
    }
    format!("\u{feff}{}", String::from_utf8(writer.into_inner().unwrap()).unwrap())
}

#[test]
fn ids_survive_a_spreadsheet_and_where_they_do_not_nothing_is_created() {
    let rows = "id,name,capacity,room_level_id,room_status.status\n0703,BAD,8,omb_bad,true\n0701,7F-701,10,omb_x,true\n\
                0702,7F-702,12,omb_x,true\n2026E1,E-1,8,omb_x,true\n3-4,F-1,8,omb_x,true\n";
    let refuse = "[[faults]]\nkind = 'code'\ncode = 125001\nmethod = 'feishu.vc.room.create'\nfirst = 1\n";
    let (place, _simulator) = place_at_platform(&[("b.csv", rows)], refuse);
    let first = with(&place, &["run", "b.csv"]);
    assert_eq!(first.code, Some(1), "{}", first.transcript());
    let succeeded = || place.run(&["jobs", "list", "--state", "succeeded", "--json"]).out.lines().count();
    assert_eq!(succeeded(), 4);
    let exported = place.run(&["export", "--batch", "b", "--bom", "-o", "out.csv"]);
    assert_eq!(exported.code, Some(0), "{}", exported.transcript());
    let text = std::fs::read_to_string(place.path().join("out.csv")).unwrap();
    assert!(text.contains("\n'0701,") && text.contains("\n'2026E1,") && text.contains("\n'3-4,"), "{text}");

    // As a spreadsheet made it of an export that did not protect the ids, whose names were then changed, too.
    let bare = |cell: &str| saved(cell.strip_prefix('\'').unwrap_or(cell)).replace("7F-702", "7F-702 new");
    place.write("changed.csv", &through_a_spreadsheet(&text, bare));
    for more in [&[][..], &["--skip-invalid"], &["--allow-duplicates"]] {
        let changed = place.run_with(&[&["run", "changed.csv"], more].concat(), &SECRETS);
        for pair in ["701 was 0701", "2.03E+04 was 2026E1"] {
            let words = format!("column 1 (id): the spreadsheet has changed the ids: {pair}");
            assert!(changed.err.contains(&words) || changed.err.contains("and the like"), "{}", changed.err);
        }
        assert_eq!(succeeded(), 4, "{more:?}: {}", changed.transcript());
        let queued = place.run(&["jobs", "list", "--state", "queued", "--json"]).out;
        assert_eq!(queued, "", "{more:?}");
    }
    let planned = place.run(&["plan", "changed.csv"]);
    assert_eq!(planned.code, Some(2), "{}", planned.transcript());

    // What became dead letters by --skip-invalid is none of the batch's work.
    assert_eq!(place.run(&["dead", "drop", "--reason", "id-conflict"]).code, Some(0));

    // As it is written now, twice through a spreadsheet.
    let mended = through_a_spreadsheet(&through_a_spreadsheet(&text, saved), |cell| cell.replace("omb_bad", "omb_x"));
    place.write("mended.csv", &mended);
    let second = place.run_with(&["run", "mended.csv"], &SECRETS);
    assert_eq!((second.code, succeeded()), (Some(0), 5), "{}", second.transcript());
}

#[test]
fn a_summary_that_cannot_be_written_is_no_refusal() {
    let (place, _simulator) = place_at_platform(&[("rooms.csv", &format!("{HEADER}A,10,omb_x,true,\n"))], "");
    let run = [&["run", "rooms.csv"][..], &ROOM].concat();
    let with_json = |command: &[&'static str]| [command, &ROOM, &["--json"]].concat();
    let suspend = vec!["suspend", "acme", "--json"];
    for command in [run, with_json(&["run", "rooms.csv"]), with_json(&["submit", "rooms.csv"]), suspend] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut process = place.command(&command);
        let done = process.envs(SECRETS).stdout(full).output().unwrap();
        let err = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{err}");
        assert!(err.contains("error: the summary could not be written: No space left"), "{err}");
    }
    assert_eq!(place.run(&["jobs", "list", "--state", "succeeded", "--json"]).out.lines().count(), 1);
}

#[test]
fn an_id_like_the_number_of_an_input_is_asked_about() {
    let rows = "id,name,capacity,room_level_id\nx,A,ten,omb_x\n#1,B,10,omb_x\n";
    let refuse = "[[faults]]\nkind = 'code'\ncode = 125001\nmethod = 'feishu.vc.room.create'\nfirst = 1\n";
    let (place, _simulator) = place_at_platform(&[("rooms.csv", rows)], refuse);
    let first = with(&place, &["run", "rooms.csv", "--skip-invalid"]);
    let dead = |place: &Place| place.run(&["dead", "list", "--json"]).out.lines().count();
    assert_eq!((first.code, dead(&place)), (Some(1), 2), "{}", first.transcript());
    for command in [&["dead", "drop", "#1"][..], &["dead", "show", "#1"], &["dead", "redrive", "#1"]] {
        let told = place.run_with(command, &SECRETS);
        assert_eq!((told.code, dead(&place)), (Some(2), 2), "{}", told.transcript());
        assert!(told.err.contains("name the job as job:#1, the input as input:#1"), "{}", told.err);
    }
    let input = place.run(&["dead", "show", "input:#1", "--json"]).out;
    let job = place.run(&["dead", "show", "job:#1", "--json"]).out;
    assert!(input.contains("\"invalid\"") && job.contains("\"rejected\""), "{input}{job}");
    let dropped = place.run(&["dead", "drop", "input:#1"]);
    assert_eq!((dropped.code, dead(&place)), (Some(0), 1), "{}", dropped.transcript());
    let dropped = place.run(&["dead", "drop", "#1"]);
    assert_eq!((dropped.code, dead(&place)), (Some(0), 0), "alone, it is no question: {}", dropped.transcript());
}
