//! The ledger's file in other hands: commands beside a worker, and what people and programs do to it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paceline::engine::Stop;
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin};
use serde_json::Value;

use super::check::Simulator;
use super::commands::Place;
use super::engine::{World, room};
use super::harness::process::Process;
use super::harness::until;

/// An app that nobody calls, and whose secret a [`Process`] has.
const SETTINGS: &str =
    "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { env = \"ACME_SECRET\" }\n";

const CALM: &str = include_str!("../../config/scenarios/calm.toml");

/// Whether this process has one of SQLite's locks on this file, as the system's table says.
fn holds_lock(process: u32, file: &Path) -> bool {
    let inode = format!(":{}", fs::metadata(file).unwrap().ino());
    let table = fs::read_to_string("/proc/locks").unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.contains(&"POSIX")
            && fields.contains(&process.to_string().as_str())
            && line.contains(&format!("{inode} "))
    })
}

/// Without it, any program that closes the ledger believes that it was the last, and removes the log under the worker:
/// the `sqlite3` of the documented backup does.
#[tokio::test]
async fn a_worker_keeps_its_lock_on_the_ledger() {
    let place = Place::new(&[("paceline.toml", SETTINGS)]);
    let mut worker = Process::start(&place, &["work"]);
    worker.says(&["working"]).await;
    assert_eq!(place.run(&["suspend", "acme"]).code, Some(0));
    assert!(holds_lock(worker.id(), &place.path().join("paceline.db")), "{}", worker.log());
    assert!(place.path().join("paceline.db-wal").exists());
    worker.signal("TERM");
    worker.ends_with(0).await;
}

fn rooms(ids: std::ops::Range<usize>) -> String {
    let rows = ids.map(|id| format!("room {id},4,omb_1\n"));
    "name,capacity,room_level_id\n".to_owned() + &rows.collect::<String>()
}

const AS_ROOMS: [&str; 4] = ["--method", "feishu.vc.room.create", "--app", "acme"];

/// Puts a room into the ledger, where it waits.
fn submit(place: &Place, id: usize) {
    place.write("rooms.csv", &rooms(id..id + 1));
    let submitted = place.run(&[&["submit", "rooms.csv"], AS_ROOMS.as_slice()].concat());
    assert_eq!(submitted.code, Some(0), "{}", submitted.transcript());
}

#[tokio::test]
async fn a_worker_whose_ledger_is_gone_ends_and_says_what_to_do() {
    for (name, words) in [
        ("paceline.db", "error: paceline.db was removed or moved while in use: put it back"),
        ("paceline.db.key", "error: paceline.db.key was removed while in use: put the ledger's own key back there"),
    ] {
        let place = Place::new(&[("paceline.toml", SETTINGS)]);
        let mut worker = Process::start(&place, &["work"]);
        worker.says(&["working"]).await;
        fs::remove_file(place.path().join(name)).unwrap();
        worker.ends_with(1).await;
        assert!(worker.log().contains(words), "{}", worker.log());
        assert!(worker.log().contains("nothing more is accepted or sent"), "{}", worker.log());
    }
}

#[tokio::test]
async fn a_rehearsal_whose_ledger_is_replaced_ends_and_says_what_to_do() {
    let place = Place::new(&[("paceline.toml", SETTINGS), ("rooms.csv", &rooms(0..400))]);
    let command = [&["run", "rooms.csv", "--simulate"], AS_ROOMS.as_slice()].concat();
    let mut run = Process::start(&place, &command);
    let ledger = [("PACELINE_STORE__URL", "sqlite://paceline.simulated.db")];
    until("a room in the rehearsal", || {
        let counts = place.run_with(&["status", "--json"], &ledger).out;
        serde_json::from_str(&counts).is_ok_and(|found: Value| found["counts"]["succeeded"].as_u64() > Some(0))
    })
    .await;
    let path = place.path().join("paceline.simulated.db");
    let copy = place.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    run.ends_with(1).await;
    assert!(run.log().contains("error: paceline.simulated.db was replaced while in use"), "{}", run.log());
}

/// What `check` says of a ledger with a waiting room, after this was done to it; no other command may differ.
fn fault_after(change: impl FnOnce(&Path)) -> String {
    let place = Place::new(&[("paceline.toml", SETTINGS)]);
    submit(&place, 1);
    change(&place.path().join("paceline.db"));
    let found = place.run_with(&["check", "--offline"], &[("ACME_SECRET", "hunter2")]);
    assert_eq!(found.code, Some(1), "{}", found.transcript());
    found.out
}

