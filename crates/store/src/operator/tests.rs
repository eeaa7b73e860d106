//! Tests of the operators' side, on a ledger that a worker works at the same time.

mod outlook;
mod piles;
mod plans;
mod repeats;

use paceline_domain::messages::Cure;
use paceline_ports::operator::{BatchLine, Cancelled, Edit, Likeness, Resolution, Seeker, Sought};
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::contract::{
    T0, all_waiting, at, begin, call, death, endings, failure, from_amqp, from_file, job, lane, queue, raw_of,
    rejection, success, take,
};
use crate::sqlite::{Mode, SqliteLedger};
use crate::state::State;
use paceline_domain::reason::Reason;
use paceline_ports::{Counts, Domain, Intake, Ledger, Settlement, SuspendedBy, TakenOver};

struct World {
    ledger: SqliteLedger,
    operator: Box<dyn Commands>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let ledger = SqliteLedger::open(&path, Mode::Worker, T0).unwrap();
        Self { ledger, operator: crate::open(&path).unwrap(), path, _folder: folder }
    }

    /// One job in each state, named after it, and one in flight.
    async fn with_one_of_each() -> Self {
        let world = Self::new();
        let alone = State::ALL.into_iter().filter(|state| *state != State::Blocked);
        for (n, state) in alone.enumerate() {
            let seq = queue(&world.ledger, from_file(job(state.as_str()), &format!("f:{}", n + 2))).await.seq;
            let failure = failure("why");
            let settlement = match state {
                State::Queued | State::Blocked => continue,
                State::Uncertain => Settlement::Uncertain { not_before: at(9), charged: true, failure },
                State::Held => Settlement::Held { failure },
                State::Dead => death(Reason::Rejected),
                State::Cancelled => Settlement::Cancelled,
                State::Succeeded => success("omm_1"),
            };
            call(&world.ledger.domain(), seq, 0, settlement).await;
        }
        let running = queue(&world.ledger, from_file(job("running"), "f:8")).await.seq;
        begin(&world.ledger.domain(), running, 5).await;
        world
    }

    fn redrive(&mut self, selection: &Selection) -> usize {
        let letters = self.operator.select_dead(selection).unwrap();
        self.operator.redrive(&letters).unwrap().len()
    }

    fn ids(&self, filter: &Selection) -> Vec<String> {
        let lines = self.operator.list_jobs(filter, 0, 100).unwrap();
        lines.iter().map(|line| line.document["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn jobs_are_listed_by_every_filter_and_in_pages() {
    let world = World::with_one_of_each().await;
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

#[tokio::test]
async fn a_job_is_shown_with_its_attempts_and_without_its_parameters() {
    let world = World::new();
    let mut secret = job("a");
    secret.params.body.insert("password".into(), json!("hunter2"));
    let seq = queue(&world.ledger, from_amqp(secret)).await.seq;
    call(&world.ledger.domain(), seq, 0, death(Reason::Rejected)).await;
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

#[tokio::test]
async fn only_queued_jobs_that_are_not_in_flight_are_cancelled() {
    let mut world = World::with_one_of_each().await;
    let outcome = world.operator.cancel(&Selection::default(), false, at(20)).unwrap();
    assert_eq!(outcome, Cancelled { cancelled: 1, running: 1 });
    let counts = world.ledger.counts(None).await.unwrap();
    assert_eq!((counts.cancelled, counts.queued, counts.uncertain, counts.held), (2, 1, 1, 1));
}

#[tokio::test]
async fn many_jobs_are_cancelled_and_redriven_in_chunks() {
    let mut world = World::new();
    let many = CHUNK * 2 + 1;
    let arrivals = (0..many).map(|n| from_file(job(&n.to_string()), "")).collect();
    world.ledger.take_over(arrivals, T0).await.unwrap();
    for seq in all_waiting(&world.ledger.domain()).await {
        world.ledger.domain().settle(seq.seq, death(Reason::Exhausted), at(1)).await.unwrap();
    }
    assert_eq!(world.redrive(&Selection::default()), many);
    assert_eq!(world.redrive(&Selection::default()), 0);
    assert_eq!(world.ledger.domain().changed().await.unwrap().waiting.len(), many);
    assert_eq!(world.operator.cancel(&Selection::default(), false, at(2)).unwrap().cancelled, many);
    assert_eq!(world.ledger.counts(None).await.unwrap().cancelled, many as u64);
}

#[tokio::test]
async fn dead_letters_are_found_redriven_and_dropped_by_filter() {
    let mut world = World::with_one_of_each().await;
    let mut bad = from_file(job("-"), "f:3");
    bad.input = Err(Box::new(rejection(Some("bad"), Some("move"))));
    assert_eq!(take(&world.ledger, bad).await, TakenOver::Rejected);
    let handles = |world: &World, filter: &Selection| -> Vec<String> {
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
    let changed = world.ledger.domain().changed().await.unwrap().waiting;
    assert_eq!((changed.len(), changed[0].attempts), (1, 0));
    call(&world.ledger.domain(), changed[0].seq, 30, death(Reason::Exhausted)).await;
    assert_eq!(world.operator.show_job("dead").unwrap().unwrap().history.len(), 2);

    assert_eq!(world.operator.drop_dead(&Selection { ids: ids(&["held", "dead"]), ..all.clone() }).unwrap(), 1);
    assert_eq!(handles(&world, &all), ["#1"]);
    assert_eq!(world.operator.drop_dead(&all).unwrap(), 1);
    assert_eq!(world.ledger.domain().past_calls(T0).await.unwrap().len(), 7, "the calls of a dropped job still count");
    let again = queue(&world.ledger, from_file(job("dead"), "f:5")).await;
    assert_eq!(again.seq.0, 8, "its id is free, its number is not used again");
    assert_eq!(world.ledger.counts(None).await.unwrap().dead, 0);
}

#[tokio::test]
async fn rejected_inputs_can_be_read_again() {
    let world = World::new();
    let mut bad = from_amqp(job("a"));
    bad.input = Err(Box::new(rejection(Some("a"), None)));
    take(&world.ledger, bad.clone()).await;
    let letters = world.operator.select_dead(&Selection::default()).unwrap();
    assert_eq!((letters.len(), letters[0].handle.as_str(), letters[0].is_input()), (1, "#1", true));
    let input = world.operator.rejected_input(&letters[0]).unwrap().unwrap();
    assert_eq!((input.id.as_deref(), input.app.as_deref()), (Some("a"), Some("acme")));
    assert_eq!(input.origin.raw, raw_of("a"));
    assert_eq!(input.origin.amqp, bad.origin.amqp);
}

#[tokio::test]
async fn a_person_resolves_what_nobody_else_can() {
    let mut world = World::with_one_of_each().await;
    let mut resolve = |id: &str, resolution: Resolution| world.operator.resolve(id, &resolution, at(40));
    for (id, why) in [("queued", "is queued"), ("dead", "is dead"), ("absent", "no job"), ("running", "in flight")] {
        assert!(resolve(id, Resolution::Retry).unwrap_err().to_string().contains(why), "{id}");
    }
    resolve("held", Resolution::Succeeded { key: "omm_9".into() }).unwrap();
    resolve("uncertain", Resolution::Retry).unwrap();
    let changed = world.ledger.domain().changed().await.unwrap().waiting;
    assert_eq!((changed.len(), changed[0].attempts, changed[0].uncertain), (1, 0, false));
    call(&world.ledger.domain(), changed[0].seq, 50, Settlement::Held { failure: failure("cut again") }).await;
    world.operator.resolve("uncertain", &Resolution::Dead, at(60)).unwrap();
    let held = world.operator.show_job("held").unwrap().unwrap().line.document;
    assert_eq!((&held["status"], &held["key"]), (&json!("succeeded"), &json!("omm_9")));
    let dead = world.operator.show_job("uncertain").unwrap().unwrap().line.document;
    assert_eq!((&dead["reason"], &dead["detail"]), (&json!("uncertain"), &json!("cut again")));
    assert_eq!(dead["cure"], Reason::Uncertain.cure().to_string());
    assert_eq!(dead["cure_fact"], json!({"code": "look-before-publishing"}));
}

#[tokio::test]
async fn a_redrive_takes_what_was_dead_when_it_was_selected() {
    let mut world = World::new();
    for id in ["a", "b", "c"] {
        let seq = queue(&world.ledger, from_amqp(job(id))).await.seq;
        call(&world.ledger.domain(), seq, 0, death(Reason::Exhausted)).await;
    }
    let letters = world.operator.select_dead(&Selection::default()).unwrap();
    assert_eq!(endings(&world.ledger, 0, 9).await.len(), 3);
    let moved = world.operator.redrive(&letters[..1]).unwrap();
    assert_eq!(endings(&world.ledger, 0, 9).await.len(), 2, "a dead letter on its way is no longer true");
    // It dies again, and "b" was put back by somebody else and died, too.
    call(&world.ledger.domain(), moved[0], 10, death(Reason::Exhausted)).await;
    assert_eq!(world.redrive(&Selection::of_id("b")), 1);
    let b = all_waiting(&world.ledger.domain()).await[0].seq;
    call(&world.ledger.domain(), b, 20, death(Reason::Exhausted)).await;
    let moved = world.operator.redrive(&letters).unwrap();
    assert_eq!(moved.len(), 1, "only \"c\" is as it was");
    assert_eq!(all_waiting(&world.ledger.domain()).await[0].seq, moved[0]);
}

#[tokio::test]
async fn jobs_are_followed_to_their_endings() {
    let mut world = World::with_one_of_each().await;
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
    assert!(world.operator.worker().unwrap().unwrap().contains("process"));
    world.ledger.close().await;
    assert_eq!(world.operator.worker().unwrap(), None);
    assert_eq!(world.redrive(&Selection::default()), 1);
}

fn edited(name: &str) -> paceline_domain::job::Job {
    let mut job = job("a");
    job.params.body.insert("name".into(), json!(name));
    job.not_after = Some(at(900));
    job.priority = 9;
    job
}

impl World {
    /// The dead job "a", edited to carry another name.
    async fn with_an_edited_job(redrive: bool) -> Self {
        let mut world = Self::new();
        let old = paceline_domain::job::Job { not_after: Some(at(5)), ..job("a") };
        let seq = queue(&world.ledger, from_amqp(old)).await.seq;
        world.ledger.domain().settle(seq, death(Reason::Expired), at(6)).await.unwrap();
        let letter = world.operator.select_dead(&Selection::of_id("a")).unwrap().remove(0);
        let edit = Edit { letter, job: Box::new(edited("new")), redrive };
        let (written, queued) = world.operator.edit_dead(vec![edit], at(7)).unwrap();
        assert_eq!((written, queued.len()), (1, usize::from(redrive)));
        world
    }
}

#[tokio::test]
async fn an_edited_job_stays_dead_until_it_is_put_back() {
    let mut world = World::with_an_edited_job(false).await;
    assert!(all_waiting(&world.ledger.domain()).await.is_empty());
    let sheet = world.operator.show_job("a").unwrap().unwrap();
    assert_eq!((sheet.line.edited_at, &sheet.line.document["status"]), (Some(at(7)), &json!("dead")));
    assert_eq!(world.redrive(&Selection::of_id("a")), 1);
    let changed = world.ledger.domain().changed().await.unwrap().waiting;
    assert_eq!((changed[0].not_after, changed[0].priority), (Some(at(900)), 9));
    assert_eq!(world.ledger.domain().job(changed[0].seq).await.unwrap(), edited("new"));
    call(&world.ledger.domain(), changed[0].seq, 10, death(Reason::Rejected)).await;
    let outbox = endings(&world.ledger, 0, 9).await;
    assert_eq!(outbox.last().unwrap().ending.raw, raw_of("a"), "the dead letter is upstream's message, byte for byte");
}

#[tokio::test]
async fn an_edited_job_answers_to_the_old_content_and_to_the_new() {
    let world = World::with_an_edited_job(false).await;
    // The old message, moved back: the edited job goes to work, with the edited deadline.
    let old = paceline_domain::job::Job { not_after: Some(at(5)), ..job("a") };
    let waiting = queue(&world.ledger, from_amqp(old.clone())).await;
    assert_eq!((waiting.not_after, waiting.priority, waiting.attempts), (Some(at(900)), 9, 0));
    assert_eq!(world.ledger.domain().job(waiting.seq).await.unwrap(), edited("new"));
    assert_eq!(take(&world.ledger, from_amqp(edited("new"))).await, TakenOver::Known);
    call(&world.ledger.domain(), waiting.seq, 10, success("omm_1")).await;
    for again in [old, edited("new")] {
        assert_eq!(take(&world.ledger, from_amqp(again)).await, TakenOver::Succeeded);
    }
    assert_eq!(take(&world.ledger, from_amqp(edited("newest"))).await, TakenOver::Rejected);
    let conflict = world.operator.list_dead(&Selection::default(), 9).unwrap().remove(0).document;
    assert!(conflict["detail"].as_str().unwrap().contains("`paceline dead edit`"), "{conflict}");
    assert!(world.operator.is_conflict("a", edited("newest").content_hash()).unwrap());
    for content in [job("a"), edited("new"), job("absent")] {
        assert!(!world.operator.is_conflict(&content.id, content.content_hash()).unwrap());
    }
}

#[tokio::test]
async fn the_edited_content_published_anew_brings_its_own_times() {
    let world = World::with_an_edited_job(true).await;
    let seq = all_waiting(&world.ledger.domain()).await[0].seq;
    call(&world.ledger.domain(), seq, 10, death(Reason::Rejected)).await;
    let corrected = paceline_domain::job::Job { not_after: Some(at(1_000)), ..edited("new") };
    assert_eq!(queue(&world.ledger, from_amqp(corrected)).await.not_after, Some(at(1_000)));
}

#[tokio::test]
async fn what_changed_since_it_was_selected_is_not_edited() {
    let mut world = World::with_one_of_each().await;
    let letter = world.operator.select_dead(&Selection::default()).unwrap().remove(0);
    assert_eq!(world.operator.dead_job(&letter).unwrap(), Some(job("dead")));
    assert_eq!(world.redrive(&Selection::default()), 1);
    assert_eq!(world.operator.dead_job(&letter).unwrap(), None);
    let edit = Edit { letter, job: Box::new(edited("new")), redrive: true };
    assert_eq!(world.operator.edit_dead(vec![edit], at(7)).unwrap(), (0, vec![]));
    assert_eq!(world.ledger.domain().job(JobSeq(4)).await.unwrap(), job("dead"));
}

#[tokio::test]
async fn held_jobs_are_resolved_by_selection_and_others_are_not() {
    let mut world = World::with_one_of_each().await;
    let all = Selection::of_batch("move");
    assert_eq!(world.operator.resolve_held(&Selection::of_batch("other"), &Resolution::Dead, at(9)).unwrap(), 0);
    assert_eq!(world.operator.resolve_held(&all, &Resolution::Retry, at(9)).unwrap(), 1);
    assert_eq!(world.ledger.domain().changed().await.unwrap().waiting[0].seq, JobSeq(3));
    assert_eq!(world.operator.resolve_held(&all, &Resolution::Retry, at(9)).unwrap(), 0);
    let counts = world.ledger.counts(None).await.unwrap();
    assert_eq!((counts.queued, counts.uncertain, counts.held, counts.dead), (3, 1, 0, 1));
}

#[tokio::test]
async fn a_cancellation_is_counted_beforehand() {
    let world = World::with_one_of_each().await;
    let count = |selection: &Selection| world.operator.cancellable(selection, false).unwrap();
    assert_eq!(count(&Selection::default()), Cancelled { cancelled: 1, running: 1 });
    assert_eq!(count(&Selection::of_id("running")), Cancelled { cancelled: 0, running: 1 });
    assert_eq!(count(&Selection::of_id("dead")), Cancelled::default());
}

#[tokio::test]
async fn batches_and_lanes_are_counted() {
    let mut world = World::with_one_of_each().await;
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

#[tokio::test]
async fn an_export_gives_every_row_in_the_files_order() {
    let world = World::new();
    let row = |line: u64, good: bool| {
        let mut arrival = from_file(job(&format!("id-{line}")), &format!("rooms.csv:{line}"));
        arrival.origin.cells = Some(json!([line.to_string(), "a;b"]).to_string());
        if !good {
            arrival.input = Err(Box::new(rejection(None, Some("move"))));
        }
        arrival
    };
    let arrivals = (2..12).map(|line| row(line, line % 3 != 0)).collect();
    world.ledger.take_over(arrivals, T0).await.unwrap();
    queue(&world.ledger, from_amqp(paceline_domain::job::Job { batch: None, ..job("alone") })).await;
    let export = |filter: &Selection| {
        let mut rows = Vec::new();
        let keep = &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        };
        world.operator.export(filter, keep).unwrap();
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
    world.operator.export(&of_batch, stop).unwrap();
    assert_eq!(seen, 1);
    assert_eq!(export(&of_batch).len(), 10, "an export that stopped leaves nothing open");
}

#[tokio::test]
async fn suspensions_are_seen_by_the_worker_at_once() {
    let mut world = World::new();
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

#[test]
fn a_missing_ledger_is_not_created_by_looking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.db");
    let why = crate::open(&path).err().unwrap().to_string();
    assert!(why.contains("there is no ledger at"), "{why}");
    assert!(!path.exists());
}
