//! Past calls, as windows count them: lane by lane, or all of them in the order of sending.
//!
//! There is no index by time alone. A lane's windows reach back as far as its method's quotas say, which is a minute for
//! one and a day for another, and nobody reads a day of the former for the sake of the latter.
//!
//! Decision: docs/decisions/0018-past-calls-lane-by-lane.md

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::attempts::REFUSED;
use super::books::call_us_max;
use crate::driver::{Conn, Result, Row, Value, values};
use paceline_domain::budget::CalledDay;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::NOT_SENT;
use paceline_domain::time::Timestamp;
use paceline_ports::{PastCall, QuotaDomain};

/// Calls of a lane after one of them, in the order of sending.
const OF_LANE: &str = "SELECT a.sent_at, a.seq, a.deadline_at, a.ended_at, a.replied, a.outcome
     FROM attempts a WHERE a.lane = $1 AND (a.sent_at, a.seq) > ($2, $3) ORDER BY a.sent_at, a.seq LIMIT $4";

/// Calls of a lane that are read at one time.
const PAGE: usize = 500;

/// Every call of a domain that may still be counted by a window that reaches back to `since`, in the order of sending.
pub(crate) fn past(conn: &Conn, domain: &QuotaDomain, since: Timestamp) -> Result<Vec<PastCall>> {
    let mut calls = Vec::new();
    each(conn, domain, since, |call| calls.push(call))?;
    Ok(calls)
}

/// [`past`], one at a time. Within one state of the ledger, because it is read page by page.
pub(crate) fn each(conn: &Conn, domain: &QuotaDomain, since: Timestamp, mut each: impl FnMut(PastCall)) -> Result<()> {
    let earliest = since.0.saturating_sub(call_us_max(conn)?);
    let covered = lanes(conn)?.into_iter().filter(|(_, key)| domain.covers(key));
    let mut lanes: Vec<_> = covered.map(|(lane, key)| (Pages::of(lane, earliest), key)).collect();
    // The next call of each lane, the earliest first.
    let mut next: BinaryHeap<Reverse<(Call, usize)>> = BinaryHeap::new();
    for (at, (pages, _)) in lanes.iter_mut().enumerate() {
        next.extend(pages.next(conn)?.map(|call| Reverse((call, at))));
    }
    while let Some(Reverse((call, at))) = next.pop() {
        if let Some((pages, lane)) = lanes.get_mut(at) {
            if call.counted_by() >= since {
                each(call.of(lane.clone()));
            }
            next.extend(pages.next(conn)?.map(|call| Reverse((call, at))));
        }
    }
    Ok(())
}

/// Past calls of every lane, each as far back as `since` says of it, in the order of sending.
pub(crate) fn of_lanes(conn: &Conn, since: impl Fn(&LaneKey) -> Timestamp) -> Result<Vec<(LaneKey, Vec<PastCall>)>> {
    let longest = call_us_max(conn)?;
    let mut found = Vec::new();
    for (lane, key) in lanes(conn)? {
        let since = since(&key);
        let mut pages = Pages::of(lane, since.0.saturating_sub(longest));
        let mut calls = Vec::new();
        while let Some(call) = pages.next(conn)? {
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

/// Counts calls of a lane that the platform has counted, of one day.
pub(crate) fn add(conn: &Conn, lane: i64, day: i64, calls: i64) -> Result<()> {
    let add = "INSERT INTO call_days (lane, day, calls) VALUES ($1, $2, $3)
         ON CONFLICT (lane, day) DO UPDATE SET calls = call_days.calls + excluded.calls";
    conn.send(add, values![lane, day, calls])
}

/// Calls that were counted, by lane and calendar day, of a month at least.
pub(crate) fn by_day(conn: &Conn) -> Result<Vec<CalledDay>> {
    let by_day = "SELECT l.app, l.tenant, l.method, d.day, d.calls FROM call_days d JOIN lanes l ON l.lane = d.lane
         WHERE d.day > (SELECT max(day) FROM call_days) - 32 ORDER BY d.day, d.lane";
    conn.query(by_day, &[], |row| {
        let lane = LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? };
        Ok(CalledDay { lane, day: row.get(3)?, calls: u64::try_from(row.get::<i64>(4)?).unwrap_or_default() })
    })
}

/// Forgets days that no budget counts any more.
pub(crate) fn forget_days(conn: &Conn) -> Result<()> {
    conn.send("DELETE FROM call_days WHERE day < (SELECT max(day) FROM call_days) - 62", &[])
}

fn lanes(conn: &Conn) -> Result<Vec<(i64, LaneKey)>> {
    conn.query("SELECT lane, app, tenant, method FROM lanes", &[], |row| {
        Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? }))
    })
}

/// The calls of a lane that were sent.
struct Pages {
    lane: i64,
    /// Where the next page begins: after this instant and number.
    after: (i64, i64),
    page: VecDeque<Call>,
    is_last: bool,
}

impl Pages {
    fn of(lane: i64, earliest: i64) -> Self {
        // No attempt has the number 0.
        Self { lane, after: (earliest, 0), page: VecDeque::new(), is_last: false }
    }

    fn next(&mut self, conn: &Conn) -> Result<Option<Call>> {
        while self.page.is_empty() && !self.is_last {
            let (mut read, (sent_at, seq)) = (0, self.after);
            conn.query_each(OF_LANE, values![self.lane, sent_at, seq, PAGE], |row| {
                let (call, was_sent) = Call::read(row)?;
                self.after = (call.sent_at, call.seq);
                read += 1;
                self.page.extend(was_sent.then_some(call));
                Ok(())
            })?;
            self.is_last = read < PAGE;
        }
        Ok(self.page.pop_front())
    }
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
    /// The call, and whether it was sent.
    fn read(row: &Row<'_>) -> Result<(Self, bool)> {
        let (ended_at, replied): (Option<i64>, Option<bool>) = (row.get(3)?, row.get(4)?);
        let outcome = row.value(5)?;
        let call = Self {
            sent_at: row.get(0)?,
            seq: row.get(1)?,
            deadline_at: row.get(2)?,
            reply_at: ended_at.filter(|_| replied == Some(true)),
            refused: outcome == Value::Text(REFUSED),
        };
        Ok((call, outcome != Value::Text(NOT_SENT)))
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
