//! What people do to the ledger while the engine works it, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use paceline::engine::ports::operator::{Commands, Resolution, Selection};
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin, TakenOver, Waiting};
use paceline::engine::{Engine, Stop};
use paceline::store;
use paceline::store::SqlStore;
use serde_json::{Value, json};

use crate::engine::{T0, World, minutes, room};

const CALM: &str = include_str!("../../config/scenarios/calm.toml");

/// An engine with a person beside it.
struct Desk {
    world: World,
    ledger: Arc<SqlStore>,
    engine: Arc<Engine>,
    operator: Box<dyn Commands>,
}

impl Desk {
    async fn new(faults: &str) -> Self {
        let world = World::new(&format!("{CALM}\n{faults}"));
        let ledger = world.ledger();
        let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
        engine.recover().await.unwrap();
        let operator = store::open(&world.store()).unwrap();
        Self { world, ledger, engine, operator }
    }

    /// Takes jobs over as the intake does.
    async fn publish(&self, jobs: &[Value]) -> Vec<TakenOver> {
        let arrivals =
            jobs.iter().map(|job| Arrival { input: Ok(Box::new(self.world.decode(job))), origin: Origin::default() });
        let taken = self.ledger.take_over(arrivals.collect(), self.world.clock.now()).await.unwrap();
        let queued = taken.iter().filter_map(|taken| match taken {
            TakenOver::Queued(waiting) => Some(waiting.clone()),
            TakenOver::Blocked | TakenOver::Known | TakenOver::Succeeded | TakenOver::Rejected => None,
        });
        self.engine.enqueue(queued.collect::<Vec<Waiting>>());
        taken
    }

    /// Works until nothing is left; how many virtual seconds that took.
    async fn work(&self) -> f64 {
        let started = self.world.clock.mono();
        assert_eq!(self.engine.run(true, std::future::pending()).await, Stop::Idle);
        self.world.clock.mono().since(started).as_secs_f64()
    }

    fn cancel(&mut self, selection: &Selection) -> usize {
        self.operator.cancel(selection, false, self.world.clock.now()).unwrap().cancelled
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_backlog_costs_no_permit() {
    let mut desk = Desk::new("").await;
    let rooms: Vec<Value> = (0..10_000).map(room).collect();
    desk.publish(&rooms).await;
    assert_eq!(desk.cancel(&Selection::default()), 10_000);
    desk.publish(&(10_000..10_020).map(room).collect::<Vec<_>>()).await;
    let took = desk.work().await;
    let counts = desk.ledger.counts(None).await.unwrap();
    assert_eq!((counts.cancelled, counts.succeeded), (10_000, 20));
    assert_eq!(desk.world.stats().methods["feishu.vc.room.create"].arrivals, 20);
    // It is taken out of its lane as soon as the ledger is looked at, and holds nobody up.
    assert!(took < 10.0, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_job_cancelled_and_published_again_is_created_once_though_its_reply_is_lost() {
    // It takes the minute's last permit, is cut, and cannot be looked up before the next minute has begun.
    let mut desk = Desk::new(
        "[[faults]]\nkind = 'cut-after'\nmethod = '*.room.create'\nevery = 20\n
         [[faults]]\nkind = 'status'\nstatus = 500\nmethod = '*.room.list'\nuntil_s = 90\n",
    )
    .await;
    let last = |mut job: Value| {
        job["priority"] = json!(0);
        job
    };
    desk.publish(&[last(room(1))]).await;
    assert_eq!(desk.cancel(&Selection::of_id("room-1")), 1);
    assert!(matches!(desk.publish(&[last(room(1))]).await[..], [TakenOver::Queued(_)]));
    desk.publish(&(100..119).map(room).collect::<Vec<_>>()).await;
    desk.work().await;
    let books = desk.world.stats();
    assert_eq!((books.created, books.duplicates), (20, 0));
    assert_eq!(desk.ledger.counts(None).await.unwrap().succeeded, 20);
}

#[tokio::test(start_paused = true)]
async fn a_job_published_again_with_a_later_deadline_does_not_die_of_the_first() {
    let mut desk = Desk::new("").await;
    let until = |seconds: u64| {
        let mut job = room(1);
        // Behind a backlog that lasts longer than the first deadline.
        job["priority"] = json!(0);
        job["not_after"] = json!((T0 + Duration::from_secs(seconds)).to_string());
        job
    };
    desk.publish(&[until(90)]).await;
    assert_eq!(desk.cancel(&Selection::of_id("room-1")), 1);
    desk.publish(&[until(9_000)]).await;
    desk.publish(&(100..150).map(room).collect::<Vec<_>>()).await;
    desk.work().await;
    let counts = desk.ledger.counts(None).await.unwrap();
    assert_eq!((counts.succeeded, counts.dead), (51, 0));
}

#[tokio::test(start_paused = true)]
async fn an_expired_job_spends_no_permit() {
    let desk = Desk::new("").await;
    let late: Vec<Value> = (0..30)
        .map(|n| {
            let mut job = room(n);
            job["not_after"] = json!(T0.to_string());
            job
        })
        .collect();
    desk.publish(&late).await;
    assert!(desk.work().await < 1.0);
    let counts = desk.ledger.counts(None).await.unwrap();
    assert_eq!((counts.dead, desk.world.stats().arrivals), (30, 0), "not even an access token");
}

#[tokio::test(start_paused = true)]
async fn held_jobs_that_a_person_decides_go_on_beside_the_engine() {
    let mut desk = Desk::new("[[faults]]\nkind = 'cut-before'\nmethod = '*.meeting_minute.create'\nfirst = 3\n").await;
    desk.publish(&[minutes(1), minutes(2), minutes(3)]).await;
    desk.work().await;
    assert_eq!(desk.ledger.counts(None).await.unwrap().held, 3);
    let now = desk.world.clock.now();
    desk.operator.resolve("minutes-1", &Resolution::Dead, now).unwrap();
    assert_eq!(desk.operator.resolve_held(&Selection::default(), &Resolution::Retry, now).unwrap(), 2);
    let changed = desk.ledger.acquire_all().await.unwrap().changed().await.unwrap().waiting;
    desk.engine.enqueue(changed);
    desk.work().await;
    let counts = desk.ledger.counts(None).await.unwrap();
    assert_eq!((counts.succeeded, counts.dead, counts.held), (2, 1, 0));
    assert_eq!((desk.world.stats().created, desk.world.stats().duplicates), (2, 0));
}
