//! The driver for SQLite: one connection to a ledger's file, and a look at the file around each transaction.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};

use super::guard::{Guard, Loss};
use super::{file, origin};
use crate::driver::{Access, Columns, Driver, Each, EachOf, Error, Insertion, Kind, Result, Row, Value};

/// The guard over a connection's files, from when it is set: no transaction is committed afterwards unless they are still
/// the ledger's.
#[derive(Clone, Default)]
pub(crate) struct GuardSlot(Arc<OnceLock<Mutex<Guard>>>);

impl GuardSlot {
    pub(crate) fn set(&self, guard: Guard) {
        let _ = self.0.set(Mutex::new(guard));
    }
}

/// A connection to a ledger's file.
pub(crate) struct SqliteConn {
    conn: Connection,
    path: PathBuf,
    /// Empty where nothing is written.
    guard: GuardSlot,
    /// Rows that had been changed when the present transaction began.
    before: Cell<u64>,
}

impl SqliteConn {
    pub(crate) fn of(conn: Connection, path: PathBuf, guard: GuardSlot) -> Self {
        Self { conn, path, guard, before: Cell::default() }
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<Prepared<'_>> {
        let statement = self.conn.prepare_cached(sql)?;
        // To SQLite `$1` is a name: it numbers parameters in the order in which it first meets them.
        let number = |index| {
            let name = statement.parameter_name(index).unwrap_or_default();
            let number = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
            number.ok_or_else(|| rusqlite::Error::InvalidParameterName(name.to_owned()))
        };
        let places = (1..=statement.parameter_count()).map(number).collect::<rusqlite::Result<_>>()?;
        Ok(Prepared { statement, places })
    }

    fn change(&self, sql: &str, lists: &[&[Value<'_>]]) -> rusqlite::Result<usize> {
        let mut prepared = self.prepare(sql)?;
        lists.iter().map(|values| prepared.bound(values)?.raw_execute()).sum()
    }

    fn read(&self, prepared: &mut Prepared<'_>, values: &[Value<'_>], each: Each<'_>) -> Result<()> {
        let failed = |error| self.failed(&error);
        let mut rows = prepared.bound(values).map_err(failed)?.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            if each(&Row(row))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn look(&self, look: impl FnOnce(&mut Guard, &Connection) -> std::result::Result<(), Loss>) -> Result<()> {
        let Some(guard) = self.guard.0.get() else { return Ok(()) };
        let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut guard, &self.conn).map_err(|loss| {
            if loss.is_of_log() {
                // Closing it would move this log over what another program has made of the file since. That cannot fail.
                let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            }
            Error::new(Kind::Unusable, loss.to_string())
        })
    }

    /// What a failure comes from, where the files tell more than SQLite.
    fn failed(&self, error: &rusqlite::Error) -> Error {
        let kind = kind_of(error);
        if matches!(kind, Kind::Full | Kind::Environment)
            && let Err(lost) = self.look(|guard, _| guard.look())
        {
            return lost;
        }
        file::damage(&self.path, error)
            .map_or_else(|| Error::new(kind, error.to_string()), |damage| Error::new(Kind::Unusable, damage))
    }
}

/// A statement that is run for one list of values after the other.
struct Prepared<'c> {
    statement: CachedStatement<'c>,
    /// Which value of a list each parameter takes.
    places: Vec<usize>,
}

impl<'c> Prepared<'c> {
    fn bound(&mut self, values: &[Value<'_>]) -> rusqlite::Result<&mut CachedStatement<'c>> {
        let count = self.places.len();
        if count != values.len() {
            return Err(rusqlite::Error::InvalidParameterCount(values.len(), count));
        }
        for (index, place) in (1..).zip(&self.places) {
            let value = values.get(*place).ok_or(rusqlite::Error::InvalidParameterCount(values.len(), count))?;
            self.statement.raw_bind_parameter(index, Bound(*value))?;
        }
        Ok(&mut self.statement)
    }
}

/// What kind of failure SQLite tells of.
pub(super) fn kind_of(error: &rusqlite::Error) -> Kind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Kind::Full,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::OutOfMemory,
        ) => Kind::Environment,
        _ => Kind::Statement,
    }
}

