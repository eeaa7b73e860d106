//! The jobs of one lane in the order in which they are sent.
//!
//! The highest priority goes first. Within a priority the batches take turns, one job each; jobs without a batch are one
//! batch. Within a batch the earliest deadline goes first, then the oldest job. So the first jobs of the batches are the
//! only ones whose deadline can be the next to pass, and deadlines cost an entry a batch and nothing a job.
//!
//! Decision: docs/decisions/0002-priority-batches-and-deadlines.md

use std::cmp::{Ordering, Reverse};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use crate::ports::JobSeq;
use paceline_domain::time::Timestamp;

/// Heaps smaller than this keep their memory.
const KEPT: usize = 64;

/// A job in its lane: small, because there may be a million of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its number.
    pub seq: JobSeq,
    /// Its batch, empty if none.
    pub batch: Arc<str>,
    /// 0 to 9.
    pub priority: u8,
    /// Expired at this instant.
    pub not_after: Option<Timestamp>,
    /// Attempts charged so far.
    pub attempts: u32,
    /// Access tokens refused in a row as soon as they were fetched.
    pub renewals: u8,
    /// Refusals in a row because calls got into each other's way.
    pub contended: u32,
    /// Look-ups for it in a row that could not be made.
    pub look_faults: u8,
    /// The outage in which it first met a gateway's error, by the lane's number of it; 0 for none.
    pub outage: u8,
    /// When a look-up has not found it once already, in seconds since 1970.
    pub looked_s: Option<NonZeroU32>,
}

impl Queued {
    /// Whether its deadline has passed.
    pub fn is_expired(&self, wall: Timestamp) -> bool {
        self.not_after.is_some_and(|at| at <= wall)
    }

    /// Smaller goes first within a batch: the earliest deadline, then the oldest.
    fn rank(&self) -> (Timestamp, JobSeq) {
        (self.not_after.unwrap_or(Timestamp(i64::MAX)), self.seq)
    }
}

/// A job among those of its batch; greater goes first, as heaps have it.
#[derive(Debug)]
struct Ranked(Queued);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.rank().cmp(&self.0.rank())
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// A job with the instant before which it is not looked at; greater is looked at first.
#[derive(Debug)]
struct Later {
    at: Timestamp,
    job: Queued,
}

impl Later {
    /// In the order in which jobs would be sent, so that those of one instant enter their lane in that order.
    fn rank(&self) -> (Timestamp, Reverse<u8>, (Timestamp, JobSeq)) {
        (self.at, Reverse(self.job.priority), self.job.rank())
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Later {}

/// Jobs that wait for an instant.
#[derive(Debug, Default)]
pub(super) struct Postponed(BinaryHeap<Later>);

impl Postponed {
    pub(super) fn push(&mut self, at: Timestamp, job: Queued) {
        self.0.push(Later { at, job });
    }

    /// Takes the first job whose time has come.
    pub(super) fn pop(&mut self, wall: Timestamp) -> Option<Queued> {
        self.0.peek().filter(|later| later.at <= wall)?;
        let job = self.0.pop().map(|later| later.job);
        spare(&mut self.0);
        job
    }

    /// When the first job can be looked at.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.peek().map(|later| later.at)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The jobs of one batch and priority.
type Batch = BinaryHeap<Ranked>;

/// A place in the order of batches: the highest priority, then whoever has waited longest for its turn.
type Turn = (Reverse<u8>, u64);

/// The jobs of a lane that can be sent, and those that wait for their time.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Batches with jobs that can be sent, the next one first.
    turns: BTreeMap<Turn, Batch>,
    /// Where each of them stands.
    places: HashMap<(u8, Arc<str>), Turn>,
    /// The deadline of each one's first job, if it has one.
    deadlines: BTreeSet<(Timestamp, Turn)>,
    later: Postponed,
    /// Jobs in `turns`.
    ready: usize,
    last_turn: u64,
    /// The name of the batch that came last: jobs of one batch come together, and share it.
    name: Option<Arc<str>>,
}

impl Backlog {
    /// Adds a job, or puts one back: it goes to its batch's place by deadline and age.
    ///
    /// A job that waits for its time is looked at when its deadline passes, should that be earlier.
    pub(super) fn add(&mut self, mut job: Queued, not_before: Option<Timestamp>) {
        match &self.name {
            Some(name) if *name == job.batch => job.batch = Arc::clone(name),
            _ => self.name = Some(Arc::clone(&job.batch)),
        }
        match not_before {
            Some(at) => self.later.push(job.not_after.map_or(at, |deadline| deadline.min(at)), job),
            None => self.push(job),
        }
    }

    /// Moves jobs whose time has come to where they are taken from.
    pub(super) fn promote(&mut self, wall: Timestamp) {
        while let Some(job) = self.later.pop(wall) {
            self.push(job);
        }
    }

    /// Takes a job whose deadline has passed, wherever it stands. Its batch keeps its turn.
    pub(super) fn pop_expired(&mut self, wall: Timestamp) -> Option<Queued> {
        let &(_, turn) = self.deadlines.first().filter(|(at, _)| *at <= wall)?;
        self.take(turn, false)
    }

    /// Takes the job that is sent next; the turn is the next batch's.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let (&turn, _) = self.turns.first_key_value()?;
        self.take(turn, true)
    }

    /// The priority of the job that is sent next.
    pub(super) fn priority(&self) -> Option<u8> {
        self.turns.first_key_value().map(|(&(Reverse(priority), _), _)| priority)
    }

    /// When a job's time comes or a deadline passes, the first of all.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let deadline = self.deadlines.first().map(|&(at, _)| at);
        deadline.into_iter().chain(self.later.next()).min()
    }

