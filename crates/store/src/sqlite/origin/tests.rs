//! Backups copied over a file whose log was left behind, and everything that looks like it and is none.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::has_foreign_log;
use crate::driver::{Conn, values};
use crate::ledger::books::Books;
use paceline_ports::LedgerError;

/// A ledger whose last user was killed: nothing is tidied up at its end.
struct Killed {
    folder: tempfile::TempDir,
}

impl Killed {
    /// `cycles`: how often the log was begun anew; there are five transactions in each, and a copy after each.
    fn after(cycles: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let killed = Self { folder };
        let mut books = Books::open(&(&killed.ledger()).into(), false).unwrap();
        for cycle in 0..cycles {
            if cycle > 0 {
                checkpoint(&Connection::open(killed.ledger()).unwrap());
            }
            for step in 0..5 {
                change(&mut books, &format!("{cycle}-{step}"));
                killed.back_up(books.conn(), cycle, step);
            }
        }
        killed.leave(books);
        killed
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("l.db")
    }

    fn copy(&self, cycle: usize, step: usize) -> PathBuf {
        self.folder.path().join(format!("copy-{cycle}-{step}.db"))
    }

    fn back_up(&self, conn: &Conn, cycle: usize, step: usize) {
        conn.execute("VACUUM INTO $1", values![self.copy(cycle, step).to_str().unwrap()]).unwrap();
    }

    /// As after kill -9.
    fn leave(&self, books: Books) {
        let kept = ["", "-wal", "-shm"].map(|end| (end, fs::read(self.beside(end)).unwrap()));
        drop(books);
        for (end, bytes) in kept {
            fs::write(self.beside(end), bytes).unwrap();
        }
    }

    fn beside(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("l.db{end}"))
    }

    fn restore(&self, from: &Path) {
        fs::copy(from, self.ledger()).unwrap();
    }

    fn opens(&self) -> Result<i64, LedgerError> {
        let books = crate::open(&self.ledger())?;
        drop(books);
        let conn = Connection::open(self.ledger()).unwrap();
        Ok(conn.query_row("SELECT count(*) FROM batches", [], |row| row.get(0)).unwrap())
    }
}

fn change(books: &mut Books, name: &str) {
    let insert = |books: &mut Books| {
        books.conn().execute("INSERT INTO batches (name, created_at) VALUES ($1, 0)", values![name])?;
        Ok(())
    };
    books.transaction(insert).unwrap();
}

fn checkpoint(conn: &Connection) {
    let (busy, log, moved): (i64, i64, i64) = conn
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!((busy, log), (0, moved));
}

#[test]
fn a_backup_beside_the_log_of_its_ledger_is_refused() {
    for cycles in [1, 2, 3] {
        for cycle in 0..cycles {
            for step in 0..5 {
                let killed = Killed::after(cycles);
                killed.restore(&killed.copy(cycle, step));
                let refused = killed.opens().unwrap_err().to_string();
                let words = "l.db-wal is not the log of ";
                assert!(refused.contains(words), "cycle {cycle} of {cycles}, step {step}: {refused}");
                for end in ["-wal", "-shm"] {
                    fs::remove_file(killed.beside(end)).unwrap();
                }
                killed.restore(&killed.copy(cycle, step));
                assert_eq!(killed.opens().unwrap(), i64::try_from(5 * cycle + step + 1).unwrap());
            }
        }
    }
}

#[test]
fn another_ledger_beside_the_log_is_refused() {
    let (killed, other) = (Killed::after(2), Killed::after(1));
    drop(crate::open(&other.ledger()).unwrap());
    killed.restore(&other.ledger());
    assert!(has_foreign_log(&killed.ledger()));
}

#[test]
fn a_ledger_whose_user_was_killed_is_its_own_at_every_stage() {
    for cycles in [1, 2, 3] {
        assert_eq!(Killed::after(cycles).opens().unwrap(), i64::try_from(5 * cycles).unwrap());
    }
    // In the middle of moving the log: any of its pages may be in the file already.
    let killed = Killed::after(2);
    let before = fs::read(killed.ledger()).unwrap();
    let whole = {
        let conn = Connection::open(killed.ledger()).unwrap();
        checkpoint(&conn);
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        fs::read(killed.ledger()).unwrap()
    };
    for page in 0..=whole.len() / 4096 {
        let mut mixed = whole[..page * 4096].to_vec();
        mixed.extend_from_slice(before.get(page * 4096..).unwrap_or_default());
        fs::write(killed.ledger(), mixed).unwrap();
        assert!(!has_foreign_log(&killed.ledger()), "{page} pages moved");
    }
    fs::write(killed.ledger(), before).unwrap();
    assert_eq!(killed.opens().unwrap(), 10);
}

#[test]
fn changes_of_other_programs_have_no_stamp_and_do_no_harm() {
    let killed = Killed::after(2);
    for sql in ["ANALYZE", "CREATE INDEX theirs ON batches (created_at)", "VACUUM", "DROP INDEX theirs"] {
        let conn = Connection::open(killed.ledger()).unwrap();
        conn.execute_batch(sql).unwrap();
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        assert!(!has_foreign_log(&killed.ledger()), "{sql}");
        checkpoint(&conn);
        assert!(!has_foreign_log(&killed.ledger()), "{sql}, moved");
        let mut books = Books::open(&(&killed.ledger()).into(), false).unwrap();
        change(&mut books, sql);
        assert!(!has_foreign_log(&killed.ledger()), "after {sql}");
        killed.leave(books);
    }
}

#[test]
fn a_copy_of_the_whole_folder_is_a_ledger() {
    let killed = Killed::after(3);
    let elsewhere = tempfile::tempdir().unwrap();
    for end in ["-shm", "-wal", ""] {
        fs::copy(killed.beside(end), elsewhere.path().join(format!("l.db{end}"))).unwrap();
    }
    let moved = Killed { folder: elsewhere };
    assert_eq!(moved.opens().unwrap(), 15);
}
