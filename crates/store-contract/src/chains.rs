//! Jobs that wait for others: when they go on, what they take along, and how they end with those that they wait for.

use std::time::Duration;

use super::*;
use paceline_ports::Verified;

const WAIT: Duration = Duration::from_secs(24 * 3_600);

/// A job that waits for these, and takes the key of the first as its level.
pub fn behind(id: &str, after: &[&str]) -> Job {
    let mut job = job(id);
    if let [first, rest @ ..] = after {
        job.params.body.insert("room_level_id".into(), json!({"$from": first}));
        job.after = rest.iter().map(ToString::to_string).collect();
    }
    job
}

fn taking(id: &str, from: &str, at: &str) -> Job {
    let mut job = job(id);
    job.params.body.insert("room_level_id".into(), json!({"$from": from, "at": at}));
    job
}

async fn blocks(store: Store<'_>, job: Job) {
    assert_eq!(take(store.intake, from_amqp(job)).await, TakenOver::Blocked);
}

/// How all jobs ended so far, by id: their reasons, or `-` for a success.
async fn ends(store: Store<'_>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows = endings(store.outbox, 0, 1_000).await;
    let mut ends: Vec<_> =
        rows.iter().map(|row| document(&row.ending)).map(|it| (text(&it["id"]), text(&it["reason"]))).collect();
    ends.sort();
    ends
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(id, reason)| ((*id).to_owned(), (*reason).to_owned())).collect()
}

async fn waits(store: Store<'_>) -> Vec<JobSeq> {
    all_waiting(store.domain).await.iter().map(|waiting| waiting.seq).collect()
}

/// Ends a call of the job, and gives those that it unblocked.
async fn unblocks(store: Store<'_>, seq: JobSeq, settlement: Settlement) -> Vec<Waiting> {
    let attempt = begin(store.domain, seq, 0).await;
    store.domain.end_attempt(ended(attempt, 1, Some((seq, settlement))).into()).await.unwrap()
}

pub async fn a_job_goes_on_with_the_values_of_those_that_it_waited_for(store: Store<'_>) {
    let first = queue(store.intake, from_amqp(job("first"))).await.seq;
    let second = queue(store.intake, from_amqp(job("second"))).await.seq;
    blocks(store, behind("last", &["first", "second"])).await;
    assert_eq!((counts(store.ledger).await.blocked, counts(store.ledger).await.queued), (1, 2));
    assert_eq!(waits(store).await, [first, second], "no lane knows a blocked job");
    assert_eq!(unblocks(store, first, success("omb_1")).await, []);
    let [last] = &unblocks(store, second, success("omb_2")).await[..] else { panic!("not unblocked") };
    assert_eq!(waits(store).await, [last.seq]);
    let read = store.domain.job(last.seq).await.unwrap();
    assert_eq!((read.filled.clone(), read.after.clone()), (vec![json!("omb_1")], vec!["second".to_owned()]));
    assert_eq!(read.params.body["room_level_id"], json!({"$from": "first"}), "its content stays");
    assert_eq!(read.with_values(None).params.body["room_level_id"], "omb_1");
    let (_, called) = store.domain.begin_attempt(start(Purpose::Job(last.seq), 5)).await.unwrap();
    assert_eq!(called.unwrap().filled, [json!("omb_1")]);
    assert_eq!((counts(store.ledger).await.blocked, counts(store.ledger).await.queued), (0, 1));
}

pub async fn who_waits_for_nothing_any_more_does_not_wait(store: Store<'_>) {
    let first = queue(store.intake, from_amqp(job("first"))).await.seq;
    call(store.domain, first, 0, success("omb_1")).await;
    let waiting = queue(store.intake, from_amqp(taking("last", "first", "room.room_id"))).await;
    assert_eq!(store.domain.job(waiting.seq).await.unwrap().filled, [json!("omb_1")]);
    let again = take(store.intake, from_amqp(taking("last", "first", "room.room_id"))).await;
    assert_eq!(again, TakenOver::Known, "the same content");
    assert_eq!(
        take(store.intake, from_amqp(behind("last", &["first"]))).await,
        TakenOver::Rejected,
        "another reference"
    );
}

pub async fn jobs_come_in_any_order(store: Store<'_>) {
    blocks(store, behind("c", &["b"])).await;
    blocks(store, behind("b", &["a"])).await;
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    let b = unblocks(store, a, success("ka")).await;
    let c = unblocks(store, b[0].seq, success("kb")).await;
    assert_eq!(store.domain.job(c[0].seq).await.unwrap().filled, [json!("kb")]);
}

