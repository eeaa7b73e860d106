//! What a selection of jobs has created.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row};

use super::batches::number;
use super::piles::{self, Page};
use super::{Operator, Selection};
use crate::sqlite::job_row::params_of;
use crate::state::State;
use paceline_domain::job::{Identity, LaneKey};
use paceline_domain::undo::Created;
use paceline_ports::LedgerError;

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

const ALIKE: &str = "SELECT l.app, l.tenant, l.method, j.state, j.key IS NOT NULL FROM jobs j JOIN lanes l USING (lane)
     WHERE j.seq = ?1";
const CREATED: &str = "SELECT j.seq, j.id, l.app, l.tenant, l.method, j.identity, j.key,
     CASE WHEN j.params LIKE 'sealed:%' THEN '{}' ELSE j.params END FROM jobs j JOIN lanes l USING (lane) WHERE j.seq = ?1 AND j.key IS NOT NULL";

impl Operator {
    /// How the selected jobs stand, and whether the ledger knows what they created.
    pub fn made(&self, selection: &Selection) -> Result<Vec<Made>, LedgerError> {
        self.read_at_once(|conn| {
            let mut made: BTreeMap<(LaneKey, i64, bool), u64> = BTreeMap::new();
            for seq in piles::jobs(conn, selection, 0, usize::MAX)?.lines {
                let alike = conn.prepare_cached(ALIKE)?.query_row([seq], |row| {
                    let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
                    Ok((lane, row.get(3)?, row.get(4)?))
                })?;
                *made.entry(alike).or_default() += 1;
            }
            let line = |((lane, state, has_key), count)| {
                let state = State::of_number(state).ok_or(rusqlite::Error::IntegralValueOutOfRange(3, state))?;
                Ok(Made { lane, state, has_key, count })
            };
            made.into_iter().map(line).collect()
        })
    }

    /// A page of what the selected jobs have created and is still there as far as the ledger knows.
    pub fn created(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<Created>, LedgerError> {
        let succeeded = selection.in_state(State::Succeeded);
        self.read_at_once(|conn| {
            let Page { lines: seqs, next } = piles::jobs(conn, &succeeded, after, limit)?;
            let mut read = conn.prepare_cached(CREATED)?;
            let mut lines = Vec::new();
            for seq in seqs {
                lines.extend(read.query_row([seq], created).optional()?);
            }
            Ok(Page { lines, next })
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

fn created(row: &Row<'_>) -> rusqlite::Result<Created> {
    let identity: Option<String> = row.get(5)?;
    Ok(Created {
        seq: row.get(0)?,
        id: row.get(1)?,
        lane: LaneKey { app: row.get(2)?, tenant: row.get(3)?, method: row.get(4)? },
        identity: identity.as_deref().and_then(|text| Identity::parse(text).ok()).unwrap_or_default(),
        key: row.get(6)?,
        params: params_of(&row.get::<_, String>(7)?).unwrap_or_default(),
    })
}
