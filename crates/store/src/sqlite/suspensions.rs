//! Apps and lanes that stand still.

use rusqlite::{named_params, params};

use super::books::{Books, Trouble};
use crate::driver::Conn;
use paceline_domain::time::Timestamp;
use paceline_ports::{SuspendedBy, Suspension};

/// Records a suspension, replacing one of the same app, tenant and method.
pub(crate) fn add(books: &Books, suspension: &Suspension) -> Result<(), Trouble> {
    books
        .conn()
        .prepare_cached(
            "INSERT OR REPLACE INTO suspensions (app, tenant, method, since, until, code, detail, cure, log_id, suspended_by)
             VALUES (:app, :tenant, :method, :since, :until, :code, :detail, :cure, :log_id, :by)",
        )?
        .execute(named_params! {
            ":app": suspension.app,
            ":tenant": suspension.tenant,
            ":method": suspension.method,
            ":since": suspension.since.0,
            ":until": suspension.until.map(|at| at.0),
            ":code": suspension.code,
            ":detail": suspension.detail,
            ":cure": suspension.cure,
            ":log_id": suspension.log_id,
            ":by": suspension.by.as_str(),
        })?;
    Ok(())
}

/// Ends the suspensions of the app, and of the tenant and method where they are named; says how many.
pub(crate) fn remove(books: &Books, app: &str, tenant: &str, method: &str) -> Result<usize, Trouble> {
    let removed = books
        .conn()
        .prepare_cached(
            "DELETE FROM suspensions WHERE app = ?1 AND (?2 = '' OR tenant = ?2) AND (?3 = '' OR method = ?3)",
        )?
        .execute(params![app, tenant, method])?;
    Ok(removed)
}

/// Ends those whose time is over at `now`; says how many.
pub(crate) fn end(books: &Books, now: Timestamp) -> Result<usize, Trouble> {
    Ok(books.conn().prepare_cached("DELETE FROM suspensions WHERE until <= ?1")?.execute([now.0])?)
}

/// All of them, by app, tenant and method.
pub(crate) fn read(conn: &Conn) -> rusqlite::Result<Vec<Suspension>> {
    conn.prepare_cached(
        "SELECT app, tenant, method, since, until, code, detail, cure, log_id, suspended_by FROM suspensions
         ORDER BY app, tenant, method",
    )?
    .query_map([], |row| {
        Ok(Suspension {
            app: row.get(0)?,
            tenant: row.get(1)?,
            method: row.get(2)?,
            since: Timestamp(row.get(3)?),
            until: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            code: row.get(5)?,
            detail: row.get(6)?,
            cure: row.get(7)?,
            log_id: row.get(8)?,
            // A word of a later version: nobody resumes it but a person.
            by: SuspendedBy::of(row.get_ref(9)?.as_str()?).unwrap_or(SuspendedBy::Person),
        })
    })?
    .collect()
}
