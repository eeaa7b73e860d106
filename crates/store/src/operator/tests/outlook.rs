//! What forecasts and plans read of the ledger.

use super::*;
use crate::contract::{begin, ended};

#[tokio::test]
async fn who_only_looks_sees_the_same_outlook() {
    let world = World::with_one_of_each().await;
    let outlook = world.operator.outlook(T0).unwrap();
    let untouched = crate::open_untouched(&world.path).unwrap().unwrap().outlook(T0).unwrap();
    assert!(!outlook.backlog.is_empty() && !outlook.past.is_empty());
    assert_eq!((untouched.backlog, untouched.past), (outlook.backlog, outlook.past));
}

#[tokio::test]
async fn round_trips_are_medians_of_enough_calls() {
    let world = World::new();
    for n in 0..20 {
        assert!(world.operator.outlook(T0).unwrap().round_trips.is_empty());
        let seq = queue(&world.ledger, from_file(job(&format!("j{n}")), "")).await.seq;
        call(&world.ledger.domain(), seq, n, success("omm_1")).await;
    }
    let slow = queue(&world.ledger, from_file(job("slow"), "")).await.seq;
    let attempt = begin(&world.ledger.domain(), slow, 0).await;
    world.ledger.domain().end_attempt(ended(attempt, 29, Some((slow, success("omm_2")))).into()).await.unwrap();
    let round_trips = world.operator.outlook(T0).unwrap().round_trips;
    assert_eq!(round_trips, [(lane().method, std::time::Duration::from_secs(1))].into());
}

#[test]
fn no_ledger_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    assert!(crate::open_untouched(&path).unwrap().is_none());
    std::fs::write(&path, "").unwrap();
    assert!(crate::open_untouched(&path).unwrap().is_none());
    std::fs::write(&path, "not a database, and long enough to be read as one".repeat(20)).unwrap();
    assert!(crate::open_untouched(&path).is_err());
}
