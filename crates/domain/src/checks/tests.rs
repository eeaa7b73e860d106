//! Every kind of finding beside a look-alike that passes.

#![expect(clippy::needless_pass_by_value, reason = "as `json!` makes them")]

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::catalog::{Catalog, built_in};
use crate::decode::{Apps, Decoder, Defaults};

static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(built_in().unwrap()));

const ROOM: &str = "feishu.vc.room.create";
const MEETING: &str = "wecom.meeting.create";
/// 2026-12-01 09:00 in UTC+8, a Tuesday.
const START: i64 = 1_796_086_800;
const DAY: i64 = 86_400;

fn room(name: &str, value: Value) -> Value {
    let mut body = json!({"name": "7F-701", "capacity": 10, "room_level_id": "omb_1"});
    body[name] = value;
    body
}

fn meeting(more: Value) -> Value {
    let mut body = json!({"admin_userid": "zhang", "title": "t", "meeting_start": START, "meeting_duration": 3600});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Faults and warnings of a job, each as `field: message`.
fn judged(method: &str, body: Value, source: Source) -> (Vec<String>, Vec<String>) {
    let decoder = Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() };
    let document = json!({"id": "j", "method": method, "app": "a", "body": body});
    let mut warnings = Vec::new();
    let Value::Object(document) = document else { unreachable!() };
    let read = decoder.judge(document, &[], &Defaults::default(), source, &mut warnings);
    let faults = read.err().map(|rejection| rejection.faults).unwrap_or_default();
    let line = |found: &Finding| format!("{}: {}", found.field, found.check.message());
    (faults.iter().map(ToString::to_string).collect(), warnings.iter().map(line).collect())
}

fn good(method: &str, body: Value) {
    for source in [Source::Cells, Source::Document] {
        assert_eq!(judged(method, body.clone(), source), (Vec::new(), Vec::new()), "{body}");
    }
}

/// Exactly one fault and no warning.
fn fault(method: &str, body: Value, expected: &str) {
    let (faults, warnings) = judged(method, body, Source::Cells);
    assert_eq!((faults.len(), warnings.len()), (1, 0), "{faults:?} {warnings:?}");
    assert!(faults[0].starts_with(expected), "{expected:?} in {faults:?}");
}

/// Exactly one warning and no fault.
fn warning(method: &str, body: Value, expected: &str) {
    let (faults, warnings) = judged(method, body, Source::Cells);
    assert_eq!((faults.len(), warnings.len()), (0, 1), "{faults:?} {warnings:?}");
    assert!(warnings[0].starts_with(expected), "{expected:?} in {warnings:?}");
}

#[test]
fn smaller_units_than_seconds_are_faults() {
    let at = |start: i64| meeting(json!({"meeting_start": start}));
    fault(
        MEETING,
        at(1_900_000_000_000),
        "body.meeting_start: looks like milliseconds: expected Unix seconds, got 1900000000000 (in seconds: 1900000000)",
    );
    fault(MEETING, at(1_900_000_000_000_000), "body.meeting_start: looks like microseconds");
    fault(MEETING, at(i64::MAX), "body.meeting_start: looks like nanoseconds");
    good(MEETING, at(1_900_000_000));
    good(MEETING, at(99_999_999_999));
    let until = |text: &str| room("room_status", json!({"status": false, "disable_end_time": text}));
    fault(ROOM, until("1900000000000"), "body.room_status.disable_end_time: looks like milliseconds");
    good(ROOM, until("1900000000"));
    good(ROOM, until("0"));
    good(ROOM, room("custom_room_id", json!("1900000000000")));
}

