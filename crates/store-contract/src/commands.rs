//! What people change, beside a worker: cancelled, redriven, edited, dropped, resolved, suspended.

use super::*;
use paceline_domain::activity::{Action, By, Via};
use paceline_domain::catalog::built_in;
use paceline_ports::operator::{ActivityFilter, Cancelled, Edit, Resolution};
use paceline_ports::{SuspendedBy, Suspension};

/// More than any store changes in one transaction.
const MANY: usize = 1_001;

pub async fn only_queued_jobs_that_are_not_in_flight_are_cancelled(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let outcome = world.operator.cancel(&Selection::default(), false, at(20)).unwrap();
    assert_eq!(outcome, Cancelled { cancelled: 1, running: 1 });
    let counts = world.ledger.counts(None).await.unwrap();
    assert_eq!((counts.cancelled, counts.queued, counts.uncertain, counts.held), (2, 1, 1, 1));
}

pub async fn many_jobs_are_cancelled_and_redriven_in_chunks(store: Store<'_>) {
    let mut world = World::of(store);
    let arrivals = (0..MANY).map(|n| from_file(job(&n.to_string()), "")).collect();
    world.intake.take_over(arrivals, T0).await.unwrap();
    for seq in all_waiting(world.domain).await {
        world.domain.settle(seq.seq, death(Reason::Exhausted), at(1)).await.unwrap();
    }
    assert_eq!(world.redrive(&Selection::default()), MANY);
    assert_eq!(world.redrive(&Selection::default()), 0);
    assert_eq!(world.domain.changed().await.unwrap().waiting.len(), MANY);
    assert_eq!(world.operator.cancel(&Selection::default(), false, at(2)).unwrap().cancelled, MANY);
    assert_eq!(world.ledger.counts(None).await.unwrap().cancelled, MANY as u64);
}

pub async fn dead_letters_are_found_redriven_and_dropped_by_filter(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let mut bad = from_file(job("-"), "f:3");
    bad.input = Err(Box::new(rejection(Some("bad"), Some("move"))));
    assert_eq!(take(world.intake, bad).await, TakenOver::Rejected);
    let handles = |world: &World<'_>, filter: &Selection| -> Vec<String> {
        world.operator.list_dead(filter, 9).unwrap().into_iter().map(|line| line.handle).collect()
    };
    let all = Selection::default();
    assert_eq!(handles(&world, &all), ["dead", "#1"]);
    assert_eq!(world.operator.list_dead(&all, 1).unwrap().len(), 1);
    assert_eq!(handles(&world, &Selection { reason: Some(Reason::Invalid), ..all.clone() }), ["#1"]);
    assert_eq!(handles(&world, &Selection { code: Some(125_001), ..all.clone() }), ["dead"]);
    assert_eq!(handles(&world, &Selection { ids: ids(&["#1"]), ..all.clone() }), ["#1"]);
    assert!(handles(&world, &Selection { batch: Some("x".into()), ..all.clone() }).is_empty());
    assert_eq!(handles(&world, &Selection { method: Some(lane().method), ..all.clone() }), ["dead"]);
    assert_eq!(handles(&world, &Selection { app: Some("acme".into()), ..all.clone() }), ["dead", "#1"]);

    assert_eq!(world.redrive(&all), 1);
    let changed = world.domain.changed().await.unwrap().waiting;
    assert_eq!((changed.len(), changed[0].attempts), (1, 0));
    call(world.domain, changed[0].seq, 30, death(Reason::Exhausted)).await;
    assert_eq!(world.operator.show_job("dead").unwrap().unwrap().history.len(), 2);

    assert_eq!(world.operator.drop_dead(&Selection { ids: ids(&["held", "dead"]), ..all.clone() }).unwrap(), 1);
    assert_eq!(handles(&world, &all), ["#1"]);
    assert_eq!(world.operator.drop_dead(&all).unwrap(), 1);
    assert_eq!(world.domain.past_calls(T0).await.unwrap().len(), 7, "the calls of a dropped job still count");
    let again = queue(world.intake, from_file(job("dead"), "f:5")).await;
    assert_eq!(again.seq.0, 8, "its id is free, its number is not used again");
    assert_eq!(world.ledger.counts(None).await.unwrap().dead, 0);
}

