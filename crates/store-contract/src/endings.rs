//! Endings and their documents, the outbox, suspensions, counts and the list of waiting jobs.

use paceline_domain::messages::Cure;
use serde_json::json;

use super::*;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::quota::{Key, Window};
use paceline_ports::{Reached, Restrained, Restraint, RestraintKind, SuspendedBy, Suspension};

/// The documents are those of the contract, field by field.
pub async fn documents_are_the_contracts(store: Store<'_>) {
    let good = Job { meta: Some(object(json!({"row": 7}))), reply_to: Some("answers".into()), ..job("good") };
    let good = queue(store.intake, from_amqp(good)).await.seq;
    let bad = queue(store.intake, from_amqp(Job { batch: None, ..job("bad") })).await.seq;
    let late = queue(store.intake, from_amqp(job("late"))).await.seq;
    call(store.domain, good, 0, success("omm_4de3")).await;
    call(store.domain, bad, 0, death(Reason::Rejected)).await;
    let expired = Failure { detail: "it was to be sent before".into(), ..Failure::default() };
    store.domain.settle(late, Settlement::Dead { reason: Reason::Expired, failure: expired }, at(9)).await.unwrap();

    let outbox = endings(store.outbox, 0, 10).await;
    let documents: Vec<_> = outbox.iter().map(|row| document(&row.ending)).collect();
    let expected = [
        json!({
            "id": "good", "method": "feishu.vc.room.create", "app": "acme", "batch": "move", "status": "succeeded",
            "key": "omm_4de3", "result": {"room": {"room_id": "omm_4de3"}}, "attempts": 1, "finished_at": at(1),
            "meta": {"row": 7},
        }),
        json!({
            "id": "bad", "method": "feishu.vc.room.create", "app": "acme", "status": "dead", "reason": "rejected",
            "code": 125_001, "detail": "cannot create/update room at this level", "cure": "choose another level",
            "log_id": "log-1", "attempts": 1, "finished_at": at(1),
        }),
        json!({
            "id": "late", "method": "feishu.vc.room.create", "app": "acme", "batch": "move", "status": "dead",
            "reason": "expired", "detail": "it was to be sent before", "cure": Reason::Expired.cure().to_string(),
            "attempts": 0, "finished_at": at(9),
        }),
    ];
    assert_eq!(documents, expected);
    assert_eq!(outbox[0].ending.reason, None);
    assert_eq!(outbox[0].ending.reply_to.as_deref(), Some("answers"));
    assert_eq!(outbox[1].ending.failure, failure("cannot create/update room at this level"));
    assert_eq!(outbox[1].ending.raw, raw_of("bad"));
    assert!(outbox.iter().all(|row| row.ending.routing_key == "acme.feishu.vc.room.create"));
}

/// Warnings stay with their success, are told with it, however often it is asked for, and are counted apart.
pub async fn warnings_are_told_and_counted(store: Store<'_>) {
    let whole = queue(store.intake, from_amqp(job("whole"))).await.seq;
    let partly = queue(store.intake, from_amqp(Job { batch: Some("other".into()), ..job("partly") })).await.seq;
    call(store.domain, whole, 0, success("omm_1")).await;
    call(store.domain, partly, 0, warned("omm_2")).await;
    let expected = json!([{"field": "excess_users", "message": "invited without an account", "values": ["zhangsan"]}]);
    let told = endings(store.outbox, 0, 10).await;
    assert_eq!(document(&told[0].ending).get("warnings"), None);
    assert_eq!(document(&told[1].ending)["warnings"], expected);
    assert_eq!((&document(&told[1].ending)["status"], told[1].ending.reason), (&json!("succeeded"), None));
    assert_eq!(
        take(store.intake, from_amqp(Job { batch: Some("other".into()), ..job("partly") })).await,
        TakenOver::Succeeded
    );
    assert_eq!(document(&endings(store.outbox, told[1].seq, 10).await[0].ending)["warnings"], expected);

    let of = async |batch: &str| store.ledger.counts(Some(vec![batch.to_owned()])).await.unwrap();
    assert_eq!(counts(store.ledger).await, Counts { total: 2, succeeded: 2, warnings: 1, ..Counts::default() });
    assert_eq!((of("move").await.warnings, of("other").await.warnings), (0, 1));
    let event = store.outbox.claim(0, 100).await.unwrap().into_iter().map(|row| document(&row.ending));
    let event = event.into_iter().find(|document| document["batch"] == "other" && document["event"].is_string());
    assert_eq!(event.unwrap()["warnings"], 1);
}