pub async fn a_chain_ends_with_the_job_that_it_waits_for(store: Store<'_>) {
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    blocks(store, behind("b", &["a"])).await;
    blocks(store, behind("c", &["b"])).await;
    blocks(store, behind("d", &["a", "c"])).await;
    assert_eq!(unblocks(store, a, death(Reason::Rejected)).await, []);
    let prerequisite = Reason::Prerequisite.as_str();
    let dead = [("a", "rejected"), ("b", prerequisite), ("c", prerequisite), ("d", prerequisite)];
    assert_eq!(ends(store).await, pairs(&dead));
    assert_eq!((counts(store.ledger).await.blocked, counts(store.ledger).await.dead), (0, 4));
    // Whoever comes later ends at once.
    assert_eq!(take(store.intake, from_amqp(behind("e", &["c"]))).await, TakenOver::Blocked);
    assert_eq!(counts(store.ledger).await.dead, 5);
}

pub async fn what_is_not_in_the_result_cannot_be_taken(store: Store<'_>) {
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    blocks(store, taking("b", "a", "room.nothing")).await;
    blocks(store, behind("c", &["b"])).await;
    assert_eq!(unblocks(store, a, success("k")).await, []);
    assert_eq!(ends(store).await, pairs(&[("a", "-"), ("b", "invalid"), ("c", "prerequisite")]));
}

pub async fn who_closes_a_circle_is_invalid_and_the_others_end_with_it(store: Store<'_>) {
    blocks(store, behind("a", &["c"])).await;
    blocks(store, behind("b", &["a"])).await;
    blocks(store, behind("beside", &["b"])).await;
    blocks(store, behind("c", &["b"])).await;
    let dead = [("a", "prerequisite"), ("b", "prerequisite"), ("beside", "prerequisite"), ("c", "invalid")];
    assert_eq!(ends(store).await, pairs(&dead));
}

pub async fn what_never_comes_is_waited_for_so_long(store: Store<'_>) {
    blocks(store, behind("a", &["absent"])).await;
    blocks(store, behind("b", &["a"])).await;
    blocks(store, behind("c", &["late"])).await;
    blocks(store, Job { not_after: Some(at(60)), ..behind("d", &["absent"]) }).await;
    assert_eq!(store.domain.end_blocked(WAIT, at(59)).await.unwrap(), 0);
    assert_eq!(store.domain.end_blocked(WAIT, at(60)).await.unwrap(), 1);
    let late = queue(store.intake, from_amqp(job("late"))).await.seq;
    assert_eq!(store.domain.end_blocked(WAIT, at(24 * 3_600 - 1)).await.unwrap(), 0);
    assert_eq!(store.domain.end_blocked(WAIT, at(24 * 3_600)).await.unwrap(), 1);
    assert_eq!(ends(store).await, pairs(&[("a", "prerequisite"), ("b", "prerequisite"), ("d", "expired")]));
    assert_eq!(store.domain.end_blocked(WAIT, at(99 * 3_600)).await.unwrap(), 0, "what has come is waited for");
    assert_eq!(unblocks(store, late, success("k")).await.len(), 1);
}

pub async fn a_chain_that_is_published_again_goes_on_in_any_order(store: Store<'_>) {
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    blocks(store, behind("b", &["a"])).await;
    blocks(store, behind("c", &["b"])).await;
    call(store.domain, a, 0, death(Reason::Rejected)).await;
    blocks(store, behind("c", &["b"])).await;
    blocks(store, behind("b", &["a"])).await;
    assert_eq!((counts(store.ledger).await.blocked, counts(store.ledger).await.dead), (2, 1));
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    let b = unblocks(store, a, success("ka")).await;
    assert_eq!(unblocks(store, b[0].seq, success("kb")).await.len(), 1);
}

pub async fn look_ups_and_people_unblock_as_calls_do(store: Store<'_>) {
    let a = queue(store.intake, from_amqp(job("a"))).await.seq;
    blocks(store, behind("b", &["a"])).await;
    call(store.domain, a, 0, Settlement::Uncertain { not_before: at(1), charged: true, failure: failure("cut") }).await;
    let (verified, unblocked) = store.domain.verified(vec![(a, success("ka"))], at(2)).await.unwrap();
    assert_eq!((verified, unblocked.len()), (vec![Verified::Settled], 1));
    blocks(store, behind("d", &["c"])).await;
    let c = queue(store.intake, from_amqp(job("c"))).await.seq;
    assert_eq!(store.domain.settle(c, success("kc"), at(3)).await.unwrap().len(), 1);
}

pub async fn who_is_waited_for_is_not_forgotten(store: Store<'_>) {
    let a = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    let z = queue(store.intake, from_file(job("z"), "f:2")).await.seq;
    assert_eq!(take(store.intake, from_file(behind("b", &["a", "z"]), "f:3")).await, TakenOver::Blocked);
    call(store.domain, a, 0, success("ka")).await;
    assert_eq!(store.ledger.prune(at(1_000), JobSeq(0)).await.unwrap().forgotten, 0);
    let b = unblocks(store, z, success("kz")).await;
    assert_eq!(store.domain.job(b[0].seq).await.unwrap().filled, [json!("ka")]);
    call(store.domain, b[0].seq, 5, success("kb")).await;
    assert_eq!(store.ledger.prune(at(1_000), JobSeq(0)).await.unwrap().forgotten, 3);
}
