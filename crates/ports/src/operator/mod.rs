//! What people ask of a store, [`Reports`], and what they do with it, [`Commands`]; beside a running worker or without one.
//!
//! Reads are free; changes are short transactions, and jobs put to work are announced to the process that works them.
//! Everything here blocks. Nothing here prints: the values serialise as `--json` shows them.
//!
//! Decision: docs/decisions/0047-reports-and-commands-block.md

mod activity;
mod batches;
mod chained;
mod dead;
mod ending;
mod jobs;
mod outlook;
mod repeats;
mod selection;

use std::sync::Arc;

use super::{Gathering, LedgerError, Restraint, Store, Suspension};
use paceline_domain::activity::{Action, By, Deed, Facts};
use paceline_domain::catalog::Catalog;
use paceline_domain::messages::{BrokerStatus, Holder};
use paceline_domain::rows::Known;
use paceline_domain::time::Timestamp;

pub use self::activity::{ActivityFilter, ActivityLine, ActivityReports};
pub use self::batches::{BatchLine, BatchReports, Ended, LaneCounts, LaneLine};
pub use self::chained::{Before, Chained, Link, chained};
pub use self::dead::{
    DeadCommands, DeadGroup, DeadLine, DeadReports, Edit, Letter, LetterKind, Rejected, RejectedInput,
};
pub use self::ending::{EndingRow, json_of};
pub use self::jobs::{
    AttemptLine, Cancelled, ExportRow, Followed, HeldLine, JobCommands, JobLine, JobReports, JobSheet, Made,
    Resolution, UndoReports,
};
pub use self::outlook::{Ahead, Awaited, Group, Minute, Outlook, OutlookReports, Running};
pub use self::repeats::{Likeness, Repeat, RepeatReports, Seeker, Sought, Untouched, can_be_queued};
pub use self::selection::{Selection, handle, input_number, job_id, number};

/// Every read of people.
pub trait Reports:
    ActivityReports
    + BatchReports
    + DeadReports
    + JobReports
    + OutlookReports
    + RepeatReports
    + StandingReports
    + UndoReports
    + Send
{
}

/// Every change by people.
pub trait Commands: Reports + DeadCommands + JobCommands + StandingCommands + Upkeep {}

/// The way to a store that exists: whatever is asked for is opened anew.
pub trait Connect: Send + Sync {
    /// To change it, without the worker's lock.
    fn commands(&self) -> Result<Box<dyn Commands>, LedgerError>;

    /// To read it only, while a worker has it open.
    fn reports(&self) -> Result<Box<dyn Reports>, LedgerError>;

    /// To look at it only; `None` if there is nothing in it.
    fn untouched(&self) -> Result<Option<Box<dyn Untouched>>, LedgerError>;

    /// The jobs that rows of files may belong to, read when something is asked for the first time.
    fn known_jobs(&self, catalog: Arc<Catalog>) -> Box<dyn Known>;

    /// To hand jobs to the process that works it. Called on a runtime.
    fn intake(&self, now: Timestamp) -> Result<Arc<dyn Store>, LedgerError>;
}

/// What there is where a store should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the first worker makes it.
    Absent,
    /// A ledger.
    Ledger(Inspection),
}

/// A ledger from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Permission bits, e.g. `0o600`.
    pub mode: u32,
    /// Who works it.
    pub worker: Option<Holder>,
    /// Whether it will be migrated at the next start.
    pub is_old: bool,
    /// The newest instant that is recorded in it; `None` if it is empty or old.
    pub newest: Option<Timestamp>,
    /// What is wrong with it although it can be read, each with what to do.
    pub faults: Vec<String>,
    /// The server that it is on; `None` for a file.
    pub server: Option<ServerInspection>,
}

/// What a database server makes of what is recorded on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInspection {
    /// E.g. `15.20`.
    pub version: String,
    /// Whether a commit is on its disk before it is told: not with `synchronous_commit = off`.
    pub is_durable: bool,
    /// Standbys that follow it at the moment.
    pub standbys: i64,
    /// Whether a commit is also on a standby before it is told.
    pub is_on_standbys: bool,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In order.
    pub lines: Vec<T>,
    /// What to go on after; `None` at the end.
    pub next: Option<i64>,
}

/// What came of a ledger's rekeying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The version of the key by which everything is sealed now.
    pub version: u32,
    /// How many rows were carried forward.
    pub rows: u64,
    /// Where the key is kept.
    pub key: String,
    /// Whether the earlier key still stands there, for a person to take out.
    pub keeps_old: bool,
}

/// How a worker is connected with its broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerStanding {
    /// Since when it is ready, or not.
    pub since: Timestamp,
    /// How the connections are, and what is done on them.
    pub status: BrokerStatus,
}

/// How the worker and what it holds back stand.
pub trait StandingReports {
    /// Who works the ledger, if anybody does.
    fn worker(&self) -> Result<Option<Holder>, LedgerError>;

    /// The workers of a ledger that several work, and what each of them has; `None` where one process alone works it.
    fn workers(&self) -> Result<Option<Gathering>, LedgerError>;

    /// How the worker is connected with its broker; of use while there is a worker.
    fn broker(&self) -> Result<Option<BrokerStanding>, LedgerError>;

    /// All suspensions, by app, tenant and method.
    fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError>;

    /// What holds calls back beyond the quotas, as the worker recorded it last.
    fn restraints(&self) -> Result<Vec<Restraint>, LedgerError>;

    /// How many times shorter all windows were, if the calls were those of a rehearsal.
    fn rehearsal_speed(&self) -> Result<Option<f64>, LedgerError>;
}

/// What people hold back and let go.
pub trait StandingCommands {
    /// Suspends an app or a lane, replacing a suspension of the same app, tenant and method.
    fn suspend(&mut self, suspension: &Suspension) -> Result<(), LedgerError>;

    /// Ends the suspensions of the app, and of the tenant and method where they are not empty; says how many.
    fn resume(&mut self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError>;

    /// Forgets what holds an app back; says how many. A running worker then tries again with one call.
    fn lift(&mut self, app: &str) -> Result<usize, LedgerError>;
}

/// Who changes something, and what a ledger keeps for itself.
pub trait Upkeep {
    /// Whoever changes something from now on; at first, the user of this process.
    fn act_as(&mut self, by: By);

    /// What they are about to do, to be told of in the transaction that does it.
    fn deed(&self, action: Action, facts: Facts) -> Deed;

    /// Notes the file of a batch and, for CSV, its header cells, so that an export can give the rows back.
    fn describe_batch(
        &mut self,
        name: &str,
        source: &str,
        header: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Works out what the jobs of the first edition create, so that it can be looked up. Once done it costs nothing.
    ///
    /// # Errors
    /// The ledger's.
    fn identify(&mut self, catalog: &Catalog) -> Result<(), LedgerError>;

    /// Begins to write and leaves everything as it is.
    ///
    /// # Errors
    /// Why nothing can be written.
    fn probe(&mut self) -> Result<(), LedgerError>;

    /// Begins a new key and carries everything that is sealed forward to it, beside a running worker or without one.
    ///
    /// # Errors
    /// That the present key is not there, or that no new one is; else the ledger's.
    fn rekey(&mut self) -> Result<Rekeyed, LedgerError>;
}