/// A job whose object was deleted has no warnings any more, and none of them come back with its next success.
pub async fn warnings_go_with_what_they_were_about(store: Store<'_>) {
    let create = queue(store.intake, from_amqp(job("create"))).await.seq;
    call(store.domain, create, 0, warned("omm_1")).await;
    let delete = queue(store.intake, from_amqp(job("delete"))).await.seq;
    let undone = Settlement::Undone {
        result: json!({}),
        creates: vec![lane().method],
        key: "omm_1".into(),
        warnings: Vec::new(),
    };
    call(store.domain, delete, 5, undone).await;
    assert_eq!(counts(store.ledger).await, Counts { total: 2, succeeded: 1, cancelled: 1, ..Counts::default() });
    assert_eq!(queue(store.intake, from_amqp(job("create"))).await.seq, create);
    call(store.domain, create, 9, success("omm_2")).await;
    assert_eq!(counts(store.ledger).await, Counts { total: 2, succeeded: 2, ..Counts::default() });
    let last = document(&endings(store.outbox, 0, 10).await.pop().unwrap().ending);
    assert_eq!((&last["key"], last.get("warnings")), (&json!("omm_2"), None));
}

/// The outbox is read in order and in pages; its numbers never start again.
pub async fn the_outbox_is_paged_and_forgotten(store: Store<'_>) {
    let mut last = 0;
    for round in 0..2 {
        let mut seqs = Vec::new();
        for n in 0..3 {
            let seq = queue(store.intake, from_amqp(job(&format!("{round}-{n}")))).await.seq;
            call(store.domain, seq, 0, success("k")).await;
            seqs.push(seq);
        }
        let first = endings(store.outbox, last, 2).await;
        let rest = endings(store.outbox, first[1].seq, 2).await;
        let all: Vec<_> = first.iter().chain(&rest).map(|row| row.seq).collect();
        assert_eq!(all.len(), 3);
        assert!(all[0] > last && all.is_sorted());
        last = all[2];
        store.outbox.done(all).await.unwrap();
        assert!(endings(store.outbox, 0, 10).await.is_empty());
    }
}

/// How far a row has come stays with it; what is set aside is read apart, and forgotten like the rest.
pub async fn what_is_set_aside_is_read_apart(store: Store<'_>) {
    for n in 0..3 {
        let seq = queue(store.intake, from_amqp(job(&n.to_string()))).await.seq;
        call(store.domain, seq, 0, success("k")).await;
    }
    let rows = endings(store.outbox, 0, 10).await;
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert!(rows.iter().all(|row| row.reached == Reached::default()));
    assert!(store.outbox.claim_aside(10).await.unwrap().is_empty());
    let refused = Reached::QUEUE.and(Reached::REFUSED).and(Reached::ASIDE);
    store.outbox.reached(vec![(seqs[0], refused), (seqs[1], Reached::QUEUE), (seqs[2] + 9, refused)]).await.unwrap();

    let open: Vec<_> = endings(store.outbox, 0, 10).await.iter().map(|row| (row.seq, row.reached)).collect();
    assert_eq!(open, [(seqs[1], Reached::QUEUE), (seqs[2], Reached::default())]);
    let aside = store.outbox.claim_aside(10).await.unwrap();
    assert_eq!((aside.len(), aside[0].seq, aside[0].reached), (1, seqs[0], refused));
    assert_eq!(document(&aside[0].ending)["id"], "0");
    store.outbox.reached(vec![(seqs[0], refused.again()), (seqs[2], refused)]).await.unwrap();
    let aside: Vec<_> = store.outbox.claim_aside(10).await.unwrap().iter().map(|row| row.seq).collect();
    assert_eq!(aside, [seqs[2], seqs[0]], "what was refused least goes first");
    assert_eq!(store.outbox.claim_aside(1).await.unwrap()[0].seq, seqs[2]);
    store.outbox.done(seqs).await.unwrap();
    assert!(store.outbox.claim_aside(10).await.unwrap().is_empty() && endings(store.outbox, 0, 10).await.is_empty());
}

/// Suspensions replace each other by app, tenant and method, and are resumed as wide as named.
pub async fn suspensions_come_and_go(store: Store<'_>) {
    let of = |app: &str, tenant: &str, method: &str, detail: &str| Suspension {
        app: app.into(),
        tenant: tenant.into(),
        method: method.into(),
        by: SuspendedBy::Worker,
        since: at(0),
        until: Some(at(60)),
        code: Some(10_014),
        detail: detail.into(),
        cure: Cure::Older { text: "correct the secret".into() },
        log_id: None,
    };
    for suspension in [of("a", "", "", "first"), of("a", "", "", "second"), of("a", "t", "m", ""), of("b", "", "m", "")]
    {
        store.ledger.suspend(suspension).await.unwrap();
    }
    let expected = [of("a", "", "", "second"), of("a", "t", "m", ""), of("b", "", "m", "")];
    assert_eq!(store.ledger.suspensions().await.unwrap(), expected);
    assert_eq!(store.ledger.resume("b", "", "other").await.unwrap(), 0);
    assert_eq!(store.ledger.resume("a", "t", "").await.unwrap(), 1);
    assert_eq!(store.ledger.resume("a", "", "").await.unwrap(), 1);
    assert_eq!(store.ledger.suspensions().await.unwrap(), [of("b", "", "m", "")]);
    store.ledger.suspend(Suspension { until: None, ..of("c", "", "", "") }).await.unwrap();
    assert_eq!(store.ledger.end_suspensions(at(59)).await.unwrap(), 0);
    assert_eq!(store.ledger.end_suspensions(at(60)).await.unwrap(), 1);
    assert_eq!(store.ledger.suspensions().await.unwrap().len(), 1, "one without an end stays");
}

