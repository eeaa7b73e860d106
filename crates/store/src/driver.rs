//! What the store needs of a database: typed values in, typed columns out, statements that stay prepared, transactions.
//!
//! All SQL is the same text for every database: its parameters are `$1`, `$2`, … A driver is a [`Driver`]; [`Conn`] is
//! what statements are written against. No other type of a database's library leaves its driver.

mod value;

use std::fmt;
use std::ops::ControlFlow;

pub(crate) use self::value::{Bind, FromValue, Value};
use crate::ledger::seal::Seal;
use paceline_ports::LedgerError;

/// What went wrong, as the store tells failures apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No room on the disk.
    Full,
    /// It is damaged, or no longer what was opened: nothing that is written there may be relied on.
    Unusable,
    /// The surroundings failed, not the statement: every other one would fail alike.
    Environment,
    /// The statement, or what it found.
    Statement,
}

/// A failure, with the database's own words.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    kind: Kind,
    text: String,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What was read is nothing that this program can have written.
    pub(crate) fn unexpected(text: impl Into<String>) -> Self {
        Self::new(Kind::Statement, text)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for LedgerError {
    fn from(error: Error) -> Self {
        match error.kind {
            Kind::Full => Self::Full(error.text),
            Kind::Unusable => Self::Unusable(error.text),
            Kind::Environment | Kind::Statement => Self::Failed(error.text),
        }
    }
}

/// The columns of the row at hand.
pub(crate) trait Columns {
    fn value(&self, at: usize) -> Result<Value<'_>>;
}

/// The row at hand.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a>(pub(crate) &'a dyn Columns);

impl<'a> Row<'a> {
    /// The column at this index, from 0.
    pub(crate) fn get<T: FromValue>(&self, at: usize) -> Result<T> {
        let value = self.0.value(at)?;
        T::from_value(value).ok_or_else(|| Error::unexpected(format!("column {at} cannot hold {value:?}")))
    }

    /// Likewise, without a copy of it.
    pub(crate) fn value(&self, at: usize) -> Result<Value<'a>> {
        self.0.value(at)
    }
}

/// What is called for each row, until it says that this was enough.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>>;

/// What is called for each row with the place of the values that it is of.
pub(crate) type EachOf<'a> = &'a mut dyn FnMut(usize, &Row<'_>) -> Result<()>;

/// A statement that inserts a row, whose number `seq` the database gives it.
#[derive(Clone, Copy)]
pub(crate) struct Insertion<'a> {
    /// `INSERT … VALUES …`, and what becomes of a row that is there already.
    pub(crate) sql: &'a str,
    /// A column that takes one of the values as it is, and the place of that value: a server says by it which rows it numbered.
    pub(crate) known_by: (&'a str, usize),
}

/// What a transaction is begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// One state of the database, read several times.
    Read,
    /// Changes: all of them together, or none.
    Write,
}

/// A connection to a database.
pub(crate) trait Driver: Send {
    /// Runs a statement and says how many rows it changed.
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize>;

    /// Runs a statement of a transaction whose count nobody asks for. A server may be told of it without waiting for its
    /// answer: a failure shows at a later statement, at the commit at last.
    fn send(&self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        self.execute(sql, values).map(drop)
    }

