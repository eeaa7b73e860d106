//! Attempts: what is recorded, what is charged, what recovery does, and which calls still count.

use super::*;
use futures_util::future::{join, join3};
use paceline_domain::outcome::NOT_SENT;
use paceline_ports::LedgerError;

/// Only the end of a job's own call is charged, and a throttled one only if the engine says so.
pub async fn attempts_are_charged_as_they_end(store: Store<'_>) {
    let seq = queue(store.intake, from_amqp(job("a"))).await.seq;
    let throttled = Settlement::Queued { not_before: Some(at(5)), charged: false, failure: None };
    let attempt = begin(store.domain, seq, 0).await;
    let end = AttemptEnd { outcome: "throttled", ..ended(attempt, 1, Some((seq, throttled))) };
    store.domain.end_attempt(end.clone().into()).await.unwrap();
    store.domain.end_attempt(end.into()).await.unwrap();
    let waiting = all_waiting(store.domain).await;
    assert_eq!((waiting[0].attempts, waiting[0].not_before), (0, Some(at(5))));
    assert_eq!(counts(store.ledger).await.throttled, 1, "the same end twice counts once");
    let refused = async || -> Vec<bool> {
        let calls = store.domain.past_calls(Timestamp(0)).await.unwrap();
        calls.iter().map(|call| call.refused).collect()
    };
    assert_eq!(refused().await, [true]);

    let transient = Settlement::Queued { not_before: None, charged: true, failure: Some(failure("busy")) };
    call(store.domain, seq, 10, transient).await;
    assert_eq!(all_waiting(store.domain).await[0].attempts, 1);
    assert_eq!(refused().await, [true, false], "a call without an outcome of this kind was not refused");

    call(store.domain, seq, 20, Settlement::Uncertain { not_before: at(40), charged: true, failure: failure("cut") })
        .await;
    let waiting = all_waiting(store.domain).await;
    assert_eq!((waiting[0].attempts, waiting[0].uncertain, waiting[0].not_before), (2, true, Some(at(40))));
    assert_eq!(counts(store.ledger).await.uncertain, 1);

    let (look_up, read) = store.domain.begin_attempt(start(Purpose::LookUp(seq), 50)).await.unwrap();
    assert!(read.is_some());
    let absent = Settlement::Queued { not_before: None, charged: false, failure: None };
    store.domain.end_attempt(ended(look_up, 51, Some((seq, absent))).into()).await.unwrap();
    assert_eq!((all_waiting(store.domain).await[0].attempts, all_waiting(store.domain).await[0].uncertain), (2, false));

    call(store.domain, seq, 60, success("k")).await;
    assert_eq!(endings(store.outbox, 0, 1).await[0].ending.attempts, 3);
}

/// A job is not called twice at once, nor after its end; nothing is recorded then.
pub async fn a_job_that_does_not_wait_is_not_called(store: Store<'_>) {
    let seq = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    let attempt = begin(store.domain, seq, 0).await;
    assert!(all_waiting(store.domain).await.is_empty(), "a job in flight does not wait");
    assert_eq!(counts(store.ledger).await.queued, 1, "but it is not ended");
    for purpose in [Purpose::Job(seq), Purpose::LookUp(seq), Purpose::Job(JobSeq(999))] {
        let (none, read) = store.domain.begin_attempt(start(purpose, 1)).await.unwrap();
        assert_eq!((none, read), (AttemptSeq::NONE, None));
    }
    store.domain.end_attempt(ended(attempt, 2, Some((seq, success("k")))).into()).await.unwrap();
    let (none, read) = store.domain.begin_attempt(start(Purpose::Job(seq), 3)).await.unwrap();
    assert_eq!((none, read), (AttemptSeq::NONE, None));
    assert_eq!(store.domain.past_calls(Timestamp(0)).await.unwrap().len(), 1);
    assert!(
        store.domain.end_attempt(ended(AttemptSeq(77), 2, None).into()).await.unwrap_err().to_string().contains("77")
    );
}

