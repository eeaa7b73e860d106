use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::{Catalog, built_in};
use super::*;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| built_in().unwrap());

fn body_faults(method: &str, body: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    CATALOG.method(method).unwrap().body_schema.check("body", body, &mut faults);
    faults.iter().map(ToString::to_string).collect()
}

fn meeting_faults(name: &str, value: Value) -> Vec<String> {
    let mut body = json!({"admin_userid": "a", "title": "t", "meeting_start": 1, "meeting_duration": 300});
    match name.split_once('.') {
        Some((outer, inner)) => body[outer] = json!({ inner: value }),
        None => body[name] = value,
    }
    body_faults("wecom.meeting.create", &body)
}

/// `good` passes, `bad` has exactly one fault, which names the field and says `rule`.
fn edge(name: &str, good: Value, bad: Value, rule: &str) {
    assert_eq!(meeting_faults(name, good), [""; 0], "{name}");
    let found = meeting_faults(name, bad);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("body.{name}")) && found[0].contains(rule), "{rule:?} in {found:?}");
}

#[test]
fn titles_keep_one_of_two_limits() {
    edge(
        "title",
        json!("会".repeat(20)),
        json!("会".repeat(21)),
        "at most 40 bytes or 20 characters, got 63 bytes and 21",
    );
    edge("title", json!("a".repeat(40)), json!("a".repeat(41)), "got 41 bytes and 41 characters");
    // 21 characters, of which 19 are Chinese: 59 bytes. Neither limit is kept.
    edge("title", json!("a"), json!("会".repeat(19) + "ab"), "got 59 bytes and 21 characters");
    edge("description", json!("会".repeat(500)), json!("会".repeat(501)), "500");
}

#[test]
fn lengths_count_characters_or_bytes_as_documented() {
    edge("location", json!("会".repeat(128)), json!("会".repeat(129)), "at most 128 characters, got 129");
    edge("cal_id", json!("a".repeat(64)), json!("会".repeat(22)), "at most 64 bytes of UTF-8, got 66");
    edge("settings.password", json!("123456"), json!("1234567"), "at most 6 characters");
    edge("settings.password", json!("1234"), json!("123"), "at least 4 characters");
    edge("settings.password", json!("0000"), json!("12a4"), "a string of digits");
    edge("settings.password", json!("1234"), json!("１２３４"), "a string of digits");
}

#[test]
fn numbers_keep_their_bounds_and_types() {
    edge("meeting_duration", json!(300), json!(299), "at least 300, got 299");
    edge("meeting_duration", json!(86_399), json!(86_400), "at most 86399, got 86400");
    edge("meeting_start", json!(i64::MAX), json!(9_223_372_036_854_775_808_u64), "expected Unix seconds");
    edge("meeting_start", json!(1), json!("1795248000"), "expected Unix seconds, an integer");
    edge("meeting_duration", json!(300), json!(300.0), "expected an integer, got 300.0");
    edge("settings.remind_scope", json!(4), json!(5), "expected one of 1, 2, 3, 4, got 5");
    edge("settings.enable_waiting_room", json!(true), json!(1), "expected true or false, got 1");
    edge("settings.enable_waiting_room", json!(false), json!(null), "got null; leave it out instead");
}

#[test]
fn lists_count_and_check_their_items() {
    let users = |count: usize| json!({"userid": vec!["u"; count]});
    edge("invitees", users(300), users(301), "at most 300 items, got 301");
    edge("settings.hosts", users(10), users(11), "at most 10 items");
    edge("invitees.userid", json!([]), json!(["a", ""]), "must not be empty");
    // Other values than the documented ones are accepted, and count as 0.
    edge("reminders.remind_before", json!([0, 86400, 60]), json!([0, -60]), "[1]: expected at least 0");
    edge("invitees.userid", json!(["a"]), json!("a"), "expected a list, got \"a\"");
}

#[test]
fn the_organiser_does_not_count_as_a_host() {
    let faults = |hosts: usize, organiser: &str| {
        let others = (0..hosts).map(|n| format!("h{n}"));
        let body = json!({"admin_userid": "a", "title": "t", "meeting_start": 1, "meeting_duration": 300,
            "settings": {"hosts": {"userid": others.chain([organiser.to_owned()]).collect::<Vec<_>>()}}});
        body_faults("wecom.meeting.create", &body)
    };
    assert_eq!(faults(10, "a"), [""; 0]);
    let found = "body.settings.hosts.userid: expected at most 10 items besides admin_userid, got 11";
    assert_eq!(faults(11, "a"), [found]);
    assert_eq!(faults(10, "b"), [found]);
}

