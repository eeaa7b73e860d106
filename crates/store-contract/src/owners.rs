//! Several processes on one ledger: each row of the outbox is published by one of them, each domain worked by one.

use super::*;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::quota::Key;
use paceline_ports::{LedgerError, QuotaDomain, Reached, Restrained, Restraint, RestraintKind, Verified};

/// The same ledger, as three processes have it.
#[derive(Clone, Copy)]
pub struct Processes<'a, S> {
    pub one: &'a S,
    pub other: &'a S,
    /// What this one claims or owns is over at once.
    pub brief: &'a S,
}

const OTHER_APP: &str = "campus";

fn domain_of(app: &str) -> QuotaDomain {
    QuotaDomain::of(app.to_owned(), vec![(app.to_owned(), None)])
}

fn of_other_app(id: &str) -> Job {
    Job { lane: LaneKey { app: OTHER_APP.into(), ..lane() }, ..job(id) }
}

#[expect(clippy::needless_pass_by_value, reason = "reads as a question")]
fn is_not_owner<T>(done: Result<T, LedgerError>) -> bool {
    matches!(done, Err(LedgerError::NotOwner(_)))
}

/// Puts so many endings into the outbox.
async fn put_out(store: &(impl Intake + Ledger), count: usize) {
    let domain = store.acquire_all().await.unwrap();
    for n in 0..count {
        let seq = queue(store, from_amqp(Job { batch: None, ..job(&format!("j{n}")) })).await.seq;
        domain.settle(seq, death(Reason::Rejected), at(1)).await.unwrap();
    }
}

async fn claimed(store: &impl Outbox, limit: usize) -> Vec<i64> {
    store.claim(0, limit).await.unwrap().into_iter().map(|row| row.seq).collect()
}

pub async fn a_row_is_claimed_by_one_process_at_a_time(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    put_out(all.one, 5).await;
    let first = claimed(all.one, 2).await;
    let rest = claimed(all.other, 10).await;
    assert_eq!((first.len(), rest.len()), (2, 3));
    assert!(rest.iter().all(|seq| !first.contains(seq)));
    assert!(rest.is_sorted());
    assert_eq!(claimed(all.one, 10).await, first, "what it has claimed is given again, and nothing else");
    assert!(claimed(all.brief, 10).await.is_empty());
}

pub async fn who_has_not_claimed_a_row_neither_ends_nor_moves_it(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    put_out(all.one, 2).await;
    let rows = claimed(all.one, 10).await;
    all.other.done(rows.clone()).await.unwrap();
    all.other.reached(vec![(rows[0], Reached::QUEUE)]).await.unwrap();
    all.other.extend(rows.clone()).await.unwrap();
    let read = all.one.claim(0, 10).await.unwrap();
    assert_eq!(read.iter().map(|row| row.reached).collect::<Vec<_>>(), [Reached::default(); 2]);
    all.one.reached(vec![(rows[0], Reached::QUEUE)]).await.unwrap();
    assert_eq!(all.one.claim(0, 1).await.unwrap()[0].reached, Reached::QUEUE);
    all.one.done(rows).await.unwrap();
    assert!(claimed(all.one, 10).await.is_empty());
}

pub async fn a_claim_that_is_over_goes_to_another_process(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    put_out(all.one, 2).await;
    let rows = claimed(all.brief, 10).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(claimed(all.one, 10).await, rows);
    all.brief.extend(rows.clone()).await.unwrap();
    all.brief.done(rows.clone()).await.unwrap();
    assert!(claimed(all.other, 10).await.is_empty(), "they are still the second process's");
    assert_eq!(claimed(all.one, 10).await, rows, "and the first one could not end them");
}

pub async fn what_is_set_aside_is_claimed_likewise(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    put_out(all.one, 2).await;
    let rows = claimed(all.one, 10).await;
    let aside = Reached::QUEUE.and(Reached::REFUSED).and(Reached::ASIDE);
    all.one.reached(rows.iter().map(|row| (*row, aside)).collect()).await.unwrap();
    let of = async |store: &dyn Outbox, limit| -> Vec<i64> {
        store.claim_aside(limit).await.unwrap().into_iter().map(|row| row.seq).collect()
    };
    assert!(of(all.other, 10).await.is_empty());
    assert_eq!(of(all.one, 1).await, rows[..1]);
    assert!(claimed(all.one, 10).await.is_empty());
    assert_eq!(of(all.one, 10).await, rows);
}

pub async fn a_domain_has_one_owner(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    all.one.acquire(domain_of("acme")).await.unwrap();
    assert!(is_not_owner(all.other.acquire(domain_of("acme")).await));
    assert!(is_not_owner(all.brief.acquire(domain_of("acme")).await));
    all.other.acquire(domain_of(OTHER_APP)).await.unwrap();
    assert!(is_not_owner(all.one.acquire(domain_of(OTHER_APP)).await));
    let again = all.one.acquire(domain_of("acme")).await.unwrap();
    again.set_restraints(Vec::new()).await.unwrap();
}

pub async fn a_domain_that_was_let_go_is_free_at_once(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    let first = all.one.acquire(domain_of("acme")).await.unwrap();
    all.one.release(domain_of("acme")).await.unwrap();
    let second = all.other.acquire(domain_of("acme")).await.unwrap();
    assert!(is_not_owner(first.set_restraints(Vec::new()).await));
    all.one.release(domain_of("acme")).await.unwrap();
    assert!(is_not_owner(all.one.acquire(domain_of("acme")).await), "nobody lets go of what another process has");
    second.set_restraints(Vec::new()).await.unwrap();
}