pub async fn a_person_resolves_what_nobody_else_can(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let mut resolve = |id: &str, resolution: Resolution| world.operator.resolve(id, &resolution, at(40));
    for (id, why) in [("queued", "is queued"), ("dead", "is dead"), ("absent", "no job"), ("running", "in flight")] {
        assert!(resolve(id, Resolution::Retry).unwrap_err().to_string().contains(why), "{id}");
    }
    resolve("held", Resolution::Succeeded { key: "omm_9".into() }).unwrap();
    resolve("uncertain", Resolution::Retry).unwrap();
    let changed = world.domain.changed().await.unwrap().waiting;
    assert_eq!((changed.len(), changed[0].attempts, changed[0].uncertain), (1, 0, false));
    call(world.domain, changed[0].seq, 50, Settlement::Held { failure: failure("cut again") }).await;
    world.operator.resolve("uncertain", &Resolution::Dead, at(60)).unwrap();
    let held = world.operator.show_job("held").unwrap().unwrap().line.document;
    assert_eq!((&held["status"], &held["key"]), (&json!("succeeded"), &json!("omm_9")));
    let dead = world.operator.show_job("uncertain").unwrap().unwrap().line.document;
    assert_eq!((&dead["reason"], &dead["detail"]), (&json!("uncertain"), &json!("cut again")));
    assert_eq!(dead["cure"], Reason::Uncertain.cure().to_string());
    assert_eq!(dead["cure_fact"], json!({"code": "look-before-publishing"}));
}

pub async fn a_redrive_takes_what_was_dead_when_it_was_selected(store: Store<'_>) {
    let mut world = World::of(store);
    for id in ["a", "b", "c"] {
        let seq = queue(world.intake, from_amqp(job(id))).await.seq;
        call(world.domain, seq, 0, death(Reason::Exhausted)).await;
    }
    let letters = world.operator.select_dead(&Selection::default()).unwrap();
    assert_eq!(endings(world.outbox, 0, 9).await.len(), 3);
    let moved = world.operator.redrive(&letters[..1]).unwrap();
    assert_eq!(endings(world.outbox, 0, 9).await.len(), 2, "a dead letter on its way is no longer true");
    // It dies again, and "b" was put back by somebody else and died, too.
    call(world.domain, moved[0], 10, death(Reason::Exhausted)).await;
    assert_eq!(world.redrive(&Selection::of_id("b")), 1);
    let b = all_waiting(world.domain).await[0].seq;
    call(world.domain, b, 20, death(Reason::Exhausted)).await;
    let moved = world.operator.redrive(&letters).unwrap();
    assert_eq!(moved.len(), 1, "only \"c\" is as it was");
    assert_eq!(all_waiting(world.domain).await[0].seq, moved[0]);
}

fn edited(name: &str) -> Job {
    let mut job = job("a");
    job.params.body.insert("name".into(), json!(name));
    job.not_after = Some(at(900));
    job.priority = 9;
    job
}

impl<'a> World<'a> {
    /// The dead job "a", edited to carry another name.
    async fn with_an_edited_job(store: Store<'a>, redrive: bool) -> Self {
        let mut world = Self::of(store);
        let old = Job { not_after: Some(at(5)), ..job("a") };
        let seq = queue(world.intake, from_amqp(old)).await.seq;
        world.domain.settle(seq, death(Reason::Expired), at(6)).await.unwrap();
        let letter = world.operator.select_dead(&Selection::of_id("a")).unwrap().remove(0);
        let edit = Edit { letter, job: Box::new(edited("new")), redrive };
        let (written, queued) = world.operator.edit_dead(vec![edit], at(7)).unwrap();
        assert_eq!((written, queued.len()), (1, usize::from(redrive)));
        world
    }
}

