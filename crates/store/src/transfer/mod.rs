//! Carries a ledger to another place: every row as it is, and proved to be.
//!
//! Two ledgers with the same jobs would both send them. From the first row on neither place can be worked ([`marks`]);
//! once the rows of both are proved to be the same, the new one can. What was interrupted goes on where it was.
//!
//! Decision: docs/decisions/0068-a-ledger-is-moved-not-copied.md

pub(crate) mod marks;
mod rows;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use self::rows::Digest;
use self::tables::Table;
use crate::inspect;
use crate::ledger::books::{Announces, Books, Trouble};
use crate::ledger::{activity, seal};
use crate::sqlite::lock::WorkerLock;
use paceline_domain::activity::{Action, Deed, Facts};
use paceline_domain::time::Timestamp;
use paceline_host::user;
use paceline_metrics::Metrics;
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

/// One end of it, with its lock where it is a file.
struct End {
    books: Books,
    location: Location,
    _lock: Option<WorkerLock>,
}

/// Carries the ledger at `from` to `to`, where nothing is yet, or what an interrupted copy has left; calls `each` when a
/// table is there.
///
/// # Errors
/// What stands in the way, and what to do. Until it is done neither ledger can be worked.
pub(crate) fn copy(
    from: &Location,
    to: &Location,
    now: Timestamp,
    each: &mut dyn FnMut(&str, u64),
) -> Result<(), LedgerError> {
    if from.server.is_none() && !from.path.exists() {
        return Err(LedgerError::Refused(format!("there is no ledger at {}", from.path.display())));
    }
    let tables = tables::all().map_err(|error| LedgerError::Failed(error.to_string()))?;
    let mut from = End::open(from, now)?;
    from.books.seal()?.require()?;
    refuse_worked(&from.location)?;
    let mut to = End::open(to, now)?;
    begin(&mut from, &mut to, &tables)?;
    seal::hand_over((from.books.conn(), &from.location), (&mut to.books, &to.location))?;
    let mut total = 0;
    for table in &tables {
        rows::copy(from.books.conn(), &mut to.books, table)?;
        let proved = prove(&from, &to, table)?;
        total += proved;
        each(&table.name, proved);
    }
    end(&from, &mut to, &tables, (usize::try_from(total).unwrap_or(usize::MAX), now))
}

/// How many rows a table has, all of which arrived as they are.
fn prove(from: &End, to: &End, table: &Table) -> Result<u64, LedgerError> {
    let (here, there) = (Digest::of(from.books.conn(), table)?, Digest::of(to.books.conn(), table)?);
    if here == there {
        return Ok(here.rows);
    }
    let (from, to) = (from.location.path.display(), to.location.path.display());
    Err(LedgerError::Failed(format!(
        "{:?} has {} rows in {from} and {} in {to}, and not the same; give the copy up with --give-up, remove what is at \
         {to}, and copy again",
        table.name, here.rows, there.rows
    )))
}

/// Makes the ledger at `from` one that can be worked again, because what was copied of it is given up.
///
/// # Errors
/// The copy is whole, or there is none.
pub(crate) fn give_up(from: &Location, to: &Location, now: Timestamp) -> Result<(), LedgerError> {
    let none =
        || LedgerError::Refused(format!("no copy of {} is under way in {}", from.path.display(), to.path.display()));
    if [from, to].iter().any(|end| end.server.is_none() && !end.path.exists()) {
        return Err(none());
    }
    let (mut from, mut to) = (End::open(from, now)?, End::open(to, now)?);
    let number = marks::left(from.books.conn())?;
    if number.is_none() || number != marks::incomplete(to.books.conn())? {
        return Err(none());
    }
    // What is there of the copy is never worked: it keeps its mark, under a number that no ledger has.
    to.change(|books| Ok(marks::set_incomplete(books.conn(), marks::GIVEN_UP)?))?;
    from.change(|books| Ok(marks::remove_left(books.conn())?))
}

impl End {
    fn open(location: &Location, now: Timestamp) -> Result<Self, LedgerError> {
        let is_file = location.server.is_none();
        let mut lock = is_file.then(|| WorkerLock::acquire(&location.path, now)).transpose()?;
        let books = Books::open_measured(location, Announces::Nothing, Metrics::default(), lock.as_mut())?;
        Ok(Self { books, location: location.clone(), _lock: lock })
    }

    fn change<T>(&mut self, work: impl FnOnce(&mut Books) -> Result<T, Trouble>) -> Result<T, LedgerError> {
        Ok(self.books.transaction(work)?)
    }
}

fn refuse_worked(location: &Location) -> Result<(), LedgerError> {
    // Of a file its lock says so.
    let worker = if location.server.is_some() { inspect::worker(location)? } else { None };
    worker.map_or(Ok(()), |by| {
        Err(LedgerError::Locked(format!("{} is worked: {by}; stop every worker first", location.path.display())))
    })
}

/// Marks both ends, unless an interrupted copy has.
fn begin(from: &mut End, to: &mut End, tables: &[Table]) -> Result<(), LedgerError> {
    let (left, incomplete) = (marks::left(from.books.conn())?, marks::incomplete(to.books.conn())?);
    let number = match (left, incomplete) {
        (Some(left), Some(incomplete)) if left == incomplete => return Ok(()),
        (Some(_), _) => return Err(marks::is_left(&from.location)),
        (None, Some(_)) => return Err(marks::is_incomplete(&to.location)),
        (None, None) => marks::draw()?,
    };
    for table in tables.iter().filter(|table| !table.begins_with_rows()) {
        if rows::has_any(to.books.conn(), table)? {
            return Err(LedgerError::Refused(format!(
                "{} is in use: there are rows in {:?}; copy to a place where nothing is yet",
                to.location.path.display(),
                table.name
            )));
        }
    }
    seal::refuse_other_key((from.books.conn(), &from.location), &to.location)?;
    to.change(|books| Ok(marks::set_incomplete(books.conn(), number)?))?;
    from.change(|books| Ok(marks::set_left(books.conn(), number)?))?;
    // Whoever began to work it meanwhile goes on with it.
    refuse_worked(&from.location).or_else(|worked| {
        from.change(|books| Ok(marks::remove_left(books.conn())?))?;
        Err(worked)
    })
}

/// From here on the new one is the ledger.
fn end(from: &End, to: &mut End, tables: &[Table], (rows, now): (usize, Timestamp)) -> Result<(), LedgerError> {
    let deed = Deed { by: user::of_process(), action: Action::Copy, facts: Facts::default() };
    to.change(|books| {
        for table in tables {
            rows::continue_numbers(from.books.conn(), books.conn(), table)?;
        }
        activity::record(books, &deed, rows, now)?;
        Ok(marks::remove_incomplete(books.conn())?)
    })
}
