//! What a method marks as sensitive (a meeting's password) is sealed where the ledger keeps it, and digests of contents are
//! keyed, so that a copy of the file tells nobody: no password, and no way to try one.
//!
//! ChaCha20-Poly1305 and HMAC-SHA-256, each with a key of its own derived from the ledger's. A value is bound to its table
//! and column and to its job ([`Place`]): it opens nowhere else. A sealed text is `sealed:`, the version of the key, `:`
//! and Base64; sealed bytes begin with [`MAGIC`] and the version. What is not sealed is passed on as it is.

mod forward;
mod hand_over;
mod key;
mod rekey;
mod ring;
mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

pub(super) use self::forward::carry_forward;
pub(crate) use self::hand_over::{hand_over, refuse_other_key};
pub(crate) use self::rekey::{begin_given, rekey};
use self::ring::Ring;
pub(crate) use self::source::refuse_leftover;
pub(crate) use self::source::restore_file;
use super::books::Trouble;
use crate::driver::{self, Conn, Error, values};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

const TEXT_PREFIX: &str = "sealed:";
const MAGIC: &[u8] = b"\0paceline-sealed-2\0";
/// Of the time before values were bound to their places.
const UNBOUND_MAGIC: &[u8] = b"\0paceline-sealed-1\0";

/// A connection's keys; a further one of the same ledger has its own.
#[derive(Clone)]
pub(crate) struct Seal(Arc<Inner>);

struct Inner {
    location: Location,
    /// `None`: not the ledger's own, or not there. What is sealed cannot be read then, nearly everything else can.
    ring: RwLock<Option<Ring>>,
}

/// The key is not there, or it is another one.
fn not_there(location: &Location) -> Result<String, LedgerError> {
    let (name, cure) = (location.key_name(), source::restore(location));
    let what = if source::read(location)?.is_empty() { "is gone" } else { "is another ledger's key" };
    Ok(format!("{name} {what}; {cure}"))
}

