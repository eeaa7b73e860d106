//! At which speed a rehearsal worked: its calls can be judged only by windows that were as much shorter.

use rusqlite::{Connection, OptionalExtension as _};

use super::books::{Books, Trouble};

/// The table of facts holds integers.
const PER_SPEED: f64 = 1_000.0;

/// Makes this the ledger of a rehearsal at `speed`.
pub(super) fn set(books: &Books, speed: f64) -> Result<(), Trouble> {
    books
        .conn()
        .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('rehearsal_speed', ?1)")?
        .execute([(speed * PER_SPEED).round() as i64])?;
    Ok(())
}

/// The speed; `None` for a ledger of real calls.
pub(crate) fn speed(conn: &Connection) -> rusqlite::Result<Option<f64>> {
    let value: Option<i64> = conn
        .prepare_cached("SELECT value FROM meta WHERE name = 'rehearsal_speed'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(value.map(|value| value as f64 / PER_SPEED))
}
