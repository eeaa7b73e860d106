//! All lanes by number and by key, the suspensions that stop them, and jobs for which there is no lane.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Index, IndexMut, Range};

use super::deaths::Deaths;
use super::lane::Lane;
use super::ticket::LaneId;
use crate::planner::Planner;
use crate::ports::{Suspension, Waiting};
use paceline_domain::job::LaneKey;

/// The lanes.
#[derive(Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    by_key: HashMap<LaneKey, LaneId>,
    pub suspensions: Vec<Suspension>,
    /// Jobs whose app or method is not known, or not any more: they wait for a reload that brings it.
    strays: HashMap<LaneKey, Vec<Waiting>>,
}

impl Index<LaneId> for Lanes {
    type Output = Lane;

    fn index(&self, id: LaneId) -> &Lane {
        &self.all[id]
    }
}

impl IndexMut<LaneId> for Lanes {
    fn index_mut(&mut self, id: LaneId) -> &mut Lane {
        &mut self.all[id]
    }
}

impl Lanes {
    /// Adds a lane, which begins with what suspensions say of it.
    pub(super) fn add(&mut self, mut lane: Lane) -> LaneId {
        let id = self.all.len();
        lane.suspended = self.is_suspended(&lane.key);
        self.by_key.insert(LaneKey::clone(&lane.key), id);
        self.all.push(lane);
        id
    }

    pub(super) fn find(&self, key: &LaneKey) -> Option<LaneId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Lane> {
        self.all.iter()
    }

    pub(super) fn ids(&self) -> Range<LaneId> {
        0..self.all.len()
    }

    /// Keeps a job whose app or method is not known.
    pub(super) fn add_stray(&mut self, job: Waiting) {
        self.strays.entry(job.lane.clone()).or_default().push(job);
    }

    /// Takes the strays whose apps and methods a planner knows.
    pub(super) fn take_strays(&mut self, planner: &Planner) -> Vec<Waiting> {
        let known: Vec<LaneKey> = self.strays.keys().filter(|lane| planner.plan(lane).is_some()).cloned().collect();
        known.iter().filter_map(|lane| self.strays.remove(lane)).flatten().collect()
    }

    /// Jobs whose app or method the settings and the catalog do not have, by lane.
    pub(super) fn stranded(&self) -> BTreeMap<LaneKey, usize> {
        let gone = self.iter().filter(|lane| lane.is_gone);
        let gone = gone.map(|lane| (LaneKey::clone(&lane.key), lane.waiting() + lane.in_flight as usize));
        let strays = self.strays.iter().map(|(lane, jobs)| (lane.clone(), jobs.len()));
        gone.chain(strays).filter(|(_, jobs)| *jobs > 0).collect()
    }

    /// Whether whatever still waits is in lanes that cannot go on, and nothing is being verified.
    pub(super) fn are_idle(&self) -> bool {
        // Asked after every step, so what is cheap comes first: with ten thousand lanes, most answers need none of them.
        let blind = |lane: &Lane| lane.is_only_uncertain() && self.is_blind(lane);
        let stands = |lane: &Lane| lane.suspended || lane.is_elsewhere() || lane.waiting() == 0 || blind(lane);
        self.iter().all(|lane| lane.verifying == 0 && stands(lane))
    }

    /// Suspensions as the ledger has them: lanes stop and go accordingly. Names those to be looked at.
    pub(super) fn set_suspensions(&mut self, suspensions: Vec<Suspension>) -> Vec<LaneId> {
        self.suspensions = suspensions;
        let mut changed = Vec::new();
        for id in self.ids() {
            let suspended = self.is_suspended(&self[id].key);
            let lane = &mut self[id];
            if !suspended && lane.suspended {
                // Resumed: it counts from one again.
                lane.deaths = Deaths::default();
            }
            // A lane that stops has to give up what is kept for its jobs.
            if std::mem::replace(&mut lane.suspended, suspended) != suspended || !suspended {
                changed.push(id);
            }
        }
        changed
    }

    /// Whether this app, tenant and method (empty for all) have a suspension of their own.
    pub(super) fn has_suspension(&self, wanted: &Suspension) -> bool {
        self.suspensions.iter().any(|suspension| {
            (&suspension.app, &suspension.tenant, &suspension.method) == (&wanted.app, &wanted.tenant, &wanted.method)
        })
    }

    pub(super) fn is_suspended(&self, lane: &LaneKey) -> bool {
        self.suspensions.iter().any(|suspension| suspension.covers(lane))
    }

    /// Whether nothing can be looked up for the lane, because its listing is suspended.
    pub(super) fn is_blind(&self, lane: &Lane) -> bool {
        let stands = |method: &str| {
            let key = &lane.key;
            self.is_suspended(&LaneKey { app: key.app.clone(), tenant: key.tenant.clone(), method: method.to_owned() })
        };
        let by = lane.plan.method.creation.look_up().filter(|_| !self.suspensions.is_empty());
        by.is_some_and(|by| stands(&by.method) || by.detail.as_ref().is_some_and(|one| stands(&one.method)))
    }
}
