//! The forecast against what then happens: the whole engine in virtual time, over the simulator on a calm day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use paceline::domain::decode::{Apps, Decoder};
use paceline::domain::job::{Job, LaneKey};
use paceline::domain::rows::{Format, Input, Layout, Rows};
use paceline::domain::time::Timestamp;
use paceline::engine::Stop;
use paceline::engine::forecast::{Basis, Forecast, forecast};
use paceline::engine::planner::Planner;
use paceline::engine::ports::operator::{Commands, Outlook};
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin, PastCall};
use paceline::engine::schedule::Limits;
use paceline::settings;
use paceline::store;
use paceline::store::SqlStore;
use paceline::wiring;
use serde_json::{Value, json};

use super::engine::{World, calendar, meeting, minutes, room};

pub(super) const CALM: &str = include_str!("../../config/scenarios/calm.toml");
const UNIVERSITY: &str = include_str!("../../examples/university.csv");
/// The promise.
const TOLERANCE: f64 = 0.03;
/// What a batch of a few seconds may be off more, as long as nobody knows how long a round trip takes.
const A_FEW_ROUND_TRIPS_S: f64 = 0.3;
/// Stands for all batches together.
const ALL: &str = "everything";

fn operator(world: &World) -> Box<dyn Commands> {
    store::open(&world.folder.path().join("ledger.db")).unwrap()
}

fn outlook(world: &World, planner: &Planner) -> Outlook {
    operator(world).outlook(world.clock.now() - planner.span_max()).unwrap()
}

fn look_ahead(world: &World) -> Forecast {
    let settings = settings::load(None, std::iter::empty()).unwrap();
    let planner = Arc::new(Planner::new(Arc::clone(&world.catalog), world.apps(), 1.0));
    let outlook = outlook(world, &planner);
    assert!(outlook.running.is_empty());
    let calls = |calls: Vec<PastCall>| calls.iter().map(counted_by).collect();
    let limits: Limits = wiring::limits(&settings);
    forecast(&Basis {
        planner,
        limits,
        now: world.clock.now(),
        past: outlook.past.into_iter().map(|(lane, of_lane)| (lane, calls(of_lane))).collect::<BTreeMap<LaneKey, _>>(),
        suspensions: outlook.suspensions,
        restraints: Vec::new(),
        backlog: outlook.backlog,
        chained: outlook.chained,
        running: Vec::new(),
        round_trips: outlook.round_trips,
        decided_at_once: BTreeSet::new(),
    })
}

fn counted_by(call: &PastCall) -> Timestamp {
    assert!(!call.open, "nothing is in flight");
    call.counted_by
}

async fn take_over(world: &World, ledger: &SqlStore, jobs: Vec<Job>) {
    let arrival = |job: Job| Arrival { input: Ok(Box::new(job)), origin: Origin::default() };
    ledger.take_over(jobs.into_iter().map(arrival).collect(), world.clock.now()).await.unwrap();
}

/// Works jobs off, so that their round trips are known.
pub(super) async fn work_off(world: &World, jobs: &[Value]) {
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    take_over(world, &ledger, jobs.iter().map(|job| world.decode(job)).collect()).await;
    engine.load(None).await.unwrap();
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    ledger.close().await;
}

/// The forecast for these jobs beside what the ledger holds, and when each batch was really done.
pub(super) async fn compare(world: &World, jobs: &[Value]) -> Forecast {
    compare_all(world, jobs.iter().map(|job| world.decode(job)).collect()).await
}

async fn compare_all(world: &World, jobs: Vec<Job>) -> Forecast {
    let count = jobs.len() as u64;
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    take_over(world, &ledger, jobs).await;
    let planned = look_ahead(world);
    engine.load(None).await.unwrap();
    let started = world.clock.now();
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    assert_eq!(planned.jobs.done, count);
    close_to(ALL, planned.finish, world.clock.now(), started);
    ledger.close().await;
    let conn = rusqlite::Connection::open(world.folder.path().join("ledger.db")).unwrap();
    for batch in &planned.batches {
        let ended = "SELECT max(ended_at) FROM jobs LEFT JOIN batches b USING (batch)
             WHERE coalesce(b.name, '') = ?1";
        let ended: i64 = conn.query_row(ended, [&*batch.name], |row| row.get(0)).unwrap();
        close_to(&batch.name, batch.finish.unwrap(), Timestamp(ended), started);
    }
    planned
}

fn close_to(what: &str, planned: Timestamp, real: Timestamp, started: Timestamp) {
    let (planned, real) = (planned.since(started).as_secs_f64(), real.since(started).as_secs_f64());
    let most = if what == ALL { 0.0 } else { A_FEW_ROUND_TRIPS_S } + TOLERANCE * real;
    assert!((planned - real).abs() <= most, "{what}: planned {planned} s, took {real} s");
}

fn in_batch(name: &str, priority: u8, jobs: impl Iterator<Item = Value>) -> impl Iterator<Item = Value> {
    jobs.map(move |mut job| {
        (job["batch"], job["priority"]) = (json!(name), json!(priority));
        job
    })
}

#[tokio::test(start_paused = true)]
async fn sixty_rooms_are_done_when_it_was_said() {
    let jobs: Vec<_> = (0..60).map(room).collect();
    let planned = compare(&World::new(CALM), &jobs).await;
    assert_eq!(planned.deciding.unwrap().window.to_string(), "20/min");
}

#[tokio::test(start_paused = true)]
async fn two_thousand_calendars_are_done_when_it_was_said() {
    let jobs: Vec<_> = (0..2_000).map(calendar).collect();
    let planned = compare(&World::new(CALM), &jobs).await;
    assert_eq!(planned.deciding.unwrap().window.to_string(), "1000/min");
}

