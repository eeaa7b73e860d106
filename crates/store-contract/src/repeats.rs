//! A known id that somebody else publishes: whoever guesses at a job learns nothing of it.

use serde_json::json;

use super::again::{forget_outbox, states};
use super::*;

/// A message for the job, or for another of its id, that asks to be answered at this queue.
fn message(id: &str, is_same: bool, reply_to: Option<&str>, user_id: Option<&str>) -> Arrival {
    let mut job = job(id);
    if !is_same {
        job.params.body.insert("capacity".into(), json!(11));
    }
    job.reply_to = reply_to.map(Into::into);
    job.meta = Some(object(json!({"of": reply_to})));
    let mut arrival = from_amqp(job);
    let amqp = arrival.origin.amqp.as_mut().unwrap();
    amqp.reply_to = reply_to.map(Into::into);
    amqp.correlation_id = reply_to.map(|queue| format!("of {queue}"));
    amqp.user_id = user_id.map(Into::into);
    arrival
}

/// Ends the job well if it goes on because of that.
async fn go_on(store: Store<'_>, taken: TakenOver) {
    if let TakenOver::Queued(waiting) = taken {
        call(store.domain, waiting.seq, 30, success("omm_1")).await;
    }
}

/// Whether the content is the same or not, in every state and however the job came: nothing of it goes where a stranger
/// wants it, and what the owner gets is the owner's.
pub async fn a_stranger_learns_nothing_in_any_state(store: Store<'_>) {
    for (how, first) in [("mine", Some("mine")), ("unanswered", None)] {
        for (state, settlement) in states() {
            for is_same in [true, false] {
                let id = format!("{how} {state} {is_same}");
                let seq = queue(store.intake, message(&id, true, first, None)).await.seq;
                if let Some(settlement) = settlement.clone() {
                    call(store.domain, seq, 0, settlement).await;
                }
                forget_outbox(store).await;
                let taken = take(store.intake, message(&id, is_same, Some("theirs"), None)).await;
                go_on(store, taken).await;
                for row in endings(store.outbox, 0, 100).await {
                    let Ending { reply_to, amqp, reason, .. } = &row.ending;
                    let document = document(&row.ending);
                    assert_ne!(reply_to.as_deref(), Some("theirs"), "{id}: {document}");
                    if *reason != Some(Reason::IdConflict) {
                        assert_eq!(reply_to.as_deref(), first, "{id}");
                        assert_eq!(document["meta"]["of"], json!(first), "{id}");
                        assert_eq!(amqp.correlation_id, first.map(|queue| format!("of {queue}")), "{id}");
                    }
                }
                forget_outbox(store).await;
            }
        }
    }
}

/// A job of a file is published once it comes over AMQP, too, and still answers nobody.
pub async fn a_files_job_answers_nobody_who_guesses_it(store: Store<'_>) {
    for (state, settlement) in states() {
        let seq = queue(store.intake, from_file(job(state), state)).await.seq;
        if let Some(settlement) = settlement {
            call(store.domain, seq, 0, settlement).await;
        }
        let taken = take(store.intake, message(state, true, Some("theirs"), Some("bert"))).await;
        if taken == TakenOver::Known {
            store.domain.settle(seq, success("omm_1"), at(9)).await.unwrap();
        }
        go_on(store, taken).await;
        let outbox = endings(store.outbox, 0, 100).await;
        assert_eq!(outbox.len(), 1, "{state}: it is published for those who may read all results");
        assert_eq!(outbox[0].ending.reply_to, None, "{state}");
        forget_outbox(store).await;
    }
}

/// A publisher that was started again has another queue for its answers: the broker vouches for its user.
pub async fn the_same_user_is_answered_at_another_queue(store: Store<'_>) {
    let seq = queue(store.intake, message("a", true, Some("amq.gen-1"), Some("anna"))).await.seq;
    call(store.domain, seq, 0, success("omm_1")).await;
    forget_outbox(store).await;
    for (user, answered) in [(Some("anna"), "amq.gen-2"), (Some("bert"), "amq.gen-1"), (None, "amq.gen-1")] {
        assert_eq!(take(store.intake, message("a", true, Some("amq.gen-2"), user)).await, TakenOver::Succeeded);
        let outbox = endings(store.outbox, 0, 10).await;
        assert_eq!(outbox[0].ending.reply_to.as_deref(), Some(answered), "{user:?}");
        forget_outbox(store).await;
    }
    take(store.intake, message("a", false, Some("amq.gen-2"), Some("anna"))).await;
    assert_eq!(endings(store.outbox, 0, 10).await[0].ending.reply_to.as_deref(), Some("amq.gen-2"), "its own conflict");
}

/// The first three conflicts of an id are dead letters; the rest is a number in the last of them. Other ids are not.
pub async fn conflicts_beyond_three_are_counted(store: Store<'_>) {
    for id in ["a", "b"] {
        queue(store.intake, message(id, true, None, None)).await;
    }
    for n in 1..=50 {
        assert_eq!(take(store.intake, message("a", false, None, None)).await, TakenOver::Rejected);
        assert_eq!(
            (counts(store.ledger).await.dead, endings(store.outbox, 0, 100).await.len() as u64),
            (n.min(3), n.min(3))
        );
    }
    take(store.intake, message("b", false, None, None)).await;
    let outbox = endings(store.outbox, 0, 100).await;
    let more: Vec<_> = outbox.iter().map(|row| document(&row.ending)["more"].as_u64()).collect();
    assert_eq!(more, [None, None, Some(47), None]);
    let last = document(&outbox[2].ending);
    let detail = last["detail"].as_str().unwrap();
    assert!(detail.ends_with("that job is untouched; and 47 more such messages, counted and not kept"), "{detail}");
}
