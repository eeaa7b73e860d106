//! The lanes and batches of a part, and what becomes of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::waits::Waits;
use super::{Basis, BatchForecast, Course, Deciding, Jobs, KeyForecast, LaneForecast};
use crate::domain::job::LaneKey;
use crate::domain::quota::Key;
use crate::domain::time::Timestamp;
use crate::engine::quotas::LanePlan;
use crate::engine::schedule::Schedule;

/// Lanes and batches, by position and by name.
#[derive(Default)]
pub(super) struct Lineup {
    pub lanes: Vec<Lane>,
    pub batches: Vec<Batch>,
    of_key: HashMap<LaneKey, usize>,
    of_name: HashMap<Arc<str>, usize>,
}

pub(super) struct Lane {
    pub key: LaneKey,
    pub plan: Arc<LanePlan>,
    pub round_trip: Duration,
    /// Jobs that wait and may start.
    pub due: u64,
    pub calls: u64,
    pub jobs: Jobs,
    pub finish: Option<Timestamp>,
    pub course: Course,
}

#[derive(Default)]
pub(super) struct Batch {
    pub name: Arc<str>,
    pub jobs: Jobs,
    /// When its last job was done, and in which lane.
    pub finish: Option<(Timestamp, usize)>,
}

/// What came out.
pub(super) struct Driven {
    pub lanes: Vec<LaneForecast>,
    pub batches: Vec<BatchForecast>,
    pub keys: Vec<KeyForecast>,
    /// The most calls in flight at a time.
    pub peak: usize,
    /// Calls that were run one by one.
    pub calls: u64,
}

impl Lineup {
    /// The position of a lane, new or known; `None` if the schedule does not know its app or method.
    pub(super) fn lane(&mut self, basis: &Basis, schedule: &mut Schedule, key: &LaneKey) -> Option<usize> {
        if let Some(&lane) = self.of_key.get(key) {
            return Some(lane);
        }
        self.lanes.push(Lane {
            key: key.clone(),
            plan: schedule.plan(key)?,
            round_trip: basis.round_trip(key),
            due: 0,
            calls: 0,
            jobs: Jobs::default(),
            finish: None,
            course: Course::new(basis.now),
        });
        self.of_key.insert(key.clone(), self.lanes.len() - 1);
        Some(self.lanes.len() - 1)
    }

    /// The position of a batch, new or known.
    pub(super) fn batch(&mut self, name: &Arc<str>) -> usize {
        if let Some(&batch) = self.of_name.get(name) {
            return batch;
        }
        self.batches.push(Batch { name: Arc::clone(name), ..Batch::default() });
        self.of_name.insert(Arc::clone(name), self.batches.len() - 1);
        self.batches.len() - 1
    }

    /// A job of a lane and batch is done.
    pub(super) fn done(&mut self, lane: usize, batch: usize, at: Timestamp) {
        let (of_lane, of_batch) = (&mut self.lanes[lane], &mut self.batches[batch]);
        of_lane.jobs.done += 1;
        of_lane.finish = Some(at);
        of_lane.course.push(at);
        of_batch.jobs.done += 1;
        of_batch.finish = Some((at, lane));
    }

    /// The deadline of a job of a lane and batch has passed.
    pub(super) fn expired(&mut self, lane: usize, batch: usize) {
        self.lanes[lane].due -= 1;
        self.lanes[lane].jobs.expired += 1;
        self.batches[batch].jobs.expired += 1;
    }

    /// Sums up.
    pub(super) fn close(self, waits: &Waits, peak: usize, calls: u64) -> Driven {
        let of_lane: Vec<_> = (0..self.lanes.len()).map(|lane| self.deciding(lane, waits)).collect();
        let batches = self.batches.iter().map(|batch| BatchForecast {
            name: Arc::clone(&batch.name),
            jobs: batch.jobs,
            finish: batch.finish.map(|(at, _)| at),
            deciding: batch.finish.and_then(|(_, lane)| of_lane[lane].clone()),
        });
        let (batches, keys) = (batches.collect(), self.keys(waits));
        let with_jobs = self.lanes.into_iter().zip(of_lane).filter(|(lane, _)| lane.jobs.total() > 0);
        let lanes = with_jobs.map(|(lane, deciding)| LaneForecast {
            key: lane.key,
            jobs: lane.jobs,
            finish: lane.finish,
            deciding,
            course: lane.course,
        });
        Driven { lanes: lanes.collect(), batches, keys, peak, calls }
    }

    fn deciding(&self, lane: usize, waits: &Waits) -> Option<Deciding> {
        let ((position, window), waited) = waits.longest(lane)?;
        let (key, _) = self.lanes[lane].plan.quotas.get(position)?;
        Some(Deciding { key: key.clone(), window, waited })
    }

    fn keys(&self, waits: &Waits) -> Vec<KeyForecast> {
        let mut keys: BTreeMap<&Key, KeyForecast> = BTreeMap::new();
        for (index, lane) in self.lanes.iter().enumerate() {
            for (position, (key, quota)) in lane.plan.quotas.iter().enumerate() {
                let new = || KeyForecast { key: key.clone(), quota: quota.clone(), calls: 0, waited: None };
                let known = keys.entry(key).or_insert_with(new);
                known.calls += lane.calls;
                // Lanes that share a key wait for it at the same time, so their waits are not added up.
                for (cause, waited) in waits.of_lane(index) {
                    if let Some((_, window)) = cause.filter(|(at, _)| *at == position)
                        && known.waited.is_none_or(|(_, longest)| longest < *waited)
                    {
                        known.waited = Some((window, *waited));
                    }
                }
            }
        }
        keys.into_values().filter(|key| key.calls > 0).collect()
    }
}
