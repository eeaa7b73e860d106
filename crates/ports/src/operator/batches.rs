//! Batches and lanes with their counts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Page;
use crate::{Counts, LedgerError};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchLine {
    /// Its name; empty for the jobs without one.
    pub name: String,
    /// The file it was read from.
    pub source: Option<String>,
    /// When its first input was taken over.
    pub created_at: Option<Timestamp>,
    /// Its jobs by state.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A lane in which something waits or runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneLine {
    /// The app.
    pub app: String,
    /// The tenant; empty for a custom app.
    pub tenant: String,
    /// The method.
    pub method: String,
    /// Jobs queued, those in flight included.
    pub queued: u64,
    /// Jobs to be verified.
    pub uncertain: u64,
    /// Calls in flight: jobs, look-ups and access tokens.
    pub running: u64,
}

/// A lane with all its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneCounts {
    /// The app.
    pub app: String,
    /// The tenant; empty for a custom app.
    pub tenant: String,
    /// The method.
    pub method: String,
    /// Its jobs by state.
    #[serde(flatten)]
    pub counts: Counts,
    /// Calls in flight: jobs, look-ups and access tokens.
    pub running: u64,
    /// When the job was taken over that waits longest, those in flight included.
    pub oldest_waiting_at: Option<Timestamp>,
}

/// Jobs of a lane that wait for a person or for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Parked for a person.
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
}

/// Batches and lanes with their counts.
pub trait BatchReports {
    /// Every batch with its counts, in the order of creation; jobs without a batch come first.
    fn batches(&self) -> Result<Vec<BatchLine>, LedgerError>;

    /// A page of [`Self::batches`], after what an earlier one said to go on after; -1 for the first.
    fn page_batches(&self, after: i64, limit: usize) -> Result<Page<BatchLine>, LedgerError>;

    /// Every lane in which something waits or runs, by app, tenant and method.
    fn lanes(&self) -> Result<Vec<LaneLine>, LedgerError>;

    /// Every lane with all its counts, by app, tenant and method. Inputs that never became jobs are in none.
    fn lane_counts(&self) -> Result<Vec<LaneCounts>, LedgerError>;

    /// Held and dead jobs of the lanes that have any.
    fn ended_by_lane(&self) -> Result<BTreeMap<LaneKey, Ended>, LedgerError>;

    /// Dead letters that never became jobs. They are in no lane.
    fn dead_inputs(&self) -> Result<u64, LedgerError>;

    /// Results and dead letters that the broker does not have yet.
    fn unpublished(&self) -> Result<u64, LedgerError>;

    /// The header cells of a CSV batch; `None` for other batches and unknown ones.
    fn header(&self, batch: &str) -> Result<Option<Vec<String>>, LedgerError>;
}
