use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::key::Key;
use super::*;
use crate::contract::{T0, job};
use crate::ledger::{Mode, SqlStore};
use crate::sqlite::file::{open_reader, open_writer};
use paceline_ports::{Domain, Intake};

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn writer(&self, name: &str) -> (Connection, Seal) {
        self.opened(name, &open_writer(&(&self.path(name)).into()).unwrap().0)
    }

    fn reader(&self, name: &str) -> (Connection, Seal) {
        self.opened(name, &open_reader(&(&self.path(name)).into()).unwrap())
    }

    /// The keys of a connection, and another one to look at the rows.
    fn opened(&self, name: &str, conn: &Conn) -> (Connection, Seal) {
        (Connection::open(self.path(name)).unwrap(), conn.seal().clone())
    }

    fn key(&self, name: &str) -> Key {
        let text = fs::read(self.path(name)).unwrap();
        Key::parse(text.trim_ascii()).unwrap()
    }
}

const AT: Place<'_> = Place::job_params("a");

#[test]
fn what_is_sealed_is_read_with_its_key_alone() {
    let home = Home::new();
    let (_, seal) = home.writer("a.db");
    let text = seal.sealed_text("{\"password\":\"1234\"}", AT).unwrap();
    let blob = seal.sealed_bytes(b"\xff1234", AT).unwrap();
    assert!(is_sealed(&text) && !text.contains("1234") && !blob.windows(4).any(|part| part == b"1234"));
    assert_ne!(text, seal.sealed_text("{\"password\":\"1234\"}", AT).unwrap());

    let (_, reader) = home.reader("a.db");
    assert_eq!(reader.opened_text(text.clone(), AT).unwrap(), "{\"password\":\"1234\"}");
    assert_eq!(reader.opened_bytes(blob, AT).unwrap(), b"\xff1234");

    let (_, other) = home.writer("b.db");
    let refused = other.opened_text(text.clone(), AT).unwrap_err().to_string();
    assert!(refused.contains("cannot be read with the key in"), "{refused}");
    assert!(reader.opened_text(text.replace(&text[20..24], "AAAA"), AT).is_err());
}

#[test]
fn what_is_not_sealed_passes() {
    let home = Home::new();
    let (_, seal) = home.writer("a.db");
    assert_eq!(seal.opened_text("{\"a\":1}".into(), AT).unwrap(), "{\"a\":1}");
    assert_eq!(seal.resealed_text("{\"a\":1}".into(), AT).unwrap(), "{\"a\":1}");
    assert_eq!(seal.opened_bytes(b"\0raw".into(), AT).unwrap(), b"\0raw");
    assert_eq!(seal.resealed_bytes(b"\0raw".into(), AT).unwrap(), b"\0raw");
}

#[test]
fn a_sealed_value_opens_at_its_place_alone() {
    let home = Home::new();
    let (_, seal) = home.writer("a.db");
    let text = seal.sealed_text("secret", AT).unwrap();
    let blob = seal.sealed_bytes(b"secret", AT).unwrap();
    let elsewhere = [Place::job_params("b"), Place::job_raw("a"), Place::rejected_raw("a"), Place::job_params("A")];
    for at in elsewhere {
        let refused = seal.opened_text(text.clone(), at).unwrap_err().to_string();
        assert!(refused.contains("moved here"), "{refused}");
        assert!(seal.opened_bytes(blob.clone(), at).is_err());
    }
    // Another version of the key is another place, too; and what is bound does not pass for what never was.
    assert!(seal.opened_text(text.replace("sealed:1:", "sealed:2:"), AT).is_err());
    assert!(seal.opened_text(text.replace("sealed:1:", "sealed:"), AT).is_err());
}

#[test]
fn a_digest_is_keyed_and_says_its_version() {
    let home = Home::new();
    let ((_, a), (_, b)) = (home.writer("a.db"), home.writer("b.db"));
    let content = [7_u8; 32];
    let digest = a.keyed(&content).unwrap();
    assert_eq!(digest, a.keyed(&content).unwrap());
    assert_ne!(digest, b.keyed(&content).unwrap(), "each ledger has its own");
    assert_eq!(digest[..4], [0, 0, 0, 1]);
    assert_eq!(digest[4..], key::keyed(&home.key("a.db.key").digests, &content));
    assert!(a.is_content(&digest, &content).unwrap() && !a.is_content(&digest, &[8; 32]).unwrap());
    assert!(!a.is_content(&b.keyed(&content).unwrap(), &content).unwrap());
    assert!(a.is_content(&content, &content).unwrap(), "of the time before there were keys");
    assert_eq!(a.carried(&content).unwrap(), digest);
    assert_eq!(a.carried(&digest).unwrap(), digest);
}