#[test]
fn what_a_spreadsheet_broke_is_a_fault_in_a_table_alone() {
    fault(ROOM, room("name", json!("#N/A")), "body.name: expected a value, not a spreadsheet's error, got \"#N/A\"");
    fault(ROOM, room("capacity", json!("#VALUE!")), "body.capacity: expected a value, not a spreadsheet's error");
    fault(ROOM, room("custom_room_id", json!("1.38E+10")), "body.custom_room_id: a spreadsheet shortened the number");
    fault(ROOM, room("capacity", json!("1.38E+10")), "body.capacity: a spreadsheet shortened the number");
    let end = json!({"status": false, "disable_end_time": "1.79E+09"});
    fault(ROOM, room("room_status", end), "body.room_status.disable_end_time: a spreadsheet shortened the number");
    let invitees = json!({"invitees": {"userid": ["li", "1.38E+10"]}});
    fault(MEETING, meeting(invitees), "body.invitees.userid[1]: a spreadsheet shortened the number");
    warning(ROOM, room("name", json!("1.38E+10")), "body.name: a spreadsheet shortened the number");
    for name in ["2E5", "#1", "A#N/A", "N/A", "1E+5", "###", "#会议室"] {
        good(ROOM, room("name", json!(name)));
    }
    good(ROOM, room("custom_room_id", json!("2E5")));
    for (name, value) in [("name", "#N/A"), ("custom_room_id", "1.38E+10")] {
        let (faults, warnings) = judged(ROOM, room(name, json!(value)), Source::Document);
        assert_eq!((faults.len(), warnings.len()), (0, 1), "a program may have meant it: {faults:?}");
    }
}

#[test]
fn characters_that_nobody_sees_are_found() {
    fault(ROOM, room("name", json!("7F\u{0}701")), "body.name: expected no control characters, got U+0000");
    fault(ROOM, room("name", json!("\u{1b}[31m7F")), "body.name: expected no control characters, got U+001B");
    warning(ROOM, room("name", json!("7F\u{200b}-701")), "body.name: expected no invisible characters, got U+200B");
    warning(ROOM, room("name", json!("\u{feff}7F")), "body.name: expected no invisible characters, got U+FEFF");
    warning(ROOM, room("name", json!("7F\u{202e}701")), "body.name: expected no invisible characters, got U+202E");
    warning(ROOM, room("name", json!("会\u{fffd}室")), "body.name: characters were lost in a conversion (U+FFFD)");
    warning(
        ROOM,
        room("name", json!("7F-701 ")),
        "body.name: expected no space at the beginning or end, got \"7F-701 \"",
    );
    warning(
        ROOM,
        room("device", json!([{"name": "电话"}, {"name": "\u{3000}投影"}])),
        "body.device[1].name: expected no space",
    );
    for name in ["会议室A", "会议室Ａ", "👨‍👩‍👧‍👦 room", "❤️‍🔥", "a\tb", "two words", "Émile", "٣"]
    {
        good(ROOM, room("name", json!(name)));
    }
    good(ROOM, room("description", json!("line 1\n\tline 2\r\nline 3")));
    for name in ["a\nb", "a\r\nb", "a\rb", "a\u{2028}b"] {
        fault(ROOM, room("name", json!(name)), "body.name: expected one line, got ");
    }
    warning(ROOM, room("name", json!("a\n")), "body.name: expected no space at the beginning or end");
}

#[test]
fn nothing_sensitive_is_shown() {
    let password = |text: &str| meeting(json!({"settings": {"password": text}}));
    for text in ["#N/A91", "12\u{0}34", " 9182", "1.38E+10"] {
        for source in [Source::Cells, Source::Document] {
            let (faults, warnings) = judged(MEETING, password(text), source);
            let all = format!("{faults:?}{warnings:?}");
            assert!(!faults.is_empty() && !all.contains("91") && !all.contains("1.38"), "{all}");
        }
    }
}

