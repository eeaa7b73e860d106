//! A lane whose jobs die one after the other of one code stops, and what was not called yet waits for a person.

use std::sync::Arc;
use std::time::Duration;

use paceline::engine::Stop;
use paceline::engine::ports::{Ledger, SuspendedBy};
use serde_json::Value;

use crate::engine::{CALM, World, calendar, fault, room};

#[tokio::test(start_paused = true)]
async fn three_thousand_rooms_do_not_die_of_one_missing_setting() {
    let world = World::new(&fault("feishu.vc.room.create", 125_001, "first = 20"));
    let jobs: Vec<Value> = (0..3_000).map(room).chain((0..5).map(calendar)).collect();
    let (_, counts) = world.work(&jobs).await;
    assert_eq!((counts.dead, counts.queued, counts.succeeded), (20, 2_980, 5), "the other lane goes on: {counts:?}");
    let ledger = world.ledger();
    let suspensions = ledger.suspensions().await.unwrap();
    let [suspension] = &suspensions[..] else { panic!("{suspensions:?}") };
    assert_eq!((suspension.by, suspension.code, suspension.until), (SuspendedBy::Worker, Some(125_001), None));
    assert_eq!((suspension.app.as_str(), suspension.method.as_str()), ("acme", "feishu.vc.room.create"));
    let advice = suspension.what_to_do().to_string();
    for part in [
        "20 jobs in a row",
        "flexible room levels",
        "`paceline resume acme --method feishu.vc.room.create`",
        "`paceline dead redrive --app acme --method feishu.vc.room.create --code 125001`",
    ] {
        assert!(advice.contains(part), "{advice}");
    }
    ledger.close().await;

    // Another start is not what mends it.
    let (_, counts) = world.work(&[]).await;
    assert_eq!((counts.dead, counts.queued), (20, 2_980), "{counts:?}");

    world.operator().resume("acme", "", "feishu.vc.room.create").unwrap();
    let ledger = world.ledger();
    let engine = world.engine(Arc::clone(&ledger) as Arc<dyn Ledger>).await;
    engine.recover().await.unwrap();
    engine.load(None).await.unwrap();
    assert_eq!(engine.run(false, tokio::time::sleep(Duration::from_secs(100))).await, Stop::Drained);
    let counts = ledger.counts(None).await.unwrap();
    assert!(counts.dead == 20 && counts.succeeded >= 5 + 20, "the cause is gone: {counts:?}");
    ledger.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_ends_as_it_ends_and_no_more_is_called() {
    let world = World::new(&fault("feishu.calendar.create", 190_014, ""));
    let jobs: Vec<Value> = (0..500).map(calendar).collect();
    let (_, counts) = world.work(&jobs).await;
    let calls = world.stats().methods["feishu.calendar.create"].arrivals;
    assert_eq!(counts.dead, calls, "{counts:?}");
    assert!((20..=30).contains(&counts.dead), "fifty a second, 60 ms each at most: {counts:?}");
    assert_eq!(counts.dead + counts.queued, 500);

    // Resumed although nothing was mended: the next twenty.
    world.operator().resume("acme", "", "feishu.calendar.create").unwrap();
    let (_, more) = world.work(&[]).await;
    assert!((20..=30).contains(&(more.dead - counts.dead)), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn single_faults_among_good_jobs_and_a_zero_stop_nothing() {
    let world = World::new(&fault("feishu.calendar.create", 190_014, "every = 2"));
    let (_, counts) = world.work(&(0..100).map(calendar).collect::<Vec<_>>()).await;
    assert_eq!((counts.dead, counts.succeeded), (50, 50), "{counts:?}");
    let never =
        World::new(&fault("feishu.calendar.create", 190_014, "")).with_setting("PACELINE_LANES__STOP_AFTER", "0");
    let (_, counts) = never.work(&(0..100).map(calendar).collect::<Vec<_>>()).await;
    assert_eq!((counts.dead, never.operator().suspensions().unwrap().len()), (100, 0), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_suspended_stays_so_over_a_restart() {
    let world = World::new(CALM);
    let (_, counts) = world.work(&[calendar(1)]).await;
    assert_eq!(counts.succeeded, 1);
    let mut operator = world.operator();
    let scope = paceline::operations::suspension::Scope { app: "acme".to_owned(), ..Default::default() };
    let suspended = scope.suspend(&mut *operator, Some("maintenance".to_owned()), world.now()).unwrap();
    assert_eq!(suspended.by, SuspendedBy::Person);
    let (_, counts) = world.work(&[calendar(2)]).await;
    assert_eq!((counts.succeeded, counts.queued), (1, 1), "{counts:?}");
    assert_eq!(world.operator().suspensions().unwrap(), [suspended]);
}
