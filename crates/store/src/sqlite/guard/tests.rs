//! What becomes of a file under an open ledger: noticed at the next transaction, and nothing is answered after it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file;
use crate::contract::{T0, job};
pub(crate) use crate::ledger::{Mode, SqlStore};
use paceline_ports::{Arrival, Domain, Intake, LedgerError, Origin};

fn arrivals(id: &str) -> Vec<Arrival> {
    vec![Arrival { input: Ok(Box::new(job(id))), origin: Origin::default() }]
}

/// A worked ledger with a job in it, in a folder with room for other files.
struct Bench {
    folder: tempfile::TempDir,
    ledger: SqlStore,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqlStore::open(&folder.path().join("l.db"), Mode::Worker, T0).unwrap();
        ledger.take_over(arrivals("first"), T0).await.unwrap();
        Self { folder, ledger }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Why the next take-over is refused.
    async fn refusal(&self) -> String {
        let error = self.ledger.take_over(arrivals("second"), T0).await.unwrap_err();
        assert!(matches!(error, LedgerError::Unusable(_)), "{error:?}");
        // Also when nothing is written: so it is noticed while nothing happens.
        assert!(matches!(self.ledger.domain().changed().await, Err(LedgerError::Unusable(_))));
        error.to_string()
    }

    async fn goes_on(&self) {
        self.ledger.take_over(arrivals("second"), T0).await.unwrap();
        self.ledger.domain().changed().await.unwrap();
    }

    /// All of the log into the file, so that the file alone is the ledger.
    fn move_log(&self) {
        let conn = Connection::open(self.path("l.db")).unwrap();
        let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0);
    }

    /// A copy as the manual makes it.
    fn back_up(&self, name: &str) -> PathBuf {
        let copy = self.path(name);
        let conn = Connection::open(self.path("l.db")).unwrap();
        conn.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        copy
    }
}

