//! A ledger that several workers of one process share: one file, and leases in memory that keep the same contract.
//!
//! Whoever is paused or dead gets no answer, and asks nothing: as a process that does not run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paceline::clock::Clock;
use paceline::domain::job::LaneKey;
use paceline::domain::time::{Mono, Timestamp, micros};
use paceline::engine::ports::{
    AttemptSeq, Card, Changed, Domain, Holding, JobSeq, LedgerError, QuotaDomain, Restraint, Waiting,
};
use paceline::store::SqlStore;
use tokio::sync::{Mutex as AsyncMutex, watch};

/// How long a lease lasts, and how much earlier its owner takes it for over.
pub(super) const LEASE: Duration = Duration::from_secs(6);
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// What is left out on purpose, to see that it is missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// No write asks whether its domain is still owned.
    pub no_fence: bool,
    /// No call asks whether its domain is still owned before it leaves.
    pub no_leave_by: bool,
    /// A worker goes by its machine's clock instead of the database's.
    pub own_clock: bool,
}

/// Whether a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    Paused,
    Dead,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub owner: u64,
    pub epoch: i64,
    pub quotas: String,
    pub expires: i64,
}

/// What all of them see.
#[derive(Default)]
pub(super) struct Rows {
    pub leases: BTreeMap<String, Row>,
    pub replicas: BTreeMap<u64, (Card, Mono)>,
    pub changed: Changed,
    pub restraints: BTreeMap<String, Vec<Restraint>>,
    pub tenants: BTreeSet<(String, String)>,
    /// Since when the database has another history.
    pub broken_at: Option<Timestamp>,
}

/// The ledger.
pub(super) struct Shared {
    pub inner: Arc<SqlStore>,
    pub whole: Arc<dyn Domain>,
    pub clock: Clock,
    pub faults: Faults,
    /// Held from the question whether a domain is owned to the end of the change.
    pub rows: AsyncMutex<Rows>,
    pub lanes: Mutex<HashMap<AttemptSeq, LaneKey>>,
}

/// A domain that a worker has.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub domain: QuotaDomain,
    pub epoch: i64,
    pub until: Mono,
    pub is_open: bool,
    pub is_lost: bool,
}

/// One worker's way to it.
pub(super) struct Replica {
    pub id: u64,
    pub shared: Arc<Shared>,
    pub life: watch::Receiver<Life>,
    held: Mutex<BTreeMap<String, Part>>,
    known: Mutex<Arc<[Holding]>>,
    /// As its machine tells the time.
    machine: Clock,
}

impl Replica {
    pub(super) fn new(id: u64, shared: Arc<Shared>, life: watch::Receiver<Life>, machine: Clock) -> Arc<Self> {
        Arc::new(Self { id, shared, life, held: Mutex::default(), known: Mutex::default(), machine })
    }

    /// The time that it takes for the database's.
    pub(super) fn now(&self) -> Timestamp {
        if !self.shared.faults.own_clock {
            return self.shared.clock.now();
        }
        self.machine.anchor_again();
        self.machine.now()
    }

    pub(super) fn held(&self) -> MutexGuard<'_, BTreeMap<String, Part>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The very same as before, until a domain changes hands.
    pub(super) fn known(&self, now: Vec<Holding>) -> Arc<[Holding]> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = |holding: &Holding| (holding.epoch, holding.left.is_zero(), holding.quotas.clone());
        if !known.iter().map(mark).eq(now.iter().map(mark)) {
            *known = now.into();
        }
        Arc::clone(&known)
    }

    /// Goes on when the worker runs; a dead one never does.
    pub(super) async fn runs(&self) {
        let mut life = self.life.clone();
        if life.wait_for(|life| *life == Life::Runs).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it runs at this instant.
    pub(super) fn is_running(&self) -> bool {
        *self.life.borrow() == Life::Runs
    }

    pub(super) fn part_of(&self, lane: &LaneKey) -> Option<Part> {
        self.held().values().find(|part| part.domain.covers(lane)).cloned()
    }

    /// Whether the worker still owns the lane, by the leases themselves.
    pub(super) fn fence(&self, rows: &Rows, lane: &LaneKey) -> Result<Part, LedgerError> {
        let not_owner = || LedgerError::NotOwner(format!("another worker has {lane}"));
        let part = self.part_of(lane).ok_or_else(not_owner)?;
        let row = rows.leases.get(part.domain.name());
        let is_owned = row.is_some_and(|row| (row.owner, row.epoch) == (self.id, part.epoch));
        if is_owned || self.shared.faults.no_fence { Ok(part) } else { Err(not_owner()) }
    }

    /// Jobs that another worker schedules are told to it.
    pub(super) fn tell(&self, rows: &mut Rows, waiting: &[Waiting]) {
        for job in waiting {
            rows.tenants.insert((job.lane.app.clone(), job.lane.tenant.clone()));
            if !self.fence(rows, &job.lane).is_ok_and(|part| part.is_open) {
                rows.changed.waiting.push(job.clone());
            }
        }
    }

    /// Those of what changed that are of these domains.
    pub(super) fn take_changed(&self, rows: &mut Rows) -> Changed {
        let all = std::mem::take(&mut rows.changed);
        let is_own = |lane: &LaneKey| self.fence(rows, lane).is_ok_and(|part| part.is_open);
        let (own, others): (Vec<_>, Vec<_>) = all.waiting.into_iter().partition(|job| is_own(&job.lane));
        let (own_ended, others_ended): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.ended.into_iter().partition(|(lane, _)| is_own(lane));
        rows.changed = Changed { waiting: others, ended: others_ended };
        Changed { waiting: own, ended: own_ended }
    }

    /// Who takes a domain reads its jobs anyway.
    pub(super) fn forget_changed(rows: &mut Rows, domain: &QuotaDomain) {
        rows.changed.waiting.retain(|job| !domain.covers(&job.lane));
        rows.changed.ended.retain(|lane, _| !domain.covers(lane));
    }

    /// The lane of a job.
    pub(super) async fn lane_of(&self, seq: JobSeq) -> Result<LaneKey, LedgerError> {
        Ok(self.shared.whole.job(seq).await?.lane)
    }

    /// One heartbeat; `reaches` and `is_answered`: whether the question and its answer come through.
    pub(super) async fn beat(&self, reaches: bool, is_answered: bool) {
        self.runs().await;
        let clock = &self.shared.clock;
        let before = clock.mono();
        if !reaches {
            return;
        }
        let mut rows = self.shared.rows.lock().await;
        let now = clock.mono();
        let mut still = BTreeMap::new();
        for (domain, row) in &mut rows.leases {
            if row.owner == self.id && row.expires > now.0 {
                row.expires = now.0 + micros(LEASE);
                still.insert(domain.clone(), row.epoch);
            }
        }
        if let Some((_, seen)) = rows.replicas.get_mut(&self.id) {
            *seen = now;
        }
        drop(rows);
        self.runs().await;
        if !is_answered {
            return;
        }
        for (name, part) in self.held().iter_mut() {
            if still.get(name) == Some(&part.epoch) {
                part.until = before + LEASE.checked_sub(MARGIN).unwrap();
            } else {
                part.is_lost = true;
            }
        }
    }
}
