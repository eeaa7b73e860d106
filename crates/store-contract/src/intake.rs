//! Taking inputs over: new, known and other content, and inputs that are no jobs.

use serde_json::json;

use super::*;
use paceline_domain::job::Identity;
use paceline_domain::trace::{self, Trace};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A job comes back whole, with everything that it can carry.
pub async fn a_job_comes_back_as_it_came(store: Store<'_>) {
    let full = Job {
        lane: LaneKey { tenant: "t1".into(), ..lane() },
        identity: Identity::User("anna".into()),
        params: Params {
            path: object(json!({"calendar_id": "c/1"})),
            query: object(json!({"limit": 5})),
            body: object(json!({"deep": [{"a": null}, "é\u{0}"], "float": 0.1})),
        },
        priority: 9,
        not_before: Some(at(1)),
        not_after: Some(at(2)),
        reply_to: Some("answers".into()),
        meta: Some(object(json!({"row": 7}))),
        trace: Trace::parse(TRACE),
        ..job("full")
    };
    let bare = Job { batch: None, params: Params::default(), ..job("bare") };
    for wanted in [full, bare] {
        let mut arrival = from_amqp(wanted.clone());
        if wanted.trace.is_some() {
            arrival.origin.amqp.as_mut().unwrap().headers.insert(trace::TRACEPARENT.into(), TRACE.into());
        }
        let waiting = queue(store.intake, arrival).await;
        let expected = Waiting {
            seq: waiting.seq,
            lane: wanted.lane.clone(),
            batch: wanted.batch.as_deref().unwrap_or("").into(),
            priority: wanted.priority,
            not_before: wanted.not_before,
            not_after: wanted.not_after,
            attempts: 0,
            uncertain: false,
        };
        assert_eq!(waiting, expected);
        assert!(all_waiting(store.domain).await.contains(&expected));
        assert_eq!(store.domain.job(waiting.seq).await.unwrap(), wanted);
        let (_, read) = store.domain.begin_attempt(start(Purpose::Job(waiting.seq), 0)).await.unwrap();
        assert_eq!(read, Some(Box::new(wanted)));
    }
    assert!(store.domain.job(JobSeq(99)).await.unwrap_err().to_string().contains("99"));
}

/// The same id and content does nothing twice, in one call or in several, whatever else the job carries.
pub async fn the_same_content_is_known(store: Store<'_>) {
    let arrivals = vec![from_file(job("a"), "f:1"), from_file(job("b"), "f:2"), from_file(job("a"), "f:3")];
    let taken = store.intake.take_over(arrivals, T0).await.unwrap();
    assert!(matches!(taken[..], [TakenOver::Queued(_), TakenOver::Queued(_), TakenOver::Known]));
    let hurried = Job { priority: 9, batch: None, ..job("a") };
    assert_eq!(take(store.intake, from_file(hurried, "")).await, TakenOver::Known);
    assert_eq!(all_waiting(store.domain).await.len(), 2);

    let seq = all_waiting(store.domain).await[0].seq;
    store.domain.settle(seq, Settlement::Held { failure: failure("?") }, at(1)).await.unwrap();
    assert_eq!(take(store.intake, from_file(job("a"), "f:1")).await, TakenOver::Known);
    assert_eq!(counts(store.ledger).await.held, 1);
}

/// The same id with other content is a dead letter; the first job is untouched.
pub async fn other_content_under_a_known_id_is_rejected(store: Store<'_>) {
    let first = queue(store.intake, from_amqp(job("a"))).await;
    let mut other = job("a");
    other.params.body.insert("capacity".into(), json!(11));
    assert_eq!(take(store.intake, from_amqp(other)).await, TakenOver::Rejected);
    assert_eq!(store.domain.job(first.seq).await.unwrap(), job("a"));
    assert_eq!(all_waiting(store.domain).await, [first]);

    let outbox = endings(store.outbox, 0, 10).await;
    assert_eq!(outbox.len(), 1);
    let ending = &outbox[0].ending;
    assert_eq!(ending.reason, Some(Reason::IdConflict));
    assert_eq!(document(ending)["reason"], "id-conflict");
    assert_eq!(document(ending)["id"], "a");
    assert_eq!(ending.raw, raw_of("a"));
    assert_eq!(ending.amqp.message_id.as_deref(), Some("a"));
    let counts = counts(store.ledger).await;
    assert_eq!((counts.total, counts.queued, counts.dead), (2, 1, 1));
}

/// What succeeded is not done again; who asks by AMQP gets the result again, under this time's properties.
pub async fn a_succeeded_job_is_published_again(store: Store<'_>) {
    let seq = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    call(store.domain, seq, 0, success("omm_1")).await;
    assert!(endings(store.outbox, 0, 10).await.is_empty(), "a file's job is not published");
    assert_eq!(take(store.intake, from_file(job("a"), "f:1")).await, TakenOver::Succeeded);
    assert!(endings(store.outbox, 0, 10).await.is_empty());

    let mut again = from_amqp(job("a"));
    again.origin.amqp.as_mut().unwrap().reply_to = Some("answers".into());
    again.origin.amqp.as_mut().unwrap().correlation_id = Some("c-1".into());
    assert_eq!(take(store.intake, again).await, TakenOver::Succeeded);
    let outbox = endings(store.outbox, 0, 10).await;
    assert_eq!(outbox.len(), 1);
    assert_eq!(document(&outbox[0].ending)["key"], "omm_1");
    assert_eq!(outbox[0].ending.reply_to, None, "the file asked for no answer");
    assert_eq!(outbox[0].ending.amqp.correlation_id.as_deref(), Some("c-1"));
    assert!(all_waiting(store.domain).await.is_empty());
    assert_eq!(counts(store.ledger).await.succeeded, 1);
}

