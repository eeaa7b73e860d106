//! Rooms that decide after the call that invited them, by the whole engine in virtual time.

use std::time::Duration;

use paceline::domain::time::Timestamp;
use serde_json::{Value, json};

use super::engine::{World, calm_but};

const CREATE: &str = "feishu.calendar.event.attendee.create";
const LIST: &str = "feishu.calendar.event.attendee.list";

/// People and rooms of one event.
fn invite(event: usize, rooms: &[&str]) -> Value {
    let people = json!({"type": "user", "user_id": "ou_1"});
    let rooms = rooms.iter().map(|room| json!({"type": "resource", "room_id": room, "operate_id": "ou_1"}));
    json!({"id": format!("invite-{event}"), "method": CREATE, "app": "acme",
        "path": {"calendar_id": "feishu.cn_1@group.calendar.feishu.cn", "event_id": format!("e{event}_0")},
        "body": {"attendees": std::iter::once(people).chain(rooms).collect::<Vec<_>>()}})
}

fn document(world: &World, id: &str) -> Value {
    world.sheet(id).line.document
}

fn calls(world: &World, method: &str) -> u64 {
    world.stats().methods.get(method).map_or(0, |book| book.arrivals)
}

/// What the result says of each room.
fn said(document: &Value) -> Vec<(&str, &str)> {
    let all = document["result"]["attendees"].as_array().unwrap().iter();
    let rooms = all.filter(|item| item["type"] == "resource");
    rooms.map(|item| (item["room_id"].as_str().unwrap(), item["rsvp_status"].as_str().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_until_its_rooms_have_decided() {
    let world = calm_but("[decisions]\nafter_s = 8\n");
    let (took, counts) = world.work(&[invite(1, &["omm_1", "omm_2"]), invite(2, &[])]).await;
    assert_eq!((counts.succeeded, counts.warnings), (2, 0), "{counts:?}");
    let waited = document(&world, "invite-1");
    assert_eq!(said(&waited), [("omm_1", "accept"), ("omm_2", "accept")], "{waited}");
    assert_eq!(waited["result"]["attendees"].as_array().unwrap().len(), 3, "people too: {waited}");
    assert!((8.0..20.0).contains(&took), "{took} s");
    assert_eq!(world.sheet("invite-2").history.len(), 1, "people decide nothing");
    assert_eq!((calls(&world, CREATE), calls(&world, LIST)), (2, 2), "asked twice");
}

#[tokio::test(start_paused = true)]
async fn rooms_that_decline_are_a_warning_that_names_them() {
    let world = calm_but("[decisions]\ndeclined = ['omm_2']\n");
    let (_, counts) = world.work(&[invite(1, &["omm_1", "omm_2", "omm_3"])]).await;
    assert_eq!((counts.succeeded, counts.warnings), (1, 1), "{counts:?}");
    let document = document(&world, "invite-1");
    let expected = json!([{"field": "attendees.rsvp_status", "message": "rooms that declined",
        "message_zh": "未能预订的会议室", "values": ["omm_2"]}]);
    assert_eq!(document["warnings"], expected, "{document}");
}

#[tokio::test(start_paused = true)]
async fn rooms_that_decline_are_a_dead_letter_if_the_app_says_so() {
    let world = calm_but("[decisions]\ndeclined = ['omm_2']\n").with_rooms_that_must_come();
    let jobs: Vec<Value> = (0..30).map(|n| invite(n, &["omm_1", "omm_2"])).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.dead), (0, 30), "the lane goes on: {counts:?}");
    let document = document(&world, "invite-1");
    let detail = "the platform accepted it, and these declined: omm_2";
    assert_eq!((&document["reason"], &document["detail"]), (&json!("rejected"), &json!(detail)), "{document}");
    assert!(document["cure"].as_str().unwrap().contains("choose others"), "{document}");
    assert_eq!(calls(&world, CREATE), 30, "sent once each");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_never_decides_is_not_waited_for_for_ever() {
    let world = calm_but("[decisions]\nundecided = ['omm_1']\n").with_setting("PACELINE_ENGINE__ROOM_WAIT_S", "30");
    let (took, counts) = world.work(&[invite(1, &["omm_1"])]).await;
    assert_eq!((counts.succeeded, counts.warnings), (1, 1), "{counts:?}");
    assert!((30.0..36.0).contains(&took), "{took} s");
    let document = document(&world, "invite-1");
    let warning = &document["warnings"][0];
    assert_eq!(
        (&warning["message"], &warning["values"]),
        (&json!("rooms that had not decided in time"), &json!(["omm_1"]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_or_lags_sends_nothing_again() {
    let lags = "[listing]\ndelay_ms = 40000\n[[faults]]\nmethod = '*.list'\nkind = 'status'\nstatus = 500\nfirst = 7\n";
    let world = calm_but(lags);
    let (_, counts) = world.work(&[invite(1, &["omm_1"])]).await;
    assert_eq!((counts.succeeded, counts.warnings, calls(&world, CREATE)), (1, 0, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_refused_for_good_ends_the_waiting() {
    let world = calm_but("[[faults]]\nmethod = '*.list'\nkind = 'code'\ncode = 193002\n");
    let (_, counts) = world.work(&[invite(1, &["omm_1"])]).await;
    assert_eq!((counts.succeeded, counts.warnings, calls(&world, CREATE)), (1, 1, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_and_lost_waits_for_its_rooms_too() {
    let cut = format!("[[faults]]\nmethod = '{CREATE}'\nkind = 'cut-after'\nfirst = 1\n");
    let world = calm_but(&format!("[decisions]\nafter_s = 25\ndeclined = ['omm_1']\n{cut}"));
    let (_, counts) = world.work(&[invite(1, &["omm_1", "omm_2"])]).await;
    assert_eq!((counts.succeeded, counts.warnings, calls(&world, CREATE)), (1, 1, 1), "{counts:?}");
    assert_eq!(said(&document(&world, "invite-1")), [("omm_1", "decline"), ("omm_2", "accept")]);
}

#[tokio::test(start_paused = true)]
async fn the_waiting_outlives_the_worker() {
    let world = calm_but("[decisions]\nafter_s = 40\n");
    let done = world.work_until(&[invite(1, &["omm_1"])], Duration::from_secs(10)).await;
    assert_eq!((done.uncertain, done.succeeded), (1, 0), "{done:?}");
    let sheet = world.sheet("invite-1");
    let detail = sheet.line.document["detail"].as_str().unwrap_or_default().to_owned();
    assert_eq!(detail, "the platform accepted it, and these have not decided yet: omm_1");
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, counts.warnings, calls(&world, CREATE)), (1, 0, 1), "{counts:?}");
    assert_eq!(said(&document(&world, "invite-1")), [("omm_1", "accept")]);
    assert!(world.now() > Timestamp(0) + Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn jobs_behind_rooms_in_a_chain_wait_for_them() {
    let world = calm_but("[decisions]\nafter_s = 8\ndeclined = ['omm_9']\n").with_rooms_that_must_come();
    let minute = |n: usize| {
        json!({"id": format!("minute-{n}"), "method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
            "path": {"calendar_id": "feishu.cn_1@group.calendar.feishu.cn", "event_id": format!("e{n}_0")},
            "after": [format!("invite-{n}")]})
    };
    let jobs = [invite(1, &["omm_1"]), minute(1), invite(2, &["omm_9"]), minute(2)];
    let (took, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.dead), (2, 2), "{counts:?}");
    assert!(took >= 8.0, "{took} s");
    assert_eq!(document(&world, "minute-2")["reason"], "prerequisite");
}
