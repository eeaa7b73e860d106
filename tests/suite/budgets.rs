//! Calls of calendar months and days: kept as the platform counts them, over restarts, and told before and while they wait.

use std::time::Duration;

use paceline::domain::time::Timestamp;
use paceline::store::{Mode, SqlStore};
use paceline_ports::{JobSeq, Ledger as _};
use serde_json::{Value, json};

use super::commands::Place;
use super::engine::{CALM, World, room};

const SECOND_MONTH: &str = "2027-02-01T00:00:00+08:00";

/// A platform that lets an app make so many calls a month, ten minutes before the second one.
fn world(calls: u64) -> World {
    let now = Timestamp::parse(SECOND_MONTH).unwrap() - Duration::from_secs(600);
    World::at(&format!("{CALM}\n[counting]\nmonth_calls = {calls}\n"), now).with_month_calls(calls)
}

#[tokio::test(start_paused = true)]
async fn a_month_s_calls_are_kept_and_what_is_left_waits_for_the_next() {
    let world = world(5);
    let jobs: Vec<Value> = (0..8).map(room).collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, books.refused, books.duplicates), (8, 0, 0), "{counts:?}");
    assert!(!books.codes.contains_key(&99_991_403), "{:?}", books.codes);
    assert!(world.now() >= Timestamp::parse(SECOND_MONTH).unwrap());
    let ended = |id: &str| world.sheet(id).line.document["finished_at"].as_str().unwrap().to_owned();
    let turn = "2027-01-31T16:00:00.000Z";
    let before = (0..8).filter(|n| *ended(&format!("room-{n}")) < *turn).count();
    assert_eq!(before, 5, "five in the first month");
}

