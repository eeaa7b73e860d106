//! What the engine has of a store beside a [`Domain`]: the way to it, and what holds for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::operator::BrokerStanding;
use super::{Counts, Domain, Fleet, Intake, JobSeq, LedgerError, Outbox, Pruned, QuotaDomain, Suspension};
use paceline_domain::activity::Deed;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// What a look-up by name has shown of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its items, as JSON.
    pub items: String,
    /// When it was read.
    pub read_at: Timestamp,
}

/// The durable record of jobs and attempts; the only truth. Every method returns after its commit.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Makes this process the one that works the jobs of a domain; again, if it is that already.
    ///
    /// # Errors
    /// [`LedgerError::NotOwner`] while another process is.
    async fn acquire(&self, domain: QuotaDomain) -> Result<Arc<dyn Domain>, LedgerError>;

    /// Lets go of a domain, so that another process need not wait for it. What this process still has of it changes nothing
    /// from then on.
    async fn release(&self, domain: QuotaDomain) -> Result<(), LedgerError>;

    /// As [`Self::acquire`] does with every lane there is.
    async fn acquire_all(&self) -> Result<Arc<dyn Domain>, LedgerError> {
        self.acquire(QuotaDomain::whole()).await
    }

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

    /// What a look-up by name has shown of a place, if it was read since that instant.
    async fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Result<Option<Kept>, LedgerError>;

    /// Keeps what a look-up by name has shown of some places.
    async fn keep_listed(
        &self,
        directory: &str,
        places: Vec<(String, String)>,
        read_at: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Forgets what a look-up by name has shown.
    async fn forget_listed(&self, directory: &str) -> Result<(), LedgerError>;

    /// How many jobs of these batches (or of all) are in which state.
    async fn counts(&self, batches: Option<Vec<String>>) -> Result<Counts, LedgerError>;
}

/// A store that is open, for the process that works it or for one that hands jobs to that.
#[async_trait]
pub trait Store: Intake + Outbox + Ledger {
    /// Makes it the store of a rehearsal whose windows are `speed` times shorter.
    async fn rehearse(&self, speed: f64) -> Result<(), LedgerError>;

    /// Results and dead letters that the broker does not have yet, or not everywhere.
    async fn unpublished(&self) -> Result<u64, LedgerError>;

    /// What only the store knows of lanes, dead letters and the outbox, at `now`.
    async fn figures(&self, now: Timestamp) -> Result<Figures, LedgerError>;

    /// Records how this process stands with its broker, for those who look from another one.
    async fn set_broker(&self, standing: BrokerStanding) -> Result<(), LedgerError>;

    /// The way to share it with other workers; `None` where one process alone works it.
    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        None
    }

    /// Waits for the changes under way, closes it and lets others work it. What is asked afterwards is answered with
    /// [`LedgerError::Closed`].
    async fn close(&self);
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Works the jobs: one process at a time, under the lock.
    Worker,
    /// Reads, and hands jobs to the process that works them; beside a worker or without one.
    Operator,
}

/// The ledger at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// When it was read.
    pub read_at: Timestamp,
    /// Lanes that have something to tell.
    pub lanes: BTreeMap<LaneKey, LaneFigures>,
    /// Dead jobs by app, method and reason.
    pub dead: BTreeMap<(String, String, String), u64>,
    /// What waits to be published.
    pub outbox: u64,
}

/// A lane in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneFigures {
    /// Parked for a person.
    pub held: u64,
    /// Waiting for other jobs.
    pub blocked: u64,
    /// When the oldest of those that wait was taken over, of those that could be sent by their own times.
    pub oldest_at: Option<Timestamp>,
}
