//! What operators ask of the ledger and do with it, beside a running worker or without one.
//!
//! Reads are free; changes are short transactions, and jobs put to work are announced to the process that works them.
//! Everything here blocks. Nothing here prints: the values serialise as `--json` shows them.

mod activity;
mod backlog;
mod batches;
mod chains;
mod dead;
mod edit;
mod export;
mod first_edition;
mod flow;
mod follow;
mod groups;
mod jobs;
mod known;
mod outlook;
mod piles;
mod probe;
mod rekey;
mod repeats;
mod resolve;
mod selection;
#[cfg(test)]
mod tests;
mod undo;
mod waits;
mod why;

use std::path::PathBuf;

pub use self::activity::{ActivityFilter, ActivityLine};
pub use self::batches::{BatchLine, Ended, LaneCounts, LaneLine};
pub use self::dead::{DeadLine, Letter, RejectedInput};
pub use self::edit::Edit;
pub use self::export::ExportRow;
pub use self::follow::Followed;
pub use self::groups::DeadGroup;
pub use self::jobs::{AttemptLine, Cancelled, HeldLine, JobLine, JobSheet};
pub use self::known::KnownJobs;
pub use self::outlook::{Outlook, Untouched};
pub use self::piles::Page;
pub use self::rekey::Rekeyed;
pub use self::repeats::{Likeness, Repeat, Seeker, Sought};
pub use self::resolve::Resolution;
pub use self::selection::{Selection, handle};
pub use self::undo::Made;
pub use self::why::{Asked, Rejected};

use super::sqlite;
use super::sqlite::books::{Books, Trouble};
use super::sqlite::{BrokerStanding, broker, calls, lock, rehearsal, restraints, seal, suspensions};
use crate::driver::{self, Conn};
use paceline_domain::activity::{Action, By, Deed, Facts};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_host::user;
use paceline_ports::clock::Clock;
use paceline_ports::location::Location;
use paceline_ports::{JobSeq, LedgerError, PastCall, Restraint, Suspension};

/// Jobs changed in one transaction at most, so that a running worker never waits long.
const CHUNK: usize = 500;

/// The operators' side of a ledger in one SQLite file.
pub struct Operator {
    books: Books,
    path: PathBuf,
    by: By,
    clock: Clock,
}

