//! The simulator's own books: what arrived, what was refused, what was really created.
//!
//! They are kept apart from what is enforced and from everything that the worker says, so that duplicates, losses and
//! breaches are counted by somebody other than the worker.

use std::collections::BTreeMap;

use serde::Serialize;

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Requests that arrived, tokens and look-ups included.
    pub arrivals: u64,
    /// Of these, carried out with code 0.
    pub succeeded: u64,
    /// Of these, over a quota.
    pub refused: u64,
    /// Objects created.
    pub created: u64,
    /// Of these, different ones by natural identity.
    pub distinct: u64,
    /// Of these, created again: `created - distinct`.
    pub duplicates: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// By method.
    pub methods: BTreeMap<String, MethodStats>,
    /// By quota key.
    pub quotas: Vec<QuotaStats>,
    /// How often each code was answered, 0 for success; injected faults without a code count under `faults` alone.
    pub codes: BTreeMap<i64, u64>,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<&'static str, u64>,
}

/// The sums that people look at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Objects created.
    pub created: u64,
    /// Of these, created again though an equal one was there.
    pub twice: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Calls over a quota.
    pub over_quota: u64,
    /// Other calls that were answered with a code of failure, fetching access tokens and looking up included.
    pub refused: u64,
}

/// What happened to one method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MethodStats {
    /// Requests that arrived.
    pub arrivals: u64,
    /// Of these, answered with code 0.
    pub succeeded: u64,
    /// Of these, over a quota.
    pub refused: u64,
    /// Of these, answered with another code, or not answered as they should be.
    pub failed: u64,
    /// Objects created.
    pub created: u64,
    /// Of these, different ones by natural identity.
    pub distinct: u64,
    /// Of these, created again.
    pub duplicates: u64,
    /// Objects that it deleted.
    pub deleted: u64,
    /// Calls in flight now: sent, and no reply out yet.
    pub in_flight: u32,
    /// The most calls in flight at once.
    pub in_flight_max: u32,
}

/// What was counted for one quota key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuotaStats {
    /// The method.
    pub method: String,
    /// What the quota is counted by.
    pub scope: String,
    /// Which one of these: the app id, the corp id, …
    pub key: String,
    /// Calls within the quota.
    pub accepted: u64,
    /// Calls over the quota.
    pub refused: u64,
    /// Calls of other programs.
    pub background: u64,
    /// Window by window, shortest first.
    pub windows: Vec<WindowStats>,
}

/// What was counted in one window, whatever kind of window is enforced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowStats {
    /// Requests per window.
    pub limit: usize,
    /// The window's length, shortened by the rehearsal's speed.
    pub window_s: f64,
    /// The most requests that arrived in any half-open span of that length, refused ones too, other programs' not.
    pub largest: usize,
    /// Whether that is over the limit.
    pub is_breached: bool,
}

impl Stats {
    /// The sums that people look at first.
    pub fn tally(&self) -> Tally {
        // A scenario's made-up refusals count as refused: the quota was not used up.
        let over_quota = self.quotas.iter().map(|quota| quota.refused).sum();
        let refused: u64 = self.codes.iter().filter(|(code, _)| **code != 0).map(|(_, count)| count).sum();
        Tally {
            created: self.created,
            twice: self.duplicates,
            deleted: self.deleted,
            over_quota,
            refused: refused.saturating_sub(over_quota),
        }
    }

    /// The book of a method.
    pub(super) fn method(&mut self, name: &str) -> &mut MethodStats {
        self.methods.entry(name.to_owned()).or_default()
    }

    /// Writes a deletion down.
    pub(super) fn note_deleted(&mut self, method: &str) {
        self.deleted += 1;
        self.method(method).deleted += 1;
    }

    /// Writes a new object down.
    pub(super) fn note_created(&mut self, method: &str, is_duplicate: bool) {
        let (distinct, duplicates) = if is_duplicate { (0, 1) } else { (1, 0) };
        self.created += 1;
        self.distinct += distinct;
        self.duplicates += duplicates;
        let book = self.method(method);
        book.created += 1;
        book.distinct += distinct;
        book.duplicates += duplicates;
    }
}
