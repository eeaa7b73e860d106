//! What the engine has of a store beside a [`Domain`]: the way to it, and what holds for all of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Counts, Domain, JobSeq, LedgerError, Pruned, Suspension};
use paceline_domain::activity::Deed;
use paceline_domain::time::Timestamp;

/// The durable record of jobs and attempts; the only truth. Every method returns after its commit.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Makes this process the one that works the jobs.
    async fn acquire(&self) -> Result<Arc<dyn Domain>, LedgerError>;

    /// Records a suspension, replacing one of the same app, tenant and method.
    async fn suspend(&self, suspension: Suspension) -> Result<(), LedgerError>;

    /// Ends suspensions of the app (and tenant and method, where not empty); says how many.
    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError>;

    /// Ends suspensions whose time is over at `now`; says how many.
    async fn end_suspensions(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// All suspensions.
    async fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError>;

    /// Forgets a piece of what ended before `before`: of the jobs after `after` those that ended and were published, with
    /// their attempts; after the last of them what belongs to no job. What the jobs created stays known as theirs.
    async fn prune(&self, before: Timestamp, after: JobSeq) -> Result<Pruned, LedgerError>;

    /// Tells of a change that a person made and that the ledger had no part in, such as other settings.
    async fn note(&self, deed: Deed, count: usize, now: Timestamp) -> Result<(), LedgerError>;

    /// How many jobs of these batches (or of all) are in which state.
    async fn counts(&self, batches: Option<Vec<String>>) -> Result<Counts, LedgerError>;
}