impl Driver for SqliteConn {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        self.change(sql, &[values]).map_err(|error| self.failed(&error))
    }

    fn send_all(&self, sql: &str, lists: &[&[Value<'_>]]) -> Result<()> {
        self.change(sql, lists).map(drop).map_err(|error| self.failed(&error))
    }

    fn query(&self, sql: &str, values: &[Value<'_>], each: Each<'_>) -> Result<()> {
        let mut prepared = self.prepare(sql).map_err(|error| self.failed(&error))?;
        self.read(&mut prepared, values, each)
    }

    fn query_all(&self, sql: &str, lists: &[&[Value<'_>]], each: EachOf<'_>) -> Result<()> {
        let mut prepared = self.prepare(sql).map_err(|error| self.failed(&error))?;
        for (at, values) in lists.iter().enumerate() {
            self.read(&mut prepared, values, &mut |row| each(at, row).map(ControlFlow::Continue))?;
        }
        Ok(())
    }

    fn insert_all(&self, insertion: Insertion<'_>, lists: &[&[Value<'_>]]) -> Result<Vec<Option<i64>>> {
        // Not by RETURNING: SQLite keeps what a statement gives back in a table that it makes each time, and notes every page
        // that the statement writes, to be able to take it back.
        let insert = || -> rusqlite::Result<_> {
            let mut prepared = self.prepare(insertion.sql)?;
            let number = |inserted| (inserted > 0).then(|| self.conn.last_insert_rowid());
            lists.iter().map(|values| prepared.bound(values)?.raw_execute().map(number)).collect()
        };
        insert().map_err(|error| self.failed(&error))
    }

    fn begin(&self, access: Access) -> Result<()> {
        let begin = match access {
            Access::Read => "BEGIN",
            Access::Write => {
                self.look(Guard::look_inside)?;
                "BEGIN IMMEDIATE"
            }
        };
        self.before.set(self.conn.total_changes());
        self.run(begin).map_err(|error| self.failed(&error))
    }

    fn commit(&self) -> Result<()> {
        let stamp = || if self.conn.total_changes() == self.before.get() { Ok(()) } else { origin::stamp(&self.conn) };
        stamp().map_err(|error| self.failed(&error))?;
        self.look(|guard, _| guard.look())?;
        self.run("COMMIT").map_err(|error| self.failed(&error))
    }

    fn rollback(&self) {
        if self.is_in_transaction() {
            // SQLite rolls back by itself where this fails, at the latest when the connection closes.
            let _ = self.run("ROLLBACK");
        }
    }

    fn is_in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    fn now(&self) -> Result<i64> {
        let now = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
        let read = || self.conn.prepare_cached(now)?.query_row([], |row| row.get(0));
        read().map_err(|error| self.failed(&error))
    }

    fn changes(&self) -> u64 {
        self.conn.total_changes()
    }

    fn last_number(&self, table: &str, _: &str) -> Result<i64> {
        let last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
        let read = || self.conn.query_row(last, [table], |row| row.get(0));
        read().map_err(|error| self.failed(&error))
    }

    fn continue_after(&self, table: &str, _: &str, number: i64) -> Result<()> {
        // Only tables whose numbers never come again have a row there.
        let begin = "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_schema
             WHERE name = ?1 AND sql LIKE '%AUTOINCREMENT%'
             AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
        let raise = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        let write =
            || self.conn.execute(begin, [table]).and_then(|_| self.conn.execute(raise, (table, number)).map(drop));
        write().map_err(|error| self.failed(&error))
    }

    fn wipe_at_once(&self, at_once: bool) -> Result<()> {
        let how = if at_once { "ON" } else { "FAST" };
        self.conn.pragma_update(None, "secure_delete", how).map_err(|error| self.failed(&error))
    }

    fn clean(&self, all: bool) -> Result<()> {
        let clean = || {
            if all {
                // A copy of the whole ledger does not belong into memory.
                self.conn.pragma_update(None, "temp_store", "FILE")?;
                self.conn.execute_batch("VACUUM")?;
                self.conn.pragma_update(None, "temp_store", "MEMORY")?;
            }
            // A reader in another process may keep the log; it is written over by and by.
            self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        clean().map_err(|error| self.failed(&error))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn value(&self, at: usize) -> Result<Value<'_>> {
        let value = self.get_ref(at).map_err(|error| Error::unexpected(error.to_string()))?;
        Ok(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(
                std::str::from_utf8(text).map_err(|_| Error::unexpected("a text in the ledger is no UTF-8"))?,
            ),
            ValueRef::Blob(bytes) => Value::Blob(bytes),
        })
    }
}

/// A value on its way to SQLite, which copies it.
struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
