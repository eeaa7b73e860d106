//! What people ask of the ledger and do with it: [`Reports`] and [`Commands`] over one file.

mod activity;
mod backlog;
mod batches;
mod chains;
mod dead;
mod export;
mod first_edition;
mod flow;
mod follow;
mod groups;
mod jobs;
mod known;
mod outlook;
mod piles;
mod repeats;
mod resolve;
mod selection;
#[cfg(test)]
mod tests;
mod undo;
mod waits;
mod why;

pub(crate) use self::known::KnownJobs;
pub(crate) use self::outlook::UntouchedFile;

use super::ledger::books::{Books, Trouble};
use super::{inspect, ledger};
use crate::driver::{self, Conn, values};
use crate::ledger::{broker, fleet, rehearsal, restraints, seal, suspensions};
use crate::transfer::marks;
use paceline_domain::activity::{Action, By, Deed, Facts};
use paceline_domain::catalog::Catalog;
use paceline_domain::messages::Holder;
use paceline_domain::time::Timestamp;
use paceline_host::user;
use paceline_ports::clock::Clock;
use paceline_ports::location::Location;
use paceline_ports::operator::{
    BrokerStanding, Commands, Page, Rekeyed, Reports, Selection, StandingCommands, StandingReports, Upkeep,
};
use paceline_ports::{Gathering, JobSeq, LedgerError, Restraint, Suspension};

/// Jobs changed in one transaction at most, so that a running worker never waits long.
const CHUNK: usize = 500;

/// The operators' side of a ledger in one SQLite file.
pub(crate) struct Operator {
    books: Books,
    location: Location,
    by: By,
    clock: Clock,
}

impl Operator {
    /// Opens an existing ledger, without the worker's lock.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(crate) fn open(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let location = location.into();
        let path = &location.path;
        if location.server.is_none() && !path.exists() {
            seal::refuse_leftover(&location)?;
            return Err(LedgerError::Failed(format!(
                "there is no ledger at {}; `paceline run` or `paceline work` creates it, or correct [store] url",
                path.display()
            )));
        }
        let books = Books::open(&location, true)?;
        marks::refuse(books.conn(), &location)?;
        Ok(Self::over(books, location))
    }

    /// Opens a ledger that a worker has open, only to read it: no change goes through.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(crate) fn open_for_reading(location: impl Into<Location>) -> Result<Self, LedgerError> {
        let location = location.into();
        Ok(Self::over(Books::open_for_reading(&location)?, location))
    }

    fn over(books: Books, location: Location) -> Self {
        Self { books, location, by: user::of_process(), clock: Clock::system() }
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
            ledger::activity::record(books, deed, count, now)?;
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

impl Reports for Operator {}

impl Commands for Operator {}

impl StandingReports for Operator {
    fn worker(&self) -> Result<Option<Holder>, LedgerError> {
        inspect::worker(&self.location)
    }

    fn workers(&self) -> Result<Option<Gathering>, LedgerError> {
        let Some(lease) = self.location.server.as_ref().map(|server| server.lease) else { return Ok(None) };
        self.read(|conn| fleet::gathering_of_all(conn, lease)).map(Some)
    }

    fn broker(&self) -> Result<Option<BrokerStanding>, LedgerError> {
        self.read(broker::read)
    }

    fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError> {
        self.read(suspensions::read)
    }

    fn restraints(&self) -> Result<Vec<Restraint>, LedgerError> {
        self.read(restraints::read)
    }

    fn rehearsal_speed(&self) -> Result<Option<f64>, LedgerError> {
        self.read(rehearsal::speed)
    }
}

impl StandingCommands for Operator {
    fn suspend(&mut self, suspension: &Suspension) -> Result<(), LedgerError> {
        let Suspension { app, tenant, method, detail, .. } = suspension;
        let facts = scope(app, tenant, method).text("reason", &detail.to_string());
        self.change(&self.deed(Action::Suspend, facts), |books| Ok((suspensions::add(books.conn(), suspension)?, 1)))
    }

    fn resume(&mut self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError> {
        self.change(&self.deed(Action::Resume, scope(app, tenant, method)), |books| {
            let ended = suspensions::remove(books.conn(), app, tenant, method)?;
            Ok((ended, ended))
        })
    }

    fn lift(&mut self, app: &str) -> Result<usize, LedgerError> {
        self.change(&self.deed(Action::Resume, scope(app, "", "")), |books| {
            let lifted = restraints::remove(books.conn(), app)?;
            Ok((lifted, lifted))
        })
    }
}

impl Upkeep for Operator {
    fn act_as(&mut self, by: By) {
        self.by = by;
    }

    fn deed(&self, action: Action, facts: Facts) -> Deed {
        Deed { by: self.by.clone(), action, facts }
    }

    fn describe_batch(
        &mut self,
        name: &str,
        source: &str,
        header: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let header = header.map(|cells| serde_json::Value::from(cells.to_vec()).to_string());
        self.tend(|books| {
            let batch = books.batch(Some(name), now)?;
            let describe = "UPDATE batches SET source = $2, header = coalesce($3, header) WHERE batch = $1";
            books.conn().send(describe, values![batch, source, header])?;
            Ok(())
        })
    }

    fn identify(&mut self, catalog: &Catalog) -> Result<(), LedgerError> {
        while !self.read(first_edition::is_identified)? {
            self.tend(|books| first_edition::identify_some(books, catalog))?;
        }
        Ok(())
    }

    fn probe(&mut self) -> Result<(), LedgerError> {
        self.tend(|books| {
            books.conn().query_opt("SELECT 1 FROM meta LIMIT 1", &[], |_| Ok(()))?;
            Ok(())
        })
    }

    fn rekey(&mut self) -> Result<Rekeyed, LedgerError> {
        let deed = self.deed(Action::Rekey, Facts::default());
        seal::rekey(&mut self.books, &self.location, (&deed, self.clock.now()))
    }
}

/// An app, or a part of it, as a change names it.
fn scope(app: &str, tenant: &str, method: &str) -> Facts {
    Facts::default().text("app", app).text("tenant", tenant).text("method", method)
}