pub async fn an_edited_job_stays_dead_until_it_is_put_back(store: Store<'_>) {
    let mut world = World::with_an_edited_job(store, false).await;
    assert!(all_waiting(world.domain).await.is_empty());
    let sheet = world.operator.show_job("a").unwrap().unwrap();
    assert_eq!((sheet.line.edited_at, &sheet.line.document["status"]), (Some(at(7)), &json!("dead")));
    assert_eq!(world.redrive(&Selection::of_id("a")), 1);
    let changed = world.domain.changed().await.unwrap().waiting;
    assert_eq!((changed[0].not_after, changed[0].priority), (Some(at(900)), 9));
    assert_eq!(world.domain.job(changed[0].seq).await.unwrap(), edited("new"));
    call(world.domain, changed[0].seq, 10, death(Reason::Rejected)).await;
    let outbox = endings(world.outbox, 0, 9).await;
    assert_eq!(outbox.last().unwrap().ending.raw, raw_of("a"), "the dead letter is upstream's message, byte for byte");
}

pub async fn an_edited_job_answers_to_the_old_content_and_to_the_new(store: Store<'_>) {
    let world = World::with_an_edited_job(store, false).await;
    // The old message, moved back: the edited job goes to work, with the edited deadline.
    let old = Job { not_after: Some(at(5)), ..job("a") };
    let waiting = queue(world.intake, from_amqp(old.clone())).await;
    assert_eq!((waiting.not_after, waiting.priority, waiting.attempts), (Some(at(900)), 9, 0));
    assert_eq!(world.domain.job(waiting.seq).await.unwrap(), edited("new"));
    assert_eq!(take(world.intake, from_amqp(edited("new"))).await, TakenOver::Known);
    call(world.domain, waiting.seq, 10, success("omm_1")).await;
    for again in [old, edited("new")] {
        assert_eq!(take(world.intake, from_amqp(again)).await, TakenOver::Succeeded);
    }
    assert_eq!(take(world.intake, from_amqp(edited("newest"))).await, TakenOver::Rejected);
    let conflict = world.operator.list_dead(&Selection::default(), 9).unwrap().remove(0).document;
    assert!(conflict["detail"].as_str().unwrap().contains("`paceline dead edit`"), "{conflict}");
    assert!(world.operator.is_conflict("a", edited("newest").content_hash()).unwrap());
    for content in [job("a"), edited("new"), job("absent")] {
        assert!(!world.operator.is_conflict(&content.id, content.content_hash()).unwrap());
    }
}

pub async fn the_edited_content_published_anew_brings_its_own_times(store: Store<'_>) {
    let world = World::with_an_edited_job(store, true).await;
    let seq = all_waiting(world.domain).await[0].seq;
    call(world.domain, seq, 10, death(Reason::Rejected)).await;
    let corrected = Job { not_after: Some(at(1_000)), ..edited("new") };
    assert_eq!(queue(world.intake, from_amqp(corrected)).await.not_after, Some(at(1_000)));
}

pub async fn what_changed_since_it_was_selected_is_not_edited(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let letter = world.operator.select_dead(&Selection::default()).unwrap().remove(0);
    assert_eq!(world.operator.dead_job(&letter).unwrap(), Some(job("dead")));
    assert_eq!(world.redrive(&Selection::default()), 1);
    assert_eq!(world.operator.dead_job(&letter).unwrap(), None);
    let edit = Edit { letter, job: Box::new(edited("new")), redrive: true };
    assert_eq!(world.operator.edit_dead(vec![edit], at(7)).unwrap(), (0, vec![]));
    assert_eq!(world.domain.job(JobSeq(4)).await.unwrap(), job("dead"));
}

pub async fn held_jobs_are_resolved_by_selection_and_others_are_not(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let all = Selection::of_batch("move");
    assert_eq!(world.operator.resolve_held(&Selection::of_batch("other"), &Resolution::Dead, at(9)).unwrap(), 0);
    assert_eq!(world.operator.resolve_held(&all, &Resolution::Retry, at(9)).unwrap(), 1);
    assert_eq!(world.domain.changed().await.unwrap().waiting[0].seq, JobSeq(3));
    assert_eq!(world.operator.resolve_held(&all, &Resolution::Retry, at(9)).unwrap(), 0);
    let counts = world.ledger.counts(None).await.unwrap();
    assert_eq!((counts.queued, counts.uncertain, counts.held, counts.dead), (3, 1, 0, 1));
}

