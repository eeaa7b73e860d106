//! What a method marks as sensitive (a meeting's password) is sealed where the ledger keeps it, and digests of contents are
//! keyed, so that a copy of the file tells nobody: no password, and no way to try one.
//!
//! ChaCha20-Poly1305 and HMAC-SHA-256, each with a key of its own derived from the ledger's. Functions of SQL do it, so
//! that a statement shows which of its columns are sealed or digests:
//!
//! - `sealed(value, whether, place, row)`, `opened(value, place, row)`, `resealed(value, place, row)`. A value is bound to
//!   its table and column and to its job: it opens nowhere else. A sealed text is `sealed:`, the version of the key, `:`
//!   and Base64; sealed bytes begin with [`MAGIC`] and the version. What is not sealed is passed on as it is.
//! - `keyed(content)`, `is_content(digest, content)`, `carried(digest)`, where `content` is the plain hash of a job's.

mod forward;
mod key;
mod rekey;
mod ring;
mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

pub(super) use self::forward::carry_forward;
pub use self::rekey::Rekeyed;
pub(crate) use self::rekey::{begin_given, rekey};
use self::ring::Ring;
pub(crate) use self::source::refuse_leftover;
pub(super) use self::source::restore_file;
use super::books::Trouble;
use super::file;
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
pub(super) fn key_fault(conn: &Connection, location: &Location) -> rusqlite::Result<Option<String>> {
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
    /// Gives a connection its functions, with the keys that are there.
    pub(crate) fn install(conn: &Connection, location: &Location) -> Result<Self, LedgerError> {
        let keys = source::read(location)?;
        let ring = Ring::of(conn, keys).map_err(|error| file::failed(&error))?;
        let seal = Self(Arc::new(Inner { location: location.clone(), ring: RwLock::new(ring) }));
        seal.add_functions(conn).map_err(|error| file::failed(&error))?;
        Ok(seal)
    }

    /// Likewise on a connection for writing; a ledger that has no key yet gets one.
    pub(crate) fn install_or_begin(conn: &Connection, location: &Location) -> Result<Self, LedgerError> {
        if ring::latest(conn).map_err(|error| file::failed(&error))? == 0 {
            let mut keys = source::read(location)?;
            if keys.is_empty() && matches!(location.key, paceline_ports::location::KeySource::Beside) {
                keys = source::create(location)?;
            }
            if let Some(key) = keys.first() {
                ring::add(conn, 1, key).map_err(|error| file::failed(&error))?;
            }
        }
        Self::install(conn, location)
    }

    /// Who works jobs needs the key, or no job with a password could run.
    pub(super) fn require(&self) -> Result<(), LedgerError> {
        if self.is_whole() { Ok(()) } else { Err(LedgerError::Failed(not_there(&self.0.location)?)) }
    }

    /// Follows a key that another process has begun.
    pub(super) fn refresh(&self, conn: &Connection) -> Result<(), Trouble> {
        let Some(latest) = self.read(|ring| ring.as_ref().map(|ring| ring.latest().0)) else { return Ok(()) };
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
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(ring);
        Ok(())
    }

    /// Whether the ledger's latest key is at hand.
    pub(super) fn is_whole(&self) -> bool {
        self.read(|ring| ring.is_some())
    }

    /// Whether the key still stands where it came from.
    pub(super) fn is_kept(&self) -> bool {
        let mark = self.read(|ring| ring.and_then(|ring| ring.latest().1.map(|key| key.mark)));
        source::read_exposed(&self.0.location).is_ok_and(|keys| keys.iter().any(|key| Some(key.mark) == mark))
    }

    /// Whether a key of this mark is, or was, the ledger's.
    fn knows(conn: &Connection, mark: i64) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM keys WHERE mark = ?1)";
        conn.query_row(sql, [mark], |row| row.get(0)).map_err(|error| file::failed(&error))
    }

    /// Makes this key the ledger's latest; `None` if nothing can be sealed with it.
    fn begin(&self, conn: &Connection, key: &key::Key) -> rusqlite::Result<Option<u32>> {
        self.read(|ring| ring.map_or(Ok(None), |ring| ring.begin(conn, key)))
    }

    /// The latest digest of a content; of a ledger without a key, the content's own hash.
    pub(crate) fn digest(&self, content: &[u8]) -> Vec<u8> {
        self.read(|ring| ring.as_ref().map_or_else(|| content.to_vec(), |ring| ring.digest(content)))
    }

    fn read<T>(&self, work: impl FnOnce(Option<&Ring>) -> T) -> T {
        work(self.0.ring.read().unwrap_or_else(PoisonError::into_inner).as_ref())
    }

    fn add_functions(&self, conn: &Connection) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let it = self.clone();
        conn.create_scalar_function("opened", 3, flags, move |context| it.opened(context))?;
        let it = self.clone();
        conn.create_scalar_function("sealed", 4, flags, move |context| it.sealed(context))?;
        let it = self.clone();
        conn.create_scalar_function("resealed", 3, flags, move |context| it.resealed(context))?;
        let it = self.clone();
        conn.create_scalar_function("keyed", 1, flags, move |context| {
            let content = blob(context, 0)?;
            let digest = it.read(|ring| ring.map(|ring| ring.digest(content)));
            digest.ok_or_else(|| it.missing("a job cannot be recorded"))
        })?;
        let it = self.clone();
        conn.create_scalar_function("is_content", 2, flags, move |context| it.is_content(context))?;
        let it = self.clone();
        conn.create_scalar_function("carried", 1, flags, move |context| it.carried(context))
    }

    fn is_content(&self, context: &Context<'_>) -> rusqlite::Result<bool> {
        let expected = blob(context, 1)?;
        if context.get_raw(0) == ValueRef::Null {
            return Ok(false);
        }
        let digest = blob(context, 0)?;
        if ring::split(digest).is_some_and(|(version, _)| version == 0) {
            return Ok(digest == expected);
        }
        let is_digest = self.read(|ring| ring.and_then(|ring| ring.is_digest(digest, expected)));
        is_digest.ok_or_else(|| self.missing("jobs cannot be compared"))
    }

    fn carried(&self, context: &Context<'_>) -> rusqlite::Result<Option<Vec<u8>>> {
        if context.get_raw(0) == ValueRef::Null {
            return Ok(None);
        }
        let digest = blob(context, 0)?;
        let carried = self.read(|ring| match ring {
            Some(ring) => ring.carried_forward(digest),
            None => ring::split(digest).filter(|(version, _)| *version == 0).map(|_| digest.to_vec()),
        });
        carried.map(Some).ok_or_else(|| self.missing("jobs cannot be compared"))
    }

    fn opened(&self, context: &Context<'_>) -> rusqlite::Result<Value> {
        let value = context.get_raw(0);
        match sealed_in(value) {
            None => value.try_into().map_err(|_| fault("a text in the ledger is no UTF-8")),
            Some(sealed) => as_value(value, self.open(&sealed, &place_of(context, 1)?)?),
        }
    }

    fn sealed(&self, context: &Context<'_>) -> rusqlite::Result<Value> {
        let value = context.get_raw(0);
        if !context.get::<bool>(1)? {
            return value.try_into().map_err(|_| fault("a text is no UTF-8"));
        }
        match value {
            ValueRef::Text(plain) | ValueRef::Blob(plain) => self.seal(value, plain, &place_of(context, 2)?),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Ok(value.try_into()?),
        }
    }

    /// A sealed value under the latest key, and bound to its place if it was not yet.
    fn resealed(&self, context: &Context<'_>) -> rusqlite::Result<Value> {
        let value = context.get_raw(0);
        let latest = self.read(|ring| ring.map(|ring| ring.latest().0));
        match sealed_in(value) {
            None => value.try_into().map_err(|_| fault("a text in the ledger is no UTF-8")),
            Some(Sealed::Bound(version, _)) if Some(version) == latest => {
                value.try_into().map_err(|_| fault("a text in the ledger is no UTF-8"))
            }
            Some(sealed) => {
                let place = place_of(context, 1)?;
                self.seal(value, &self.open(&sealed, &place)?, &place)
            }
        }
    }

    fn seal(&self, like: ValueRef<'_>, plain: &[u8], at: &Place<'_>) -> rusqlite::Result<Value> {
        let sealed = self.read(|ring| {
            let (version, key) = ring?.latest();
            Some((version, key?.seal(plain, &place(version, at.column, at.row))?))
        });
        let (version, sealed) = sealed.ok_or_else(|| self.missing("a password cannot be sealed"))?;
        Ok(match like {
            ValueRef::Text(_) => Value::Text(format!("{TEXT_PREFIX}{version}:{}", BASE64.encode(sealed))),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                Value::Blob([MAGIC, &version.to_be_bytes(), &sealed].concat())
            }
        })
    }

    fn open(&self, sealed: &Sealed, at: &Place<'_>) -> rusqlite::Result<Vec<u8>> {
        let with = |ring: &Ring| match sealed {
            Sealed::Bound(version, bytes) => ring.key(*version)?.open(bytes, &place(*version, at.column, at.row)),
            Sealed::Unbound(bytes) => ring.key(1)?.open_unbound(bytes),
        };
        if let Some(plain) = self.read(|ring| ring.and_then(with)) {
            return Ok(plain);
        }
        // Perhaps another process has begun a new key since this one was read.
        if let Sealed::Bound(version, bytes) = sealed {
            let at = place(*version, at.column, at.row);
            let keys = source::read(&self.0.location).map_err(|error| fault(&error.to_string()))?;
            if let Some(plain) = keys.iter().find_map(|key| key.open(bytes, &at)) {
                return Ok(plain);
            }
            if keys.is_empty() {
                return Err(self.missing("a sealed job cannot be read"));
            }
        }
        let location = &self.0.location;
        Err(fault(&format!(
            "a sealed job cannot be read with the key in {}, or was moved here from another job; {}",
            location.key_name(),
            source::restore(location)
        )))
    }

    fn missing(&self, what: &str) -> rusqlite::Error {
        fault(&format!("{what}, because the ledger's key is not there; {}", source::restore(&self.0.location)))
    }
}

