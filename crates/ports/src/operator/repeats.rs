//! Which rows of files, and which jobs over HTTP, repeat what a ledger holds already: by their ids, or by what they
//! would create.

use std::sync::Arc;

use super::Outlook;
use crate::{LedgerError, State};
use paceline_domain::catalog::Catalog;
use paceline_domain::job::{Identity, Job, LaneKey};
use paceline_domain::rows::Numbered;
use paceline_domain::time::Timestamp;

/// How a job of the ledger comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same id and the same content.
    Same,
    /// The same id; a row of a file that corrects a job which ended without success.
    Corrected,
    /// The same id for other content.
    IdConflict,
    /// Another id for what was created or is about to be: it would be created again.
    Twin,
}

/// A job of the ledger that comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How.
    pub likeness: Likeness,
    /// The job's id.
    pub id: String,
    /// Its batch, empty if none.
    pub batch: String,
    /// Its state in the ledger.
    pub state: State,
    /// The id of what it created, if that is known.
    pub key: Option<String>,
}

impl Repeat {
    /// Whether the job comes to nothing new: it waits, runs or has been done.
    pub fn is_settled(&self) -> bool {
        self.likeness == Likeness::Same && !can_be_queued(self.state)
    }
}

/// What is sought about.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    /// The job.
    pub job: &'a Job,
    /// Whether it is a row of a file: that may correct a job which ended without success.
    pub is_row: bool,
    /// Whether only a job of the very same content counts as its twin: upstream chose the ids.
    pub by_content: bool,
}

/// Whether the same id sets a job in this state to work again.
pub const fn can_be_queued(state: State) -> bool {
    matches!(state, State::Dead | State::Cancelled)
}

/// Which jobs come again.
pub trait RepeatReports {
    /// Looks jobs up.
    ///
    /// # Errors
    /// The ledger's.
    fn seeker(&self, catalog: &Catalog) -> Result<Box<dyn Seeker + '_>, LedgerError>;
}

/// A ledger that is only looked at: nothing is written, created or migrated, beside a worker or without one.
pub trait Untouched {
    /// The present outlook; windows reach back to `since`.
    fn outlook(&self, since: Timestamp) -> Result<Outlook, LedgerError>;

    /// Whether a job has this id.
    ///
    /// # Errors
    /// The ledger's.
    fn knows(&self, id: &str) -> Result<bool, LedgerError>;

    /// What a look-up by name has shown of a place, if it was read since that instant.
    ///
    /// # Errors
    /// The ledger's.
    fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Result<Option<crate::Kept>, LedgerError>;

    /// How many jobs of a lane and identity have their object, or may get it.
    ///
    /// # Errors
    /// The ledger's.
    fn objects(&self, lane: &LaneKey, identity: &Identity) -> Result<u64, LedgerError>;

    /// Looks jobs up without touching the ledger.
    ///
    /// # Errors
    /// The ledger's.
    fn seeker(&self, catalog: &Catalog) -> Result<Box<dyn Seeker + '_>, LedgerError>;

    /// The jobs whose ids are this batch and a row's number, in their order.
    ///
    /// # Errors
    /// The ledger's.
    fn numbered(&self, batch: &str, catalog: &Arc<Catalog>) -> Result<Vec<Numbered>, LedgerError>;
}

/// Looks jobs up in a ledger.
pub trait Seeker {
    /// The job of this id, if there is one, and the first of another id that it would create again.
    ///
    /// # Errors
    /// The ledger's.
    fn seek(&self, sought: Sought<'_>) -> Result<(Option<Repeat>, Option<Repeat>), LedgerError>;

    /// What the job of this id says, if the ledger is one of today. Whoever shows it has to mask it.
    ///
    /// # Errors
    /// The ledger's.
    fn job(&self, id: &str) -> Result<Option<Job>, LedgerError>;

    /// The jobs that updated what this one created, in their order, each with its state.
    ///
    /// # Errors
    /// The ledger's.
    fn updates(&self, of: &str) -> Result<Vec<(Job, State)>, LedgerError>;
}
