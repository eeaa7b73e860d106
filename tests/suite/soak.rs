//! A long life in short: days of traffic with every fault on, in virtual time, and a ledger that forgets.
//!
//! `SOAK_JOBS=200000 cargo test --release --test suite soak -- --ignored --nocapture` takes minutes and is not part of
//! the tests' run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paceline::domain::job::{Identity, LaneKey, Params};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::operator::Selection;
use paceline::engine::ports::{Arrival, Counts, Intake, Ledger, Origin, TakenOver};
use paceline::engine::{Engine, Unread};
use paceline::simulator::{MethodStats, Stats};
use paceline::store;
use serde_json::{Value, json};

use super::engine::World;

const DAYS: u32 = 4;
/// Jobs come in waves, so often a day.
const WAVES: u32 = 48;
const DAY: Duration = Duration::from_secs(86_400);
const STORM: &str = include_str!("../../config/scenarios/storm.toml");

/// Where jobs of a hundred stand that belong together: each chain begins at one of these.
const LECTURES: [usize; 2] = [60, 68];
const BUILDINGS: [usize; 2] = [76, 80];
const SEMINARS: [usize; 2] = [84, 87];

/// One job of the soak: half of them minutes, because they have no listing that grows; singles, and chains with updates,
/// people and rooms that decide later.
fn job(n: usize, now: Timestamp) -> Value {
    let later = now.unix_seconds() + 86_400 * 30;
    let at = n % 100;
    let chain = LECTURES.iter().chain(&BUILDINGS).chain(&SEMINARS).rfind(|first| **first <= at);
    let mut job = match (at, chain) {
        (0..40, _) => json!({"method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
            "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("{n}_0")}}),
        (40..52, _) => json!({"method": "wecom.meeting.create", "app": "campus",
            "body": {"admin_userid": format!("t{}", n % 37), "title": format!("Lecture {n}"),
                "meeting_start": later, "meeting_duration": 3_600}}),
        (52..58, _) => json!({"method": "feishu.calendar.create", "app": "acme",
            "body": {"summary": format!("Department {n}"), "description": format!("calendar {n}")}}),
        (58..60, _) => json!({"method": "feishu.vc.room.create", "app": "acme",
            "body": {"name": format!("R-{n}"), "capacity": 10, "room_level_id": "omb_1"}}),
        (_, Some(first)) if LECTURES.contains(first) => lecture(n - (at - first), at - first),
        (_, Some(first)) if BUILDINGS.contains(first) => building(n - (at - first), at - first),
        (_, Some(first)) => seminar(n - (at - first), at - first, later),
        (_, None) => unreachable!("the first chain begins at 60"),
    };
    job["id"] = id(n).into();
    job["batch"] = format!("wave-{}", n % 50).into();
    job
}

fn id(n: usize) -> String {
    format!("soak-{n}")
}

fn of(n: usize) -> Value {
    json!({"$from": id(n)})
}

/// A calendar and who may write in it; an event with a person and a room, its minutes, its change; one more; a new name.
fn lecture(first: usize, link: usize) -> Value {
    let job =
        |method: &str, path: Value, body: Value| json!({"method": method, "app": "acme", "path": path, "body": body});
    let calendar = || json!({"calendar_id": of(first)});
    let event = || json!({"calendar_id": of(first), "event_id": of(first + 2)});
    let span = |seconds: usize| json!({"timestamp": (1_930_000_000 + 7_200 * first + seconds).to_string()});
    let lecture = |summary: &str| json!({"summary": summary, "start_time": span(0), "end_time": span(3_600)});
    let room = json!({"type": "resource", "room_id": format!("omm_{first}"), "operate_id": "ou_office"});
    match link {
        0 => job(
            "feishu.calendar.create",
            json!({}),
            json!({"summary": format!("Course {first}"), "description": id(first)}),
        ),
        1 => job(
            "feishu.calendar.acl.create",
            calendar(),
            json!({"role": "writer", "scope": {"type": "user", "user_id": format!("ou_{first}")}}),
        ),
        2 => job("feishu.calendar.event.create", calendar(), lecture("Lecture")),
        3 => job(
            "feishu.calendar.event.attendee.create",
            event(),
            json!({"attendees": [{"type": "user", "user_id": format!("ou_{first}")}, room]}),
        ),
        4 => {
            let mut minutes = job("feishu.calendar.event.meeting_minute.create", event(), json!({}));
            minutes["after"] = json!([id(first + 3)]);
            minutes
        }
        5 => {
            let mut change = job("feishu.calendar.event.patch", event(), json!({"summary": "Lecture, moved"}));
            change["after"] = json!([id(first + 3)]);
            change
        }
        6 => job("feishu.calendar.event.create", calendar(), lecture("Exam")),
        _ => {
            let mut renamed =
                job("feishu.calendar.patch", calendar(), json!({"summary": format!("Course {first}, over")}));
            renamed["after"] = json!([id(first + 6)]);
            renamed
        }
    }
}

/// A level, a room on it, its change, and when what is on the level may be booked.
fn building(first: usize, link: usize) -> Value {
    let time = json!({"time_switch": 1, "if_cover_child_scope": true, "days_in_advance": 120});
    match link {
        0 => json!({"method": "feishu.vc.room_level.create", "app": "acme",
            "body": {"name": format!("Building {first}"), "parent_id": "omb_campus"}}),
        1 => json!({"method": "feishu.vc.room.create", "app": "acme",
            "body": {"name": format!("Hall {first}"), "capacity": 10, "room_level_id": of(first)}}),
        2 => json!({"method": "feishu.vc.room.patch", "app": "acme", "path": {"room_id": of(first + 1)},
            "body": {"name": format!("Aula {first}"), "capacity": 90}}),
        _ => json!({"method": "feishu.vc.reserve_config.patch", "app": "acme", "after": [id(first + 2)],
            "path": {"reserve_config_id": of(first)}, "body": {"scope_type": "1", "time_config": time}}),
    }
}

/// A meeting, a room, and the room's booking when both are there.
fn seminar(first: usize, link: usize, later: i64) -> Value {
    match link {
        0 => json!({"method": "wecom.meeting.create", "app": "campus",
            "body": {"admin_userid": format!("s{first}"), "title": format!("Seminar {first}"),
                "meeting_start": later, "meeting_duration": 3_600}}),
        1 => json!({"method": "wecom.oa.meetingroom.add", "app": "campus", "body": {"name": format!("Room {first}"),
            "capacity": 12, "city": "Hangzhou", "building": "Library", "floor": format!("{first}F")}}),
        2 => json!({"method": "wecom.oa.meetingroom.book", "app": "campus", "after": [id(first)],
            "body": {"meetingroom_id": of(first + 1), "booker": format!("s{first}"), "start_time": later, "end_time": later + 3_600}}),
        // What is left of the hundred.
        _ => json!({"method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
            "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("{}_0", first + link)}}),
    }
}

struct Day {
    counts: Counts,
    file_bytes: u64,
}

/// What the soak comes to.
struct Soaked {
    days: Vec<Day>,
    books: Stats,
    held: BTreeMap<String, usize>,
    open: u64,
}

async fn soak(jobs: usize) -> Soaked {
    // A page of the scenario's 50 would make a look-up among 20,000 calendars last for hours.
    let world =
        World::new(&STORM.replace("page_max = 50", "page_max = 500")).with_setting("PACELINE_LEDGER__KEEP_DAYS", "1");
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.run(false, async { drop(stopped.await) }).await }
    });
    let per_wave = jobs / (DAYS * WAVES) as usize;
    let (mut next, mut days) = (0.., Vec::new());
    for day in 0..DAYS {
        for _ in 0..WAVES {
            let numbers: Vec<usize> = next.by_ref().take(per_wave).collect();
            feed(&world, &engine, &*ledger, &numbers).await;
            tokio::time::sleep(DAY / WAVES).await;
        }
        let counts = ledger.counts(None).await.unwrap();
        let file_bytes = bytes_of(&world.store());
        report(&format!("day {}: {counts:?}, ledger {file_bytes} bytes", day + 1));
        days.push(Day { counts, file_bytes });
    }
    // The last ones, and the blocks that the last faults have set.
    tokio::time::sleep(DAY / 4).await;
    stop.send(()).unwrap();
    working.await.unwrap();
    let counts = ledger.counts(None).await.unwrap();
    ledger.close().await;
    Soaked {
        days,
        books: world.stats(),
        held: held(&world.store()),
        open: counts.queued + counts.uncertain + counts.blocked,
    }
}

/// The file and its write-ahead log.
fn bytes_of(store: &Path) -> u64 {
    let log = store.with_extension("db-wal");
    [store, &log].into_iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}

async fn feed(world: &World, engine: &Arc<Engine>, ledger: &dyn Intake, numbers: &[usize]) {
    let now = world.clock().now();
    let arrival = |n: &usize| Arrival { input: Ok(Box::new(world.decode(&job(*n, now)))), origin: Origin::default() };
    let taken = ledger.take_over(numbers.iter().map(arrival).collect(), now).await.unwrap();
    let is_new = |taken: &TakenOver| matches!(taken, TakenOver::Queued(_) | TakenOver::Blocked);
    assert!(taken.iter().all(is_new), "every job is new");
    let waiting = taken.into_iter().filter_map(|taken| match taken {
        TakenOver::Queued(waiting) => Some(waiting),
        TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
    });
    engine.enqueue(waiting.collect());
    read_levels(engine).await;
}

/// Somebody reads a listing beside the jobs; on a bad day a page may have to be read later.
async fn read_levels(engine: &Arc<Engine>) {
    let lane =
        LaneKey { app: "acme".to_owned(), tenant: String::new(), method: "feishu.vc.room_level.list".to_owned() };
    match engine.read_page(&lane, &Identity::Tenant, &Params::default()).await {
        Ok(_) | Err(Unread::Later(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
}

fn held(store: &Path) -> BTreeMap<String, usize> {
    let filter = Selection::of_state(paceline::engine::ports::State::Held);
    let mut held = BTreeMap::new();
    for line in store::open(store).unwrap().list_jobs(&filter, 0, usize::MAX).unwrap() {
        *held.entry(line.document["method"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    held
}

#[expect(clippy::print_stdout, reason = "its figures are what a soak is for")]
fn report(line: &str) {
    println!("{line}");
}

fn judge(soaked: &Soaked, jobs: usize) {
    report(&format!("faults {:?}, codes {:?}, held {:?}", soaked.books.faults, soaked.books.codes, soaked.held));
    let called = |(method, book): (&String, &MethodStats)| format!("{method} {} of {}", book.succeeded, book.arrivals);
    report(&soaked.books.methods.iter().map(called).collect::<Vec<_>>().join(", "));
    for (quota, window) in soaked.books.quotas.iter().flat_map(|quota| quota.windows.iter().map(move |it| (quota, it)))
    {
        assert!(!window.is_breached, "{}: {window:?}", quota.method);
    }
    assert_eq!(soaked.open, 0, "everything has ended");
    assert_eq!(soaked.books.duplicates, 0);
    let scripted = soaked.books.faults.get("throttle").copied().unwrap_or_default();
    assert_eq!(soaked.books.refused, scripted, "no refusal but those of the scenario");
    let unsure = "feishu.calendar.event.meeting_minute.create";
    assert!(soaked.held.keys().all(|method| method == unsure), "what can be looked up is not held: {:?}", soaked.held);
    // A day and the hour between two prunings are kept, and what is held.
    let kept = jobs as u64 / u64::from(DAYS) * 25 / 24 + jobs as u64 / u64::from(DAYS * WAVES);
    let last = &soaked.days[DAYS as usize - 1];
    let ended = last.counts.succeeded + last.counts.dead;
    assert!(ended <= kept + kept / 20, "{ended} ended jobs are kept, {kept} expected");
    assert!(
        last.file_bytes <= soaked.days[1].file_bytes * 5 / 4,
        "the file grows on: {} bytes after two days, {} after {DAYS}",
        soaked.days[1].file_bytes,
        last.file_bytes
    );
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes; its figures stand in docs/reliability.md"]
async fn four_days_of_jobs() {
    let jobs = std::env::var("SOAK_JOBS").map_or(200_000, |jobs| jobs.parse().unwrap());
    judge(&soak(jobs).await, jobs);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_of_its_jobs_succeed_on_a_calm_day() {
    let world = World::new(include_str!("../../config/scenarios/calm.toml"));
    let jobs: Vec<Value> = (0..200).map(|n| job(n, world.clock().now())).collect();
    let (_, counts) = world.work(&jobs).await;
    let books = world.stats();
    assert_eq!((counts.succeeded, counts.blocked, books.duplicates), (200, 0, 0), "{counts:?}");
    assert!(books.methods.values().filter(|book| book.succeeded > 0).count() > 16, "{:?}", books.methods.keys());
}
