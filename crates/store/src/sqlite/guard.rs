//! Whether the files of an open ledger are still the ones that were opened.
//!
//! SQLite goes on in a file that was removed or replaced under it: what it writes there is gone with the process. So
//! before every commit the paths are asked which files they lead to. That costs some microseconds beside a commit's
//! milliseconds, and nothing is answered that only a lost file holds. The files are asked by path alone: opening and
//! closing one of them would end this process's locks on it.
//!
//! Decision: docs/decisions/0031-the-ledger-is-the-file-that-was-opened.md

use std::fmt;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{file, names, origin};
use crate::ledger::seal::{self, Seal};
use paceline_ports::location::Location;

/// What has become of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    path: PathBuf,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Removed,
    Replaced,
    Linked,
    Truncated,
    Overwritten,
    LogRemoved,
    LogReplaced,
    LogTruncated,
    LockRemoved,
    KeyRemoved,
    KeyReplaced,
}

impl Loss {
    /// Whether the log at the path may be somebody else's: then it must not be tidied away at the end.
    pub(crate) fn is_of_log(&self) -> bool {
        matches!(self.how, How::LogReplaced | How::LogTruncated)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.how {
            How::Removed => write!(
                out,
                "{path} was removed or moved while in use: put it back with the files beside it, or restore the ledger from a backup"
            ),
            How::Truncated => write!(out, "{path} was truncated while in use: restore the ledger from a backup"),
            How::Replaced | How::Overwritten => write!(
                out,
                "{path} was replaced while in use: if this is a backup, restore it once more while nothing runs"
            ),
            How::Linked => out.write_str(&names::linked(&self.path)),
            How::LogRemoved | How::LogReplaced | How::LogTruncated => {
                let what = if self.how == How::LogRemoved { "removed" } else { "replaced or truncated" };
                write!(
                    out,
                    "{path} was {what} while in use: if `paceline check --offline` finds a fault, restore the ledger from a backup"
                )
            }
            How::LockRemoved => write!(
                out,
                "{path} was removed while in use, so a second worker could start: make sure that there is none, and start again"
            ),
            How::KeyRemoved => write!(out, "{path} was removed while in use: {}", seal::restore_file(&self.path)),
            How::KeyReplaced => {
                write!(out, "{path} is no longer this ledger's key: {}", seal::restore_file(&self.path))
            }
        }
    }
}

/// Which file, on which filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A file's length, and when it was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    bytes: u64,
    written: (i64, i64),
}

impl Extent {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), written: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// A path, and the file that it led to.
struct Kept {
    path: PathBuf,
    identity: Identity,
    removed: How,
    replaced: How,
}

impl Kept {
    fn of(path: PathBuf, removed: How, replaced: How) -> io::Result<Self> {
        let identity = Identity::of(&path.metadata()?);
        Ok(Self { path, identity, removed, replaced })
    }

    fn look(&self) -> Result<Metadata, Loss> {
        let lost = |how| Loss { path: self.path.clone(), how };
        match self.path.metadata() {
            Ok(metadata) if Identity::of(&metadata) == self.identity => Ok(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(lost(self.removed)),
            // What cannot be looked at is no file that this process could open again.
            Ok(_) | Err(_) => Err(lost(self.replaced)),
        }
    }
}

struct KeptKey {
    path: PathBuf,
    /// The ledger's keys, which another process may exchange.
    seal: Seal,
    extent: Extent,
}

/// The files of an open ledger.
pub(crate) struct Guard {
    file: Kept,
    log: Kept,
    others: Vec<Kept>,
    key: Option<KeptKey>,
    extent: Extent,
    log_bytes: u64,
}

impl Guard {
    /// Those of a ledger that this process has open.
    pub(crate) fn of(location: &Location, seal: &Seal) -> io::Result<Self> {
        let ledger = location.path.as_path();
        // The path as it was given: where a symbolic link in it leads elsewhere, it leads to another file.
        let file = Kept::of(ledger.to_owned(), How::Removed, How::Replaced)?;
        let log = Kept::of(file::beside(ledger, "-wal"), How::LogRemoved, How::LogReplaced)?;
        let index = Kept::of(file::beside(ledger, "-shm"), How::LogRemoved, How::LogReplaced)?;
        let (extent, log_bytes) = (Extent::of(&ledger.metadata()?), log.path.metadata()?.len());
        let key = location.key_file().filter(|_| seal.is_whole()).and_then(|path| {
            let extent = Extent::of(&path.metadata().ok()?);
            Some(KeptKey { path, seal: seal.clone(), extent })
        });
        Ok(Self { file, log, others: vec![index], key, extent, log_bytes })
    }