/// A dead or cancelled job that comes again is queued from the start, and its unsent dead letter is no longer true.
pub async fn a_dead_job_is_queued_again(store: Store<'_>) {
    for (id, settlement) in [("dead", death(Reason::Rejected)), ("gone", Settlement::Cancelled)] {
        let seq = queue(store.intake, from_amqp(job(id))).await.seq;
        call(store.domain, seq, 0, settlement).await;
        assert_eq!(endings(store.outbox, 0, 10).await.len(), 1);
        let again = Job { not_after: Some(at(900)), batch: Some("second".into()), ..job(id) };
        let waiting = queue(store.intake, from_amqp(again.clone())).await;
        assert_eq!((waiting.seq, waiting.attempts, waiting.not_after), (seq, 0, Some(at(900))));
        assert!(endings(store.outbox, 0, 10).await.is_empty());
        assert_eq!(store.domain.job(seq).await.unwrap(), again);
        assert_eq!(store.ledger.counts(Some(vec!["second".into()])).await.unwrap().queued, 1);
        call(store.domain, seq, 10, success("k")).await;
        let outbox = endings(store.outbox, 0, 10).await;
        assert_eq!(outbox.len(), 1);
        let document = document(&outbox[0].ending);
        assert_eq!((&document["status"], &document["attempts"]), (&json!("succeeded"), &json!(1)));
        assert_eq!(document.get("reason"), None);
        assert_eq!(document.get("detail"), None);
        store.outbox.done(vec![outbox[0].seq]).await.unwrap();
    }
    assert_eq!(store.ledger.counts(Some(vec!["move".into()])).await.unwrap(), Counts::default());
}

/// A rejected AMQP message is a dead letter with its bytes; a file's row is replaced when the file is run again.
pub async fn rejected_inputs_are_kept_once(store: Store<'_>) {
    let bad_row = |place: &str| Arrival {
        input: Err(Box::new(rejection(None, Some("move")))),
        origin: Origin { place: place.into(), raw: "{}".into(), ..Origin::default() },
    };
    for _ in 0..2 {
        let taken = store.intake.take_over(vec![bad_row("f:1"), bad_row("f:2")], T0).await.unwrap();
        assert_eq!(taken, [TakenOver::Rejected, TakenOver::Rejected]);
        let counts = counts(store.ledger).await;
        assert_eq!((counts.total, counts.dead), (2, 2));
    }
    assert!(endings(store.outbox, 0, 10).await.is_empty());
    queue(store.intake, from_file(job("a"), "f:1")).await;
    let after = counts(store.ledger).await;
    assert_eq!((after.total, after.dead, after.queued), (2, 1, 1));

    let message = Arrival {
        input: Err(Box::new(rejection(Some("x"), None))),
        origin: Origin { raw: b"\xff\x00".to_vec().into(), amqp: Some(AmqpOrigin::default()), ..Origin::default() },
    };
    assert_eq!(take(store.intake, message).await, TakenOver::Rejected);
    let outbox = endings(store.outbox, 0, 10).await;
    let ending = &outbox[0].ending;
    assert_eq!(&ending.raw[..], b"\xff\x00");
    assert_eq!(ending.reason, Some(Reason::Invalid));
    assert_eq!(ending.routing_key, "acme.unknown");
    let expected = json!({
        "id": "x", "app": "acme", "status": "dead", "reason": "invalid", "attempts": 0,
        "detail": "body.name: expected at most 100 characters, got 101",
        "cure": Reason::Invalid.cure().to_string(), "finished_at": T0,
    });
    assert_eq!(document(ending), expected);
}

/// A message that was rejected, published and then corrected under the same id is no dead letter any more.
pub async fn a_corrected_message_ends_its_rejection(store: Store<'_>) {
    let bad = Arrival {
        input: Err(Box::new(rejection(Some("a"), Some("move")))),
        origin: Origin { amqp: Some(AmqpOrigin::default()), ..Origin::default() },
    };
    take(store.intake, bad).await;
    let seq = endings(store.outbox, 0, 1).await[0].seq;
    store.outbox.done(vec![seq]).await.unwrap();
    queue(store.intake, from_amqp(job("a"))).await;
    let after = counts(store.ledger).await;
    assert_eq!((after.total, after.dead, after.queued), (1, 0, 1));
}

/// A job from a file that also comes by AMQP is published when it ends.
pub async fn a_file_job_that_comes_by_amqp_is_published(store: Store<'_>) {
    let seq = queue(store.intake, from_file(job("a"), "f:1")).await.seq;
    assert_eq!(take(store.intake, from_amqp(job("a"))).await, TakenOver::Known);
    call(store.domain, seq, 0, death(Reason::Rejected)).await;
    let outbox = endings(store.outbox, 0, 10).await;
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0].ending.raw, raw_of("a"));
}