/// What is wrong with the key of a ledger that is only looked at, if anything is.
pub(crate) fn key_fault(conn: &Conn, location: &Location) -> driver::Result<Option<String>> {
    let keys = match source::read(location) {
        Ok(keys) => keys,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if ring::latest(conn)? == 0 || Ring::of(conn, keys)?.is_some() {
        return Ok(None);
    }
    Ok(Some(not_there(location).unwrap_or_else(|error| error.to_string())))
}

/// A sealed value, taken apart.
enum Sealed {
    /// The version of its key, and the bytes.
    Bound(u32, Vec<u8>),
    Unbound(Vec<u8>),
}

impl Seal {
    /// The keys of the ledger there, still to be read.
    pub(crate) fn of(location: &Location) -> Self {
        Self(Arc::new(Inner { location: location.clone(), ring: RwLock::default() }))
    }

    /// Gives a connection the keys that are there.
    pub(crate) fn read(conn: &Conn) -> Result<(), LedgerError> {
        let seal = conn.seal();
        seal.put(Ring::of(conn, source::read(&seal.0.location)?)?);
        Ok(())
    }

    /// Likewise on a connection for writing; a ledger that has no key yet gets one.
    pub(crate) fn read_or_begin(conn: &Conn) -> Result<(), LedgerError> {
        if ring::latest(conn)? == 0 {
            let location = &conn.seal().0.location;
            let mut keys = source::read(location)?;
            if keys.is_empty() && matches!(location.key, paceline_ports::location::KeySource::Beside) {
                keys = source::create(location)?;
            }
            if let Some(key) = keys.first() {
                ring::add(conn, 1, key)?;
            }
        }
        Self::read(conn)
    }

    fn put(&self, ring: Option<Ring>) {
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// Who works jobs needs the key, or no job with a password could run.
    pub(crate) fn require(&self) -> Result<(), LedgerError> {
        if self.is_whole() { Ok(()) } else { Err(LedgerError::Failed(not_there(&self.0.location)?)) }
    }

    /// Follows a key that another process has begun.
    pub(super) fn refresh(&self, conn: &Conn) -> Result<(), Trouble> {
        let Some(latest) = self.with(|ring| ring.as_ref().map(|ring| ring.latest().0)) else { return Ok(()) };
        if latest == ring::latest(conn)? {
            return Ok(());
        }
        let location = &self.0.location;
        let keys = source::read(location).map_err(|error| Trouble::Refused(error.to_string()))?;
        let Some(ring) = Ring::of(conn, keys)? else {
            let name = location.key_name();
            return Err(Trouble::Refused(format!(
                "the ledger has a new key, and {name} does not hold it; put the new key first there and restart"
            )));
        };
        self.put(Some(ring));
        Ok(())
    }

    /// Whether the ledger's latest key is at hand.
    pub(crate) fn is_whole(&self) -> bool {
        self.with(|ring| ring.is_some())
    }

    /// Whether the key still stands where it came from.
    pub(crate) fn is_kept(&self) -> bool {
        let mark = self.with(|ring| ring.and_then(|ring| ring.latest().1.map(|key| key.mark)));
        source::read_exposed(&self.0.location).is_ok_and(|keys| keys.iter().any(|key| Some(key.mark) == mark))
    }

    /// Whether a key of this mark is, or was, the ledger's.
    fn knows(conn: &Conn, mark: i64) -> driver::Result<bool> {
        conn.query_value("SELECT EXISTS (SELECT 1 FROM keys WHERE mark = $1)", values![mark])
    }

    /// Makes this key the ledger's latest; `None` if nothing can be sealed with it.
    fn begin(&self, conn: &Conn, key: &key::Key) -> driver::Result<Option<u32>> {
        self.with(|ring| ring.map_or(Ok(None), |ring| ring.begin(conn, key)))
    }

    /// The latest digest of a content; of a ledger without a key, the content's own hash.
    pub(crate) fn digest(&self, content: &[u8]) -> Vec<u8> {
        self.with(|ring| ring.as_ref().map_or_else(|| content.to_vec(), |ring| ring.digest(content)))
    }

    /// The digest of a content that the ledger keeps.
    pub(crate) fn keyed(&self, content: &[u8]) -> driver::Result<Vec<u8>> {
        let digest = self.with(|ring| ring.map(|ring| ring.digest(content)));
        digest.ok_or_else(|| self.missing("a job cannot be recorded"))
    }

    /// Whether a digest in the ledger is that of the content.
    pub(crate) fn is_content(&self, digest: &[u8], content: &[u8]) -> driver::Result<bool> {
        if ring::split(digest).is_some_and(|(version, _)| version == 0) {
            return Ok(digest == content);
        }
        let is_digest = self.with(|ring| ring.and_then(|ring| ring.is_digest(digest, content)));
        is_digest.ok_or_else(|| self.missing("jobs cannot be compared"))
    }

    /// The digest of the latest version for one of an earlier version.
    pub(crate) fn carried(&self, digest: &[u8]) -> driver::Result<Vec<u8>> {
        let carried = self.with(|ring| match ring {
            Some(ring) => ring.carried_forward(digest),
            None => ring::split(digest).filter(|(version, _)| *version == 0).map(|_| digest.to_vec()),
        });
        carried.ok_or_else(|| self.missing("jobs cannot be compared"))
    }

    /// A text that opens at its place alone.
    pub(crate) fn sealed_text(&self, plain: &str, at: Place<'_>) -> driver::Result<String> {
        let (version, sealed) = self.seal(plain.as_bytes(), &at)?;
        Ok(format!("{TEXT_PREFIX}{version}:{}", BASE64.encode(sealed)))
    }

    /// Bytes that open at their place alone.
    pub(crate) fn sealed_bytes(&self, plain: &[u8], at: Place<'_>) -> driver::Result<Vec<u8>> {
        let (version, sealed) = self.seal(plain, &at)?;
        Ok([MAGIC, &version.to_be_bytes(), &sealed].concat())
    }

    /// What was sealed, or the text itself if it was not.
    pub(crate) fn opened_text(&self, text: String, at: Place<'_>) -> driver::Result<String> {
        match Sealed::of_text(&text) {
            None => Ok(text),
            Some(sealed) => {
                String::from_utf8(self.open(&sealed, &at)?).map_err(|_| Error::unexpected("a sealed job is damaged"))
            }
        }
    }

    /// Likewise of bytes.
    pub(crate) fn opened_bytes(&self, bytes: Vec<u8>, at: Place<'_>) -> driver::Result<Vec<u8>> {
        Sealed::of_bytes(&bytes).map_or(Ok(bytes), |sealed| self.open(&sealed, &at))
    }

    /// A text under the latest key, and bound to its place, if it was sealed otherwise.
    pub(crate) fn resealed_text(&self, text: String, at: Place<'_>) -> driver::Result<String> {
        match Sealed::of_text(&text).filter(|sealed| !self.is_latest(sealed)) {
            None => Ok(text),
            Some(_) => self.sealed_text(&self.opened_text(text, at)?, at),
        }
    }

    /// Likewise of bytes.
    pub(crate) fn resealed_bytes(&self, bytes: Vec<u8>, at: Place<'_>) -> driver::Result<Vec<u8>> {
        match Sealed::of_bytes(&bytes).filter(|sealed| !self.is_latest(sealed)) {
            None => Ok(bytes),
            Some(_) => self.sealed_bytes(&self.opened_bytes(bytes, at)?, at),
        }
    }

    fn is_latest(&self, sealed: &Sealed) -> bool {
        let latest = self.with(|ring| ring.map(|ring| ring.latest().0));
        matches!(sealed, Sealed::Bound(version, _) if Some(*version) == latest)
    }

    fn with<T>(&self, work: impl FnOnce(Option<&Ring>) -> T) -> T {
        work(self.0.ring.read().unwrap_or_else(PoisonError::into_inner).as_ref())
    }

    /// Plain bytes under the latest key, with its version.
    fn seal(&self, plain: &[u8], at: &Place<'_>) -> driver::Result<(u32, Vec<u8>)> {
        let sealed = self.with(|ring| {
            let (version, key) = ring?.latest();
            Some((version, key?.seal(plain, &place(version, at.column, at.row))?))
        });
        sealed.ok_or_else(|| self.missing("a password cannot be sealed"))
    }

    fn open(&self, sealed: &Sealed, at: &Place<'_>) -> driver::Result<Vec<u8>> {
        let with = |ring: &Ring| match sealed {
            Sealed::Bound(version, bytes) => ring.key(*version)?.open(bytes, &place(*version, at.column, at.row)),
            Sealed::Unbound(bytes) => ring.key(1)?.open_unbound(bytes),
        };
        if let Some(plain) = self.with(|ring| ring.and_then(with)) {
            return Ok(plain);
        }
        // Perhaps another process has begun a new key since this one was read.
        if let Sealed::Bound(version, bytes) = sealed {
            let at = place(*version, at.column, at.row);
            let keys = source::read(&self.0.location).map_err(|error| Error::unexpected(error.to_string()))?;
            if let Some(plain) = keys.iter().find_map(|key| key.open(bytes, &at)) {
                return Ok(plain);
            }
            if keys.is_empty() {
                return Err(self.missing("a sealed job cannot be read"));
            }
        }
        let location = &self.0.location;
        Err(Error::unexpected(format!(
            "a sealed job cannot be read with the key in {}, or was moved here from another job; {}",
            location.key_name(),
            source::restore(location)
        )))
    }

    fn missing(&self, what: &str) -> Error {
        Error::unexpected(format!(
            "{what}, because the ledger's key is not there; {}",
            source::restore(&self.0.location)
        ))
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// `table.column`.
    column: &'a str,
    /// What tells the row from others for ever.
    row: &'a [u8],
}

impl<'a> Place<'a> {
    pub(crate) const fn job_params(id: &'a str) -> Self {
        Self { column: "jobs.params", row: id.as_bytes() }
    }

    pub(crate) const fn job_raw(id: &'a str) -> Self {
        Self { column: "jobs.raw", row: id.as_bytes() }
    }

    pub(crate) const fn rejected_raw(seq: &'a str) -> Self {
        Self { column: "rejected.raw", row: seq.as_bytes() }
    }
}

/// The place as a value is bound to it, with the key's version, so that none is passed off as another's.
fn place(version: u32, column: &str, row: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes(), column.as_bytes(), b"\0", row].concat()
}

/// Whether a text in the ledger is sealed.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(TEXT_PREFIX)
}

impl Sealed {
    fn of_text(text: &str) -> Option<Self> {
        let sealed = text.strip_prefix(TEXT_PREFIX)?;
        // What cannot be read as Base64 cannot be opened either, and says so there.
        let bytes = |text: &str| BASE64.decode(text).unwrap_or_default();
        Some(match sealed.split_once(':') {
            Some((version, sealed)) => Self::Bound(version.parse().unwrap_or_default(), bytes(sealed)),
            None => Self::Unbound(bytes(sealed)),
        })
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some(sealed) = bytes.strip_prefix(UNBOUND_MAGIC) {
            return Some(Self::Unbound(sealed.to_vec()));
        }
        let (version, sealed) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        Some(Self::Bound(u32::from_be_bytes(*version), sealed.to_vec()))
    }
}
