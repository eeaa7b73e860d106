//! Random sequences of operations against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use super::tests::recount::recount;
use super::{Mode, SqlStore};
use crate::contract::{
    T0, all_waiting, at, document, ended, endings, from_amqp, from_file, job, rejection, start, success, warned,
};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_ports::operator::{Commands, Edit, Resolution, Selection};
use paceline_ports::{AttemptSeq, Counts, Domain, Intake, JobSeq, Ledger, Outbox, Purpose, Settlement, TakenOver};
use proptest::prelude::*;

const IDS: usize = 5;

#[derive(Clone, Debug)]
enum Op {
    TakeOver { id: usize, other: bool, amqp: bool },
    Reject { line: usize },
    Begin { id: usize },
    End { id: usize, how: usize },
    Settle { id: usize, how: usize },
    Restart,
    Redrive,
    Drop,
    Cancel { id: usize },
    Resolve { id: usize, how: usize },
    Edit { id: usize, redrive: bool },
    Prune,
    Publish,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = 0..IDS;
    let how = 0..7_usize;
    let op = prop_oneof![
        6 => (id.clone(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(id, other, amqp)| Op::TakeOver { id, other, amqp }),
        1 => (0..3_usize).prop_map(|line| Op::Reject { line }),
        6 => id.clone().prop_map(|id| Op::Begin { id }),
        6 => (id.clone(), how.clone()).prop_map(|(id, how)| Op::End { id, how }),
        2 => (id.clone(), how).prop_map(|(id, how)| Op::Settle { id, how }),
        1 => Just(Op::Restart),
        1 => Just(Op::Redrive),
        1 => Just(Op::Drop),
        2 => id.clone().prop_map(|id| Op::Cancel { id }),
        2 => (id.clone(), 0..4_usize).prop_map(|(id, how)| Op::Resolve { id, how }),
        1 => (id, any::<bool>()).prop_map(|(id, redrive)| Op::Edit { id, redrive }),
        1 => Just(Op::Prune),
        1 => Just(Op::Publish),
    ];
    prop::collection::vec(op, 1..40)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Queued,
    Uncertain,
    Held,
    Dead,
    Cancelled,
    Succeeded,
    /// With warnings.
    Warned,
}

#[expect(clippy::struct_excessive_bools, reason = "a model says everything")]
#[derive(Clone, Debug)]
struct Modelled {
    seq: JobSeq,
    other: bool,
    /// A corrected row came: it answers to both contents.
    corrected: bool,
    is: Is,
    attempts: u32,
    amqp: bool,
    open: Option<AttemptSeq>,
    /// Whether a person named its object.
    named: bool,
}

impl Modelled {
    fn ended(&self) -> bool {
        matches!(self.is, Is::Dead | Is::Cancelled | Is::Succeeded | Is::Warned)
    }
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<usize, Modelled>,
    orphans: usize,
    /// File rows that are rejected now, by line.
    rows: std::collections::BTreeSet<usize>,
    /// Conflicting AMQP messages that are kept, by id: the first few.
    conflicts: BTreeMap<usize, u64>,
    /// What is to be published: an id's ending, or a conflict with it.
    outbox: Vec<Result<usize, usize>>,
    sent: usize,
    /// Whose objects a person has named, of jobs that are forgotten.
    owned: std::collections::BTreeSet<usize>,
}

fn settlement(how: usize) -> (Settlement, Is, bool) {
    let failure = Failure { detail: "why".into(), ..Failure::default() };
    let queued = |charged| Settlement::Queued { not_before: None, charged, failure: None };
    match how {
        0 => (success("k"), Is::Succeeded, true),
        1 => (queued(false), Is::Queued, false),
        2 => (queued(true), Is::Queued, true),
        3 => (Settlement::Uncertain { not_before: at(0), charged: true, failure }, Is::Uncertain, true),
        4 => (Settlement::Held { failure }, Is::Held, true),
        5 => (warned("k"), Is::Warned, true),
        _ => (Settlement::Dead { reason: Reason::Rejected, failure }, Is::Dead, true),
    }
}

impl Model {
    fn settle(&mut self, id: usize, to: Is, charge: bool) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.ended() {
            return;
        }
        let was_uncertain = job.is == Is::Uncertain;
        job.is = to;
        job.attempts += u32::from(charge);
        if was_uncertain && matches!(to, Is::Succeeded | Is::Warned) {
            // What was applied took a call.
            job.attempts = job.attempts.max(1);
        }
        if job.ended() && job.amqp {
            self.outbox.push(Ok(id));
        }
    }

