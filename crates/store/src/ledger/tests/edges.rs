//! Tests of what a file, a disk and other processes can do to the SQLite ledger.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::contract::{
    T0, all_waiting, at, begin, call, counts, death, ended, endings, from_amqp, from_file, job, queue, start, success,
};
use crate::ledger::{Mode, SqlStore};
use crate::sqlite::file;
use paceline_domain::catalog::built_in;
use paceline_domain::job::Job;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::Failure;
use paceline_ports::{
    Domain, Intake, JobSeq, Ledger, LedgerError, Outbox, Purpose, Settlement, SuspendedBy, TakenOver,
};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    (folder, path)
}

fn refusal(path: &Path) -> String {
    match SqlStore::open(path, Mode::Worker, T0) {
        Ok(_) => panic!("the file was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_second_worker_is_refused_and_an_operator_is_not() {
    let (_folder, path) = folder();
    let first = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    assert!(matches!(SqlStore::open(&path, Mode::Worker, T0), Err(LedgerError::Locked(_))));
    let operator = SqlStore::open(&path, Mode::Operator, T0).unwrap();
    assert!(operator.acquire_all().await.is_err());
    first.close().await;
    assert!(matches!(first.counts(None).await, Err(LedgerError::Closed)));
    assert!(matches!(first.take_over(vec![], T0).await, Err(LedgerError::Closed)));
    SqlStore::open(&path, Mode::Worker, T0).unwrap();
}

#[test]
fn what_was_answered_survives_a_process_that_stops_without_closing() {
    let (_folder, path) = folder();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seq = {
        let first = runtime();
        let ledger = first.block_on(async { SqlStore::open(&path, Mode::Worker, T0).unwrap() });
        let seq = first.block_on(async {
            let seq = queue(&ledger, from_amqp(job("a"))).await.seq;
            begin(&ledger.domain(), seq, 0).await;
            seq
        });
        // Neither closed nor dropped, as after kill -9; only the lock goes with the runtime's task.
        std::mem::forget(ledger);
        drop(first);
        seq
    };
    runtime().block_on(async {
        let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        assert_eq!(ledger.domain().recover(at(1)).await.unwrap(), 1);
        let waiting = all_waiting(&ledger.domain()).await;
        assert_eq!((waiting[0].seq, waiting[0].uncertain), (seq, true));
        let not_before = waiting[0].not_before;
        assert_eq!(ledger.domain().job(seq).await.unwrap(), Job { not_before, ..job("a") });
    });
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let (folder, path) = folder();
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    queue(&ledger, from_file(job("a"), "f:1")).await;
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 5, "the file, -wal, -shm, .lock and .key");
}

#[tokio::test]
async fn files_that_are_no_ledger_are_named_and_left_alone() {
    let (folder, path) = folder();
    let words = "this is a letter, and it is long enough to look like a database header to a careless reader";
    std::fs::write(&path, words.repeat(20)).unwrap();
    assert!(refusal(&path).contains("is no SQLite database"), "{}", refusal(&path));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), words.repeat(20));

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(refusal(&foreign).contains("another program's"), "{}", refusal(&foreign));

    assert!(refusal(folder.path()).contains("is a folder"), "{}", refusal(folder.path()));
    assert!(refusal(&folder.path().join("absent/ledger.db")).contains("absent"));
}

#[tokio::test]
async fn a_newer_ledger_is_refused_and_unchanged() {
    let (_folder, path) = folder();
    SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
    let conn = Connection::open(&path).unwrap();
    let (known, newer) = (file::VERSION, file::VERSION + 1);
    conn.pragma_update(None, "user_version", newer).unwrap();
    let expected = format!("ledger version {newer}, this one knows up to {known}");
    assert!(refusal(&path).contains(&expected), "{}", refusal(&path));
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, newer);
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_upgraded_with_all_it_holds() {
    let (_folder, path) = folder();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(include_str!("../../migrations/0001.sql")).unwrap();
    conn.execute_batch(
        "INSERT INTO lanes (lane, app, tenant, method) VALUES (1, 'acme', '', 'feishu.vc.room.create');
         INSERT INTO jobs (lane, batch, state, priority, attempts, created_at, id, hash, params)
             VALUES (1, 0, 5, 4, 1, 7, 'old:1', zeroblob(32), '{\"name\":\"A\",\"room_level_id\":\"omb_1\"}');
         INSERT INTO suspensions (app, tenant, method, since, detail, cure) VALUES ('acme', '', '', 7, 'off', 'on'),
             ('beta', '', '', 7, 'maintenance', '`paceline resume` when the reason is gone');
         PRAGMA user_version = 1; PRAGMA application_id = 0x50414345;",
    )
    .unwrap();
    drop(conn);
    // Whichever comes first upgrades it: an operator's command does so, too.
    let mut operator = crate::open(&path).unwrap();
    assert!(operator.restraints().unwrap().is_empty());
    operator.identify(&built_in().unwrap()).unwrap();
    let object: Option<i64> =
        Connection::open(&path).unwrap().query_row("SELECT object FROM jobs", [], |row| row.get(0)).unwrap();
    assert!(object.is_some(), "what it created is worked out");
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let by: Vec<_> = ledger.suspensions().await.unwrap().into_iter().map(|suspension| suspension.by).collect();
    assert_eq!(by, [SuspendedBy::Platform, SuspendedBy::Person]);
    assert_eq!(ledger.domain().restraints().await.unwrap(), []);
    ledger.close().await;
    let version: i64 = Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
    assert_eq!(version, file::VERSION);
}

