//! What operators ask of the ledger and do with it, beside a running worker or without one.
//!
//! Reads are free; changes are short transactions, and jobs put to work are announced to the process that works them.
//! Everything here blocks. Nothing here prints: the values serialise as `--json` shows them.

mod batches;
mod dead;
mod edit;
mod export;
mod follow;
mod jobs;
mod outlook;
mod overview;
mod repeats;
mod resolve;
mod selection;
#[cfg(test)]
mod tests;
mod waits;

use std::path::{Path, PathBuf};

pub use self::batches::{BatchLine, LaneLine};
pub use self::dead::{DeadLine, Letter, RejectedInput};
pub use self::edit::Edit;
pub use self::export::ExportRow;
pub use self::follow::Followed;
pub use self::jobs::{AttemptLine, Cancelled, JobLine, JobSheet};
pub use self::outlook::{Outlook, Untouched};
pub use self::overview::{DeadGroup, LaneCounts, Step};
pub use self::repeats::{Likeness, Repeat, Wanted};
pub use self::resolve::Resolution;
pub use self::selection::Selection;

use super::sqlite::books::{Books, Trouble};
use super::sqlite::{attempts, lock, restraints, suspensions};
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::ports::{JobSeq, LedgerError, PastCall, Restraint, Suspension};

/// Jobs changed in one transaction at most, so that a running worker never waits long.
const CHUNK: usize = 500;

/// The operators' side of a ledger in one SQLite file.
pub struct Operator {
    books: Books,
    path: PathBuf,
}

impl Operator {
    /// Opens an existing ledger, without the worker's lock.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Failed(format!(
                "there is no ledger at {}; `paceline run` or `paceline work` creates it, or correct [store] url",
                path.display()
            )));
        }
        Ok(Self { books: Books::open(path, true)?, path: path.to_owned() })
    }

    /// Opens a ledger that a worker has open, only to read it: no change goes through.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn open_for_reading(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { books: Books::open_for_reading(path)?, path: path.to_owned() })
    }

    /// Who works the ledger, in words, if anybody does.
    pub fn worker(&self) -> Result<Option<String>, LedgerError> {
        lock::holder(&self.path).map_err(|error| {
            LedgerError::Failed(format!("the lock beside {} cannot be read: {error}", self.path.display()))
        })
    }

    /// All suspensions, by app, tenant and method.
    pub fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError> {
        self.read(suspensions::read)
    }

    /// Suspends an app or a lane, replacing a suspension of the same app, tenant and method.
    pub fn suspend(&mut self, suspension: &Suspension) -> Result<(), LedgerError> {
        self.change(|books| suspensions::add(books, suspension))
    }

    /// Ends the suspensions of the app, and of the tenant and method where they are not empty; says how many.
    pub fn resume(&mut self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError> {
        self.change(|books| suspensions::remove(books, app, tenant, method))
    }

    /// What holds calls back beyond the quotas, as the worker recorded it last.
    pub fn restraints(&self) -> Result<Vec<Restraint>, LedgerError> {
        self.read(restraints::read)
    }

    /// Forgets what holds an app back; says how many. A running worker then tries again with one call.
    pub fn lift(&mut self, app: &str) -> Result<usize, LedgerError> {
        self.change(|books| restraints::remove(books, app))
    }

    /// Calls `each` for every recorded call that a window reaching back to `since` may count, in the order of sending.
    pub fn each_call(&self, since: Timestamp, each: impl FnMut(PastCall)) -> Result<(), LedgerError> {
        self.read(|conn| attempts::each_call(conn, since, each))
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

    fn read<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        work(self.books.conn()).map_err(|error| Trouble::Sql(error).into())
    }

    fn change<T>(&mut self, work: impl FnOnce(&mut Books) -> Result<T, Trouble>) -> Result<T, LedgerError> {
        Ok(self.books.transaction(work)?)
    }

    /// Changes in transactions of [`CHUNK`] until one had less to do; `work` gets the last number done and the most
    /// that it may do, and returns the numbers done.
    fn change_in_chunks(
        &mut self,
        mut work: impl FnMut(&mut Books, i64, usize) -> Result<Vec<i64>, Trouble>,
    ) -> Result<usize, LedgerError> {
        let (mut total, mut after) = (0, 0);
        loop {
            let done = self.books.transaction(|books| work(books, after, CHUNK))?;
            total += done.len();
            match done.last() {
                Some(&last) if done.len() == CHUNK => after = last,
                _ => return Ok(total),
            }
        }
    }
}

/// A limit as SQL takes it.
fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