    /// Runs such a statement for each of these lists of values, of which each changes other rows: their order is free.
    fn send_all(&self, sql: &str, lists: &[&[Value<'_>]]) -> Result<()> {
        lists.iter().try_for_each(|values| self.send(sql, values))
    }

    /// Runs a statement that gives rows.
    fn query(&self, sql: &str, values: &[Value<'_>], each: Each<'_>) -> Result<()>;

    /// Runs a statement that gives rows once for each of these lists of values, and says of each row which one it is of. A
    /// server is asked for all of them before the first one is waited for.
    fn query_all(&self, sql: &str, lists: &[&[Value<'_>]], each: EachOf<'_>) -> Result<()> {
        for (at, values) in lists.iter().enumerate() {
            self.query(sql, values, &mut |row| each(at, row).map(ControlFlow::Continue))?;
        }
        Ok(())
    }

    /// Inserts a row for each of these lists of values, in their order, and gives its number; `None` where nothing was inserted.
    fn insert_all(&self, insertion: Insertion<'_>, lists: &[&[Value<'_>]]) -> Result<Vec<Option<i64>>>;

    /// Begins a transaction.
    fn begin(&self, access: Access) -> Result<()>;

    /// Ends it: what was changed is durable.
    fn commit(&self) -> Result<()>;

    /// Ends it, if one has begun: nothing was changed.
    fn rollback(&self);

    fn is_in_transaction(&self) -> bool;

    /// The database's own time, in microseconds since 1970: one for all processes.
    fn now(&self) -> Result<i64>;

    /// Which history the database's rows have: another one when a standby has taken over or a backup was restored. `None`
    /// where that cannot happen under the feet of a process.
    fn history(&self) -> Result<Option<i64>> {
        Ok(None)
    }

    /// How many rows have been changed over this connection.
    fn changes(&self) -> u64;

    /// The highest number that the database has given to a row of the table, which may be gone; 0 if it does not tell.
    fn last_number(&self, table: &str, column: &str) -> Result<i64>;

    /// Numbers the table's rows behind this one from now on.
    fn continue_after(&self, table: &str, column: &str, number: i64) -> Result<()>;

    /// From now on, what is written over or removed is wiped at once, or by and by.
    fn wipe_at_once(&self, at_once: bool) -> Result<()>;

    /// Takes what was written over out of the log; `all`: also out of the tables' free places, where nothing was wiped
    /// before.
    fn clean(&self, all: bool) -> Result<()>;
}

/// A connection, for statements.
pub(crate) struct Conn {
    driver: Box<dyn Driver>,
    seal: Seal,
    version: i64,
}

impl Conn {
    /// `version`: that of the schema that is there.
    pub(crate) fn over(driver: impl Driver + 'static, seal: Seal, version: i64) -> Self {
        Self { driver: Box::new(driver), seal, version }
    }

    /// Whether the ledger has what the schema has since this version; one that is only looked at may be older.
    pub(crate) const fn has_since(&self, version: i64) -> bool {
        self.version >= version
    }

    /// What seals and opens values on their way.
    pub(crate) const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        #[cfg(test)]
        note(sql);
        self.driver.execute(sql, values)
    }

    /// Runs a statement without a count. In a transaction it may fail only later, at the commit at last.
    pub(crate) fn send(&self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        #[cfg(test)]
        note(sql);
        self.driver.send(sql, values)
    }

    /// Runs a statement without a count for each of these lists of values, of which each changes other rows.
    pub(crate) fn send_all<const N: usize>(&self, sql: &str, lists: &[[Value<'_>; N]]) -> Result<()> {
        #[cfg(test)]
        note(sql);
        if lists.is_empty() {
            return Ok(());
        }
        self.driver.send_all(sql, &slices(lists))
    }

    /// Inserts a row for each of these lists of values, in their order, and gives its number; `None` where nothing was inserted.
    /// A server may number them all at one time.
    pub(crate) fn insert_all<const N: usize>(
        &self,
        insertion: Insertion<'_>,
        lists: &[[Value<'_>; N]],
    ) -> Result<Vec<Option<i64>>> {
        #[cfg(test)]
        note(insertion.sql);
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        self.driver.insert_all(insertion, &slices(lists))
    }

    /// Calls `each` for each row, until it says that this was enough.
    pub(crate) fn query_until(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        #[cfg(test)]
        note(sql);
        self.driver.query(sql, values, &mut each)
    }

    /// Calls `each` for each row.
    pub(crate) fn query_each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.query_until(sql, values, |row| each(row).map(ControlFlow::Continue))
    }

    /// What `read` makes of each row.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.query_each(sql, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs the statement for each of these lists of values, and calls `each` for each row with the place of its list. On a
    /// server that takes about as long as one of them.
    pub(crate) fn query_each_of<const N: usize>(
        &self,
        sql: &str,
        lists: &[[Value<'_>; N]],
        mut each: impl FnMut(usize, &Row<'_>) -> Result<()>,
    ) -> Result<()> {
        #[cfg(test)]
        note(sql);
        if lists.is_empty() {
            return Ok(());
        }
        self.driver.query_all(sql, &slices(lists), &mut each)
    }

    /// Likewise; gives what `read` makes of the first row of each, if there is one.
    pub(crate) fn query_all<const N: usize, T>(
        &self,
        sql: &str,
        lists: &[[Value<'_>; N]],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<Option<T>>> {
        let mut found: Vec<Option<T>> = lists.iter().map(|_| None).collect();
        self.query_each_of(sql, lists, |at, row| {
            if let Some(place @ None) = found.get_mut(at) {
                *place = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// What `read` makes of the first row, if there is one.
    pub(crate) fn query_opt<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let (mut found, mut read) = (None, Some(read));
        self.query_until(sql, values, |row| {
            if let Some(read) = read.take() {
                found = Some(read(row)?);
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// What `read` makes of the first row, which must be there.
    pub(crate) fn query_one<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.query_opt(sql, values, read)?.ok_or_else(|| Error::unexpected("what should be there is not"))
    }

    /// The database's own time, in microseconds since 1970.
    pub(crate) fn now(&self) -> Result<i64> {
        self.driver.now()
    }

    /// See [`Driver::history`].
    pub(crate) fn history(&self) -> Result<Option<i64>> {
        self.driver.history()
    }

    /// The first column of the first row, which must be there: a count, or the number of what was inserted.
    pub(crate) fn query_value<T: FromValue>(&self, sql: &str, values: &[Value<'_>]) -> Result<T> {
        self.query_one(sql, values, |row| row.get(0))
    }

    /// Several reads of one state of the database.
    pub(crate) fn at_once<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        if self.driver.is_in_transaction() {
            return read(self);
        }
        self.driver.begin(Access::Read)?;
        let done = read(self);
        // Nothing was changed: there is nothing to keep.
        self.driver.rollback();
        done
    }

    pub(crate) fn begin(&self) -> Result<()> {
        self.driver.begin(Access::Write)
    }

    pub(crate) fn commit(&self) -> Result<()> {
        self.driver.commit()
    }

    pub(crate) fn rollback(&self) {
        self.driver.rollback();
    }

    pub(crate) fn changes(&self) -> u64 {
        self.driver.changes()
    }

    /// The highest number that was given to a row of the table, which may be gone; 0 if the database does not tell.
    pub(crate) fn last_number(&self, table: &str, column: &str) -> Result<i64> {
        self.driver.last_number(table, column)
    }

    /// Numbers the table's rows behind this one from now on.
    pub(crate) fn continue_after(&self, table: &str, column: &str, number: i64) -> Result<()> {
        self.driver.continue_after(table, column, number)
    }

    pub(crate) fn wipe_at_once(&self, at_once: bool) -> Result<()> {
        self.driver.wipe_at_once(at_once)
    }

    pub(crate) fn clean(&self, all: bool) -> Result<()> {
        self.driver.clean(all)
    }
}

fn slices<'l, 'v, const N: usize>(lists: &'l [[Value<'v>; N]]) -> Vec<&'l [Value<'v>]> {
    lists.iter().map(<[Value<'v>; N]>::as_slice).collect()
}

/// The values of a statement's parameters, `$1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::driver::Bind::bind(&$value)),*] };
}
pub(crate) use values;

#[cfg(test)]
static PREPARED: std::sync::Mutex<std::collections::BTreeSet<String>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());

#[cfg(test)]
fn note(sql: &str) {
    PREPARED.lock().unwrap().insert(sql.to_owned());
}

/// Every statement that this process has run so far.
#[cfg(test)]
pub(crate) fn prepared() -> Vec<String> {
    PREPARED.lock().unwrap().iter().cloned().collect()
}
