//! The jobs of a campus: levels, rooms below them and who may book them, calendars, events with people and rooms, minutes;
//! meetings, rooms and bookings of WeCom.

use serde_json::{Value, json};

/// 2031-03-03 08:00 in UTC+8.
const TERM: u64 = 1_930_262_400;

fn job(id: &str, method: &str, rest: Value) -> Value {
    let app = if method.starts_with("wecom") { "campus" } else { "acme" };
    let mut job = json!({"id": id, "method": method, "app": app, "batch": "campus"});
    if let (Some(job), Value::Object(rest)) = (job.as_object_mut(), rest) {
        job.extend(rest);
    }
    job
}

fn of(id: &str) -> Value {
    json!({"$from": id})
}

/// Levels, the rooms below them, and when those may be booked: once for each level, when its rooms are there.
fn building() -> Vec<Value> {
    let level = |n: u64| {
        let body = json!({"name": format!("Building {n}"), "parent_id": "omb_campus"});
        job(&format!("level-{n}"), "feishu.vc.room_level.create", json!({"body": body}))
    };
    let room = |n: u64| {
        let body =
            json!({"name": format!("Room {n}"), "capacity": 20 + n, "room_level_id": of(&format!("level-{}", n % 3))});
        job(&format!("room-{n}"), "feishu.vc.room.create", json!({"body": body}))
    };
    let rules = |n: u64| {
        let rooms: Vec<_> = (0..60).filter(|room| room % 3 == n).map(|room| format!("room-{room}")).collect();
        let time = json!({"time_switch": 1, "if_cover_child_scope": true, "days_in_advance": 120});
        let rest = json!({"path": {"reserve_config_id": of(&format!("level-{n}"))}, "after": rooms,
            "body": {"scope_type": "1", "time_config": time}});
        job(&format!("rules-{n}"), "feishu.vc.reserve_config.patch", rest)
    };
    (0..3).map(level).chain((0..60).map(room)).chain((0..3).map(rules)).collect()
}

/// Calendars, their events with a person and a room each, and minutes of some.
fn term() -> Vec<Value> {
    let calendar = |n: u64| {
        let body = json!({"summary": format!("Course {n}"), "description": format!("course {n} of the term")});
        job(&format!("calendar-{n}"), "feishu.calendar.create", json!({"body": body}))
    };
    let event = |n: u64| {
        let (start, end) = (TERM + 7_200 * n, TERM + 7_200 * n + 5_400);
        let body = json!({"summary": format!("Lecture {n}"), "vchat": {"vc_type": "no_meeting"},
            "start_time": {"timestamp": start.to_string()}, "end_time": {"timestamp": end.to_string()}});
        let path = json!({"calendar_id": of(&format!("calendar-{}", n % 40))});
        job(&format!("event-{n}"), "feishu.calendar.event.create", json!({"path": path, "body": body}))
    };
    let of_event =
        |n: u64| json!({"calendar_id": of(&format!("calendar-{}", n % 40)), "event_id": of(&format!("event-{n}"))});
    let invite = |n: u64| {
        let attendees = json!([{"type": "user", "user_id": format!("ou_{n}")},
            {"type": "resource", "room_id": of(&format!("room-{}", n % 60)), "operate_id": "ou_office"}]);
        let rest = json!({"path": of_event(n), "body": {"attendees": attendees}});
        job(&format!("invite-{n}"), "feishu.calendar.event.attendee.create", rest)
    };
    let minutes = |n: u64| {
        let rest = json!({"path": of_event(n), "after": [format!("invite-{n}")]});
        job(&format!("minutes-{n}"), "feishu.calendar.event.meeting_minute.create", rest)
    };
    let all = (0..40).map(calendar).chain((0..200).map(event)).chain((0..200).map(invite));
    all.chain((0..50).map(minutes)).collect()
}

/// Meetings, rooms and their bookings, in WeCom.
fn meetings() -> Vec<Value> {
    let meeting = |n: u64| {
        let body = json!({"admin_userid": "t2001", "title": format!("Seminar {n}"), "meeting_start": TERM + 3_600 * n,
            "meeting_duration": 3_000});
        job(&format!("meeting-{n}"), "wecom.meeting.create", json!({"body": body}))
    };
    let room = |n: u64| {
        let body = json!({"name": format!("Seminar room {n}"), "capacity": 12, "city": "Hangzhou",
            "building": "Library", "floor": format!("{}F", n % 4)});
        job(&format!("seminar-room-{n}"), "wecom.oa.meetingroom.add", json!({"body": body}))
    };
    let booking = |n: u64| {
        let start = TERM + 3_600 * n;
        let body = json!({"meetingroom_id": of(&format!("seminar-room-{}", n % 20)), "booker": "t2001",
            "start_time": start, "end_time": start + 3_600, "subject": format!("Seminar {n}")});
        let rest = json!({"body": body, "after": [format!("meeting-{n}")]});
        job(&format!("booking-{n}"), "wecom.oa.meetingroom.book", rest)
    };
    (0..100).map(meeting).chain((0..20).map(room)).chain((0..40).map(booking)).collect()
}

/// All jobs, as a file has them.
pub(crate) fn campus() -> Vec<Value> {
    [building(), term(), meetings()].concat()
}
