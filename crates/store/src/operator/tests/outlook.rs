//! What forecasts and plans read of the ledger.

use super::*;

#[tokio::test]
async fn the_outlook_has_what_waits_what_flies_and_what_still_counts() {
    let world = World::with_one_of_each().await;
    let mut urgent = job("urgent");
    urgent.priority = 9;
    for job in [job("more"), job("and-more"), urgent] {
        queue(&world.ledger, from_file(job, "")).await;
    }
    let outlook = world.operator.outlook(T0).unwrap();
    let groups: Vec<_> = outlook
        .backlog
        .iter()
        .map(|group| (&*group.batch, group.priority, group.not_before, group.ages, group.count))
        .collect();
    let expected = [("move", 4, None, (1, 9), 3), ("move", 4, Some(at(9)), (2, 2), 1), ("move", 9, None, (10, 10), 1)];
    assert_eq!(groups, expected, "the one in flight is not among them");
    let (running, deadline_at) = &outlook.running[0];
    assert_eq!((outlook.running.len(), running.sent_at, *deadline_at), (1, at(5), at(35)));
    assert_eq!(outlook.past[&lane()].len(), 6, "five that ended and the one in flight");
    assert!(outlook.round_trips.is_empty(), "six calls say nothing");
    let later = world.operator.outlook(at(2)).unwrap();
    assert_eq!(later.past[&lane()].len(), 1, "the others were replied to before");
    assert_eq!(world.operator.outcomes(at(0)).unwrap(), [("succeeded".to_owned(), 5)].into());
    let untouched = crate::open_untouched(&world.path).unwrap().unwrap().outlook(T0).unwrap();
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
    world
        .ledger
        .domain()
        .end_attempt(crate::contract::ended(attempt, 29, Some((slow, success("omm_2")))))
        .await
        .unwrap();
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