/// What may have been applied is asked about, and not sent again before that, even if a lane still has it.
pub async fn an_uncertain_job_is_looked_up_and_not_sent(store: Store<'_>) {
    let seq = queue(store.intake, from_amqp(job("a"))).await.seq;
    call(store.domain, seq, 0, Settlement::Uncertain { not_before: at(9), charged: true, failure: failure("cut") })
        .await;
    let (none, read) = store.domain.begin_attempt(start(Purpose::Job(seq), 10)).await.unwrap();
    assert_eq!((none, read), (AttemptSeq::NONE, None));
    let (look_up, read) = store.domain.begin_attempt(start(Purpose::LookUp(seq), 10)).await.unwrap();
    assert!(read.is_some());
    let absent = Settlement::Queued { not_before: None, charged: false, failure: None };
    store.domain.end_attempt(ended(look_up, 11, Some((seq, absent))).into()).await.unwrap();
    assert!(store.domain.begin_attempt(start(Purpose::Job(seq), 12)).await.unwrap().1.is_some());
}

/// What comes at the same time is as if it came in turn: of a job, an attempt and an object there is one.
pub async fn what_comes_together_is_as_if_in_turn(store: Store<'_>) {
    let Store { intake, domain, .. } = store;
    let (a, b) = (queue(intake, from_amqp(job("a"))).await.seq, queue(intake, from_amqp(job("b"))).await.seq);
    let of = |seq| domain.begin_attempt(start(Purpose::Job(seq), 0));
    let (first, other, second) = join3(of(a), of(b), of(a)).await;
    let ((first, _), (other, _), (second, read)) = (first.unwrap(), other.unwrap(), second.unwrap());
    assert_ne!((first, other), (AttemptSeq::NONE, AttemptSeq::NONE));
    assert_eq!((second, read), (AttemptSeq::NONE, None), "a job is called once at a time");

    let sole = |seq| {
        let result = json!({"room": {"room_id": "k"}});
        Some((seq, Settlement::Succeeded { key: Some("k".into()), result, sole: true, warnings: Vec::new() }))
    };
    let end = |attempt, seq| domain.end_attempt(ended(attempt, 1, sole(seq)).into());
    let (one, again, claimed) = join3(end(first, a), end(first, a), end(other, b)).await;
    assert!(one.is_ok() && again.is_ok(), "the same end twice is one");
    assert!(matches!(claimed.unwrap_err(), LedgerError::Claimed(by) if by == "a"));

    let lost = Settlement::Uncertain { not_before: at(9), charged: true, failure: failure("cut") };
    domain.end_attempt(ended(other, 2, Some((b, lost))).into()).await.unwrap();
    let look_up = |sent_s| domain.begin_attempt(start(Purpose::LookUp(b), sent_s));
    let (found, absent) = join(look_up(10), look_up(11)).await;
    let again = Settlement::Queued { not_before: None, charged: false, failure: None };
    let found = domain.end_attempt(ended(found.unwrap().0, 12, Some((b, success("other")))).into());
    let absent = domain.end_attempt(ended(absent.unwrap().0, 12, Some((b, again))).into());
    let (found, absent) = join(found, absent).await;
    assert!(found.is_ok() && absent.is_ok());
    let counts = counts(store.ledger).await;
    assert_eq!((counts.succeeded, counts.queued, counts.uncertain), (2, 0, 0), "the first ending stays");
    assert_eq!(endings(store.outbox, 0, 9).await.len(), 2);
}

/// An object that is deleted together with the record of its creation is gone.
pub async fn what_ends_together_with_its_deletion_is_cancelled(store: Store<'_>) {
    let Store { intake, domain, .. } = store;
    let create = queue(intake, from_amqp(job("create"))).await.seq;
    let delete = queue(intake, from_amqp(job("delete"))).await.seq;
    let (created, deleted) = (begin(domain, create, 0).await, begin(domain, delete, 0).await);
    let undone = Settlement::Undone {
        result: json!({}),
        creates: vec![lane().method],
        key: "omm_1".into(),
        warnings: Vec::new(),
    };
    let created = domain.end_attempt(ended(created, 1, Some((create, success("omm_1")))).into());
    let deleted = domain.end_attempt(ended(deleted, 1, Some((delete, undone))).into());
    let (created, deleted) = join(created, deleted).await;
    assert!(created.is_ok() && deleted.is_ok());
    assert_eq!(counts(store.ledger).await, Counts { total: 2, succeeded: 1, cancelled: 1, ..Counts::default() });
}

