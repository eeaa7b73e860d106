//! Everything that people ask of a ledger and do with it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::contract::{
    T0, at, begin, call, death, failure, from_amqp, from_file, job, lane, queue, rejection, success, take,
};
pub(crate) use crate::ledger::{Mode, SqlStore};
use crate::state::State;
use paceline_domain::activity::Action;
use paceline_domain::catalog::built_in;
use paceline_domain::job::{Identity, Job};
use paceline_domain::reason::Reason;
use paceline_ports::operator::{ActivityFilter, Commands, Edit, Letter, Reports, Resolution, Selection, Sought};
use paceline_ports::{Arrival, JobSeq, Settlement, SuspendedBy, Suspension};

/// A selection by everything that a statement can be narrowed by.
fn narrow() -> Selection {
    let text = || Some("x".to_owned());
    Selection {
        ids: Vec::new(),
        prefix: None,
        state: Some(State::Dead),
        warnings: true,
        reason: Some(Reason::Rejected),
        code: Some(1),
        batch: Some("move".to_owned()),
        method: text(),
        app: text(),
        tenant: text(),
    }
}

/// Each restriction by itself, and all of them; of everything, of ids, and of a beginning.
fn selections() -> Vec<Selection> {
    let all = narrow();
    let none = Selection::default();
    let mut found = vec![none.clone(), all.clone()];
    found.extend([
        Selection { state: all.state, ..none.clone() },
        Selection { warnings: true, ..none.clone() },
        Selection { reason: all.reason, ..none.clone() },
        Selection { code: all.code, ..none.clone() },
        Selection { batch: all.batch.clone(), ..none.clone() },
        Selection { method: all.method.clone(), ..none.clone() },
        Selection { app: all.app.clone(), ..none.clone() },
        Selection { tenant: all.tenant, ..none },
    ]);
    let of_ids = found.clone().into_iter().map(|it| Selection { ids: vec!["o-dead".into(), "#1".into()], ..it });
    let prefixed = found.clone().into_iter().map(|it| Selection { prefix: Some("o-".into()), ..it });
    let more: Vec<_> = of_ids.chain(prefixed).collect();
    found.extend(more);
    found
}

/// A job in every state, one in flight, one with times of its own, and an input that is none.
async fn fill(path: &Path) -> JobSeq {
    let ledger = SqlStore::open(path, Mode::Worker, T0).unwrap();
    let held = || Settlement::Held { failure: failure("?") };
    let uncertain = Settlement::Uncertain { not_before: at(9), charged: true, failure: failure("cut") };
    let endings = [
        ("o-held", held()),
        ("o-held-2", held()),
        ("o-uncertain", uncertain),
        ("o-dead", death(Reason::Rejected)),
        ("o-dead-2", death(Reason::Rejected)),
        ("o-dead-3", death(Reason::Rejected)),
        ("o-done", success("k")),
    ];
    for (n, (id, settlement)) in (0..).zip(endings) {
        let seq = queue(&ledger, from_file(job(id), "f:1")).await.seq;
        call(&ledger.domain(), seq, n, settlement).await;
    }
    queue(&ledger, from_file(Job { not_after: Some(at(99)), ..job("o-timed") }, "f:2")).await;
    queue(&ledger, from_file(job("o-queued"), "f:3")).await;
    let none = Arrival { input: Err(Box::new(rejection(Some("r"), Some("move")))), origin: from_amqp(job("r")).origin };
    take(&ledger, none).await;
    let flying = queue(&ledger, from_file(job("o-flying"), "f:4")).await.seq;
    begin(&ledger.domain(), flying, 50).await;
    ledger.close().await;
    flying
}

/// Does with a ledger whatever people can do.
pub(super) async fn everything(path: &Path) {
    let flying = fill(path).await;
    let mut operator = crate::open(path).unwrap();
    lists(&*operator, flying);
    figures(&*operator);
    changes(&mut *operator);
    looks(path, &*operator);
    operator.rekey().unwrap();
}

fn lists(operator: &dyn Reports, flying: JobSeq) {
    for selection in selections() {
        operator.count(&selection).unwrap();
        operator.page_jobs(&selection, 0, 5).unwrap();
        operator.page_dead(&selection, 0, 5).unwrap();
    }
    let all = Selection::default();
    operator.page_running(&all, 0, 5).unwrap();
    operator.page_held(&all, 0, 5).unwrap();
    operator.cancellable(&all, false).unwrap();
    operator.made(&all).unwrap();
    operator.created(&all, 0, 5).unwrap();
    operator.gone_before("move").unwrap();
    operator.job_line(flying).unwrap();
    operator.job("o-dead").unwrap();
    operator.ended_among(&[JobSeq(1), JobSeq(1_000_000), flying]).unwrap();
    let sheet = operator.show_job("o-queued").unwrap().unwrap();
    operator.ahead(&sheet, at(1)).unwrap();
    operator.rejection_of("r").unwrap();
    let groups = operator.dead_groups(&all).unwrap();
    for group in &groups {
        operator.newest_inputs(&all, group, 2).unwrap();
    }
    operator.page_dead_inputs(&all, 0, 5).unwrap();
    operator.export(&all, true, &mut |_| ControlFlow::Continue(())).unwrap();
}