#[tokio::test]
async fn what_an_older_ledger_said_in_sentences_is_kept_and_known_again_where_it_never_varied() {
    let (_folder, path) = folder();
    let conn = Connection::open(&path).unwrap();
    for (_, script) in file::MIGRATIONS.iter().filter(|(version, _)| *version < 17) {
        conn.execute_batch(script).unwrap();
    }
    conn.execute_batch(
        "INSERT INTO lanes (lane, app, tenant, method) VALUES (1, 'acme', '', 'feishu.vc.room.create');
         INSERT INTO jobs (lane, batch, state, priority, attempts, created_at, ended_at, id, hash, params, reason, detail, cure)
             VALUES (1, 0, 3, 4, 1, 7, 8, 'dead', zeroblob(32), '{}', 'rejected', 'no room \"level\"', 'use another level'),
                 (1, 0, 2, 4, 1, 7, NULL, 'held', zeroblob(32), '{}', NULL, 'no answer before the time-out',
                 'look in the platform whether it was created, then `paceline resolve ID --succeeded KEY`, `--retry` or `--dead`'),
                 (1, 0, 0, 4, 0, 7, NULL, 'new', zeroblob(32), '{}', NULL, NULL, NULL);
         INSERT INTO attempts (job, lane, purpose, sent_at, deadline_at, ended_at, outcome, detail)
             VALUES (1, 1, 0, 7, 9, 8, 'permanent', 'no room \"level\"');
         INSERT INTO suspensions (app, tenant, method, since, detail, cure, suspended_by) VALUES
             ('acme', '', '', 7, 'wrong secret', 'correct it, then `paceline resume`', 'platform'),
             ('beta', '', '', 7, 'suspended by a person', '`paceline resume` when the reason is gone', 'person');
         PRAGMA user_version = 16; PRAGMA application_id = 0x50414345;",
    )
    .unwrap();
    drop(conn);
    let operator = crate::open(&path).unwrap();
    let failure = |id: &str| operator.show_job(id).unwrap().unwrap().line.ending.failure;
    let dead = failure("dead");
    assert_eq!(dead.detail, "no room \"level\"".into());
    assert_eq!(dead.cure, Some(Cure::Older { text: "use another level".into() }));
    assert_eq!(operator.show_job("dead").unwrap().unwrap().history[0].detail.0, dead.detail);
    let held = failure("held");
    assert_eq!((held.detail, held.cure), (Cause::TimedOut, Some(Cure::Resolve)));
    assert_eq!(failure("new"), Failure::default());
    let suspensions = operator.suspensions().unwrap();
    let advice: Vec<_> = suspensions.iter().map(|suspension| suspension.what_to_do().to_string()).collect();
    let by_hand = "`paceline resume beta` when the reason is gone";
    assert_eq!(advice, ["correct it; then `paceline resume acme`", by_hand]);
    assert_eq!(suspensions[1].detail, Cause::SuspendedByPerson);
}

#[tokio::test]
async fn a_read_only_file_is_named() {
    let (_folder, path) = folder();
    SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("skipped: this user may write what is read-only");
        return;
    }
    assert!(refusal(&path).contains("check the permissions of the file"), "{}", refusal(&path));
}