#[test]
fn a_ledger_without_its_own_key_is_not_opened_for_work() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (ledger, key) = (home.path("a.db"), home.path("a.db.key"));
    drop(home.writer("a.db"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let own = fs::read(&key).unwrap();
    drop(home.writer("b.db"));
    let refusal = || match open_writer(&(&ledger).into()).and_then(|(conn, _)| conn.seal().require()) {
        Ok(()) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };

    fs::remove_file(&key).unwrap();
    assert!(refusal().contains("a.db.key is gone; put the ledger's own key back"), "{}", refusal());
    fs::copy(home.path("b.db.key"), &key).unwrap();
    assert!(refusal().contains("is another ledger's key"), "{}", refusal());
    fs::write(&key, "nonsense").unwrap();
    assert!(refusal().contains("is no key of a ledger"), "{}", refusal());
    fs::write(&key, own).unwrap();
    open_writer(&(&ledger).into()).unwrap().0.seal().require().unwrap();
    let left: Vec<_> = fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("draft")), "{left:?}");
}

/// Makes a ledger as it was before: plain hashes, values bound to nothing, and the key's mark in `meta`.
fn age(path: &Path, key: &Key, content: &[u8; 32]) {
    let conn = Connection::open(path).unwrap();
    let sealed = |plain: &[u8]| format!("{TEXT_PREFIX}{}", BASE64.encode(key.seal_unbound(plain)));
    let raw = [UNBOUND_MAGIC, &key.seal_unbound(b"raw-secret")].concat();
    conn.execute(
        "UPDATE jobs SET hash = ?1, edited_hash = ?2, params = ?3, raw = ?4 WHERE id = 'a'",
        params![content, [9_u8; 32], sealed(b"{\"password\":\"1234\"}"), raw],
    )
    .unwrap();
    conn.execute("UPDATE jobs SET hash = ?1 WHERE id = 'b'", [[5_u8; 32]]).unwrap();
    conn.execute_batch(
        "DROP TABLE call_days; ALTER TABLE broker DROP COLUMN status; ALTER TABLE broker ADD COLUMN is_full INTEGER;
         DROP TABLE listed; DROP INDEX jobs_finds; ALTER TABLE jobs DROP COLUMN finds;
         INSERT INTO meta SELECT 'key', mark FROM keys; DELETE FROM meta WHERE name = 'keyed'; DROP TABLE keys;
         DROP TABLE activity; DROP INDEX rejected_conflicts; ALTER TABLE rejected DROP COLUMN more; ALTER TABLE rejected DROP COLUMN more_at;
         DROP TABLE prerequisites; DROP INDEX jobs_blocked; DROP INDEX jobs_absent; DROP INDEX jobs_blocked_until;
         ALTER TABLE jobs DROP COLUMN waits_for; ALTER TABLE jobs DROP COLUMN filled; ALTER TABLE jobs DROP COLUMN absent_since;
         DROP TABLE leases; DROP TABLE replicas; ALTER TABLE outbox DROP COLUMN owner; ALTER TABLE outbox DROP COLUMN claimed_until;
         ALTER TABLE restraints DROP COLUMN domain;
         PRAGMA user_version = 13;",
    )
    .unwrap();
}

