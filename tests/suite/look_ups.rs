//! Uncertain creates and their look-ups, by the whole engine in virtual time.
//!
//! The simulator's books say what was really created and how often it was asked.

use std::collections::HashSet;

use paceline::domain::catalog::{Method, Schema, SchemaFormat};
use paceline::domain::messages::Cause;
use paceline::domain::time::Timestamp;

use paceline::engine::ports::operator::{JobSheet, Resolution, Selection};
use paceline::simulator::Stats;
use serde_json::{Value, json};

use super::engine::{World, calendar, calm_but, meeting, room};

const ROOMS: &str = "feishu.vc.room.create";

fn cut(method: &str, kind: &str, first: usize) -> String {
    format!("[[faults]]\nmethod = '{method}'\nkind = '{kind}'\nfirst = {first}\n")
}

fn asked(books: &Stats, method: &str) -> u64 {
    books.methods.get(method).map_or(0, |book| book.arrivals)
}

/// Every success names an object of its own that is there.
fn assert_one_owner_each(world: &World, jobs: &[Value]) {
    let there: HashSet<String> = world.simulator.objects().into_iter().map(|line| line.key).collect();
    let mut owned = HashSet::new();
    for job in jobs {
        let document = world.sheet(job["id"].as_str().unwrap()).line.document;
        if document["status"] == "succeeded" {
            let key = document["key"].as_str().unwrap().to_owned();
            assert!(there.contains(&key), "{document}");
            assert!(owned.insert(key), "owned twice: {document}");
        }
    }
}

fn detail(sheet: &JobSheet) -> &str {
    sheet.line.document["detail"].as_str().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn one_reading_of_five_thousand_rooms_serves_a_hundred_jobs() {
    let there = "[[objects]]\nmethod = 'feishu.vc.room.create'\ncount = 4900\n\
        body = { name = 'Old {n}', capacity = 4, room_level_id = 'omb_1' }\n\
        [quotas]\n'feishu.vc.room.create' = 'none'\n";
    let world = calm_but(&format!("{there}{}", cut(ROOMS, "cut-after", 100)));
    let jobs: Vec<Value> = (0..100).map(room).collect();
    // All in flight at once when the network is cut.
    let (_, counts) = world.work_at(&jobs, &[("acme", ROOMS, "1000/min")]).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.created, books.duplicates), (100, 100, 0), "{counts:?}");
    let pages = asked(&books, "feishu.vc.room.list");
    // 5,000 pages before: a reading of 50 pages for each job.
    assert!((50..=100).contains(&pages), "{pages} pages");
    assert_one_owner_each(&world, &jobs);
}

#[tokio::test(start_paused = true)]
async fn at_the_documented_pace_a_hundred_cut_rooms_take_a_reading_for_each_twenty() {
    let world = calm_but(&cut(ROOMS, "cut-after", 100));
    let jobs: Vec<Value> = (0..100).map(room).collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.created, books.duplicates), (100, 100, 0), "{counts:?}");
    let pages = asked(&books, "feishu.vc.room.list");
    assert!(pages <= 40, "{pages} pages");
}

#[tokio::test(start_paused = true)]
async fn applied_and_lost_calls_are_told_apart() {
    let half = "[[faults]]\nmethod = '*.create'\nkind = 'cut-before'\nevery = 3\nuntil_s = 5\n\
        [[faults]]\nmethod = '*.create'\nkind = 'cut-after'\nevery = 2\nuntil_s = 5\n";
    for delay_ms in [0, 9_000] {
        let world = calm_but(&format!("[listing]\ndelay_ms = {delay_ms}\npage_max = 7\n{half}"));
        let jobs: Vec<Value> = (0..20).map(room).chain((0..60).map(calendar)).chain((0..60).map(meeting)).collect();
        let (_, counts) = world.work(&jobs).await;
        let books = world.stats();
        assert_eq!((counts.succeeded, books.created, books.duplicates), (140, 140, 0), "{counts:?} {books:?}");
        assert_one_owner_each(&world, &jobs);
    }
}