#[test]
fn hosts_and_ring_users_are_among_the_invitees() {
    let with = |hosts: Value, scope: i64, ring: Value| {
        meeting(json!({
            "invitees": {"userid": ["li", "wang"]},
            "settings": {"hosts": {"userid": hosts}, "remind_scope": scope, "ring_users": {"userid": ring}},
        }))
    };
    good(MEETING, with(json!(["li"]), 1, json!([])));
    good(MEETING, with(json!(["zhang"]), 4, json!(["zhang", "wang"])));
    good(MEETING, with(json!([]), 1, json!(["bob"])));
    fault(
        MEETING,
        with(json!(["li", "bob"]), 1, json!([])),
        "body.settings.hosts.userid[1]: expected a host who is among the invitees (code 400029), got \"bob\"",
    );
    fault(MEETING, with(json!([]), 4, json!(["bob"])), "body.settings.ring_users.userid[0]: expected a member");
    warning(MEETING, with(json!([]), 4, json!([])), "body.settings.ring_users.userid: with remind_scope 4");
    warning(MEETING, meeting(json!({"settings": {"remind_scope": 4}})), "body.settings.ring_users.userid: with remind");
}

#[test]
fn a_repetition_is_whole_and_ends_in_time() {
    let reminders = |value: Value| meeting(json!({ "reminders": value }));
    let until = |repeat_type: i64, days: i64| {
        reminders(json!({"is_repeat": 1, "repeat_type": repeat_type, "repeat_until": START + days * DAY}))
    };
    for value in [json!({"repeat_until": START + DAY}), json!({"is_repeat": 0, "repeat_type": 1})] {
        let (faults, warnings) = judged(MEETING, reminders(value), Source::Document);
        assert_eq!((faults.len(), warnings.len()), (0, 1));
        assert!(warnings[0].contains("has no effect unless is_repeat is 1"), "{warnings:?}");
    }
    good(MEETING, reminders(json!({"is_repeat": 0, "repeat_type": 0, "repeat_interval": 1})));
    fault(MEETING, until(0, -1), "body.reminders.repeat_until: the repetition must not end before the meeting starts");
    for (repeat_type, most) in [(0, 199), (1, 199 * 7), (7, 277)] {
        good(MEETING, until(repeat_type, most));
    }
    warning(MEETING, until(0, 200), "body.reminders.repeat_until: a daily meeting takes place at most 200 times");
    warning(MEETING, until(1, 200 * 7), "body.reminders.repeat_until: a weekly meeting takes place at most 200 times");
    warning(MEETING, until(7, 280), "body.reminders.repeat_until: a meeting on every working day");
    warning(MEETING, until(2, 51 * 31), "body.reminders.repeat_until: a monthly meeting takes place at most 50 times");
    good(MEETING, until(2, 48 * 31));
    let fortnightly = |weeks: i64| {
        let until = START + weeks * 7 * DAY;
        reminders(json!({"is_repeat": 1, "repeat_type": 1, "repeat_interval": 2, "repeat_until": until}))
    };
    good(MEETING, fortnightly(98));
    warning(
        MEETING,
        fortnightly(100),
        "body.reminders.repeat_until: a fortnightly meeting takes place at most 50 times",
    );
}

