//! What a selection of jobs has created.

use super::batches::number;
use super::{Operator, Selection, limit_of};
use crate::domain::job::{Identity, LaneKey};
use crate::domain::undo::Created;
use crate::engine::ports::LedgerError;
use crate::store::state::State;

/// Jobs of a lane that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The lane.
    pub lane: LaneKey,
    /// How they stand.
    pub state: State,
    /// Whether it is known what they created.
    pub has_key: bool,
    /// How many.
    pub count: u64,
}

impl Operator {
    /// How the selected jobs stand, and whether the ledger knows what they created.
    pub fn made(&self, selection: &Selection) -> Result<Vec<Made>, LedgerError> {
        let sought = selection.jobs();
        let sql = format!(
            "SELECT l.app, l.tenant, l.method, j.state, j.key IS NOT NULL, count(*) {} GROUP BY 1, 2, 3, 4, 5",
            sought.jobs_where()
        );
        self.read(|conn| {
            sought.read(conn, &sql, |row| {
                let state: i64 = row.get(3)?;
                Ok(Made {
                    lane: LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? },
                    state: State::of_number(state).ok_or(rusqlite::Error::IntegralValueOutOfRange(3, state))?,
                    has_key: row.get(4)?,
                    count: number(row, 5)?,
                })
            })
        })
    }

    /// What the selected jobs have created and what is still there as far as the ledger knows, after the job's number
    /// `after`, in order, at most `limit`.
    pub fn created(&self, selection: &Selection, after: i64, limit: usize) -> Result<Vec<Created>, LedgerError> {
        let sought = selection.in_state(State::Succeeded).jobs();
        let sought = sought.and("j.key IS NOT NULL").and_with("j.seq > :after", ":after", after);
        let sql = format!(
            "SELECT j.seq, j.id, l.app, l.tenant, l.method, j.identity, j.key {} ORDER BY j.seq LIMIT {}",
            sought.jobs_where(),
            limit_of(limit)
        );
        self.read(|conn| {
            sought.read(conn, &sql, |row| {
                let identity: Option<String> = row.get(5)?;
                Ok(Created {
                    seq: row.get(0)?,
                    id: row.get(1)?,
                    lane: LaneKey { app: row.get(2)?, tenant: row.get(3)?, method: row.get(4)? },
                    identity: identity.and_then(|text| Identity::parse(&text).ok()).unwrap_or_default(),
                    key: row.get(6)?,
                })
            })
        })
    }

    /// How many deletions of the batch found nothing to delete.
    pub fn gone_before(&self, batch: &str) -> Result<u64, LedgerError> {
        self.read(|conn| {
            conn.prepare_cached(
                "SELECT count(*) FROM jobs j JOIN batches b ON b.batch = j.batch
                 WHERE b.name = ?1 AND j.state = 5 AND json_extract(j.result, '$.gone') IS NOT NULL",
            )?
            .query_row([batch], |row| number(row, 0))
        })
    }
}
