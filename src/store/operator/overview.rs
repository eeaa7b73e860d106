//! What an overview shows of the whole ledger: lanes by state, dead letters by cause, calls by minute.

use rusqlite::{OptionalExtension, Row};
use serde::Serialize;

use super::Operator;
use super::batches::number;
use super::selection::Selection;
use crate::domain::job::LaneKey;
use crate::domain::reason::Reason;
use crate::domain::time::Timestamp;
use crate::engine::ports::LedgerError;
use crate::store::sqlite::books::Trouble;
use crate::store::state::State;

/// A lane and what has become of its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCounts {
    /// Which.
    pub lane: LaneKey,
    /// Jobs by the number of their state.
    pub by_state: [u64; State::ALL.len()],
    /// When the oldest job that waits was taken over.
    pub oldest_waiting_at: Option<Timestamp>,
}

impl LaneCounts {
    /// Jobs in a state.
    pub fn in_state(&self, state: State) -> u64 {
        State::ALL.iter().position(|other| *other == state).map_or(0, |at| self.by_state[at])
    }
}

/// Dead letters with the same cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    /// Why they died.
    pub reason: Reason,
    /// The platform's code.
    pub code: Option<i64>,
    /// Their method; absent where none could be read.
    pub method: Option<String>,
    /// Their app; absent where none could be read.
    pub app: Option<String>,
    /// How many.
    pub count: u64,
    /// When the last of them died.
    pub latest_at: Option<Timestamp>,
    /// What names one of them in commands.
    pub example_id: String,
    /// What to do, as that one says it.
    pub cure: Option<String>,
}

/// Calls of a lane in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which lane.
    pub lane: LaneKey,
    /// The minute, counted from 1970.
    pub minute: i64,
    /// Calls.
    pub calls: u64,
    /// Those refused for pace.
    pub refused: u64,
}

const LANES: &str = "SELECT l.app, l.tenant, l.method, j.state, count(*), min(j.created_at)
     FROM jobs j JOIN lanes l USING (lane) GROUP BY j.lane, j.state ORDER BY l.app, l.tenant, l.method";

const STEPS: &str = "SELECT l.app, l.tenant, l.method, coalesce(a.ended_at, a.sent_at) / 60000000 AS minute,
         count(*), sum(coalesce(a.outcome = 'throttled', 0))
     FROM attempts a INDEXED BY attempts_by_time JOIN lanes l USING (lane)
     WHERE a.sent_at >= ?1 AND coalesce(a.outcome <> 'not-sent', 1) GROUP BY a.lane, minute";

impl Operator {
    /// Every lane that has jobs, with their states, by app, tenant and method.
    pub fn lane_counts(&self) -> Result<Vec<LaneCounts>, LedgerError> {
        self.read(|conn| {
            let mut found: Vec<LaneCounts> = Vec::new();
            let mut statement = conn.prepare_cached(LANES)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let lane = lane_of(row)?;
                if found.last().is_none_or(|last| last.lane != lane) {
                    found.push(LaneCounts { lane, by_state: [0; State::ALL.len()], oldest_waiting_at: None });
                }
                let Some(last) = found.last_mut() else { continue };
                let state = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
                if let Some(count) = last.by_state.get_mut(state) {
                    *count = number(row, 4)?;
                }
                if state <= 1 {
                    let oldest = row.get(5).map(Timestamp)?;
                    last.oldest_waiting_at = Some(last.oldest_waiting_at.map_or(oldest, |other| other.min(oldest)));
                }
            }
            Ok(found)
        })
    }

    /// The dead letters that match, those of one cause together, the most frequent first; at most `limit` groups.
    pub fn dead_groups(&self, selection: &Selection, limit: usize) -> Result<Vec<DeadGroup>, LedgerError> {
        let dead = selection.in_state(State::Dead);
        let mut groups = self.read(|conn| {
            let sought = dead.jobs();
            // With one max, SQLite takes the bare columns from the row that has it.
            let sql = format!(
                "SELECT j.reason, j.code, l.method, l.app, count(*), max(coalesce(j.ended_at, 0)), j.id, j.cure {}
                 GROUP BY j.reason, j.code, j.lane",
                sought.jobs_where()
            );
            let mut groups = sought.read(conn, &sql, group)?;
            let sought = dead.inputs();
            let sql = format!(
                "SELECT r.reason, NULL, r.method, r.app, count(*), max(r.at), '#' || r.seq, NULL {}
                 GROUP BY r.reason, r.method, r.app",
                sought.inputs_where()
            );
            groups.extend(sought.read(conn, &sql, group)?);
            Ok(groups)
        })?;
        groups = merged(groups);
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups.truncate(limit);
        Ok(groups)
    }

    /// Calls that left at `since` or later, by lane and minute.
    pub fn steps(&self, since: Timestamp) -> Result<Vec<Step>, LedgerError> {
        self.read(|conn| {
            let read = |row: &Row<'_>| {
                Ok(Step { lane: lane_of(row)?, minute: row.get(3)?, calls: number(row, 4)?, refused: number(row, 5)? })
            };
            conn.prepare_cached(STEPS)?.query_map([since.0], read)?.collect()
        })
    }

    /// How many endings wait to be published.
    pub fn outbox(&self) -> Result<u64, LedgerError> {
        self.read(|conn| conn.prepare_cached("SELECT count(*) FROM outbox")?.query_row([], |row| number(row, 0)))
    }

    /// Begins to write and leaves everything as it is.
    ///
    /// # Errors
    /// Why nothing can be written.
    pub fn probe(&mut self) -> Result<(), LedgerError> {
        self.change(|books| {
            let found = books.conn().prepare_cached("SELECT 1 FROM meta LIMIT 1")?.query_row([], |_| Ok(())).optional();
            found.map(|_| ()).map_err(Trouble::Sql)
        })
    }
}

fn lane_of(row: &Row<'_>) -> rusqlite::Result<LaneKey> {
    Ok(LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? })
}

fn group(row: &Row<'_>) -> rusqlite::Result<DeadGroup> {
    let reason: Option<String> = row.get(0)?;
    let latest: i64 = row.get(5)?;
    Ok(DeadGroup {
        reason: reason.and_then(|word| word.parse().ok()).unwrap_or(Reason::Malformed),
        code: row.get(1)?,
        method: row.get(2)?,
        app: row.get(3)?,
        count: number(row, 4)?,
        latest_at: (latest > 0).then_some(Timestamp(latest)),
        example_id: row.get(6)?,
        cure: row.get(7)?,
    })
}

/// The lanes of several tenants are one group.
fn merged(groups: Vec<DeadGroup>) -> Vec<DeadGroup> {
    let mut merged: Vec<DeadGroup> = Vec::new();
    for group in groups {
        let cause = |group: &DeadGroup| (group.reason, group.code, group.method.clone(), group.app.clone());
        match merged.iter_mut().find(|other| cause(other) == cause(&group)) {
            Some(other) => {
                other.count += group.count;
                if group.latest_at > other.latest_at {
                    (other.latest_at, other.example_id, other.cure) = (group.latest_at, group.example_id, group.cure);
                }
            }
            None => merged.push(group),
        }
    }
    merged
}
