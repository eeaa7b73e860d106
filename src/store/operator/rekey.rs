//! A new key for the ledger.

use super::Operator;
use crate::domain::activity::{Action, Facts};
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
        let deed = self.deed(Action::Rekey, Facts::default());
        rekey(&mut self.books, location, (&deed, self.clock.now()))
    }
}
