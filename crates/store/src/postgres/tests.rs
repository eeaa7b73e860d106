//! The suites of every store, over a server; each test has a schema of its own there, which goes with it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_executor::block_on;
use secrecy::{ExposeSecret as _, SecretString};

use super::Server;
use super::driver::PostgresConn;
use crate::contract::{T0, counts, from_amqp, job, owners_contract, queue, store_contract};
use crate::driver::{Access, Driver as _, Insertion, Kind, Row, Value, values};
pub(crate) use crate::ledger::{Mode, SqlStore};
use paceline_ports::location::{self, KeySource, Location, StoreUrl};

/// A schema, dropped with this.
struct Schema {
    url: SecretString,
    name: String,
}

impl Schema {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let url = std::env::var("PACELINE_TEST_POSTGRES_URL").unwrap();
        let schema = Self { url: url.into(), name: format!("paceline_test_{}_{number}", std::process::id()) };
        schema.run("CREATE SCHEMA", "");
        schema
    }

    fn run(&self, before: &str, after: &str) {
        let server = Server::of(&at(self.url.clone(), 0)).unwrap().unwrap();
        block_on(server.connect().unwrap().batch_execute(&format!("{before} {}{after}", self.name))).unwrap();
    }

    fn conn(&self) -> PostgresConn {
        PostgresConn::to(Server::of(&self.location(10)).unwrap().unwrap())
    }

    fn location(&self, lease_s: u64) -> Location {
        let url = self.url.expose_secret();
        let first = if url.contains('?') { '&' } else { '?' };
        let name = &self.name;
        at(format!("{url}{first}options=-csearch_path%3D{name}&application_name={name}").into(), lease_s)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.run("SET client_min_messages = warning; DROP SCHEMA", " CASCADE");
    }
}

fn at(url: SecretString, lease_s: u64) -> Location {
    let key = KeySource::Given { from: "the test's key".into(), text: Some(format!("{}=", "A".repeat(43)).into()) };
    Location {
        path: "postgres".into(),
        key,
        server: Some(location::Server { url, lease: Duration::from_secs(lease_s) }),
    }
}

struct Fresh {
    store: SqlStore,
    people: crate::Connector,
    _schema: Schema,
}

impl Fresh {
    fn new() -> Self {
        let schema = Schema::new();
        let location = schema.location(3_600);
        let store = SqlStore::open(location.clone(), Mode::Worker, T0).unwrap();
        Self { store, people: crate::Connector(StoreUrl::Postgres(location)), _schema: schema }
    }
}

