//! The lock that lets one worker at a time work a ledger: pace is exact only if one process counts.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::file;
use paceline_domain::messages::Holder;
use paceline_domain::time::Timestamp;
use paceline_host::files::{self, Foreign};
use paceline_ports::LedgerError;

/// More than a process and an instant take.
const HOLDER_BYTES_MAX: u64 = 200;

/// Held by the worker; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct WorkerLock {
    file: File,
}

impl WorkerLock {
    /// Takes the lock of the ledger at `path`, or says who has it.
    pub(crate) fn acquire(path: &Path, now: Timestamp) -> Result<Self, LedgerError> {
        let lock_path = lock_path(path);
        let failed = |error: &std::io::Error| {
            if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Foreign>) {
                return LedgerError::Failed(format!("the ledger cannot be locked: {error}"));
            }
            LedgerError::Failed(format!(
                "cannot lock {}: {error}; check the permissions of its folder",
                lock_path.display()
            ))
        };
        let mut file = files::open_own(&lock_path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        if !is_own(&mut file).map_err(|error| failed(&error))? {
            let foreign = Foreign { path: lock_path.clone(), what: "holds something else than a lock" };
            return Err(failed(&std::io::Error::other(foreign)));
        }
        let holder = format!("{} {now}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(holder.as_bytes()))
            .map_err(|error| failed(&error))?;
        Ok(Self { file })
    }

    /// Writes down which file is worked, so that others see whether it still is the one at the ledger's path.
    pub(crate) fn note_file(&mut self, inode: u64) -> std::io::Result<()> {
        writeln!(self.file, "{inode}")
    }
}

impl Drop for WorkerLock {
    fn drop(&mut self) {
        // Closing it would leave the lock with a child process that is just being started. Ended, it goes all the same.
        let _ = self.file.unlock();
    }
}

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) by: Holder,
    /// Which file it has open, if it wrote that down.
    pub(crate) inode: Option<u64>,
}

/// Who works the ledger at `path`, if anybody does. Creates and writes nothing.
pub(crate) fn held(path: &Path) -> std::io::Result<Option<Held>> {
    let mut file = match File::open(lock_path(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Shared, so that two who look do not see each other, and let go of at once.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// `<ledger>.lock`, beside the file itself: a symbolic link to a ledger is the same ledger.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    file::beside(path, ".lock")
}

/// Whether nothing stands there, or what this program wrote: a process and an instant, and the file that it worked.
fn is_own(file: &mut File) -> std::io::Result<bool> {
    let mut text = Vec::new();
    file.take(HOLDER_BYTES_MAX).read_to_end(&mut text)?;
    let text = String::from_utf8(text).unwrap_or_else(|_| "no text".to_owned());
    let mut lines = text.lines();
    let is_holder = |line: &str| {
        let parts = line.split_once(' ');
        parts.is_some_and(|(pid, since)| pid.parse::<u32>().is_ok() && Timestamp::parse(since).is_ok())
    };
    let is_inode = |line: &str| line.parse::<u64>().is_ok();
    Ok(lines.next().is_none_or(is_holder) && lines.next().is_none_or(is_inode) && lines.next().is_none())
}

fn read(file: &mut File) -> Held {
    let mut text = String::new();
    // Only to be told: a holder that cannot be read is named as unknown.
    let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    let mut lines = text.lines();
    let process = lines.next().and_then(|line| line.split_once(' '));
    let process = process.and_then(|(id, since)| Some((id.parse().ok()?, since.to_owned())));
    let by = process.map_or(Holder::HolderUnknown, |(process, since_at)| Holder::HolderProcess { process, since_at });
    Held { by, inode: lines.next().and_then(|line| line.parse().ok()) }
}

fn locked(path: &Path, file: &mut File) -> LedgerError {
    let who = read(file).by;
    LedgerError::Locked(format!(
        "the ledger {} is in use: {who}; one worker at a time can keep the pace, so stop that one first, or name another file in [store] url",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_worker_is_told_who_is_first_and_gets_in_when_it_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mut first = WorkerLock::acquire(&path, Timestamp(0)).unwrap();
        let LedgerError::Locked(why) = WorkerLock::acquire(&path, Timestamp(1)).unwrap_err() else {
            panic!("expected Locked")
        };
        assert!(why.contains(&format!("process {} has worked it since 1970-01-01T00:00:00.000Z", std::process::id())));
        assert!(why.contains("stop that one first"));
        let by = Holder::HolderProcess { process: std::process::id(), since_at: "1970-01-01T00:00:00.000Z".into() };
        let seen = held(&path).unwrap().unwrap();
        assert_eq!(seen, Held { by, inode: None });
        first.note_file(74).unwrap();
        assert_eq!(held(&path).unwrap(), Some(Held { inode: Some(74), ..seen }));
        drop(first);
        assert_eq!(held(&path).unwrap(), None);
        WorkerLock::acquire(&path, Timestamp(2)).unwrap();
    }

    #[test]
    fn what_is_no_lock_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, lock) = (folder.path().join("ledger.db"), folder.path().join("ledger.db.lock"));
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "theirs").unwrap();
        let refusal = || WorkerLock::acquire(&path, Timestamp(0)).unwrap_err().to_string();
        std::os::unix::fs::symlink(&victim, &lock).unwrap();
        assert!(refusal().contains("ledger.db.lock is a link; look where it comes from"), "{}", refusal());
        std::fs::remove_file(&lock).unwrap();
        std::fs::hard_link(&victim, &lock).unwrap();
        assert!(refusal().contains("is also another file's name"), "{}", refusal());
        std::fs::remove_file(&lock).unwrap();
        std::fs::write(&lock, "somebody's notes\n").unwrap();
        assert!(refusal().contains("holds something else than a lock"), "{}", refusal());
        assert_eq!(std::fs::read(&lock).unwrap(), b"somebody's notes\n");
        assert_eq!(std::fs::read(&victim).unwrap(), b"theirs");
    }

    #[test]
    fn looking_for_the_holder_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(held(&folder.path().join("ledger.db")).unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_to_the_ledger_is_the_same_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("ledger.db"), folder.path().join("link.db"));
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let _first = WorkerLock::acquire(&path, Timestamp(0)).unwrap();
        assert!(matches!(WorkerLock::acquire(&link, Timestamp(1)), Err(LedgerError::Locked(_))));
    }
}
