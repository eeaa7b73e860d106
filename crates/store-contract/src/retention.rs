//! Retention: what is forgotten, and what never is.

use super::*;
use paceline_ports::LedgerError;

/// Prunes from the first job to the end; says how many records went.
async fn prune(store: Store<'_>, before_s: i64) -> usize {
    let (mut after, mut forgotten) = (JobSeq(0), 0);
    loop {
        let step = store.ledger.prune(at(before_s), after).await.unwrap();
        forgotten += step.forgotten;
        match step.next {
            Some(next) => after = next,
            None if step.forgotten == 0 => return forgotten,
            None => {}
        }
    }
}

async fn is_known(store: Store<'_>, job: Job) -> bool {
    !matches!(take(store.intake, from_file(job, "again.csv:1")).await, TakenOver::Queued(_))
}

/// Ended jobs go at the end of their time and not a moment before; what has not ended stays, however old.
pub async fn what_ended_before_is_forgotten(store: Store<'_>) {
    for (n, settlement) in [success("k"), death(Reason::Rejected), Settlement::Cancelled].into_iter().enumerate() {
        let seq = queue(store.intake, from_file(job(&format!("ended-{n}")), "f:1")).await.seq;
        call(store.domain, seq, 9, settlement).await;
    }
    let held = queue(store.intake, from_file(job("held"), "f:2")).await.seq;
    call(store.domain, held, 0, Settlement::Held { failure: failure("nobody knows") }).await;
    queue(store.intake, from_file(job("queued"), "f:3")).await;
    let uncertain = queue(store.intake, from_file(job("uncertain"), "f:4")).await.seq;
    let settlement = Settlement::Uncertain { not_before: at(90), charged: true, failure: failure("cut") };
    call(store.domain, uncertain, 0, settlement).await;

    assert_eq!(prune(store, 10).await, 0, "they ended at that very instant");
    assert_eq!(counts(store.ledger).await.total, 6);
    assert_eq!(prune(store, 11).await, 3);
    let left = counts(store.ledger).await;
    assert_eq!((left.total, left.queued, left.uncertain, left.held), (3, 1, 1, 1));
    assert_eq!((left.succeeded, left.dead, left.cancelled), (0, 0, 0));
    let past: Vec<_> = store.domain.past_calls(at(-1)).await.unwrap().into_iter().map(|call| call.sent_at).collect();
    assert_eq!(past, [at(0), at(0)], "the attempts went with their jobs");
    for id in ["held", "queued", "uncertain"] {
        assert!(is_known(store, job(id)).await, "{id}");
    }
    assert!(!is_known(store, job("ended-0")).await, "its id may be used again");
}

/// A result that the broker has not confirmed, and an input's dead letter, outlive their time.
pub async fn what_is_on_its_way_stays(store: Store<'_>) {
    let seq = queue(store.intake, from_amqp(job("a"))).await.seq;
    call(store.domain, seq, 0, success("k")).await;
    let origin = Origin { raw: raw_of("bad").into(), amqp: Some(AmqpOrigin::default()), ..Origin::default() };
    take(store.intake, Arrival { input: Err(Box::new(rejection(None, None))), origin }).await;
    let outbox: Vec<_> = endings(store.outbox, 0, 10).await.iter().map(|row| row.seq).collect();
    assert_eq!(outbox.len(), 2);
    assert_eq!(prune(store, 100).await, 0);
    store.outbox.done(outbox).await.unwrap();
    assert_eq!(prune(store, 100).await, 3, "the job, the input, the batch");
    assert_eq!(counts(store.ledger).await, Counts::default());
}

/// More than one piece, a job that stays in the middle of them, and the worker's own calls.
pub async fn batches_go_with_their_last_job(store: Store<'_>) {
    let arrivals = (0..600).map(|n| {
        let batch = if n == 300 { "kept" } else { "gone" };
        from_file(Job { batch: Some(batch.into()), ..job(&format!("{n}")) }, &format!("f:{n}"))
    });
    let all = store.intake.take_over(arrivals.collect(), T0).await.unwrap();
    for (n, taken) in all.into_iter().enumerate() {
        let TakenOver::Queued(waiting) = taken else { panic!("{n} is new") };
        if n != 300 {
            store.domain.settle(waiting.seq, Settlement::Cancelled, at(1)).await.unwrap();
        }
    }
    let (token, _) = store.domain.begin_attempt(start(Purpose::Token, 0)).await.unwrap();
    store.domain.end_attempt(ended(token, 1, None).into()).await.unwrap();
    let of = |batch: &str| store.ledger.counts(Some(vec![batch.to_owned()]));
    assert_eq!(of("gone").await.unwrap().cancelled, 599);

    assert_eq!(prune(store, 60).await, 599 + 1 + 1, "jobs, the token's call, the batch");
    assert_eq!(of("gone").await.unwrap(), Counts::default());
    assert_eq!(of("kept").await.unwrap().queued, 1);
    assert_eq!(store.domain.past_calls(at(-1)).await.unwrap(), []);
    // The name comes back as a new batch.
    queue(store.intake, from_file(Job { batch: Some("gone".into()), ..job("1") }, "f:1")).await;
    assert_eq!(of("gone").await.unwrap().total, 1);
}

/// Otherwise a look-up would take last year's calendar for the one whose reply was lost.
pub async fn a_forgotten_job_still_owns_what_it_created(store: Store<'_>) {
    let seq = queue(store.intake, from_file(job("old"), "f:1")).await.seq;
    call(store.domain, seq, 0, success("omm_1")).await;
    assert_eq!(prune(store, 60).await, 2, "the job and its batch");
    let new = queue(store.intake, from_file(job("new"), "f:2")).await.seq;
    let keys = ["omm_1", "omm_2"].map(str::to_owned).to_vec();
    assert_eq!(store.domain.owned(&lane().method, keys).await.unwrap(), ["omm_1"]);
    let attempt = begin(store.domain, new, 70).await;
    let sole = |key: &str| Settlement::Succeeded {
        key: Some(key.into()),
        result: json!({}),
        sole: true,
        warnings: Vec::new(),
    };
    let refused = store.domain.end_attempt(ended(attempt, 71, Some((new, sole("omm_1")))).into()).await;
    assert!(matches!(refused, Err(LedgerError::Claimed(_))), "{refused:?}");
    store.domain.end_attempt(ended(attempt, 71, Some((new, sole("omm_2")))).into()).await.unwrap();
}
