//! Random graphs in random order: every job ends, and none before what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paceline_domain::job::Job;
use paceline_domain::reason::Reason;
use paceline_ports::{Domain, Intake, JobSeq, Ledger, TakenOver};
use paceline_store_contract::{T0, at, begin, death, ended, from_file, job, success};
use proptest::prelude::*;

use crate::ledger::tests::recount::recount;
use crate::ledger::{Mode, SqlStore};

const JOBS: usize = 7;
const WAIT: Duration = Duration::from_secs(3_600);

/// For each job those that it waits for, one of whom never comes; the order in which jobs come; and which of them die.
type World = (Vec<Vec<usize>>, Vec<usize>, Vec<bool>);

fn worlds() -> impl Strategy<Value = World> {
    let waits = prop::collection::vec(prop::collection::vec(0..JOBS + 1, 0..3), JOBS);
    let order = Just((0..JOBS).collect::<Vec<_>>()).prop_shuffle();
    (waits, order, prop::collection::vec(prop::bool::weighted(0.2), JOBS))
}

fn name(n: usize) -> String {
    format!("j{n}")
}

async fn run((waits, order, dies): World) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let mut domain = ledger.domain();
    let mut ready: Vec<JobSeq> = Vec::new();
    for n in &order {
        // Nobody waits for itself: that is refused before.
        let after = waits[*n].iter().filter(|other| *other != n).map(|other| name(*other)).collect();
        let wanted = Job { after, ..job(&name(*n)) };
        if let TakenOver::Queued(waiting) =
            ledger.take_over(vec![from_file(wanted, "f:1")], T0).await.unwrap().remove(0)
        {
            ready.push(waiting.seq);
        }
    }
    let mut called = BTreeMap::new();
    let mut ledger = ledger;
    while let Some(seq) = ready.pop() {
        let id = domain.job(seq).await.unwrap().id;
        let n: usize = id[1..].parse().unwrap();
        for other in waits[n].iter().filter(|other| **other != n) {
            assert_eq!(called.get(other), Some(&true), "{id} is called before {other} has succeeded");
        }
        assert!(called.insert(n, !dies[n]).is_none(), "{id} is called twice");
        let attempt = begin(&domain, seq, 1).await;
        let settlement = if dies[n] { death(Reason::Rejected) } else { success(&format!("k{n}")) };
        ready.extend(
            domain
                .end_attempt(ended(attempt, 2, Some((seq, settlement))).into())
                .await
                .unwrap()
                .iter()
                .map(|it| it.seq),
        );
        recount(&path);
        if n.is_multiple_of(3) {
            // A process that starts anew finds the same jobs waiting.
            ledger.close().await;
            ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
            domain = ledger.domain();
            let found: BTreeSet<_> =
                domain.waiting(None, JobSeq(0), 100).await.unwrap().iter().map(|it| it.seq).collect();
            assert_eq!(found, ready.iter().copied().collect());
        }
    }
    domain.end_blocked(WAIT, at(3_600)).await.unwrap();
    recount(&path);
    let counts = ledger.counts(None).await.unwrap();
    assert_eq!((counts.blocked, counts.queued), (0, 0));
    let succeeded = called.values().filter(|is_well| **is_well).count() as u64;
    assert_eq!((counts.succeeded, counts.dead), (succeeded, JOBS as u64 - succeeded));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_and_none_is_called_before_what_it_waits_for(world in worlds()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(world));
    }
}
