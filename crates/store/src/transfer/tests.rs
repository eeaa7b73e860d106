//! From one place to another: everything arrives, and one of the two alone can be worked, whatever came between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::*;
use crate::contract::{T0, all_waiting, counts, from_file, job, one_of_each, queue, rejection, take};
use crate::ledger::{Mode, SqlStore};
use paceline_ports::location::{KeySource, StoreUrl};
use paceline_ports::operator::Selection;
use paceline_ports::{Arrival, Origin, TakenOver};

/// More than are read at a time.
const ROWS: u64 = 2_100;
const PASSWORD: &str = "swordfish";

fn url(location: &Location) -> StoreUrl {
    if location.server.is_some() { StoreUrl::Postgres(location.clone()) } else { StoreUrl::Sqlite(location.clone()) }
}

async fn fill(location: &Location) {
    let ledger = SqlStore::open(location.clone(), Mode::Worker, T0).unwrap();
    one_of_each(
        &ledger,
        &*paceline_ports::Ledger::acquire(&ledger, paceline_ports::QuotaDomain::whole()).await.unwrap(),
    )
    .await;
    let mut job = job("sealed");
    (job.is_confidential, job.params.body["name"]) = (true, PASSWORD.into());
    queue(&ledger, from_file(job, "s:1")).await;
    let many = (0..ROWS).map(|n| from_file(crate::contract::job(&format!("id-{n}")), &format!("g:{n}"))).collect();
    paceline_ports::Intake::take_over(&ledger, many, T0).await.unwrap();
    let bad = Arrival { input: Err(Box::new(rejection(Some("bad"), Some("move")))), origin: Origin::default() };
    take(&ledger, bad).await;
    ledger.close().await;
}

fn refusal(location: &Location) -> String {
    let worker = SqlStore::open(location.clone(), Mode::Worker, T0).map(drop).unwrap_err().to_string();
    let people = crate::open(url(location)).map(drop).unwrap_err().to_string();
    assert_eq!(worker, people);
    worker
}

/// Everything that people are shown of it.
fn shown(location: &Location) -> String {
    let people = crate::open(url(location)).unwrap();
    let jobs = people.list_jobs(&Selection::default(), -1, 10_000).unwrap();
    format!("{jobs:?} {:?} {:?}", people.dead_groups(&Selection::default()).unwrap(), people.batches().unwrap())
}

/// Carries a filled ledger to the other place, interrupted twice on the way.
pub(crate) async fn it_is_carried(from: Location, to: Location) {
    fill(&from).await;
    let before = shown(&from);
    let mut told = Vec::new();
    for stop in ["jobs", "attempts"] {
        let interrupted = catch_unwind(AssertUnwindSafe(|| {
            copy(&from, &to, T0, &mut |table, _| assert_ne!(table, stop, "killed here"))
        }));
        assert!(interrupted.is_err(), "{interrupted:?}");
        assert!(refusal(&from).contains("being copied"), "{}", refusal(&from));
        assert!(refusal(&to).contains("a copy that is not whole"), "{}", refusal(&to));
    }
    copy(&from, &to, T0, &mut |table, rows| told.push((table.to_owned(), rows))).unwrap();
    assert!(told.iter().any(|(table, rows)| table == "jobs" && *rows > ROWS), "{told:?}");
    assert!(refusal(&from).contains("was copied to another place"), "{}", refusal(&from));
    assert_eq!(shown(&to), before);
    let again = copy(&from, &to, T0, &mut |_, _| {}).unwrap_err().to_string();
    assert!(again.contains("was copied to another place"), "{again}");
    goes_on(&to).await;
}