#[test]
fn ids_are_known_by_their_look() {
    let room = |level: &str| {
        body_faults("feishu.vc.room.create", &json!({"name": "n", "capacity": 1, "room_level_id": level}))
    };
    for good in ["omb_4ad1", "omb_4ad1a2c7a2fbc5fc9570f38456931293"] {
        assert_eq!(room(good), [""; 0]);
    }
    let expected = "body.room_level_id: expected a level id such as \"omb_4ad1a2c7a2fbc5fc9570f38456931293\", got";
    for bad in ["总部/1层", "omm_4ad1", "omb_", " omb_4ad1", "omb_4ad1 ", "omb_4a\u{200b}d1"] {
        assert_eq!(room(bad), [format!("{expected} {bad:?}")]);
    }
    assert_eq!(room(""), ["body.room_level_id: must not be empty, got \"\""], "said once");
    let long = "a".repeat(64);
    for good in ["zhangsan", "Zhang.San-2_x@corp", "woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA", &long] {
        assert_eq!(meeting_faults("admin_userid", json!(good)), [""; 0]);
        assert_eq!(meeting_faults("invitees.userid", json!([good])), [""; 0]);
    }
    for bad in ["张三", "zhang san", "zhang/san", "zhang,li"] {
        let found = meeting_faults("settings.ring_users", json!({"userid": ["li", bad]}));
        let expected =
            "body.settings.ring_users.userid[1]: expected a userid (letters, digits, _, -, @ and .) such as \"lisi\"";
        assert_eq!(found, [format!("{expected}, got {bad:?}")]);
    }
    assert!(meeting_faults("admin_userid", json!("a".repeat(65)))[0].contains("at most 64 characters, got 65"));
}

#[test]
fn an_interval_is_for_weekly_meetings_only() {
    let reminders = |value: Value| meeting_faults("reminders", value);
    assert_eq!(reminders(json!({"repeat_type": 1, "repeat_interval": 2})), [""; 0]);
    assert_eq!(reminders(json!({"repeat_type": 0, "repeat_interval": 1})), [""; 0], "the documents' own example");
    for bad in [json!({"repeat_type": 2, "repeat_interval": 2}), json!({"repeat_interval": 2})] {
        let found = reminders(bad);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("only when repeat_type is 1, and repeat_type is"), "{found:?}");
    }
    assert_eq!(reminders(json!({"repeat_type": 1, "repeat_interval": 3})).len(), 1);
}

#[test]
fn unix_seconds_may_be_text_where_the_platform_says_so() {
    let room = |value: Value| {
        let status = json!({"status": false, "disable_end_time": value});
        let body = json!({"name": "n", "capacity": 1, "room_level_id": "omb_o", "room_status": status});
        body_faults("feishu.vc.room.create", &body)
    };
    assert_eq!(room(json!("0")), [""; 0]);
    for bad in [json!(0), json!(""), json!("-1"), json!("2026-11-21T16:00:00+08:00"), json!("1.5")] {
        assert_eq!(room(bad.clone()).len(), 1, "{bad}");
    }
}

#[test]
fn long_values_are_shortened_and_nested_ones_not_shown() {
    let found = meeting_faults("location", json!("x".repeat(200)));
    assert!(found[0].contains(&"x".repeat(40)) && !found[0].contains(&"x".repeat(41)), "{found:?}");
    assert!(meeting_faults("title", json!({"a": 1}))[0].ends_with("got an object"));
}

#[test]
fn names_are_guessed_only_when_near() {
    let known = ["name", "capacity", "room_level_id"];
    assert_eq!(nearest("nmae", known.into_iter()), Some("name"), "a swap counts once");
    assert_eq!(nearest("nbme2", known.into_iter()), None, "two of four letters differ");
    assert_eq!(nearest("nam", known.into_iter()), Some("name"));
    assert_eq!(nearest("Capacity", known.into_iter()), Some("capacity"));
    assert_eq!(nearest("room_lvl_id", known.into_iter()), Some("room_level_id"));
    assert_eq!(nearest("zzz", known.into_iter()), None);
}
