//! Opens the ledger's file: permissions, pragmas, migrations, and sentences for everything that can be wrong with it.
//!
//! Knows the file, not what its tables mean.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::driver::{GuardSlot, SqliteConn};
use super::{names, origin};
use crate::driver::Conn;
use crate::ledger::seal::{self, Seal};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

/// Marks the file as Paceline's: "PACE".
const APPLICATION_ID: i64 = 0x5041_4345;

/// The script that leads to each version, in order; the file's `user_version` says which it has reached.
pub(crate) const MIGRATIONS: [(i64, &str); 22] = [
    (1, include_str!("../migrations/0001.sql")),
    (2, include_str!("../migrations/0002.sql")),
    (3, include_str!("../migrations/0003.sql")),
    (4, include_str!("../migrations/0004.sql")),
    (5, include_str!("../migrations/0005.sql")),
    (6, include_str!("../migrations/0006.sql")),
    (7, include_str!("../migrations/0007.sql")),
    (8, include_str!("../migrations/0008.sql")),
    (9, include_str!("../migrations/0009.sql")),
    (10, include_str!("../migrations/0010.sql")),
    (12, include_str!("../migrations/0012.sql")),
    (13, include_str!("../migrations/0013.sql")),
    (14, include_str!("../migrations/0014.sql")),
    (15, include_str!("../migrations/0015.sql")),
    (16, include_str!("../migrations/0016.sql")),
    (17, include_str!("../migrations/0017.sql")),
    (22, include_str!("../migrations/0022.sql")),
    (23, include_str!("../migrations/0023.sql")),
    (24, include_str!("../migrations/0024.sql")),
    (25, include_str!("../migrations/0025.sql")),
    (26, include_str!("../migrations/0026.sql")),
    (27, include_str!("../migrations/0027.sql")),
];

/// The version that this program writes.
pub(crate) const VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Statements kept prepared per connection: more than the code has, so none is ever prepared twice.
const STATEMENTS_MAX: usize = 128;

/// How long a transaction of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// So often a file is opened whose log SQLite finds changing under its hands: each time it has waited for seconds itself.
const TRIES: u32 = 3;

/// Pages in the write-ahead log before they move into the file: 16 MB, so that moving them is rare and cheap per job.
const WAL_PAGES: i64 = 4_000;

/// Memory for pages of who writes, in KiB (SQLite takes it as a negative number).
const CACHE_KIB: i64 = 16_384;
/// Likewise of who reads alone, and there are several: what it has kept is out of date with the next commit.
const READER_CACHE_KIB: i64 = 4_096;