/// What was known is known there, and new rows are numbered behind the old ones.
async fn goes_on(location: &Location) {
    let ledger = SqlStore::open(location.clone(), Mode::Worker, T0).unwrap();
    assert_eq!(take(&ledger, from_file(job("id-7"), "g:7")).await, TakenOver::Known);
    let domain = paceline_ports::Ledger::acquire(&ledger, paceline_ports::QuotaDomain::whole()).await.unwrap();
    let waiting = all_waiting(&*domain).await;
    let mut names = Vec::new();
    for waiting in waiting.iter().take(10) {
        names.push(domain.job(waiting.seq).await.unwrap().params.body["name"].clone());
    }
    assert!(names.contains(&PASSWORD.into()), "what is sealed opens: {names:?}");
    let last = waiting.iter().map(|waiting| waiting.seq).max().unwrap();
    let new = queue(&ledger, from_file(job("new"), "h:1")).await;
    assert!(new.seq > last);
    assert!(counts(&ledger).await.total > ROWS);
    ledger.close().await;
}

fn file(folder: &Path, name: &str) -> Location {
    (&folder.join(name)).into()
}

#[tokio::test]
async fn a_ledger_is_carried_from_file_to_file() {
    let folder = tempfile::tempdir().unwrap();
    it_is_carried(file(folder.path(), "old.db"), file(folder.path(), "new.db")).await;
    let key = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(key("old.db.key"), key("new.db.key"));
}

#[tokio::test]
async fn a_copy_that_is_given_up_leaves_the_first_ledger_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (file(folder.path(), "old.db"), file(folder.path(), "new.db"));
    fill(&from).await;
    assert!(give_up(&from, &to, T0).unwrap_err().to_string().contains("no copy"), "none has begun");
    let interrupted = catch_unwind(AssertUnwindSafe(|| copy(&from, &to, T0, &mut |_, _| panic!("killed here"))));
    assert!(interrupted.is_err(), "{interrupted:?}");
    give_up(&from, &to, T0).unwrap();
    assert!(refusal(&to).contains("a copy that is not whole"));
    assert!(copy(&from, &to, T0, &mut |_, _| {}).unwrap_err().to_string().contains("not whole"), "under no number");
    goes_on(&from).await;
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (file(folder.path(), "old.db"), file(folder.path(), "new.db"));
    let why = |from: &Location, to: &Location| copy(from, to, T0, &mut |_, _| {}).unwrap_err().to_string();
    assert!(why(&from, &to).contains("there is no ledger"), "{}", why(&from, &to));
    fill(&from).await;
    let worked = SqlStore::open(from.clone(), Mode::Worker, T0).unwrap();
    assert!(why(&from, &to).contains("is in use: process"), "{}", why(&from, &to));
    worked.close().await;
    let key = KeySource::Given { from: "store.key".into(), text: Some(format!("{}=", "A".repeat(43)).into()) };
    let keyed = Location { key, ..file(folder.path(), "keyed.db") };
    assert!(why(&from, &keyed).contains("store.key is not the key of"), "{}", why(&from, &keyed));
    fill(&to).await;
    assert!(why(&from, &to).contains("is in use: there are rows in \"lanes\""), "{}", why(&from, &to));
    assert!(why(&from, &from).contains("is in use"), "{}", why(&from, &from));
    goes_on(&from).await;
    goes_on(&to).await;
}

#[tokio::test]
async fn a_row_that_arrived_otherwise_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (file(folder.path(), "old.db"), file(folder.path(), "new.db"));
    fill(&from).await;
    let interrupted = catch_unwind(AssertUnwindSafe(|| {
        copy(&from, &to, T0, &mut |table, _| assert_ne!(table, "jobs", "killed here"))
    }));
    assert!(interrupted.is_err(), "{interrupted:?}");
    let changed = rusqlite::Connection::open(&to.path).unwrap();
    changed.execute("UPDATE jobs SET priority = priority + 1 WHERE id = 'id-5'", []).unwrap();
    drop(changed);
    let why = copy(&from, &to, T0, &mut |_, _| {}).unwrap_err().to_string();
    assert!(why.contains("\"jobs\"") && why.contains("not the same"), "{why}");
}
