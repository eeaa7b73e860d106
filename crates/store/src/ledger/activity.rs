//! What people changed: written in the transaction that changes it, and only ever added to.
//!
//! Decision: docs/decisions/0040-a-change-and-its-line-are-one-transaction.md

use super::books::{Books, Trouble};
use super::meta;
use crate::driver::values;
use paceline_domain::activity::Deed;
use paceline_domain::json;
use paceline_domain::time::Timestamp;

/// Rows that one step of a clean-up forgets.
const PIECE: i64 = 500;

/// Tells of a change to `count` things; of none, there is nothing to tell.
pub(crate) fn record(books: &Books, deed: &Deed, count: usize, now: Timestamp) -> Result<(), Trouble> {
    if count == 0 {
        return Ok(());
    }
    let facts = json::text(&deed.facts.0);
    let (by, action) = (&deed.by, deed.action.as_str());
    books.conn().send(
        "INSERT INTO activity (change, at, via, actor, uid, action, count, facts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        values![by.change, now, by.via.as_str(), by.name, by.uid, action, count, facts],
    )?;
    Ok(())
}

/// Forgets a piece of what is older; says how many rows went.
pub(crate) fn forget(books: &Books, before: Timestamp) -> Result<usize, Trouble> {
    let conn = books.conn();
    let is_any: bool = conn.query_value("SELECT EXISTS (SELECT 1 FROM activity WHERE at < $1)", values![before])?;
    if !is_any {
        return Ok(0);
    }
    meta::set(conn, "activity_before", before.0)?;
    let old = "DELETE FROM activity WHERE seq IN (SELECT seq FROM activity WHERE at < $1 LIMIT $2)";
    Ok(conn.execute(old, values![before, PIECE])?)
}
