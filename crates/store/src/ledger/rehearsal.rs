//! At which speed a rehearsal worked: its calls can be judged only by windows that were as much shorter.

use super::meta;
use crate::driver::{Conn, Result};

const NAME: &str = "rehearsal_speed";

/// The table of facts holds integers.
const PER_SPEED: f64 = 1_000.0;

/// Makes this the ledger of a rehearsal at `speed`.
pub(super) fn set(conn: &Conn, speed: f64) -> Result<()> {
    meta::set(conn, NAME, (speed * PER_SPEED).round() as i64)
}

/// The speed; `None` for a ledger of real calls.
pub(crate) fn speed(conn: &Conn) -> Result<Option<f64>> {
    Ok(meta::get(conn, NAME)?.map(|value| value as f64 / PER_SPEED))
}
