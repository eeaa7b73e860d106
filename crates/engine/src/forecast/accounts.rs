//! The lanes and batches of a component, and what becomes of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::wait_times::WaitTimes;
use super::{Alike, Basis, BatchForecast, CompletionCurve, Deciding, Jobs, KeyForecast, LaneForecast};
use crate::planner::LanePlan;
use crate::schedule::Schedule;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::Key;
use paceline_domain::time::Timestamp;

/// Lanes and batches, by position and by name.
#[derive(Default)]
pub(super) struct Accounts {
    pub lanes: Vec<Lane>,
    pub batches: Vec<Batch>,
    expired: BTreeMap<Alike, u64>,
    of_key: HashMap<LaneKey, usize>,
    of_name: HashMap<Arc<str>, usize>,
}

pub(super) struct Lane {
    pub key: LaneKey,
    pub plan: Arc<LanePlan>,
    pub round_trip: Duration,
    decided_after: Duration,
    /// Jobs that wait and may start.
    pub due: u64,
    /// Calls that started.
    pub calls: u64,
    /// Calls that had started before: they are answered first.
    pub in_flight_before: u64,
    pub jobs: Jobs,
    pub finish: Option<Timestamp>,
    pub curve: CompletionCurve,
}

#[derive(Default)]
pub(super) struct Batch {
    pub name: Arc<str>,
    pub jobs: Jobs,
    /// By lane, which of the lane's calls is its last one, counted from 1.
    pub last: BTreeMap<usize, u64>,
    /// Likewise, its first one.
    pub first: BTreeMap<usize, u64>,
}

/// What came out.
pub(super) struct Outcome {
    pub lanes: Vec<LaneForecast>,
    pub batches: Vec<BatchForecast>,
    pub keys: Vec<KeyForecast>,
    pub expired: BTreeMap<Alike, u64>,
    /// The most calls in flight at a time.
    pub peak: usize,
    /// Calls that were run one by one.
    pub calls: u64,
}

impl Accounts {
    /// The position of a lane, new or known; `None` if the schedule does not know its app or method.
    pub(super) fn lane(&mut self, basis: &Basis, schedule: &mut Schedule, key: &LaneKey) -> Option<usize> {
        if let Some(&lane) = self.of_key.get(key) {
            return Some(lane);
        }
        let plan = schedule.plan(key)?;
        self.lanes.push(Lane {
            key: key.clone(),
            round_trip: basis.round_trip(key),
            decided_after: basis.decided_after(key, &plan.method),
            plan,
            due: 0,
            calls: 0,
            in_flight_before: 0,
            jobs: Jobs::default(),
            finish: None,
            curve: CompletionCurve::new(basis.now),
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

    /// A call of a lane and batch was in flight at the start.
    pub(super) fn was_in_flight(&mut self, lane: usize, batch: usize) {
        self.deal(lane, batch, 1, 1);
        self.lanes[lane].in_flight_before += 1;
    }

    /// So many of a lane's next calls are a batch's: the last of them is the one with this number among them.
    pub(super) fn deal(&mut self, lane: usize, batch: usize, calls: u64, last: u64) {
        let of_lane = &self.lanes[lane];
        let of_batch = &mut self.batches[batch];
        of_batch.jobs.done += calls;
        let last = of_lane.in_flight_before + of_lane.calls + last;
        of_batch.first.entry(lane).or_insert_with(|| last.saturating_sub(calls) + 1);
        of_batch.last.insert(lane, last);
    }

    /// A lane's next calls start.
    pub(super) fn start(&mut self, lane: usize, calls: u64) {
        self.lanes[lane].due -= calls;
        self.lanes[lane].calls += calls;
    }

    /// A call of a lane is answered: calls are in the order in which they started.
    pub(super) fn done(&mut self, lane: usize, at: Timestamp) {
        let lane = &mut self.lanes[lane];
        let at = at + lane.decided_after;
        lane.jobs.done += 1;
        lane.finish = Some(at);
        lane.curve.push(at);
    }

    /// The deadline of a job of a lane and batch has passed.
    pub(super) fn expired(&mut self, lane: usize, batch: usize, alike: Alike) {
        *self.expired.entry(alike).or_default() += 1;
        self.lanes[lane].due -= 1;
        self.lanes[lane].jobs.expired += 1;
        self.batches[batch].jobs.expired += 1;
    }

    /// Sums up.
    pub(super) fn close(self, waits: &WaitTimes, peak: usize, calls: u64) -> Outcome {
        let of_lane: Vec<_> = (0..self.lanes.len()).map(|lane| self.deciding(lane, waits)).collect();
        let batches = self.batches.iter().map(|batch| {
            let finish = self.finish(batch);
            BatchForecast {
                name: Arc::clone(&batch.name),
                jobs: batch.jobs,
                finish: finish.map(|(at, _)| at),
                deciding: finish.and_then(|(_, lane)| of_lane[lane].clone()),
            }
        });
        let (batches, keys, expired) = (batches.collect(), self.keys(waits), self.expired);
        let mut spans: Vec<BTreeMap<Arc<str>, (u64, u64)>> = vec![BTreeMap::new(); self.lanes.len()];
        for batch in &self.batches {
            for ((lane, first), last) in batch.first.iter().zip(batch.last.values()) {
                spans[*lane].insert(Arc::clone(&batch.name), (*first, *last));
            }
        }
        let with_jobs = self.lanes.into_iter().zip(of_lane).zip(spans);
        let with_jobs = with_jobs.filter(|((lane, _), _)| lane.jobs.total() > 0);
        let lanes = with_jobs.map(|((lane, deciding), spans)| LaneForecast {
            key: lane.key,
            jobs: lane.jobs,
            finish: lane.finish,
            deciding,
            curve: lane.curve,
            spans,
        });
        Outcome { lanes: lanes.collect(), batches, keys, expired, peak, calls }
    }

    /// When a batch's last job is done, and in which lane.
    fn finish(&self, batch: &Batch) -> Option<(Timestamp, usize)> {
        let in_lane = |(&lane, &last): (&usize, &u64)| (self.lanes[lane].curve.instant_of(last as usize), lane);
        batch.last.iter().map(in_lane).max_by_key(|(at, _)| *at)
    }

    fn deciding(&self, lane: usize, waits: &WaitTimes) -> Option<Deciding> {
        let ((position, window), waited) = waits.longest(lane)?;
        let (key, _) = self.lanes[lane].plan.quotas.get(position)?;
        Some(Deciding { key: key.clone(), window, waited })
    }

    fn keys(&self, waits: &WaitTimes) -> Vec<KeyForecast> {
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
