//! The driver for PostgreSQL: one connection, made anew after it was lost.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures_executor::block_on;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryStreamExt as _};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};

use super::many::{self, Many};
use super::server::Server;
use super::values::{Bound, Kept};
use crate::driver::{Access, Driver, Each, EachOf, Error, Insertion, Kind, Result, Row, Value};

/// Statements kept prepared per connection. Those over piles have many forms.
const STATEMENTS_MAX: usize = 512;

/// One state of the database for several reads.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// "PACE", and the schema: who writes to another ledger of the same database is not waited for. Each statement sees what
/// was committed before it, and so everything that earlier holders of the lock did.
///
/// A process that is stopped in the middle of a transaction would keep all others from writing for as long: the server
/// ends its session when it says nothing for so many milliseconds, well within a lease.
///
/// What many lists of values change is found by an index, each row by itself: a server that takes a table for a small one
/// would read the whole of it.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 2000; \
     SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
     SELECT pg_advisory_xact_lock(1346454341, hashtext(current_schema()))";
const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
/// The cluster, and its timeline: a standby that is promoted begins another one, as a recovery does.
const HISTORY: &str = "SELECT (SELECT system_identifier FROM pg_control_system())
     # CAST(CAST('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS bit(32)) AS BIGINT)";

type Sql<T> = std::result::Result<T, tokio_postgres::Error>;

/// A connection to a server.
pub(super) struct PostgresConn {
    server: Server,
    session: RefCell<Option<Session>>,
    stands: Cell<Stands>,
    changes: Cell<u64>,
}

/// How it stands with a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Outside,
    Inside,
    /// A statement in it failed: the server would take a commit for a rollback.
    Broken,
}

struct Session {
    client: Arc<Client>,
    statements: HashMap<String, Statement>,
    /// What becomes of statements that are run for many lists of values.
    many: HashMap<String, Many>,
    /// The answers to what was sent without waiting, in order.
    unanswered: Vec<BoxFuture<'static, Sql<u64>>>,
    /// Rows that were changed by what has been answered since somebody has asked.
    changed: u64,
}

impl Session {
    fn over(client: Client) -> Self {
        let (statements, many) = (HashMap::new(), HashMap::new());
        Self { client: Arc::new(client), statements, many, unanswered: Vec::new(), changed: 0 }
    }

