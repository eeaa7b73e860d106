//! Jobs of ten methods: single ones, and chains, whose jobs wait for others and take ids from their results.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::books::{CALENDAR, MEETING, ROOM};

pub(crate) const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";
pub(crate) const EVENT: &str = "feishu.calendar.event.create";
pub(crate) const PEOPLE: &str = "feishu.calendar.event.attendee.create";
pub(crate) const LEVEL: &str = "feishu.vc.room_level.create";
pub(crate) const RULES: &str = "feishu.vc.reserve_config.patch";
pub(crate) const SEMINAR_ROOM: &str = "wecom.oa.meetingroom.add";
pub(crate) const BOOKING: &str = "wecom.oa.meetingroom.book";
/// Methods whose objects are owned by one job each.
pub(crate) const OWNED: [&str; 8] = [ROOM, CALENDAR, MEETING, MINUTES, EVENT, LEVEL, SEMINAR_ROOM, BOOKING];
const START: u64 = 1_930_000_000;

/// A text of a document; empty if it is not there.
pub(crate) fn text<'v>(document: &'v Value, name: &str) -> &'v str {
    document[name].as_str().unwrap_or_default()
}

fn job(id: &str, method: &str, by: &str, rest: &Value) -> Value {
    let app = if method.starts_with("wecom") { "campus" } else { "acme" };
    let mut job = json!({"id": id, "method": method, "app": app, "batch": by});
    for (name, value) in rest.as_object().into_iter().flatten() {
        job[name] = value.clone();
    }
    job
}

/// One job that can succeed; `by` is how it comes, amqp or file.
pub(crate) fn single(method: &str, number: u64, by: &str) -> Value {
    let kind = if method == MINUTES { "minutes" } else { method.split('.').nth(1).unwrap_or_default() };
    let id = format!("{by}-{kind}-{number}");
    let rest = match method {
        ROOM => json!({"body": {"name": format!("Crash {id}"), "capacity": 4,
            "room_level_id": format!("omb_{}", number % 7)}}),
        CALENDAR => {
            json!({"body": {"summary": format!("Crash {id}"), "description": format!("calendar {id}")}})
        }
        MEETING => json!({"body": {"admin_userid": format!("t{}", number % 9), "title": format!("C {id}"),
            "meeting_start": START + 3_600 * number, "meeting_duration": 1_800}}),
        _ => json!({"path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("{id}_0")}}),
    };
    job(&id, method, by, &rest)
}

/// The chain of that number, of one of three kinds.
pub(crate) fn chain(number: u64, by: &str) -> Vec<Value> {
    match number % 3 {
        0 => lecture(&format!("{by}-lecture-{number}"), number, by),
        1 => building(&format!("{by}-building-{number}"), by),
        _ => seminar(&format!("{by}-seminar-{number}"), number, by),
    }
}

fn from(id: &str) -> Value {
    json!({"$from": id})
}

fn span(number: u64) -> (u64, u64) {
    (START + 7_200 * number, START + 7_200 * number + 3_600)
}

/// A calendar, two events one after the other, people and a room for the first, and its minutes.
fn lecture(name: &str, number: u64, by: &str) -> Vec<Value> {
    let (first, last) = span(number);
    let [calendar, one, two, people, minutes] =
        ["calendar", "event", "exam", "people", "minutes"].map(|part| format!("{name}-{part}"));
    let event = |id: &str, after: &[&str]| {
        let body = json!({"summary": id, "start_time": {"timestamp": first.to_string()},
            "end_time": {"timestamp": last.to_string()}});
        let rest = json!({"path": {"calendar_id": from(&calendar)}, "body": body, "after": after});
        job(id, EVENT, by, &rest)
    };
    let within = json!({"calendar_id": from(&calendar), "event_id": from(&one)});
    let invited = json!([{"type": "user", "user_id": format!("ou_{number}")},
        {"type": "resource", "room_id": format!("omm_{number}"), "operate_id": "ou_office"}]);
    let about = json!({"summary": format!("Crash {name}"), "description": format!("calendar of {name}")});
    vec![
        job(&calendar, CALENDAR, by, &json!({"body": about})),
        event(&one, &[]),
        event(&two, &[&one]),
        job(&people, PEOPLE, by, &json!({"path": within, "body": {"attendees": invited}})),
        job(&minutes, MINUTES, by, &json!({"path": within, "after": [people]})),
    ]
}

/// A level, a room on it, and who may book it.
fn building(name: &str, by: &str) -> Vec<Value> {
    let [level, room, rules] = ["level", "hall", "rules"].map(|part| format!("{name}-{part}"));
    let title = format!("Crash {name}");
    let time = json!({"time_switch": 1, "if_cover_child_scope": true, "days_in_advance": 120});
    let rest = json!({"path": {"reserve_config_id": from(&level)}, "after": [room],
        "body": {"scope_type": "1", "time_config": time}});
    vec![
        job(&level, LEVEL, by, &json!({"body": {"name": title, "parent_id": "omb_campus"}})),
        job(&room, ROOM, by, &json!({"body": {"name": title, "capacity": 4, "room_level_id": from(&level)}})),
        job(&rules, RULES, by, &rest),
    ]
}

/// A meeting, a room, and the room's booking when both are there.
fn seminar(name: &str, number: u64, by: &str) -> Vec<Value> {
    let (first, last) = span(number);
    let [meeting, room, booking] = ["meeting", "room", "booking"].map(|part| format!("{name}-{part}"));
    let who = format!("c{number}");
    let met = json!({"admin_userid": who, "title": name, "meeting_start": first, "meeting_duration": 3_000});
    let place = json!({"name": format!("Crash {name}"), "capacity": 12, "city": "Hangzhou", "building": "Library",
        "floor": format!("{}F", number % 5)});
    let booked = json!({"meetingroom_id": from(&room), "booker": who, "start_time": first, "end_time": last});
    vec![
        job(&meeting, MEETING, by, &json!({"body": met})),
        job(&room, SEMINAR_ROOM, by, &json!({"body": place})),
        job(&booking, BOOKING, by, &json!({"body": booked, "after": [meeting]})),
    ]
}

/// The ids of the jobs that a job waits for.
pub(crate) fn waited_for(job: &Value) -> BTreeSet<&str> {
    let after = job["after"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut found: BTreeSet<_> = after.collect();
    taken(&job["path"], &mut found);
    taken(&job["body"], &mut found);
    found
}

fn taken<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    found.extend(value["$from"].as_str());
    let fields = value.as_object().into_iter().flat_map(serde_json::Map::values);
    for inner in fields.chain(value.as_array().into_iter().flatten()) {
        taken(inner, found);
    }
}
