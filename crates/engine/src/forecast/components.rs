//! Which lanes have to be run together: those that share a quota key, or an app that is held back.

use crate::ports::{Restrained, Restraint};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Basis, BatchForecast, Group, Jobs, Running};
use paceline_domain::job::LaneKey;
use paceline_domain::quota::Key;
use paceline_domain::time::Timestamp;

/// Lanes that may hold each other up, and nobody else.
#[derive(Clone, Default)]
pub(super) struct Component<'b> {
    /// Jobs that can move, in the order of take-over.
    pub groups: Vec<Group>,
    pub running: Vec<&'b Running>,
    /// Lanes with calls that a window may still count.
    pub past: Vec<&'b LaneKey>,
}

/// A backlog, taken apart.
#[derive(Default)]
pub(super) struct Components<'b> {
    pub moving: Vec<Component<'b>>,
    /// Batches with jobs that stand still.
    pub still_batches: BTreeMap<Arc<str>, BatchForecast>,
    /// Lanes with jobs that stand still.
    pub still_lanes: BTreeMap<LaneKey, Jobs>,
}

impl Component<'_> {
    /// All of them as one.
    pub(super) fn joint(components: &[Self]) -> Self {
        let mut joint = Self::default();
        for component in components {
            joint.groups.extend(component.groups.iter().cloned());
            joint.running.extend(&component.running);
            joint.past.extend(&component.past);
        }
        joint.groups.sort_by_key(|group| group.ages);
        joint.past.sort();
        joint
    }
}

/// Takes the backlog apart. Components without a job are left out.
pub(super) fn of(basis: &Basis) -> Components<'_> {
    let sets = UnionFind::of(basis);
    let mut components = Components::default();
    let mut moving: BTreeMap<usize, Component<'_>> = BTreeMap::new();
    for group in &basis.backlog {
        let Some(component) = sets.component_of(&group.lane) else {
            components.leave(group, Jobs { unknown: group.count, ..Jobs::default() });
            continue;
        };
        match moves_from(basis, group) {
            Moves::Never => components.leave(group, Jobs { suspended: group.count, ..Jobs::default() }),
            Moves::From(not_before) => {
                moving.entry(component).or_default().groups.push(Group { not_before, ..group.clone() });
            }
        }
    }
    for running in &basis.running {
        if let Some(component) = sets.component_of(&running.lane) {
            moving.entry(component).or_default().running.push(running);
        }
    }
    for lane in basis.past.keys() {
        // Calls of lanes that have nothing to do with any job are no matter.
        if let Some(component) = sets.component_of(lane).and_then(|component| moving.get_mut(&component)) {
            component.past.push(lane);
        }
    }
    components.moving = moving.into_values().collect();
    for component in &mut components.moving {
        component.groups.sort_by_key(|group| group.ages);
    }
    components
}

/// When jobs can move.
enum Moves {
    Never,
    /// `None`: now.
    From(Option<Timestamp>),
}

fn moves_from(basis: &Basis, group: &Group) -> Moves {
    let mut from = group.not_before;
    for suspension in basis.suspensions.iter().filter(|suspension| suspension.covers(&group.lane)) {
        let Some(until) = suspension.until else { return Moves::Never };
        from = from.max(Some(until));
    }
    Moves::From(from.filter(|at| *at > basis.now))
}

impl Components<'_> {
    fn leave(&mut self, group: &Group, jobs: Jobs) {
        let batch = self.still_batches.entry(Arc::clone(&group.batch)).or_default();
        batch.name = Arc::clone(&group.batch);
        batch.jobs.add(jobs);
        self.still_lanes.entry(group.lane.clone()).or_default().add(jobs);
    }
}

/// Sets of lanes that share something, joined as such lanes come.
#[derive(Default)]
struct UnionFind<'b> {
    of_lane: HashMap<&'b LaneKey, usize>,
    of_key: HashMap<Key, usize>,
    of_paused_app: HashMap<&'b str, usize>,
    /// Of each set its parent; of a root itself.
    parent: Vec<usize>,
}

impl<'b> UnionFind<'b> {
    fn of(basis: &'b Basis) -> Self {
        let mut sets = Self::default();
        let waiting = basis.backlog.iter().map(|group| &group.lane);
        let running = basis.running.iter().map(|running| &running.lane);
        for lane in waiting.chain(running).chain(basis.past.keys()) {
            sets.join_lane(basis, lane);
        }
        sets
    }

    fn join_lane(&mut self, basis: &Basis, lane: &'b LaneKey) {
        if self.of_lane.contains_key(lane) {
            return;
        }
        let Some(plan) = basis.planner.plan(lane) else { return };
        let set = self.parent.len();
        self.parent.push(set);
        self.of_lane.insert(lane, set);
        for (key, _) in plan.quotas {
            let other = *self.of_key.entry(key).or_insert(set);
            self.join(set, other);
        }
        let is_of_app = |restraint: &Restraint| restraint.target == Restrained::App && restraint.app == lane.app;
        if basis.restraints.iter().any(is_of_app) {
            let other = *self.of_paused_app.entry(&lane.app).or_insert(set);
            self.join(set, other);
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        // The older one leads, so that components come in the order of the backlog.
        self.parent[one.max(other)] = one.min(other);
    }

    fn root(&self, mut set: usize) -> usize {
        while self.parent[set] != set {
            set = self.parent[set];
        }
        set
    }

    /// `None` for a lane whose app or method is not known any more.
    fn component_of(&self, lane: &LaneKey) -> Option<usize> {
        self.of_lane.get(lane).map(|set| self.root(*set))
    }
}