    fn prepared(&mut self, sql: &str) -> Sql<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let client = Arc::clone(&self.client);
        let statement = self.wait(client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// What becomes of a statement that is run for so many lists of values.
    fn many(&mut self, sql: &str, lists: usize) -> Sql<Many> {
        if lists < 2 {
            return Ok(Many::OneByOne);
        }
        if let Some(many) = self.many.get(sql) {
            return Ok(many.clone());
        }
        if self.many.len() >= STATEMENTS_MAX {
            self.many.clear();
        }
        let many = many::of(sql, self.prepared(sql)?.params());
        self.many.insert(sql.to_owned(), many.clone());
        Ok(many)
    }

    /// Sends a statement, and leaves its answer for later.
    fn send(&mut self, sql: &str, values: &[Value<'_>]) -> Sql<()> {
        let statement = self.prepared(sql)?;
        let (client, kept) = (Arc::clone(&self.client), values.iter().map(Kept::of).collect::<Vec<_>>());
        let answer = async move { client.execute_raw(&statement, kept.iter().map(Kept::bound)).await };
        self.unanswered.push(on_its_way(answer));
        Ok(())
    }

    /// Likewise, for many lists of values at once.
    fn send_all(&mut self, sql: &str, lists: &[&[Value<'_>]]) -> Sql<()> {
        let Many::Changes(together) = self.many(sql, lists.len())? else {
            return lists.iter().try_for_each(|values| self.send(sql, values));
        };
        let statement = self.prepared(&together)?;
        let (client, kept) = (Arc::clone(&self.client), columns(lists, |value| Kept::of(&value)));
        let answer = async move {
            let bound = kept.iter().map(|column| column.iter().map(Kept::bound).collect::<Vec<_>>());
            client.execute_raw(&statement, bound).await
        };
        self.unanswered.push(on_its_way(answer));
        Ok(())
    }

    /// The rows that a statement gives for each of these lists, with the list's place.
    fn rows_of_all(&mut self, sql: &str, lists: &[&[Value<'_>]]) -> Sql<Vec<(usize, tokio_postgres::Row)>> {
        if let Many::Asks(together) = self.many(sql, lists.len())? {
            return self.rows_together(&together, lists)?.into_iter().map(|row| Ok((place_of(&row)?, row))).collect();
        }
        let statement = self.prepared(sql)?;
        let client = Arc::clone(&self.client);
        let asked: Vec<_> = lists.iter().map(|list| on_its_way(rows(&client, &statement, list))).collect();
        self.take_answers()?;
        let mut found = Vec::new();
        for (at, asked) in asked.into_iter().enumerate() {
            found.extend(block_on(asked)?.into_iter().map(|row| (at, row)));
        }
        Ok(found)
    }

    /// The rows that were inserted by these lists, in their order.
    fn inserted(&mut self, sql: &str, lists: &[&[Value<'_>]]) -> Sql<Vec<tokio_postgres::Row>> {
        if let Many::Inserts(together) = self.many(sql, lists.len())? {
            return self.rows_together(&together, lists);
        }
        Ok(self.rows_of_all(sql, lists)?.into_iter().map(|(_, row)| row).collect())
    }

    fn rows_together(&mut self, sql: &str, lists: &[&[Value<'_>]]) -> Sql<Vec<tokio_postgres::Row>> {
        let (statement, client) = (self.prepared(sql)?, Arc::clone(&self.client));
        self.wait(async { client.query_raw(&statement, columns(lists, Bound)).await?.try_collect().await })
    }

    fn send_script(&mut self, script: &'static str) {
        let client = Arc::clone(&self.client);
        self.unanswered.push(on_its_way(async move { client.batch_execute(script).await.map(|()| 0) }));
    }

    /// Asks, and waits for the answer. Those to what was sent before come first: the connection reads on only as far as
    /// its answers are taken.
    fn wait<T: Send>(&mut self, asked: impl Future<Output = Sql<T>> + Send) -> Sql<T> {
        let asked = on_its_way(asked);
        self.take_answers()?;
        block_on(asked)
    }

    /// Waits for the answers to all that was sent.
    fn take_answers(&mut self) -> Sql<()> {
        for answer in self.unanswered.drain(..) {
            self.changed += block_on(answer)?;
        }
        Ok(())
    }
}

/// What is asked for is on its way when it was polled once.
fn on_its_way<'a, T: Send + 'a>(asked: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    let mut asked = asked.boxed();
    match (&mut asked).now_or_never() {
        Some(answer) => std::future::ready(answer).boxed(),
        None => asked,
    }
}

/// The numbers of rows that were inserted in the order of their lists: whose value `at` is that of the next row has it.
fn numbers(rows: &[tokio_postgres::Row], lists: &[&[Value<'_>]], at: usize) -> Result<Vec<Option<i64>>> {
    let mut rows = rows.iter().peekable();
    let mut numbers = Vec::with_capacity(lists.len());
    for values in lists {
        let known_by = values.get(at).copied().unwrap_or(Value::Null);
        let is_next = rows.peek().map(|row| Ok(Row(*row).value(1)? == known_by)).transpose()?;
        let row = rows.next_if(|_| is_next == Some(true));
        numbers.push(row.map(|row| Row(row).get(0)).transpose()?);
    }
    match rows.next() {
        None => Ok(numbers),
        Some(_) => Err(Error::unexpected("rows were numbered in another order than they were given in")),
    }
}

/// The values of each parameter, out of those of each list.
fn columns<'v, T>(lists: &[&[Value<'v>]], value: impl Fn(Value<'v>) -> T) -> Vec<Vec<T>> {
    let parameters = lists.first().map_or(0, |list| list.len());
    (0..parameters).map(|at| lists.iter().filter_map(|list| list.get(at)).map(|one| value(*one)).collect()).collect()
}

/// Which list a row is of: its last column counts them from 1.
fn place_of(row: &tokio_postgres::Row) -> Sql<usize> {
    let n: i64 = row.try_get(row.len().saturating_sub(1))?;
    Ok(usize::try_from(n).unwrap_or_default().saturating_sub(1))
}

async fn rows(client: &Client, statement: &Statement, values: &[Value<'_>]) -> Sql<Vec<tokio_postgres::Row>> {
    client.query_raw(statement, values.iter().map(|value| Bound(*value))).await?.try_collect().await
}

impl PostgresConn {
    pub(super) fn to(server: Server) -> Self {
        Self { server, session: RefCell::default(), stands: Cell::new(Stands::Outside), changes: Cell::default() }
    }

    /// Does something with the connection and waits for all answers.
    fn with<T>(&self, work: impl FnOnce(&mut Session) -> Sql<T>) -> Result<T> {
        let (done, changed) = self.at_hand(|session| {
            let done = work(session)?;
            session.take_answers()?;
            Ok((done, std::mem::take(&mut session.changed)))
        })?;
        self.add_changes(changed);
        Ok(done)
    }

    /// Does something with the connection, which is made if it is not there. One that failed is not used again.
    fn at_hand<T>(&self, work: impl FnOnce(&mut Session) -> Sql<T>) -> Result<T> {
        let mut session = self.session.borrow_mut();
        let is_lost = session.as_ref().is_none_or(|session| session.client.is_closed());
        if is_lost && self.is_in_transaction() {
            return Err(Error::new(Kind::Environment, "the connection to PostgreSQL was lost"));
        }
        if is_lost {
            *session = None;
        }
        let at_hand = match &mut *session {
            Some(at_hand) => at_hand,
            empty => empty.insert(Session::over(self.server.connect()?)),
        };
        work(at_hand).map_err(|error| {
            let error = failed(&error);
            if self.is_in_transaction() {
                self.stands.set(Stands::Broken);
            }
            if error.kind() != Kind::Statement {
                *session = None;
            }
            error
        })
    }

    fn add_changes(&self, rows: u64) {
        self.changes.set(self.changes.get() + rows);
    }

    /// Rows that a statement gave; what gives them back from changing them has changed them.
    fn add_given(&self, sql: &str, rows: usize) {
        if !sql.starts_with("SELECT") {
            self.add_changes(rows as u64);
        }
    }
}

impl Driver for PostgresConn {
    fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let changed = self.with(|session| {
            let (statement, client) = (session.prepared(sql)?, Arc::clone(&session.client));
            session.wait(client.execute_raw(&statement, values.iter().map(|value| Bound(*value))))
        })?;
        self.add_changes(changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn send(&self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        if self.is_in_transaction() {
            self.at_hand(|session| session.send(sql, values))
        } else {
            self.execute(sql, values).map(drop)
        }
    }

    fn query(&self, sql: &str, values: &[Value<'_>], each: Each<'_>) -> Result<()> {
        let rows = self.with(|session| {
            let (statement, client) = (session.prepared(sql)?, Arc::clone(&session.client));
            session.wait(rows(&client, &statement, values))
        })?;
        self.add_given(sql, rows.len());
        // What is done with a row may ask for others over this connection.
        for row in &rows {
            if each(&Row(row))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn send_all(&self, sql: &str, lists: &[&[Value<'_>]]) -> Result<()> {
        if self.is_in_transaction() {
            self.at_hand(|session| session.send_all(sql, lists))
        } else {
            lists.iter().try_for_each(|values| self.send(sql, values))
        }
    }

    fn query_all(&self, sql: &str, lists: &[&[Value<'_>]], each: EachOf<'_>) -> Result<()> {
        let found = self.with(|session| session.rows_of_all(sql, lists))?;
        self.add_given(sql, found.len());
        found.iter().try_for_each(|(at, row)| each(*at, &Row(row)))
    }

    fn insert_all(&self, insertion: Insertion<'_>, lists: &[&[Value<'_>]]) -> Result<Vec<Option<i64>>> {
        let (column, at) = insertion.known_by;
        let sql = format!("{} RETURNING seq, {column}", insertion.sql);
        let rows = self.with(|session| session.inserted(&sql, lists))?;
        self.add_given(&sql, rows.len());
        numbers(&rows, lists, at)
    }

    fn begin(&self, access: Access) -> Result<()> {
        let script = match access {
            Access::Read => BEGIN_READ,
            Access::Write => BEGIN_WRITE,
        };
        // Whatever is asked first waits for this, too.
        let begun = self.at_hand(|session| {
            session.send_script(script);
            Ok(())
        });
        self.stands.set(Stands::Inside);
        begun.inspect_err(|_| self.rollback())
    }

    fn commit(&self) -> Result<()> {
        if self.stands.get() == Stands::Broken {
            self.rollback();
            return Err(Error::new(Kind::Statement, "a statement of this transaction failed"));
        }
        let committed = self.with(|session| {
            let client = Arc::clone(&session.client);
            session.wait(client.batch_execute("COMMIT"))
        });
        self.stands.set(Stands::Outside);
        committed
    }

    fn rollback(&self) {
        if !self.is_in_transaction() {
            return;
        }
        let ended = self.at_hand(|session| {
            // Nobody asks any more what became of it.
            session.unanswered.clear();
            session.changed = 0;
            session.send_script("ROLLBACK");
            Ok(())
        });
        self.stands.set(Stands::Outside);
        if ended.is_err() {
            // The server rolls back by itself when the connection is gone.
            *self.session.borrow_mut() = None;
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.stands.get() != Stands::Outside
    }

    fn now(&self) -> Result<i64> {
        let mut now = 0;
        self.query(NOW, &[], &mut |row| {
            now = row.get(0)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(now)
    }

    fn history(&self) -> Result<Option<i64>> {
        let mut history = None;
        self.query(HISTORY, &[], &mut |row| {
            history = Some(row.get(0)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(history)
    }

    fn changes(&self) -> u64 {
        self.changes.get()
    }

    fn last_number(&self, table: &str, column: &str) -> Result<i64> {
        let mut last = 0;
        let ask = format!("SELECT coalesce(pg_sequence_last_value({}), 0)", sequence(table, column));
        self.query(&ask, &[], &mut |row| {
            last = row.get(0)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(last)
    }

    fn continue_after(&self, table: &str, column: &str, number: i64) -> Result<()> {
        let set = format!("SELECT setval({}, {number})", sequence(table, column));
        self.query(&set, &[], &mut |_| Ok(ControlFlow::Continue(())))
    }

    fn wipe_at_once(&self, _at_once: bool) -> Result<()> {
        // How a server keeps its files is its keepers' to decide.
        Ok(())
    }

    fn clean(&self, _all: bool) -> Result<()> {
        Ok(())
    }
}

/// What numbers a table's rows.
fn sequence(table: &str, column: &str) -> String {
    format!("CAST(pg_get_serial_sequence('{table}', '{column}') AS regclass)")
}

/// What a failure comes from, in the server's own words.
pub(super) fn failed(error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        // A value that does not fit into its parameter was never sent.
        let kind = if error.is_closed() || is_of_io(error) { Kind::Environment } else { Kind::Statement };
        return Error::new(kind, why);
    };
    let code = told.code();
    let class = code.code().get(..2).unwrap_or_default();
    let kind = match class {
        _ if *code == SqlState::DISK_FULL => Kind::Full,
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Kind::Environment,
        // Connections, resources, an operator's intervention, the system, the server itself; who may come in.
        "08" | "28" | "3D" | "53" | "57" | "58" | "F0" | "XX" => Kind::Environment,
        _ => Kind::Statement,
    };
    let mut text = told.message().to_owned();
    if let Some(detail) = told.detail().filter(|_| kind != Kind::Statement) {
        text = format!("{text} ({detail})");
    }
    Error::new(kind, text)
}

fn is_of_io(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}