#[test]
fn an_advanced_repetition_says_what_it_needs() {
    const ADVANCED: &str = "wecom.meeting.create_advanced";
    let reminders = |value: Value| {
        let mut repeated = json!({"is_repeat": 1});
        repeated.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        meeting(json!({ "reminders": repeated }))
    };
    good(ADVANCED, reminders(json!({"is_custom_repeat": 1, "repeat_interval": 2})));
    let weekly = json!({"is_custom_repeat": 1, "repeat_type": 1, "repeat_interval": 1, "repeat_day_of_week": [2, 4],
        "repeat_until_type": 1, "repeat_until_count": 200});
    good(ADVANCED, reminders(weekly));
    fault(
        ADVANCED,
        reminders(json!({"is_custom_repeat": 1, "repeat_type": 1, "repeat_day_of_week": [2]})),
        "body.reminders.repeat_interval: is_custom_repeat = 1 needs repeat_interval",
    );
    let working_days = json!({"is_custom_repeat": 1, "repeat_type": 7, "repeat_interval": 1});
    fault(ADVANCED, reminders(working_days), "body.reminders.repeat_type: a custom repetition is by day");
    let by_month = |count: i64| json!({"repeat_type": 2, "repeat_until_type": 1, "repeat_until_count": count});
    good(ADVANCED, reminders(by_month(50)));
    fault(ADVANCED, reminders(by_month(51)), "body.reminders.repeat_until_count: a monthly meeting");
    for (unused, field) in [
        (json!({"repeat_day_of_week": [2]}), "repeat_day_of_week: has no effect unless is_custom_repeat is 1"),
        (
            json!({"is_custom_repeat": 1, "repeat_interval": 1, "repeat_day_of_month": [2]}),
            "repeat_day_of_month: has no effect on a daily",
        ),
        (
            json!({"is_custom_repeat": 1, "repeat_type": 2, "repeat_interval": 1, "repeat_day_of_week": [2]}),
            "repeat_day_of_week: has no effect on a monthly",
        ),
        (json!({"repeat_until_type": 1, "repeat_until": START + DAY}), "repeat_until: has no effect unless"),
        (json!({"is_repeat": 0, "is_custom_repeat": 1}), "is_custom_repeat: has no effect unless is_repeat is 1"),
        // By default every day, until a time.
        (json!({"repeat_until": START + 200 * DAY}), "repeat_until: a daily meeting takes place at most 200 times"),
        (json!({"repeat_type": 2, "repeat_until": START + 51 * 31 * DAY}), "repeat_until: a monthly meeting"),
    ] {
        warning(ADVANCED, reminders(unused), &format!("body.reminders.{field}"));
    }
    good(ADVANCED, reminders(json!({"repeat_until": START + 199 * DAY})));
    let settings = |value: Value| meeting(json!({ "settings": value }));
    good(ADVANCED, settings(json!({"allow_unmute_self": false, "mute_all": true})));
    good(ADVANCED, settings(json!({"mute_all": false})));
    for (muted, what) in [
        (json!({"allow_unmute_self": false}), "allow_unmute_self = false needs mute_all"),
        (json!({"allow_unmute_self": false, "mute_all": false}), "allow_unmute_self = false needs mute_all"),
        (json!({"mute_all": true}), "mute_all has no effect unless"),
    ] {
        warning(ADVANCED, settings(muted), &format!("body.settings.mute_all: {what}"));
    }
}

#[test]
fn rows_that_look_the_same_are_told_once_a_file() {
    let decoder = Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() };
    let method = CATALOG.job_method(ROOM).unwrap();
    let mut across = across::Across::default();
    let mut look = |name: &str, app: &str, line: u64| {
        let document = json!({"id": "j", "method": ROOM, "app": app, "body": room("name", json!(name))});
        let job = decoder.decode(document.to_string().as_bytes(), &Defaults::default()).unwrap();
        let found = across.add_look(method, &job, line)?;
        Some((found.severity, found.check.message()))
    };
    let same = Some((Severity::Warning, "looks the same as line 2".to_owned()));
    assert_eq!(look("Room 1", "a", 2), None);
    for (line, name) in (3..).zip(["Ｒｏｏｍ １", "room 1", "Ro\u{200b}om 1", "Room  1"]) {
        assert_eq!(look(name, "a", line), same, "{name}");
    }
    for (line, name) in (10..).zip(["Room 1", "Room 11", "1F", "IF", "Room1"]) {
        assert_eq!(look(name, "a", line), None, "{name}: the very same is told elsewhere");
    }
    assert_eq!(look("room 1", "b", 20), None, "of another app");
    across.end_file();
    let document = json!({"id": "j", "method": ROOM, "app": "a", "body": room("name", json!("ROOM 1"))});
    let job = decoder.decode(document.to_string().as_bytes(), &Defaults::default()).unwrap();
    assert_eq!(across.add_look(method, &job, 2), None, "a new file");
}

