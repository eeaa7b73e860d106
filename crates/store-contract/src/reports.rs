//! What people ask, beside a worker: jobs, batches and lanes, dead letters, an export.

use std::ops::ControlFlow;

use super::*;
use paceline_domain::catalog::built_in;
use paceline_ports::operator::{Ahead, BatchLine, Cancelled, Likeness, Sought};

pub async fn jobs_are_listed_by_every_filter_and_in_pages(store: Store<'_>) {
    let world = World::with_one_of_each(store).await;
    let all = world.ids(&Selection::default());
    assert_eq!(all, ["queued", "uncertain", "held", "dead", "cancelled", "succeeded", "running"]);
    for state in State::ALL {
        let found = world.ids(&Selection { state: Some(state), ..Selection::default() });
        let expected = match state {
            State::Queued => vec!["queued", "running"],
            State::Blocked => vec![],
            State::Uncertain | State::Held | State::Dead | State::Cancelled | State::Succeeded => vec![state.as_str()],
        };
        assert_eq!(found, expected);
    }
    let none = Some("other".to_owned());
    assert!(world.ids(&Selection { batch: none.clone(), ..Selection::default() }).is_empty());
    assert!(world.ids(&Selection { method: none.clone(), ..Selection::default() }).is_empty());
    assert!(world.ids(&Selection { app: none, ..Selection::default() }).is_empty());
    let exact = Selection {
        ids: ids(&["held", "absent"]),
        batch: Some("move".into()),
        method: Some(lane().method),
        app: Some("acme".into()),
        ..Selection::default()
    };
    assert_eq!(world.ids(&exact), ["held"]);
    let page = world.operator.list_jobs(&Selection::default(), 2, 2).unwrap();
    assert_eq!(page.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 4]);
    let running = world.operator.list_jobs(&Selection::default(), 6, 9).unwrap();
    assert!(running[0].running && !page[0].running);
    assert_eq!(world.operator.running().unwrap(), 1);
}

pub async fn a_job_is_shown_with_its_attempts_and_without_its_parameters(store: Store<'_>) {
    let world = World::of(store);
    let mut secret = job("a");
    secret.params.body.insert("password".into(), json!("hunter2"));
    let seq = queue(world.intake, from_amqp(secret)).await.seq;
    call(world.domain, seq, 0, death(Reason::Rejected)).await;
    let sheet = world.operator.show_job("a").unwrap().unwrap();
    assert_eq!(sheet.history.len(), 1);
    assert_eq!((sheet.history[0].purpose, sheet.history[0].ended_at), ("job", Some(at(1))));
    let text = serde_json::to_value(&sheet).unwrap();
    assert_eq!((&text["status"], &text["code"], &text["seq"]), (&json!("dead"), &json!(125_001), &json!(1)));
    assert!(!text.to_string().contains("hunter2"));
    let dead = serde_json::to_value(world.operator.list_dead(&Selection::default(), 9).unwrap()).unwrap();
    assert!(!dead.to_string().contains("hunter2"));
    assert_eq!(world.operator.show_job("b").unwrap(), None);
}

pub async fn rejected_inputs_can_be_read_again(store: Store<'_>) {
    let world = World::of(store);
    let mut bad = from_amqp(job("a"));
    bad.input = Err(Box::new(rejection(Some("a"), None)));
    take(world.intake, bad.clone()).await;
    let letters = world.operator.select_dead(&Selection::default()).unwrap();
    assert_eq!((letters.len(), letters[0].handle.as_str(), letters[0].is_input()), (1, "#1", true));
    let input = world.operator.rejected_input(&letters[0]).unwrap().unwrap();
    assert_eq!((input.id.as_deref(), input.app.as_deref()), (Some("a"), Some("acme")));
    assert_eq!(input.origin.raw, raw_of("a"));
    assert_eq!(input.origin.amqp, bad.origin.amqp);
}

