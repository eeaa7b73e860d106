//! What a forecast needs to know of the ledger, in a few queries, and read without touching the file if so wished.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::batches::number;
use super::{Operator, backlog, chains, flow, waits, why};
use crate::driver::{Conn, Result, values};
use crate::ledger::books::Books;
use crate::ledger::{calls, restraints, suspensions};
use crate::sqlite::file;
use paceline_domain::budget::CalledDay;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_ports::location::Location;
use paceline_ports::operator::{Ahead, Awaited, JobSheet, Minute, Outlook, OutlookReports, Running};
use paceline_ports::{LedgerError, PastCall, QuotaDomain};

/// Since this version of the schema there are restraints.
const RESTRAINTS_SINCE: i64 = 2;
/// And since this one calls are counted by calendar day.
const CALL_DAYS_SINCE: i64 = 24;
/// How many of the last calls are looked at for round trips.
const RECENT_CALLS: i64 = 5_000;
/// Calls of a lane that left at an instant or later, by outcome.
pub(super) const OUTCOMES: &str = "SELECT outcome, count(*) FROM attempts
     WHERE lane = $1 AND sent_at >= $2 AND outcome IS NOT NULL GROUP BY outcome";
/// Jobs in flight. In the order of the index of open attempts, or SQLite goes by that of all.
pub(super) const RUNNING: &str = "SELECT a.job, j.lane, j.batch, a.sent_at, a.deadline_at
     FROM attempts a JOIN jobs j ON j.seq = a.job WHERE a.ended_at IS NULL AND j.state <= 1
     ORDER BY a.seq";
/// The last round trips, with their methods.
pub(super) const ROUND_TRIPS: &str = "SELECT l.method, a.took FROM (
         SELECT lane, ended_at - sent_at AS took FROM attempts WHERE replied = 1 ORDER BY seq DESC LIMIT $1
     ) a JOIN lanes l ON l.lane = a.lane";
/// Fewer calls of a method say nothing about its round trip.
const CALLS_MIN: usize = 20;

impl OutlookReports for Operator {
    fn outlook(&self, since: Timestamp) -> std::result::Result<Outlook, LedgerError> {
        self.outlook_of(&|_| since)
    }

    fn outlook_of(&self, since: &dyn Fn(&LaneKey) -> Timestamp) -> std::result::Result<Outlook, LedgerError> {
        self.read_at_once(|conn| read(conn, since))
    }

    fn past_of(
        &self,
        since: &dyn Fn(&LaneKey) -> Option<Timestamp>,
    ) -> std::result::Result<BTreeMap<LaneKey, Vec<PastCall>>, LedgerError> {
        let reach = |lane: &LaneKey| since(lane).unwrap_or(Timestamp(i64::MAX));
        Ok(self.read(|conn| calls::of_lanes(conn, reach))?.into_iter().collect())
    }

    fn called(&self) -> std::result::Result<Vec<CalledDay>, LedgerError> {
        self.read(called)
    }

    fn outcomes(&self, since: Timestamp) -> std::result::Result<BTreeMap<String, u64>, LedgerError> {
        self.read_at_once(|conn| {
            let mut outcomes = BTreeMap::new();
            for (lane, _) in Names::read(conn)?.lanes() {
                conn.query_each(OUTCOMES, values![lane, since], |row| {
                    *outcomes.entry(row.get(0)?).or_default() += number(row, 1)?;
                    Ok(())
                })?;
            }
            Ok(outcomes)
        })
    }

    fn each_call(&self, since: Timestamp, each: &mut dyn FnMut(PastCall)) -> std::result::Result<(), LedgerError> {
        self.read_at_once(|conn| calls::each(conn, &QuotaDomain::whole(), since, each))
    }

    fn each_wait(
        &self,
        since: Timestamp,
        now: Timestamp,
        each: &mut dyn FnMut(LaneKey, Timestamp, Timestamp),
    ) -> std::result::Result<(), LedgerError> {
        self.read(|conn| waits::each(conn, since, now, each))
    }

