//! What people changed: written in the transaction that changes it, and only ever added to.
//!
//! Decision: docs/decisions/0040-a-change-and-its-line-are-one-transaction.md

use rusqlite::params;

use super::books::{Books, Trouble};
use paceline_domain::activity::Deed;
use paceline_domain::time::Timestamp;

/// Rows that one step of a clean-up forgets.
const PIECE: i64 = 500;

/// Tells of a change to `count` things; of none, there is nothing to tell.
pub(crate) fn record(books: &Books, deed: &Deed, count: usize, now: Timestamp) -> Result<(), Trouble> {
    if count == 0 {
        return Ok(());
    }
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let facts = serde_json::to_string(&deed.facts.0).unwrap_or_default();
    books
        .conn()
        .prepare_cached(
            "INSERT INTO activity (change, at, via, actor, uid, action, count, facts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            deed.by.change,
            now.0,
            deed.by.via.as_str(),
            deed.by.name,
            deed.by.uid,
            deed.action.as_str(),
            count,
            facts
        ])?;
    Ok(())
}

/// Forgets a piece of what is older; says how many rows went.
pub(crate) fn forget(books: &Books, before: Timestamp) -> Result<usize, Trouble> {
    let conn = books.conn();
    let old = "SELECT EXISTS (SELECT 1 FROM activity WHERE at < ?1)";
    if !conn.prepare_cached(old)?.query_row([before.0], |row| row.get::<_, bool>(0))? {
        return Ok(0);
    }
    conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('activity_before', ?1)")?
        .execute([before.0])?;
    let gone = conn
        .prepare_cached(
            "DELETE FROM activity WHERE seq IN (SELECT seq FROM activity INDEXED BY activity_by_time WHERE at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.0, PIECE])?;
    Ok(gone)
}