pub async fn suspensions_are_seen_by_the_worker_at_once(store: Store<'_>) {
    let mut world = World::of(store);
    let suspension = Suspension {
        app: "acme".into(),
        tenant: String::new(),
        method: String::new(),
        by: SuspendedBy::Person,
        since: T0,
        until: None,
        code: None,
        detail: "an operator suspended it".into(),
        cure: Cure::ReasonGone,
        log_id: None,
    };
    world.operator.suspend(&suspension).unwrap();
    assert_eq!(world.ledger.suspensions().await.unwrap(), std::slice::from_ref(&suspension));
    assert_eq!(world.operator.suspensions().unwrap(), [suspension]);
    assert_eq!(world.operator.resume("acme", "", "").unwrap(), 1);
    assert!(world.ledger.suspensions().await.unwrap().is_empty());
}

pub async fn who_changed_what_is_told(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let by = |name: &str, change| By { via: Via::Http, name: name.into(), uid: None, change };
    world.operator.act_as(by("alice", 1));
    assert_eq!(world.operator.lift("acme").unwrap(), 0);
    world.operator.cancel(&Selection::of_id("queued"), false, at(9)).unwrap();
    world.operator.act_as(by("bob", 2));
    assert_eq!(world.redrive(&Selection::default()), 1);
    let told = |filter: &ActivityFilter, before| world.operator.activity(filter, before, 1).unwrap();
    let all = told(&ActivityFilter::default(), 0);
    let latest = &all.lines[0];
    assert_eq!((latest.actor.as_str(), latest.action.as_str(), latest.via.as_str()), ("bob", "redrive", "http"));
    assert_eq!((latest.count, latest.facts.to_string().as_str()), (1, "ids dead"));
    let earlier = told(&ActivityFilter::default(), all.next.unwrap());
    assert_eq!((earlier.lines[0].actor.as_str(), earlier.lines[0].action.as_str()), ("alice", "cancel"));
    let of = |actor: Option<&str>, action| ActivityFilter { since: None, actor: actor.map(Into::into), action };
    assert_eq!(told(&of(Some("alice"), Some(Action::Cancel)), 0).lines, earlier.lines);
    assert!(told(&of(Some("carol"), None), 0).lines.is_empty());
    assert!(told(&of(None, Some(Action::Edit)), 0).lines.is_empty());
}

pub async fn who_died_for_a_dead_job_goes_with_it(store: Store<'_>) {
    let mut world = World::of(store);
    let first = queue(world.intake, from_amqp(job("first"))).await.seq;
    for (id, after) in [("second", "first"), ("third", "second")] {
        assert_eq!(take(world.intake, from_amqp(chains::behind(id, &[after]))).await, TakenOver::Blocked);
    }
    call(world.domain, first, 0, death(Reason::Rejected)).await;
    let letters = world.operator.select_dead(&Selection::of_id("first")).unwrap();
    let letters = world.operator.with_dependents(letters).unwrap();
    assert_eq!(letters.iter().map(|letter| letter.handle.as_str()).collect::<Vec<_>>(), ["first", "second", "third"]);
    assert_eq!(world.operator.redrive(&letters).unwrap().len(), 3);
    let counts = counts(world.ledger).await;
    assert_eq!((counts.queued, counts.blocked, counts.dead), (1, 2, 0), "they wait for it anew");
    assert_eq!(world.operator.cancel(&Selection::of_id("first"), true, at(9)).unwrap().cancelled, 3);
}

pub async fn what_people_note_stays(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    world.operator.probe().unwrap();
    world.operator.describe_batch("later", "a.csv", None, T0).unwrap();
    world.operator.describe_batch("later", "b.csv", Some(&ids(&["id"])), T0).unwrap();
    world.operator.describe_batch("later", "c.csv", None, T0).unwrap();
    assert_eq!(world.operator.header("later").unwrap(), Some(ids(&["id"])), "a header is not lost");
    let reader = world.people.reports().unwrap();
    assert_eq!(reader.header("later").unwrap(), Some(ids(&["id"])), "who only reads sees it");
    assert_eq!((reader.rehearsal_speed().unwrap(), reader.broker().unwrap()), (None, None));
    world.operator.identify(&built_in().unwrap()).unwrap();
}