/// Where a value stands.
struct Place<'a> {
    /// `table.column`.
    column: &'a str,
    /// What tells the row from others for ever.
    row: &'a [u8],
}

/// The place as a value is bound to it, with the key's version, so that none is passed off as another's.
fn place(version: u32, column: &str, row: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes(), column.as_bytes(), b"\0", row].concat()
}

fn place_of<'a>(context: &'a Context<'_>, at: usize) -> rusqlite::Result<Place<'a>> {
    let column = context.get_raw(at).as_str()?;
    Ok(Place { column, row: blob(context, at + 1)? })
}

/// Bytes, whether they are a text or not.
fn blob<'a>(context: &'a Context<'_>, at: usize) -> rusqlite::Result<&'a [u8]> {
    match context.get_raw(at) {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Err(fault("expected bytes")),
    }
}

fn sealed_in(value: ValueRef<'_>) -> Option<Sealed> {
    if let ValueRef::Text(text) = value {
        let sealed = std::str::from_utf8(text).ok()?.strip_prefix(TEXT_PREFIX)?;
        // What cannot be read as Base64 cannot be opened either, and says so there.
        let bytes = |text: &str| BASE64.decode(text).unwrap_or_default();
        return Some(match sealed.split_once(':') {
            Some((version, sealed)) => Sealed::Bound(version.parse().unwrap_or_default(), bytes(sealed)),
            None => Sealed::Unbound(bytes(sealed)),
        });
    }
    let ValueRef::Blob(blob) = value else { return None };
    if let Some(sealed) = blob.strip_prefix(UNBOUND_MAGIC) {
        return Some(Sealed::Unbound(sealed.to_vec()));
    }
    let (version, sealed) = blob.strip_prefix(MAGIC)?.split_first_chunk()?;
    Some(Sealed::Bound(u32::from_be_bytes(*version), sealed.to_vec()))
}

/// Plain bytes as the kind of value that was sealed.
fn as_value(like: ValueRef<'_>, plain: Vec<u8>) -> rusqlite::Result<Value> {
    match like {
        ValueRef::Text(_) => String::from_utf8(plain).map(Value::Text).map_err(|_| fault("a sealed job is damaged")),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => Ok(Value::Blob(plain)),
    }
}

fn fault(text: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(text.into())
}
