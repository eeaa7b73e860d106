//! Whether the ledger is well, and what waits to be published.

use rusqlite::OptionalExtension;

use super::Operator;
use crate::sqlite::books::Trouble;
use paceline_ports::LedgerError;

impl Operator {
    /// Begins to write and leaves everything as it is.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub fn probe(&mut self) -> Result<(), LedgerError> {
        self.tend(|books| {
            let found = books.conn().prepare_cached("SELECT 1 FROM meta LIMIT 1")?.query_row([], |_| Ok(())).optional();
            found.map(|_| ()).map_err(Trouble::from)
        })
    }
}
