//! One lane: its jobs in order of priority, deadline and age, those that wait for their time, and its slots.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Ticket;
use crate::domain::job::LaneKey;
use crate::domain::quota::{Concurrency, KeyId};
use crate::domain::time::Timestamp;
use crate::engine::ports::{JobSeq, Waiting};
use crate::engine::quotas::LanePlan;

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
    /// Whether a look-up has not found it once already.
    pub looked: bool,
}

impl Queued {
    /// Greater goes first: priority, then deadline, then age.
    fn rank(&self) -> (u8, Reverse<Timestamp>, Reverse<JobSeq>) {
        (self.priority, Reverse(self.not_after.unwrap_or(Timestamp(i64::MAX))), Reverse(self.seq))
    }

    /// Whether its deadline has passed.
    pub fn is_expired(&self, wall: Timestamp) -> bool {
        self.not_after.is_some_and(|at| at <= wall)
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How a lane has done since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs ended well.
    pub succeeded: u64,
    /// Jobs ended without success.
    pub dead: u64,
    /// Jobs parked for a person.
    pub held: u64,
    /// Refusals for pace.
    pub throttled: u64,
    /// Calls sent.
    pub sent: u64,
}

/// The FIFO of one (app, tenant, method), and the calls that the worker itself makes of it.
#[expect(clippy::struct_excessive_bools, reason = "each says one independent thing about where the lane stands")]
pub(super) struct Lane {
    pub key: Arc<LaneKey>,
    pub plan: Arc<LanePlan>,
    pub keys: Vec<KeyId>,
    pub concurrency: Concurrency,
    /// Slots taken by jobs.
    pub in_flight: u32,
    pub verifying: bool,
    pub suspended: bool,
    /// Whether it stands in the schedule's line of lanes to look at.
    pub ready: bool,
    pub in_slot_line: bool,
    /// The quota keys in whose lines it stands.
    pub lines: Vec<KeyId>,
    /// The line it was called out of for its next turn.
    pub woken_by: Option<KeyId>,
    pub tally: Tally,
    calls: VecDeque<oneshot::Sender<Ticket>>,
    due: BinaryHeap<Queued>,
    later: BinaryHeap<Later>,
    uncertain: BinaryHeap<Later>,
}

/// A job with the instant before which it is not looked at.
#[derive(Debug, PartialEq, Eq)]
struct Later {
    at: Timestamp,
    job: Queued,
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at).then_with(|| self.job.cmp(&other.job))
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Lane {
    pub(super) fn new(key: LaneKey, plan: Arc<LanePlan>, keys: Vec<KeyId>, concurrency_max: u32) -> Self {
        Self {
            key: Arc::new(key),
            plan,
            keys,
            concurrency: Concurrency::new(concurrency_max),
            in_flight: 0,
            verifying: false,
            suspended: false,
            ready: false,
            in_slot_line: false,
            lines: Vec::new(),
            woken_by: None,
            tally: Tally::default(),
            calls: VecDeque::new(),
            due: BinaryHeap::new(),
            later: BinaryHeap::new(),
            uncertain: BinaryHeap::new(),
        }
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        let at = waiting.not_before;
        let uncertain = waiting.uncertain;
        let job = Queued {
            seq: waiting.seq,
            batch: waiting.batch,
            priority: waiting.priority,
            not_after: waiting.not_after,
            attempts: waiting.attempts,
            renewals: 0,
            looked: false,
        };
        if uncertain {
            self.add_uncertain(job, at.unwrap_or_default());
        } else {
            self.put_back(job, at);
        }
    }

    pub(super) fn put_back(&mut self, job: Queued, not_before: Option<Timestamp>) {
        match not_before {
            Some(at) => self.later.push(Later { at, job }),
            None => self.due.push(job),
        }
    }

    pub(super) fn add_uncertain(&mut self, job: Queued, at: Timestamp) {
        self.uncertain.push(Later { at, job });
    }

    pub(super) fn add_call(&mut self, call: oneshot::Sender<Ticket>) {
        self.calls.push_back(call);
    }

    /// Moves jobs whose time has come to where they are taken from.
    pub(super) fn promote(&mut self, wall: Timestamp) {
        while self.later.peek().is_some_and(|later| later.at <= wall) {
            if let Some(later) = self.later.pop() {
                self.due.push(later.job);
            }
        }
    }

    /// Takes the first job if its deadline has passed.
    pub(super) fn pop_expired(&mut self, wall: Timestamp) -> Option<Queued> {
        self.due.peek().filter(|job| job.is_expired(wall))?;
        self.due.pop()
    }

    /// Takes an uncertain job whose time has come.
    pub(super) fn pop_uncertain(&mut self, wall: Timestamp) -> Option<Queued> {
        self.uncertain.peek().filter(|later| later.at <= wall)?;
        self.uncertain.pop().map(|later| later.job)
    }

    /// Takes a call that the worker itself waits for; those whose waiter has gone are dropped.
    pub(super) fn pop_call(&mut self) -> Option<oneshot::Sender<Ticket>> {
        loop {
            let call = self.calls.pop_front()?;
            if !call.is_closed() {
                return Some(call);
            }
        }
    }

    pub(super) fn has_call(&mut self) -> bool {
        while self.calls.front().is_some_and(oneshot::Sender::is_closed) {
            self.calls.pop_front();
        }
        !self.calls.is_empty()
    }

    pub(super) fn has_job(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn pop_job(&mut self) -> Option<Queued> {
        self.due.pop()
    }

    /// When the next job that waits for its time can be looked at.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let later = self.later.peek().map(|later| later.at);
        let uncertain = self.uncertain.peek().filter(|_| !self.verifying).map(|later| later.at);
        later.into_iter().chain(uncertain).min()
    }

    /// Jobs that wait, of whatever kind.
    pub(super) fn waiting(&self) -> usize {
        self.due.len() + self.later.len() + self.uncertain.len()
    }
}
