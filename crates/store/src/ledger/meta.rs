//! Facts about the ledger as a whole, each a number under a name.

use crate::driver::{Conn, Result, values};

/// The fact of this name, if it is there.
pub(crate) fn get(conn: &Conn, name: &str) -> Result<Option<i64>> {
    conn.query_opt("SELECT value FROM meta WHERE name = $1", values![name], |row| row.get(0))
}

/// Writes it down, in place of what stood there.
pub(crate) fn set(conn: &Conn, name: &str, value: i64) -> Result<()> {
    conn.execute(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, value],
    )
    .map(drop)
}

/// Likewise, where it is more than what stood there: another process may have written more.
pub(crate) fn raise(conn: &Conn, name: &str, value: i64) -> Result<()> {
    conn.execute(
        "INSERT INTO meta (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value < excluded.value",
        values![name, value],
    )
    .map(drop)
}
