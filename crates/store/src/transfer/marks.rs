//! What says that a ledger is not to be worked: it was copied to another place, or is a copy that is not whole yet.

use crate::driver::{Conn, Result, values};
use crate::ledger::books::Trouble;
use crate::ledger::sharing::Owner;
use crate::ledger::{fleet, meta};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

/// In the ledger that was copied: the number of its copy.
const LEFT: &str = "copied_away";
/// In the copy, until it has every row: likewise.
const INCOMPLETE: &str = "copying";
/// The number of a copy that was given up.
pub(super) const GIVEN_UP: i64 = -1;

/// Refuses a ledger that must not be worked.
pub(crate) fn refuse(conn: &Conn, location: &Location) -> std::result::Result<(), LedgerError> {
    if left(conn)?.is_some() {
        return Err(is_left(location));
    }
    if incomplete(conn)?.is_some() { Err(is_incomplete(location)) } else { Ok(()) }
}

/// Likewise, of a worker that has it open.
pub(crate) fn refuse_worker(conn: &Conn) -> std::result::Result<(), Trouble> {
    if left(conn)?.is_none() {
        return Ok(());
    }
    Err(Trouble::NotOwner("the ledger was copied to another place".to_owned()))
}

pub(super) fn is_left(location: &Location) -> LedgerError {
    let place = location.path.display();
    LedgerError::Refused(format!(
        "{place} was copied to another place, or is being copied: two ledgers with the same jobs would send them twice; \
         name the other one in [store] url, or go back to this one with `paceline store copy --give-up` before the copy \
         is done"
    ))
}

pub(super) fn is_incomplete(location: &Location) -> LedgerError {
    let place = location.path.display();
    LedgerError::Refused(format!(
        "{place} is a copy that is not whole: run the same `paceline store copy` again, which goes on where it was; or \
         remove it, if the copy was given up"
    ))
}

/// A number that no other copy has.
pub(super) fn draw() -> Result<i64> {
    Owner::draw().map(|owner| owner.0)
}

pub(super) fn left(conn: &Conn) -> Result<Option<i64>> {
    meta::get(conn, LEFT)
}

pub(super) fn incomplete(conn: &Conn) -> Result<Option<i64>> {
    meta::get(conn, INCOMPLETE)
}

pub(super) fn set_left(conn: &Conn, number: i64) -> Result<()> {
    meta::set(conn, LEFT, number)
}

pub(super) fn set_incomplete(conn: &Conn, number: i64) -> Result<()> {
    meta::set(conn, INCOMPLETE, number)
}

pub(super) fn remove_left(conn: &Conn) -> Result<()> {
    remove(conn, LEFT)
}

pub(super) fn remove_incomplete(conn: &Conn) -> Result<()> {
    remove(conn, INCOMPLETE)
}

fn remove(conn: &Conn, name: &str) -> Result<()> {
    conn.execute("DELETE FROM meta WHERE name = $1", values![name]).map(drop)
}

/// Facts of one place, which no other gets.
pub(super) const OF_A_PLACE: [&str; 4] = [LEFT, INCOMPLETE, fleet::HISTORY, fleet::BROKEN_AT];
