//! What a method marks as sensitive (a meeting's password) is sealed where the ledger keeps it, so that a copy of the
//! file tells nobody.
//!
//! The key stands beside the ledger, in `<ledger>.key`; ChaCha20-Poly1305. Two functions of SQL do it, `sealed(value,
//! whether)` and `opened(value)`, so that a statement shows which of its columns are sealed. A sealed text is
//! `sealed:` and Base64; sealed bytes begin with [`MAGIC`]. What is not sealed is passed on as it is.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::engine::ports::LedgerError;

const TEXT_PREFIX: &str = "sealed:";
const MAGIC: &[u8] = b"\0paceline-sealed-1\0";
const KEY_BYTES: usize = 32;

/// A ledger's key.
#[derive(Clone)]
pub(crate) struct Key {
    cipher: Arc<LessSafeKey>,
    /// Tells whether it is the key that the ledger was begun with; says nothing about the key itself.
    mark: i64,
}

impl Key {
    /// The key beside a ledger, if there is one.
    pub(crate) fn read(ledger: &Path) -> Result<Option<Self>, LedgerError> {
        let path = path_of(ledger);
        match fs::read(&path) {
            Ok(text) => Self::parse(&text).map(Some).ok_or_else(|| {
                LedgerError::Failed(format!("{} is no key of a ledger; {}", path.display(), restore(&path)))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LedgerError::Failed(format!(
                "cannot read {}: {error}; it opens the passwords in the ledger, so its owner has to be able to read it",
                path.display()
            ))),
        }
    }

    /// Tells it from others.
    pub(super) fn mark(&self) -> i64 {
        self.mark
    }

    /// The key beside a ledger that is open for writing; a ledger that has none yet gets one. `None` if it is not the
    /// ledger's own: what is sealed cannot be read then, everything else can.
    pub(crate) fn read_or_create(ledger: &Path, conn: &Connection) -> Result<Option<Self>, LedgerError> {
        let failed = |error: rusqlite::Error| super::file::failed(&error);
        let known: Option<i64> = conn
            .query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        if let Some(mark) = known {
            return Ok(Self::read(ledger)?.filter(|key| key.mark == mark));
        }
        let key = match Self::read(ledger)? {
            Some(key) => key,
            None => Self::create(ledger)?,
        };
        conn.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('key', ?1)", [key.mark]).map_err(failed)?;
        Ok(Some(key))
    }

    /// Puts a new key beside the ledger, whole or not at all; if somebody else did so first, theirs counts.
    fn create(ledger: &Path) -> Result<Self, LedgerError> {
        let path = path_of(ledger);
        let draft = path.with_extension(format!("key.{}", std::process::id()));
        let written = write_draft(&draft).and_then(|()| match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        });
        // Left behind it would be a key that opens nothing.
        drop(fs::remove_file(&draft));
        written.map_err(|error| {
            LedgerError::Failed(format!(
                "cannot write {}: {error}; check the permissions of its folder and the room on its disk",
                path.display()
            ))
        })?;
        Self::read(ledger)?.ok_or_else(|| LedgerError::Failed(format!("{} is gone again", path.display())))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let bytes = BASE64.decode(text.trim_ascii()).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
        let cipher = Arc::new(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?));
        let digest = Sha256::digest(&bytes);
        let mark = digest.first_chunk().map(|chunk| i64::from_be_bytes(*chunk))?;
        Some(Self { cipher, mark })
    }

    /// Nonce and cipher text.
    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let with = Nonce::assume_unique_for_key(nonce);
        self.cipher.seal_in_place_append_tag(with, Aad::empty(), &mut sealed).ok()?;
        Some([&nonce, sealed.as_slice()].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut plain = sealed.to_vec();
        let length =
            self.cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// Who works jobs needs the key, or every job with a password would stand still.
pub(super) fn require_key(conn: &Connection, ledger: &Path) -> Result<(), LedgerError> {
    Key::read_or_create(ledger, conn)?.map(drop).ok_or_else(|| LedgerError::Failed(not_there(ledger)))
}

/// What is wrong with the key of a ledger that is only looked at, if anything is.
pub(super) fn key_fault(conn: &Connection, ledger: &Path) -> rusqlite::Result<Option<String>> {
    let known: Option<i64> =
        conn.query_row("SELECT value FROM meta WHERE name = 'key'", [], |row| row.get(0)).optional()?;
    let Some(mark) = known else { return Ok(None) };
    Ok(match Key::read(ledger) {
        Ok(Some(key)) if key.mark == mark => None,
        Ok(_) => Some(not_there(ledger)),
        Err(error) => Some(error.to_string()),
    })
}

/// Refuses to begin a ledger beside the key of one that is gone: it would know none of the jobs that were done.
pub(crate) fn refuse_leftover(ledger: &Path) -> Result<(), LedgerError> {
    let key = path_of(ledger);
    if !key.exists() {
        return Ok(());
    }
    let how = if ledger.exists() { "is empty" } else { "is missing" };
    let (ledger, key) = (ledger.display(), key.display());
    Err(LedgerError::Unusable(format!(
        "{ledger} {how}, but its key {key} is there: restore the ledger from a backup; or, to begin a new ledger, which \
         would create again what the old one has created, remove {key}"
    )))
}

/// The key is not there, or it is another one.
fn not_there(ledger: &Path) -> String {
    let path = path_of(ledger);
    let what = if path.exists() { "is another ledger's key" } else { "is gone" };
    format!("{} {what}; {}", path.display(), restore(&path))
}

pub(super) fn path_of(ledger: &Path) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

pub(super) fn restore(path: &Path) -> String {
    format!(
        "put the ledger's own key back there, from where you keep it apart from the ledger's backup: without {} nobody can send the jobs that hold passwords",
        path.display()
    )
}

fn write_draft(path: &Path) -> std::io::Result<()> {
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{}", BASE64.encode(bytes))?;
    file.sync_all()
}

/// Gives a connection `sealed` and `opened`. Without a key, what is not sealed can be read all the same.
pub(crate) fn install(conn: &Connection, ledger: &Path, key: Option<Key>) -> rusqlite::Result<()> {
    let (missing, opens) = (path_of(ledger), key.clone());
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function("opened", 1, flags, move |context| {
        opened(context, opens.as_ref()).map_err(|why| fault(&format!("{why}; {}", restore(&missing))))
    })?;
    conn.create_scalar_function("sealed", 2, flags, move |context| sealed(context, key.as_ref()))
}

fn opened(context: &Context<'_>, key: Option<&Key>) -> Result<Value, &'static str> {
    let open = |sealed: Option<Vec<u8>>| {
        let key = key.ok_or("a sealed job cannot be read, because the ledger's key is not there")?;
        sealed.and_then(|sealed| key.open(&sealed)).ok_or("a sealed job cannot be read with the key beside the ledger")
    };
    let value = context.get_raw(0);
    if let ValueRef::Text(text) = value
        && let Some(sealed) = text.strip_prefix(TEXT_PREFIX.as_bytes())
    {
        return String::from_utf8(open(BASE64.decode(sealed).ok())?)
            .map(Value::Text)
            .map_err(|_| "a sealed job is damaged");
    }
    if let ValueRef::Blob(blob) = value
        && let Some(sealed) = blob.strip_prefix(MAGIC)
    {
        return open(Some(sealed.to_vec())).map(Value::Blob);
    }
    value.try_into().map_err(|_| "a text in the ledger is no UTF-8")
}

fn sealed(context: &Context<'_>, key: Option<&Key>) -> rusqlite::Result<Value> {
    let value = context.get_raw(0);
    let seal = |plain: &[u8]| {
        key.and_then(|key| key.seal(plain)).ok_or_else(|| fault("a password cannot be sealed without a key"))
    };
    if context.get(1)? {
        if let ValueRef::Text(text) = value {
            return Ok(Value::Text(format!("{TEXT_PREFIX}{}", BASE64.encode(seal(text)?))));
        }
        if let ValueRef::Blob(blob) = value {
            return Ok(Value::Blob([MAGIC, &seal(blob)?].concat()));
        }
    }
    value.try_into().map_err(|_| fault("a text is no UTF-8"))
}

fn fault(text: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::file::{open_reader, open_writer};

    fn one<T: rusqlite::types::FromSql>(
        conn: &Connection,
        sql: &str,
        value: &dyn rusqlite::ToSql,
    ) -> rusqlite::Result<T> {
        conn.query_row(sql, [value], |row| row.get(0))
    }

    #[test]
    fn what_is_sealed_is_read_with_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("a.db");
        let writer = open_writer(&ledger).unwrap();
        let text: String = one(&writer, "SELECT sealed(?1, TRUE)", &"{\"password\":\"1234\"}").unwrap();
        let blob: Vec<u8> = one(&writer, "SELECT sealed(?1, TRUE)", &b"\xff1234".as_slice()).unwrap();
        assert!(!text.contains("1234") && !blob.windows(4).any(|part| part == b"1234"));
        assert_ne!(text, one::<String>(&writer, "SELECT sealed(?1, TRUE)", &"{\"password\":\"1234\"}").unwrap());

        let reader = open_reader(&ledger).unwrap();
        assert_eq!(one::<String>(&reader, "SELECT opened(?1)", &text).unwrap(), "{\"password\":\"1234\"}");
        assert_eq!(one::<Vec<u8>>(&reader, "SELECT opened(?1)", &blob).unwrap(), b"\xff1234");

        let other = open_writer(&folder.path().join("b.db")).unwrap();
        let refused = one::<String>(&other, "SELECT opened(?1)", &text).unwrap_err().to_string();
        assert!(refused.contains("cannot be read with the key beside the ledger"), "{refused}");
        let damaged = text.replace(&text[20..24], "AAAA");
        assert!(one::<String>(&reader, "SELECT opened(?1)", &damaged).is_err());
    }

    #[test]
    fn what_is_not_sealed_passes() {
        let folder = tempfile::tempdir().unwrap();
        let writer = open_writer(&folder.path().join("a.db")).unwrap();
        for sql in ["SELECT opened(?1)", "SELECT sealed(?1, FALSE)"] {
            assert_eq!(one::<String>(&writer, sql, &"{\"a\":1}").unwrap(), "{\"a\":1}");
            assert_eq!(one::<Vec<u8>>(&writer, sql, &b"\0raw".as_slice()).unwrap(), b"\0raw");
            assert_eq!(one::<Option<String>>(&writer, sql, &rusqlite::types::Null).unwrap(), None);
        }
        assert_eq!(one::<Option<String>>(&writer, "SELECT sealed(?1, TRUE)", &rusqlite::types::Null).unwrap(), None);
    }

    #[test]
    fn a_ledger_without_its_own_key_is_not_opened_for_work() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ledger, key) = (folder.path().join("a.db"), folder.path().join("a.db.key"));
        drop(open_writer(&ledger).unwrap());
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let own = fs::read(&key).unwrap();
        drop(open_writer(&folder.path().join("b.db")).unwrap());
        let refusal = || match open_writer(&ledger).and_then(|conn| require_key(&conn, &ledger)) {
            Ok(()) => panic!("it was taken"),
            Err(error) => error.to_string(),
        };

        fs::remove_file(&key).unwrap();
        assert!(refusal().contains("a.db.key is gone; put the ledger's own key back"), "{}", refusal());
        fs::copy(folder.path().join("b.db.key"), &key).unwrap();
        assert!(refusal().contains("is another ledger's key"), "{}", refusal());
        fs::write(&key, "nonsense").unwrap();
        assert!(refusal().contains("is no key of a ledger"), "{}", refusal());
        fs::write(&key, own).unwrap();
        require_key(&open_writer(&ledger).unwrap(), &ledger).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("key.")), "{left:?}");
    }
}
