//! Carries what was written under earlier keys, or before digests had any, forward to the latest key.
//!
//! In short transactions, beside a running worker or at its start. Rows say by which key they were written, so it may be
//! interrupted anywhere, and what is read meanwhile is right.

use super::{Place, ring};
use crate::driver::{self, Conn, Row, values};
use crate::ledger::books::{Books, Trouble};
use crate::ledger::meta;
use paceline_ports::LedgerError;

/// Rows in one transaction, so that a running worker never waits long.
const CHUNK: u32 = 500;

/// What is keyed, a table each.
#[derive(Clone, Copy)]
enum Table {
    Jobs,
    Rejected,
}

impl Table {
    /// The next rows after a number, in their order.
    const fn sql(self) -> &'static str {
        match self {
            Self::Jobs => {
                "SELECT seq, id, hash, edited_hash, params, raw FROM jobs WHERE seq > $1 ORDER BY seq LIMIT $2"
            }
            Self::Rejected => "SELECT seq, raw FROM rejected WHERE seq > $1 ORDER BY seq LIMIT $2",
        }
    }
}

/// Carries everything forward that is not yet; says how many rows there were.
pub(crate) fn carry_forward(books: &mut Books) -> Result<u64, LedgerError> {
    let (reached, latest) = (meta::get(books.conn(), "keyed")?.unwrap_or_default(), ring::latest(books.conn())?);
    if reached == i64::from(latest) {
        return Ok(0);
    }
    // What is written over must not stay readable in the file.
    books.conn().wipe_at_once(true)?;
    let done = carry(books, latest);
    books.conn().wipe_at_once(false)?;
    let rows = done?;
    if rows > 0 {
        // Before the first time nothing was wiped.
        books.conn().clean(reached == 0)?;
    }
    let note = |books: &mut Books| Ok(meta::set(books.conn(), "keyed", latest.into())?);
    books.transaction(note)?;
    Ok(rows)
}

fn carry(books: &mut Books, latest: u32) -> Result<u64, LedgerError> {
    let mut rows = 0;
    for table in [Table::Jobs, Table::Rejected] {
        let mut after = 0;
        while let Some((last, count)) = books.transaction(|books| carry_some(books, table, after, latest))? {
            after = last;
            rows += count;
        }
    }
    Ok(rows)
}

/// The next rows after `after`: the last of them, and how many.
fn carry_some(books: &Books, table: Table, after: i64, latest: u32) -> Result<Option<(i64, u64)>, Trouble> {
    let conn = books.conn();
    if ring::latest(conn)? != latest {
        return Err(Trouble::Refused("the ledger got another key meanwhile; run it again".to_owned()));
    }
    let (mut last, mut rows) = (None, 0);
    conn.query_each(table.sql(), values![after, CHUNK], |row| {
        match table {
            Table::Jobs => carry_job(conn, row)?,
            Table::Rejected => carry_rejected(conn, row)?,
        }
        (last, rows) = (Some(row.get(0)?), rows + 1);
        Ok(())
    })?;
    Ok(last.map(|last| (last, rows)))
}

fn carry_job(conn: &Conn, row: &Row<'_>) -> driver::Result<()> {
    let (seal, seq, id) = (conn.seal(), row.get::<i64>(0)?, row.get::<String>(1)?);
    let (hash, edited): (Vec<u8>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
    let edited = edited.map(|hash| seal.carried(&hash)).transpose()?;
    let params = seal.resealed_text(row.get(4)?, Place::job_params(&id))?;
    let raw: Option<Vec<u8>> = row.get(5)?;
    let raw = raw.map(|raw| seal.resealed_bytes(raw, Place::job_raw(&id))).transpose()?;
    conn.execute(
        "UPDATE jobs SET hash = $2, edited_hash = $3, params = $4, raw = $5 WHERE seq = $1",
        values![seq, seal.carried(&hash)?, edited, params, raw],
    )
    .map(drop)
}

fn carry_rejected(conn: &Conn, row: &Row<'_>) -> driver::Result<()> {
    let seq: i64 = row.get(0)?;
    let raw = conn.seal().resealed_bytes(row.get(1)?, Place::rejected_raw(&seq.to_string()))?;
    conn.send("UPDATE rejected SET raw = $2 WHERE seq = $1", values![seq, raw])
}