fn truncate(path: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

#[tokio::test]
async fn a_removed_file_is_noticed_whichever_it_is() {
    for (name, words) in [
        ("l.db", "l.db was removed or moved while in use: put it back with the files beside it, or restore"),
        ("l.db-wal", "l.db-wal was removed while in use: if `paceline check --offline` finds a fault"),
        ("l.db-shm", "l.db-shm was removed while in use"),
        ("l.db.lock", "so a second worker could start"),
        ("l.db.key", "l.db.key was removed while in use: put the ledger's own key back there"),
    ] {
        let bench = Bench::new().await;
        fs::remove_file(bench.path(name)).unwrap();
        let why = bench.refusal().await;
        assert!(why.contains(words), "{name}: {why}");
    }
}

#[tokio::test]
async fn another_file_at_the_path_is_noticed() {
    let bench = Bench::new().await;
    let (path, moved) = (bench.path("l.db"), bench.path("moved.db"));
    fs::rename(&path, &moved).unwrap();
    fs::copy(&moved, &path).unwrap();
    let why = bench.refusal().await;
    assert!(why.contains("l.db was replaced while in use"), "{why}");
    fs::remove_file(&path).unwrap();
    symlink(&moved, &path).unwrap();
    bench.goes_on().await;
    fs::remove_file(&path).unwrap();
    symlink(bench.back_up_of(&moved), &path).unwrap();
    let why = bench.refusal().await;
    assert!(why.contains("l.db was replaced while in use"), "{why}");
}

impl Bench {
    /// Some other file.
    fn back_up_of(&self, file: &Path) -> PathBuf {
        let copy = self.path("copy.db");
        fs::copy(file, &copy).unwrap();
        copy
    }
}

#[tokio::test]
async fn a_second_name_is_noticed_and_refused_at_a_start() {
    let bench = Bench::new().await;
    fs::hard_link(bench.path("l.db"), bench.path("other.db")).unwrap();
    let why = bench.refusal().await;
    assert!(why.contains("l.db has several names (hard links)"), "{why}");
    let Err(error) = SqlStore::open(&bench.path("other.db"), Mode::Worker, T0) else { panic!("a second worker") };
    assert!(error.to_string().contains("other.db has several names"), "{error}");
}

#[tokio::test]
async fn a_shorter_file_is_noticed() {
    for bytes in [0, 4096] {
        let bench = Bench::new().await;
        bench.move_log();
        bench.goes_on().await;
        truncate(&bench.path("l.db"), bytes);
        let why = bench.refusal().await;
        assert!(why.contains("l.db was truncated while in use"), "{why}");
    }
}

#[tokio::test]
async fn a_shorter_log_is_noticed_and_an_emptied_one_is_no_fault() {
    let bench = Bench::new().await;
    bench.move_log();
    bench.goes_on().await;
    truncate(&bench.path("l.db-wal"), 40);
    let why = bench.refusal().await;
    assert!(why.contains("l.db-wal was replaced or truncated while in use"), "{why}");
}

#[tokio::test]
async fn what_other_programs_may_do_is_no_fault() {
    let bench = Bench::new().await;
    let many: Vec<_> = (0..500).flat_map(|n| arrivals(&n.to_string())).collect();
    bench.ledger.take_over(many, T0).await.unwrap();
    bench.move_log();
    let before = fs::metadata(bench.path("l.db")).unwrap().len();
    let conn = Connection::open(bench.path("l.db")).unwrap();
    conn.execute_batch("CREATE TABLE t AS SELECT * FROM jobs; DROP TABLE t; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(conn);
    assert!(fs::metadata(bench.path("l.db")).unwrap().len() <= before);
    let key = fs::read(bench.path("l.db.key")).unwrap();
    fs::remove_file(bench.path("l.db.key")).unwrap();
    fs::write(bench.path("l.db.key"), key).unwrap();
    bench.goes_on().await;
}

#[tokio::test]
async fn another_key_is_noticed() {
    let bench = Bench::new().await;
    drop(file::open_writer(&(&bench.path("b.db")).into()).unwrap());
    fs::copy(bench.path("b.db.key"), bench.path("l.db.key")).unwrap();
    let why = bench.refusal().await;
    assert!(why.contains("l.db.key is no longer this ledger's key"), "{why}");
}

#[tokio::test]
async fn a_backup_copied_over_the_open_file_is_noticed() {
    let bench = Bench::new().await;
    let backup = bench.back_up("backup.db");
    bench.goes_on().await;
    bench.move_log();
    bench.ledger.take_over(arrivals("third"), T0).await.unwrap();
    // In place, as `cp` does it: the same file, and no shorter.
    let mut bytes = fs::read(&backup).unwrap();
    bytes.resize(usize::try_from(fs::metadata(bench.path("l.db")).unwrap().len()).unwrap(), 0);
    fs::write(bench.path("l.db"), bytes).unwrap();
    let why = bench.refusal().await;
    assert!(why.contains("l.db was replaced while in use: if this is a backup"), "{why}");
}

#[tokio::test]
async fn a_damaged_page_names_file_and_cure() {
    let bench = Bench::new().await;
    let many: Vec<_> = (0..500).flat_map(|n| arrivals(&n.to_string())).collect();
    bench.ledger.take_over(many, T0).await.unwrap();
    bench.move_log();
    let mut bytes = fs::read(bench.path("l.db")).unwrap();
    bytes[3 * 4096..].fill(0x55);
    // Another connection, which has no page in memory.
    fs::write(bench.path("l.db"), bytes).unwrap();
    let error = bench.ledger.domain().waiting(None, paceline_ports::JobSeq(0), 1_000).await.unwrap_err();
    let words =
        "l.db is damaged (database disk image is malformed); restore it from a backup, or recover it with `sqlite3";
    assert!(matches!(&error, LedgerError::Unusable(why) if why.contains(words)), "{error}");
}

#[tokio::test]
async fn no_ledger_is_begun_beside_the_key_of_a_lost_one() {
    let bench = Bench::new().await;
    bench.ledger.close().await;
    let path = bench.path("l.db");
    let kept = fs::read(&path).unwrap();
    truncate(&path, 0);
    let refused = || SqlStore::open(&path, Mode::Worker, T0).map(drop).unwrap_err().to_string();
    assert!(refused().contains("l.db is empty, but its key"), "{}", refused());
    fs::remove_file(&path).unwrap();
    assert!(refused().contains("l.db is missing, but its key"), "{}", refused());
    assert!(!path.exists(), "nothing is made by the attempt");
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
    assert!(refused().contains("l.db is empty, but its key"), "{}", refused());
    fs::write(&path, kept).unwrap();
    SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
    fs::remove_file(&path).unwrap();
    fs::remove_file(bench.path("l.db.key")).unwrap();
    SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
}
