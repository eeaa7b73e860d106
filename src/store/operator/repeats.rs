//! Which rows of files repeat what the ledger holds already: by their ids, or by what they want.

use std::collections::HashMap;

use rusqlite::params;

use super::outlook::Untouched;
use crate::domain::job::{Identity, LaneKey};
use crate::engine::ports::LedgerError;
use crate::store::sqlite::file;
use crate::store::state::State;

/// How a job of the ledger comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same id and the same content.
    Same,
    /// The same id for other content.
    IdConflict,
    /// The same content under another id.
    Twin,
}

/// A row that repeats a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The row's number.
    pub row: usize,
    /// How.
    pub likeness: Likeness,
    /// The job's id.
    pub id: String,
    /// Its batch, empty if none.
    pub batch: String,
    /// Its state in the ledger.
    pub state: State,
}

/// Rows by their ids and by what they want.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Row numbers by id.
    pub ids: HashMap<Box<str>, usize>,
    /// Row numbers by content; see [`Job::content_hash`](crate::domain::job::Job::content_hash).
    pub contents: HashMap<[u8; 32], usize>,
    /// The content of each row.
    pub of_row: Vec<[u8; 32]>,
}

impl Untouched {
    /// Whether a job has this id.
    ///
    /// # Errors
    /// The ledger's.
    pub fn knows(&self, id: &str) -> Result<bool, LedgerError> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)";
        let read = || self.conn.prepare_cached(SQL)?.query_row([id], |row| row.get(0));
        read().map_err(|error| file::failed(&error))
    }

    /// How many jobs of a lane and identity have their object, or may get it.
    ///
    /// # Errors
    /// The ledger's.
    pub fn objects(&self, lane: &LaneKey, identity: &Identity) -> Result<u64, LedgerError> {
        const SQL: &str = "SELECT count(*) FROM jobs JOIN lanes USING (lane)
            WHERE app = ?1 AND tenant = ?2 AND method = ?3 AND identity IS ?4 AND state NOT IN (?5, ?6)";
        let identity = (*identity != Identity::Tenant).then(|| identity.to_string());
        let gone = [State::Dead, State::Cancelled].map(State::number);
        let values = params![lane.app, lane.tenant, lane.method, identity, gone[0], gone[1]];
        let read = || self.conn.query_row(SQL, values, |row| row.get::<_, i64>(0));
        read().map(i64::unsigned_abs).map_err(|error| file::failed(&error))
    }

    /// Calls `found` for every job that one of the rows repeats, in the order of take-over. One pass over all jobs.
    ///
    /// # Errors
    /// The ledger's.
    pub fn repeats(&self, wanted: &Wanted, mut found: impl FnMut(Repeat)) -> Result<(), LedgerError> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.conn.prepare(
                "SELECT j.id, j.hash, j.state, coalesce(b.name, '') FROM jobs j LEFT JOIN batches b USING (batch)
                 ORDER BY j.seq",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id = row.get_ref(0)?.as_str()?;
                let hash = row.get_ref(1)?.as_blob()?;
                let by_id = wanted.ids.get(id).map(|&at| {
                    let is_same = wanted.of_row.get(at).is_some_and(|content| content[..] == *hash);
                    (at, if is_same { Likeness::Same } else { Likeness::IdConflict })
                });
                let by_content = || Some((*wanted.contents.get(hash)?, Likeness::Twin));
                let Some((at, likeness)) = by_id.or_else(by_content) else { continue };
                let state = State::of_number(row.get(2)?).unwrap_or(State::Queued);
                // What was never carried out has no twin.
                if likeness == Likeness::Twin && matches!(state, State::Dead | State::Cancelled) {
                    continue;
                }
                let (id, batch) = (id.to_owned(), row.get(3)?);
                found(Repeat { row: at, likeness, id, batch, state });
            }
            Ok(())
        };
        read().map_err(|error| file::failed(&error))
    }
}
