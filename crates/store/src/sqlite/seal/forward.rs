//! Carries what was written under earlier keys, or before digests had any, forward to the latest key.
//!
//! In short transactions, beside a running worker or at its start. Rows say by which key they were written, so it may be
//! interrupted anywhere, and what is read meanwhile is right.

use rusqlite::{Connection, OptionalExtension, params};

use super::ring;
use crate::sqlite::books::{Books, Trouble};
use crate::sqlite::{file, meta};
use paceline_ports::LedgerError;

/// Rows in one transaction, so that a running worker never waits long.
const CHUNK: u32 = 500;

/// The tables with what is keyed in them.
const TABLES: [(&str, &str); 2] = [
    (
        "jobs",
        "UPDATE jobs SET hash = carried(hash), edited_hash = carried(edited_hash),
             params = resealed(params, 'jobs.params', id), raw = resealed(raw, 'jobs.raw', id)
         WHERE seq > ?1 AND seq <= ?2",
    ),
    (
        "rejected",
        "UPDATE rejected SET raw = resealed(raw, 'rejected.raw', CAST(seq AS TEXT)) WHERE seq > ?1 AND seq <= ?2",
    ),
];

/// Carries everything forward that is not yet; says how many rows there were.
pub(crate) fn carry_forward(books: &mut Books) -> Result<u64, LedgerError> {
    let state = |conn: &Connection| -> rusqlite::Result<(u32, u32)> {
        let reached = conn.query_row("SELECT value FROM meta WHERE name = 'keyed'", [], |row| row.get(0)).optional()?;
        Ok((reached.unwrap_or_default(), ring::latest(conn)?))
    };
    let (reached, latest) = state(books.conn()).map_err(|error| file::failed(&error))?;
    if reached == latest {
        return Ok(0);
    }
    // What is written over must not stay readable in the file.
    set(books.conn(), "secure_delete", "ON")?;
    let done = carry(books, latest);
    set(books.conn(), "secure_delete", "FAST")?;
    let rows = done?;
    if rows > 0 {
        clean(books.conn(), reached)?;
    }
    let note = |books: &mut Books| Ok(meta::set(books.conn(), "keyed", latest.into())?);
    books.transaction(note)?;
    Ok(rows)
}

fn carry(books: &mut Books, latest: u32) -> Result<u64, LedgerError> {
    let mut rows = 0;
    for (table, sql) in TABLES {
        let mut after = 0;
        while let Some((last, count)) = books.transaction(|books| carry_some(books, table, sql, after, latest))? {
            after = last;
            rows += count;
        }
    }
    Ok(rows)
}

/// The next rows after `after`: the last of them, and how many.
fn carry_some(books: &Books, table: &str, sql: &str, after: i64, latest: u32) -> Result<Option<(i64, u64)>, Trouble> {
    let conn = books.conn();
    if ring::latest(conn)? != latest {
        return Err(Trouble::Refused("the ledger got another key meanwhile; run it again".to_owned()));
    }
    let next = format!("SELECT max(seq) FROM (SELECT seq FROM {table} WHERE seq > ?1 ORDER BY seq LIMIT ?2)");
    let last: Option<i64> = conn.prepare_cached(&next)?.query_row(params![after, CHUNK], |row| row.get(0))?;
    let Some(last) = last else { return Ok(None) };
    let rows = conn.prepare_cached(sql)?.execute([after, last])?;
    Ok(Some((last, rows as u64)))
}

/// Takes the old text out of the log and, after the first time, out of the file's free places: until then nothing was
/// written over there.
fn clean(conn: &Connection, reached: u32) -> Result<(), LedgerError> {
    if reached == 0 {
        // A copy of the whole ledger does not belong into memory.
        set(conn, "temp_store", "FILE")?;
        conn.execute_batch("VACUUM").map_err(|error| file::failed(&error))?;
        set(conn, "temp_store", "MEMORY")?;
    }
    // A reader in another process may keep the log; it is written over by and by.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(|error| file::failed(&error))
}

fn set(conn: &Connection, pragma: &str, value: &str) -> Result<(), LedgerError> {
    conn.pragma_update(None, pragma, value).map_err(|error| file::failed(&error))
}
