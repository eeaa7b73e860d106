//! Jobs of which nobody knows whether they were applied, and who owns which object.

use super::*;
use paceline_domain::outcome::NOT_SENT;
use paceline_ports::{LedgerError, Verified};

fn uncertain() -> Settlement {
    Settlement::Uncertain { not_before: at(20), charged: true, failure: failure("cut") }
}

fn sole(key: &str) -> Settlement {
    Settlement::Succeeded { key: Some(key.into()), result: json!({}), sole: true, warnings: Vec::new() }
}

/// A lost call may be applied until its deadline, an answered one until its answer; one that never left does not count.
pub async fn jobs_are_unsettled_while_in_flight_or_uncertain(store: Store<'_>) {
    let mut seqs = Vec::new();
    for id in ["lost", "answered", "flying", "queued", "looked"] {
        seqs.push(queue(store.intake, from_file(job(id), id)).await.seq);
    }
    let not_sent = begin(store.domain, seqs[0], 50).await;
    let end = AttemptEnd { outcome: NOT_SENT, replied: false, ..ended(not_sent, 51, None) };
    store.domain.end_attempt(end.into()).await.unwrap();
    let lost = begin(store.domain, seqs[0], 0).await;
    let end = AttemptEnd { replied: false, ..ended(lost, 1, Some((seqs[0], uncertain()))) };
    store.domain.end_attempt(end.into()).await.unwrap();
    let answered = begin(store.domain, seqs[1], 0).await;
    let end = AttemptEnd { failure: Some(failure("busy")), ..ended(answered, 7, Some((seqs[1], uncertain()))) };
    store.domain.end_attempt(end.into()).await.unwrap();
    begin(store.domain, seqs[2], 3).await;
    call(store.domain, seqs[4], 0, uncertain()).await;
    store.domain.begin_attempt(start(Purpose::LookUp(seqs[4]), 40)).await.unwrap();
    let (second, _) = store.domain.begin_attempt(start(Purpose::LookUp(seqs[4]), 41)).await.unwrap();
    assert_ne!(second, AttemptSeq::NONE, "look-ups for one job go side by side");

    let mut found = store.domain.unsettled(&lane(), Some(seqs[..4].to_vec())).await.unwrap();
    found.sort_by_key(|job| job.seq);
    let seen: Vec<_> = found.iter().map(|job| (job.job.id.as_str(), job.in_flight_until, job.lost_until)).collect();
    let expected = [("lost", None, at(30)), ("answered", None, at(7)), ("flying", Some(at(33)), at(33))];
    assert_eq!(seen, expected);
    let mut all = store.domain.unsettled(&lane(), None).await.unwrap();
    all.sort_by_key(|job| job.seq);
    assert_eq!((&all[..3], all[3].job.id.as_str(), all[3].lost_until, all.len()), (&found[..], "looked", at(1), 4));
    assert_eq!(found[0].failure, failure("cut"));
    let another = LaneKey { method: "another.method".to_owned(), ..lane() };
    let others = store.domain.unsettled(&another, None).await.unwrap();
    assert!(others.is_empty(), "{others:?}");
}

/// The second claim of an object is refused, whoever makes it; what is no create may share one.
pub async fn an_object_has_one_owner(store: Store<'_>) {
    let (mut seqs, method) = (Vec::new(), lane().method);
    for id in ["a", "b", "c", "d"] {
        seqs.push(queue(store.intake, from_file(job(id), id)).await.seq);
    }
    call(store.domain, seqs[0], 0, sole("k1")).await;
    let attempt = begin(store.domain, seqs[1], 5).await;
    let refused = store.domain.end_attempt(ended(attempt, 6, Some((seqs[1], sole("k1")))).into()).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Claimed(by) if by == "a"));
    store.domain.end_attempt(ended(attempt, 6, Some((seqs[1], uncertain()))).into()).await.unwrap();
    let found = vec![(seqs[1], sole("k1"))];
    assert_eq!(store.domain.verified(found, at(7)).await.unwrap().0, [Verified::Claimed]);
    call(store.domain, seqs[2], 8, success("k1")).await;
    let keys = ["k0", "k1", "k2"].map(str::to_owned).to_vec();
    assert_eq!(store.domain.owned(&method, keys.clone()).await.unwrap(), ["k1"]);
    assert!(store.domain.owned("another.method", keys).await.unwrap().is_empty());
    // Two jobs of one look-up cannot both get it either.
    call(store.domain, seqs[3], 9, uncertain()).await;
    let found = vec![(seqs[1], sole("k2")), (seqs[3], sole("k2"))];
    assert_eq!(store.domain.verified(found, at(10)).await.unwrap().0, [Verified::Settled, Verified::Claimed]);
    let counts = counts(store.ledger).await;
    assert_eq!((counts.succeeded, counts.uncertain), (3, 1));
}

/// What a person decided, or a call in flight, comes before what a look-up found.
pub async fn a_look_up_settles_uncertain_jobs_alone(store: Store<'_>) {
    let mut seqs = Vec::new();
    for id in ["queued", "flying", "held", "uncertain"] {
        seqs.push(queue(store.intake, from_file(job(id), id)).await.seq);
    }
    for seq in &seqs[2..] {
        call(store.domain, *seq, 0, uncertain()).await;
    }
    begin(store.domain, seqs[1], 5).await;
    store.domain.settle(seqs[2], Settlement::Held { failure: failure("x") }, at(5)).await.unwrap();
    let found = seqs.iter().map(|seq| (*seq, sole(&format!("k{}", seq.0)))).collect();
    let verified = store.domain.verified(found, at(6)).await.unwrap().0;
    assert_eq!(verified, [Verified::Gone, Verified::Gone, Verified::Gone, Verified::Settled]);
    assert_eq!((counts(store.ledger).await.succeeded, counts(store.ledger).await.held), (1, 1));
}
