//! The same id again, in every state of its job: the rows of the design's table.

use paceline_domain::messages::Cause;
use serde_json::json;

use super::*;

/// How a job gets into each state that it does not leave by itself; `None` leaves it queued.
pub(crate) fn states() -> [(&'static str, Option<Settlement>); 6] {
    let failure = failure("why");
    [
        ("queued", None),
        ("uncertain", Some(Settlement::Uncertain { not_before: at(9), charged: true, failure: failure.clone() })),
        ("held", Some(Settlement::Held { failure })),
        ("dead", Some(death(Reason::Rejected))),
        ("cancelled", Some(Settlement::Cancelled)),
        ("succeeded", Some(success("omm_1"))),
    ]
}

async fn bring_into(store: Store<'_>, id: &str, settlement: Option<Settlement>) -> JobSeq {
    let seq = queue(store.intake, from_amqp(job(id))).await.seq;
    if let Some(settlement) = settlement {
        call(store.domain, seq, 0, settlement).await;
    }
    forget_outbox(store).await;
    seq
}

pub(crate) async fn forget_outbox(store: Store<'_>) {
    let seqs = endings(store.outbox, 0, 100).await.iter().map(|row| row.seq).collect();
    store.outbox.done(seqs).await.unwrap();
}

/// Who asks again: with a correlation of the message's own.
fn asked(id: &str, correlation: &str) -> Arrival {
    let mut again = from_amqp(job(id));
    again.origin.amqp.as_mut().unwrap().correlation_id = Some(correlation.into());
    again
}

/// A job that has not ended is known, whether it waits, runs, is uncertain or held: nothing changes and nothing is said.
pub async fn a_job_that_has_not_ended_is_known(store: Store<'_>) {
    for (state, settlement) in states().into_iter().take(3) {
        bring_into(store, state, settlement).await;
    }
    let running = bring_into(store, "running", None).await;
    let attempt = begin(store.domain, running, 1).await;
    let (before, waiting) = (counts(store.ledger).await, all_waiting(store.domain).await);
    for id in ["queued", "uncertain", "held", "running"] {
        assert_eq!(take(store.intake, asked(id, "c")).await, TakenOver::Known, "{id}");
    }
    assert_eq!((counts(store.ledger).await, all_waiting(store.domain).await), (before, waiting));
    assert!(endings(store.outbox, 0, 10).await.is_empty());

    store.domain.end_attempt(ended(attempt, 2, Some((running, success("k")))).into()).await.unwrap();
    assert_eq!(endings(store.outbox, 0, 10).await.len(), 1, "one job, one result, however often it was asked for");
}

/// Every repeat of a succeeded job brings the result once more, each under its own properties.
pub async fn every_repeat_of_a_succeeded_job_is_answered(store: Store<'_>) {
    let seq = bring_into(store, "a", Some(success("omm_1"))).await;
    for correlation in ["c-1", "c-2", "c-3"] {
        assert_eq!(take(store.intake, asked("a", correlation)).await, TakenOver::Succeeded);
    }
    let outbox = endings(store.outbox, 0, 10).await;
    let answered: Vec<_> = outbox.iter().map(|row| row.ending.amqp.correlation_id.clone().unwrap()).collect();
    assert_eq!(answered, ["c-1", "c-2", "c-3"]);
    assert!(outbox.iter().all(|row| document(&row.ending)["key"] == "omm_1" && row.ending.reason.is_none()));
    assert_eq!(store.domain.past_calls(Timestamp(0)).await.unwrap().len(), 1, "nothing was called again");
    assert!(store.domain.begin_attempt(start(Purpose::Job(seq), 5)).await.unwrap().1.is_none());
}

/// A dead letter that is moved back comes with what the broker added to it; its job is queued, and ends anew.
pub async fn a_dead_letter_moved_back_is_queued_and_its_ending_published(store: Store<'_>) {
    for (id, settlement) in [("dead", death(Reason::Exhausted)), ("cancelled", Settlement::Cancelled)] {
        let seq = bring_into(store, id, Some(settlement)).await;
        let mut moved = asked(id, "c-9");
        moved.origin.amqp.as_mut().unwrap().headers = [("trace".to_owned(), json!("t-1"))].into();
        let waiting = queue(store.intake, moved).await;
        assert_eq!((waiting.seq, waiting.attempts), (seq, 0));
        assert!(endings(store.outbox, 0, 10).await.is_empty());
        call(store.domain, seq, 30, death(Reason::Rejected)).await;
        let outbox = endings(store.outbox, 0, 10).await;
        let ending = &outbox[0].ending;
        assert_eq!((outbox.len(), ending.reason, ending.attempts), (1, Some(Reason::Rejected), 1));
        assert_eq!(ending.raw, raw_of(id));
        assert_eq!(ending.amqp.headers["trace"], "t-1");
        assert_eq!(ending.amqp.correlation_id.as_deref(), Some("c-9"));
        forget_outbox(store).await;
    }
}

/// Other content is a dead letter in every state, and leaves the first job as it is.
pub async fn other_content_is_a_conflict_in_every_state(store: Store<'_>) {
    for (state, settlement) in states() {
        bring_into(store, state, settlement).await;
    }
    let running = bring_into(store, "running", None).await;
    let attempt = begin(store.domain, running, 1).await;
    let (before, waiting) = (counts(store.ledger).await, all_waiting(store.domain).await);
    let ids = states().map(|(state, _)| state).into_iter().chain(["running"]);
    for (n, id) in (1..).zip(ids) {
        let mut other = job(id);
        other.params.body.insert("capacity".into(), json!(11));
        assert_eq!(take(store.intake, from_amqp(other)).await, TakenOver::Rejected, "{id}");
        let outbox = endings(store.outbox, 0, 10).await;
        assert_eq!((outbox.len(), outbox[0].ending.reason), (1, Some(Reason::IdConflict)), "{id}");
        assert_eq!(outbox[0].ending.failure.detail, Cause::IdTaken { id: id.to_owned() });
        forget_outbox(store).await;
        let after = counts(store.ledger).await;
        let expected = Counts { total: before.total + n, dead: before.dead + n, ..before };
        assert_eq!((after, all_waiting(store.domain).await), (expected, waiting.clone()), "{id}");
    }
    store.domain.end_attempt(ended(attempt, 2, Some((running, success("k")))).into()).await.unwrap();
    let document = document(&endings(store.outbox, 0, 10).await[0].ending);
    assert_eq!((&document["id"], &document["status"]), (&json!("running"), &json!("succeeded")));
}

/// A message whose ack got lost comes once more, and is one dead letter; any other message is one of its own.
pub async fn a_rejected_message_that_is_redelivered_is_one_dead_letter(store: Store<'_>) {
    let message = |raw: &str, redelivered: bool| Arrival {
        input: Err(Box::new(rejection(None, None))),
        origin: Origin {
            raw: raw.to_owned().into(),
            amqp: Some(AmqpOrigin::default()),
            redelivered,
            ..Origin::default()
        },
    };
    let dead_after = async |arrival: Arrival, now: Timestamp| {
        assert_eq!(store.intake.take_over(vec![arrival], now).await.unwrap(), [TakenOver::Rejected]);
        (counts(store.ledger).await.dead, endings(store.outbox, 0, 100).await.len())
    };
    assert_eq!(dead_after(message("x", true), T0).await, (1, 1), "redelivered before it was recorded");
    assert_eq!(dead_after(message("x", true), at(1)).await, (1, 1), "redelivered after it was recorded");
    assert_eq!(dead_after(message("x", false), at(2)).await, (2, 2), "published again");
    assert_eq!(dead_after(message("y", true), at(3)).await, (3, 3), "other bytes");
    let mut named = message("x", true);
    named.origin.amqp.as_mut().unwrap().message_id = Some("m-1".into());
    assert_eq!(dead_after(named, at(4)).await, (4, 4), "other properties");
    // Long after, it is a dead letter that was moved back.
    assert_eq!(dead_after(message("x", true), at(602)).await, (5, 5));

    queue(store.intake, from_amqp(job("a"))).await;
    let mut other = job("a");
    other.params.body.insert("capacity".into(), json!(11));
    let mut conflict = from_amqp(other);
    assert_eq!(dead_after(conflict.clone(), at(700)).await, (6, 6));
    conflict.origin.redelivered = true;
    assert_eq!(dead_after(conflict, at(701)).await, (6, 6));
}
