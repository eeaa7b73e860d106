//! A new key for the ledger.

use super::Operator;
pub use crate::sqlite::seal::Rekeyed;
use crate::sqlite::seal::rekey;
use paceline_domain::activity::{Action, Facts};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;

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
