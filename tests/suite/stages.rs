//! What of a batch is sent before all of it, and what stops it, in virtual time.

use std::sync::Arc;

use paceline::engine::ports::{Arrival, Intake, Ledger, Origin};
use paceline::engine::{Engine, Stop};
use paceline::operations::canary::{Canary, has_succeeded};
use paceline::operations::stop_at::{ENDED_MIN, Share};
use paceline::store::SqlStore;
use serde_json::{Value, json};

use crate::engine::{World, room};

const CALM: &str = include_str!("../../config/scenarios/calm.toml");

/// A batch of rooms in the ledger, none of them in a lane yet.
async fn batch(world: &World, rooms: usize) -> (Arc<SqlStore>, Arc<Engine>) {
    let ledger = world.ledger();
    let job = |n: usize| {
        let mut job: Value = room(n);
        job["batch"] = json!("rooms");
        job
    };
    let arrival = |n: usize| Arrival { input: Ok(Box::new(world.decode(&job(n)))), origin: Origin::default() };
    ledger.take_over((0..rooms).map(arrival).collect(), world.now()).await.unwrap();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    (ledger, engine)
}

#[tokio::test(start_paused = true)]
async fn canaries_go_alone_and_the_rest_follows_on_the_same_engine() {
    let world = World::new(CALM);
    let (ledger, engine) = batch(&world, 50).await;
    let batches = ["rooms".to_owned()];
    let canary = Canary::load(&engine, &batches, 3).await.unwrap();
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    let lines = canary.lines(&*world.operator()).unwrap();
    let ids: Vec<_> = lines.iter().map(|line| line.document["id"].clone()).collect();
    assert_eq!(ids, ["room-0", "room-1", "room-2"], "in the order of the file");
    assert!(lines.iter().all(has_succeeded));
    assert_eq!(world.stats().created, 3, "nothing else was sent");
    engine.load(Some(batches.to_vec())).await.unwrap();
    assert_eq!(engine.run(true, std::future::pending()).await, Stop::Idle);
    assert_eq!((world.stats().created, world.stats().duplicates), (50, 0));
    assert_eq!(ledger.counts(None).await.unwrap().succeeded, 50);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_dead_jobs_stops_the_batch_and_the_rest_waits() {
    let world =
        World::new(&format!("{CALM}\n[[faults]]\nkind = 'code'\ncode = 125001\nmethod = '*.room.create'\nevery = 2\n"));
    let (ledger, engine) = batch(&world, 200).await;
    engine.load(None).await.unwrap();
    let share: Share = "10%".parse().unwrap();
    let reached = std::sync::Mutex::new(None);
    let stop = async {
        let found = share.reached(&engine).await;
        *reached.lock().unwrap() = Some(found);
    };
    assert_eq!(engine.run(true, stop).await, Stop::Drained);
    let reached = reached.into_inner().unwrap().unwrap();
    assert!(reached.ended >= ENDED_MIN && reached.failed * 10 >= reached.ended, "{reached:?}");
    let counts = ledger.counts(None).await.unwrap();
    assert_eq!(counts.succeeded + counts.dead + counts.held + counts.queued, 200, "{counts:?}");
    assert!(counts.queued > 100, "{counts:?}");
}
