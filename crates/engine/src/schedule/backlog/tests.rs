//! The backlog against a naive model: a list that is searched from end to end, and the order of batches beside it.

use proptest::prelude::*;

use super::*;

/// What [`Backlog`] promises, in the plainest way there is.
#[derive(Default)]
struct Model {
    jobs: Vec<Queued>,
    /// Batches of a priority in the order of their turns.
    turns: Vec<(u8, Arc<str>)>,
    later: Vec<(Timestamp, Queued)>,
}

fn age(job: &Queued) -> (Timestamp, JobSeq) {
    (job.not_after.unwrap_or(Timestamp(i64::MAX)), job.seq)
}

impl Model {
    fn add(&mut self, job: Queued, not_before: Option<Timestamp>) {
        match not_before {
            Some(at) => self.later.push((at.min(age(&job).0), job)),
            None => self.enter(job),
        }
    }

    fn enter(&mut self, job: Queued) {
        let of = (job.priority, Arc::clone(&job.batch));
        if !self.turns.contains(&of) {
            self.turns.push(of);
        }
        self.jobs.push(job);
    }

    fn promote(&mut self, wall: Timestamp) {
        self.later.sort_by_key(|(at, job)| (*at, Reverse(job.priority), age(job)));
        while self.later.first().is_some_and(|(at, _)| *at <= wall) {
            let (_, job) = self.later.remove(0);
            self.enter(job);
        }
    }

    fn priority(&self) -> Option<u8> {
        self.jobs.iter().map(|job| job.priority).max()
    }

    fn pop(&mut self) -> Option<Queued> {
        let priority = self.priority()?;
        let turn = self.turns.iter().position(|(of, _)| *of == priority)?;
        let of = self.turns.remove(turn);
        let mine = |job: &&Queued| job.priority == of.0 && job.batch == of.1;
        let seq = self.jobs.iter().filter(mine).min_by_key(|job| age(job))?.seq;
        let job = self.jobs.remove(self.jobs.iter().position(|job| job.seq == seq)?);
        if self.jobs.iter().any(|job| mine(&job)) {
            self.turns.push(of);
        }
        Some(job)
    }

    fn expire(&mut self, wall: Timestamp) -> Vec<i64> {
        let (expired, jobs) = std::mem::take(&mut self.jobs).into_iter().partition(|job| job.is_expired(wall));
        self.jobs = jobs;
        self.turns.retain(|of| self.jobs.iter().any(|job| (job.priority, &job.batch) == (of.0, &of.1)));
        numbers(expired)
    }

    fn take_out(&mut self, gone: &HashSet<JobSeq>) {
        self.jobs.retain(|job| !gone.contains(&job.seq));
        self.later.retain(|(_, job)| !gone.contains(&job.seq));
        self.turns.retain(|of| self.jobs.iter().any(|job| (job.priority, &job.batch) == (of.0, &of.1)));
    }

    fn next(&self) -> Option<Timestamp> {
        let deadlines = self.jobs.iter().filter_map(|job| job.not_after);
        deadlines.chain(self.later.iter().map(|(at, _)| *at)).min()
    }
}

fn numbers(jobs: Vec<Queued>) -> Vec<i64> {
    let mut numbers: Vec<i64> = jobs.into_iter().map(|job| job.seq.0).collect();
    numbers.sort_unstable();
    numbers
}

