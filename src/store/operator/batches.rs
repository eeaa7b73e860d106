//! Batches and lanes with their counts.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::Operator;
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::ports::{Counts, LedgerError};
use crate::store::sqlite::waiting;

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchLine {
    /// Its name; empty for the jobs without one.
    pub name: String,
    /// The file it was read from.
    pub source: Option<String>,
    /// When its first input was taken over.
    pub created_at: Option<Timestamp>,
    /// Its jobs by state.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A lane in which something waits or runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneLine {
    /// The app.
    pub app: String,
    /// The tenant; empty for a custom app.
    pub tenant: String,
    /// The method.
    pub method: String,
    /// Jobs queued, those in flight included.
    pub queued: u64,
    /// Jobs to be verified.
    pub uncertain: u64,
    /// Calls in flight: jobs, look-ups and access tokens.
    pub running: u64,
}

/// Jobs of a lane that wait for a person or for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Parked for a person.
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Operator {
    /// Every batch with its counts, in the order of creation; jobs without a batch come first.
    pub fn batches(&self) -> Result<Vec<BatchLine>, LedgerError> {
        self.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT t.batch, coalesce(b.name, ''), b.source, b.created_at, t.kind, t.n
                 FROM tallies t LEFT JOIN batches b USING (batch) WHERE t.n <> 0 ORDER BY t.batch",
            )?;
            let mut rows = statement.query([])?;
            let (mut lines, mut last): (Vec<BatchLine>, Option<i64>) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                let batch: i64 = row.get(0)?;
                if last != Some(batch) {
                    last = Some(batch);
                    lines.push(BatchLine {
                        name: row.get(1)?,
                        source: row.get(2)?,
                        created_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                        counts: Counts::default(),
                    });
                }
                if let Some(line) = lines.last_mut() {
                    waiting::add(&mut line.counts, row.get(4)?, row.get(5)?);
                }
            }
            Ok(lines)
        })
    }

    /// Every lane in which something waits or runs, by app, tenant and method.
    pub fn lanes(&self) -> Result<Vec<LaneLine>, LedgerError> {
        self.read(|conn| {
            conn.prepare_cached(
                "WITH waiting AS (SELECT lane, sum(state = 0) AS queued, sum(state = 1) AS uncertain
                      FROM jobs INDEXED BY jobs_waiting WHERE state <= 1 GROUP BY lane),
                  flying AS (SELECT lane, count(*) AS running
                      FROM attempts INDEXED BY attempts_open WHERE ended_at IS NULL GROUP BY lane)
                  SELECT l.app, l.tenant, l.method, coalesce(w.queued, 0), coalesce(w.uncertain, 0),
                      coalesce(f.running, 0)
                  FROM lanes l LEFT JOIN waiting w USING (lane) LEFT JOIN flying f USING (lane)
                  WHERE w.lane IS NOT NULL OR f.lane IS NOT NULL ORDER BY l.app, l.tenant, l.method",
            )?
            .query_map([], |row| {
                Ok(LaneLine {
                    app: row.get(0)?,
                    tenant: row.get(1)?,
                    method: row.get(2)?,
                    queued: number(row, 3)?,
                    uncertain: number(row, 4)?,
                    running: number(row, 5)?,
                })
            })?
            .collect()
        })
    }

    /// Held and dead jobs of the lanes that have any.
    pub fn ended_by_lane(&self) -> Result<BTreeMap<LaneKey, Ended>, LedgerError> {
        self.read(|conn| {
            conn.prepare_cached(
                "SELECT l.app, l.tenant, l.method, sum(j.state = 2), sum(j.state = 3)
                 FROM jobs j INDEXED BY jobs_parked JOIN lanes l USING (lane)
                 WHERE j.state IN (2, 3, 4) AND j.state <> 4 GROUP BY 1, 2, 3",
            )?
            .query_map([], |row| {
                let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
                Ok((lane, Ended { held: number(row, 3)?, dead: number(row, 4)? }))
            })?
            .collect()
        })
    }

    /// Results and dead letters that the broker does not have yet.
    pub fn unpublished(&self) -> Result<u64, LedgerError> {
        self.read(|conn| conn.prepare_cached("SELECT count(*) FROM outbox")?.query_row([], |row| number(row, 0)))
    }

    /// Notes the file of a batch and, for CSV, its header cells, so that an export can give the rows back.
    pub fn describe_batch(
        &mut self,
        name: &str,
        source: &str,
        header: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let header = header.map(|cells| serde_json::Value::from(cells.to_vec()).to_string());
        self.change(|books| {
            let batch = books.batch(Some(name), now)?;
            books
                .conn()
                .prepare_cached("UPDATE batches SET source = ?2, header = coalesce(?3, header) WHERE batch = ?1")?
                .execute(params![batch, source, header])?;
            Ok(())
        })
    }

    /// The header cells of a CSV batch; `None` for other batches and unknown ones.
    pub fn header(&self, batch: &str) -> Result<Option<Vec<String>>, LedgerError> {
        let header: Option<Option<String>> = self.read(|conn| {
            conn.prepare_cached("SELECT header FROM batches WHERE name = ?1")?
                .query_row([batch], |row| row.get(0))
                .optional()
        })?;
        Ok(header.flatten().and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// A count; SQLite's are signed, and never negative.
pub(super) fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}
