//! The platform's own internal errors, and answers that say less than they should, over the whole engine in virtual
//! time: what may have been applied is made once, and a storm leaves few jobs for a person.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paceline::domain::time::Timestamp;
use paceline::engine::Stop;
use paceline::engine::ports::{Ledger, Restrained, Restraint, RestraintKind};
use serde_json::{Value, json};

use crate::engine::{CALM, World, calendar, fault, meeting, minutes, room};

const MINUTES: &str = "feishu.calendar.event.meeting_minute.create";

#[tokio::test(start_paused = true)]
async fn minutes_that_may_have_been_made_are_not_made_again() {
    for code in [190_003, 1500, 1503, 1642, 1663, 1668, 2200, 5000, 55001, 1_000_003] {
        let world = World::new(&fault(MINUTES, code, "applied = true\nfirst = 1"));
        let (_, counts) = world.work(&[minutes(1)]).await;
        let books = world.stats();
        assert_eq!((counts.held, books.created, books.duplicates), (1, 1, 0), "{code}: {counts:?}");
        let sheet = world.sheet("minutes-1");
        assert_eq!(sheet.line.document["code"], code, "{sheet:?}");
        assert!(sheet.line.document["cure"].as_str().unwrap().contains("paceline resolve"), "{sheet:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_settings_want_it_they_are_sent_again() {
    let world = World::new(&fault(MINUTES, 190_003, "applied = true\nfirst = 1")).retrying();
    let (_, counts) = world.work(&[minutes(1)]).await;
    assert_eq!((counts.succeeded, world.stats().duplicates), (1, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn with_a_look_up_they_are_found() {
    let rooms = fault("feishu.vc.room.create", 121_001, "applied = true\nfirst = 2");
    let busy = "[[faults]]\nmethod = 'wecom.meeting.create'\nkind = 'code'\ncode = -1\napplied = true\nfirst = 2\n";
    let world = World::new(&format!("{rooms}{busy}"));
    let jobs: Vec<Value> = (0..4).map(room).chain((0..4).map(meeting)).collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.created, books.duplicates), (8, 8, 0), "{counts:?}");
}

/// A storm over two hundred minutes, from `from_s` for ten minutes: how many jobs it leaves for a person.
async fn storm(latency_ms: u32, from_s: u32, applied: bool) -> u64 {
    let until_s = from_s + 600;
    let scenario = format!(
        "[latency]\nbefore = {{ kind = 'fixed', ms = {0} }}\nafter = {{ kind = 'fixed', ms = {0} }}\n[[faults]]\nmethod = \
         '{MINUTES}'\nkind = 'code'\ncode = 190003\napplied = {applied}\nfrom_s = {from_s}\nuntil_s = {until_s}\n",
        latency_ms / 2
    );
    let world = World::new(&scenario);
    let jobs: Vec<Value> = (0..200).map(minutes).collect();
    let (took, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded + counts.held, counts.dead, books.duplicates), (200, 0, 0), "{counts:?}");
    assert_eq!(books.created, if applied { 200 } else { counts.succeeded }, "{books:?}");
    assert!(took < 2.2 * f64::from(until_s), "what is lost afterwards is about as long as the storm: {took} s");
    counts.held
}

#[tokio::test(start_paused = true)]
async fn a_storm_leaves_few_jobs_for_a_person() {
    for (latency_ms, from_s, applied) in [(40, 0, true), (300, 0, false), (1_500, 0, true), (40, 2, false)] {
        let held = storm(latency_ms, from_s, applied).await;
        assert!(held <= 10, "{held} held: {latency_ms} ms, from {from_s} s");
    }
    // In the midst of full pace, what is in flight is on its way already: 50 a second, a seventh of a second each.
    let held = storm(150, 2, true).await;
    assert!(held <= 8 + 5, "{held} held");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_lost_replies_leaves_few_as_well() {
    for kind in ["kind = 'cut-after'", "kind = 'status'\nstatus = 504", "kind = 'refuse'"] {
        let world = World::new(&format!("{CALM}\n[[faults]]\nmethod = '{MINUTES}'\n{kind}\nuntil_s = 600\n"));
        let jobs: Vec<Value> = (0..200).map(minutes).collect();
        let (_, counts) = world.work(&jobs).await;
        assert_eq!((counts.succeeded + counts.held, world.stats().duplicates), (200, 0), "{kind}: {counts:?}");
        assert!(counts.held <= 10, "{kind}: {} held", counts.held);
    }
}

#[tokio::test(start_paused = true)]
async fn lanes_that_can_look_up_pause_too_and_spare_the_platform() {
    let world = World::new(&fault("feishu.calendar.create", 190_003, "until_s = 300"));
    let jobs: Vec<Value> = (0..300).map(calendar).collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.duplicates), (300, 0), "{counts:?}");
    let calls = books.methods["feishu.calendar.create"].arrivals;
    assert!(calls < 340, "{calls} calls for 300 calendars in a storm of five minutes");
}

/// The pause of the minutes' lane, as the ledger has it.
async fn pause_of(ledger: &dyn Ledger) -> Option<Restraint> {
    let all = ledger.acquire_all().await.unwrap().restraints().await.unwrap();
    all.into_iter().find(|restraint| matches!(restraint.kind, RestraintKind::Pause { .. }))
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_told_with_its_cause_and_survives_a_restart() {
    let world = World::new(&fault(MINUTES, 190_003, "until_s = 100"));
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    world.take_over(&*ledger, &(0..40).map(minutes).collect::<Vec<_>>()).await;
    engine.load(None).await.unwrap();
    assert_eq!(engine.run(false, tokio::time::sleep(Duration::from_secs(25))).await, Stop::Drained);
    let before = pause_of(&*ledger).await.unwrap();
    let Restrained::Lane(lane) = &before.target else { panic!("{before:?}") };
    assert_eq!((lane.method.as_str(), before.kind), (MINUTES, RestraintKind::Pause { refusals: 2 }));
    assert_eq!(before.cause.code, Some(190_003));
    let since_start = |at: Timestamp| at.since(crate::engine::T0).as_secs();
    assert!((60..=62).contains(&since_start(before.until.unwrap())), "{before:?}");
    ledger.close().await;

    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    engine.load(None).await.unwrap();
    assert_eq!(engine.run(false, tokio::time::sleep(Duration::from_secs(15))).await, Stop::Drained);
    assert_eq!(pause_of(&*ledger).await.unwrap().until, before.until, "no call was made before its end");
    ledger.close().await;

    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded + counts.held, counts.queued), (40, 0), "{counts:?}");
    assert!(counts.held <= 10, "{counts:?}");
    assert_eq!(pause_of(&*world.ledger()).await, None);
}

