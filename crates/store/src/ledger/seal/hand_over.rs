//! A ledger's key goes with it to another place: what is sealed stays as it is.

use super::{Seal, ring, source};
use crate::driver::{Conn, values};
use crate::ledger::books::Books;
use paceline_ports::LedgerError;
use paceline_ports::location::{KeySource, Location};

/// Refuses a place to which another key belongs.
pub(crate) fn refuse_other_key((from, left): (&Conn, &Location), to: &Location) -> Result<(), LedgerError> {
    // Beside a file it will be put.
    if matches!(to.key, KeySource::Beside) || ring::Ring::of(from, source::read(to)?)?.is_some() {
        return Ok(());
    }
    Err(LedgerError::Refused(format!(
        "{} is not the key of {}, which opens the passwords in it: put there what stands in {}",
        to.key_name(),
        left.path.display(),
        left.key_name()
    )))
}

/// Gives the new ledger the key of the one that is left.
pub(crate) fn hand_over(
    (from, left): (&Conn, &Location),
    (to, place): (&mut Books, &Location),
) -> Result<(), LedgerError> {
    let is_beside = matches!(place.key, KeySource::Beside);
    if is_beside {
        source::put_others_before(left, place)?;
    }
    let versions = "SELECT version, mark, digests FROM keys ORDER BY version";
    let versions: Vec<(u32, i64, Option<Vec<u8>>)> =
        from.query(versions, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    // A new ledger has begun with the first of the keys that stand there, as if it had no other.
    to.transaction(|books| {
        books.conn().send("DELETE FROM keys", &[])?;
        for (version, mark, digests) in &versions {
            let insert = "INSERT INTO keys (version, mark, digests) VALUES ($1, $2, $3)";
            books.conn().send(insert, values![version, mark, digests])?;
        }
        Ok(())
    })?;
    Seal::read(to.conn())?;
    if is_beside { source::put_others(left, place) } else { Ok(()) }
}
