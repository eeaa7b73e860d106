//! Feeds jobs into the schedule as it starts them, so that a million of them need not lie there.
//!
//! Jobs of one lane, batch, priority and first instant have an order of their own: deadline, then age. So it is enough
//! that the first two of each such kind are in the schedule: which kind is next is the schedule's decision alone. Where no
//! job of a lane and priority has a deadline, all of them are one kind, whatever their batch: whose turn it is decides
//! about no instant ([`RoundRobin`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::round_robin::{RoundRobin, Share};
use super::{Alike, Group};
use crate::ports::{JobSeq, Waiting};
use paceline_domain::job::LaneKey;
use paceline_domain::time::{Timestamp, micros};

/// Jobs of one kind in the schedule at a time: with two of them a batch never seems to be over before it is.
pub(super) const FED: usize = 2;
/// The kind stands in the lower bits of the number under which the schedule knows a job.
const KIND_BITS: u32 = 24;
const KIND_MASK: i64 = (1 << KIND_BITS) - 1;

/// Jobs of one kind.
pub(super) struct JobSource {
    /// By position among the component's lanes.
    pub lane: usize,
    whose: Whose,
    /// Of a batch: the schedule puts jobs that come at one instant in order.
    not_before: Option<Timestamp>,
    name: Arc<str>,
    key: LaneKey,
    priority: u8,
    /// In the order in which they go.
    runs: VecDeque<Run>,
    /// Jobs in the schedule that have not started: their deadlines.
    fed: VecDeque<Option<Timestamp>>,
    /// Jobs that have come and are not in the schedule yet.
    left: u64,
    /// Jobs of several batches that have come: their ages.
    came: i64,
}

/// Whose jobs they are; batches by position among the component's.
enum Whose {
    Batch(usize),
    Batches(RoundRobin),
}

/// Jobs of one deadline.
struct Run {
    not_after: Option<Timestamp>,
    ages: (i64, i64),
    count: u64,
    taken: u64,
}

/// Jobs that come to a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// `None` if they are there.
    pub at: Option<Timestamp>,
    pub lane: usize,
    pub kind: usize,
    /// By position.
    pub batch: usize,
    pub jobs: u64,
}

impl Run {
    fn of(group: &Group) -> Self {
        Self { not_after: group.not_after, ages: group.ages, count: group.count, taken: 0 }
    }

    const fn left(&self) -> u64 {
        self.count - self.taken
    }

    /// The next one's age; they are taken to have come evenly.
    fn age(&self) -> i64 {
        let (first, last) = self.ages;
        let steps = i128::from(self.count.saturating_sub(1).max(1));
        first + (i128::from(last - first) * i128::from(self.taken) / steps) as i64
    }
}

/// The kinds of some jobs, and when which jobs of each come: in the order of the groups.
#[derive(Default)]
pub(super) struct JobSources {
    pub kinds: Vec<JobSource>,
    pub arrivals: Vec<Arrival>,
}

/// What makes jobs a kind: lane and priority, and, where deadlines matter, batch and first instant.
type Kind = (usize, u8, Option<(usize, Option<Timestamp>)>);

impl JobSources {
    /// Of these groups. `place` says where a group's lane and batch stand.
    pub(super) fn of(groups: &[Group], mut place: impl FnMut(&Group) -> Option<(usize, usize)>) -> Self {
        let placed: Vec<_> = groups.iter().filter_map(|group| Some((group, place(group)?))).collect();
        let with_deadlines: BTreeSet<(usize, u8)> = placed
            .iter()
            .filter(|(group, _)| group.not_after.is_some())
            .map(|(group, (lane, _))| (*lane, group.priority))
            .collect();
        // Of each kind its place among the kinds, and that of its first arrival.
        let mut of_kind: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
        let mut sources = Self::default();
        for (group, (lane, batch)) in placed {
            let is_apart = with_deadlines.contains(&(lane, group.priority));
            let kind = (lane, group.priority, is_apart.then_some((batch, group.not_before)));
            let known = of_kind.get(&kind).copied();
            let (index, first) = known.unwrap_or_else(|| sources.add(group, lane, is_apart.then_some(batch)));
            of_kind.insert(kind, (index, first));
            if is_apart {
                sources.kinds[index].runs.push_back(Run::of(group));
            }
            match sources.arrivals.get_mut(first) {
                // All jobs of such a kind come at once, in their own order.
                Some(arrival) if is_apart => arrival.jobs += group.count,
                _ => {
                    let (at, jobs) = (group.not_before, group.count);
                    sources.arrivals.push(Arrival { at, lane, kind: index, batch, jobs });
                }
            }
        }
        for source in &mut sources.kinds {
            let order = |run: &Run| (run.not_after.unwrap_or(Timestamp(i64::MAX)), run.ages);
            source.runs.make_contiguous().sort_by_key(order);
        }
        sources
    }