#[test]
fn check_finds_what_was_done_to_an_idle_ledger() {
    let key = |ledger: &Path| ledger.with_extension("db.key");
    let found = fault_after(|ledger| fs::remove_file(ledger).unwrap());
    assert!(found.contains("paceline.db is missing, but its key paceline.db.key is there: restore"), "{found}");
    let found = fault_after(|ledger| fs::write(ledger, "").unwrap());
    assert!(found.contains("paceline.db is empty, but its key"), "{found}");
    let found = fault_after(|ledger| fs::remove_file(key(ledger)).unwrap());
    assert!(found.contains("paceline.db.key is gone; put the ledger's own key back there"), "{found}");
    let found = fault_after(|ledger| fs::hard_link(ledger, ledger.with_extension("copy")).unwrap());
    assert!(found.contains("paceline.db has several names (hard links)"), "{found}");
    let found = fault_after(|ledger| {
        let mut bytes = fs::read(ledger).unwrap();
        // The first page is whole, so that it can be opened.
        bytes[4096..].fill(0);
        fs::write(ledger, bytes).unwrap();
    });
    assert!(found.contains("paceline.db is damaged (") && found.contains(".recover"), "{found}");
}

#[tokio::test]
async fn check_finds_a_worker_that_works_another_file() {
    let place = Place::new(&[("paceline.toml", SETTINGS)]);
    let path = place.path().join("paceline.db");
    let mut worker = Process::start(&place, &["work"]);
    worker.says(&["working"]).await;
    // Halted, or it would notice by itself.
    worker.signal("STOP");
    let check = || place.run_with(&["check", "--offline"], &[("ACME_SECRET", "hunter2")]);
    assert_eq!(check().code, Some(0), "{}", check().transcript());
    let moved = place.path().join("moved.db");
    fs::rename(&path, &moved).unwrap();
    assert!(check().out.contains("but not the file that is there now"), "{}", check().transcript());
    fs::copy(&moved, &path).unwrap();
    assert!(check().out.contains("but not the file that is there now"), "{}", check().transcript());
}

#[tokio::test]
async fn a_backup_beside_the_log_of_a_killed_worker_is_refused_by_every_command() {
    let place = Place::new(&[("paceline.toml", SETTINGS)]);
    let (path, backup) = (place.path().join("paceline.db"), place.path().join("backup.db"));
    submit(&place, 1);
    fs::copy(&path, &backup).unwrap();
    submit(&place, 2);
    let mut worker = Process::start(&place, &["work"]);
    worker.says(&["working"]).await;
    submit(&place, 3);
    worker.signal("KILL");
    worker.ends().await;
    fs::copy(&backup, &path).unwrap();
    for command in [["status"].as_slice(), &["jobs", "list"], &["work"], &["check", "--offline"], &["dead", "list"]] {
        let refused = place.run_with(command, &[("ACME_SECRET", "hunter2")]);
        let said = refused.out.clone() + &refused.err;
        assert!(refused.code > Some(0), "{command:?}: {}", refused.transcript());
        assert!(said.contains("paceline.db-wal is not the log of paceline.db: a backup"), "{command:?}: {said}");
    }
}

/// What only the deleted file would have told is in the log: what was in flight, and what came of it.
#[tokio::test]
async fn a_call_in_flight_ends_and_is_logged_when_the_ledger_is_gone() {
    let world =
        "title = \"Slow\"\n[latency]\nbefore = { kind = \"fixed\", ms = 0 }\nafter = { kind = \"fixed\", ms = 2000 }\n";
    let place = Place::new(&[("world.toml", world)]);
    let simulator = Simulator::start(&place, "world.toml");
    place.write("paceline.toml", &format!("{SETTINGS}base_url = \"{}\"\n", simulator.address));
    submit(&place, 1);
    submit(&place, 2);
    let mut worker = Process::start(&place, &["work", "--log-level", "debug"]);
    // The token's call, and one for each room.
    worker.says(&["calling call=2", "calling call=3"]).await;
    fs::remove_file(place.path().join("paceline.db")).unwrap();
    worker.ends_with(1).await;
    let log = worker.log();
    let unrecorded = |job: &str| {
        log.lines().any(|line| {
            line.contains("the outcome of this call is not recorded")
                && line.contains(job)
                && line.contains("key=\"omm_")
        })
    };
    assert!(unrecorded("job=\"rooms:") && log.matches("is not recorded").count() == 2, "{log}");
}

/// Twenty rooms a minute: nothing is in flight when the ledger goes, and after the minute nothing is sent.
#[tokio::test(start_paused = true)]
async fn an_engine_whose_ledger_is_gone_sends_nothing_more() {
    let world = World::new(CALM);
    let ledger = world.ledger();
    let arrival = |n: usize| Arrival { input: Ok(Box::new(world.decode(&room(n)))), origin: Origin::default() };
    ledger.take_over((0..50).map(arrival).collect(), world.now()).await.unwrap();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    engine.load(None).await.unwrap();
    let removed_at = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(world.stats().created, 20);
        fs::remove_file(world.store()).unwrap();
        world.now()
    };
    let (stop, removed_at) = tokio::join!(engine.run(true, std::future::pending()), removed_at);
    assert_eq!((stop, world.stats().created), (Stop::Lost, 20));
    assert!(world.now().since(removed_at) < Duration::from_secs(1), "at the next look");
    assert!(engine.lost().unwrap().contains("ledger.db was removed or moved while in use"), "{:?}", engine.lost());
}