#[tokio::test]
async fn a_ledger_of_before_is_carried_forward_and_keeps_nothing_of_it() {
    let home = Home::new();
    let path = home.path("a.db");
    let ledger = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let arrival =
        |id: &str| paceline_ports::Arrival { input: Ok(Box::new(job(id))), origin: paceline_ports::Origin::default() };
    ledger.take_over(vec![arrival("a"), arrival("b")], T0).await.unwrap();
    ledger.close().await;
    let content = job("a").content_hash();
    age(&path, &home.key("a.db.key"), &content);

    // An operator finds everything right, whether it has been carried forward or not.
    let operator = crate::open(&path).unwrap();
    assert!(!operator.is_conflict("a", content).unwrap() && !operator.is_conflict("a", [9; 32]).unwrap());
    assert!(operator.is_conflict("a", [8; 32]).unwrap());
    assert!(fs::read(&path).unwrap().windows(32).any(|part| part == content), "it was there");

    SqlStore::open(&path, Mode::Worker, T0).unwrap().close().await;
    assert!(!operator.is_conflict("a", content).unwrap() && !operator.is_conflict("a", [9; 32]).unwrap());
    assert!(operator.is_conflict("a", [8; 32]).unwrap());
    drop(operator);
    let (conn, seal) = home.reader("a.db");
    let row = "SELECT params, raw FROM jobs WHERE id = 'a' AND params LIKE 'sealed:1:%'";
    let (params, raw) = conn.query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(seal.opened_text(params, AT).unwrap(), "{\"password\":\"1234\"}");
    assert_eq!(seal.opened_bytes(raw, Place::job_raw("a")).unwrap(), b"raw-secret");
    for entry in fs::read_dir(home.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        for old in [content, [9; 32], [5; 32]] {
            assert!(!bytes.windows(32).any(|part| part == old), "{:?} keeps a plain hash", entry.file_name());
        }
        let magic = UNBOUND_MAGIC;
        assert!(!bytes.windows(magic.len()).any(|part| part == magic), "{:?}", entry.file_name());
    }
}

fn arrival(id: &str) -> paceline_ports::Arrival {
    let mut job = job(id);
    job.params.body.insert("password".into(), "1234".into());
    let job = paceline_domain::job::Job { is_confidential: true, ..job };
    paceline_ports::Arrival { input: Ok(Box::new(job)), origin: paceline_ports::Origin::default() }
}

fn seq_of(taken: &[paceline_ports::TakenOver]) -> paceline_ports::JobSeq {
    let [paceline_ports::TakenOver::Queued(waiting)] = taken else { panic!("{taken:?}") };
    waiting.seq
}

/// Versions of the keys by which the jobs' values and digests were made.
fn versions(conn: &Connection) -> Vec<(String, i64)> {
    let sql =
        "SELECT DISTINCT substr(params, 1, 9), length(hash) * 100 + unicode(substr(hex(hash), 8, 1)) - 48 FROM jobs";
    let mut statement = conn.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_new_key_is_begun_while_the_worker_runs_and_the_old_one_opens_nothing() {
    let home = Home::new();
    let path = home.path("a.db");
    let worker = SqlStore::open(&path, Mode::Worker, T0).unwrap();
    let a = seq_of(&worker.take_over(vec![arrival("a")], T0).await.unwrap());
    let before = worker.domain().job(a).await.unwrap();
    let old = fs::read(home.path("a.db.key")).unwrap();

    let location = Location::from(&path);
    let done = crate::open(&location).unwrap().rekey().unwrap();
    assert_eq!((done.version, done.rows, done.keeps_old), (2, 1, false));
    let new = fs::read(home.path("a.db.key")).unwrap();
    assert!(new != old && new.len() == old.len(), "the new key alone is left");

    // The worker goes on: it reads, knows what it knew, and writes with the new key.
    assert_eq!(worker.domain().job(a).await.unwrap(), before);
    assert_eq!(worker.take_over(vec![arrival("a")], T0).await.unwrap(), [paceline_ports::TakenOver::Known]);
    let b = seq_of(&worker.take_over(vec![arrival("b")], T0).await.unwrap());
    assert_eq!(worker.domain().job(b).await.unwrap().params.body["password"], "1234");
    assert_eq!(versions(&home.reader("a.db").0), [("sealed:2:".to_owned(), 3602)]);
    // A third, and the digests of the first are still those of the same content.
    assert_eq!(crate::open(&location).unwrap().rekey().unwrap().version, 3);
    assert_eq!(worker.take_over(vec![arrival("a")], T0).await.unwrap(), [paceline_ports::TakenOver::Known]);
    worker.close().await;
    assert_eq!(versions(&home.reader("a.db").0), [("sealed:3:".to_owned(), 3603)]);

    fs::write(home.path("a.db.key"), &old).unwrap();
    let refused = SqlStore::open(&path, Mode::Worker, T0).err().unwrap().to_string();
    assert!(refused.contains("is another ledger's key"), "{refused}");
    let (conn, seal) = home.reader("a.db");
    let params: String = conn.query_row("SELECT params FROM jobs WHERE id = 'a'", [], |row| row.get(0)).unwrap();
    assert!(seal.opened_text(params, AT).is_err());
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(9).any(|part| part == b"sealed:1:"), "what the old key sealed is gone from the file");
}