#[tokio::test(start_paused = true)]
async fn a_mixed_batch_with_priorities_is_done_when_it_was_said() {
    let world = World::new(CALM);
    let jobs: Vec<Value> = in_batch("move", 4, (0..70).map(room))
        .chain(in_batch("urgent", 9, (70..100).map(room)))
        .chain(in_batch("term", 4, (0..1_500).map(calendar)))
        .chain(in_batch("soon", 7, (1_500..2_700).map(calendar)))
        .chain(in_batch("later", 2, (0..300).map(minutes)))
        .chain(in_batch("lectures", 4, (0..300).map(meeting)))
        .collect();
    compare(&world, &jobs).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_start_knows_the_calls_and_the_round_trips_of_the_first() {
    let world = World::new(CALM);
    compare(&world, &in_batch("first", 4, (0..35).map(room).chain((0..1_200).map(calendar))).collect::<Vec<_>>()).await;
    let second = compare(
        &world,
        &in_batch("second", 4, (35..70).map(room).chain((1_200..2_600).map(calendar))).collect::<Vec<_>>(),
    )
    .await;
    assert_eq!(second.lanes.len(), 2);
    let planner = Planner::new(Arc::clone(&world.catalog), world.apps(), 1.0);
    let round_trip = outlook(&world, &planner).round_trips["feishu.calendar.create"];
    assert!((30..50).contains(&round_trip.as_millis()), "calm replies take 20 to 60 ms: {round_trip:?}");
}

/// A calendar, so many events in it one after the other, and the minutes of the last one.
fn chain(n: usize, events: usize) -> Vec<Value> {
    let id = |link: usize| format!("event-{n}-{link}");
    let calendar_id = json!({"$from": format!("calendar-{n}")});
    let mut jobs = vec![calendar(n)];
    jobs.extend((0..events).map(|link| {
        let start = 1_929_229_200 + (n * 10 + link) * 7_200;
        let after = if link > 0 { vec![id(link - 1)] } else { Vec::new() };
        json!({"id": id(link), "method": "feishu.calendar.event.create", "app": "acme", "after": after,
            "path": {"calendar_id": calendar_id}, "body": {"summary": id(link),
            "start_time": {"timestamp": start.to_string()}, "end_time": {"timestamp": (start + 3_600).to_string()}}})
    }));
    let event_id = json!({"$from": id(events - 1), "at": "event.event_id"});
    jobs.push(json!({"id": format!("minutes-of-{n}"), "method": "feishu.calendar.event.meeting_minute.create",
        "app": "acme", "path": {"calendar_id": calendar_id, "event_id": event_id}}));
    jobs
}

#[tokio::test(start_paused = true)]
async fn chains_of_several_lanes_are_done_when_it_was_said() {
    let jobs: Vec<Value> = (0..700).flat_map(|n| chain(n, 2)).collect();
    compare(&World::new(CALM), &jobs).await;
}

/// A world whose round trips are known: at 50/s each of them is felt, because a permit comes back a second after the reply.
async fn measured_world() -> World {
    let world = World::new(CALM);
    let few = |n: usize| chain(n, 2);
    world.work(&(9_000..9_050).flat_map(few).collect::<Vec<_>>()).await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    world
}

/// Chains and free jobs take turns in one lane.
#[tokio::test(start_paused = true)]
async fn chains_beside_free_jobs_of_their_lane_are_done_when_it_was_said() {
    let linked = |n: usize| {
        let mut job = calendar(n);
        if !n.is_multiple_of(4) {
            job["after"] = json!([calendar(n - 1)["id"]]);
        }
        job
    };
    let jobs: Vec<Value> =
        in_batch("free", 4, (1_000..1_300).map(calendar)).chain(in_batch("chains", 4, (0..300).map(linked))).collect();
    compare(&measured_world().await, &jobs).await;
}

/// The chains go on in other lanes, which have nothing else to do.
#[tokio::test(start_paused = true)]
async fn chains_that_leave_a_busy_lane_are_done_when_it_was_said() {
    let jobs: Vec<Value> = in_batch("free", 4, (1_000..1_300).map(calendar))
        .chain(in_batch("chains", 4, (0..300).flat_map(|n| chain(n, 2))))
        .collect();
    compare(&measured_world().await, &jobs).await;
}

#[tokio::test(start_paused = true)]
async fn rooms_that_wait_for_rooms_are_done_when_it_was_said() {
    let jobs: Vec<Value> = (0..80)
        .map(|n| {
            let mut job = room(n);
            if n >= 40 {
                job["after"] = json!([format!("room-{}", n - 40)]);
            }
            job
        })
        .collect();
    compare(&World::new(CALM), &jobs).await;
}

#[tokio::test(start_paused = true)]
async fn a_campus_is_done_when_the_plan_says() {
    let world = World::new(CALM);
    let decoder = Decoder { catalog: Arc::clone(&world.catalog), apps: Apps::Any, rights: Arc::default() };
    let input = Input {
        name: "university.csv".to_owned(),
        batch: "university".to_owned(),
        method: None,
        app: None,
        bytes_max: 65_536,
        layout: Layout::default(),
    };
    let rows = Rows::open(Arc::new(decoder), input, Format::Csv, UNIVERSITY.as_bytes()).unwrap();
    let jobs: Vec<Job> = rows.map(|row| row.unwrap().input.unwrap()).collect();
    assert_eq!(jobs.len(), 716);
    compare_all(&world, jobs).await;
    let books = world.stats();
    assert_eq!((books.duplicates, books.refused), (0, 0), "{books:?}");
}