pub async fn jobs_are_followed_to_their_endings(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    let jobs = [1, 2, 3, 4, 5, 6, 7, 99].map(JobSeq);
    let ended = world.operator.ended_among(&jobs).unwrap();
    let seen: Vec<_> = ended.iter().map(|followed| (followed.seq.0, followed.state, followed.is_failure())).collect();
    let expected = [
        (3, Some(State::Held), true),
        (4, Some(State::Dead), true),
        (5, Some(State::Cancelled), false),
        (6, Some(State::Succeeded), false),
        (99, None, false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(ended[1].document["reason"], "rejected");
    assert_eq!(world.redrive(&Selection::default()), 1);
}

pub async fn a_cancellation_is_counted_beforehand(store: Store<'_>) {
    let world = World::with_one_of_each(store).await;
    let count = |selection: &Selection| world.operator.cancellable(selection, false).unwrap();
    assert_eq!(count(&Selection::default()), Cancelled { cancelled: 1, running: 1 });
    assert_eq!(count(&Selection::of_id("running")), Cancelled { cancelled: 0, running: 1 });
    assert_eq!(count(&Selection::of_id("dead")), Cancelled::default());
}

pub async fn batches_and_lanes_are_counted(store: Store<'_>) {
    let mut world = World::with_one_of_each(store).await;
    world.operator.describe_batch("move", "rooms.csv", Some(&ids(&["id", "name"])), T0).unwrap();
    assert_eq!(world.operator.header("move").unwrap(), Some(ids(&["id", "name"])));
    assert_eq!(world.operator.header("absent").unwrap(), None);
    let batches = world.operator.batches().unwrap();
    let counts =
        Counts { total: 7, queued: 2, uncertain: 1, held: 1, succeeded: 1, dead: 1, cancelled: 1, ..Counts::default() };
    let source = Some("rooms.csv".to_owned());
    assert_eq!(batches, [BatchLine { name: "move".into(), source, created_at: Some(T0), counts }]);
    let lanes = world.operator.lanes().unwrap();
    assert_eq!(lanes.len(), 1);
    assert_eq!((lanes[0].queued, lanes[0].uncertain, lanes[0].running), (2, 1, 1));
}

pub async fn an_export_gives_every_row_in_the_files_order(store: Store<'_>) {
    let world = World::of(store);
    let row = |line: u64, good: bool| {
        let mut arrival = from_file(job(&format!("id-{line}")), &format!("rooms.csv:{line}"));
        arrival.origin.cells = Some(json!([line.to_string(), "a;b"]).to_string());
        if !good {
            arrival.input = Err(Box::new(rejection(None, Some("move"))));
        }
        arrival
    };
    let arrivals = (2..12).map(|line| row(line, line % 3 != 0)).collect();
    world.intake.take_over(arrivals, T0).await.unwrap();
    queue(world.intake, from_amqp(Job { batch: None, ..job("alone") })).await;
    let export = |filter: &Selection| {
        let mut rows = Vec::new();
        let keep = &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        };
        world.operator.export(filter, false, keep).unwrap();
        rows
    };
    let of_batch = Selection { batch: Some("move".into()), ..Selection::default() };
    let rows = export(&of_batch);
    let cells: Vec<_> = rows.iter().map(|row| row.cells.clone().unwrap()[0].clone()).collect();
    assert_eq!(cells, (2..12).map(|line: u64| line.to_string()).collect::<Vec<_>>());
    assert_eq!(rows[1].document["reason"], "invalid");
    assert_eq!(rows[0].document["status"], "queued");
    assert_eq!(export(&Selection::default()).len(), 11);
    assert_eq!(export(&Selection { state: Some(State::Dead), ..of_batch.clone() }).len(), 3);
    assert_eq!(export(&Selection { batch: Some("absent".into()), ..of_batch.clone() }), []);

    let mut seen = 0;
    let stop = &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    world.operator.export(&of_batch, false, stop).unwrap();
    assert_eq!(seen, 1);
    assert_eq!(export(&of_batch).len(), 10, "an export that stopped leaves nothing open");
}

pub async fn a_forecast_is_told_what_waits_what_flies_and_what_still_counts(store: Store<'_>) {
    let world = World::with_one_of_each(store).await;
    queue(world.intake, from_file(Job { priority: 9, ..job("urgent") }, "")).await;
    let outlook = world.operator.outlook(T0).unwrap();
    let groups: Vec<_> = outlook.backlog.iter().map(|group| (group.priority, group.not_before, group.count)).collect();
    assert_eq!(groups, [(4, None, 1), (4, Some(at(9)), 1), (9, None, 1)], "the one in flight is not among them");
    let (running, deadline_at) = &outlook.running[0];
    assert_eq!((outlook.running.len(), running.sent_at, *deadline_at), (1, at(5), at(35)));
    assert_eq!(outlook.past[&lane()].len(), 6, "five that ended and the one in flight");
    assert_eq!(world.operator.outlook_of(&|_| at(2)).unwrap().past[&lane()].len(), 1, "the others were counted before");
    assert!(world.operator.past_of(&|_| None).unwrap().values().all(Vec::is_empty));
    let mut calls = Vec::new();
    world.operator.each_call(T0, &mut |call| calls.push((call.sent_at, call.open))).unwrap();
    assert_eq!(calls, [[(at(0), false)].repeat(5), vec![(at(5), true)]].concat());
    let mut waits = 0;
    world.operator.each_wait(T0, at(60), &mut |_, from, to| waits += i64::from(from <= to)).unwrap();
    assert_eq!(waits, 7, "one was put back until an instant, and does not tell any more how long it waited");
    assert_eq!(world.operator.outcomes(T0).unwrap(), [("succeeded".to_owned(), 5)].into());
    let minute = T0.0 / (60 * S);
    assert_eq!(world.operator.calls_by_minute(T0, at(60), 99).unwrap(), [(lane(), vec![(minute, 6, 0)])]);
}

pub async fn it_is_known_what_a_job_waits_for(store: Store<'_>) {
    let world = World::of(store);
    for job in [job("first"), job("second"), Job { priority: 9, ..job("urgent") }] {
        queue(world.intake, from_amqp(job)).await;
    }
    let other = Job { batch: Some("other".into()), ..job("other") };
    queue(world.intake, from_amqp(other)).await;
    assert_eq!(take(world.intake, from_amqp(chains::behind("last", &["first", "absent"]))).await, TakenOver::Blocked);
    let sheet = |id: &str| world.operator.show_job(id).unwrap().unwrap();
    let ahead = world.operator.ahead(&sheet("second"), at(1)).unwrap();
    assert_eq!(ahead, Ahead { higher: 1, own_batch: 1, others: 1 });
    let mut awaited = world.operator.awaited(sheet("last").line.seq).unwrap();
    awaited.sort_by(|one, other| one.id.cmp(&other.id));
    let states: Vec<_> = awaited.iter().map(|one| (one.id.as_str(), one.state)).collect();
    assert_eq!(states, [("absent", None), ("first", Some(State::Queued))]);

    let mut bad = from_amqp(job("bad"));
    bad.input = Err(Box::new(rejection(Some("bad"), None)));
    take(world.intake, bad).await;
    let rejected = world.operator.rejection_of("bad").unwrap().unwrap();
    assert_eq!((rejected.number, rejected.reason.as_str()), (1, "invalid"));
    assert_eq!(world.operator.rejection_of("first").unwrap(), None);
}

pub async fn what_jobs_created_is_found_again(store: Store<'_>) {
    let world = World::with_one_of_each(store).await;
    let made = world.operator.made(&Selection::of_batch("move")).unwrap();
    let known: Vec<_> = made.iter().filter(|made| made.has_key).map(|made| (made.state, made.count)).collect();
    assert_eq!(known, [(State::Succeeded, 1)]);
    assert_eq!(made.iter().map(|made| made.count).sum::<u64>(), 7);
    let created = world.operator.created(&Selection::default(), 0, 9).unwrap().lines.remove(0);
    assert_eq!(
        (created.id.as_str(), created.key.as_str(), &created.params),
        ("succeeded", "omm_1", &job("succeeded").params)
    );
    assert_eq!(world.operator.gone_before("move").unwrap(), 0);
    let catalog = built_in().unwrap();
    let seeker = world.operator.seeker(&catalog).unwrap();
    let found = |job: &Job| {
        let (known, twin) = seeker.seek(Sought { job, is_row: true, by_content: false }).unwrap();
        (known.map(|known| (known.likeness, known.state)), twin.map(|twin| twin.id))
    };
    assert_eq!(found(&job("queued")), (Some((Likeness::Same, State::Queued)), None));
    assert_eq!(found(&job("never seen")), (None, None));
    assert_eq!(found(&Job { id: "new".into(), ..job("succeeded") }), (None, Some("succeeded".to_owned())));
    assert_eq!(found(&Job { id: "new".into(), ..job("dead") }), (None, None), "what is dead created nothing");
    assert_eq!(seeker.job("queued").unwrap(), Some(job("queued")));
    assert_eq!(seeker.updates("queued").unwrap(), []);
}