#[tokio::test]
async fn an_interrupted_rekeying_is_finished_and_begins_no_other_key() {
    let home = Home::new();
    let path = home.path("a.db");
    SqlStore::open(&path, Mode::Worker, T0).unwrap().take_over(vec![arrival("a")], T0).await.unwrap();
    let location = Location::from(&path);
    // As it is left right after the new key was begun.
    let keys = source::put_before(&location).unwrap();
    {
        let (conn, _) = open_writer(&location).unwrap();
        let ring = Ring::of(&conn, source::read(&location).unwrap()).unwrap().unwrap();
        assert_eq!(ring.begin(&conn, &keys[0]).unwrap(), Some(2));
    }
    assert_eq!(versions(&home.reader("a.db").0), [("sealed:1:".to_owned(), 3601)]);
    let done = crate::open(&location).unwrap().rekey().unwrap();
    assert_eq!((done.version, done.rows), (2, 1));
    assert_eq!(versions(&home.reader("a.db").0), [("sealed:2:".to_owned(), 3602)]);
    assert_eq!(fs::read_to_string(home.path("a.db.key")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_key_that_is_given_is_exchanged_by_the_worker_at_its_start() {
    let home = Home::new();
    let path = home.path("a.db");
    let given = |text: &str| Location {
        path: path.clone(),
        key: paceline_ports::location::KeySource::Given { from: "the variable K".to_owned(), text: Some(text.into()) },
        server: None,
    };
    let (old, new) = (key::generate().unwrap().to_string(), format!("{}=", *key::generate().unwrap()));
    let worker = SqlStore::open(given(&old), Mode::Worker, T0).unwrap();
    let a = seq_of(&worker.take_over(vec![arrival("a")], T0).await.unwrap());
    assert!(!home.path("a.db.key").exists(), "none is made beside it");
    let refused = |text: &str| {
        let location = given(text);
        crate::open(&location).unwrap().rekey().unwrap_err().to_string()
    };
    assert!(refused(&old).contains("holds no new key"), "{}", refused(&old));
    let both = format!("{new},{old}");
    assert!(refused(&both).contains("restart it with both keys"), "{}", refused(&both));
    worker.close().await;
    drop(worker);

    let worker = SqlStore::open(given(&both), Mode::Worker, T0).unwrap();
    assert_eq!(worker.domain().job(a).await.unwrap().id, "a");
    worker.close().await;
    drop(worker);
    let worker = SqlStore::open(given(&new), Mode::Worker, T0).unwrap();
    assert_eq!(worker.domain().job(a).await.unwrap().id, "a");
    worker.close().await;
    let gone = SqlStore::open(given(&old), Mode::Worker, T0).err().unwrap().to_string();
    assert!(gone.contains("the variable K is another ledger's key; give the ledger's own key"), "{gone}");
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    drop(home.writer("a.db"));
    let key = home.path("a.db.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = open_writer(&(&home.path("a.db")).into()).err().unwrap().to_string();
    assert!(refused.contains(&format!("run `chmod 600 {}`", key.display())), "{refused}");
    assert!(refused.contains("can be read by other users (mode 0644)"), "{refused}");
}

#[test]
fn a_link_where_the_key_belongs_is_not_followed() {
    let home = Home::new();
    let (path, victim) = (home.path("a.db"), home.path("victim"));
    std::os::unix::fs::symlink(&victim, home.path("a.db.key")).unwrap();
    assert!(open_writer(&(&path).into()).is_err() || !victim.exists());
    assert!(!victim.exists(), "nothing was made where the link leads");
}

#[test]
fn a_foreign_file_is_left_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (text, other) = (home.path("text"), home.path("other.db"));
    fs::write(&text, "not a database, and long enough to be read as one".repeat(20)).unwrap();
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for path in [text, other] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(open_writer(&(&path).into()).is_err());
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
    assert_eq!(fs::read_dir(home.folder.path()).unwrap().count(), 2, "nothing was made beside them");
}