    /// Also the worker's lock.
    pub(crate) fn keep_lock(&mut self, lock: PathBuf) -> io::Result<()> {
        self.others.push(Kept::of(lock, How::LockRemoved, How::LockRemoved)?);
        Ok(())
    }

    /// Which file the ledger is.
    pub(crate) fn inode(&self) -> u64 {
        self.file.identity.inode
    }

    /// Whether the paths lead to the same files; asked right before a commit.
    pub(crate) fn look(&mut self) -> Result<(), Loss> {
        if self.file.look()?.nlink() > 1 {
            return Err(self.lost(How::Linked));
        }
        self.log.look()?;
        for other in &self.others {
            other.look()?;
        }
        self.look_at_key()
    }

    /// Whether the files are as whole as they were; asked before a transaction begins, because its own pages are in no
    /// file yet.
    pub(crate) fn look_inside(&mut self, conn: &Connection) -> Result<(), Loss> {
        let (extent, log_bytes) = (Extent::of(&self.file.look()?), self.log.look()?.len());
        if extent.bytes < self.extent.bytes && is_short(conn, extent.bytes) {
            return Err(self.lost(How::Truncated));
        }
        // It is written only when the log moves into it, once in some thousand pages.
        if extent != self.extent && origin::has_foreign_log(&self.file.path) {
            return Err(self.lost(How::Overwritten));
        }
        if log_bytes < self.log_bytes && is_log_short(conn, &self.log.path) {
            return Err(Loss { path: self.log.path.clone(), how: How::LogTruncated });
        }
        (self.extent, self.log_bytes) = (extent, log_bytes);
        Ok(())
    }

    fn look_at_key(&mut self) -> Result<(), Loss> {
        let Some(key) = &mut self.key else { return Ok(()) };
        let lost = |how| Loss { path: key.path.clone(), how };
        let extent = key.path.metadata().map(|metadata| Extent::of(&metadata)).map_err(|_| lost(How::KeyRemoved))?;
        if extent != key.extent {
            // The same key written once more is the same key; and one that the ledger was given meanwhile is its own.
            if !key.seal.is_kept() {
                return Err(lost(How::KeyReplaced));
            }
            key.extent = extent;
        }
        Ok(())
    }

    fn lost(&self, how: How) -> Loss {
        Loss { path: self.file.path.clone(), how }
    }
}

/// Whether the file lacks pages. `VACUUM` in another program makes it shorter, and then it has all that it counts.
fn is_short(conn: &Connection, bytes: u64) -> bool {
    let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (Ok(count), Ok(size)) = (number("page_count"), number("page_size")) else { return false };
    u64::try_from(count * size).is_ok_and(|wanted| bytes < wanted)
}

/// Whether the log lacks frames. Another program's checkpoint can empty it, and then no frame of it counts.
fn is_log_short(conn: &Connection, path: &Path) -> bool {
    let is_short = || {
        let frames: i64 = conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).ok()?;
        let page_bytes: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0)).ok()?;
        let frame_bytes = u64::try_from(page_bytes).ok()? + origin::FRAME_HEADER_BYTES;
        let wanted = u64::try_from(frames).ok()?.checked_mul(frame_bytes)?;
        Some(path.metadata().ok()?.len() < wanted)
    };
    // Twice, because it may be emptied between the count and the look.
    is_short() == Some(true) && is_short() == Some(true)
}

#[cfg(test)]
mod tests;