fn figures(operator: &dyn Reports) {
    operator.batches().unwrap();
    operator.lanes().unwrap();
    operator.ended_by_lane().unwrap();
    operator.dead_inputs().unwrap();
    operator.unpublished().unwrap();
    operator.header("move").unwrap();
    operator.running().unwrap();
    operator.broker().unwrap();
    operator.suspensions().unwrap();
    operator.restraints().unwrap();
    operator.rehearsal_speed().unwrap();
    operator.outlook(T0).unwrap();
    operator.outcomes(T0).unwrap();
    operator.calls_by_minute(T0, at(99), 100).unwrap();
    operator.each_call(T0, &mut |_| {}).unwrap();
    operator.each_wait(T0, at(99), &mut |_, _, _| {}).unwrap();
}

fn letters(operator: &dyn Reports, id: &str) -> Vec<Letter> {
    operator.select_dead(&Selection::of_id(id)).unwrap()
}

fn changes(operator: &mut dyn Commands) {
    let lane = lane();
    let suspension = Suspension {
        app: lane.app.clone(),
        tenant: String::new(),
        method: String::new(),
        since: T0,
        until: None,
        code: None,
        detail: "d".into(),
        cure: paceline_domain::messages::Cure::FixCause,
        log_id: None,
        by: SuspendedBy::Person,
    };
    operator.suspend(&suspension).unwrap();
    operator.resume(&lane.app, "", "").unwrap();
    operator.lift(&lane.app).unwrap();
    operator.probe().unwrap();
    operator.describe_batch("move", "f.csv", Some(&["a".to_owned()]), T0).unwrap();
    let letter = letters(operator, "o-dead").remove(0);
    operator.dead_job(&letter).unwrap().unwrap();
    let edit = Edit { letter, job: Box::new(Job { priority: 9, ..job("o-dead") }), redrive: true };
    assert_eq!(operator.edit_dead(vec![edit], at(60)).unwrap().0, 1);
    assert_eq!(operator.redrive(&letters(operator, "o-dead-2")).unwrap().len(), 1);
    assert_eq!(operator.drop_dead(&Selection::of_id("o-dead-3")).unwrap(), 1);
    let input = operator.select_dead(&Selection::default()).unwrap().into_iter().find(Letter::is_input).unwrap();
    operator.rejected_input(&input).unwrap().unwrap();
    operator.replaced(&input).unwrap();
    operator.is_conflict("o-done", [1; 32]).unwrap();
    operator.resolve("o-held", &Resolution::Retry, at(60)).unwrap();
    operator.resolve("o-held-2", &Resolution::Succeeded { key: "new".into() }, at(60)).unwrap();
    operator.resolve_held(&Selection::default(), &Resolution::LookUp, at(60)).unwrap();
    assert_eq!(operator.cancel(&Selection::of_id("o-timed"), false, at(61)).unwrap().cancelled, 1);
    let filter = ActivityFilter { since: Some(T0), actor: None, action: Some(Action::Redrive) };
    operator.activity(&filter, 0, 5).unwrap();
}

fn looks(path: &Path, operator: &dyn Reports) {
    let catalog = Arc::new(built_in().unwrap());
    let untouched = crate::open_untouched(path).unwrap().unwrap();
    untouched.outlook(T0).unwrap();
    untouched.knows("o-done").unwrap();
    untouched.objects(&lane(), &Identity::Tenant).unwrap();
    untouched.numbered("move", &catalog).unwrap();
    for seeker in [untouched.seeker(&catalog).unwrap(), operator.seeker(&catalog).unwrap()] {
        let job = Job { id: "new".into(), ..job("o-done") };
        seeker.seek(Sought { job: &job, is_row: true, by_content: true }).unwrap();
        seeker.job("o-done").unwrap();
    }
    let mut known = crate::known_jobs(path, catalog);
    known.has("o-done").unwrap();
    known.of_key(&lane().method, "k").unwrap();
    known.ids("move").unwrap();
    known.numbered("move").unwrap();
}