pub async fn who_has_lost_a_domain_changes_nothing_of_it(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    let a = queue(all.one, from_amqp(job("a"))).await.seq;
    let b = queue(all.one, from_amqp(job("b"))).await.seq;
    let c = queue(all.one, from_amqp(job("c"))).await.seq;
    let lost = all.brief.acquire_all().await.unwrap();
    let open = begin(&*lost, a, 0).await;
    call(&*lost, c, 0, Settlement::Uncertain { not_before: at(1), charged: true, failure: failure("cut") }).await;
    let owner = all.one.acquire_all().await.unwrap();

    assert!(is_not_owner(lost.begin_attempt(start(Purpose::Job(b), 1)).await));
    assert!(is_not_owner(lost.begin_attempt(start(Purpose::Token, 1)).await));
    assert!(is_not_owner(lost.end_attempt(ended(open, 2, Some((a, success("k")))).into()).await));
    assert!(is_not_owner(lost.settle(b, death(Reason::Expired), at(2)).await));
    assert!(is_not_owner(lost.verified(vec![(c, success("k"))], at(2)).await));
    assert!(is_not_owner(lost.set_restraints(Vec::new()).await));
    assert!(is_not_owner(lost.changed().await));
    assert!(is_not_owner(lost.recover(at(2)).await));
    assert_eq!(owner.past_calls(Timestamp(0)).await.unwrap().len(), 2, "no call was recorded");
    let counts = counts(all.one).await;
    assert_eq!((counts.queued, counts.uncertain, counts.total), (2, 1, 3), "and no job settled");

    assert_eq!(owner.recover(at(100)).await.unwrap(), 1, "the call that was open is its successor's");
    let (verified, _) = owner.verified(vec![(c, success("k"))], at(101)).await.unwrap();
    assert_eq!(verified, [Verified::Settled]);
}

pub async fn an_owner_recovers_its_own_calls_alone(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    let a = queue(all.one, from_amqp(job("a"))).await.seq;
    let b = queue(all.one, from_amqp(of_other_app("b"))).await.seq;
    let mine = all.one.acquire(domain_of("acme")).await.unwrap();
    let others = all.other.acquire(domain_of(OTHER_APP)).await.unwrap();
    begin(&*mine, a, 0).await;
    let start = AttemptStart { lane: of_other_app("b").lane.into(), ..start(Purpose::Job(b), 0) };
    let (open, _) = others.begin_attempt(start).await.unwrap();
    assert_eq!(mine.recover(at(100)).await.unwrap(), 1);
    others.end_attempt(ended(open, 1, Some((b, success("k")))).into()).await.unwrap();
    let counts = counts(all.one).await;
    assert_eq!((counts.uncertain, counts.succeeded), (1, 1));
}

pub async fn an_owner_sees_its_own_jobs_and_calls_alone(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    let mine = all.one.acquire(domain_of("acme")).await.unwrap();
    let others = all.other.acquire(domain_of(OTHER_APP)).await.unwrap();
    let a = queue(all.brief, from_amqp(job("a"))).await.seq;
    let b = queue(all.brief, from_amqp(of_other_app("b"))).await.seq;
    let told =
        |changed: paceline_ports::Changed| -> Vec<JobSeq> { changed.waiting.iter().map(|job| job.seq).collect() };
    assert_eq!(told(mine.changed().await.unwrap()), [a]);
    assert!(told(mine.changed().await.unwrap()).is_empty());
    assert_eq!(told(others.changed().await.unwrap()), [b]);
    let waiting = async |domain: &dyn Domain| -> Vec<JobSeq> {
        all_waiting(domain).await.into_iter().map(|waiting| waiting.seq).collect()
    };
    assert_eq!((waiting(&*mine).await, waiting(&*others).await), (vec![a], vec![b]));
    begin(&*mine, a, 0).await;
    let calls = async |domain: &dyn Domain| domain.past_calls(Timestamp(0)).await.unwrap().len();
    assert_eq!((calls(&*mine).await, calls(&*others).await), (1, 0));
}

pub async fn an_owner_replaces_its_own_restraints_alone(all: Processes<'_, impl Intake + Outbox + Ledger>) {
    let restraint = |app: &str| Restraint {
        target: Restrained::Key(Key { scope: QuotaScope::App, owner: app.into(), method: lane().method }),
        app: app.into(),
        kind: RestraintKind::Pause { refusals: 1 },
        since: T0,
        until: None,
        cause: failure("busy"),
    };
    let mine = all.one.acquire(domain_of("acme")).await.unwrap();
    let others = all.other.acquire(domain_of(OTHER_APP)).await.unwrap();
    mine.set_restraints(vec![restraint("acme")]).await.unwrap();
    others.set_restraints(vec![restraint(OTHER_APP)]).await.unwrap();
    assert_eq!(mine.restraints().await.unwrap(), [restraint("acme")]);
    others.set_restraints(Vec::new()).await.unwrap();
    assert_eq!(mine.restraints().await.unwrap(), [restraint("acme")]);
    assert_eq!(others.restraints().await.unwrap(), []);
}
