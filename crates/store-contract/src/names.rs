//! Names in the place of ids: who waits for one, what becomes of them, and what is kept of look-ups.

use super::*;
use paceline_domain::messages::Cause;
use paceline_ports::Named;

/// A job whose level is a name, with the id that was found for it.
fn named(id: &str, found: Option<&str>) -> Job {
    let mut job = job(id);
    let mut name = json!({"$find": "总部"});
    if let Some(found) = found {
        name["is"] = json!(found);
    }
    job.params.body.insert("room_level_id".into(), name);
    job
}

pub async fn a_job_waits_until_the_ids_of_its_names_are_known(store: Store<'_>) {
    for id in ["good", "bad"] {
        assert_eq!(take(store.intake, from_amqp(named(id, None))).await, TakenOver::Blocked);
    }
    let ready = queue(store.intake, from_amqp(named("ready", Some("omb_1")))).await.seq;
    let open = store.domain.nameless(JobSeq(0), 10).await.unwrap();
    let ids: Vec<_> = open.iter().map(|(_, job)| job.id.as_str()).collect();
    assert_eq!((ids, counts(store.ledger).await.blocked), (vec!["good", "bad"], 2));
    assert_eq!(store.domain.nameless(open[0].0, 10).await.unwrap().len(), 1, "after the first");
    assert_eq!(all_waiting(store.domain).await.iter().map(|it| it.seq).collect::<Vec<_>>(), [ready]);

    let found = vec![
        (open[0].0, Named::As(Box::new(named("good", Some("omb_2"))))),
        (open[1].0, Named::Not(Cause::NamesNotFound { why: "nothing".to_owned() })),
    ];
    let unblocked = store.domain.named(found.clone(), at(1)).await.unwrap();
    assert_eq!(unblocked.iter().map(|it| it.seq).collect::<Vec<_>>(), [open[0].0]);
    assert_eq!(store.domain.job(open[0].0).await.unwrap().params.body["room_level_id"]["is"], "omb_2");
    assert_eq!(store.domain.named(found, at(2)).await.unwrap(), [], "once");
    assert_eq!((counts(store.ledger).await.dead, store.domain.nameless(JobSeq(0), 10).await.unwrap().len()), (1, 0));
    // The same job again, whatever id it brings.
    let again = take(store.intake, from_amqp(named("good", Some("omb_3")))).await;
    assert_eq!(again, TakenOver::Known);
}

pub async fn a_name_is_looked_up_again_when_its_id_is_gone_or_its_job_begins_anew(store: Store<'_>) {
    let seq = queue(store.intake, from_amqp(named("a", Some("omb_1")))).await.seq;
    call(store.domain, seq, 0, Settlement::Nameless { failure: failure("no such level") }).await;
    assert_eq!((counts(store.ledger).await.blocked, all_waiting(store.domain).await.len()), (1, 0));
    let open = store.domain.nameless(JobSeq(0), 10).await.unwrap();
    assert_eq!(open.len(), 1);
    let found = vec![(seq, Named::As(Box::new(named("a", Some("omb_2")))))];
    assert_eq!(store.domain.named(found, at(2)).await.unwrap().len(), 1);
    call(store.domain, seq, 3, death(Reason::Rejected)).await;
    let mut world = World::of(store);
    assert_eq!(world.redrive(&Selection::default()), 1);
    assert_eq!(counts(store.ledger).await.blocked, 1, "its id may be gone by now");
    assert_eq!(store.domain.nameless(JobSeq(0), 10).await.unwrap().len(), 1);
}

pub async fn a_name_and_another_job_are_both_waited_for(store: Store<'_>) {
    let first = queue(store.intake, from_amqp(job("first"))).await.seq;
    let mut last = named("last", None);
    last.after = vec!["first".to_owned()];
    assert_eq!(take(store.intake, from_amqp(last.clone())).await, TakenOver::Blocked);
    let (seq, _) = store.domain.nameless(JobSeq(0), 10).await.unwrap().remove(0);
    last.params = named("last", Some("omb_1")).params;
    assert_eq!(store.domain.named(vec![(seq, Named::As(Box::new(last)))], at(1)).await.unwrap(), []);
    let attempt = begin(store.domain, first, 2).await;
    let unblocked = store.domain.end_attempt(ended(attempt, 3, Some((first, success("omm_1")))).into()).await.unwrap();
    assert_eq!(unblocked.iter().map(|it| it.seq).collect::<Vec<_>>(), [seq]);
}

pub async fn what_look_ups_have_shown_is_kept_with_its_age(store: Store<'_>) {
    let listed = async |place: &str, since: i64| {
        store.ledger.listed("d", place, at(since)).await.unwrap().map(|kept| (kept.items, kept.read_at))
    };
    let keep = async |items: &str, when: i64| {
        let places = vec![(String::new(), items.to_owned()), ("is a@b.c".to_owned(), "[]".to_owned())];
        store.ledger.keep_listed("d", places, at(when)).await.unwrap();
    };
    assert_eq!(listed("", 0).await, None);
    keep("[1]", 10).await;
    keep("[2]", 20).await;
    assert_eq!(listed("", 20).await, Some(("[2]".to_owned(), at(20))));
    assert_eq!(listed("", 21).await, None, "too old");
    assert_eq!(listed("is a@b.c", 0).await, Some(("[]".to_owned(), at(20))));
    store.ledger.forget_listed("other").await.unwrap();
    assert!(listed("", 0).await.is_some());
    store.ledger.forget_listed("d").await.unwrap();
    assert_eq!(listed("", 0).await, None);
}