store_contract!(Fresh::new(), #[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]);

/// A ledger that three processes work.
struct Shared {
    one: SqlStore,
    other: SqlStore,
    brief: SqlStore,
    schema: Schema,
}

impl Shared {
    fn new() -> Self {
        let schema = Schema::new();
        let open = |seconds| SqlStore::open_shared(schema.location(0), Duration::from_secs(seconds));
        Self { one: open(3_600), other: open(3_600), brief: open(0), schema }
    }
}

owners_contract!(Shared::new(), #[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]);

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn a_connection_that_was_cut_is_made_anew_and_nothing_is_lost() {
    let schema = Schema::new();
    let ledger = SqlStore::open(schema.location(3_600), Mode::Worker, T0).unwrap();
    queue(&ledger, from_amqp(job("a"))).await;
    // Not those of other tests beside it.
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = '{}'
         AND (query LIKE '%pg_advisory_xact_lock(1346454341%' OR query = 'COMMIT')",
        schema.name
    );
    let server = Server::of(&schema.location(0)).unwrap().unwrap();
    block_on(server.connect().unwrap().batch_execute(&cut)).unwrap();
    // The first one may meet the cut.
    let _ = paceline_ports::Intake::take_over(&ledger, vec![from_amqp(job("b"))], T0).await;
    paceline_ports::Intake::take_over(&ledger, vec![from_amqp(job("b"))], T0).await.unwrap();
    assert_eq!(counts(&ledger).await.total, 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn who_is_stopped_in_the_middle_of_a_transaction_keeps_nobody_from_writing() {
    let schema = Schema::new();
    let ledger = SqlStore::open(schema.location(3_600), Mode::Worker, T0).unwrap();
    let stopped = super::open_writer(&Server::of(&schema.location(0)).unwrap().unwrap()).unwrap();
    stopped.begin().unwrap();
    stopped.execute("INSERT INTO meta (name, value) VALUES ('half', 1)", &[]).unwrap();
    queue(&ledger, from_amqp(job("a"))).await;
    let continued = stopped.commit().unwrap_err();
    assert_eq!(continued.kind(), Kind::Environment, "{continued}");
    stopped.rollback();
    let half = "SELECT count(*) FROM meta WHERE name = 'half'";
    assert_eq!(stopped.query_value::<i64>(half, &[]).unwrap(), 0, "over a connection of its own again");
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn a_newer_schema_and_another_programs_tables_are_refused() {
    let schema = Schema::new();
    let refusal = || super::open_writer(&Server::of(&schema.location(0)).unwrap().unwrap()).err().unwrap().to_string();
    let run = |sql: &str| {
        let server = Server::of(&schema.location(0)).unwrap().unwrap();
        block_on(server.connect().unwrap().batch_execute(sql)).unwrap();
    };
    run("CREATE TABLE others (n INTEGER)");
    assert!(refusal().contains("another program"), "{}", refusal());
    run("DROP TABLE others");
    super::open_writer(&Server::of(&schema.location(0)).unwrap().unwrap()).unwrap();
    run("UPDATE paceline_schema SET version = version + 1");
    assert!(refusal().contains("newer Paceline"), "{}", refusal());
}

/// What a schema consists of: columns and indices, each a line.
fn description(schema: &Schema) -> Vec<String> {
    let client = Server::of(&schema.location(0)).unwrap().unwrap().connect().unwrap();
    let columns = "SELECT concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable, column_default)
         FROM information_schema.columns WHERE table_schema = current_schema()
         UNION ALL SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema()
         ORDER BY 1";
    let rows = block_on(client.query(columns, &[])).unwrap();
    rows.iter().map(|row| row.get::<_, String>(0).replace(&schema.name, "")).collect()
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn an_older_schema_becomes_what_a_new_one_is() {
    let new = Schema::new();
    super::open_writer(&Server::of(&new.location(0)).unwrap().unwrap()).unwrap();
    let expected = description(&new);
    assert!(expected.len() > 100, "{expected:?}");
    let versions = crate::sqlite::file::MIGRATIONS.map(|(version, _)| version);
    for version in versions.into_iter().filter(|version| *version >= super::schema::FIRST) {
        let old = Schema::new();
        let server = Server::of(&old.location(0)).unwrap().unwrap();
        super::schema::begin(&server.connect().unwrap(), &server, version).unwrap();
        super::open_writer(&server).unwrap();
        assert_eq!(description(&old), expected, "from {version}");
        super::open_writer(&server).unwrap();
    }
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn who_is_refused_is_told_where_and_no_password() {
    let url: SecretString = "postgres://nobody:secret-word@127.0.0.1:1/db".to_owned().into();
    let server = Server::of(&at(url, 0)).unwrap().unwrap();
    let error = super::open_writer(&server).err().unwrap().to_string();
    assert!(error.contains("postgres://127.0.0.1/db cannot be reached"), "{error}");
    assert!(!error.contains("secret-word") && !format!("{server:?}").contains("secret-word"));
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn the_activity_is_only_added_to() {
    let schema = Schema::new();
    let server = Server::of(&schema.location(0)).unwrap().unwrap();
    super::open_writer(&server).unwrap();
    let client = server.connect().unwrap();
    let run =
        |sql: &str| block_on(client.batch_execute(sql)).map_err(|error| super::driver::failed(&error).to_string());
    run("INSERT INTO activity (change, at, via, actor, action, count, facts) VALUES (1, 5, 'command', 'a', 'redrive', 1, '{}')")
        .unwrap();
    assert!(run("UPDATE activity SET actor = 'b'").unwrap_err().contains("only be added to"));
    assert!(run("DELETE FROM activity").unwrap_err().contains("only be added to"));
    run("INSERT INTO meta (name, value) VALUES ('activity_before', 6); DELETE FROM activity").unwrap();
}

/// The key of the server's ledgers stands beside the file, too.
fn file_with_key(folder: &std::path::Path) -> Location {
    let text = format!("{}=", "A".repeat(43));
    let key = KeySource::Given { from: "the test's key".into(), text: Some(text.into()) };
    Location { path: folder.join("file.db"), key, server: None }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn a_ledger_is_carried_from_a_file_to_a_server() {
    let (schema, folder) = (Schema::new(), tempfile::tempdir().unwrap());
    crate::transfer::tests::it_is_carried(file_with_key(folder.path()), schema.location(3_600)).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn a_ledger_is_carried_from_a_server_to_a_file() {
    let (schema, folder) = (Schema::new(), tempfile::tempdir().unwrap());
    crate::transfer::tests::it_is_carried(schema.location(3_600), file_with_key(folder.path())).await;
}

/// Of changes made together one is refused by the server after it was sent: it alone fails, wherever that shows.
#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn what_fails_after_it_was_sent_is_told_to_who_sent_it() {
    let fresh = Fresh::new();
    for bad in 0..4_usize {
        let change = |at: usize| {
            let times = if at == bad { 2 } else { 1 };
            fresh.store.change_meta(format!("{bad}-{at}"), times)
        };
        let done = futures_util::future::join_all((0..4).map(change)).await;
        let failed: Vec<_> = (0..4).filter(|at| done[*at].is_err()).collect();
        assert_eq!(failed, [bad], "{done:?}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn what_was_sent_without_waiting_is_seen_and_fails_before_anything_is_kept() {
    let schema = Schema::new();
    let conn = schema.conn();
    conn.execute("CREATE TABLE one (n BIGINT PRIMARY KEY)", &[]).unwrap();
    let send = |n: i64| conn.send("INSERT INTO one (n) VALUES ($1)", values![n]);
    let count = || {
        let mut count = 0_i64;
        let each: &mut dyn FnMut(&Row<'_>) -> _ = &mut |row| {
            count = row.get(0)?;
            Ok(ControlFlow::Continue(()))
        };
        conn.query("SELECT count(*) FROM one", &[], each).map(|()| count)
    };

    conn.begin(Access::Write).unwrap();
    send(1).and_then(|()| send(1)).and_then(|()| send(2)).unwrap();
    let told = conn.commit().unwrap_err();
    assert!(told.to_string().contains("one_pkey") && told.kind() == Kind::Statement, "{told}");
    assert_eq!(count().unwrap(), 0, "nothing of it was kept");

    conn.begin(Access::Write).unwrap();
    send(1).and_then(|()| send(1)).unwrap();
    let told = count().unwrap_err();
    assert!(told.to_string().contains("one_pkey"), "what failed first is told: {told}");
    conn.rollback();

    let before = conn.changes();
    conn.begin(Access::Write).unwrap();
    send(1).and_then(|()| send(2)).unwrap();
    assert_eq!(count().unwrap(), 2, "who sent it sees it");
    conn.commit().unwrap();
    assert_eq!(conn.changes() - before, 2);
}

/// The connection reads on only as far as somebody takes what it has read.
#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn a_long_answer_that_nobody_has_waited_for_keeps_no_other_back() {
    let schema = Schema::new();
    let conn = schema.conn();
    let long = || conn.send("SELECT * FROM generate_series(1, $1)", values![100_000_i64]);
    let mut numbers = Vec::new();
    conn.begin(Access::Write).unwrap();
    long().and_then(|()| long()).unwrap();
    let lists: [&[Value<'_>]; 2] = [values![7_i64], values![8_i64]];
    conn.query_all("SELECT $1 + 1", &lists, &mut |at, row| {
        numbers.push((at, row.get::<i64>(0)?));
        Ok(())
    })
    .unwrap();
    long().unwrap();
    conn.commit().unwrap();
    assert_eq!(numbers, [(0, 8), (1, 9)]);
}

#[test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
fn one_statement_for_many_lists_is_as_one_for_each() {
    let schema = Schema::new();
    let conn = schema.conn();
    conn.execute("CREATE TABLE two (seq BIGINT GENERATED ALWAYS AS IDENTITY, id TEXT UNIQUE, n BIGINT)", &[]).unwrap();
    let lists: Vec<[Value<'_>; 2]> =
        ["c", "a", "c", "d", "b"].iter().zip(1_i64..).map(|(id, n)| [(*id).into(), n.into()]).collect();
    let lists: Vec<&[Value<'_>]> = lists.iter().map(<[_; 2]>::as_slice).collect();
    conn.begin(Access::Write).unwrap();
    conn.execute("INSERT INTO two (id) VALUES ('d')", &[]).unwrap();
    let insertion =
        Insertion { sql: "INSERT INTO two (id, n) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", known_by: ("id", 0) };
    let numbers = conn.insert_all(insertion, &lists).unwrap();
    let inserted: Vec<bool> = numbers.iter().map(Option::is_some).collect();
    assert_eq!(inserted, [true, true, false, false, true]);
    assert!(numbers.iter().flatten().is_sorted(), "in the order of the lists: {numbers:?}");
    // No value is one, too.
    let changes: [&[Value<'_>]; 2] = [values!["a", 7_i64], &["b".into(), Value::Null]];
    conn.send_all("UPDATE two SET n = $2 WHERE id = $1", &changes).unwrap();
    conn.send_all("DELETE FROM two WHERE id = $1 AND n = $2", &[values!["c", 1_i64], values!["a", 1_i64]]).unwrap();
    let mut found = Vec::new();
    conn.query_all("SELECT n FROM two WHERE id = $1 OR n = $2", &lists, &mut |at, row| {
        found.push((at, row.get::<Option<i64>>(0)?));
        Ok(())
    })
    .unwrap();
    conn.commit().unwrap();
    assert_eq!(found, [(1, Some(7)), (3, None), (4, None)]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database"]
async fn a_database_with_another_history_than_before_is_noticed_by_every_worker() {
    let shared = Shared::new();
    let card = paceline_ports::Card::default();
    let fleet = |store: &SqlStore| paceline_ports::Store::fleet(store).unwrap();
    let (one, other) = (fleet(&shared.one), fleet(&shared.other));
    one.join(card.clone()).await.unwrap();
    other.join(card.clone()).await.unwrap();
    assert_eq!(other.gathering().await.unwrap().broken_at, None);
    // As a standby's rows say it, on another timeline.
    let conn = super::open_writer(&Server::of(&shared.schema.location(0)).unwrap().unwrap()).unwrap();
    conn.execute("UPDATE meta SET value = value # 3 WHERE name = 'history'", &[]).unwrap();
    let unnoted = other.gathering().await.unwrap();
    assert_eq!(unnoted.broken_at, Some(unnoted.now), "before anybody has noted it");
    one.join(card.clone()).await.unwrap();
    let noted = other.gathering().await.unwrap().broken_at;
    assert!(noted >= unnoted.broken_at, "{noted:?}");
    other.join(card).await.unwrap();
    assert_eq!(one.gathering().await.unwrap().broken_at, noted, "it is the same for who comes later");
}
