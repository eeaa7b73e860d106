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
pub(super) struct Part<'b> {
    /// Jobs that can move, in the order of take-over.
    pub groups: Vec<Group>,
    pub running: Vec<&'b Running>,
    /// Lanes with calls that a window may still count.
    pub past: Vec<&'b LaneKey>,
}

/// A backlog, taken apart.
#[derive(Default)]
pub(super) struct Parts<'b> {
    pub moving: Vec<Part<'b>>,
    /// Batches with jobs that stand still.
    pub still_batches: BTreeMap<Arc<str>, BatchForecast>,
    /// Lanes with jobs that stand still.
    pub still_lanes: BTreeMap<LaneKey, Jobs>,
}

impl Part<'_> {
    /// All of them as one.
    pub(super) fn joint(parts: &[Self]) -> Self {
        let mut joint = Self::default();
        for part in parts {
            joint.groups.extend(part.groups.iter().cloned());
            joint.running.extend(&part.running);
            joint.past.extend(&part.past);
        }
        joint.groups.sort_by_key(|group| group.ages);
        joint.past.sort();
        joint
    }
}

/// Takes the backlog apart. Parts without a job are left out.
pub(super) fn of(basis: &Basis) -> Parts<'_> {
    let knots = Knots::of(basis);
    let mut parts = Parts::default();
    let mut moving: BTreeMap<usize, Part<'_>> = BTreeMap::new();
    for group in &basis.backlog {
        let Some(part) = knots.part_of(&group.lane) else {
            parts.leave(group, Jobs { unknown: group.count, ..Jobs::default() });
            continue;
        };
        match moves_from(basis, group) {
            Moves::Never => parts.leave(group, Jobs { suspended: group.count, ..Jobs::default() }),
            Moves::From(not_before) => {
                moving.entry(part).or_default().groups.push(Group { not_before, ..group.clone() });
            }
        }
    }
    for running in &basis.running {
        if let Some(part) = knots.part_of(&running.lane) {
            moving.entry(part).or_default().running.push(running);
        }
    }
    for lane in basis.past.keys() {
        // Calls of lanes that have nothing to do with any job are no matter.
        if let Some(part) = knots.part_of(lane).and_then(|part| moving.get_mut(&part)) {
            part.past.push(lane);
        }
    }
    parts.moving = moving.into_values().collect();
    for part in &mut parts.moving {
        part.groups.sort_by_key(|group| group.ages);
    }
    parts
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

impl Parts<'_> {
    fn leave(&mut self, group: &Group, jobs: Jobs) {
        let batch = self.still_batches.entry(Arc::clone(&group.batch)).or_default();
        batch.name = Arc::clone(&group.batch);
        batch.jobs.add(jobs);
        self.still_lanes.entry(group.lane.clone()).or_default().add(jobs);
    }
}

/// Lanes tied together by what they share.
#[derive(Default)]
struct Knots<'b> {
    of_lane: HashMap<&'b LaneKey, usize>,
    of_key: HashMap<Key, usize>,
    of_paused_app: HashMap<&'b str, usize>,
    /// Of each knot another one that it is tied to; of the last one itself.
    tied_to: Vec<usize>,
}

impl<'b> Knots<'b> {
    fn of(basis: &'b Basis) -> Self {
        let mut knots = Self::default();
        let waiting = basis.backlog.iter().map(|group| &group.lane);
        let running = basis.running.iter().map(|running| &running.lane);
        for lane in waiting.chain(running).chain(basis.past.keys()) {
            knots.tie(basis, lane);
        }
        knots
    }

    fn tie(&mut self, basis: &Basis, lane: &'b LaneKey) {
        if self.of_lane.contains_key(lane) {
            return;
        }
        let Some(plan) = basis.planner.plan(lane) else { return };
        let knot = self.tied_to.len();
        self.tied_to.push(knot);
        self.of_lane.insert(lane, knot);
        for (key, _) in plan.quotas {
            let other = *self.of_key.entry(key).or_insert(knot);
            self.join(knot, other);
        }
        let is_of_app = |restraint: &Restraint| restraint.target == Restrained::App && restraint.app == lane.app;
        if basis.restraints.iter().any(is_of_app) {
            let other = *self.of_paused_app.entry(&lane.app).or_insert(knot);
            self.join(knot, other);
        }
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.last(one), self.last(other));
        // The older one leads, so that parts come in the order of the backlog.
        self.tied_to[one.max(other)] = one.min(other);
    }

    fn last(&self, mut knot: usize) -> usize {
        while self.tied_to[knot] != knot {
            knot = self.tied_to[knot];
        }
        knot
    }

    /// `None` for a lane whose app or method is not known any more.
    fn part_of(&self, lane: &LaneKey) -> Option<usize> {
        self.of_lane.get(lane).map(|knot| self.last(*knot))
    }
}
