//! The backlog, which is read by piles.

use std::collections::HashSet;

use super::*;
use crate::operator::backlog;
use crate::operator::outlook::Names;
use crate::sqlite::file;

#[tokio::test]
async fn the_backlog_by_piles_is_that_of_a_look_at_every_job() {
    let world = World::new();
    let (domain, people) = (world.ledger.domain(), crate::Connector((&world.path).into()));
    let store =
        Store { intake: &world.ledger, outbox: &world.ledger, ledger: &world.ledger, domain: &domain, people: &people };
    drop(selections::mixed(store).await);
    let conn = file::open_reader(&(&world.path).into()).unwrap();
    let sql = "SELECT job FROM attempts WHERE ended_at IS NULL";
    let flying: HashSet<i64> = conn.query(sql, &[], |row| row.get(0)).unwrap().into_iter().collect();
    assert!(flying.len() > 20);
    for flying in [flying, HashSet::new()] {
        let by_piles = backlog::by_piles(&conn, &flying).unwrap();
        assert!(by_piles.len() > 20);
        assert_eq!(by_piles, backlog::one_by_one(&conn, &flying).unwrap());
    }
    assert!(!backlog::read(&conn, &Names::read(&conn).unwrap(), &HashSet::new()).unwrap().is_empty());
    let waiting = all_waiting(&world.ledger.domain()).await;
    let order: Vec<_> = waiting.iter().map(|waiting| waiting.seq).collect();
    assert!(order.is_sorted());
    let of_x = world.ledger.domain().waiting(Some(vec!["x".into()]), JobSeq(0), 3).await.unwrap();
    let expected: Vec<_> = waiting.into_iter().filter(|waiting| &*waiting.batch == "x").take(3).collect();
    assert_eq!(of_x, expected);
}
