use std::collections::BTreeSet;

use jiff::civil::date;

use crate::fixture::{RULE, lessons, plan, rule, said};
use crate::{Shared, expand, overlaps};

const SERIES: &str = "recurrence = \"{recurrence}\"\n\"start_time.timezone\" = \"{time_zone}\"\n";

#[test]
fn holidays_are_left_out_and_made_up_for() {
    let rule = rule(RULE);
    let plan = plan(&rule, "course,teacher,day,sections\nA,Wang,Thu,1-2\nB,Li,Fri,1-2\nC,Zhao,Sun,1-2");
    let days = |lesson: usize| -> BTreeSet<_> {
        let its = plan.meetings.iter().filter(|meeting| meeting.lesson == lesson);
        its.map(|meeting| meeting.slot.start.date()).collect()
    };
    let thursdays = days(0);
    assert_eq!(thursdays.len(), 17, "16, one of them moved, and one held twice");
    assert!(thursdays.contains(&date(2026, 9, 27)) && !thursdays.contains(&date(2026, 10, 1)));
    assert!(thursdays.contains(&date(2026, 10, 8)) && thursdays.contains(&date(2026, 10, 10)));
    assert_eq!(days(1).len(), 15);
    assert_eq!(plan.left.holidays.keys().copied().collect::<Vec<_>>(), [date(2026, 10, 2), date(2026, 10, 4)]);
    assert_eq!(plan.left.displaced.keys().copied().collect::<Vec<_>>(), [date(2026, 9, 27)]);
    let warned = said(&plan.warnings);
    assert!(
        warned.contains("rule.toml:7: term.make_up: 2026-09-27 has the lessons of 2026-10-01, so 1 of its own are")
    );
    assert!(
        warned.contains("rule.toml:7: term.make_up: 2026-10-08 is no holiday, so its lessons are held on both days")
    );
}

#[test]
fn ids_stay_when_rows_move_or_change() {
    let rule = rule(RULE);
    let ids = |text: &str| -> BTreeSet<String> {
        let table = plan(&rule, text).table("t.csv", &rule).unwrap();
        table.rows.into_iter().map(|row| row[0].clone()).collect()
    };
    let first = ids("course,teacher,day,sections\nA,Wang,Mon,1-2\nB,Li,Fri,1-2");
    assert_eq!(first.len(), 30);
    assert_eq!(first, ids("day,course,teacher,sections\n周五,B,Li,1-2\n星期一,Ａ,Zhao,第1-2节"));
    let other = RULE.replace("acme", "other");
    let table =
        plan(&crate::fixture::rule(&other), "course,day,sections,teacher\nA,1,1,").table("t.csv", &rule).unwrap();
    assert!(table.rows.iter().all(|row| row[3] == "A ()"), "{:?}", table.rows[0]);
}

#[test]
fn two_of_one_id_are_a_fault_that_says_how_to_tell_them_apart() {
    let text = "course,group,room,day,sections\nA,1,R1,Mon,1\nA,1,R2,Mon,1";
    let found = lessons(&rule(RULE), text);
    let faults = said(&expand("t.csv", &rule(RULE), found).unwrap_err());
    assert!(
        faults.starts_with("t.csv:3: is known by the same as line 2 and also begins at 2026-08-31T08:00:00"),
        "{faults}"
    );
    let keyed = rule(&RULE.replace("app = \"acme\"", "app = \"acme\"\nkey = [\"course\", \"room\"]"));
    assert_eq!(plan(&keyed, text).meetings.len(), 30);
}

#[test]
fn a_series_ends_before_a_holiday_and_begins_again_behind_it() {
    let rule = rule(&format!("{RULE}{SERIES}"));
    let table = plan(&rule, "course,teacher,weeks,day,sections\nA,Wang,1-16,Fri,1-2\nB,Li,1-15 odd,Mon,1")
        .table("t.csv", &rule);
    let table = table.unwrap();
    let column = |name: &str| table.header.iter().position(|header| header == name).unwrap();
    let of = |row: &[String]| [column("start_time.timestamp"), column("recurrence")].map(|column| row[column].clone());
    let found: Vec<[String; 2]> = table.rows.iter().map(|row| of(row)).collect();
    assert_eq!(
        found,
        [
            ["2026-09-04T08:00:00+08:00", "FREQ=WEEKLY;INTERVAL=1;UNTIL=20260925T000000Z"],
            ["2026-10-09T08:00:00+08:00", "FREQ=WEEKLY;INTERVAL=1;UNTIL=20261218T000000Z"],
            ["2026-08-31T08:00:00+08:00", "FREQ=WEEKLY;INTERVAL=2;UNTIL=20261207T000000Z"],
        ]
        .map(|row| row.map(str::to_owned)),
    );
}

#[test]
fn one_room_or_teacher_at_one_time_is_seen() {
    let rule = rule(RULE);
    let text = "course,teacher,room,weeks,day,sections\n\
                A,Wang、Li,R1,1-16,Mon,1-2\n\
                B,li,R2,1-8,Mon,2-3\n\
                C,Zhao,r1,2,Mon,3\n\
                D,Zhao,R3,1-15单,Mon,4";
    let plan = plan(&rule, text);
    let found = overlaps(&plan);
    let [overlap] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (overlap.shared, overlap.name.as_str(), overlap.lessons, overlap.times),
        (Shared::Teacher, "li", (0, 1), 7)
    );
    assert_eq!(overlap.first.start, date(2026, 8, 31).at(8, 55, 0, 0));
}

#[test]
fn a_name_that_nothing_has_is_a_fault_with_the_likely_one() {
    let rule = rule(&RULE.replace("{teacher}", "{techer}"));
    let faults = plan(&rule, "course,teacher,day,sections\nA,Wang,Mon,1").table("t.csv", &rule).unwrap_err();
    let expected =
        "rule.toml:20: job.parameters.summary: neither a column nor a meeting has \"techer\"; is \"teacher\" meant?";
    assert_eq!(said(&faults), expected);
}

#[test]
fn an_hour_that_the_clocks_skip_is_a_fault() {
    let text = RULE.replace("Asia/Shanghai", "Europe/Berlin").replace("08:00-08:45", "02:15-02:45");
    let rule = rule(&text);
    let faults = expand("t.csv", &rule, lessons(&rule, "course,day,sections\nA,Sun,1")).unwrap_err();
    let said = said(&faults);
    assert!(
        said.contains("t.csv:2: is at 2026-10-25T02:15:00, which the clocks of Europe/Berlin skip or repeat"),
        "{said}"
    );
}
