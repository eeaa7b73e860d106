//! Batches and lanes with their counts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Operator;
use crate::driver::{self, Conn, Row, values};
use crate::ledger::tallies::REJECTED;
use crate::ledger::{outbox, piles, waiting};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::operator::{BatchLine, BatchReports, Ended, LaneCounts, LaneLine, Page};
use paceline_ports::{Counts, LedgerError};

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

impl BatchReports for Operator {
    fn batches(&self) -> Result<Vec<BatchLine>, LedgerError> {
        Ok(self.page_batches(-1, usize::MAX)?.lines)
    }

    fn page_batches(&self, after: i64, limit: usize) -> Result<Page<BatchLine>, LedgerError> {
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

    fn lanes(&self) -> Result<Vec<LaneLine>, LedgerError> {
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

    fn lane_counts(&self) -> Result<Vec<LaneCounts>, LedgerError> {
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

    fn ended_by_lane(&self) -> Result<BTreeMap<LaneKey, Ended>, LedgerError> {
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

    fn dead_inputs(&self) -> Result<u64, LedgerError> {
        let sql = "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM input_tallies";
        self.read(|conn| conn.query_one(sql, &[], |row| number(row, 0)))
    }

    fn unpublished(&self) -> Result<u64, LedgerError> {
        self.read(outbox::count)
    }

    fn header(&self, batch: &str) -> Result<Option<Vec<String>>, LedgerError> {
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
