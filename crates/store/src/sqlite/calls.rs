//! Past calls, as windows count them: lane by lane, or all of them in the order of sending.
//!
//! There is no index by time alone. A lane's windows reach back as far as its method's quotas say, which is a minute for
//! one and a day for another, and nobody reads a day of the former for the sake of the latter.
//!
//! Decision: docs/decisions/0018-past-calls-lane-by-lane.md

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{Row, Rows, params};

use super::attempts::REFUSED;
use super::books::call_us_max;
use crate::driver::Conn;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;
use paceline_ports::PastCall;

const OF_LANE: &str = "SELECT a.sent_at, a.seq, a.deadline_at, a.ended_at, a.replied, a.outcome IS ?4
     FROM attempts a WHERE a.lane = ?1 AND a.sent_at >= ?2 AND a.outcome IS NOT ?3 ORDER BY a.sent_at, a.seq";

/// Every call that may still be counted by a window that reaches back to `since`, in the order of sending.
pub(crate) fn past(conn: &Conn, since: Timestamp) -> rusqlite::Result<Vec<PastCall>> {
    let mut calls = Vec::new();
    each(conn, since, |call| calls.push(call))?;
    Ok(calls)
}

/// [`past`], one at a time.
pub(crate) fn each(conn: &Conn, since: Timestamp, mut each: impl FnMut(PastCall)) -> rusqlite::Result<()> {
    let lanes = lanes(conn)?;
    let earliest = since.0.saturating_sub(call_us_max(conn)?);
    let mut statements = Vec::with_capacity(lanes.len());
    for _ in &lanes {
        statements.push(conn.prepare(OF_LANE)?);
    }
    let mut rows: Vec<Rows<'_>> = Vec::with_capacity(lanes.len());
    for (statement, (lane, _)) in statements.iter_mut().zip(&lanes) {
        rows.push(statement.query(params![lane, earliest, NOT_SENT, REFUSED])?);
    }
    // The next call of each lane, the earliest first.
    let mut next: BinaryHeap<Reverse<(Call, usize)>> = BinaryHeap::new();
    for (at, rows) in rows.iter_mut().enumerate() {
        next.extend(rows.next()?.map(Call::read).transpose()?.map(|call| Reverse((call, at))));
    }
    while let Some(Reverse((call, at))) = next.pop() {
        if let (Some((_, lane)), Some(rows)) = (lanes.get(at), rows.get_mut(at)) {
            if call.counted_by() >= since {
                each(call.of(lane.clone()));
            }
            next.extend(rows.next()?.map(Call::read).transpose()?.map(|call| Reverse((call, at))));
        }
    }
    Ok(())
}

/// Past calls of every lane, each as far back as `since` says of it, in the order of sending.
pub(crate) fn of_lanes(
    conn: &Conn,
    since: impl Fn(&LaneKey) -> Timestamp,
) -> rusqlite::Result<Vec<(LaneKey, Vec<PastCall>)>> {
    let longest = call_us_max(conn)?;
    let mut statement = conn.prepare_cached(OF_LANE)?;
    let mut found = Vec::new();
    for (lane, key) in lanes(conn)? {
        let since = since(&key);
        let earliest = since.0.saturating_sub(longest);
        let mut rows = statement.query(params![lane, earliest, NOT_SENT, REFUSED])?;
        let mut calls = Vec::new();
        while let Some(row) = rows.next()? {
            let call = Call::read(row)?;
            if call.counted_by() >= since {
                calls.push(call.of(key.clone()));
            }
        }
        if !calls.is_empty() {
            found.push((key, calls));
        }
    }
    Ok(found)
}

fn lanes(conn: &Conn) -> rusqlite::Result<Vec<(i64, LaneKey)>> {
    conn.prepare_cached("SELECT lane, app, tenant, method FROM lanes")?
        .query_map([], |row| Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? })))?
        .collect()
}

/// A recorded call without its lane. Ordered by sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    sent_at: i64,
    seq: i64,
    deadline_at: i64,
    reply_at: Option<i64>,
    refused: bool,
}

impl Call {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (ended_at, replied): (Option<i64>, Option<bool>) = (row.get(3)?, row.get(4)?);
        Ok(Self {
            sent_at: row.get(0)?,
            seq: row.get(1)?,
            deadline_at: row.get(2)?,
            reply_at: ended_at.filter(|_| replied == Some(true)),
            refused: row.get(5)?,
        })
    }

    fn counted_by(&self) -> Timestamp {
        Timestamp(self.reply_at.unwrap_or(self.deadline_at))
    }

    fn of(self, lane: LaneKey) -> PastCall {
        PastCall {
            lane,
            sent_at: Timestamp(self.sent_at),
            counted_by: self.counted_by(),
            open: self.reply_at.is_none(),
            refused: self.refused,
        }
    }
}
