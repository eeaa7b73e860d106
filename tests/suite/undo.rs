//! Undoing a batch: what it created is deleted once, under the deletes' own quotas, whatever happens in between.

use std::process::Stdio;
use std::sync::Arc;

use paceline::domain::undo;
use paceline::engine::ports::operator::{BatchLine, Selection};
use paceline::engine::ports::{Arrival, Counts, Intake, Ledger, Origin, TakenOver};
use paceline::engine::{Engine, Stop};
use serde_json::{Value, json};

use super::check::Simulator;
use super::commands::Place;
use super::engine::{CALM, World, calendar, meeting, minutes, room};
use super::harness::until;

const DELETE: &str = "feishu.vc.room.delete";

/// Puts the deletions of a batch into the ledger, as the command does.
async fn take_over(world: &World, ledger: &dyn Intake, batch: &str) -> Vec<TakenOver> {
    let operator = world.operator();
    let created = operator.created(&Selection::of_batch(batch), 0, 1_000).unwrap().lines;
    let arrival = |created: &undo::Created| {
        let job = (1..).map_while(|round| undo::job(created, &world.catalog, &undo::batch(batch), round));
        let mut job = job.filter(|job| !operator.is_conflict(&job.id, job.content_hash()).unwrap());
        Some(Arrival { input: Ok(Box::new(job.next()?)), origin: Origin::default() })
    };
    ledger.take_over(created.iter().filter_map(arrival).collect(), world.now()).await.unwrap()
}