/// A late reply closes its attempt and leaves the job's first ending alone.
pub async fn the_first_ending_stays(store: Store<'_>) {
    let seq = queue(store.intake, from_amqp(job("a"))).await.seq;
    let attempt = begin(store.domain, seq, 0).await;
    store.domain.settle(seq, Settlement::Cancelled, at(1)).await.unwrap();
    store.domain.end_attempt(ended(attempt, 2, Some((seq, success("k")))).into()).await.unwrap();
    store.domain.settle(seq, death(Reason::Expired), at(3)).await.unwrap();
    let outbox = endings(store.outbox, 0, 10).await;
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0].ending.reason, Some(Reason::Cancelled));
    assert_eq!(outbox[0].ending.attempts, 0);
    let calls = store.domain.past_calls(Timestamp(0)).await.unwrap();
    assert_eq!((calls.len(), calls[0].open, calls[0].counted_by), (1, false, at(2)));
    let counts = counts(store.ledger).await;
    assert_eq!((counts.total, counts.cancelled), (1, 1));
}

/// What a dead process left open is closed: the job is uncertain until its call is surely over, others just close.
pub async fn recovery_makes_open_attempts_uncertain(store: Store<'_>) {
    let a = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    let b = queue(store.intake, from_file(job("b"), "f:2")).await.seq;
    let c = queue(store.intake, from_file(job("c"), "f:3")).await.seq;
    begin(store.domain, a, 100).await;
    call(store.domain, b, 0, Settlement::Uncertain { not_before: at(7), charged: true, failure: failure("cut") }).await;
    store.domain.begin_attempt(start(Purpose::LookUp(b), 101)).await.unwrap();
    let (_, no_job) = store.domain.begin_attempt(start(Purpose::Token, 102)).await.unwrap();
    assert_eq!(no_job, None);
    assert!(all_waiting(store.domain).await.iter().all(|waiting| waiting.seq == c));

    assert_eq!(store.domain.recover(at(500)).await.unwrap(), 3);
    assert_eq!(store.domain.recover(at(501)).await.unwrap(), 0);
    let seen: Vec<_> = all_waiting(store.domain)
        .await
        .into_iter()
        .map(|waiting| (waiting.seq, waiting.uncertain, waiting.attempts, waiting.not_before))
        .collect();
    assert_eq!(seen, [(a, true, 1, Some(at(130))), (b, true, 1, Some(at(7))), (c, false, 0, None)]);

    let lost: Vec<_> =
        store.domain.past_calls(at(50)).await.unwrap().into_iter().map(|call| (call.counted_by, call.open)).collect();
    assert_eq!(lost, [(at(130), true), (at(131), true), (at(132), true)]);
}

/// Exactly the calls that a window reaching back to an instant may still count, also when the clock was set back.
pub async fn past_calls_reach_back_exactly(store: Store<'_>) {
    let seq = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    let again = || Some((seq, Settlement::Queued { not_before: None, charged: false, failure: None }));
    let replied = begin(store.domain, seq, 100).await;
    store.domain.end_attempt(ended(replied, 110, again()).into()).await.unwrap();
    let cut = begin(store.domain, seq, 50).await;
    store.domain.end_attempt(AttemptEnd { replied: false, ..ended(cut, 60, again()) }.into()).await.unwrap();
    let not_sent = begin(store.domain, seq, 200).await;
    let end = AttemptEnd { replied: false, outcome: NOT_SENT, ..ended(not_sent, 201, again()) };
    store.domain.end_attempt(end.into()).await.unwrap();
    let (token, _) = store.domain.begin_attempt(start(Purpose::Token, 95)).await.unwrap();
    assert_ne!(token, AttemptSeq::NONE);

    let since = async |seconds: i64| -> Vec<(i64, i64, bool)> {
        let calls = store.domain.past_calls(at(seconds)).await.unwrap();
        assert!(calls.iter().all(|call| call.lane == lane()));
        let seconds = |instant: Timestamp| (instant.0 - T0.0) / S;
        calls.iter().map(|call| (seconds(call.sent_at), seconds(call.counted_by), call.open)).collect()
    };
    assert_eq!(since(80).await, [(50, 80, true), (95, 125, true), (100, 110, false)]);
    assert_eq!(since(81).await, [(95, 125, true), (100, 110, false)]);
    assert_eq!(since(110).await, [(95, 125, true), (100, 110, false)]);
    assert_eq!(since(111).await, [(95, 125, true)]);
    assert_eq!(since(125).await, [(95, 125, true)]);
    assert_eq!(since(126).await, []);
}