#[tokio::test]
async fn a_full_disk_is_said_and_work_goes_on_when_there_is_room() {
    let (_folder, path) = folder();
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let seq = queue(&ledger, from_amqp(job("a"))).await.seq;
    let attempt = begin(&ledger.domain(), seq, 0).await;
    ledger.limit_pages(1).await;
    let mut big = from_file(job("big"), "f:1");
    big.origin.cells = Some("x".repeat(100_000));
    assert!(matches!(ledger.take_over(vec![big.clone()], T0).await, Err(LedgerError::Full(_))));
    assert_eq!(counts(&ledger).await.total, 1, "a failed take-over leaves nothing behind");
    ledger.limit_pages(1_000_000).await;
    assert!(matches!(ledger.take_over(vec![big], T0).await.unwrap()[..], [TakenOver::Queued(_)]));
    ledger.domain().end_attempt(ended(attempt, 1, Some((seq, success("k")))).into()).await.unwrap();
    let counts = counts(&ledger).await;
    assert_eq!((counts.total, counts.queued, counts.succeeded), (2, 1, 1));
}

#[tokio::test]
async fn a_command_that_fails_spares_its_neighbours() {
    let (_folder, path) = folder();
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let (domain, absent) = (ledger.domain(), JobSeq(404));
    // Polled together before the writer's turn: they are one group.
    let (first, guilty, last) = tokio::join!(
        ledger.take_over(vec![from_file(job("a"), "f:1")], T0),
        domain.settle(absent, Settlement::Cancelled, T0),
        ledger.take_over(vec![from_file(job("b"), "f:2"), from_file(job("a"), "f:1")], T0),
    );
    assert!(matches!(first.unwrap()[..], [TakenOver::Queued(_)]));
    assert!(guilty.unwrap_err().to_string().contains("404"));
    assert!(matches!(last.unwrap()[..], [TakenOver::Queued(_), TakenOver::Known]));
    let counts = counts(&ledger).await;
    assert_eq!((counts.total, counts.queued), (2, 2));
}

#[tokio::test]
async fn jobs_of_another_process_are_picked_up_once() {
    let (_folder, path) = folder();
    let worker = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let other = SqlStore::open(&path, Mode::Operator, T0).unwrap();
    let waiting = queue(&other, from_file(job("a"), "f:1")).await;
    assert_eq!(worker.domain().changed().await.unwrap().waiting, std::slice::from_ref(&waiting));
    assert_eq!(worker.domain().changed().await.unwrap().waiting, []);
    call(&worker.domain(), waiting.seq, 0, death(paceline_domain::reason::Reason::Rejected)).await;
    queue(&other, from_file(job("a"), "f:1")).await;
    assert_eq!(worker.domain().changed().await.unwrap().waiting.len(), 1);
    queue(&other, from_file(job("b"), "f:2")).await;
    worker.domain().recover(at(1)).await.unwrap();
    assert_eq!(worker.domain().changed().await.unwrap().waiting, [], "a start reads them all anyway");
    assert_eq!(all_waiting(&worker.domain()).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_the_ledger_works() {
    let (_folder, path) = folder();
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let clock = paceline_ports::clock::Clock::at(T0);
    for n in 0..20 {
        let seq = queue(&ledger, from_amqp(job(&n.to_string()))).await.seq;
        call(&ledger.domain(), seq, n, success("k")).await;
    }
    assert_eq!(endings(&ledger, 0, 100).await.len(), 20);
    assert_eq!(clock.now(), T0);
}

#[tokio::test]
async fn a_password_is_nowhere_in_the_files_and_comes_back_whole() {
    const PASSWORD: &str = "pass-74019-word";
    let (folder, path) = folder();
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let mut secret = Job { is_confidential: true, ..job("a") };
    secret.params.body.insert("password".into(), PASSWORD.into());
    let raw = |arrival: paceline_ports::Arrival| {
        let origin = paceline_ports::Origin { raw: PASSWORD.into(), ..arrival.origin };
        paceline_ports::Arrival { origin, ..arrival }
    };
    let seq = queue(&ledger, raw(from_amqp(secret.clone()))).await.seq;
    assert_eq!(ledger.domain().job(seq).await.unwrap(), secret);
    let (_, read) = ledger.domain().begin_attempt(start(Purpose::Job(seq), 0)).await.unwrap();
    assert_eq!(read, Some(Box::new(secret.clone())));
    ledger.domain().settle(seq, death(paceline_domain::reason::Reason::Rejected), at(1)).await.unwrap();
    assert_eq!(ledger.claim(0, 9).await.unwrap()[0].ending.raw, PASSWORD, "the dead letter is byte for byte");
    // Again after its death, as a conflict, and as something that is no job.
    assert!(matches!(
        ledger.take_over(vec![raw(from_amqp(secret.clone()))], at(2)).await.unwrap()[..],
        [TakenOver::Queued(_)]
    ));
    secret.params.body.insert("capacity".into(), 11.into());
    assert_eq!(ledger.take_over(vec![raw(from_amqp(secret))], at(3)).await.unwrap(), [TakenOver::Rejected]);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
        assert!(!found, "{:?} holds a password", entry.file_name());
    }
}
