//! A long life in short: days of traffic with every fault on, in virtual time, and a ledger that forgets.
//!
//! `SOAK_JOBS=200000 cargo test --release --test suite soak -- --ignored --nocapture` takes minutes and is not part of
//! the tests' run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paceline::domain::time::Timestamp;
use paceline::engine::Engine;
use paceline::engine::ports::operator::Selection;
use paceline::engine::ports::{Arrival, Counts, Intake, Ledger, Origin, TakenOver};
use paceline::simulator::Stats;
use paceline::store;
use serde_json::{Value, json};

use super::engine::World;

const DAYS: u32 = 4;
/// Jobs come in waves, so often a day.
const WAVES: u32 = 48;
const DAY: Duration = Duration::from_secs(86_400);
const STORM: &str = include_str!("../../config/scenarios/storm.toml");

/// One job of the soak: mostly minutes, because they have no listing that grows.
fn job(n: usize, now: Timestamp) -> Value {
    let mut job = match n % 100 {
        0..70 => json!({"method": "feishu.calendar.event.meeting_minute.create", "app": "acme",
            "path": {"calendar_id": "feishu.cn_x@group.calendar.feishu.cn", "event_id": format!("{n}_0")}}),
        70..88 => json!({"method": "wecom.meeting.create", "app": "campus",
            "body": {"admin_userid": format!("t{}", n % 37), "title": format!("Lecture {n}"),
                "meeting_start": now.unix_seconds() + 86_400 * 30, "meeting_duration": 3_600}}),
        88..98 => json!({"method": "feishu.calendar.create", "app": "acme",
            "body": {"summary": format!("Department {n}"), "description": format!("calendar {n}")}}),
        _ => json!({"method": "feishu.vc.room.create", "app": "acme",
            "body": {"name": format!("R-{n}"), "capacity": 10, "room_level_id": "omb_1"}}),
    };
    job["id"] = format!("soak-{n}").into();
    job["batch"] = format!("wave-{}", n % 50).into();
    job
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
    Soaked { days, books: world.stats(), held: held(&world.store()), open: counts.queued + counts.uncertain }
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
    let waiting = taken.into_iter().filter_map(|taken| match taken {
        TakenOver::Queued(waiting) => Some(waiting),
        TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
    });
    let waiting: Vec<_> = waiting.collect();
    assert_eq!(waiting.len(), numbers.len(), "every job is new");
    engine.enqueue(waiting);
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
