//! What a selection of jobs has created.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Operator, piles};
use crate::driver::{self, Error, Row, values};
use crate::ledger::job_row::params_of;
use crate::ledger::seal;
use crate::state::State;
use paceline_domain::chain;
use paceline_domain::job::{Identity, LaneKey, Params};
use paceline_domain::undo::Created;
use paceline_ports::LedgerError;
use paceline_ports::operator::{Made, Page, Selection, UndoReports};

const ALIKE: &str = "SELECT l.app, l.tenant, l.method, j.state, j.key IS NOT NULL FROM jobs j JOIN lanes l USING (lane)
     WHERE j.seq = $1";
const CREATED: &str = "SELECT j.seq, j.id, l.app, l.tenant, l.method, j.identity, j.key, j.params, j.filled, j.place
     FROM jobs j JOIN lanes l USING (lane) WHERE j.seq = $1 AND j.key IS NOT NULL";
const WAITED_FOR: &str =
    "SELECT DISTINCT r.id FROM jobs j JOIN prerequisites r ON r.job = j.seq WHERE j.id = $1 ORDER BY r.id";
/// What the deletions of a batch gave back, of those that may tell that nothing was there.
const GONE: &str = "SELECT j.result FROM jobs j JOIN batches b ON b.batch = j.batch
     WHERE b.name = $1 AND j.state = 5 AND j.result LIKE '%\"gone\"%'";

impl UndoReports for Operator {
    fn made(&self, selection: &Selection) -> Result<Vec<Made>, LedgerError> {
        self.read_at_once(|conn| {
            let mut made: BTreeMap<(LaneKey, i64, bool), u64> = BTreeMap::new();
            for seq in piles::jobs(conn, selection, 0, usize::MAX)?.lines {
                let alike = conn.query_one(ALIKE, values![seq], |row| {
                    let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
                    Ok((lane, row.get(3)?, row.get(4)?))
                })?;
                *made.entry(alike).or_default() += 1;
            }
            let line = |((lane, state, has_key), count)| {
                let state =
                    State::of_number(state).ok_or_else(|| Error::unexpected(format!("there is no state {state}")))?;
                Ok(Made { lane, state, has_key, count })
            };
            made.into_iter().map(line).collect()
        })
    }

    fn created(&self, selection: &Selection, after: i64, limit: usize) -> Result<Page<Created>, LedgerError> {
        let succeeded = selection.in_state(State::Succeeded);
        self.read_at_once(|conn| {
            let Page { lines: seqs, next } = piles::jobs(conn, &succeeded, after, limit)?;
            let mut lines = Vec::new();
            for seq in seqs {
                lines.extend(conn.query_opt(CREATED, values![seq], created)?);
            }
            Ok(Page { lines, next })
        })
    }

    fn waited_for(&self, id: &str) -> Result<Vec<String>, LedgerError> {
        self.read(|conn| conn.query(WAITED_FOR, values![id], |row| row.get(0)))
    }

    fn gone_before(&self, batch: &str) -> Result<u64, LedgerError> {
        let results: Vec<String> = self.read(|conn| conn.query(GONE, values![batch], |row| row.get(0)))?;
        let is_gone = |result: &&String| {
            serde_json::from_str::<Value>(result).is_ok_and(|result| result.get("gone").is_some_and(|it| !it.is_null()))
        };
        Ok(results.iter().filter(is_gone).count() as u64)
    }
}

fn created(row: &Row<'_>) -> driver::Result<Created> {
    let (identity, params): (Option<String>, String) = (row.get(5)?, row.get(7)?);
    // What is sealed is no part of what names an object.
    let mut params = if seal::is_sealed(&params) { Params::default() } else { params_of(&params).unwrap_or_default() };
    let list = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let filled: Vec<Value> = list(row.get(8)?);
    chain::fill(&mut params, &filled, None);
    Ok(Created {
        seq: row.get(0)?,
        id: row.get(1)?,
        lane: LaneKey { app: row.get(2)?, tenant: row.get(3)?, method: row.get(4)? },
        identity: identity.as_deref().and_then(|text| Identity::parse(text).ok()).unwrap_or_default(),
        key: row.get(6)?,
        params,
        place: row.get::<Option<String>>(9)?.unwrap_or_default(),
    })
}