    fn calls_by_minute(
        &self,
        since: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> std::result::Result<Vec<(LaneKey, Vec<Minute>)>, LedgerError> {
        self.read_at_once(|conn| flow::by_minute(conn, since, until, most))
    }

    fn ahead(&self, sheet: &JobSheet, now: Timestamp) -> std::result::Result<Ahead, LedgerError> {
        self.read(|conn| why::ahead(conn, sheet, now))
    }

    fn awaited(&self, seq: i64) -> std::result::Result<Vec<Awaited>, LedgerError> {
        self.read(|conn| why::awaited(conn, seq))
    }
}

/// A ledger that is only looked at: nothing is written, created or migrated, beside a worker or without one.
pub(crate) struct UntouchedFile {
    pub(super) conn: Conn,
}

impl UntouchedFile {
    /// Opens the ledger; `None` if there is none, or one with nothing in it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub(crate) fn open(location: impl Into<Location>) -> std::result::Result<Option<Self>, LedgerError> {
        let location = location.into();
        if location.server.is_some() {
            // There is always one, and looking at it takes nothing from anybody.
            return Ok(Some(Self { conn: Books::open(&location, true)?.into_conn() }));
        }
        if !location.path.exists() {
            return Ok(None);
        }
        let (conn, version) = file::open_untouched(&location)?;
        Ok((version > 0).then_some(Self { conn }))
    }

    /// The present outlook; windows reach back to `since`.
    pub(super) fn outlook(&self, since: Timestamp) -> std::result::Result<Outlook, LedgerError> {
        Ok(self.conn.at_once(|conn| read(conn, |_| since))?)
    }
}

fn read(conn: &Conn, since: impl Fn(&LaneKey) -> Timestamp) -> Result<Outlook> {
    let past = calls::of_lanes(conn, since)?.into_iter().collect();
    let names = Names::read(conn)?;
    let (running, flying) = running(conn, &names)?;
    Ok(Outlook {
        backlog: backlog::read(conn, &names, &flying)?,
        chained: chains::read(conn, &names)?,
        running,
        past,
        called: called(conn)?,
        suspensions: suspensions::read(conn)?,
        restraints: if conn.has_since(RESTRAINTS_SINCE) { restraints::read(conn)? } else { Vec::new() },
        round_trips: round_trips(conn)?,
    })
}

fn called(conn: &Conn) -> Result<Vec<CalledDay>> {
    if conn.has_since(CALL_DAYS_SINCE) { calls::by_day(conn) } else { Ok(Vec::new()) }
}

/// The names behind the numbers.
pub(super) struct Names {
    lanes: HashMap<i64, LaneKey>,
    batches: HashMap<i64, Arc<str>>,
}

impl Names {
    pub(super) fn read(conn: &Conn) -> Result<Self> {
        let lanes = conn.query("SELECT lane, app, tenant, method FROM lanes", &[], |row| {
            Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? }))
        })?;
        let batches =
            conn.query("SELECT batch, name FROM batches", &[], |row| Ok((row.get(0)?, row.get::<String>(1)?.into())))?;
        Ok(Self { lanes: lanes.into_iter().collect(), batches: batches.into_iter().collect() })
    }

    /// Every lane with its number.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (i64, &LaneKey)> {
        self.lanes.iter().map(|(number, key)| (*number, key))
    }

    pub(super) fn lane(&self, lane: i64) -> LaneKey {
        let nobody = || LaneKey { app: String::new(), tenant: String::new(), method: String::new() };
        self.lanes.get(&lane).cloned().unwrap_or_else(nobody)
    }

    pub(super) fn batch(&self, batch: i64) -> Arc<str> {
        self.batches.get(&batch).cloned().unwrap_or_default()
    }
}

/// Jobs in flight with their calls' deadlines, and their numbers.
type Flying = (Vec<(Running, Timestamp)>, HashSet<i64>);

fn running(conn: &Conn, names: &Names) -> Result<Flying> {
    let mut running = Vec::new();
    let mut flying = HashSet::new();
    conn.query_each(RUNNING, &[], |row| {
        flying.insert(row.get(0)?);
        let (lane, batch) = (names.lane(row.get(1)?), names.batch(row.get(2)?));
        running.push((Running { lane, batch, sent_at: row.get(3)? }, row.get(4)?));
        Ok(())
    })?;
    Ok((running, flying))
}

fn round_trips(conn: &Conn) -> Result<BTreeMap<String, Duration>> {
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    conn.query_each(ROUND_TRIPS, values![RECENT_CALLS], |row| {
        found.entry(row.get(0)?).or_default().push(row.get(1)?);
        Ok(())
    })?;
    found.retain(|_, times| times.len() >= CALLS_MIN);
    let median = |mut times: Vec<i64>| {
        times.sort_unstable();
        Duration::from_micros(u64::try_from(times[times.len() / 2]).unwrap_or(0))
    };
    Ok(found.into_iter().map(|(method, times)| (method, median(times))).collect())
}
