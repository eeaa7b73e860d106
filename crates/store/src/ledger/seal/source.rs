//! Reads a ledger's keys from where they are kept, and makes the first one.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;

use super::key::Key;
use super::rekey::text_of_new;
use paceline_host::files;
use paceline_ports::LedgerError;
use paceline_ports::location::{KeySource, Location};

/// Everything that is written there: the newest key first. Empty if there is none.
pub(super) fn read(location: &Location) -> Result<Vec<Key>, LedgerError> {
    parse(location, text(location)?)
}

/// Likewise, whoever else can read it: for a process that has the keys already.
pub(super) fn read_exposed(location: &Location) -> Result<Vec<Key>, LedgerError> {
    let text =
        location.key_file().map_or_else(|| text(location), |path| Ok(std::fs::read(path).ok().map(Zeroizing::new)))?;
    parse(location, text)
}

/// What is written there, wiped when it is read.
type Text = Zeroizing<Vec<u8>>;

fn parse(location: &Location, text: Option<Text>) -> Result<Vec<Key>, LedgerError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let words = text.split(|byte| is_between(*byte)).filter(|word| !word.is_empty());
    let keys: Option<Vec<Key>> = words.map(Key::parse).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(keys),
        Some(_) | None => Err(LedgerError::Failed(format!(
            "{} is no key of a ledger (32 bytes in Base64); {}",
            location.key_name(),
            restore(location)
        ))),
    }
}

fn text(location: &Location) -> Result<Option<Text>, LedgerError> {
    let Some(path) = location.key_file() else {
        let KeySource::Given { text, .. } = &location.key else { return Ok(None) };
        return Ok(text.as_ref().map(|text| text.expose_secret().as_bytes().to_vec().into()));
    };
    match files::read_secret(&path) {
        Ok(text) => Ok(Some(text.into_bytes().into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<files::Exposed>) => {
            Err(LedgerError::Failed(format!("{error}; until then a copy of the ledger may come with its key")))
        }
        Err(error) => Err(LedgerError::Failed(format!(
            "cannot read {}: {error}; it opens the passwords in the ledger, so its owner has to be able to read it",
            path.display()
        ))),
    }
}

/// Puts a new key beside the ledger, whole or not at all; if somebody else did so first, theirs counts.
pub(super) fn create(location: &Location) -> Result<Vec<Key>, LedgerError> {
    let path = location.beside();
    let written = match text_of_new() {
        Some(text) => files::put_new(&path, text.as_bytes()),
        None => Err(std::io::Error::other("the system gives no random numbers")),
    };
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unwritable(&path, &error)),
        Ok(()) | Err(_) => read(location),
    }
}

/// Puts a new key before the one beside the ledger.
pub(super) fn put_before(location: &Location) -> Result<Vec<Key>, LedgerError> {
    let new = text_of_new().ok_or_else(|| LedgerError::Failed("the system gives no random numbers".to_owned()))?;
    let present = text(location)?.unwrap_or_default();
    write(location, &Zeroizing::new([new.as_bytes(), &present].concat()))?;
    read(location)
}

/// Leaves the newest key alone beside the ledger.
pub(super) fn keep_newest(location: &Location) -> Result<(), LedgerError> {
    let text = text(location)?.unwrap_or_default();
    let newest = text.split(|byte| is_between(*byte)).find(|word| !word.is_empty()).unwrap_or_default();
    write(location, &Zeroizing::new([newest, b"\n"].concat()))
}

/// Puts before the key beside a ledger what stands where another one's keys do.
pub(super) fn put_others_before(other: &Location, location: &Location) -> Result<(), LedgerError> {
    let (others, present) = (text(other)?.unwrap_or_default(), text(location)?.unwrap_or_default());
    write(location, &Zeroizing::new([others.as_slice(), b"\n", &present].concat()))
}

/// Likewise, in its place.
pub(super) fn put_others(other: &Location, location: &Location) -> Result<(), LedgerError> {
    write(location, &text(other)?.unwrap_or_default())
}

fn write(location: &Location, text: &[u8]) -> Result<(), LedgerError> {
    let path = location.beside();
    let replaced = files::Draft::new(&path).and_then(|mut draft| {
        draft.write_all(text)?;
        draft.replace()
    });
    replaced.map_err(|error| unwritable(&path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> LedgerError {
    LedgerError::Failed(format!(
        "cannot write {}: {error}; check the permissions of its folder and the room on its disk",
        path.display()
    ))
}

const fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b','
}

/// Refuses to begin a ledger beside the key of one that is gone: it would know none of the jobs that were done.
pub(crate) fn refuse_leftover(location: &Location) -> Result<(), LedgerError> {
    let (ledger, key) = (location.path.as_path(), location.beside());
    // A key that is kept elsewhere is there before its ledger.
    if !matches!(location.key, KeySource::Beside) || !key.exists() {
        return Ok(());
    }
    let how = if ledger.exists() { "is empty" } else { "is missing" };
    let (ledger, key) = (ledger.display(), key.display());
    Err(LedgerError::Unusable(format!(
        "{ledger} {how}, but its key {key} is there: restore the ledger from a backup; or, to begin a new ledger, which \
         would create again what the old one has created, remove {key}"
    )))
}

/// What to do about a key that is not there.
pub(super) fn restore(location: &Location) -> String {
    if let Some(path) = location.key_file() {
        return restore_file(&path);
    }
    let name = location.key_name();
    format!("give the ledger's own key in {name}: without it nobody can send the jobs that hold passwords")
}

/// Likewise, of one in a file.
pub(crate) fn restore_file(path: &Path) -> String {
    format!(
        "put the ledger's own key back there, from where you keep it apart from the ledger's backup: without {} nobody can send the jobs that hold passwords",
        path.display()
    )
}
