//! Batches and lanes with their counts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::{Operator, Page};
use crate::driver::{self, Conn, Row, values};
use crate::sqlite::tallies::REJECTED;
use crate::sqlite::{outbox, piles, waiting};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::{Counts, LedgerError};

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

/// A lane with all its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneCounts {
    /// The app.
    pub app: String,
    /// The tenant; empty for a custom app.
    pub tenant: String,
    /// The method.
    pub method: String,
    /// Its jobs by state.
    #[serde(flatten)]
    pub counts: Counts,
    /// Calls in flight: jobs, look-ups and access tokens.
    pub running: u64,
    /// When the job was taken over that waits longest, those in flight included.
    pub oldest_waiting_at: Option<Timestamp>,
}

/// Jobs by lane and state.
const OF_LANES: &str = "SELECT lane, kind, CAST(sum(n) AS BIGINT) FROM tallies GROUP BY lane, kind";
/// The lanes of the calls in flight.
pub(super) const FLYING: &str = "SELECT lane FROM attempts WHERE ended_at IS NULL";

fn lane_lines(conn: &Conn) -> driver::Result<BTreeMap<i64, LaneCounts>> {
    let lines = conn.query("SELECT lane, app, tenant, method FROM lanes", &[], |row| {
        let line = LaneCounts {
            app: row.get(1)?,
            tenant: row.get(2)?,
            method: row.get(3)?,
            counts: Counts::default(),
            running: 0,
            oldest_waiting_at: None,
        };
        Ok((row.get(0)?, line))
    })?;
    Ok(lines.into_iter().collect())
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
        Ok(self.page_batches(-1, usize::MAX)?.lines)
    }

    /// A page of [`Self::batches`], after what an earlier one said to go on after; -1 for the first.
    pub fn page_batches(&self, after: i64, limit: usize) -> Result<Page<BatchLine>, LedgerError> {
        let sql = format!(
            "WITH counted AS (SELECT batch, kind, n FROM tallies WHERE batch > $1 AND n <> 0
                 UNION ALL SELECT batch, {REJECTED}, n FROM input_tallies WHERE batch > $1 AND n <> 0)
             SELECT t.batch, coalesce(b.name, ''), b.source, b.created_at, t.kind, t.n
             FROM counted t LEFT JOIN batches b ON b.batch = t.batch ORDER BY t.batch"
        );
        self.read(|conn| {
            let (mut lines, mut last, mut next): (Vec<BatchLine>, Option<i64>, _) = (Vec::new(), None, None);
            conn.query_until(&sql, values![after], |row| {
                let batch: i64 = row.get(0)?;
                if last != Some(batch) {
                    if lines.len() == limit {
                        next = last;
                        return Ok(ControlFlow::Break(()));
                    }
                    last = Some(batch);
                    lines.push(BatchLine {
                        name: row.get(1)?,
                        source: row.get(2)?,
                        created_at: row.get(3)?,
                        counts: Counts::default(),
                    });
                }
                if let Some(line) = lines.last_mut() {
                    waiting::add(&mut line.counts, row.get(4)?, row.get(5)?);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(Page { lines, next })
        })
    }

    /// Every lane in which something waits or runs, by app, tenant and method.
    pub fn lanes(&self) -> Result<Vec<LaneLine>, LedgerError> {
        let lanes = self.lane_counts()?.into_iter().map(|lane| LaneLine {
            app: lane.app,
            tenant: lane.tenant,
            method: lane.method,
            queued: lane.counts.queued,
            uncertain: lane.counts.uncertain,
            running: lane.running,
        });
        Ok(lanes.filter(|lane| lane.queued + lane.uncertain + lane.running > 0).collect())
    }

    /// Every lane with all its counts, by app, tenant and method. Inputs that never became jobs are in none.
    pub fn lane_counts(&self) -> Result<Vec<LaneCounts>, LedgerError> {
        self.read_at_once(|conn| {
            let mut lines = lane_lines(conn)?;
            conn.query_each(OF_LANES, &[], |row| {
                if let Some(line) = lines.get_mut(&row.get(0)?) {
                    waiting::add(&mut line.counts, row.get(1)?, row.get(2)?);
                }
                Ok(())
            })?;
            conn.query_each(FLYING, &[], |row| {
                if let Some(line) = lines.get_mut(&row.get(0)?) {
                    line.running += 1;
                }
                Ok(())
            })?;
            for (pile, _) in piles::waiting(conn, None)? {
                let first = piles::first(conn, &pile, false, |_| true)?;
                let (Some(line), Some(first)) = (lines.get_mut(&pile.lane), first) else { continue };
                let at: Timestamp = conn.query_value("SELECT created_at FROM jobs WHERE seq = $1", values![first])?;
                line.oldest_waiting_at = Some(line.oldest_waiting_at.map_or(at, |oldest| oldest.min(at)));
            }
            let mut lines: Vec<_> = lines.into_values().collect();
            lines.sort_by(|a, b| (&a.app, &a.tenant, &a.method).cmp(&(&b.app, &b.tenant, &b.method)));
            Ok(lines)
        })
    }

    /// Held and dead jobs of the lanes that have any.
    pub fn ended_by_lane(&self) -> Result<BTreeMap<LaneKey, Ended>, LedgerError> {
        const SQL: &str = "SELECT l.app, l.tenant, l.method,
                 CAST(sum(CASE WHEN t.kind = 2 THEN t.n ELSE 0 END) AS BIGINT),
                 CAST(sum(CASE WHEN t.kind = 3 THEN t.n ELSE 0 END) AS BIGINT)
             FROM tallies t JOIN lanes l ON l.lane = t.lane WHERE t.kind IN (2, 3) AND t.n > 0 GROUP BY 1, 2, 3";
        let lanes = self.read(|conn| {
            conn.query(SQL, &[], |row| {
                let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
                Ok((lane, Ended { held: number(row, 3)?, dead: number(row, 4)? }))
            })
        })?;
        Ok(lanes.into_iter().collect())
    }

    /// Dead letters that never became jobs. They are in no lane.
    pub fn dead_inputs(&self) -> Result<u64, LedgerError> {
        let sql = "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM input_tallies";
        self.read(|conn| conn.query_one(sql, &[], |row| number(row, 0)))
    }

    /// Results and dead letters that the broker does not have yet.
    pub fn unpublished(&self) -> Result<u64, LedgerError> {
        self.read(outbox::count)
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
        self.tend(|books| {
            let batch = books.batch(Some(name), now)?;
            let describe = "UPDATE batches SET source = $2, header = coalesce($3, header) WHERE batch = $1";
            books.conn().execute(describe, values![batch, source, header])?;
            Ok(())
        })
    }

    /// The header cells of a CSV batch; `None` for other batches and unknown ones.
    pub fn header(&self, batch: &str) -> Result<Option<Vec<String>>, LedgerError> {
        let header = "SELECT header FROM batches WHERE name = $1";
        let header: Option<Option<String>> =
            self.read(|conn| conn.query_opt(header, values![batch], |row| row.get(0)))?;
        Ok(header.flatten().and_then(|text| serde_json::from_str(&text).ok()))
    }
}

/// A count; a database's are signed, and never negative.
pub(super) fn number(row: &Row<'_>, at: usize) -> driver::Result<u64> {
    Ok(u64::try_from(row.get::<i64>(at)?).unwrap_or(0))
}
