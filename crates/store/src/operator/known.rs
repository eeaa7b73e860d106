//! The jobs that rows of files may belong to, read from a ledger that is left as it is.

use std::sync::Arc;

use super::outlook::UntouchedFile;
use crate::driver::{Value, values};
use paceline_domain::catalog::Catalog;
use paceline_domain::rows::{Known, Numbered};
use paceline_ports::LedgerError;
use paceline_ports::location::Location;
use paceline_ports::operator::Untouched as _;

/// A ledger, opened when something is asked for the first time.
pub(crate) struct KnownJobs {
    location: Location,
    catalog: Arc<Catalog>,
    ledger: Option<UntouchedFile>,
}

impl KnownJobs {
    /// Of this ledger, if there is one.
    pub(crate) const fn new(location: Location, catalog: Arc<Catalog>) -> Self {
        Self { location, catalog, ledger: None }
    }

    fn read<T: Default>(&mut self, read: impl FnOnce(&UntouchedFile) -> Result<T, LedgerError>) -> Result<T, String> {
        let read_it = || {
            if self.ledger.is_none() {
                self.ledger = UntouchedFile::open(&self.location)?;
            }
            self.ledger.as_ref().map_or_else(|| Ok(T::default()), read)
        };
        read_it().map_err(|error: LedgerError| error.to_string())
    }
}

impl Known for KnownJobs {
    fn numbered(&mut self, batch: &str) -> Result<Vec<Numbered>, String> {
        let catalog = Arc::clone(&self.catalog);
        self.read(|ledger| ledger.numbered(batch, &catalog))
    }

    fn digest(&mut self, content: [u8; 32]) -> Vec<u8> {
        self.ledger.as_ref().map_or_else(|| content.to_vec(), |ledger| ledger.conn.seal().digest(&content))
    }

    fn has(&mut self, id: &str) -> Result<bool, String> {
        self.read(|ledger| ledger.knows(id))
    }

    fn of_key(&mut self, method: &str, key: &str) -> Result<Vec<String>, String> {
        const SQL: &str = "SELECT j.id FROM jobs j JOIN lanes l USING (lane) WHERE j.key = $1 AND l.method = $2";
        self.read(|ledger| ids(ledger, SQL, values![key, method]))
    }

    fn ids(&mut self, batch: &str) -> Result<Vec<String>, String> {
        const SQL: &str = "SELECT j.id FROM jobs j JOIN batches b USING (batch) WHERE b.name = $1";
        self.read(|ledger| ids(ledger, SQL, values![batch]))
    }
}

fn ids(ledger: &UntouchedFile, sql: &str, values: &[Value<'_>]) -> Result<Vec<String>, LedgerError> {
    Ok(ledger.conn.query(sql, values, |row| row.get(0))?)
}