/// Jobs that want the same thing.
fn twin(n: usize) -> Value {
    json!({"id": format!("twin-{n}"), "method": "feishu.calendar.create", "app": "acme",
        "body": {"summary": "Holidays", "description": "of all departments"}})
}

#[tokio::test(start_paused = true)]
async fn equal_jobs_share_out_what_was_created() {
    for kind in ["cut-after", "cut-before"] {
        let world = calm_but(&cut("feishu.calendar.create", kind, 5));
        let jobs: Vec<Value> = (0..12).map(twin).collect();
        let (_, counts) = world.work(&jobs).await;
        assert_eq!((counts.succeeded, world.stats().created), (12, 12), "{kind}: {counts:?}");
        assert_one_owner_each(&world, &jobs);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_of_an_equal_job_in_flight_is_not_claimed() {
    // The first call is cut before it does anything; the reply of the second, which did, comes when the first is looked up.
    let faults = "[[faults]]\nmethod = 'feishu.calendar.create'\nkind = 'cut-before'\nfirst = 1\n\
        [[faults]]\nmethod = 'feishu.calendar.create'\nkind = 'late'\nlate_ms = 29000\nfrom_s = 30\nuntil_s = 60\n";
    let world = calm_but(faults);
    let mut second = twin(2);
    second["not_before"] = json!((Timestamp(1_800_000_000_000_000) + std::time::Duration::from_secs(35)).to_string());
    let (took, counts) = world.work(&[twin(1), second]).await;
    assert_eq!((counts.succeeded, world.stats().created), (2, 2), "{counts:?}");
    assert!(took > 64.0, "the look-up waited for the call in flight: {took} s");
    assert_one_owner_each(&world, &[twin(1), twin(2)]);
}

#[tokio::test(start_paused = true)]
async fn strangers_that_look_the_same_are_shown_to_a_person() {
    let strangers = "[[objects]]\nmethod = 'feishu.calendar.create'\ncount = 15\n\
        body = { summary = 'Holidays', description = 'of all departments' }\n";
    let world = calm_but(&format!("{strangers}{}", cut("feishu.calendar.create", "cut-after", 1)));
    let (_, counts) = world.work(&[twin(1)]).await;
    assert_eq!(counts.held, 1, "{counts:?}");
    let sheet = world.sheet("twin-1");
    let told = detail(&sheet);
    assert!(told.contains("16 objects that no job owns") && told.contains("and 6 more"), "{told}");
    assert!(told.contains("looked up at 2027-01-15T"), "{told}");
    let held = world.operator().page_held(&Selection::default(), 0, 9).unwrap().lines.remove(0);
    let keys: Vec<_> = world.simulator.objects().iter().take(10).map(|line| line.key.clone()).collect();
    assert_eq!(held.candidates, keys, "{told}");
    assert!(keys.iter().all(|key| told.contains(key)), "{told}");
    assert!(sheet.line.document["cure"].as_str().unwrap().contains("--succeeded KEY"));
    assert!(sheet.history.iter().any(|call| call.purpose == "look-up"));
}

#[tokio::test(start_paused = true)]
async fn an_unmarked_room_is_found_by_what_it_is() {
    let world = calm_but(&cut(ROOMS, "cut-after", 3)).unmarked();
    let mut jobs: Vec<Value> = (0..6).map(room).collect();
    // Two rooms of the same name.
    jobs[5]["body"] = jobs[0]["body"].clone();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, world.stats().created), (6, 6), "{counts:?}");
    assert_one_owner_each(&world, &jobs);
}

