//! Apps and lanes that are suspended.

use crate::driver::{Conn, Result, values};
use crate::facts;
use paceline_domain::messages::Cure;
use paceline_domain::time::Timestamp;
use paceline_ports::{SuspendedBy, Suspension};

/// Records a suspension, replacing one of the same app, tenant and method.
pub(crate) fn add(conn: &Conn, suspension: &Suspension) -> Result<()> {
    let Suspension { app, tenant, method, since, until, code, log_id, by, .. } = suspension;
    let (detail, cure) = (facts::text(&suspension.detail), facts::text(&suspension.cure));
    conn.execute(
        "INSERT INTO suspensions (app, tenant, method, since, until, code, detail, cure, log_id, suspended_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (app, tenant, method) DO UPDATE SET since = excluded.since, until = excluded.until,
             code = excluded.code, detail = excluded.detail, cure = excluded.cure, log_id = excluded.log_id,
             suspended_by = excluded.suspended_by",
        values![app, tenant, method, since, until, code, detail, cure, log_id, by.as_str()],
    )
    .map(drop)
}

/// Ends the suspensions of the app, and of the tenant and method where they are named; says how many.
pub(crate) fn remove(conn: &Conn, app: &str, tenant: &str, method: &str) -> Result<usize> {
    conn.execute(
        "DELETE FROM suspensions WHERE app = $1 AND ($2 = '' OR tenant = $2) AND ($3 = '' OR method = $3)",
        values![app, tenant, method],
    )
}

/// Ends those whose time is over at `now`; says how many.
pub(crate) fn end(conn: &Conn, now: Timestamp) -> Result<usize> {
    conn.execute("DELETE FROM suspensions WHERE until <= $1", values![now])
}

/// All of them, by app, tenant and method.
pub(crate) fn read(conn: &Conn) -> Result<Vec<Suspension>> {
    let sql = "SELECT app, tenant, method, since, until, code, detail, cure, log_id, suspended_by FROM suspensions
         ORDER BY app, tenant, method";
    conn.query(sql, &[], |row| {
        Ok(Suspension {
            app: row.get(0)?,
            tenant: row.get(1)?,
            method: row.get(2)?,
            since: row.get(3)?,
            until: row.get(4)?,
            code: row.get(5)?,
            detail: facts::cause_of(row.get(6)?),
            cure: facts::cure_of(row.get(7)?).unwrap_or(Cure::FixCause),
            log_id: row.get(8)?,
            // A word of a later version: nobody resumes it but a person.
            by: SuspendedBy::of(&row.get::<String>(9)?).unwrap_or(SuspendedBy::Person),
        })
    })
}
