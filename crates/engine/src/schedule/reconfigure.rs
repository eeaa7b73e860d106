//! Another plan for every lane, while calls are under way: what a reload of the settings changes here.
//!
//! A permit that is out comes back to the keys that it was granted under. Keys whose windows do not know of all calls
//! that they count are on hold until the ledger has told them ([`Schedule::recall`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ticket::LaneId;
use super::{Limits, Schedule};
use crate::app::App;
use crate::config_diff::Difference;
use crate::planner::Planner;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Key, KeyId, Quota};
use paceline_domain::time::Mono;

impl Schedule {
    /// The apps, methods and quotas in force.
    pub fn planner(&self) -> Arc<Planner> {
        Arc::clone(&self.planner)
    }

    /// Works by another planner from `now` on. Where the difference reaches back into the ledger, the keys concerned
    /// are on hold until [`Self::recalled`].
    pub(crate) fn replan(&mut self, planner: Arc<Planner>, difference: &Difference, limits: Limits, now: Mono) {
        self.planner = planner;
        // The table counts by the reserves that it began with.
        self.limits = Limits { reserve: self.limits.reserve, ..limits };
        self.recalling = difference.reach.map(|_| HashMap::new());
        // Keys without a lane of a known app as well: the next lane finds them as they are now.
        for (key, counted) in &difference.keys {
            if self.table.find(key).is_some() {
                self.enter(key, &counted.quota, now);
            }
        }
        for id in self.lanes.ids() {
            self.replan_lane(id, now);
        }
        self.throttling.reset_gates(|app| difference.revision.is_another(app));
        for job in self.lanes.take_strays(&self.planner) {
            // Its lane is known: it was asked for just now.
            let _ = self.add(job);
        }
        for id in self.lanes.ids() {
            self.queues.make_ready(id);
        }
    }

    fn replan_lane(&mut self, id: LaneId, now: Mono) {
        let Some(plan) = self.planner.plan(&self.lanes[id].key) else {
            self.lanes[id].is_gone = true;
            self.lanes[id].drop_calls();
            // Nothing is kept for jobs that cannot be sent.
            return self.note_class(id, now);
        };
        let keys: Vec<KeyId> = plan.quotas.iter().map(|(key, quota)| self.enter(key, quota, now)).collect();
        let lane = &mut self.lanes[id];
        lane.is_gone = false;
        lane.plan = Arc::new(plan);
        lane.concurrency.set_max(self.limits.lane_concurrency_max);
        if lane.keys[..] == keys[..] {
            return;
        }
        lane.change_keys(keys.into(), &mut self.table, now);
        self.queues.leave_other_keys(id, &lane.keys, &mut self.table, now);
    }

    /// A key's place in the table, with this process's part of its quota; on hold if the ledger is being read and has
    /// calls to tell it.
    pub(super) fn enter(&mut self, key: &Key, quota: &Quota, now: Mono) -> KeyId {
        let part = self.part_of(key, quota);
        let (id, gap) = self.table.revise(key, &part, now);
        if let (Some(gaps), Some(gap)) = (&mut self.recalling, gap) {
            gaps.entry(id).or_insert(gap);
            self.table.freeze(id);
        }
        self.hold_entered(key, id);
        id
    }

    /// Tells the keys on hold of a call that the ledger knows: counted at `from` at the earliest, at `by` at the latest.
    pub fn recall(&mut self, lane: &LaneKey, from: Mono, by: Mono) {
        let Some(id) = self.lane(lane) else { return };
        let Some(gaps) = &self.recalling else { return };
        for key in self.lanes[id].keys.iter() {
            if let Some(gap) = gaps.get(key) {
                self.table.recall(gap, from, by);
            }
        }
    }

    /// The ledger has told everything: the keys go on.
    pub fn recalled(&mut self, now: Mono) {
        for key in self.recalling.take().unwrap_or_default().into_keys() {
            self.table.unfreeze(key);
            self.queues.wake_key(key, &mut self.table, now);
        }
        if self.holds_addresses() {
            self.hold_addresses(true, now);
        }
    }

    /// Whether the app is what the lane's calls are made with now.
    pub fn is_current(&self, lane: &LaneKey, app: &Arc<App>) -> bool {
        let lane = self.lanes.find(lane).map(|id| &self.lanes[id]);
        lane.is_some_and(|lane| !lane.is_gone && Arc::ptr_eq(&lane.plan.app, app))
    }

    /// Jobs whose app or method the settings and the catalog do not have, by lane.
    pub fn stranded(&self) -> BTreeMap<LaneKey, usize> {
        self.lanes.stranded()
    }
}
