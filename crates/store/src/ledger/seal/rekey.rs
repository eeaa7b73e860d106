//! A new key for a ledger.

use secrecy::zeroize::Zeroizing;

use super::key::{self, Key};
use super::{Seal, carry_forward, ring, source};
use crate::ledger::activity;
use crate::ledger::books::{Books, Trouble};
use crate::sqlite::lock;
use paceline_domain::activity::Deed;
use paceline_domain::time::Timestamp;
use paceline_ports::LedgerError;
use paceline_ports::location::{KeySource, Location};
use paceline_ports::operator::Rekeyed;

/// Begins a new key and carries everything forward to it; what was interrupted is finished, and no other key begun.
pub(crate) fn rekey(books: &mut Books, location: &Location, by: (&Deed, Timestamp)) -> Result<Rekeyed, LedgerError> {
    books.seal()?.require()?;
    let before = latest(books)?;
    let mut rows = carry_forward(books)?;
    // Only an earlier attempt leaves rows of an earlier key; a ledger of one key is merely older than digests' keys.
    if rows == 0 || before < 2 {
        let keys = new_and_present(books, location)?;
        begin(books, &keys, Some(by))?;
        rows = carry_forward(books)?;
    }
    let keeps_old = !matches!(location.key, KeySource::Beside);
    if !keeps_old {
        source::keep_newest(location)?;
    }
    Ok(Rekeyed { version: latest(books)?, rows, key: location.key_name(), keeps_old })
}

/// A worker begins the new key that stands before its ledger's: the text of a variable comes to a process at its start alone.
pub(crate) fn begin_given(books: &mut Books, location: &Location) -> Result<(), LedgerError> {
    let keys = source::read(location)?;
    let [new, rest @ ..] = keys.as_slice() else { return Ok(()) };
    if rest.is_empty() || Seal::knows(books.conn(), new.mark)? {
        return Ok(());
    }
    begin(books, &keys, None)
}

fn latest(books: &Books) -> Result<u32, LedgerError> {
    Ok(ring::latest(books.conn())?)
}

/// The keys as they are written, the new one first.
fn new_and_present(books: &Books, location: &Location) -> Result<Vec<Key>, LedgerError> {
    let keys = source::read(location)?;
    let is_new = |key: &Key| Ok::<_, LedgerError>(!Seal::knows(books.conn(), key.mark)?);
    let has_new = keys.first().map(is_new).transpose()?.unwrap_or_default();
    if matches!(location.key, KeySource::Beside) {
        // A new key that is there already is one whose beginning was interrupted.
        return if has_new { Ok(keys) } else { source::put_before(location) };
    }
    let name = location.key_name();
    if !has_new {
        return Err(LedgerError::Refused(format!(
            "{name} holds no new key; put one before the present one, and a comma between them: `openssl rand -base64 32` makes it"
        )));
    }
    let held = lock::held(&location.path).unwrap_or_default();
    if let (KeySource::Given { .. }, Some(held)) = (&location.key, held) {
        return Err(LedgerError::Refused(format!(
            "{}, and it has read {name} at its start; restart it with both keys: it then carries everything forward itself",
            held.by
        )));
    }
    Ok(keys)
}

fn begin(books: &mut Books, keys: &[Key], by: Option<(&Deed, Timestamp)>) -> Result<(), LedgerError> {
    let Some(new) = keys.first() else { return Ok(()) };
    books.transaction(|books| {
        let refused = || Trouble::Refused("the new key cannot be taken; run it again".to_owned());
        if let Some((deed, now)) = by {
            activity::record(books, deed, 1, now)?;
        }
        Seal::begin(books.seal()?, books.conn(), new)?.ok_or_else(refused)
    })?;
    Ok(())
}

/// A new key's text, as a file holds it.
pub(super) fn text_of_new() -> Option<Zeroizing<String>> {
    key::generate().map(|text| Zeroizing::new(format!("{}\n", *text)))
}