fn job(seq: i64, priority: u8, batch: &str, not_after: Option<i64>) -> Queued {
    Queued {
        seq: JobSeq(seq),
        batch: batch.into(),
        priority,
        not_after: not_after.map(Timestamp),
        attempts: 0,
        renewals: 0,
        contended: 0,
        look_faults: 0,
        outage: 0,
        looked_s: None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add {
        priority: u8,
        batch: &'static str,
        not_after: Option<i64>,
        not_before: Option<i64>,
    },
    Pop,
    /// Puts a job that was popped back.
    PutBack {
        which: usize,
        not_before: Option<i64>,
    },
    Pass(i64),
    /// Takes out every so manieth job, and one that is not there.
    TakeOut(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let from_now = || prop::option::weighted(0.3, 0_i64..60);
    let add = (prop::sample::select(vec![0_u8, 4, 4, 4, 9]), prop::sample::select(vec!["", "a", "b", "c"]));
    prop_oneof![
        5 => (add, from_now(), from_now()).prop_map(|((priority, batch), not_after, not_before)| Step::Add {
            priority, batch, not_after, not_before
        }),
        4 => Just(Step::Pop),
        1 => (0_usize..8, from_now()).prop_map(|(which, not_before)| Step::PutBack { which, not_before }),
        1 => (1_i64..20).prop_map(Step::Pass),
        1 => (1_i64..7).prop_map(Step::TakeOut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_the_model_is(steps in prop::collection::vec(step(), 1..200)) {
        let (mut backlog, mut model) = (Backlog::default(), Model::default());
        let (mut now, mut seq, mut popped) = (0_i64, 0, Vec::new());
        for step in steps {
            match step {
                Step::Add { priority, batch, not_after, not_before } => {
                    seq += 1;
                    let job = job(seq, priority, batch, not_after.map(|at| now + at));
                    let at = not_before.map(|at| Timestamp(now + at));
                    backlog.add(job.clone(), at);
                    model.add(job, at);
                }
                Step::Pop => {
                    let job = backlog.pop();
                    prop_assert_eq!(&job, &model.pop());
                    popped.extend(job);
                }
                Step::PutBack { which, not_before } => {
                    if !popped.is_empty() {
                        let job = popped.swap_remove(which % popped.len());
                        let at = not_before.map(|at| Timestamp(now + at));
                        backlog.add(job.clone(), at);
                        model.add(job, at);
                    }
                }
                Step::Pass(time) => now += time,
                Step::TakeOut(every) => {
                    let gone = (0..=seq + 1).filter(|seq| seq % every == 0).map(JobSeq).collect();
                    backlog.take_out(&gone);
                    model.take_out(&gone);
                }
            }
            backlog.promote(Timestamp(now));
            model.promote(Timestamp(now));
            let expired = std::iter::from_fn(|| backlog.pop_expired(Timestamp(now))).collect();
            prop_assert_eq!(numbers(expired), model.expire(Timestamp(now)));
            prop_assert_eq!(backlog.priority(), model.priority());
            prop_assert_eq!(backlog.next(), model.next());
            prop_assert_eq!(backlog.len(), model.jobs.len() + model.later.len());
            prop_assert_eq!(backlog.places.len(), model.turns.len(), "empty batches go");
        }
        backlog.promote(Timestamp(i64::MAX));
        model.promote(Timestamp(i64::MAX));
        while let Some(job) = backlog.pop() {
            prop_assert_eq!(Some(job), model.pop());
        }
        prop_assert!(backlog.turns.is_empty() && backlog.places.is_empty() && backlog.deadlines.is_empty());
        prop_assert_eq!((model.pop(), backlog.len()), (None, 0));
    }
}

fn order(backlog: &mut Backlog) -> Vec<i64> {
    std::iter::from_fn(|| backlog.pop()).map(|job| job.seq.0).collect()
}

#[test]
fn priority_then_turns_then_deadline_then_age() {
    let mut backlog = Backlog::default();
    let jobs = [(1, 4, "a", None), (2, 4, "a", Some(9)), (3, 4, "a", None), (4, 4, "b", None), (5, 9, "c", None)];
    for (seq, priority, batch, not_after) in jobs {
        backlog.add(job(seq, priority, batch, not_after), None);
    }
    assert_eq!(order(&mut backlog), [5, 2, 4, 1, 3], "a deadline passes its own batch alone");
}

#[test]
fn a_batch_that_comes_later_waits_for_one_job_of_each_other() {
    let mut backlog = Backlog::default();
    for seq in 0..6 {
        backlog.add(job(seq, 4, ["a", "b"][usize::from(seq % 2 == 1)], None), None);
    }
    assert_eq!(backlog.pop().unwrap().seq.0, 0);
    backlog.add(job(6, 4, "c", None), None);
    backlog.add(job(7, 4, "c", None), None);
    assert_eq!(order(&mut backlog), [1, 2, 6, 3, 4, 7, 5]);
}

#[test]
fn a_job_that_comes_back_stands_where_it_stood() {
    let mut backlog = Backlog::default();
    for seq in 0..4 {
        backlog.add(job(seq, 4, "a", None), None);
    }
    let first = backlog.pop().unwrap();
    assert_eq!(backlog.pop().unwrap().seq.0, 1);
    backlog.add(first, Some(Timestamp(5)));
    assert_eq!(backlog.next(), Some(Timestamp(5)));
    backlog.promote(Timestamp(5));
    assert_eq!(order(&mut backlog), [0, 2, 3]);
}

#[test]
fn deadlines_are_seen_wherever_the_job_stands() {
    let mut backlog = Backlog::default();
    for seq in 0..100 {
        backlog.add(job(seq, 4, "a", None), None);
        backlog.add(job(100 + seq, 9, "b", Some(1_000)), None);
    }
    backlog.add(job(500, 4, "a", Some(30)), None);
    backlog.add(job(501, 0, "c", Some(20)), None);
    backlog.add(job(502, 4, "a", Some(10)), Some(Timestamp(50)));
    backlog.add(job(503, 4, "a", Some(60)), Some(Timestamp(50)));
    let mut seen = Vec::new();
    while let Some(at) = backlog.next().filter(|at| *at < Timestamp(1_000)) {
        backlog.promote(at);
        assert!(backlog.pop_expired(Timestamp(at.0 - 1)).is_none());
        seen.push((at.0, std::iter::from_fn(|| backlog.pop_expired(at)).map(|job| job.seq.0).collect()));
    }
    assert_eq!(seen, [(10, vec![502]), (20, vec![501]), (30, vec![500]), (50, vec![]), (60, vec![503])]);
}
