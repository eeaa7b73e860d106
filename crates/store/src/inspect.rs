//! Looks at a ledger from outside, as `paceline check` does: nothing is written, created or migrated.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::connect;
use crate::driver::{self, Conn};
use crate::ledger::books::Books;
use crate::ledger::{leases, seal, sharing};
use crate::sqlite::lock::Held;
use crate::sqlite::{file, lock};
use paceline_domain::messages::Holder;
use paceline_domain::time::Timestamp;
use paceline_ports::LedgerError;
use paceline_ports::clock::Clock;
use paceline_ports::location::Location;
use paceline_ports::operator::{Found, Inspection, ServerInspection};

/// Looks at the ledger at `path`.
///
/// # Errors
/// A sentence that says what is wrong with the file and what to do.
pub(crate) fn inspect(location: &Location) -> Result<Found, LedgerError> {
    if location.server.is_some() {
        return inspect_server(location);
    }
    let path = location.path.as_path();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return absent(location),
        Err(error) => return Err(LedgerError::Failed(format!("{} cannot be read: {error}", path.display()))),
    };
    if metadata.is_dir() {
        return Err(LedgerError::Failed(format!("{} is a folder; name a file in [store] url", path.display())));
    }
    // Opened for writing, and not written: the worker will have to.
    file::may_write(path)?;
    file::refuse_misplaced(path)?;
    let worker = held(path)?;
    let (conn, version) = file::open_untouched(location)?;
    if version == 0 {
        seal::refuse_leftover(location)?;
    }
    let is_current = file::is_current(version);
    let newest = if is_current { newest(&conn)? } else { None };
    let moved = worker.as_ref().filter(|worker| worker.inode.is_some_and(|inode| inode != metadata.ino()));
    let key = if is_current { seal::key_fault(&conn, location)? } else { None };
    let faults = [moved.map(|worker| is_elsewhere(path, worker)), key, damage(&conn, path)?];
    Ok(Found::Ledger(Inspection {
        mode: metadata.permissions().mode() & 0o777,
        worker: worker.map(|worker| worker.by),
        is_old: !is_current,
        newest,
        faults: faults.into_iter().flatten().collect(),
        server: None,
    }))
}

/// The tables are made if there are none: to look at nothing would say nothing of the rights to make them.
fn inspect_server(location: &Location) -> Result<Found, LedgerError> {
    let conn = Books::open(location, true)?.into_conn();
    sharing::refuse_skew(&conn, &Clock::system())?;
    let key = seal::key_fault(&conn, location)?;
    Ok(Found::Ledger(Inspection {
        mode: 0,
        worker: worker(location)?,
        is_old: false,
        newest: newest(&conn)?,
        faults: key.into_iter().collect(),
        server: Some(server(&conn)?),
    }))
}

fn server(conn: &Conn) -> driver::Result<ServerInspection> {
    let settings = "SELECT current_setting('server_version'), current_setting('synchronous_commit'),
             current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)";
    conn.query_one(settings, &[], |row| {
        let (version, commits, names): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(ServerInspection {
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            is_durable: commits != "off",
            standbys: row.get(3)?,
            is_on_standbys: !names.is_empty() && !matches!(commits.as_str(), "off" | "local"),
        })
    })
}

fn held(path: &Path) -> Result<Option<Held>, LedgerError> {
    lock::held(path)
        .map_err(|error| LedgerError::Failed(format!("the lock beside {} cannot be read: {error}", path.display())))
}

fn is_elsewhere(path: &Path, worker: &Held) -> String {
    format!(
        "{}, but not the file that is there now: {} was removed or replaced; stop that process, and restore the ledger from a backup",
        worker.by,
        path.display()
    )
}

/// What SQLite finds when it reads the whole file.
fn damage(conn: &Conn, path: &Path) -> driver::Result<Option<String>> {
    let found: String = conn.query_value("PRAGMA quick_check(1)", &[])?;
    Ok((found != "ok").then(|| file::damaged(path, found.lines().last().unwrap_or_default())))
}

/// Whether a worker works the ledger.
pub(crate) fn is_worked(location: &Location) -> bool {
    worker(location).is_ok_and(|worker| worker.is_some())
}

/// Who works the ledger, if anybody does.
pub(crate) fn worker(location: &Location) -> Result<Option<Holder>, LedgerError> {
    if location.server.is_none() {
        return Ok(held(&location.path)?.map(|held| held.by));
    }
    let lease = leases::current(&connect::reader(location)?)?;
    Ok(lease.map(|(owner, until)| Holder::HolderReplica { owner: owner.to_string(), until_at: until.to_string() }))
}