    fn conflict(&mut self, id: usize) {
        let kept = self.conflicts.entry(id).or_default();
        if *kept < 3 {
            *kept += 1;
            self.outbox.push(Err(id));
        }
    }

    fn requeue(&mut self, id: usize) {
        if let Some(job) = self.jobs.get_mut(&id) {
            (job.is, job.attempts) = (Is::Queued, 0);
        }
        self.outbox.retain(|row| *row != Ok(id));
    }

    fn counts(&self) -> Counts {
        let of = |is: Is| self.jobs.values().filter(|job| job.is == is).count() as u64;
        let rejected = self.rows.len() as u64 + self.conflicts.values().sum::<u64>();
        Counts {
            total: self.jobs.len() as u64 + rejected,
            queued: of(Is::Queued),
            uncertain: of(Is::Uncertain),
            held: of(Is::Held),
            succeeded: of(Is::Succeeded) + of(Is::Warned),
            warnings: of(Is::Warned),
            dead: of(Is::Dead) + rejected,
            cancelled: of(Is::Cancelled),
            blocked: 0,
            throttled: 0,
        }
    }
}

struct World {
    ledger: Option<SqlStore>,
    operator: Box<dyn Commands>,
    path: std::path::PathBuf,
    model: Model,
}

impl World {
    fn ledger(&self) -> &SqlStore {
        self.ledger.as_ref().unwrap()
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::TakeOver { id, other, amqp } => self.take_over(id, other, amqp).await,
            Op::Reject { line } => {
                let mut row = from_file(job("-"), &format!("f:{line}"));
                row.input = Err(Box::new(rejection(None, Some("move"))));
                assert_eq!(self.ledger().take_over(vec![row], T0).await.unwrap(), [TakenOver::Rejected]);
                self.model.rows.insert(line);
            }
            Op::Begin { id } => {
                let Some(job) = self.model.jobs.get(&id).cloned() else { return };
                let begun = self.ledger().domain().begin_attempt(start(Purpose::Job(job.seq), 0)).await.unwrap();
                let callable = job.open.is_none() && job.is == Is::Queued;
                assert_eq!(begun.1.is_some(), callable);
                if callable {
                    self.model.jobs.get_mut(&id).unwrap().open = Some(begun.0);
                }
            }
            Op::End { id, how } => {
                let Some(job) = self.model.jobs.get_mut(&id) else { return };
                let Some(attempt) = job.open.take() else { return };
                let (settlement, to, charge) = settlement(how);
                let end = ended(attempt, 1, Some((job.seq, settlement)));
                self.ledger().domain().end_attempt(end.into()).await.unwrap();
                self.model.settle(id, to, charge);
            }
            Op::Settle { id, how } => {
                let Some(job) = self.model.jobs.get(&id) else { return };
                let (settlement, to, _) = settlement(how);
                self.ledger().domain().settle(job.seq, settlement, T0).await.unwrap();
                self.model.settle(id, to, how == 2);
            }
            Op::Restart => self.restart().await,
            Op::Redrive => {
                let dead: Vec<_> =
                    self.model.jobs.iter().filter(|(_, job)| job.is == Is::Dead).map(|(id, _)| *id).collect();
                let letters = self.operator.select_dead(&Selection::default()).unwrap();
                assert_eq!(self.operator.redrive(&letters).unwrap().len(), dead.len());
                for id in dead {
                    self.model.requeue(id);
                }
            }
            Op::Drop => self.drop_dead(),
            Op::Cancel { id } => {
                let filter = Selection { ids: vec![format!("id-{id}")], ..Selection::default() };
                let can = self.model.jobs.get(&id).is_some_and(|job| job.is == Is::Queued && job.open.is_none());
                assert_eq!(self.operator.cancel(&filter, false, T0).unwrap().cancelled, usize::from(can));
                if can {
                    self.model.settle(id, Is::Cancelled, false);
                }
            }
            Op::Resolve { id, how } => self.resolve(id, how),
            Op::Edit { id, redrive } => self.edit(id, redrive),
            Op::Prune => self.prune().await,
            Op::Publish => {
                let rows = endings(self.ledger(), 0, 100).await;
                assert_eq!(rows.len(), self.model.outbox.len());
                self.model.sent += rows.len();
                self.ledger().done(rows.iter().map(|row| row.seq).collect()).await.unwrap();
                self.model.outbox.clear();
            }
        }
    }

    async fn take_over(&mut self, id: usize, other: bool, amqp: bool) {
        let mut wanted = job(&format!("id-{id}"));
        if other {
            wanted.params.body.insert("capacity".into(), 11.into());
        }
        if id % 2 == 1 {
            wanted.lane.method = "feishu.calendar.create".into();
        }
        if amqp {
            (wanted.batch, wanted.priority) = (Some("queue".into()), 7);
        }
        let arrival = if amqp { from_amqp(wanted) } else { from_file(wanted, &format!("f:{id}")) };
        let taken = self.ledger().take_over(vec![arrival], T0).await.unwrap().remove(0);
        let known = self.model.jobs.get(&id).cloned();
        match known {
            None => {
                let TakenOver::Queued(waiting) = taken else { panic!("{taken:?}") };
                let new = Modelled {
                    seq: waiting.seq,
                    other,
                    corrected: false,
                    is: Is::Queued,
                    attempts: 0,
                    amqp,
                    open: None,
                    named: false,
                };
                self.model.jobs.insert(id, new);
            }
            Some(job)
                if job.other != other
                    && !job.corrected
                    && !amqp
                    && !job.amqp
                    && matches!(job.is, Is::Dead | Is::Cancelled) =>
            {
                assert!(matches!(taken, TakenOver::Queued(_)));
                self.model.requeue(id);
                self.model.jobs.get_mut(&id).unwrap().corrected = true;
            }
            Some(job) if job.other != other && !job.corrected => {
                assert_eq!(taken, TakenOver::Rejected);
                if amqp {
                    self.model.conflict(id);
                } else {
                    self.model.rows.insert(id);
                }
                return;
            }
            Some(job) if matches!(job.is, Is::Dead | Is::Cancelled) => {
                assert!(matches!(taken, TakenOver::Queued(_)));
                self.model.requeue(id);
                self.model.jobs.get_mut(&id).unwrap().amqp |= amqp;
            }
            Some(job) if matches!(job.is, Is::Succeeded | Is::Warned) => {
                assert_eq!(taken, TakenOver::Succeeded);
                if amqp {
                    self.model.outbox.push(Ok(id));
                }
            }
            Some(_) => {
                assert_eq!(taken, TakenOver::Known);
                self.model.jobs.get_mut(&id).unwrap().amqp |= amqp;
            }
        }
        if !amqp {
            self.model.rows.remove(&id);
        }
    }

    async fn restart(&mut self) {
        self.ledger.take().unwrap().close().await;
        self.ledger = Some(SqlStore::open(&self.path, Mode::Worker, T0).unwrap());
        let open: Vec<_> = self.model.jobs.iter().filter(|(_, job)| job.open.is_some()).map(|(id, _)| *id).collect();
        assert_eq!(
            self.ledger().domain().recover(at(9)).await.unwrap(),
            open.len() + std::mem::take(&mut self.model.orphans)
        );
        for id in open {
            self.model.jobs.get_mut(&id).unwrap().open = None;
            self.model.settle(id, Is::Uncertain, true);
        }
    }

    fn drop_dead(&mut self) {
        let dead = |job: &Modelled| job.is == Is::Dead;
        let jobs: Vec<_> = self.model.jobs.iter().filter(|(_, job)| dead(job)).map(|(id, _)| *id).collect();
        let inputs = self.model.rows.len() + usize::try_from(self.model.conflicts.values().sum::<u64>()).unwrap();
        assert_eq!(self.operator.drop_dead(&Selection::default()).unwrap(), jobs.len() + inputs);
        for id in jobs {
            // A call that is in flight stays on record without its job: a window may still count it.
            let job = self.model.jobs.remove(&id).unwrap();
            self.model.orphans += usize::from(job.open.is_some());
            self.model.outbox.retain(|row| *row != Ok(id));
        }
        self.model.rows.clear();
        self.model.conflicts.clear();
        self.model.outbox.retain(Result::is_ok);
    }

    fn edit(&mut self, id: usize, redrive: bool) {
        let Some(letter) = self.operator.select_dead(&Selection::of_id(&format!("id-{id}"))).unwrap().pop() else {
            return;
        };
        let mut edited = self.operator.dead_job(&letter).unwrap().unwrap();
        edited.priority = 9;
        let edit = Edit { letter, job: Box::new(edited), redrive };
        assert_eq!(self.operator.edit_dead(vec![edit], T0).unwrap().0, 1);
        if redrive {
            self.model.requeue(id);
        }
    }

    /// Forgets everything that has ended and is not on its way out.
    async fn prune(&mut self) {
        let mut after = JobSeq(0);
        loop {
            let step = self.ledger().prune(at(100), after).await.unwrap();
            match step.next {
                Some(next) => after = next,
                None if step.forgotten == 0 => break,
                None => {}
            }
        }
        let Model { jobs, orphans, rows, conflicts, outbox, owned, .. } = &mut self.model;
        jobs.retain(|id, job| {
            let stays = !job.ended() || outbox.contains(&Ok(*id));
            if !stays {
                *orphans += usize::from(job.open.is_some());
                if job.named && job.is == Is::Succeeded {
                    owned.insert(*id);
                }
            }
            stays
        });
        rows.clear();
        conflicts.clear();
        for id in outbox.iter().filter_map(|row| row.err()) {
            *conflicts.entry(id).or_default() += 1;
        }
    }

    fn resolve(&mut self, id: usize, how: usize) {
        let job = self.model.jobs.get(&id).cloned();
        let is_owned = how == 0 && self.model.owned.contains(&id);
        let can = job.is_some_and(|job| {
            job.open.is_none() && !is_owned && (job.is == Is::Held || (job.is == Is::Uncertain && how != 3))
        });
        let resolution = match how {
            0 => Resolution::Succeeded { key: format!("found {id}") },
            1 => Resolution::Retry,
            3 => Resolution::LookUp,
            _ => Resolution::Dead,
        };
        assert_eq!(self.operator.resolve(&format!("id-{id}"), &resolution, T0).is_ok(), can);
        match (can, how) {
            (false, _) => {}
            (true, 0) => {
                self.model.settle(id, Is::Succeeded, false);
                self.model.jobs.get_mut(&id).unwrap().named = true;
            }
            (true, 1) => self.model.requeue(id),
            (true, 3) => self.model.settle(id, Is::Uncertain, false),
            (true, _) => self.model.settle(id, Is::Dead, false),
        }
    }

    async fn check(&self) {
        let counts = self.model.counts();
        assert_eq!(self.ledger().counts(None).await.unwrap(), counts);
        let waiting: Vec<_> = all_waiting(&self.ledger().domain())
            .await
            .into_iter()
            .map(|waiting| (waiting.seq, waiting.uncertain, waiting.attempts))
            .collect();
        let mut expected: Vec<_> = self
            .model
            .jobs
            .values()
            .filter(|job| job.open.is_none() && matches!(job.is, Is::Queued | Is::Uncertain))
            .map(|job| (job.seq, job.is == Is::Uncertain, job.attempts))
            .collect();
        expected.sort();
        assert_eq!(waiting, expected);
        let outbox = endings(self.ledger(), 0, 100).await;
        assert_eq!(outbox.len(), self.model.outbox.len());
        for (row, expected) in outbox.iter().zip(&self.model.outbox) {
            if let Ok(id) = expected {
                let document = document(&row.ending);
                assert_eq!(document["id"], format!("id-{id}"));
                assert_eq!(row.ending.attempts, self.model.jobs[id].attempts);
                let warned = document.get("warnings").is_some();
                assert_eq!(warned, self.model.jobs[id].is == Is::Warned);
            }
        }
        let dead = self.operator.list_dead(&Selection::default(), 100).unwrap();
        assert_eq!(dead.len() as u64, counts.dead);
        let warned = Selection { warnings: true, ..Selection::default() };
        assert_eq!(self.operator.count(&warned).unwrap(), counts.warnings);
        assert_eq!(self.operator.list_jobs(&warned, 0, 100).unwrap().len() as u64, counts.warnings);
        recount(&self.path);
    }
}

async fn run(ops: Vec<Op>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let operator = crate::open(&path).unwrap();
    let mut world = World { ledger: Some(ledger), operator, path, model: Model::default() };
    for op in ops {
        world.step(op).await;
        world.check().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_does_what_the_model_does(ops in ops()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(ops));
    }
}
