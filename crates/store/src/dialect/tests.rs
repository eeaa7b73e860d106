//! Whether PostgreSQL takes the schema and every statement that the store has prepared.

mod operate;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::to_postgres;
use crate::contract::{
    T0, all_waiting, at, begin, call, counts, death, endings, failure, from_amqp, from_file, job, lane, queue,
    rejection, start, success, take, warned,
};
use crate::driver;
pub(crate) use crate::ledger::{Mode, SqlStore};
use paceline_domain::job::Job;
use paceline_domain::messages::{BrokerStatus, IntakeState, LinkState, RelayState};
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::BrokerStanding;
use paceline_ports::{
    Arrival, Domain, Intake, JobSeq, Ledger, Origin, Outbox, Purpose, Reached, Restrained, Restraint, RestraintKind,
    Settlement, SuspendedBy, Suspension,
};

/// What `psql` says went wrong, a line for each; nothing is left in the database.
fn complaints(url: &str, script: &str) -> String {
    let mut psql = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = psql.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

fn schema(location: &std::path::Path) -> String {
    let conn = rusqlite::Connection::open(location).unwrap();
    let mut statement =
        conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>().unwrap();
    rows.iter().filter_map(|(name, sql)| to_postgres(name, sql)).fold(String::new(), |all, sql| all + &sql + ";\n")
}

/// Does with a ledger whatever a worker can do.
async fn work(ledger: &SqlStore) {
    let a = settle(ledger).await;
    correct(ledger).await;
    reject(ledger).await;
    ask(ledger, a).await;
    hold_back(ledger).await;
    put_out(ledger).await;
}

/// Jobs that end in every way, and come again; gives the first of them.
async fn settle(ledger: &SqlStore) -> JobSeq {
    let a = queue(ledger, from_amqp(job("a"))).await.seq;
    for arrival in [from_amqp(job("a")), from_file(job("f"), "f:1"), from_amqp(job("f"))] {
        take(ledger, arrival).await;
    }
    call(&ledger.domain(), a, 0, Settlement::Uncertain { not_before: at(1), charged: true, failure: failure("cut") })
        .await;
    ledger.domain().unsettled(&lane(), Some(vec![a])).await.unwrap();
    ledger
        .domain()
        .verified(
            vec![(
                a,
                Settlement::Succeeded {
                    key: Some("k".into()),
                    result: serde_json::Value::Null,
                    sole: true,
                    warnings: Vec::new(),
                },
            )],
            at(2),
        )
        .await
        .unwrap();
    take(ledger, from_amqp(job("a"))).await;
    for (n, settlement) in (0..).zip([
        warned("w"),
        death(Reason::Rejected),
        death(Reason::Expired),
        Settlement::Held { failure: failure("?") },
        Settlement::Cancelled,
    ]) {
        let seq = queue(ledger, from_file(job(&format!("b{n}")), "f:2")).await.seq;
        call(&ledger.domain(), seq, 10 + n, settlement).await;
        take(ledger, from_file(job(&format!("b{n}")), "f:2")).await;
    }
    a
}

/// A row that is corrected after its job died, and a job whose object another one deletes.
async fn correct(ledger: &SqlStore) {
    let dead = queue(ledger, from_file(job("c"), "f:3")).await.seq;
    ledger.domain().settle(dead, death(Reason::Rejected), at(9)).await.unwrap();
    let other = Job { priority: 9, params: job("other").params, ..job("c") };
    take(ledger, from_file(other, "f:3")).await;
    let deleted = Settlement::Undone {
        result: serde_json::Value::Null,
        creates: vec!["feishu.vc.room.create".into()],
        key: "w".into(),
        warnings: Vec::new(),
    };
    let undo = queue(ledger, from_file(job("undo"), "f:4")).await.seq;
    call(&ledger.domain(), undo, 30, deleted).await;
}

/// Inputs that are no jobs, and conflicts.
async fn reject(ledger: &SqlStore) {
    for n in 0..6 {
        take(ledger, from_amqp(Job { params: job(&format!("other{n}")).params, ..job("a") })).await;
        let redelivered = Origin { redelivered: true, ..from_amqp(job("a")).origin };
        ledger
            .take_over(
                vec![Arrival { input: Err(Box::new(rejection(Some("r"), Some("move")))), origin: redelivered }],
                T0,
            )
            .await
            .unwrap();
        ledger
            .take_over(
                vec![Arrival {
                    input: Err(Box::new(rejection(Some("r"), Some("move")))),
                    origin: from_file(job("r"), "f:9").origin,
                }],
                T0,
            )
            .await
            .unwrap();
    }
    take(ledger, from_amqp(job("r"))).await;
}

/// What is asked after a start.
async fn ask(ledger: &SqlStore, a: JobSeq) {
    let open = queue(ledger, from_amqp(job("open"))).await.seq;
    begin(&ledger.domain(), open, 40).await;
    ledger.domain().begin_attempt(start(Purpose::Token, 41)).await.unwrap();
    ledger.domain().unsettled(&lane(), None).await.unwrap();
    ledger.domain().recover(at(50)).await.unwrap();
    ledger.domain().past_calls(Timestamp(0)).await.unwrap();
    ledger.domain().answers(a, 7).await.unwrap();
    ledger.domain().owned("feishu.vc.room.create", vec!["k".into()]).await.unwrap();
    ledger.domain().changed().await.unwrap();
    ledger.domain().waiting_of(vec![a]).await.unwrap();
    ledger.domain().job(a).await.unwrap();
    all_waiting(&ledger.domain()).await;
    ledger.domain().waiting(Some(vec!["move".into(), String::new()]), JobSeq(0), 10).await.unwrap();
    counts(ledger).await;
    ledger.counts(Some(vec!["move".into()])).await.unwrap();
    ledger.figures(at(60)).await.unwrap();
    ledger.rehearse(2.0).await.unwrap();
    ledger.set_broker(BrokerStanding { since: T0, status: broker_status() }).await.unwrap();
}

fn broker_status() -> BrokerStatus {
    BrokerStatus {
        consume: LinkState::Connected,
        publish: LinkState::Blocked { reason: "low on memory".into() },
        intake: IntakeState::IntakeConsuming,
        relay: RelayState::RelayWaiting,
    }
}

/// Suspensions and restraints.
async fn hold_back(ledger: &SqlStore) {
    let lane = job("a").lane;
    let suspension = Suspension {
        app: lane.app.clone(),
        tenant: String::new(),
        method: String::new(),
        since: T0,
        until: None,
        code: None,
        detail: "d".into(),
        cure: paceline_domain::messages::Cure::FixCause,
        log_id: None,
        by: SuspendedBy::Person,
    };
    ledger.suspend(suspension).await.unwrap();
    ledger.suspensions().await.unwrap();
    ledger.end_suspensions(at(1)).await.unwrap();
    ledger.resume(&lane.app, "", "").await.unwrap();
    let restraint = Restraint {
        target: Restrained::App,
        app: lane.app,
        kind: RestraintKind::Pause { refusals: 1 },
        since: T0,
        until: None,
        cause: failure("busy"),
    };
    ledger.domain().set_restraints(vec![restraint]).await.unwrap();
    ledger.domain().restraints().await.unwrap();
}

/// The outbox, and what is forgotten in the end.
async fn put_out(ledger: &SqlStore) {
    let rows = endings(ledger, 0, 100).await;
    ledger.reached(vec![(rows[0].seq, Reached::of(16))]).await.unwrap();
    ledger.claim_aside(10).await.unwrap();
    ledger.unpublished().await.unwrap();
    ledger.done(ledger.claim(0, 1_000).await.unwrap().iter().map(|row| row.seq).collect()).await.unwrap();
    ledger.done(vec![rows[0].seq]).await.unwrap();
    let mut after = JobSeq(0);
    while let Some(next) = ledger.prune(at(1_000_000), after).await.unwrap().next {
        after = next;
    }
    ledger.prune(at(1_000_000), after).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: PACELINE_TEST_POSTGRES_URL names a database, and psql speaks to it"]
async fn postgres_takes_the_schema_and_every_statement() {
    let url = std::env::var("PACELINE_TEST_POSTGRES_URL").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    for mode in [Mode::Worker, Mode::Operator] {
        let ledger = SqlStore::open(&path, mode, T0).unwrap();
        if mode == Mode::Worker {
            work(&ledger).await;
        } else {
            // It tells the worker of what it puts to work.
            let seq = queue(&ledger, from_file(job("announced"), "f:1")).await.seq;
            ledger.domain().settle(seq, success("k"), at(1)).await.unwrap();
        }
        ledger.close().await;
    }
    operate::everything(&path).await;
    let name = format!("paceline_check_{}", std::process::id());
    let mut script = format!("CREATE SCHEMA {name};\nSET search_path = {name};\n{}", schema(&path));
    // What SQLite is told about its file is no statement of the ledger's.
    let statements: Vec<_> = driver::prepared().into_iter().filter(|sql| !sql.starts_with("PRAGMA")).collect();
    for (n, sql) in statements.iter().enumerate() {
        writeln!(script, "PREPARE s{n} AS {sql};").unwrap();
    }
    write!(script, "SET client_min_messages = warning;\nDROP SCHEMA {name} CASCADE;\n").unwrap();
    assert!(statements.len() > 160, "only {} statements were prepared", statements.len());
    let complaints = complaints(&url, &script);
    assert!(complaints.is_empty(), "{complaints}");
}
