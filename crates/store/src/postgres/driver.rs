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

use super::server::Server;
use super::values::{Bound, Kept};
use crate::driver::{Access, Driver, Each, EachOf, Error, Kind, Result, Row, Value};

/// Statements kept prepared per connection. Those over piles have many forms.
const STATEMENTS_MAX: usize = 512;

/// One state of the database for several reads.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// "PACE", and the schema: who writes to another ledger of the same database is not waited for. Each statement sees what
/// was committed before it, and so everything that earlier holders of the lock did.
///
/// A process that is stopped in the middle of a transaction would keep all others from writing for as long: the server
/// ends its session when it says nothing for so many milliseconds, well within a lease.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 2000; \
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
    /// The answers to what was sent without waiting, in order.
    unanswered: Vec<BoxFuture<'static, Sql<u64>>>,
}

impl Session {
    fn over(client: Client) -> Self {
        Self { client: Arc::new(client), statements: HashMap::new(), unanswered: Vec::new() }
    }

    fn prepared(&mut self, sql: &str) -> Sql<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let statement = block_on(self.client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Sends a statement, and leaves its answer for later.
    fn send(&mut self, sql: &str, values: &[Value<'_>]) -> Sql<()> {
        let statement = self.prepared(sql)?;
        let (client, kept) = (Arc::clone(&self.client), values.iter().map(Kept::of).collect::<Vec<_>>());
        let answer = async move { client.execute_raw(&statement, kept.iter().map(Kept::bound)).await };
        self.unanswered.push(on_its_way(answer));
        Ok(())
    }

    fn send_script(&mut self, script: &'static str) {
        let client = Arc::clone(&self.client);
        self.unanswered.push(on_its_way(async move { client.batch_execute(script).await.map(|()| 0) }));
    }

    /// The answers to all that was sent: how many rows were changed.
    fn answers(&mut self) -> Sql<u64> {
        let mut changed = 0;
        for answer in self.unanswered.drain(..) {
            changed += block_on(answer)?;
        }
        Ok(changed)
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

async fn rows(client: &Client, statement: &Statement, values: &[Value<'_>]) -> Sql<Vec<tokio_postgres::Row>> {
    client.query_raw(statement, values.iter().map(|value| Bound(*value))).await?.try_collect().await
}

impl PostgresConn {
    pub(super) fn to(server: Server) -> Self {
        Self { server, session: RefCell::default(), stands: Cell::new(Stands::Outside), changes: Cell::default() }
    }

    /// Does something with the connection and waits for all answers: what failed before says more than what failed by it.
    fn with<T>(&self, work: impl FnOnce(&mut Session) -> Sql<T>) -> Result<T> {
        let (done, changed) = self.at_hand(|session| {
            let done = work(session);
            let changed = session.answers()?;
            Ok((done?, changed))
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
            let statement = session.prepared(sql)?;
            block_on(session.client.execute_raw(&statement, values.iter().map(|value| Bound(*value))))
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
            let statement = session.prepared(sql)?;
            block_on(rows(&session.client, &statement, values))
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

    fn query_all(&self, sql: &str, lists: &[&[Value<'_>]], each: EachOf<'_>) -> Result<()> {
        let found = self.with(|session| {
            let statement = session.prepared(sql)?;
            let asked: Vec<_> = lists.iter().map(|list| on_its_way(rows(&session.client, &statement, list))).collect();
            asked.into_iter().map(block_on).collect::<Sql<Vec<_>>>()
        })?;
        self.add_given(sql, found.iter().map(Vec::len).sum());
        for (at, rows) in found.iter().enumerate() {
            rows.iter().try_for_each(|row| each(at, &Row(row)))?;
        }
        Ok(())
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
        let committed = self.with(|session| block_on(session.client.batch_execute("COMMIT")));
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
