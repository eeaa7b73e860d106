//! What is plainly wrong or looks wrong in a file, as a shell sees it.

use serde_json::{Value, json};

use super::commands::{Outcome, Place};
use super::harness::place::lines;

const ROOM: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];
const MEETING: [&str; 4] = ["--method", "wecom.meeting.create", "--app", "campus"];
const HEADER: &str = "id,name,capacity,room_level_id\n";

fn with(place: &Place, command: &[&str], rooms: &[&str]) -> Outcome {
    place.run(&[command, rooms].concat())
}

#[test]
fn a_spreadsheets_slips_are_named_by_line_and_column() {
    let rows = "a,#N/A,4,omb_1\nb,7F-701,#VALUE!,omb_1\nc,7F\u{200b}-702,4,omb_1\nd,7F-703 ,4,omb_1\ne,7F-704,0,omb_1\n\
                f,2E5,1,omb_1\ng,#1,4,omb_1\nh,会议室A,4,omb_1\ni,👨‍👩‍👧‍👦,4,omb_1\nj,7F-705,4,1.38E+10\n";
    let place = Place::with_apps(&[("rooms.csv", &format!("{HEADER}{rows}"))]);
    insta::assert_snapshot!("findings", with(&place, &["validate", "rooms.csv"], &ROOM).transcript());
    let found = lines(&with(&place, &["validate", "rooms.csv", "--json"], &ROOM));
    let facts = |found: &Value| ["file", "line", "column", "field", "severity"].map(|key| found[key].clone());
    assert_eq!(facts(&found[0]), [json!("rooms.csv"), json!(2), json!(2), json!("body.name"), json!("fault")]);
    assert_eq!(facts(&found[2]), [json!("rooms.csv"), json!(4), json!(2), json!("body.name"), json!("warning")]);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|found| found["message"].is_string() && found["id"].is_string()));
}

#[test]
fn rows_of_one_cause_are_one_line() {
    let rows = (0..300).map(|row| format!("r{row},x{row},{row}个,omb_1\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[("rooms.csv", &format!("{HEADER}{rows}"))]);
    let outcome = with(&place, &["validate", "rooms.csv"], &ROOM);
    let expected = "rooms.csv: column 3 (capacity): 300 rows: expected an integer, got \"0个\" and the like; \
                    lines 2, 3, 4, 5, 6, …\n";
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), expected));
    assert_eq!(outcome.err, "300 faults in 300 of 300 rows\n");
    assert_eq!(lines(&with(&place, &["validate", "rooms.csv", "--json"], &ROOM)).len(), 300);
}

