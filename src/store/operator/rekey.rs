//! A new key for the ledger.

use super::Operator;
use crate::engine::ports::LedgerError;
use crate::store::location::Location;
pub use crate::store::sqlite::seal::Rekeyed;
use crate::store::sqlite::seal::rekey;

impl Operator {
    /// Begins a new key and carries everything that is sealed forward to it, beside a running worker or without one.
    ///
    /// # Errors
    /// That the present key is not there, or that no new one is; else the ledger's.
    pub fn rekey(&mut self, location: &Location) -> Result<Rekeyed, LedgerError> {
        rekey(&mut self.books, location)
    }
}
