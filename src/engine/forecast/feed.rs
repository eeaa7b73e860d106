//! Feeds jobs into the schedule as it starts them, so that a million of them need not lie there.
//!
//! Jobs of one lane, batch, priority and first instant have an order of their own: deadline, then age. So it is enough
//! that the first two of each such kind are in the schedule: which kind is next is the schedule's decision alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Group;
use crate::domain::job::LaneKey;
use crate::domain::time::{Timestamp, micros};
use crate::engine::ports::{JobSeq, Waiting};

/// Jobs of one kind in the schedule at a time: with two of them a batch never seems to be over before it is.
pub(super) const FED: usize = 2;
/// The kind stands in the lower bits of the number under which the schedule knows a job.
const KIND_BITS: u32 = 24;
const KIND_MASK: i64 = (1 << KIND_BITS) - 1;

/// Jobs of one kind.
pub(super) struct Feeder {
    /// By position among the part's lanes and batches.
    pub lane: usize,
    pub batch: usize,
    pub not_before: Option<Timestamp>,
    name: Arc<str>,
    key: LaneKey,
    priority: u8,
    /// In the order in which they go.
    runs: VecDeque<Run>,
    /// Jobs in the schedule that have not started: their deadlines.
    fed: VecDeque<Option<Timestamp>>,
    left: u64,
}

/// Jobs of one deadline.
struct Run {
    not_after: Option<Timestamp>,
    ages: (i64, i64),
    count: u64,
    taken: u64,
}

impl Run {
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

/// Kinds of jobs out of groups, in the order of the groups. `place` says where a group's lane and batch stand.
pub(super) fn feeders(groups: &[Group], mut place: impl FnMut(&Group) -> Option<(usize, usize)>) -> Vec<Feeder> {
    let mut of_kind: BTreeMap<(usize, usize, u8, Option<Timestamp>), usize> = BTreeMap::new();
    let mut feeders: Vec<Feeder> = Vec::new();
    for group in groups {
        let Some((lane, batch)) = place(group) else { continue };
        let kind = (lane, batch, group.priority, group.not_before);
        let index = *of_kind.entry(kind).or_insert_with(|| {
            feeders.push(Feeder {
                lane,
                batch,
                not_before: group.not_before,
                name: Arc::clone(&group.batch),
                key: group.lane.clone(),
                priority: group.priority,
                runs: VecDeque::new(),
                fed: VecDeque::new(),
                left: 0,
            });
            feeders.len() - 1
        });
        let feeder = &mut feeders[index];
        feeder.left += group.count;
        feeder.runs.push_back(Run { not_after: group.not_after, ages: group.ages, count: group.count, taken: 0 });
    }
    for feeder in &mut feeders {
        let order = |run: &Run| (run.not_after.unwrap_or(Timestamp(i64::MAX)), run.ages);
        feeder.runs.make_contiguous().sort_by_key(order);
    }
    feeders
}

/// The kind of a job that came out of the schedule.
pub(super) const fn kind_of(seq: JobSeq) -> usize {
    (seq.0 & KIND_MASK) as usize
}

impl Feeder {
    /// Jobs that have not started.
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

    /// A job of it has left the schedule: the first, because that is the order.
    pub(super) fn took(&mut self) {
        self.fed.pop_front();
    }

    /// How many rounds of so many starts and such a length can come from `now` on before one of its jobs might expire.
    pub(super) fn rounds_before_deadline(&self, starts: u64, span: Duration, now: Timestamp) -> u64 {
        let span = micros(span).max(1);
        let mut rounds = u64::MAX;
        let mut before: u64 = 0;
        let fed = self.fed.iter().map(|not_after| (*not_after, 1));
        for (not_after, count) in fed.chain(self.runs.iter().map(|run| (run.not_after, run.left()))) {
            before += count;
            // Without a deadline: all that follow have none either.
            let Some(deadline) = not_after else { break };
            let in_rounds = u64::try_from(deadline.since(now).as_micros()).unwrap_or(u64::MAX) / span as u64;
            let gone_after = before.checked_div(starts).map_or(u64::MAX, |rounds: u64| rounds + 1);
            if gone_after >= in_rounds {
                rounds = rounds.min(in_rounds.saturating_sub(1));
                break;
            }
        }
        rounds
    }

    /// Skips jobs that start meanwhile.
    pub(super) fn skip(&mut self, mut jobs: u64) {
        self.left -= jobs;
        while let Some(run) = self.runs.front_mut()
            && jobs > 0
        {
            let here = jobs.min(run.left());
            run.taken += here;
            jobs -= here;
            if run.left() == 0 {
                self.runs.pop_front();
            }
        }
    }
}