#[tokio::test(start_paused = true)]
async fn a_restart_and_a_forgotten_job_give_no_call_back() {
    let world = world(5);
    let jobs: Vec<Value> = (0..3).map(room).collect();
    world.work(&jobs).await;
    let ledger = SqlStore::open(&world.store(), Mode::Worker, world.now()).unwrap();
    let pruned = ledger.prune(world.now() + Duration::from_secs(1), JobSeq(0)).await.unwrap();
    assert_eq!(pruned.forgotten, 3);
    ledger.close().await;
    let later = world.work_until(&(3..8).map(room).collect::<Vec<_>>(), Duration::from_secs(120)).await;
    assert_eq!((later.succeeded, later.queued), (2, 3), "{later:?}");
    assert_eq!(world.stats().refused, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_platform_refuses_counts_for_nothing() {
    let refused = "[[faults]]\nmethod = '*.create'\nkind = 'code'\ncode = 121003\nfirst = 4\n";
    let now = Timestamp::parse(SECOND_MONTH).unwrap() - Duration::from_secs(600);
    let world = World::at(&format!("{CALM}\n[counting]\nmonth_calls = 5\n{refused}"), now).with_month_calls(5);
    let counts = world.work_until(&(0..10).map(room).collect::<Vec<_>>(), Duration::from_secs(120)).await;
    assert_eq!((counts.dead, counts.succeeded, counts.queued), (4, 5, 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_schedules_of_a_calendar_day_are_kept_too() {
    let world = World::at(CALM, Timestamp::parse(SECOND_MONTH).unwrap() - Duration::from_secs(60));
    let mut catalog = (*world.catalog).clone();
    let of_day = catalog.methods.get_mut("wecom.oa.schedule.add").map(std::sync::Arc::make_mut).unwrap();
    assert_eq!(of_day.budgets[0].budget.to_string(), "20000/calendar-day");
    of_day.budgets[0].budget.calls = 4;
    let world = world.with_catalog(catalog);
    let schedule = |n: usize| {
        let body = json!({"schedule": {"cal_id": "wc_1", "summary": format!("S {n}"), "start_time": 1_930_000_000 + n,
            "end_time": 1_930_003_600 + n}});
        json!({"id": format!("s-{n}"), "method": "wecom.oa.schedule.add", "app": "campus", "body": body})
    };
    let (took, counts) = world.work(&(0..6).map(schedule).collect::<Vec<_>>()).await;
    assert_eq!((counts.succeeded, world.stats().refused), (6, 0), "{counts:?}");
    assert!((59.0..70.0).contains(&took), "{took} s: after midnight");
}

const APPS: &str = "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { env = \"ACME_SECRET\" }\n\
    month_calls = 10\n";

fn rooms(count: usize) -> String {
    let rows = (0..count).map(|n| format!("r-{n},R-{n},4,omb_1\n"));
    std::iter::once("id,name,capacity,room_level_id\n".to_owned()).chain(rows).collect()
}

#[test]
fn plan_and_status_tell_what_is_left_of_the_month() {
    let place = Place::new(&[("paceline.toml", APPS), ("few.csv", &rooms(3)), ("many.csv", &rooms(12))]);
    let plan = |file: &str, json: bool| {
        let mut arguments = vec!["plan", file, "--method", "feishu.vc.room.create", "--app", "acme"];
        arguments.extend(json.then_some("--json"));
        place.run(&arguments)
    };
    let few = plan("few.csv", false);
    let left = "10 of 10 calls (all methods) of this calendar-month are left to cli_a1; ";
    assert!(few.out.contains(&format!("{left}3 are needed\n")), "{}", few.transcript());
    let many = plan("many.csv", false);
    assert!(many.out.contains(&format!("{left}12 are needed: 2 wait, the last until ")), "{}", many.transcript());
    let document: Value = serde_json::from_str(&plan("many.csv", true).out).unwrap();
    let budget = &document["budgets"][0];
    assert_eq!((&budget["calls"], &budget["limit"], &budget["used"]), (&json!(12), &json!(10), &json!(0)));
    let at = |value: &Value| Timestamp::parse(value.as_str().unwrap()).unwrap();
    let behind = at(&document["finish_at"]).since(at(&budget["waits_until"]));
    assert!(behind < Duration::from_secs(60) && at(&document["finish_at"]) >= at(&budget["waits_until"]), "{document}");

    let submit = place.run(&["submit", "few.csv", "--method", "feishu.vc.room.create", "--app", "acme"]);
    assert_eq!(submit.code, Some(0), "{}", submit.transcript());
    let status = place.run(&["status"]);
    let row = status.out.lines().find(|line| line.starts_with("all methods")).unwrap_or_default().to_owned();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert!(cells.contains(&"cli_a1") && cells.contains(&"10") && row.contains("+08:00"), "{}", status.transcript());
    let status: Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
    assert_eq!(status["budgets"][0]["period"], "calendar-month", "{status}");
}

#[test]
fn wecom_has_no_such_budget() {
    let text =
        "[apps.campus]\nplatform = \"wecom\"\ncorp_id = \"ww1\"\ncorp_secret = { env = \"S\" }\nmonth_calls = 5\n";
    let place = Place::new(&[("paceline.toml", text)]);
    let status = place.run(&["status"]);
    assert_eq!(status.code, Some(2));
    assert!(status.err.contains("apps.campus.month_calls") && status.err.contains("feishu"), "{}", status.err);
}

#[test]
fn rows_that_one_call_could_carry_are_named_by_plan_and_validate() {
    let attendee = |n: usize| {
        let who = json!([{"type": "user", "user_id": format!("ou_{n}")}]);
        json!({"id": format!("a-{n}"), "method": "feishu.calendar.event.attendee.create", "app": "acme",
            "path": {"calendar_id": "c", "event_id": "e"}, "body": {"attendees": who}})
        .to_string()
    };
    let rows = (0..40).map(attendee).collect::<Vec<_>>().join("\n");
    let place = Place::new(&[("paceline.toml", APPS), ("rows.jsonl", &rows)]);
    let plan = place.run(&["plan", "rows.jsonl"]);
    let expected = "feishu.calendar.event.attendee.create: 40 rows differ in body.attendees alone; merged into 1 row of up to \
                    1000 items they save 39 calls\n";
    assert!(plan.out.contains(expected), "{}", plan.transcript());
    let checked = place.run(&["validate", "rows.jsonl", "--strict"]);
    assert_eq!((checked.code, checked.out.as_str()), (Some(0), ""), "no finding: {}", checked.transcript());
    assert!(checked.err.contains(&format!("note: {expected}")), "{}", checked.transcript());
    let document: Value = serde_json::from_str(&place.run(&["plan", "rows.jsonl", "--json"]).out).unwrap();
    assert_eq!((&document["savings"][0]["rows"], &document["savings"][0]["calls"]), (&json!(40), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn the_audit_judges_each_month_of_the_calls() {
    let world = world(5);
    world.work(&(0..8).map(room).collect::<Vec<_>>()).await;
    let store = format!("sqlite://{}", world.store().display());
    let judged = |calls: u64| {
        let settings = format!(
            "[store]\nurl = {store:?}\n{}",
            APPS.replace("month_calls = 10", &format!("month_calls = {calls}"))
        );
        let place = Place::new(&[("paceline.toml", &settings.replace("cli_a1", "cli_acme"))]);
        let audit = place.run(&["audit", "--json"]);
        let document: Value = serde_json::from_str(&audit.out).unwrap_or_else(|_| panic!("{}", audit.transcript()));
        let months: Vec<_> = document["budgets"].as_array().unwrap().iter().map(|one| one["calls"].clone()).collect();
        (audit.code, document["kept"].clone(), months)
    };
    assert_eq!(judged(5), (Some(0), json!(true), vec![json!(5), json!(3)]));
    assert_eq!(judged(4), (Some(1), json!(false), vec![json!(5), json!(3)]));
}