    /// Jobs that wait, of either kind.
    pub(super) fn len(&self) -> usize {
        self.ready + self.later.len()
    }

    /// Jobs that can be sent.
    pub(super) const fn ready(&self) -> usize {
        self.ready
    }

    /// Takes these jobs out, wherever they stand. Batches keep their turns.
    pub(super) fn take_out(&mut self, jobs: &HashSet<JobSeq>) {
        let stays = |job: &Queued| !jobs.contains(&job.seq);
        self.turns.retain(|_, batch| {
            batch.retain(|ranked| stays(&ranked.0));
            spare(batch);
            !batch.is_empty()
        });
        self.places.retain(|_, turn| self.turns.contains_key(turn));
        self.deadlines = self.turns.iter().filter_map(|(turn, batch)| Some((deadline(batch)?, *turn))).collect();
        self.ready = self.turns.values().map(BinaryHeap::len).sum();
        self.later.0.retain(|later| stays(&later.job));
        spare(&mut self.later.0);
    }

    fn push(&mut self, mut job: Queued) {
        let priority = job.priority;
        let turn = match self.places.entry((priority, Arc::clone(&job.batch))) {
            Entry::Occupied(place) => {
                job.batch = Arc::clone(&place.key().1);
                *place.get()
            }
            Entry::Vacant(place) => {
                self.last_turn += 1;
                *place.insert((Reverse(priority), self.last_turn))
            }
        };
        // Most batches of one job never have a second.
        let batch = self.turns.entry(turn).or_insert_with(|| Batch::with_capacity(1));
        let before = deadline(batch);
        batch.push(Ranked(job));
        let after = deadline(batch);
        self.ready += 1;
        self.note_deadline((before, turn), (after, turn));
    }

    fn take(&mut self, turn: Turn, passes_on: bool) -> Option<Queued> {
        let batch = self.turns.get_mut(&turn)?;
        let before = deadline(batch);
        let Ranked(job) = batch.pop()?;
        spare(batch);
        let (after, is_empty) = (deadline(batch), batch.is_empty());
        self.ready -= 1;
        let mut place = turn;
        if is_empty {
            self.turns.remove(&turn);
            self.places.remove(&(job.priority, Arc::clone(&job.batch)));
        } else if passes_on && self.has_another(turn) {
            place = self.move_to_end(turn, &job);
        }
        self.note_deadline((before, turn), (after, place));
        Some(job)
    }

    /// Whether another batch of the same priority waits behind this one.
    fn has_another(&self, turn: Turn) -> bool {
        let behind = self.turns.range((Bound::Excluded(turn), Bound::Unbounded)).next();
        behind.is_some_and(|(other, _)| other.0 == turn.0)
    }

    fn move_to_end(&mut self, turn: Turn, of: &Queued) -> Turn {
        self.last_turn += 1;
        let place = (turn.0, self.last_turn);
        if let Some(batch) = self.turns.remove(&turn) {
            self.turns.insert(place, batch);
            self.places.insert((of.priority, Arc::clone(&of.batch)), place);
        }
        place
    }

    fn note_deadline(&mut self, before: (Option<Timestamp>, Turn), after: (Option<Timestamp>, Turn)) {
        if before == after {
            return;
        }
        if let (Some(at), turn) = before {
            self.deadlines.remove(&(at, turn));
        }
        if let (Some(at), turn) = after {
            self.deadlines.insert((at, turn));
        }
    }
}

/// The earliest deadline of a batch: that of its first job.
fn deadline(batch: &Batch) -> Option<Timestamp> {
    batch.peek().and_then(|first| first.0.not_after)
}

/// Gives memory back after a flood.
fn spare<T: Ord>(heap: &mut BinaryHeap<T>) {
    if heap.capacity() > KEPT && heap.len() < heap.capacity() / 4 {
        heap.shrink_to(heap.len() * 2);
    }
}

#[cfg(test)]
mod tests;