/// A cut call may still arrive until its deadline and the grace are over.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_while_the_lost_call_may_still_arrive() {
    let world = calm_but(&cut("*.create", "cut-before", 3));
    let (_, counts) = world.work(&[room(1), calendar(1), meeting(1)]).await;
    assert_eq!(counts.succeeded, 3, "{counts:?}");
    for id in ["room-1", "calendar-1", "meeting-1"] {
        let history = world.sheet(id).history;
        let calls: Vec<_> = history.iter().filter(|call| call.purpose == "job").collect();
        let looks: Vec<_> = history.iter().filter(|call| call.purpose == "look-up").collect();
        let (cut_at, again) = (calls[0].sent_at, calls[1].sent_at);
        // Time-out 30 s, grace 5 s, 10 s until it is listed.
        let last = looks.iter().map(|look| look.sent_at).max().unwrap();
        assert!(last.since(cut_at).as_secs_f64() >= 45.0 && again >= last, "{id}: {history:#?}");
        assert!(looks.len() >= 2, "{id}: looked twice");
        let first = looks.iter().map(|look| look.sent_at).min().unwrap();
        assert!(last.since(first).as_secs_f64() >= 10.0, "{id}: {history:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_without_its_scope_stops_alone_and_goes_on_when_mended() {
    let faults = format!(
        "{}[[faults]]\nmethod = 'feishu.vc.room.list'\nkind = 'code'\ncode = 99991672\nuntil_s = 600\n",
        cut(ROOMS, "cut-after", 2)
    );
    let world = calm_but(&faults);
    let jobs: Vec<Value> = (0..10).map(room).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.uncertain, counts.held), (8, 2, 0), "creates go on: {counts:?}");
    assert_eq!(asked(&world.stats(), "feishu.vc.room.list"), 1, "asked once, not in a loop");
    let suspensions = world.operator().suspensions().unwrap();
    assert_eq!((suspensions.len(), suspensions[0].method.as_str()), (1, "feishu.vc.room.list"));
    assert!(matches!(suspensions[0].detail, Cause::LookUpStopped { .. }), "{suspensions:?}");
    assert!(suspensions[0].cure.to_string().contains("vc:room:readonly"), "{suspensions:?}");
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, world.stats().created), (10, 10), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_listing_holds_its_jobs_until_a_person_asks_again() {
    let faults = format!(
        "{}[[faults]]\nmethod = 'feishu.vc.room.list'\nkind = 'code'\ncode = 121005\nuntil_s = 600\n",
        cut(ROOMS, "cut-after", 2)
    );
    let world = calm_but(&faults);
    let jobs: Vec<Value> = (0..2).map(room).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.held, asked(&world.stats(), "feishu.vc.room.list")), (2, 1), "{counts:?}");
    let sheet = world.sheet("room-0");
    assert!(detail(&sheet).contains("it cannot be looked up (121005)"), "{}", detail(&sheet));
    assert!(sheet.line.document["cure"].as_str().unwrap().contains("`paceline resolve ID --look-up`"));
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    for id in ["room-0", "room-1"] {
        world.operator().resolve(id, &Resolution::LookUp, world.now()).unwrap();
    }
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.succeeded, world.stats().created), (2, 2), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_ill_listing_is_asked_again_less_and_less_often() {
    let faults = format!(
        "{}[[faults]]\nmethod = 'feishu.vc.room.list'\nkind = 'status'\nstatus = 502\nuntil_s = 3600\n",
        cut(ROOMS, "cut-after", 1)
    );
    let world = calm_but(&faults);
    let (took, counts) = world.work(&[room(1)]).await;
    assert_eq!((counts.succeeded, world.stats().created), (1, 1), "{counts:?}");
    assert!((3_600.0..4_000.0).contains(&took), "{took} s");
    let asked = asked(&world.stats(), "feishu.vc.room.list");
    assert!(asked < 150, "{asked} times in an hour");
}

