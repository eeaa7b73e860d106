//! What the platform counts by address, where several workers call from one: each has its part of it.

use std::sync::Arc;

use super::Schedule;
use paceline_domain::catalog::QuotaScope;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Key, KeyId, Quota};
use paceline_domain::time::Mono;

/// How much of what an address allows is this process's.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressPart {
    /// One in so many.
    sharers: u32,
    /// Nothing at the moment: it is not certain that the others leave it its part.
    is_held: bool,
}

impl AddressPart {
    /// Everything.
    pub(super) const WHOLE: Self = Self { sharers: 1, is_held: false };
}

fn is_of_address(key: &Key) -> bool {
    key.scope == QuotaScope::Host
}

impl Schedule {
    /// Divides what an address allows by so many workers; `false` if it was so.
    pub(crate) fn share_addresses(&mut self, sharers: u32, now: Mono) -> bool {
        if self.part.sharers == sharers {
            return false;
        }
        self.part.sharers = sharers;
        let present = self.lanes.iter().filter(|lane| !lane.is_gone);
        let plans: Vec<_> = present.map(|lane| Arc::clone(&lane.plan)).collect();
        for (key, quota) in plans.iter().flat_map(|plan| &plan.quotas).filter(|(key, _)| is_of_address(key)) {
            let id = self.enter(key, quota, now);
            self.queues.wake_key(id, &mut self.table, now);
        }
        true
    }

    /// Grants nothing that an address counts, or does again.
    pub(crate) fn hold_addresses(&mut self, is_held: bool, now: Mono) {
        self.part.is_held = is_held;
        for lane in self.lanes.ids() {
            for key in self.keys_of(lane, true) {
                self.hold(key);
                self.queues.wake_key(key, &mut self.table, now);
            }
        }
    }

    pub(crate) const fn holds_addresses(&self) -> bool {
        self.part.is_held
    }

    /// Enters a call of another process into what an address counts (`of_address`), or into everything else.
    pub(crate) fn restore_part(&mut self, lane: &LaneKey, counted_by: Mono, of_address: bool) {
        if let Some(id) = self.lane(lane) {
            let keys = self.keys_of(id, of_address);
            self.table.restore(&keys, counted_by);
        }
    }

    /// This process's part of a key's quota.
    pub(super) fn part_of(&self, key: &Key, quota: &Quota) -> Quota {
        if is_of_address(key) { quota.split(self.part.sharers) } else { quota.clone() }
    }

    /// A key that has just been entered is held, too.
    pub(super) fn hold_entered(&mut self, key: &Key, id: KeyId) {
        if is_of_address(key) {
            self.hold(id);
        }
    }

    fn hold(&mut self, key: KeyId) {
        let is_recalled = self.recalling.as_ref().is_some_and(|gaps| gaps.contains_key(&key));
        if self.part.is_held || is_recalled {
            self.table.freeze(key);
        } else {
            self.table.unfreeze(key);
        }
    }

    fn keys_of(&self, lane: super::ticket::LaneId, of_address: bool) -> Vec<KeyId> {
        let lane = &self.lanes[lane];
        let all = lane.plan.quotas.iter().zip(lane.keys.iter());
        all.filter(|((key, _), _)| is_of_address(key) == of_address).map(|(_, id)| *id).collect()
    }
}
