//! Who goes first, in the whole engine in virtual time: batches side by side, and shares kept for high priorities.

use std::sync::Arc;
use std::time::Duration;

use paceline::engine::ports::{Arrival, Intake, Ledger, Origin, TakenOver};
use paceline::engine::{Engine, Stop};
use paceline::store::SqlStore;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::engine::{World, room};

const CALM: &str = include_str!("../../config/scenarios/calm.toml");

fn of_batch(batch: &str, n: usize) -> Value {
    let mut job = room(n);
    job["batch"] = json!(batch);
    job
}

/// A worker at work on a world.
struct Work {
    world: World,
    ledger: Arc<SqlStore>,
    engine: Arc<Engine>,
    running: JoinHandle<Stop>,
}

impl Work {
    async fn start(world: World) -> Self {
        let ledger = world.ledger();
        let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
        engine.recover().await.unwrap();
        let worker = Arc::clone(&engine);
        let running = tokio::spawn(async move { worker.run(false, std::future::pending()).await });
        Self { world, ledger, engine, running }
    }

    /// Takes jobs over as the broker's intake does.
    async fn send(&self, jobs: impl Iterator<Item = Value>) {
        let arrivals = jobs
            .map(|job| Arrival { input: Ok(Box::new(self.world.decode(&job))), origin: Origin::default() })
            .collect();
        let taken = self.ledger.take_over(arrivals, self.world.clock().now()).await.unwrap();
        let queued = taken.into_iter().map(|taken| match taken {
            TakenOver::Queued(waiting) => waiting,
            other @ (TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected) => {
                panic!("{other:?}")
            }
        });
        self.engine.enqueue(queued.collect());
    }

    async fn succeeded(&self, batch: &str) -> u64 {
        self.ledger.counts(Some(vec![batch.to_owned()])).await.unwrap().succeeded
    }

    /// Virtual seconds until so many jobs of a batch have succeeded.
    async fn until(&self, batch: &str, jobs: u64) -> f64 {
        let clock = self.world.clock();
        let started = clock.mono();
        let elapsed = || clock.mono().since(started);
        while self.succeeded(batch).await < jobs {
            assert!(elapsed() < Duration::from_secs(86_400), "{batch} is never done");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        elapsed().as_secs_f64()
    }

    async fn end(self) -> World {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled(), "it worked until it was stopped");
        self.world
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_rooms_after_fifty_thousand_are_done_in_minutes() {
    let work = Work::start(World::new(CALM)).await;
    work.send((0..50_000).map(|n| of_batch("campus", n))).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    work.send((50_000..50_050).map(|n| of_batch("annex", n))).await;
    let (of_campus, took) = (work.succeeded("campus").await, work.until("annex", 50).await);
    // Half of twenty a minute, and up to a minute until the window opens.
    assert!(took <= 60.0 * (2.0 * 50.0 / 20.0 + 1.0), "{took} s");
    let meanwhile = work.succeeded("campus").await - of_campus;
    assert!((40..=60).contains(&meanwhile), "the two share the lane: {meanwhile} of the other batch");
    let books = work.end().await.stats();
    assert_eq!((books.refused, books.duplicates), (0, 0));
}

/// Seconds from the sending of each of ten urgent jobs, three a minute, to its success, while hundreds of others wait.
async fn urgent(world: World) -> Vec<f64> {
    let work = Work::start(world).await;
    work.send((0..500).map(|n| of_batch("campus", n))).await;
    let mut took = Vec::new();
    tokio::time::sleep(Duration::from_secs(100)).await;
    for n in 0..10 {
        let mut job = of_batch(&format!("urgent-{n}"), 1_000 + n);
        job["priority"] = json!(8);
        work.send([job].into_iter()).await;
        let seconds = work.until(&format!("urgent-{n}"), 1).await;
        took.push(seconds);
        tokio::time::sleep(Duration::from_secs(21).saturating_sub(Duration::from_secs_f64(seconds))).await;
    }
    let books = work.end().await.stats();
    assert_eq!(books.refused, 0, "{books:?}");
    took
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_urgent_jobs_is_there_when_they_come() {
    let took = urgent(World::new(CALM).with_setting("PACELINE_LANES__RESERVE__8", "0.2")).await;
    assert!(took[0] <= 62.0, "the first waits for the window at most: {took:?}");
    assert!(took[1..].iter().all(|seconds| *seconds <= 2.0), "{took:?}");
    let without = urgent(World::new(CALM)).await;
    let waited = without.iter().filter(|seconds| **seconds > 10.0).count();
    assert!(waited >= 3, "without a reserve they wait for the window each time: {without:?}");
}