/// As documented: it is decided within five minutes, and if it failed it may be asked for again.
#[tokio::test(start_paused = true)]
async fn a_meeting_that_is_being_created_is_waited_for() {
    for (applied, calls) in [(true, 1), (false, 2)] {
        let fault = format!("kind = 'code'\ncode = 400301\napplied = {applied}");
        let world = calm_but(&cut("wecom.meeting.create", "code", 1).replace("kind = 'code'", &fault));
        let (took, counts) = world.work(&[meeting(1)]).await;
        assert_eq!((counts.succeeded, world.stats().created), (1, 1), "{counts:?}");
        assert_eq!(asked(&world.stats(), "wecom.meeting.create"), calls);
        assert!((300.0..340.0).contains(&took), "{took} s");
        let first = world.sheet("meeting-1").history.into_iter().find(|call| call.purpose == "look-up").unwrap();
        assert!(first.sent_at.since(Timestamp(1_800_000_000_000_000)).as_secs() >= 300);
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_that_wecom_refuses_is_the_first_one_s() {
    let world = calm_but("[checks]\nwecom_duplicates = true\n");
    let mut second = meeting(1);
    second["id"] = json!("meeting-again");
    let (_, counts) = world.work(&[meeting(1), second]).await;
    assert_eq!((counts.succeeded, counts.dead, world.stats().created), (1, 1, 1), "{counts:?}");
    let ids = ["meeting-1", "meeting-again"].map(|id| world.sheet(id).line.document);
    let dead = ids.iter().find(|document| document["status"] == "dead").unwrap();
    assert_eq!((&dead["reason"], &dead["code"]), (&json!("rejected"), &json!(400_302)), "{dead}");
    assert_eq!(asked(&world.stats(), "wecom.meeting.create"), 2, "never sent again");
}

#[tokio::test(start_paused = true)]
async fn a_meeting_that_wecom_has_already_is_taken_over() {
    let there = "[checks]\nwecom_duplicates = true\n[[objects]]\nmethod = 'wecom.meeting.create'\n\
        body = { admin_userid = 'zhangsan', title = 'Lecture 1', meeting_start = 1900003600, meeting_duration = 3600 }\n";
    let world = calm_but(there);
    let (_, counts) = world.work(&[meeting(1)]).await;
    assert_eq!((counts.succeeded, world.stats().created), (1, 0), "{counts:?}");
    assert_eq!(world.sheet("meeting-1").line.document["key"], json!(world.simulator.objects()[0].key));
}

#[tokio::test(start_paused = true)]
async fn a_meeting_that_is_listed_and_cannot_be_read_may_be_anybody_s() {
    let there = "[[objects]]\nmethod = 'wecom.meeting.create'\n\
        body = { admin_userid = 'zhangsan', title = 'Other', meeting_start = 1900009000, meeting_duration = 3600 }\n";
    let unread = cut("wecom.meeting.get_info", "code", 100).replace("kind = 'code'", "kind = 'code'\ncode = 90602");
    let world = calm_but(&format!("{there}{unread}{}", cut("wecom.meeting.create", "cut-before", 1)));
    let (_, counts) = world.work(&[meeting(1)]).await;
    assert_eq!((counts.held, world.stats().created), (1, 0), "{counts:?}");
    let told = world.sheet("meeting-1");
    assert!(detail(&told).contains("cannot be read"), "{}", detail(&told));
    assert!(detail(&told).contains(&world.simulator.objects()[0].key), "{}", detail(&told));
}

#[tokio::test(start_paused = true)]
async fn the_meetings_of_an_organiser_are_listed_once() {
    let world = calm_but(&cut("wecom.meeting.create", "cut-after", 40));
    let mut jobs: Vec<Value> = (0..40).map(meeting).collect();
    for (n, job) in jobs.iter_mut().enumerate() {
        job["body"]["admin_userid"] = json!(if n % 2 == 0 { "zhang" } else { "li" });
    }
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.created, books.duplicates), (40, 40, 0), "{counts:?}");
    let (listed, fetched) =
        (asked(&books, "wecom.meeting.get_user_meetingid"), asked(&books, "wecom.meeting.get_info"));
    assert!(listed <= 6 && fetched <= 80, "{listed} listings, {fetched} meetings fetched");
}

/// A user's calendars stand in the user's list, not in the app's.
#[tokio::test(start_paused = true)]
async fn a_user_s_calendar_is_looked_for_as_that_user() {
    let world = calm_but(&cut("feishu.calendar.create", "cut-after", 1));
    let mut job = calendar(1);
    job["identity"] = json!("user:anna");
    let (_, counts) = world.work(&[job]).await;
    assert_eq!((counts.succeeded, world.stats().created), (1, 1), "{counts:?}");
    assert_eq!(
        asked(&world.stats(), "feishu.auth.tenant_access_token.internal"),
        1,
        "for the lane, not for the look-up"
    );
}

