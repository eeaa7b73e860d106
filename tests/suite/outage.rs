//! A platform that is out of order for an hour behind a gateway that says so, and servers that say when to come again:
//! over the whole engine in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use paceline::domain::outcome::Answer;
use paceline::domain::reset::Reset;
use paceline::engine::ports::Request;
use serde_json::{Value, json};

use crate::engine::{CALM, T0, World, calendar, minutes, room};

const HOUR_S: u64 = 3_600;

fn out_of_order(method: &str, status: u16, rest: &str) -> World {
    World::new(&format!(
        "{CALM}\n[[faults]]\nmethod = '{method}'\nkind = 'status'\nstatus = {status}\nuntil_s = {HOUR_S}\n{rest}\n"
    ))
}

/// The attempts that each of these jobs was charged.
fn attempts(world: &World, jobs: &[Value]) -> Vec<u64> {
    let of = |job: &Value| world.sheet(job["id"].as_str().unwrap()).line.document["attempts"].as_u64().unwrap();
    jobs.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn an_hour_out_of_order_costs_two_hundred_jobs_nothing() {
    // Everything, or the creates alone while look-ups work; applied or not.
    for (method, status, rest) in
        [("*", 503, ""), ("*.create", 502, ""), ("*.create", 503, ""), ("*.create", 504, "applied = true")]
    {
        let world = out_of_order(method, status, rest);
        let jobs: Vec<Value> = (0..200).map(calendar).collect();
        let (took, counts) = world.work(&jobs).await;
        let books = world.stats();
        let what = format!("{method} {status} {rest}: {took} s, {counts:?}");
        assert_eq!((counts.succeeded, counts.dead, counts.held, books.duplicates), (200, 0, 0, 0), "{what}");
        assert_eq!(attempts(&world, &jobs), vec![1; 200], "{what}");
        // Once a minute, and what was on its way when it began.
        let calls = books.methods["feishu.calendar.create"].arrivals;
        assert!(calls <= 200 + 60 + 30, "{calls} calls; {what}");
        if rest.is_empty() {
            assert!((3_600.0..3_600.0 + 180.0).contains(&took), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_leaves_few_minutes_for_a_person() {
    for (status, rest) in [(502, ""), (503, ""), (504, "applied = true")] {
        let world = out_of_order("*", status, rest);
        let jobs: Vec<Value> = (0..200).map(minutes).collect();
        let (_, counts) = world.work(&jobs).await;
        assert_eq!((counts.succeeded + counts.held, counts.dead, world.stats().duplicates), (200, 0, 0), "{counts:?}");
        assert!(counts.held <= 12, "{status} {rest}: {} held", counts.held);
    }
}

#[tokio::test(start_paused = true)]
async fn one_path_out_of_order_holds_up_no_other() {
    let world = out_of_order("feishu.calendar.create", 503, "");
    let rooms: Vec<Value> = (0..600).map(room).collect();
    let calendars: Vec<Value> = (0..50).map(calendar).collect();
    let (took, counts) = world.work(&[rooms.clone(), calendars.clone()].concat()).await;
    assert_eq!((counts.succeeded, counts.dead), (650, 0), "{took} s, {counts:?}");
    assert_eq!(attempts(&world, &calendars), vec![1; 50]);
    let finished = |job: &Value| {
        let at = world.sheet(job["id"].as_str().unwrap()).line.document["finished_at"].clone();
        paceline::domain::time::Timestamp::parse(at.as_str().unwrap()).unwrap().since(T0).as_secs()
    };
    let last = rooms.iter().map(finished).max().unwrap();
    // 20/min: half an hour less a minute at best.
    assert!(last <= 29 * 60 * 102 / 100, "the rooms took {last} s");
}

/// Answers what `is_meant` with this answer for so many seconds, and counts.
fn until_s(
    seconds: u64,
    is_meant: impl Fn(&Request) -> bool + Send + Sync + 'static,
    answer: impl Fn() -> Answer + Send + Sync + 'static,
) -> (World, Arc<AtomicU32>) {
    let world = World::new(CALM);
    let (clock, calls) = (world.clock.clone(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&calls);
    let world = world.behind(move |request| {
        let is_over = clock.now().since(T0) >= Duration::from_secs(seconds);
        if is_over || !is_meant(request) {
            return None;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        Some(answer())
    });
    (world, calls)
}

fn is_create(request: &Request) -> bool {
    request.http_method == "POST" && request.url.contains("/calendars")
}

fn refused(status: u16, reset: Reset) -> Answer {
    let slow = json!({"code": 99_991_400, "msg": "slow"}).to_string();
    let body = if status == 429 { slow } else { "<html>out of order</html>".to_owned() };
    Answer { status, reset, body: body.into(), ..Answer::default() }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_to_come_again_is_asked_no_sooner() {
    let jobs: Vec<Value> = (0..60).map(calendar).collect();
    for status in [429, 502, 503, 504] {
        for value in ["120", "Fri, 15 Jan 2027 08:10:00 GMT", "1800000600", "1800000600000"] {
            let reset = Reset::read([value], None);
            let (world, calls) = until_s(600, is_create, move || refused(status, reset));
            let (took, counts) = world.work(&jobs).await;
            let calls = calls.load(Ordering::Relaxed);
            assert_eq!((counts.succeeded, counts.dead), (60, 0), "{status} {value}: {counts:?}");
            assert_eq!(attempts(&world, &jobs), vec![1; 60], "{status} {value}");
            // The first few are on their way together.
            assert!(calls <= if value == "120" { 5 + 4 } else { 4 }, "{status} {value}: {calls} calls");
            assert!((600.0..740.0).contains(&took), "{status} {value}: {took} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_nothing_is_no_leave_to_ask_without_a_pause() {
    let jobs: Vec<Value> = (0..30).map(calendar).collect();
    for status in [429, 503] {
        for value in ["0", "0.05", "-1", "1e300", "abc", "Fri, 15 Jan 2027 07:00:00 GMT", "1799999000", ""] {
            let reset = Reset::read([value], None);
            let (world, calls) = until_s(60, is_create, move || refused(status, reset));
            let (took, counts) = world.work(&jobs).await;
            let calls = calls.load(Ordering::Relaxed);
            assert_eq!((counts.succeeded, counts.dead), (30, 0), "{status} {value}: {counts:?}");
            // After 1, 2, 4, 8, 16 and 32 seconds.
            assert!(calls <= 6 + 4, "{status} {value}: {calls} calls in a minute");
            assert!((60.0..140.0).contains(&took), "{status} {value}: {took} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_out_of_order_is_asked_no_sooner_either() {
    let is_token = |request: &Request| request.url.contains("tenant_access_token");
    let (world, calls) = until_s(600, is_token, || refused(503, Reset::after(Duration::from_secs(120))));
    let jobs: Vec<Value> = (0..60).map(calendar).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, attempts(&world, &jobs)), (60, vec![1; 60]), "{counts:?}");
    assert!(calls.load(Ordering::Relaxed) <= 6, "{calls:?} calls");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_a_gateway_cannot_stomach_dies_alone() {
    let world = World::new(CALM).behind(|request| {
        let body = request.body.as_deref().unwrap_or_default();
        let is_poison = is_create(request) && String::from_utf8_lossy(body).contains("Department 7\"");
        is_poison.then(|| refused(502, Reset::default()))
    });
    let jobs: Vec<Value> = (0..2_000).map(calendar).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.succeeded, counts.dead, counts.held), (1_999, 1, 0), "{counts:?}");
    assert_eq!(world.sheet("calendar-7").line.document["reason"], "exhausted");
}
