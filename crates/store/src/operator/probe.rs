//! Whether the ledger is well, and what waits to be published.

use super::Operator;
use paceline_ports::LedgerError;

impl Operator {
    /// Begins to write and leaves everything as it is.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub fn probe(&mut self) -> Result<(), LedgerError> {
        self.tend(|books| {
            books.conn().query_opt("SELECT 1 FROM meta LIMIT 1", &[], |_| Ok(()))?;
            Ok(())
        })
    }
}