/// WeCom reads a meeting with its password, which the result of a look-up must not carry on.
#[tokio::test(start_paused = true)]
async fn a_meeting_that_was_looked_up_does_not_show_its_password() {
    let world = calm_but(&cut("wecom.meeting.create", "cut-after", 1));
    let mut job = meeting(1);
    job["body"]["settings"] = json!({"password": "731904"});
    let (_, counts) = world.work(&[job]).await;
    assert_eq!((counts.succeeded, asked(&world.stats(), "wecom.meeting.get_info")), (1, 1), "{counts:?}");
    let result = &world.sheet("meeting-1").line.document["result"];
    assert_eq!(result["settings"]["password"], json!("******"), "{result}");
}

/// The list of the app and that of each user are told apart, or a job would take another identity's calendar for its own.
#[tokio::test(start_paused = true)]
async fn another_identity_s_calendar_is_nobody_s_find() {
    let world = calm_but(&cut("feishu.calendar.create", "cut-before", 1));
    let of_the_app = calendar(1);
    let mut of_anna = calendar(1);
    of_anna["id"] = json!("annas");
    of_anna["identity"] = json!("user:anna");
    let (_, counts) = world.work(&[of_the_app]).await;
    let (_, more) = world.work(&[of_anna]).await;
    assert_eq!((counts.succeeded, more.succeeded), (1, 2), "{counts:?} {more:?}");
    let owners: Vec<String> = world.simulator.objects().into_iter().map(|line| line.user).collect();
    assert_eq!((owners, world.stats().duplicates), (vec![String::new(), "anna".to_owned()], 0));
}

/// Puts each instant of a value into the future, one after the other.
fn postpone(schema: &Schema, value: &mut Value, next: &mut i64) {
    if schema.format == Some(SchemaFormat::UnixSeconds) {
        *next += 3_600;
        *value = if value.is_string() { json!(next.to_string()) } else { json!(next) };
    }
    if let Some(items) = schema.items.as_deref() {
        for item in value.as_array_mut().into_iter().flatten() {
            postpone(items, item, next);
        }
    }
    for (name, property) in &schema.properties {
        if let Some(field) = value.get_mut(name) {
            postpone(property, field, next);
        }
    }
}

/// The documents' own call of a method, as a job of days to come.
fn documented(method: &Method) -> Value {
    let params = method.request.as_ref().unwrap().params(method).unwrap();
    let mut body = Value::Object(params.body);
    postpone(&method.body_schema, &mut body, &mut 1_930_000_000);
    let app = if method.family == "wecom" { "campus" } else { "acme" };
    json!({"id": "lost", "method": method.name, "app": app, "path": params.path, "query": params.query, "body": body})
}

#[tokio::test(start_paused = true)]
async fn every_create_with_a_look_up_is_found_when_its_reply_is_lost() {
    let catalog = paceline::domain::catalog::built_in().unwrap();
    let is_tried = |method: &&std::sync::Arc<Method>| {
        // Another document of a call is tried with that call.
        method.creates() && method.creation.look_up().is_some() && method.counted_as.is_none()
    };
    let mut tried = 0;
    for method in catalog.methods.values().filter(is_tried) {
        let world = calm_but(&cut(&method.name, "cut-after", 1));
        let job = documented(method);
        let (_, counts) = world.work(std::slice::from_ref(&job)).await;
        let books = world.stats();
        let sheet = world.sheet("lost");
        assert_eq!(counts.succeeded, 1, "{}: {}", method.name, sheet.line.document);
        let book = &books.methods[&method.name];
        assert_eq!((book.arrivals, book.duplicates), (1, 0), "{}: asked for once: {book:?}", method.name);
        assert!(book.created >= 1, "{}: {book:?}", method.name);
        tried += 1;
    }
    assert!(tried >= 9, "{tried}");
}