/// Restraints come back as they were, in their order, and each list replaces the one before.
pub async fn restraints_are_replaced_as_a_whole(store: Store<'_>) {
    let of = |target: Restrained, kind: RestraintKind, until: Option<i64>, cause: Failure| Restraint {
        target,
        app: "acme".into(),
        kind,
        since: at(-5),
        until: until.map(at),
        cause,
    };
    let scopes = [QuotaScope::AppTenant, QuotaScope::Corp, QuotaScope::App, QuotaScope::Host];
    let key = |scope| Restrained::Key(Key { scope, owner: "cli_a1/t".into(), method: lane().method });
    let window = Window { limit: 150_000, span: std::time::Duration::from_secs(3_600) };
    let lane = LaneKey { tenant: "t".into(), ..lane() };
    let bare = Failure { detail: "no connection".into(), ..Failure::default() };
    let mut all: Vec<_> = scopes
        .into_iter()
        .map(|scope| of(key(scope), RestraintKind::Pause { refusals: 3 }, Some(60), failure("too fast")))
        .collect();
    all.push(of(key(QuotaScope::Corp), RestraintKind::Limit { window, limit: 7, patience: 4 }, None, failure("")));
    all.push(of(Restrained::App, RestraintKind::Pause { refusals: 1 }, Some(0), bare));
    all.push(of(Restrained::App, RestraintKind::Rate { per_s: 12.5, refused_at: 50.0 }, None, failure("app")));
    all.push(of(
        Restrained::Lane(lane.clone()),
        RestraintKind::Concurrency { limit: 3, max: 64 },
        None,
        failure("contended"),
    ));
    all.push(of(Restrained::Lane(lane), RestraintKind::Pause { refusals: 2 }, Some(40), failure("internal error")));
    assert_eq!(store.domain.restraints().await.unwrap(), []);
    store.domain.set_restraints(all.clone()).await.unwrap();
    assert_eq!(store.domain.restraints().await.unwrap(), all);
    all.remove(0);
    all.rotate_left(3);
    store.domain.set_restraints(all.clone()).await.unwrap();
    assert_eq!(store.domain.restraints().await.unwrap(), all);
    store.domain.set_restraints(Vec::new()).await.unwrap();
    assert_eq!(store.domain.restraints().await.unwrap(), []);
}

/// Waiting jobs are listed in order, in pages, by batch; counts follow every step.
pub async fn waiting_jobs_are_paged_by_batch(store: Store<'_>) {
    let mut seqs = Vec::new();
    for n in 0..6 {
        let batch = ["x", "y", ""][n % 3];
        let batch = Some(batch.to_owned()).filter(|name| !name.is_empty());
        seqs.push(queue(store.intake, from_file(Job { batch, ..job(&n.to_string()) }, "")).await.seq);
    }
    let page = async |batches: Option<Vec<String>>, after: JobSeq, limit: usize| -> Vec<JobSeq> {
        store.domain.waiting(batches, after, limit).await.unwrap().into_iter().map(|waiting| waiting.seq).collect()
    };
    assert_eq!(page(None, JobSeq(0), 4).await, seqs[..4]);
    assert_eq!(page(None, seqs[3], 4).await, seqs[4..]);
    let xs = Some(vec!["x".to_owned(), "unheard-of".to_owned()]);
    assert_eq!(page(xs.clone(), JobSeq(0), 9).await, [seqs[0], seqs[3]]);
    assert_eq!(page(Some(vec![]), JobSeq(0), 9).await, []);
    store.domain.settle(seqs[0], death(Reason::Expired), at(1)).await.unwrap();
    assert_eq!(page(xs.clone(), JobSeq(0), 9).await, [seqs[3]]);
    let counts = store.ledger.counts(xs).await.unwrap();
    assert_eq!((counts.total, counts.queued, counts.dead), (2, 1, 1));
    assert!(store.domain.changed().await.unwrap().waiting.is_empty());
}