    /// A new kind, like this group; `batch` if it is of that one alone. Says where it stands, and its first arrival.
    fn add(&mut self, like: &Group, lane: usize, batch: Option<usize>) -> (usize, usize) {
        self.kinds.push(JobSource {
            lane,
            whose: batch.map_or_else(|| Whose::Batches(RoundRobin::default()), Whose::Batch),
            not_before: batch.and(like.not_before),
            name: batch.map_or_else(|| Arc::from(""), |_| Arc::clone(&like.batch)),
            key: like.lane.clone(),
            priority: like.priority,
            runs: VecDeque::new(),
            fed: VecDeque::new(),
            left: 0,
            came: 0,
        });
        (self.kinds.len() - 1, self.arrivals.len())
    }
}

/// The kind of a job that came out of the schedule.
pub(super) const fn kind_of(seq: JobSeq) -> usize {
    (seq.0 & KIND_MASK) as usize
}

impl JobSource {
    /// Jobs of a batch come.
    pub(super) fn join(&mut self, batch: usize, jobs: u64) {
        self.left += jobs;
        if let Whose::Batches(turns) = &mut self.whose {
            turns.join(batch, jobs);
            let first = self.came;
            self.came = self.came.saturating_add(i64::try_from(jobs).unwrap_or(i64::MAX));
            self.runs.push_back(Run { not_after: None, ages: (first, self.came - 1), count: jobs, taken: 0 });
        }
    }

    /// Jobs that have come and not started.
    pub(super) fn waiting(&self) -> u64 {
        self.left + self.fed.len() as u64
    }

    /// Jobs that are not in the schedule yet.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// The next job for the schedule, if it has too few.
    pub(super) fn feed(&mut self, kind: usize) -> Option<Waiting> {
        if self.fed.len() >= FED {
            return None;
        }
        let run = self.runs.front_mut()?;
        let (age, not_after) = (run.age(), run.not_after);
        run.taken += 1;
        if run.left() == 0 {
            self.runs.pop_front();
        }
        self.left -= 1;
        self.fed.push_back(not_after);
        Some(Waiting {
            seq: JobSeq((age << KIND_BITS) | i64::from(kind as u32)),
            lane: self.key.clone(),
            batch: Arc::clone(&self.name),
            priority: self.priority,
            not_before: self.not_before,
            not_after,
            attempts: 0,
            uncertain: false,
        })
    }

    /// A job of it has started: the first, because that is the order. Says whose it is.
    pub(super) fn started(&mut self) -> Option<usize> {
        self.fed.pop_front();
        match &mut self.whose {
            Whose::Batch(batch) => Some(*batch),
            Whose::Batches(turns) => turns.next(),
        }
    }

    /// A job of it has left the schedule because its deadline has passed: the first, as when one starts. Says whose it
    /// is, and which jobs are alike.
    pub(super) fn expired(&mut self) -> Option<(usize, Alike)> {
        let not_after = self.fed.pop_front()??;
        match self.whose {
            Whose::Batch(batch) => {
                let (lane, name) = (self.key.clone(), Arc::clone(&self.name));
                Some((batch, Alike { lane, batch: name, priority: self.priority, not_after }))
            }
            // Its jobs have no deadlines.
            Whose::Batches(_) => None,
        }
    }

    /// How many rounds of so many starts and such a length can come from `now` on before one of its jobs might expire.
    pub(super) fn rounds_before_deadline(&self, starts: u64, span: Duration, now: Timestamp) -> u64 {
        let span = micros(span).max(1);
        let until = |deadline: Timestamp| {
            u64::try_from(deadline.since(now).as_micros()).unwrap_or(u64::MAX) / span.unsigned_abs()
        };
        // Those in the schedule stay there while others are skipped, and have to start in time afterwards.
        let in_schedule = self.fed.iter().flatten().map(|deadline| until(*deadline).saturating_sub(1 + FED as u64));
        let mut rounds = in_schedule.min().unwrap_or(u64::MAX);
        let mut before = self.fed.len() as u64;
        for run in &self.runs {
            before += run.left();
            // Without a deadline: all that follow have none either.
            let Some(deadline) = run.not_after else { break };
            let in_rounds = until(deadline);
            let gone_after = before.checked_div(starts).map_or(u64::MAX, |rounds: u64| rounds + 1);
            if gone_after >= in_rounds {
                rounds = rounds.min(in_rounds.saturating_sub(1));
                break;
            }
        }
        rounds
    }

    /// Skips jobs that start meanwhile; says whose they are.
    pub(super) fn skip(&mut self, jobs: u64) -> Vec<Share> {
        self.left -= jobs;
        let mut skipped = 0;
        while let Some(run) = self.runs.front_mut()
            && skipped < jobs
        {
            let here = (jobs - skipped).min(run.left());
            run.taken += here;
            skipped += here;
            if run.left() == 0 {
                self.runs.pop_front();
            }
        }
        match &mut self.whose {
            Whose::Batch(batch) => vec![Share { batch: *batch, calls: jobs, last: jobs }],
            Whose::Batches(turns) => turns.deal(jobs),
        }
    }
}