#[test]
fn of_many_causes_the_first_are_printed() {
    let rows = (0..25).map(|row| format!("{{\"id\":\"r{row}\",\"field_{row}xyz\":1}}\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[("jobs.jsonl", &rows)]);
    let outcome = with(&place, &["validate", "jobs.jsonl"], &ROOM);
    let ends = "more faults of other causes; `paceline validate --json` prints them all\n";
    assert!(outcome.out.ends_with(ends), "{}", outcome.out);
    assert!(outcome.out.lines().count() < 30, "{}", outcome.out);
}

#[test]
fn warnings_stop_nothing_unless_they_are_to() {
    let row = "a,7F-701 ,4,omb_1\n";
    let place = Place::with_apps(&[("rooms.csv", &format!("{HEADER}{row}"))]);
    let warning = "rooms.csv:2: warning: column 2 (name): expected no space at the beginning or end, got \"7F-701 \"\n";
    let validated = with(&place, &["validate", "rooms.csv"], &ROOM);
    assert_eq!((validated.code, validated.out.as_str()), (Some(0), warning));
    assert_eq!(validated.err, "1 row, no fault, 1 warning\n");
    assert_eq!(with(&place, &["validate", "rooms.csv", "--strict"], &ROOM).code, Some(1));
    for command in [&["submit", "rooms.csv", "--strict"][..], &["run", "rooms.csv", "--simulate", "--strict"]] {
        let strict = with(&place, command, &ROOM);
        assert_eq!(strict.code, Some(2), "{}", strict.err);
        assert!(strict.err.starts_with(warning) && strict.err.contains("nothing was sent"), "{}", strict.err);
    }
    assert!(!place.path().join("paceline.db").exists());
    let submitted = with(&place, &["submit", "rooms.csv"], &ROOM);
    assert_eq!(submitted.code, Some(0), "{}", submitted.err);
    assert!(submitted.err.starts_with(warning) && submitted.err.contains("1 queued"), "{}", submitted.err);
    let rehearsed = with(&place, &["run", "rooms.csv", "--simulate", "--speed", "600"], &ROOM);
    assert_eq!(rehearsed.code, Some(0), "{}", rehearsed.err);
    assert!(rehearsed.err.contains(warning), "{}", rehearsed.err);
}

#[test]
fn a_start_in_the_past_is_a_fault_unless_its_job_is_known() {
    let header = "id,admin_userid,title,meeting_start,meeting_duration\n";
    let rows = "m1,zhang,a,2021-03-03T10:00:00+08:00,3600\nm2,zhang,b,1900000000000,3600\n";
    let place = Place::with_apps(&[
        ("meetings.csv", &format!("{header}{rows}")),
        ("old.csv", &format!("{header}{}", rows.lines().next().unwrap())),
    ]);
    let validated = with(&place, &["validate", "meetings.csv"], &MEETING);
    assert_eq!(
        validated.out,
        "meetings.csv:2: column 4 (meeting_start): expected a time later than now, got 2021-03-03T02:00:00.000Z\n\
         meetings.csv:3: column 4 (meeting_start): looks like milliseconds: expected Unix seconds, got 1900000000000 \
         (in seconds: 1900000000)\n"
    );
    assert_eq!(validated.code, Some(1));
    assert_eq!(with(&place, &["submit", "old.csv"], &MEETING).code, Some(2));
    let planned = with(&place, &["plan", "old.csv"], &MEETING);
    assert_eq!(planned.code, Some(1), "{}", planned.err);
    let late = "1 row is too late already, for the dead letters (expired):\n  \
                old.csv:2: m1, not sent at or after 2021-03-03T02:00:00.000Z\n";
    assert!(planned.out.contains(late), "{}", planned.out);
    let planned: Value = serde_json::from_str(&with(&place, &["plan", "old.csv", "--json"], &MEETING).out).unwrap();
    assert_eq!(planned["late"][0]["place"], "old.csv:2");
    let skipped = with(&place, &["submit", "old.csv", "--skip-invalid"], &MEETING);
    assert!(skipped.err.contains("1 queued"), "{}", skipped.err);
    let again = with(&place, &["submit", "old.csv"], &MEETING);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("1 known"), "{}", again.err);
}

#[test]
fn rows_are_compared_with_each_other() {
    let header = "id,admin_userid,title,meeting_start,meeting_duration\n";
    let rows = "a,zhang,A,2031-03-03T10:00:00+08:00,3600\nb,wang,B,2031-03-03T10:00:00+08:00,3600\n\
                c,zhang,C,2031-03-03T10:30:00+08:00,600\nd,zhang,D,2031-03-03T11:00:00+08:00,600\n";
    let calendars = (0..1_200).map(|row| format!("c{row},Team {row}\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[
        ("meetings.csv", &format!("{header}{rows}")),
        ("calendars.csv", &format!("id,summary\n{calendars}")),
    ]);
    let meetings = with(&place, &["validate", "meetings.csv"], &MEETING);
    let overlap = "meetings.csv:4: warning: column 4 (meeting_start): expected no other meeting of the organiser at the \
                   same time, got \"zhang\" in line 2\n";
    assert_eq!((meetings.code, meetings.out.as_str()), (Some(0), overlap));
    let total = "calendars.csv:1002: warning: an identity subscribes to at most 1000 calendars, and to each that it \
                 creates, got 1200\n";
    let calendar = ["--method", "feishu.calendar.create", "--app", "acme"];
    let calendars = with(&place, &["validate", "calendars.csv"], &calendar);
    assert_eq!((calendars.code, calendars.out.as_str()), (Some(0), total));
    let planned = with(&place, &["plan", "calendars.csv"], &calendar);
    assert!(planned.err.contains(total), "{}", planned.err);
}

#[test]
fn totals_count_what_the_ledger_has() {
    let rows =
        |from: usize, to: usize| (from..to).map(|row| format!("c{row},Team {row}\n")).collect::<Vec<_>>().concat();
    let place = Place::with_apps(&[
        ("first.csv", &format!("id,summary\n{}", rows(0, 600))),
        ("both.csv", &format!("id,summary\n{}", rows(0, 1_001))),
    ]);
    let calendar = ["--method", "feishu.calendar.create", "--app", "acme"];
    assert_eq!(with(&place, &["submit", "first.csv"], &calendar).code, Some(0));
    let again = with(&place, &["submit", "first.csv"], &calendar);
    assert!(!again.err.contains("warning"), "a known job is counted once: {}", again.err);
    let planned = with(&place, &["plan", "both.csv"], &calendar);
    let total = "both.csv:1002: warning: an identity subscribes to at most 1000 calendars, and to each that it creates, \
                 got 1001, 600 of them in the ledger\n";
    assert!(planned.err.contains(total), "{}", planned.err);
}

#[test]
fn chinese_says_how_a_file_is_read_and_what_is_wrong_with_it() {
    let place = Place::with_apps(&[]);
    let rows: Vec<_> = (0..5).map(|row| format!("r{row},会议室{row} ,{row}个,omb_1\n")).collect();
    let rows = rows.concat();
    let text = format!("id;name;capacity;room_level_id\n{}", rows.replace(',', ";"));
    std::fs::write(place.path().join("rooms.csv"), encoding_rs::GB18030.encode(&text).0).unwrap();
    let checked = with(&place, &["validate", "rooms.csv", "--lang", "zh"], &ROOM);
    assert_eq!(checked.code, Some(1), "{}", checked.transcript());
    let expected = "rooms.csv：第 3 列（capacity）：5 行：应为整数，实际为 \"0个\"，等等；行号 2、3、4、5、6\n\
                    rooms.csv：警告：第 2 列（name）：5 行：首尾不应有空格，实际为 \"会议室0 \"，等等；行号 2、3、4、5、6\n";
    assert_eq!(checked.out, expected);
    let expected = "提示：rooms.csv：按 GB18030 读取（不对就用 --encoding 指明）；各列以 ';' 分隔（不对就用 --delimiter 指明）\n\
                    5 行中的 5 行有错误，共 5 处，5 处警告\n";
    assert_eq!(checked.err, expected);
    let refused = with(&place, &["run", "--simulate", "rooms.csv", "--lang", "zh"], &ROOM);
    assert!(refused.err.contains("没有发出任何请求\nhint: 请改正这些行"), "{}", refused.err);
}
