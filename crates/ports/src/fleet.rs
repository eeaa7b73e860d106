//! Several workers on one store: who is there, and how quota domains change hands.
//!
//! Decision: docs/decisions/0055-domains-are-spread-over-replicas.md

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Domain, LedgerError, PastCall, QuotaDomain};
use paceline_domain::time::Timestamp;

/// What one worker has of a store that several work.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Everything that this worker has taken. What of it is open is what [`Domain::covers`] says.
    fn held(&self) -> Arc<dyn Domain>;

    /// Tells the others of this worker, or that it is another than it was; from now on its heartbeat is heard.
    async fn join(&self, card: Card) -> Result<(), LedgerError>;

    /// Who is there, and which domains have an owner.
    async fn gathering(&self) -> Result<Gathering, LedgerError>;

    /// Calls of all workers that a window may still count that reaches back to `since`.
    async fn past_calls(&self, since: Timestamp) -> Result<Vec<PastCall>, LedgerError>;

    /// Takes those of these domains that nobody else has; says which, and gives them as a domain of their own, for what
    /// is to be read before they are open.
    async fn take(&self, wanted: Vec<QuotaDomain>) -> Result<(Vec<QuotaDomain>, Arc<dyn Domain>), LedgerError>;

    /// The jobs of these domains come straight into the lanes of this worker from now on, or (`false`) no longer do.
    fn open(&self, names: &[String], is_open: bool);

    /// Lets go of domains, so that other workers need not wait for them. Gives those that nobody had taken over before.
    async fn give_up(&self, domains: &[String]) -> Result<Vec<String>, LedgerError>;

    /// The domains that have been lost since this was asked last, and how long ago each was surely owned: they are not
    /// held any more.
    fn lost(&self) -> Vec<(QuotaDomain, Duration)>;

    /// The part of its leases' time for which this worker can still trust the one that ends first; `None` without any.
    fn lease_left(&self) -> Option<f64>;

    /// Asks every worker to read its settings again.
    async fn ask_reload(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// Takes the worker off the list of those who are there: nothing is left for it.
    async fn leave(&self) -> Result<(), LedgerError>;
}

/// What a worker tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Where it runs, for people; never what it is known by.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// A digest of the quotas in force.
    pub quotas: String,
    /// The public address that its calls leave from, by a name.
    pub egress: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// A worker, as the store knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// Drawn at each start of a process.
    pub id: String,
    /// What it told of itself.
    pub card: Card,
    /// Since when nothing has been heard of it, by the store's clock.
    pub silent: Duration,
    /// Whether its leases can still be in force.
    pub is_alive: bool,
}

/// A domain, as the store knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Its name.
    pub domain: String,
    /// Who had it last.
    pub owner: String,
    /// How often it has changed hands.
    pub epoch: i64,
    /// A digest of the quotas by which it was worked last; empty if nobody has told.
    pub quotas: String,
    /// How long it was still owned when this was read; zero if it is free.
    pub left: Duration,
}

/// Who is there and who has what, at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathering {
    /// Which of the replicas asks; empty if none of them does.
    pub own: String,
    /// That instant, by the store's clock.
    pub now: Timestamp,
    /// Since when the store has another history than before: its newest rows may be missing.
    pub broken_at: Option<Timestamp>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// All workers that were heard of lately, by when they started.
    pub replicas: Vec<Replica>,
    /// Every domain that ever had an owner, by name: the very same until one of them changes hands.
    pub holdings: Arc<[Holding]>,
    /// How often workers were asked to read their settings again.
    pub reloads: i64,
    /// Tenants that the ledger has lanes of, each with its app.
    pub tenants: Vec<(String, String)>,
}