#[test]
fn numbers_of_people_are_looked_at() {
    let invited = |count: usize| {
        let users: Vec<_> = (0..count).map(|number| format!("u{number}")).collect();
        meeting(json!({"invitees": {"userid": users}}))
    };
    good(MEETING, invited(100));
    warning(MEETING, invited(101), "body.invitees.userid: an ordinary corp may invite at most 100 members");
    let twice = meeting(json!({"invitees": {"userid": ["li", "wang", "li"]}}));
    warning(MEETING, twice, "body.invitees.userid[2]: expected each one only once, got \"li\"");
    for capacity in [1, 10_000] {
        good(ROOM, room("capacity", json!(capacity)));
    }
    for capacity in [0, -5, 10_001] {
        warning(ROOM, room("capacity", json!(capacity)), "body.capacity: expected a room for 1 to 10000 people");
    }
    let outage = |start: i64, end: i64| {
        let status =
            json!({"status": false, "disable_start_time": start.to_string(), "disable_end_time": end.to_string()});
        room("room_status", status)
    };
    good(ROOM, outage(START, START + 1));
    good(ROOM, outage(START, 0));
    warning(ROOM, outage(START, START - 1), "body.room_status.disable_end_time: the room would be back in use");
}

#[test]
fn what_is_past_is_a_fault_where_the_platform_refuses_it() {
    let decoder = Decoder { catalog: Arc::clone(&CATALOG), apps: Apps::Any, rights: Arc::default() };
    let read = |document: Value| decoder.decode(document.to_string().as_bytes(), &Defaults::default()).unwrap();
    let job = read(json!({"id": "j", "method": MEETING, "app": "a", "body": meeting(json!({}))}));
    let at = |seconds: i64| past(CATALOG.job_method(MEETING).unwrap(), &job, Timestamp::from_unix_seconds(seconds));
    assert_eq!(at(START - 60), None, "a meeting in one minute");
    let found = at(START).unwrap();
    assert_eq!((found.severity, found.field.as_str()), (Severity::Fault, "body.meeting_start"));
    assert!(found.check.message().starts_with("expected a time later than now, got 2026-12-01T01:00:00"));
    let job = json!({"id": "j", "method": ROOM, "app": "a", "not_after": "2026-12-01T01:00:00Z", "body": room("capacity", json!(1))});
    let job = read(job);
    let found = past(CATALOG.job_method(ROOM).unwrap(), &job, Timestamp::from_unix_seconds(START)).unwrap();
    assert_eq!((found.severity, found.field.as_str()), (Severity::Warning, "not_after"));
}

#[test]
fn the_documents_own_examples_have_no_fault() {
    for method in CATALOG.methods.values() {
        for example in &method.body_schema.examples {
            let Value::Object(body) = example.clone() else { unreachable!() };
            let mut found = Vec::new();
            of_params(method, &Params { body, ..Params::default() }, Source::Cells, &mut found);
            assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{}: {found:?}", method.name);
        }
    }
}

proptest! {
    /// Names as people give them have no fault, and none of what is no text at all.
    #[test]
    fn ordinary_texts_have_no_fault(
        name in "[a-zA-Z0-9 _.,:;/()#&+'\"@!?é一-龥ぁ-ん가-힣Ａ-Ｚ０-９，。、（）🚀🏢-]{1,40}",
        capacity in any::<i32>(),
    ) {
        prop_assume!(!spreadsheet::is_error(&name) && !name.trim().is_empty());
        let body = json!({"name": name, "capacity": capacity, "room_level_id": "omb_1", "device": [{"name": name}]});
        let (faults, warnings) = judged(ROOM, body, Source::Cells);
        prop_assert!(faults.is_empty(), "{:?}", faults);
        let trimmed = name.trim() == name && !spreadsheet::is_shortened(&name);
        prop_assert!(!trimmed || warnings.iter().all(|found| found.starts_with("body.capacity")), "{:?}", warnings);
    }
}