fn absent(location: &Location) -> Result<Found, LedgerError> {
    let path = location.path.as_path();
    if let Some(worker) = held(path)? {
        return Err(LedgerError::Failed(is_elsewhere(path, &worker)));
    }
    seal::refuse_leftover(location)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() && !metadata.permissions().readonly() => Ok(Found::Absent),
        Ok(_) => Err(LedgerError::Failed(format!(
            "there is no ledger at {}, and none can be made: {} is no folder that can be written to",
            path.display(),
            folder.display()
        ))),
        Err(error) => Err(LedgerError::Failed(format!(
            "there is no ledger at {}, and none can be made: {}: {error}",
            path.display(),
            folder.display()
        ))),
    }
}

/// By the indexes alone, however long the ledger is.
fn newest(conn: &Conn) -> driver::Result<Option<Timestamp>> {
    let sql = "SELECT max(at) FROM (
        SELECT max((SELECT max(a.sent_at) FROM attempts a WHERE a.lane = l.lane)) AS at FROM lanes l
        UNION ALL SELECT ended_at FROM attempts WHERE seq = (SELECT max(seq) FROM attempts)
        UNION ALL SELECT created_at FROM jobs WHERE seq = (SELECT max(seq) FROM jobs)
        UNION ALL SELECT at FROM rejected WHERE seq = (SELECT max(seq) FROM rejected)) AS newest";
    conn.query_value(sql, &[])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rusqlite::Connection;

    use super::*;
    use crate::contract::{T0, job};
    pub(crate) use crate::ledger::{Mode, SqlStore};
    use paceline_ports::{Arrival, Intake, Origin};

    /// Names and bytes of everything in a folder. The index of the log is one for the whole process, so that here, unlike
    /// between processes, a reader's marks in it are those of the ledger's own connection.
    fn all(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let bytes = |entry: &std::fs::DirEntry, name: &str| {
            if name.ends_with("-shm") { Vec::new() } else { std::fs::read(entry.path()).unwrap() }
        };
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry));
        named.map(|(name, entry)| (name.clone(), bytes(&entry, &name))).collect()
    }

    fn ledger(found: Found) -> Inspection {
        let Found::Ledger(inspection) = found else { panic!("expected a ledger") };
        inspection
    }

    fn failure(path: &Path) -> String {
        inspect(&path.into()).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn it_is_seen_and_left_as_it_is_while_worked_and_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        // Signs that mean something in a URI.
        let path = folder.path().join("a b%3F?#.db");
        assert_eq!(inspect(&(&path).into()).unwrap(), Found::Absent);
        assert!(all(folder.path()).is_empty(), "looking makes nothing");

        let worked = SqlStore::open(&path, Mode::Worker, T0).unwrap();
        let before = all(folder.path());
        let empty = ledger(inspect(&(&path).into()).unwrap());
        assert_eq!((empty.mode, empty.is_old, empty.newest), (0o600, false, None));
        assert!(empty.worker.unwrap().to_string().contains(&std::process::id().to_string()));
        assert_eq!(all(folder.path()), before);

        let arrival = Arrival { input: Ok(Box::new(job("a"))), origin: Origin::default() };
        worked.take_over(vec![arrival], T0).await.unwrap();
        let before = all(folder.path());
        assert_eq!(ledger(inspect(&(&path).into()).unwrap()).newest, Some(T0), "what stands in the log is seen");
        assert_eq!(all(folder.path()), before);

        worked.close().await;
        drop(worked);
        let before = all(folder.path());
        let left = ledger(inspect(&(&path).into()).unwrap());
        assert_eq!((left.worker, left.newest), (None, Some(T0)));
        assert_eq!(all(folder.path()), before);
    }

    #[test]
    fn what_is_no_ledger_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, "not a database, and long enough to be read as one".repeat(20)).unwrap();
        assert!(failure(&path).contains("is no SQLite database"), "{}", failure(&path));
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let before = all(folder.path());
        assert!(failure(&other).contains("another program's"), "{}", failure(&other));
        assert!(failure(folder.path()).contains("is a folder"));
        assert!(failure(&folder.path().join("nowhere/x.db")).contains("none can be made"));
        assert_eq!(all(folder.path()), before);
    }

    #[test]
    fn an_empty_file_becomes_a_ledger_at_the_first_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        std::fs::write(&path, "").unwrap();
        let inspection = ledger(inspect(&(&path).into()).unwrap());
        assert_eq!((inspection.is_old, inspection.newest), (true, None));
    }
}