/// A calm world in which the first reply of this path comes without its data.
fn bare_once(path: &'static str) -> World {
    let is_done = AtomicBool::new(false);
    World::new(CALM).editing(move |url, body| {
        if url.contains(path) && !is_done.swap(true, Ordering::Relaxed) {
            *body = json!({"code": 0, "msg": "success", "errcode": 0});
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_success_without_the_documented_id_is_looked_up_or_held() {
    for (path, job, method) in [
        ("/vc/v1/rooms", room(1), "feishu.vc.room.create"),
        ("/calendar/v4/calendars", calendar(1), "feishu.calendar.create"),
        ("/meeting/create", meeting(1), "wecom.meeting.create"),
    ] {
        let world = bare_once(path);
        let (_, counts) = world.work(std::slice::from_ref(&job)).await;
        let books = world.stats();
        assert_eq!((counts.succeeded, books.methods[method].arrivals, books.duplicates), (1, 1, 0), "{method}");
        let sheet = world.sheet(job["id"].as_str().unwrap());
        assert!(sheet.line.document["key"].is_string(), "{sheet:?}");
        let first = sheet.history.iter().find(|call| call.purpose == "job").unwrap();
        assert_eq!((first.outcome.as_deref(), first.code), (Some("uncertain"), Some(0)), "{first:?}");
    }
    let world = bare_once("/meeting_minute");
    let (_, counts) = world.work(&[minutes(1)]).await;
    assert_eq!((counts.held, world.stats().created), (1, 1), "{counts:?}");
    let document = world.sheet("minutes-1").line.document;
    assert!(document["detail"].as_str().unwrap().contains("without the documented doc_url"), "{document}");
}

/// A stranger's object that looks like the job's, and a create that is not applied at first.
fn with_a_twin(job: &Value, code: i64) -> World {
    let method = job["method"].as_str().unwrap();
    let fields: Vec<String> =
        job["body"].as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let twin = format!("[[objects]]\nmethod = '{method}'\nbody = {{ {} }}\n", fields.join(", "));
    World::new(&format!("{}{twin}", fault(method, code, "first = 1")))
}

/// Every meeting is cancelled, every calendar deleted.
fn gone(url: &str, body: &mut Value) {
    if url.contains("/meeting/get_info") {
        body["status"] = json!(4);
    }
    let listed = body.pointer_mut("/data/calendar_list").and_then(Value::as_array_mut);
    for calendar in listed.into_iter().flatten() {
        calendar["is_deleted"] = json!(true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_or_deleted_twin_is_nobody_s_object() {
    for (job, code) in [(meeting(1), -1), (calendar(1), 190_003)] {
        let method = job["method"].as_str().unwrap();
        let world = with_a_twin(&job, code);
        let (_, counts) = world.work(std::slice::from_ref(&job)).await;
        assert_eq!((counts.succeeded, world.stats().methods[method].arrivals), (1, 1), "{method}: a living one is it");

        let world = with_a_twin(&job, code).editing(gone);
        let (_, counts) = world.work(std::slice::from_ref(&job)).await;
        assert_eq!((counts.succeeded, world.stats().methods[method].arrivals), (1, 2), "{method}: it is sent again");
    }
}

#[tokio::test(start_paused = true)]
async fn wecom_s_busy_is_repeated_three_times_at_most() {
    for (first, expected) in [(3, (1, 0, 4)), (99, (0, 1, 4))] {
        let world = World::new(&fault("wecom.meeting.create", -1, &format!("first = {first}")));
        let (_, counts) = world.work(&[meeting(1)]).await;
        let calls = world.stats().methods["wecom.meeting.create"].arrivals;
        assert_eq!((counts.succeeded, counts.dead, calls), expected, "{counts:?}");
    }
    let world = World::new(&fault("wecom.meeting.create", -1, "")).with_setting("PACELINE_ENGINE__ATTEMPTS_MAX", "2");
    let (_, counts) = world.work(&[meeting(1)]).await;
    assert_eq!((counts.dead, world.stats().methods["wecom.meeting.create"].arrivals), (1, 2), "the settings say fewer");
    assert_eq!(world.sheet("meeting-1").line.document["reason"], "exhausted");
    let world = World::new(&fault("wecom.meeting.cancel", -1, ""));
    let cancel = json!({"id": "c", "method": "wecom.meeting.cancel", "app": "campus", "body": {"meetingid": "m"}});
    let (_, counts) = world.work(&[cancel]).await;
    assert_eq!((counts.dead, world.stats().methods["wecom.meeting.cancel"].arrivals), (1, 4), "{counts:?}");
}