/// What a path must not hold as it stands in a `file:` URI.
const IN_URI: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// The tables and indices of a new ledger of this version, by name, in order.
pub(crate) fn schema(version: i64) -> rusqlite::Result<Vec<(String, String)>> {
    let conn = Connection::open_in_memory()?;
    for (_, script) in MIGRATIONS.iter().filter(|(leads_to, _)| *leads_to <= version) {
        conn.execute_batch(script)?;
    }
    let mut schema = conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Opens the file for writing, creating and migrating it as needed; the guard over its files is still to be set.
pub(crate) fn open_writer(location: &Location) -> Result<(Conn, GuardSlot), LedgerError> {
    let path = location.path.as_path();
    let is_empty = is_empty(path);
    if is_empty {
        seal::refuse_leftover(location)?;
    }
    let is_new = create_private(path)?;
    refuse_misplaced(path)?;
    if !is_empty {
        // A file that was there is looked at first: what is no ledger stays as it is, with its rights.
        drop(look_at(path)?);
    }
    if !is_new {
        make_private(path)?;
    }
    let conn = open_configured(path).map_err(|error| unusable(path, &error))?;
    migrate(&conn, location)?;
    let guard = GuardSlot::default();
    let conn = over(conn, location, guard.clone(), VERSION);
    Seal::read_or_begin(&conn)?;
    Ok((conn, guard))
}

fn over(conn: Connection, location: &Location, guard: GuardSlot, version: i64) -> Conn {
    Conn::over(SqliteConn::of(conn, location.path.clone(), guard), Seal::of(location), version)
}

fn open_configured(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    patiently(|| {
        let conn = Connection::open_with_flags(path, flags)?;
        configure(&conn)?;
        conn.pragma_query_value(None, "user_version", |_| Ok(()))?;
        Ok(conn)
    })
}

/// Tries again what SQLite gives up without asking its busy handler.
fn patiently<T>(mut work: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    for _ in 1..TRIES {
        match work() {
            Err(error) if is_passing(&error) => {}
            done => return done,
        }
    }
    work()
}

/// Whether others take and lose the log's locks faster than SQLite can follow, as after a kill under load ("locking
/// protocol"); or have just begun to write the log's index, which who only looks on cannot tell from a broken one.
fn is_passing(error: &rusqlite::Error) -> bool {
    let is_unsettled = |code: &rusqlite::ffi::Error| {
        code.code == ErrorCode::FileLockingProtocolFailed
            || code.extended_code == rusqlite::ffi::SQLITE_READONLY_RECOVERY
    };
    error.sqlite_error().is_some_and(is_unsettled)
}

/// Opens a further connection to a file that [`open_writer`] has opened, for reading only.
pub(crate) fn open_reader(location: &Location) -> Result<Conn, LedgerError> {
    let path = location.path.as_path();
    let conn = open_configured(path).map_err(|error| unusable(path, &error))?;
    let set = |name, to: i64| conn.pragma_update(None, name, to).map_err(|error| unusable(path, &error));
    set("query_only", 1)?;
    set("cache_size", -READER_CACHE_KIB)?;
    let conn = over(conn, location, GuardSlot::default(), VERSION);
    Seal::read(&conn)?;
    Ok(conn)
}

/// Opens the file only to look at it: nothing is written or created, not even beside it. Gives its version, too.
///
/// Where nobody has the file open, its write-ahead log is empty and nothing can change while it is looked at. Else the
/// log is read as well, through the index that the others keep.
pub(crate) fn open_untouched(location: &Location) -> Result<(Conn, i64), LedgerError> {
    refuse_misplaced(&location.path)?;
    let (conn, version) = look_at(&location.path)?;
    let conn = over(conn, location, GuardSlot::default(), version);
    Seal::read(&conn)?;
    Ok((conn, version))
}

fn look_at(path: &Path) -> Result<(Connection, i64), LedgerError> {
    let is_logged = || ["-wal", "-shm"].iter().all(|suffix| beside(path, suffix).exists());
    loop {
        let had_log = is_logged();
        let how = if had_log { "readonly_shm=1" } else { "immutable=1" };
        let looked = patiently(|| {
            let conn = open_read_only(path, how)?;
            conn.pragma_query_value(None, "user_version", |_| Ok(()))?;
            Ok(conn)
        });
        let looked = looked.map_err(|error| unusable(path, &error)).and_then(|conn| {
            let version = recognise(&conn, path)?;
            Ok((conn, version))
        });
        // Whoever closes the file last takes its log away, perhaps just now: then it is looked at in the other way.
        if looked.is_ok() || is_logged() == had_log {
            return looked;
        }
    }
}

/// Opens the file as it is without its log, whoever works it: a look at its own pages.
pub(super) fn open_without_log(path: &Path) -> rusqlite::Result<Connection> {
    open_read_only(path, "immutable=1")
}

fn open_read_only(path: &Path, how: &str) -> rusqlite::Result<Connection> {
    let name = percent_encode(path.as_os_str().as_bytes(), IN_URI);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{name}?mode=ro&{how}"), flags)
}

/// A file that goes with a ledger: SQLite puts it beside the file that a symbolic link leads to.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(suffix);
    name.into()
}

