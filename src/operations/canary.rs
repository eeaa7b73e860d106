//! `run --canary`: the first jobs of a batch alone, before all others.
//!
//! Decision: docs/decisions/0037-a-canary-is-a-first-load.md

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::job::LaneKey;
use crate::engine::Engine;
use crate::engine::ports::{JobSeq, LedgerError};
use paceline_ports::operator::{JobLine, Reports};

/// The jobs that go first.
#[derive(Clone, Debug, Default)]
pub struct Canary {
    jobs: Vec<JobSeq>,
    /// How many there are of each lane.
    pub lanes: BTreeMap<LaneKey, u64>,
}

impl Canary {
    /// Puts the first `count` waiting jobs of these batches into their lanes, in the order of their files.
    pub async fn load(engine: &Arc<Engine>, batches: &[String], count: usize) -> Result<Self, LedgerError> {
        let jobs = engine.domain().waiting(Some(batches.to_vec()), JobSeq(0), count).await?;
        let mut canary = Self::default();
        for job in &jobs {
            canary.jobs.push(job.seq);
            *canary.lanes.entry(job.lane.clone()).or_default() += 1;
        }
        engine.enqueue(jobs);
        Ok(canary)
    }

    /// Whether there was anything to send.
    pub const fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How its jobs stand now, in their order. A job that somebody forgot meanwhile is not among them.
    pub fn lines(&self, ledger: &dyn Reports) -> Result<Vec<JobLine>, LedgerError> {
        let lines = self.jobs.iter().map(|seq| ledger.job_line(*seq));
        lines.filter_map(Result::transpose).collect()
    }
}

/// Whether a job is where it was wanted.
pub fn has_succeeded(line: &JobLine) -> bool {
    line.document["status"] == "succeeded"
}
