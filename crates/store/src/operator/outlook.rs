//! What a forecast needs to know of the ledger, in a few queries, and read without touching the file if so wished.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Row;

use super::batches::number;
use super::{Operator, backlog};
use crate::driver::{Conn, Error};
use crate::sqlite::driver::SqliteConn;
use crate::sqlite::{calls, file, restraints, suspensions};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_engine::forecast::{Group, Running};
use paceline_ports::location::Location;
use paceline_ports::{LedgerError, PastCall, Restraint, Suspension};

/// How many of the last calls are looked at for round trips.
const RECENT_CALLS: i64 = 5_000;
/// Fewer calls of a method say nothing about its round trip.
const CALLS_MIN: usize = 20;

/// The ledger, as a forecast sees it.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Jobs that wait.
    pub backlog: Vec<Group>,
    /// Jobs whose calls are in flight, with the calls' deadlines.
    pub running: Vec<(Running, Timestamp)>,
    /// Calls that a window may still count, by lane.
    pub past: BTreeMap<LaneKey, Vec<PastCall>>,
    /// What stands still.
    pub suspensions: Vec<Suspension>,
    /// What else holds calls back.
    pub restraints: Vec<Restraint>,
    /// The median of the last round trips by method, where enough are recorded.
    pub round_trips: BTreeMap<String, Duration>,
}

impl Operator {
    /// The present outlook; windows reach back to `since`.
    pub fn outlook(&self, since: Timestamp) -> Result<Outlook, LedgerError> {
        self.outlook_of(|_| since)
    }

    /// The present outlook; the windows of each lane reach back to what `since` says of it.
    pub fn outlook_of(&self, since: impl Fn(&LaneKey) -> Timestamp) -> Result<Outlook, LedgerError> {
        self.read_at_once(|conn| read(conn, since))
    }

    /// The calls that windows may still count, of the lanes for which `since` says how far back they reach.
    pub fn past_of(
        &self,
        since: impl Fn(&LaneKey) -> Option<Timestamp>,
    ) -> Result<BTreeMap<LaneKey, Vec<PastCall>>, LedgerError> {
        let reach = |lane: &LaneKey| since(lane).unwrap_or(Timestamp(i64::MAX));
        self.read(|conn| Ok(calls::of_lanes(conn, reach)?.into_iter().collect()))
    }

    /// How many calls that left at `since` or later have which outcome.
    pub fn outcomes(&self, since: Timestamp) -> Result<BTreeMap<String, u64>, LedgerError> {
        self.read(|conn| {
            conn.prepare_cached(
                "SELECT a.outcome, count(*) FROM lanes l CROSS JOIN attempts a INDEXED BY attempts_of_lane
                     ON a.lane = l.lane AND a.sent_at >= ?1
                 WHERE a.outcome IS NOT NULL GROUP BY a.outcome",
            )?
            .query_map([since.0], |row| Ok((row.get(0)?, number(row, 1)?)))?
            .collect()
        })
    }
}

/// A ledger that is only looked at: nothing is written, created or migrated, beside a worker or without one.
pub struct Untouched {
    pub(super) conn: Conn,
}

impl Untouched {
    /// Opens the ledger; `None` if there is none, or one with nothing in it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn open(location: impl Into<Location>) -> Result<Option<Self>, LedgerError> {
        let location = location.into();
        if !location.path.exists() {
            return Ok(None);
        }
        let (conn, version, seal) = file::open_untouched(&location)?;
        Ok((version > 0).then(|| Self { conn: Conn::over(SqliteConn::of(conn, location.path), seal) }))
    }

    /// The present outlook; windows reach back to `since`.
    pub fn outlook(&self, since: Timestamp) -> Result<Outlook, LedgerError> {
        Ok(self.conn.at_once(|conn| read(conn, |_| since)).map_err(Error::from)?)
    }
}

fn read(conn: &Conn, since: impl Fn(&LaneKey) -> Timestamp) -> rusqlite::Result<Outlook> {
    let past = calls::of_lanes(conn, since)?.into_iter().collect();
    let names = Names::read(conn)?;
    let (running, flying) = running(conn, &names)?;
    Ok(Outlook {
        backlog: backlog::read(conn, &names, &flying)?,
        running,
        past,
        suspensions: suspensions::read(conn)?,
        restraints: if has_restraints(conn)? { restraints::read(conn)? } else { Vec::new() },
        round_trips: round_trips(conn)?,
    })
}

/// A ledger that is only looked at may be of a version that kept none.
fn has_restraints(conn: &Conn) -> rusqlite::Result<bool> {
    conn.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'restraints')", [], |row| row.get(0))
}

/// The names behind the numbers.
pub(super) struct Names {
    lanes: HashMap<i64, LaneKey>,
    batches: HashMap<i64, Arc<str>>,
}

impl Names {
    pub(super) fn read(conn: &Conn) -> rusqlite::Result<Self> {
        let lane =
            |row: &Row<'_>| Ok((row.get(0)?, LaneKey { app: row.get(1)?, tenant: row.get(2)?, method: row.get(3)? }));
        let batch = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?.into()));
        Ok(Self {
            lanes: conn
                .prepare("SELECT lane, app, tenant, method FROM lanes")?
                .query_map([], lane)?
                .collect::<rusqlite::Result<_>>()?,
            batches: conn
                .prepare("SELECT batch, name FROM batches")?
                .query_map([], batch)?
                .collect::<rusqlite::Result<_>>()?,
        })
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

fn running(conn: &Conn, names: &Names) -> rusqlite::Result<Flying> {
    let mut running = Vec::new();
    let mut flying = HashSet::new();
    let mut statement = conn.prepare(
        "SELECT a.job, j.lane, j.batch, a.sent_at, a.deadline_at
         FROM attempts a INDEXED BY attempts_open JOIN jobs j ON j.seq = a.job
         WHERE a.ended_at IS NULL AND j.state <= 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        flying.insert(row.get(0)?);
        let sent_at = Timestamp(row.get(3)?);
        let (lane, batch) = (names.lane(row.get(1)?), names.batch(row.get(2)?));
        running.push((Running { lane, batch, sent_at }, Timestamp(row.get(4)?)));
    }
    Ok((running, flying))
}

fn round_trips(conn: &Conn) -> rusqlite::Result<BTreeMap<String, Duration>> {
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut statement = conn.prepare(
        "SELECT l.method, a.took FROM (
             SELECT lane, ended_at - sent_at AS took FROM attempts WHERE replied = 1 ORDER BY seq DESC LIMIT ?1
         ) a JOIN lanes l USING (lane)",
    )?;
    let mut rows = statement.query([RECENT_CALLS])?;
    while let Some(row) = rows.next()? {
        found.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    found.retain(|_, times| times.len() >= CALLS_MIN);
    let median = |mut times: Vec<i64>| {
        times.sort_unstable();
        Duration::from_micros(u64::try_from(times[times.len() / 2]).unwrap_or(0))
    };
    Ok(found.into_iter().map(|(method, times)| (method, median(times))).collect())
}