async fn engine(world: &World, ledger: &Arc<impl Ledger + 'static>, batch: &str) -> Arc<Engine> {
    let engine = world.engine(Arc::clone(ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    engine.load(Some(vec![batch.to_owned()])).await.unwrap();
    engine
}

fn counts(world: &World, batch: &str) -> Counts {
    let lines: Vec<BatchLine> = world.operator().batches().unwrap();
    lines.into_iter().find(|line| line.name == batch).map(|line| line.counts).unwrap_or_default()
}

fn of_batch(mut job: Value, batch: &str) -> Value {
    job["batch"] = json!(batch);
    job
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_undone_once_though_it_is_interrupted() {
    let world = World::new(CALM);
    let jobs = (0..45).map(room).chain((0..3).map(calendar)).chain((0..2).map(meeting)).chain([minutes(0)]);
    let jobs: Vec<Value> = jobs.map(|job| of_batch(job, "move")).chain([of_batch(room(99), "other")]).collect();
    let (_, before) = world.work(&jobs).await;
    assert_eq!(before.succeeded, 52);

    let ledger = world.ledger();
    assert_eq!(take_over(&world, &*ledger, "move").await.len(), 50, "not the minutes, not the other batch");
    let working = engine(&world, &ledger, "undo:move").await;
    let some = until("some are deleted", || world.stats().deleted >= 25);
    assert_eq!(working.run(true, some).await, Stop::Drained);
    assert!(world.stats().deleted < 50);
    ledger.close().await;
    drop((working, ledger));

    let ledger = world.ledger();
    take_over(&world, &*ledger, "move").await;
    let working = engine(&world, &ledger, "undo:move").await;
    assert_eq!(working.run(true, std::future::pending()).await, Stop::Idle);
    let books = world.stats();
    assert_eq!((books.deleted, books.methods[DELETE].deleted, books.refused), (50, 45, 0));
    let undone = counts(&world, "undo:move");
    assert_eq!((undone.total, undone.succeeded), (50, 50));
    let original = counts(&world, "move");
    assert_eq!((original.total, original.succeeded, original.cancelled), (51, 1, 50), "the minutes stay");
    assert_eq!(counts(&world, "other").succeeded, 1);
    let sheet = world.sheet("room-7");
    assert_eq!((&sheet.line.document["status"], sheet.line.document.get("key")), (&json!("cancelled"), None));
    let detail = sheet.line.document["detail"].as_str().unwrap();
    assert!(detail.starts_with("omm_") && detail.ends_with(" was deleted by undo:room-7"), "{detail}");
    ledger.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_undone_is_created_anew_and_undone_again() {
    let world = World::new(CALM);
    let jobs: Vec<Value> = (0..3).map(|n| of_batch(room(n), "move")).collect();
    for round in 1..=2 {
        let (_, counts) = world.work(&jobs).await;
        assert_eq!(counts.succeeded, 3 * round, "three rooms, and the deletions of earlier rounds");
        let ledger = world.ledger();
        take_over(&world, &*ledger, "move").await;
        let working = engine(&world, &ledger, "undo:move").await;
        assert_eq!(working.run(true, std::future::pending()).await, Stop::Idle);
        ledger.close().await;
        assert_eq!(counts_of(&world), (3, 0), "round {round}");
    }
    let books = world.stats();
    assert_eq!((books.created, books.duplicates, books.deleted), (6, 0, 6));
    assert_eq!(world.sheet("undo:room-0:2").line.document["status"], "succeeded");
}

fn counts_of(world: &World) -> (u64, u64) {
    let counts = counts(world, "move");
    (counts.cancelled, counts.succeeded)
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_already_counts_as_deleted_and_lost_replies_do_no_harm() {
    let faults = "[[faults]]\nkind = 'cut-after'\nmethod = '*.room.delete'\nevery = 3\n";
    let world = World::new(&format!("{CALM}\n{faults}"));
    let jobs: Vec<Value> = (0..9).map(|n| of_batch(room(n), "move")).collect();
    world.work(&jobs).await;
    let ledger = world.ledger();
    take_over(&world, &*ledger, "move").await;
    let working = engine(&world, &ledger, "undo:move").await;
    assert_eq!(working.run(true, std::future::pending()).await, Stop::Idle);
    ledger.close().await;
    assert_eq!(world.stats().deleted, 9);
    assert_eq!((counts(&world, "undo:move").succeeded, counts_of(&world)), (9, (9, 0)));
    // Sent again after a lost reply: the platform says that there is no such room.
    let lost: u64 = world.stats().faults.values().sum();
    assert!(lost >= 2);
    // A second reply may be lost, too.
    assert!((2..=lost).contains(&world.operator().gone_before("undo:move").unwrap()));
}

const SECRETS: [(&str, &str); 2] = [("ACME_SECRET", "hunter2"), ("CAMPUS_SECRET", "swordfish")];

/// A settings file for the simulator, where deleting is so slow that there is time to kill it.
fn settings(address: &str) -> String {
    format!(
        "[apps.acme]\nplatform = \"feishu\"\nbase_url = \"{address}\"\napp_id = \"cli_a1\"\n\
         app_secret = {{ env = \"ACME_SECRET\" }}\n\
         [apps.acme.quotas]\n\"feishu.vc.room.create\" = \"20/s\"\n\"feishu.vc.room.delete\" = \"4/s\"\n"
    )
}

#[tokio::test]
async fn the_command_plans_deletes_and_goes_on_after_a_kill() {
    let rows: Vec<String> = (0..12).map(|n| format!("r{n},7F-{n},4,omb_1\n")).collect();
    let place = Place::new(&[
        ("rooms.csv", &format!("id,name,capacity,room_level_id\n{}", rows.concat())),
        ("fast.toml", "title = 'fast'\n[quotas]\n'feishu.vc.room.*' = '20/s'\n"),
    ]);
    let simulator = Simulator::start(&place, "fast.toml");
    place.write("paceline.toml", &settings(&simulator.address));
    let run = ["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    let ran = place.run_with(&run, &SECRETS);
    assert_eq!(ran.code, Some(0), "{}", ran.transcript());

    let unknown = place.run_with(&["undo", "--batch", "rums"], &SECRETS);
    insta::assert_snapshot!("undo_unknown_batch", unknown.transcript());
    let planned = place.run_with(&["undo", "--batch", "rooms"], &SECRETS);
    insta::assert_snapshot!("undo_plan", planned.transcript());

    let mut child = place
        .command(&["undo", "--batch", "rooms", "--yes"])
        .envs(SECRETS)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let succeeded = |batch: &str, state: &str| {
        let listed = place.run(&["jobs", "list", "--batch", batch, "--state", state, "--json"]);
        listed.out.lines().count()
    };
    until("some are deleted", || succeeded("undo:rooms", "succeeded") >= 2).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let deleted = succeeded("undo:rooms", "succeeded");
    assert!((2..12).contains(&deleted), "{deleted}");

    let done = place.run_with(&["undo", "--batch", "rooms", "--yes", "--json"], &SECRETS);
    assert_eq!(done.code, Some(0), "{}", done.transcript());
    let report: Value = serde_json::from_str(&done.out).unwrap();
    let number = |field: &str| report[field].as_u64().unwrap();
    assert_eq!((number("deleted") + number("gone_before"), number("open"), number("dead")), (12, 0, 0), "{report}");
    assert_eq!((succeeded("rooms", "cancelled"), succeeded("rooms", "succeeded")), (12, 0));

    let again = place.run_with(&["undo", "--batch", "rooms", "--yes"], &SECRETS);
    insta::assert_snapshot!("undo_nothing_left", again.transcript());
    // The same file creates them anew, and a row of the ledger never claims what is gone.
    let anew = place.run_with(&run, &SECRETS);
    assert_eq!((anew.code, succeeded("rooms", "succeeded")), (Some(0), 12), "{}", anew.transcript());
    let undone = place.run_with(&["undo", "--batch", "rooms", "--yes"], &SECRETS);
    assert_eq!((undone.code, succeeded("rooms", "cancelled")), (Some(0), 12), "{}", undone.transcript());
    assert!(undone.out.contains("24 deleted, 0 were gone already") || undone.out.contains("were gone already"));
}

#[tokio::test]
async fn beside_a_worker_the_worker_deletes() {
    let place = Place::new(&[
        ("rooms.csv", "id,name,capacity,room_level_id\na,7F-1,4,omb_1\nb,7F-2,4,omb_1\n"),
        ("fast.toml", "title = 'fast'\n[quotas]\n'feishu.vc.room.*' = '20/s'\n"),
    ]);
    let simulator = Simulator::start(&place, "fast.toml");
    place.write("paceline.toml", &settings(&simulator.address));
    let run = ["run", "rooms.csv", "--method", "feishu.vc.room.create", "--app", "acme"];
    assert_eq!(place.run_with(&run, &SECRETS).code, Some(0));
    let mut worker = place.command(&["work"]).envs(SECRETS).stderr(Stdio::null()).spawn().unwrap();
    until("the worker has the ledger", || {
        let status = place.run(&["status", "--json"]);
        serde_json::from_str::<Value>(&status.out).unwrap_or_default()["worked"] == json!(true)
    })
    .await;
    let undone = place.run_with(&["undo", "--batch", "rooms", "--yes"], &SECRETS);
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(undone.code, Some(0), "{}", undone.transcript());
    assert!(undone.err.contains("it deletes them") && undone.out.contains("2 deleted"), "{}", undone.transcript());
}