/// Whether nothing is there yet.
fn is_empty(path: &Path) -> bool {
    fs::metadata(path).map_or_else(|error| error.kind() == ErrorKind::NotFound, |metadata| metadata.len() == 0)
}

/// Refuses a file that is not alone: under several names, or beside the log of another file.
pub(crate) fn refuse_misplaced(path: &Path) -> Result<(), LedgerError> {
    if let Some(fault) = names::fault(path) {
        return Err(LedgerError::Unusable(fault));
    }
    if origin::has_foreign_log(path) {
        let path = path.display();
        return Err(LedgerError::Unusable(format!(
            "{path}-wal is not the log of {path}: a backup was copied over the ledger beside the log of the ledger before it; to go on \
             with the backup, remove {path}-wal and {path}-shm and copy the backup once more; to go on with what the log belongs \
             to, put that file back"
        )));
    }
    Ok(())
}

/// Whether this user may write the file; nothing is written. By SQLite, for the sake of [`create_private`]'s locks.
pub(crate) fn may_write(path: &Path) -> Result<(), LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let may = Connection::open_with_flags(path, flags).and_then(|conn| conn.is_readonly("main"));
    match may {
        Ok(false) => Ok(()),
        Ok(true) | Err(_) => Err(LedgerError::Failed(format!(
            "{} cannot be written; run this as the worker's user, or check the permissions of the file and its folder",
            path.display()
        ))),
    }
}

/// Whether a ledger of this version has the tables that this program reads.
pub(crate) const fn is_current(version: i64) -> bool {
    version == VERSION
}

/// Makes the file, if there is none, readable for its owner alone, and says whether it did; SQLite gives `-wal` and `-shm` the same permissions.
///
/// A file that is there is not opened, not even for its permissions: whoever closes it takes from the whole process the
/// locks that SQLite holds on it, and the next command of another process would remove a running worker's log as
/// nobody's.
fn create_private(path: &Path) -> Result<bool, LedgerError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
            Err(LedgerError::Failed(format!("{} is a folder; name a file in [store] url", path.display())))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(LedgerError::Failed(format!(
            "cannot make {}: {error}; check [store] url and the permissions of its folder",
            path.display()
        ))),
    }
}

/// Takes from others what they may do with a file that is there.
fn make_private(path: &Path) -> Result<(), LedgerError> {
    let metadata = fs::metadata(path).map_err(|error| LedgerError::Failed(format!("{}: {error}", path.display())))?;
    let mut permissions = metadata.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        fs::set_permissions(path, permissions).map_err(|error| {
            LedgerError::Failed(format!(
                "{} can be read by other users and its permissions cannot be changed ({error}); it holds everything that is sent: run `chmod 600` on it as its owner",
                path.display()
            ))
        })?;
    }
    Ok(())
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise each binding of a value that a partial index could depend on prepares its statement again.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit is on the disk before it is answered, so that no attempt leaves unrecorded.
    conn.pragma_update(None, "synchronous", "FULL")?;
    // What is written over or removed does not stay readable in its page.
    conn.pragma_update(None, "secure_delete", "FAST")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "temp_store", "MEMORY")
}

fn migrate(conn: &Connection, location: &Location) -> Result<(), LedgerError> {
    let path = location.path.as_path();
    let failed = |error: rusqlite::Error| unusable(path, &error);
    let (version, application) = marks(conn, path)?;
    if version == VERSION && application == APPLICATION_ID {
        return Ok(());
    }
    // IMMEDIATE, so that two processes that start at once do not both migrate.
    conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let outcome = migrate_in_transaction(conn, location);
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    conn.execute_batch(end).map_err(failed)?;
    outcome
}

/// The file's version and whose it is.
fn marks(conn: &Connection, path: &Path) -> Result<(i64, i64), LedgerError> {
    let number = |pragma: &str| -> Result<i64, LedgerError> {
        conn.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| unusable(path, &error))
    };
    Ok((number("user_version")?, number("application_id")?))
}

