use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::key::Key;
use super::*;
use crate::contract::{T0, job};
use crate::operator::Operator;
use crate::sqlite::file::{open_reader, open_writer};
use crate::sqlite::{Mode, SqliteLedger};
use paceline_ports::Ledger;

fn one<T: rusqlite::types::FromSql>(
    conn: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<T> {
    conn.query_row(sql, values, |row| row.get(0))
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn writer(&self, name: &str) -> Connection {
        open_writer(&(&self.path(name)).into()).unwrap().0
    }

    fn reader(&self, name: &str) -> Connection {
        open_reader(&(&self.path(name)).into()).unwrap().0
    }

    fn key(&self, name: &str) -> Key {
        let text = fs::read(self.path(name)).unwrap();
        Key::parse(text.trim_ascii()).unwrap()
    }
}

const SEAL: &str = "SELECT sealed(?1, TRUE, 'jobs.params', 'a')";
const OPEN: &str = "SELECT opened(?1, 'jobs.params', 'a')";

#[test]
fn what_is_sealed_is_read_with_its_key_alone() {
    let place = Place::new();
    let writer = place.writer("a.db");
    let text: String = one(&writer, SEAL, ["{\"password\":\"1234\"}"]).unwrap();
    let blob: Vec<u8> = one(&writer, SEAL, [b"\xff1234".as_slice()]).unwrap();
    assert!(!text.contains("1234") && !blob.windows(4).any(|part| part == b"1234"));
    assert_ne!(text, one::<String>(&writer, SEAL, ["{\"password\":\"1234\"}"]).unwrap());

    let reader = place.reader("a.db");
    assert_eq!(one::<String>(&reader, OPEN, [&text]).unwrap(), "{\"password\":\"1234\"}");
    assert_eq!(one::<Vec<u8>>(&reader, OPEN, [&blob]).unwrap(), b"\xff1234");

    let other = place.writer("b.db");
    let refused = one::<String>(&other, OPEN, [&text]).unwrap_err().to_string();
    assert!(refused.contains("cannot be read with the key in"), "{refused}");
    let damaged = text.replace(&text[20..24], "AAAA");
    assert!(one::<String>(&reader, OPEN, [&damaged]).is_err());
}

#[test]
fn what_is_not_sealed_passes() {
    let place = Place::new();
    let writer = place.writer("a.db");
    for sql in [OPEN, "SELECT sealed(?1, FALSE, 'jobs.params', 'a')", "SELECT resealed(?1, 'jobs.params', 'a')"] {
        assert_eq!(one::<String>(&writer, sql, ["{\"a\":1}"]).unwrap(), "{\"a\":1}");
        assert_eq!(one::<Vec<u8>>(&writer, sql, [b"\0raw".as_slice()]).unwrap(), b"\0raw");
        assert_eq!(one::<Option<String>>(&writer, sql, [rusqlite::types::Null]).unwrap(), None);
    }
    assert_eq!(one::<Option<String>>(&writer, SEAL, [rusqlite::types::Null]).unwrap(), None);
}

#[test]
fn a_sealed_value_opens_at_its_place_alone() {
    let place = Place::new();
    let conn = place.writer("a.db");
    let text: String = one(&conn, SEAL, ["secret"]).unwrap();
    let blob: Vec<u8> = one(&conn, SEAL, [b"secret".as_slice()]).unwrap();
    for elsewhere in ["'jobs.params', 'b'", "'jobs.raw', 'a'", "'rejected.raw', 'a'", "'jobs.params', 'A'"] {
        let sql = format!("SELECT opened(?1, {elsewhere})");
        assert!(one::<String>(&conn, &sql, [&text]).unwrap_err().to_string().contains("moved here"), "{elsewhere}");
        assert!(one::<Vec<u8>>(&conn, &sql, [&blob]).is_err(), "{elsewhere}");
    }
    // Another version of the key is another place, too; and what is bound does not pass for what never was.
    assert!(one::<String>(&conn, OPEN, [text.replace("sealed:1:", "sealed:2:")]).is_err());
    assert!(one::<String>(&conn, OPEN, [text.replace("sealed:1:", "sealed:")]).is_err());
}

#[test]
fn a_digest_is_keyed_and_says_its_version() {
    let place = Place::new();
    let (a, b) = (place.writer("a.db"), place.writer("b.db"));
    let content = [7_u8; 32];
    let digest = |conn: &Connection| one::<Vec<u8>>(conn, "SELECT keyed(?1)", [content]).unwrap();
    assert_eq!(digest(&a), digest(&a));
    assert_ne!(digest(&a), digest(&b), "each ledger has its own");
    assert_eq!(digest(&a)[..4], [0, 0, 0, 1]);
    let expected = key::keyed(&place.key("a.db.key").digests, &content);
    assert_eq!(digest(&a)[4..], expected);
    let is = |digest: &[u8], content: &[u8; 32]| {
        one::<bool>(&a, "SELECT is_content(?1, ?2)", params![digest, content]).unwrap()
    };
    assert!(is(&digest(&a), &content) && !is(&digest(&a), &[8; 32]) && !is(&digest(&b), &content));
    assert!(is(&content, &content), "of the time before there were keys");
    assert!(!one::<bool>(&a, "SELECT is_content(NULL, ?1)", [content]).unwrap());
    assert_eq!(one::<Vec<u8>>(&a, "SELECT carried(?1)", [content]).unwrap(), digest(&a));
    assert_eq!(one::<Vec<u8>>(&a, "SELECT carried(?1)", [digest(&a)]).unwrap(), digest(&a));
}

#[test]
fn a_ledger_without_its_own_key_is_not_opened_for_work() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (ledger, key) = (place.path("a.db"), place.path("a.db.key"));
    drop(place.writer("a.db"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let own = fs::read(&key).unwrap();
    drop(place.writer("b.db"));
    let refusal = || match open_writer(&(&ledger).into()).and_then(|(_, seal)| seal.require()) {
        Ok(()) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };

    fs::remove_file(&key).unwrap();
    assert!(refusal().contains("a.db.key is gone; put the ledger's own key back"), "{}", refusal());
    fs::copy(place.path("b.db.key"), &key).unwrap();
    assert!(refusal().contains("is another ledger's key"), "{}", refusal());
    fs::write(&key, "nonsense").unwrap();
    assert!(refusal().contains("is no key of a ledger"), "{}", refusal());
    fs::write(&key, own).unwrap();
    open_writer(&(&ledger).into()).unwrap().1.require().unwrap();
    let left: Vec<_> = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
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
        "INSERT INTO meta SELECT 'key', mark FROM keys; DELETE FROM meta WHERE name = 'keyed'; DROP TABLE keys;
         DROP TABLE activity; DROP INDEX rejected_conflicts; ALTER TABLE rejected DROP COLUMN more; ALTER TABLE rejected DROP COLUMN more_at;
         PRAGMA user_version = 13;",
    )
    .unwrap();
}

#[tokio::test]
async fn a_ledger_of_before_is_carried_forward_and_keeps_nothing_of_it() {
    let place = Place::new();
    let path = place.path("a.db");
    let ledger = SqliteLedger::open(&path, Mode::Worker, T0).unwrap();
    let arrival =
        |id: &str| paceline_ports::Arrival { input: Ok(Box::new(job(id))), origin: paceline_ports::Origin::default() };
    ledger.take_over(vec![arrival("a"), arrival("b")], T0).await.unwrap();
    ledger.close().await;
    let content = job("a").content_hash();
    age(&path, &place.key("a.db.key"), &content);

    // An operator finds everything right, whether it has been carried forward or not.
    let operator = Operator::open(&path).unwrap();
    assert!(!operator.is_conflict("a", content).unwrap() && !operator.is_conflict("a", [9; 32]).unwrap());
    assert!(operator.is_conflict("a", [8; 32]).unwrap());
    assert!(fs::read(&path).unwrap().windows(32).any(|part| part == content), "it was there");

    SqliteLedger::open(&path, Mode::Worker, T0).unwrap().close().await;
    assert!(!operator.is_conflict("a", content).unwrap() && !operator.is_conflict("a", [9; 32]).unwrap());
    assert!(operator.is_conflict("a", [8; 32]).unwrap());
    drop(operator);
    let conn = place.reader("a.db");
    let row = "SELECT opened(params, 'jobs.params', id) || '+' || CAST(opened(raw, 'jobs.raw', id) AS TEXT) FROM jobs
        WHERE id = 'a' AND params LIKE 'sealed:1:%'";
    assert_eq!(one::<String>(&conn, row, []).unwrap(), "{\"password\":\"1234\"}+raw-secret");
    for entry in fs::read_dir(place.folder.path()).unwrap() {
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
    let place = Place::new();
    let path = place.path("a.db");
    let worker = SqliteLedger::open(&path, Mode::Worker, T0).unwrap();
    let a = seq_of(&worker.take_over(vec![arrival("a")], T0).await.unwrap());
    let before = worker.job(a).await.unwrap();
    let old = fs::read(place.path("a.db.key")).unwrap();

    let location = Location::from(&path);
    let done = Operator::open(&path).unwrap().rekey(&location).unwrap();
    assert_eq!((done.version, done.rows, done.keeps_old), (2, 1, false));
    let new = fs::read(place.path("a.db.key")).unwrap();
    assert!(new != old && new.len() == old.len(), "the new key alone is left");

    // The worker goes on: it reads, knows what it knew, and writes with the new key.
    assert_eq!(worker.job(a).await.unwrap(), before);
    assert_eq!(worker.take_over(vec![arrival("a")], T0).await.unwrap(), [paceline_ports::TakenOver::Known]);
    let b = seq_of(&worker.take_over(vec![arrival("b")], T0).await.unwrap());
    assert_eq!(worker.job(b).await.unwrap().params.body["password"], "1234");
    assert_eq!(versions(&place.reader("a.db")), [("sealed:2:".to_owned(), 3602)]);
    // A third, and the digests of the first are still those of the same content.
    assert_eq!(Operator::open(&path).unwrap().rekey(&location).unwrap().version, 3);
    assert_eq!(worker.take_over(vec![arrival("a")], T0).await.unwrap(), [paceline_ports::TakenOver::Known]);
    worker.close().await;
    assert_eq!(versions(&place.reader("a.db")), [("sealed:3:".to_owned(), 3603)]);

    fs::write(place.path("a.db.key"), &old).unwrap();
    let refused = SqliteLedger::open(&path, Mode::Worker, T0).err().unwrap().to_string();
    assert!(refused.contains("is another ledger's key"), "{refused}");
    let conn = place.reader("a.db");
    assert!(one::<String>(&conn, "SELECT opened(params, 'jobs.params', id) FROM jobs", []).is_err());
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(9).any(|part| part == b"sealed:1:"), "what the old key sealed is gone from the file");
}

#[tokio::test]
async fn an_interrupted_rekeying_is_finished_and_begins_no_other_key() {
    let place = Place::new();
    let path = place.path("a.db");
    SqliteLedger::open(&path, Mode::Worker, T0).unwrap().take_over(vec![arrival("a")], T0).await.unwrap();
    let location = Location::from(&path);
    // As it is left right after the new key was begun.
    let keys = source::put_before(&location).unwrap();
    {
        let conn = place.writer("a.db");
        let ring = Ring::of(&conn, source::read(&location).unwrap()).unwrap().unwrap();
        assert_eq!(ring.begin(&conn, &keys[0]).unwrap(), Some(2));
    }
    assert_eq!(versions(&place.reader("a.db")), [("sealed:1:".to_owned(), 3601)]);
    let done = Operator::open(&path).unwrap().rekey(&location).unwrap();
    assert_eq!((done.version, done.rows), (2, 1));
    assert_eq!(versions(&place.reader("a.db")), [("sealed:2:".to_owned(), 3602)]);
    assert_eq!(fs::read_to_string(place.path("a.db.key")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_key_that_is_given_is_exchanged_by_the_worker_at_its_start() {
    let place = Place::new();
    let path = place.path("a.db");
    let given = |text: &str| Location {
        path: path.clone(),
        key: paceline_ports::location::KeySource::Given { from: "the variable K".to_owned(), text: Some(text.into()) },
    };
    let (old, new) = (key::generate().unwrap().to_string(), format!("{}=", *key::generate().unwrap()));
    let worker = SqliteLedger::open(given(&old), Mode::Worker, T0).unwrap();
    let a = seq_of(&worker.take_over(vec![arrival("a")], T0).await.unwrap());
    assert!(!place.path("a.db.key").exists(), "none is made beside it");
    let refused = |text: &str| {
        let location = given(text);
        Operator::open(&location).unwrap().rekey(&location).unwrap_err().to_string()
    };
    assert!(refused(&old).contains("holds no new key"), "{}", refused(&old));
    let both = format!("{new},{old}");
    assert!(refused(&both).contains("restart it with both keys"), "{}", refused(&both));
    worker.close().await;
    drop(worker);

    let worker = SqliteLedger::open(given(&both), Mode::Worker, T0).unwrap();
    assert_eq!(worker.job(a).await.unwrap().id, "a");
    worker.close().await;
    drop(worker);
    let worker = SqliteLedger::open(given(&new), Mode::Worker, T0).unwrap();
    assert_eq!(worker.job(a).await.unwrap().id, "a");
    worker.close().await;
    let gone = SqliteLedger::open(given(&old), Mode::Worker, T0).err().unwrap().to_string();
    assert!(gone.contains("the variable K is another ledger's key; give the ledger's own key"), "{gone}");
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.writer("a.db"));
    let key = place.path("a.db.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = open_writer(&(&place.path("a.db")).into()).err().unwrap().to_string();
    assert!(refused.contains(&format!("run `chmod 600 {}`", key.display())), "{refused}");
    assert!(refused.contains("can be read by other users (mode 0644)"), "{refused}");
}

#[test]
fn a_link_where_the_key_belongs_is_not_followed() {
    let place = Place::new();
    let (path, victim) = (place.path("a.db"), place.path("victim"));
    std::os::unix::fs::symlink(&victim, place.path("a.db.key")).unwrap();
    assert!(open_writer(&(&path).into()).is_err() || !victim.exists());
    assert!(!victim.exists(), "nothing was made where the link leads");
}

#[test]
fn a_foreign_file_is_left_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (text, other) = (place.path("text"), place.path("other.db"));
    fs::write(&text, "not a database, and long enough to be read as one".repeat(20)).unwrap();
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for path in [text, other] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(open_writer(&(&path).into()).is_err());
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 2, "nothing was made beside them");
}
