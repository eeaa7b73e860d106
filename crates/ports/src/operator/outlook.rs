//! What a forecast needs to know of a ledger, and the calls of its past.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Chained, JobSheet};
use crate::{LedgerError, PastCall, Restraint, State, Suspension};
use paceline_domain::budget::CalledDay;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// The ledger, as a forecast sees it.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Jobs that wait.
    pub backlog: Vec<Group>,
    /// Jobs that wait for others.
    pub chained: Vec<Chained>,
    /// Jobs whose calls are in flight, with the calls' deadlines.
    pub running: Vec<(Running, Timestamp)>,
    /// Calls that a window may still count, by lane.
    pub past: BTreeMap<LaneKey, Vec<PastCall>>,
    /// How many calls the platform has counted, by lane and calendar day, of the last month.
    pub called: Vec<CalledDay>,
    /// What stands still.
    pub suspensions: Vec<Suspension>,
    /// What else holds calls back.
    pub restraints: Vec<Restraint>,
    /// The median of the last round trips by method, where enough are recorded.
    pub round_trips: BTreeMap<String, Duration>,
}

/// Jobs that are alike as far as the schedule is concerned. One that has to be looked up counts as one call of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their lane.
    pub lane: LaneKey,
    /// Their batch, empty if none.
    pub batch: Arc<str>,
    /// 0 to 9.
    pub priority: u8,
    /// Not sent before.
    pub not_before: Option<Timestamp>,
    /// Expired at.
    pub not_after: Option<Timestamp>,
    /// The numbers of the oldest and the youngest.
    pub ages: (i64, i64),
    /// How many.
    pub count: u64,
}

/// A job whose call is in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its lane.
    pub lane: LaneKey,
    /// Its batch, empty if none.
    pub batch: Arc<str>,
    /// When it left.
    pub sent_at: Timestamp,
}

/// Jobs of its lane that go before a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// Of higher priority.
    pub higher: u64,
    /// Of its own batch and priority, with an earlier deadline or older.
    pub own_batch: u64,
    /// Of other batches of its priority, which take turns with its own.
    pub others: u64,
}

impl Ahead {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.higher + self.own_batch + self.others
    }
}

/// A job that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Awaited {
    /// Its id.
    pub id: String,
    /// Its state; absent if nobody has published it.
    pub state: Option<State>,
}

/// A minute (counted from 1970), its calls, and those of them that were refused for pace.
pub type Minute = (i64, u64, u64);

/// Calls that were made, and what a forecast needs to know.
pub trait OutlookReports {
    /// The present outlook; windows reach back to `since`.
    fn outlook(&self, since: Timestamp) -> Result<Outlook, LedgerError>;

    /// The present outlook; the windows of each lane reach back to what `since` says of it.
    fn outlook_of(&self, since: &dyn Fn(&LaneKey) -> Timestamp) -> Result<Outlook, LedgerError>;

    /// The calls that windows may still count, of the lanes for which `since` says how far back they reach.
    fn past_of(
        &self,
        since: &dyn Fn(&LaneKey) -> Option<Timestamp>,
    ) -> Result<BTreeMap<LaneKey, Vec<PastCall>>, LedgerError>;

    /// How many calls the platform has counted, by lane and calendar day in UTC+8, of the last month.
    fn called(&self) -> Result<Vec<CalledDay>, LedgerError>;

    /// How many calls that left at `since` or later have which outcome.
    fn outcomes(&self, since: Timestamp) -> Result<BTreeMap<String, u64>, LedgerError>;

    /// Calls `each` for every recorded call that a window reaching back to `since` may count, in the order of sending.
    fn each_call(&self, since: Timestamp, each: &mut dyn FnMut(PastCall)) -> Result<(), LedgerError>;

    /// Calls `each` for every span in which a job waited that could have been sent, after `since` and up to `now`: its lane,
    /// the beginning, and its first call.
    fn each_wait(
        &self,
        since: Timestamp,
        now: Timestamp,
        each: &mut dyn FnMut(LaneKey, Timestamp, Timestamp),
    ) -> Result<(), LedgerError>;

    /// The calls that left from `since` on and before `until`, by lane and minute, the oldest first. Of each lane `most`
    /// are read, the latest; a minute that is not whole then is left out.
    fn calls_by_minute(
        &self,
        since: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<(LaneKey, Vec<Minute>)>, LedgerError>;

    /// Jobs of its lane that may go now and go before it. Batches of one priority take turns, one job each, so of another
    /// batch no more go first than of its own.
    fn ahead(&self, sheet: &JobSheet, now: Timestamp) -> Result<Ahead, LedgerError>;

    /// The jobs that a blocked one waits for.
    fn awaited(&self, seq: i64) -> Result<Vec<Awaited>, LedgerError>;
}