/// The version of a ledger; 0 for a file with nothing in it.
fn recognise(conn: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let (version, application) = marks(conn, path)?;
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| unusable(path, &error))?;
    refuse_unknown(path, version, application, tables)?;
    Ok(version)
}

/// Refuses what is no ledger, and a ledger that this program is too old for.
fn refuse_unknown(path: &Path, version: i64, application: i64, tables: i64) -> Result<(), LedgerError> {
    if application != APPLICATION_ID && (tables > 0 || version != 0) {
        return Err(LedgerError::Failed(format!(
            "{} is another program's SQLite database; name a new file in [store] url",
            path.display()
        )));
    }
    if version > VERSION {
        return Err(LedgerError::Failed(format!(
            "{} was written by a newer Paceline (ledger version {version}, this one knows up to {VERSION}); use that version, or name another file in [store] url",
            path.display()
        )));
    }
    Ok(())
}

fn migrate_in_transaction(conn: &Connection, location: &Location) -> Result<(), LedgerError> {
    let path = location.path.as_path();
    let version = recognise(conn, path)?;
    if version == 0 {
        seal::refuse_leftover(location)?;
    }
    for (to, script) in MIGRATIONS.into_iter().filter(|&(to, _)| to > version) {
        conn.execute_batch(script).map_err(|error| unusable(path, &error))?;
        conn.pragma_update(None, "user_version", to).map_err(|error| unusable(path, &error))?;
    }
    if version == 0 {
        conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(|error| unusable(path, &error))?;
    }
    Ok(())
}

/// What is wrong with the file as a whole, for people.
fn unusable(path: &Path, error: &rusqlite::Error) -> LedgerError {
    if let Some(damage) = damage(path, error) {
        return LedgerError::Unusable(damage);
    }
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LedgerError::Failed(format!(
            "{path} is no SQLite database; name another file in [store] url, or move this one away"
        )),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => LedgerError::Failed(
            format!("{path} cannot be written ({error}); check the permissions of the file and its folder"),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed) => LedgerError::Failed(format!(
            "{path} is being written by another process for more than {} s; try again when it is done",
            BUSY_TIMEOUT.as_secs()
        )),
        Some(ErrorCode::DiskFull) => LedgerError::Full(format!("{path}: {error}")),
        _ => LedgerError::Failed(format!("{path}: {error}")),
    }
}

/// That the file is damaged, if the error says so.
pub(super) fn damage(path: &Path, error: &rusqlite::Error) -> Option<String> {
    (error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)).then(|| damaged(path, &error.to_string()))
}

/// That the file is damaged, and what to do.
pub(crate) fn damaged(path: &Path, how: &str) -> String {
    let path = path.display();
    format!("{path} is damaged ({how}); restore it from a backup, or recover it with `sqlite3 {path} .recover`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    fn tried(mut answers: Vec<rusqlite::Result<()>>) -> (rusqlite::Result<()>, usize) {
        answers.reverse();
        let done = patiently(|| answers.pop().unwrap());
        (done, answers.len())
    }

    #[test]
    fn a_log_that_changes_under_its_hands_is_waited_for_and_no_other_fault_is() {
        let protocol = || Err(failed(rusqlite::ffi::SQLITE_PROTOCOL));
        assert_eq!(tried(vec![protocol(), protocol(), Ok(())]), (Ok(()), 0));
        let (given_up, left) = tried(vec![protocol(), protocol(), protocol(), Ok(())]);
        assert_eq!((given_up, left), (protocol(), 1), "not for ever");
        let (other, left) = tried(vec![Err(failed(rusqlite::ffi::SQLITE_NOTADB)), Ok(())]);
        assert_eq!((other, left), (Err(failed(rusqlite::ffi::SQLITE_NOTADB)), 1));
        let said = unusable(Path::new("l.db"), &failed(rusqlite::ffi::SQLITE_PROTOCOL)).to_string();
        assert!(said.contains("try again when it is done"), "{said}");
    }
}