impl Operator {
    /// Opens an existing ledger, without the worker's lock.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn open(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let location = location.into();
        let path = &location.path;
        if !path.exists() {
            seal::refuse_leftover(&location)?;
            return Err(LedgerError::Failed(format!(
                "there is no ledger at {}; `paceline run` or `paceline work` creates it, or correct [store] url",
                path.display()
            )));
        }
        Ok(Self::over(Books::open(&location, true)?, location.path))
    }

    /// Opens a ledger that a worker has open, only to read it: no change goes through.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn open_for_reading(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let location = location.into();
        Ok(Self::over(Books::open_for_reading(&location)?, location.path))
    }

    fn over(books: Books, path: PathBuf) -> Self {
        Self { books, path, by: user::of_process(), clock: Clock::system() }
    }

    /// Whoever changes something from now on; at first, the user of this process.
    pub fn act_as(&mut self, by: By) {
        self.by = by;
    }

    /// What they are about to do, to be told of in the transaction that does it.
    pub fn deed(&self, action: Action, facts: Facts) -> Deed {
        Deed { by: self.by.clone(), action, facts }
    }

    /// Who works the ledger, in words, if anybody does.
    pub fn worker(&self) -> Result<Option<String>, LedgerError> {
        let holder = lock::holder(&self.path).map_err(|error| {
            LedgerError::Failed(format!("the lock beside {} cannot be read: {error}", self.path.display()))
        })?;
        Ok(holder.map(|holder| holder.name))
    }

    /// How the worker stands with its broker; of use while there is a worker.
    pub fn broker(&self) -> Result<Option<BrokerStanding>, LedgerError> {
        self.read(broker::read)
    }

    /// All suspensions, by app, tenant and method.
    pub fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError> {
        self.read(suspensions::read)
    }

    /// Suspends an app or a lane, replacing a suspension of the same app, tenant and method.
    pub fn suspend(&mut self, suspension: &Suspension) -> Result<(), LedgerError> {
        let Suspension { app, tenant, method, detail, .. } = suspension;
        let facts = scope(app, tenant, method).text("reason", &detail.to_string());
        self.change(&self.deed(Action::Suspend, facts), |books| Ok((suspensions::add(books.conn(), suspension)?, 1)))
    }

    /// Ends the suspensions of the app, and of the tenant and method where they are not empty; says how many.
    pub fn resume(&mut self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError> {
        self.change(&self.deed(Action::Resume, scope(app, tenant, method)), |books| {
            let ended = suspensions::remove(books.conn(), app, tenant, method)?;
            Ok((ended, ended))
        })
    }

    /// What holds calls back beyond the quotas, as the worker recorded it last.
    pub fn restraints(&self) -> Result<Vec<Restraint>, LedgerError> {
        self.read(restraints::read)
    }

    /// Forgets what holds an app back; says how many. A running worker then tries again with one call.
    pub fn lift(&mut self, app: &str) -> Result<usize, LedgerError> {
        self.change(&self.deed(Action::Resume, scope(app, "", "")), |books| {
            let lifted = restraints::remove(books.conn(), app)?;
            Ok((lifted, lifted))
        })
    }

    /// How many times shorter all windows were, if the calls were those of a rehearsal.
    pub fn rehearsal_speed(&self) -> Result<Option<f64>, LedgerError> {
        self.read(rehearsal::speed)
    }

    /// Calls `each` for every recorded call that a window reaching back to `since` may count, in the order of sending.
    pub fn each_call(&self, since: Timestamp, each: impl FnMut(PastCall)) -> Result<(), LedgerError> {
        self.read_at_once(|conn| calls::each(conn, since, each))
    }

    /// Calls `each` for every span in which a job waited that could have been sent, after `since` and up to `now`: its lane,
    /// the beginning, and its first call.
    pub fn each_wait(
        &self,
        since: Timestamp,
        now: Timestamp,
        each: impl FnMut(LaneKey, Timestamp, Timestamp),
    ) -> Result<(), LedgerError> {
        self.read(|conn| waits::each(conn, since, now, each))
    }

    fn read<T>(&self, work: impl FnOnce(&Conn) -> driver::Result<T>) -> Result<T, LedgerError> {
        Ok(work(self.books.conn())?)
    }

    /// Changes something for somebody, and tells of it in the same transaction, with how many things `work` says it
    /// changed.
    fn change<T>(
        &mut self,
        deed: &Deed,
        work: impl FnOnce(&mut Books) -> Result<(T, usize), Trouble>,
    ) -> Result<T, LedgerError> {
        let now = self.clock.now();
        Ok(self.books.transaction(|books| {
            let (done, count) = work(books)?;
            sqlite::activity::record(books, deed, count, now)?;
            Ok(done)
        })?)
    }

    /// Changes what is nobody's decision: what the ledger keeps for itself.
    fn tend<T>(&mut self, work: impl FnOnce(&mut Books) -> Result<T, Trouble>) -> Result<T, LedgerError> {
        Ok(self.books.transaction(work)?)
    }

    /// Several reads of one state of the ledger.
    fn read_at_once<T>(&self, work: impl FnOnce(&Conn) -> driver::Result<T>) -> Result<T, LedgerError> {
        self.read(|conn| conn.at_once(work))
    }

    /// Changes the matching jobs that are not in flight, in transactions over [`CHUNK`] of them; says how many.
    fn change_in_chunks(
        &mut self,
        deed: &Deed,
        selection: &Selection,
        mut change: impl FnMut(&mut Books, JobSeq) -> Result<(), Trouble>,
    ) -> Result<usize, LedgerError> {
        let (mut total, mut after) = (0, Some(0));
        while let Some(from) = after {
            let (changed, next) = self.change(deed, |books| {
                let Page { lines: seqs, next } = piles::jobs(books.conn(), selection, from, CHUNK)?;
                let mut changed = 0;
                for seq in seqs {
                    if !jobs::is_in_flight(books.conn(), seq)? {
                        change(books, JobSeq(seq))?;
                        changed += 1;
                    }
                }
                Ok(((changed, next), changed))
            })?;
            total += changed;
            after = next;
        }
        Ok(total)
    }
}

/// An app, or a part of it, as a change names it.
fn scope(app: &str, tenant: &str, method: &str) -> Facts {
    Facts::default().text("app", app).text("tenant", tenant).text("method", method)
}
