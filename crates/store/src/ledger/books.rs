//! One writing connection with what it remembers between transactions: interned names and the tallies to be kept.
//!
//! Every change of the ledger, the worker's and an operator's, goes through [`Books::transaction`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::counted::Counted;
use super::held::{Held, Part};
use super::leases::Lease;
use super::seal::Seal;
use super::tallies::Tallies;
use super::waiting::{self, Names};
use super::{calls, completion, meta};
use crate::connect;
use crate::driver::{Conn, Error, values};
use crate::postgres::{self, Server};
use crate::sqlite::file;
use crate::sqlite::guard::Guard;
use crate::sqlite::lock::{self, WorkerLock};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;
use paceline_metrics::Metrics;
use paceline_ports::crash_points;
use paceline_ports::location::Location;
use paceline_ports::{JobSeq, LedgerError, Waiting};

/// Why a command of a transaction did not go through.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The database said no.
    Sql(Error),
    /// The command asked for something that cannot be.
    Refused(String),
    /// The job of this id owns the object already.
    Claimed(String),
    /// Another process owns what was to be changed.
    NotOwner(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Trouble> for LedgerError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sql(error) => error.into(),
            Trouble::Refused(why) => Self::Refused(why),
            Trouble::Claimed(by) => Self::Claimed(by),
            Trouble::NotOwner(why) => Self::NotOwner(why),
        }
    }
}

/// Which jobs put to work are noted for another process.
#[derive(Clone)]
pub(crate) enum Announces {
    /// None: this one schedules them all.
    Nothing,
    /// All.
    All,
    /// Those that this one does not schedule.
    Others(Arc<Held>),
}

impl From<bool> for Announces {
    fn from(announces: bool) -> Self {
        if announces { Self::All } else { Self::Nothing }
    }
}

/// A writing connection.
pub(crate) struct Books {
    conn: Conn,
    lanes: HashMap<LaneKey, i64>,
    /// Their names by number.
    keys: HashMap<i64, LaneKey>,
    batches: HashMap<String, i64>,
    /// What the present transaction changes of them.
    pub(crate) tallies: Tallies,
    pub(crate) counted: Counted,
    /// Calls by lane and day that the present transaction adds.
    called: BTreeMap<(i64, i64), i64>,
    /// The longest call so far, in microseconds: how far back an attempt can begin that still counts.
    call_us_max: Option<i64>,
    /// Which jobs put to work are noted for the process that schedules them.
    announces: Announces,
    /// Of the transaction: the batches in which jobs were settled, and whether one of those came over AMQP; when; and by how
    /// many the unfinished jobs of each batch grew.
    settled: BTreeMap<i64, bool>,
    settled_at: Timestamp,
    unfinished: BTreeMap<i64, i64>,
    /// Jobs that were blocked and wait in their lanes since this change; and the names of lanes and batches for them.
    unblocked: Vec<Waiting>,
    names: Names,
    /// Of the transaction: what was found to be still owned.
    checked: HashSet<Lease>,
    /// Of the transaction: jobs that were settled or released since somebody has read ahead.
    touched: HashSet<JobSeq>,
    /// Whether other processes forget batches.
    is_shared: bool,
}

impl Books {
    /// Opens the file for writing. `announces`: another process schedules the jobs.
    pub(crate) fn open(location: &Location, announces: impl Into<Announces>) -> Result<Self, LedgerError> {
        Self::open_measured(location, announces, Metrics::default(), None)
    }

    /// Likewise, and tells the metrics of what is committed; under the lock of who works the jobs.
    pub(crate) fn open_measured(
        location: &Location,
        announces: impl Into<Announces>,
        metrics: Metrics,
        lock: Option<&mut WorkerLock>,
    ) -> Result<Self, LedgerError> {
        if let Some(server) = Server::of(location)? {
            return Ok(Self { is_shared: true, ..Self::of(postgres::open_writer(&server)?, announces, metrics) });
        }
        let path = location.path.as_path();
        let (conn, slot) = file::open_writer(location)?;
        let mut guard = Guard::of(location, conn.seal())
            .map_err(|error| LedgerError::Failed(format!("{}: {error}", path.display())))?;
        if let Some(lock) = lock {
            let place = lock::lock_path(path);
            guard.keep_lock(place.clone()).and_then(|()| lock.note_file(guard.inode())).map_err(|error| {
                LedgerError::Failed(format!("cannot write {}: {error}; check the room on its disk", place.display()))
            })?;
        }
        slot.set(guard);
        Ok(Self::of(conn, announces, metrics))
    }

    fn of(conn: Conn, announces: impl Into<Announces>, metrics: Metrics) -> Self {
        Self {
            conn,
            lanes: HashMap::new(),
            keys: HashMap::new(),
            batches: HashMap::new(),
            tallies: Tallies::default(),
            counted: Counted::by(metrics),
            called: BTreeMap::new(),
            call_us_max: None,
            announces: announces.into(),
            settled: BTreeMap::new(),
            settled_at: Timestamp::default(),
            unfinished: BTreeMap::new(),
            unblocked: Vec::new(),
            names: Names::default(),
            checked: HashSet::new(),
            touched: HashSet::new(),
            is_shared: false,
        }
    }

    /// Opens a ledger that is there for reading only: every change is refused by `SQLite`.
    pub(crate) fn open_for_reading(location: &Location) -> Result<Self, LedgerError> {
        Ok(Self::of(connect::reader(location)?, false, Metrics::default()))
    }

    /// The connection alone.
    pub(crate) fn into_conn(self) -> Conn {
        self.conn
    }

    /// The connection, for statements.
    pub(crate) fn conn(&self) -> &Conn {
        &self.conn
    }

    /// The connection's keys, as the ledger has them now.
    pub(crate) fn seal(&self) -> Result<&Seal, Trouble> {
        self.conn.seal().refresh(&self.conn)?;
        Ok(self.conn.seal())
    }

    /// Runs `work` in one transaction: all of it is on the disk when this returns `Ok`, none of it otherwise.
    pub(crate) fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.checked.clear();
        self.touched.clear();
        if self.is_shared {
            self.batches.clear();
            self.names.forget_batches();
        }
        let outcome = self.conn.begin().map_err(Trouble::from).and_then(|()| {
            self.seal()?;
            let done = work(self)?;
            self.keep_tallies()?;
            self.tell_completions()?;
            crash_points::reach("before-commit");
            self.conn.commit()?;
            Ok(done)
        });
        match outcome {
            Ok(_) => {
                let grown = self.tallies.take_grown();
                self.counted.tell(&self.conn, grown);
            }
            Err(_) => self.forget(),
        }
        outcome
    }

    /// Rolls back, with everything that was remembered in the meantime: it may be gone from the file.
    fn forget(&mut self) {
        self.conn.rollback();
        self.lanes.clear();
        self.keys.clear();
        self.batches.clear();
        self.tallies.clear();
        self.settled.clear();
        self.unfinished.clear();
        self.unblocked.clear();
        self.called.clear();
        self.names = Names::default();
        self.counted.clear();
        self.call_us_max = None;
    }

    /// Goes on only if the domain of what is changed in this transaction is still owned.
    pub(crate) fn check(&mut self, lease: Option<&Lease>) -> Result<(), Trouble> {
        let Some(lease) = lease else { return Ok(()) };
        self.look_at(&[lease])?;
        if self.checked.contains(lease) { Ok(()) } else { Err(lease.lost()) }
    }

    /// Finds out of several domains at one time whether they are still owned, before each is checked.
    pub(crate) fn check_ahead(&mut self, parts: &[Arc<Part>]) -> Result<(), Error> {
        let leases: HashSet<_> = parts.iter().filter_map(|part| part.lease()).collect();
        self.look_at(&leases.into_iter().collect::<Vec<_>>())
    }

    fn look_at(&mut self, leases: &[&Lease]) -> Result<(), Error> {
        let new: Vec<_> = leases.iter().copied().filter(|lease| !self.checked.contains(*lease)).collect();
        let owned = new.iter().zip(Lease::owned(&self.conn, &new)?).filter(|(_, is_owned)| *is_owned);
        self.checked.extend(owned.map(|(lease, _)| (*lease).clone()));
        Ok(())
    }

    /// What was read of this job before is no longer so.
    pub(crate) fn touch(&mut self, job: JobSeq) {
        self.touched.insert(job);
    }

    pub(crate) fn is_touched(&self, job: JobSeq) -> bool {
        self.touched.contains(&job)
    }

    /// Somebody reads anew.
    pub(crate) fn forget_touched(&mut self) {
        self.touched.clear();
    }

    /// A job of this batch is settled at this instant.
    pub(crate) fn note_settled(&mut self, batch: i64, from_amqp: bool, now: Timestamp) {
        self.settled_at = now;
        *self.settled.entry(batch).or_default() |= from_amqp;
    }

    /// Writes what has been counted: at a transaction's end, and before tallies are read within one.
    pub(crate) fn keep_tallies(&mut self) -> Result<(), Error> {
        for (batch, change) in self.tallies.unfinished() {
            *self.unfinished.entry(batch).or_default() += change;
        }
        for ((lane, day), calls) in std::mem::take(&mut self.called) {
            calls::add(&self.conn, lane, day, calls)?;
        }
        self.tallies.keep(&self.conn)
    }

    /// Tells of the batches of which this transaction ended the last unfinished job.
    fn tell_completions(&mut self) -> Result<(), Error> {
        let settled = std::mem::take(&mut self.settled);
        for (batch, change) in std::mem::take(&mut self.unfinished) {
            // Only batches that come over AMQP have somebody to tell.
            if batch != 0 && change < 0 && settled.get(&batch) == Some(&true) {
                completion::tell(&self.conn, batch, self.settled_at)?;
            }
        }
        Ok(())
    }

    /// The number of a lane, new or known.
    pub(crate) fn lane(&mut self, key: &LaneKey) -> Result<i64, Error> {
        if let Some(&lane) = self.lanes.get(key) {
            return Ok(lane);
        }
        let names = values![key.app, key.tenant, key.method];
        let known = "SELECT lane FROM lanes WHERE app = $1 AND tenant = $2 AND method = $3";
        // Another process may add it at the same time.
        let new = "INSERT INTO lanes (app, tenant, method) VALUES ($1, $2, $3)
             ON CONFLICT (app, tenant, method) DO UPDATE SET app = excluded.app RETURNING lane";
        let lane = match self.conn.query_opt(known, names, |row| row.get(0))? {
            Some(lane) => lane,
            None => self.conn.query_value(new, names)?,
        };
        self.lanes.insert(key.clone(), lane);
        Ok(lane)
    }

    /// The lane of a number.
    pub(crate) fn lane_key(&mut self, lane: i64) -> Result<LaneKey, Error> {
        if let Some(key) = self.keys.get(&lane) {
            return Ok(key.clone());
        }
        let sql = "SELECT app, tenant, method FROM lanes WHERE lane = $1";
        let key = self.conn.query_one(sql, values![lane], |row| {
            Ok(LaneKey { app: row.get(0)?, tenant: row.get(1)?, method: row.get(2)? })
        })?;
        self.keys.insert(lane, key.clone());
        Ok(key)
    }

    /// The number of a batch, new or known; 0 for none.
    pub(crate) fn batch(&mut self, name: Option<&str>, now: Timestamp) -> Result<i64, Error> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(0) };
        if let Some(&batch) = self.batches.get(name) {
            return Ok(batch);
        }
        let known = "SELECT batch FROM batches WHERE name = $1";
        let new = "INSERT INTO batches (name, created_at) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING batch";
        let batch = match self.conn.query_opt(known, values![name], |row| row.get(0))? {
            Some(batch) => batch,
            None => self.conn.query_value(new, values![name, now])?,
        };
        self.batches.insert(name.to_owned(), batch);
        Ok(batch)
    }

    /// Forgets a batch that holds nothing.
    pub(crate) fn forget_batch(&mut self, batch: i64) -> Result<(), Error> {
        self.tallies.forget_batch(&self.conn, batch)?;
        self.conn.send("DELETE FROM batches WHERE batch = $1", values![batch])?;
        self.batches.retain(|_, known| *known != batch);
        self.names.forget_batches();
        Ok(())
    }

    /// A job that was blocked waits in its lane now.
    pub(crate) fn note_unblocked(&mut self, job: Option<Waiting>) {
        self.unblocked.extend(job);
    }

    /// Those of the present change, as the schedule keeps them.
    pub(crate) fn take_unblocked(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.unblocked)
    }

    /// Puts a blocked job into its lane, with the values that it took; gives it back if it is not in flight.
    pub(crate) fn release(&mut self, job: JobSeq, filled: Option<&str>) -> Result<Option<Waiting>, Error> {
        self.touch(job);
        waiting::release(&self.conn, job, filled, &mut self.names)
    }

    /// Finds out at one time whether this process still has the domains of these lanes, before their jobs are announced.
    pub(crate) fn announce_ahead<'a>(&mut self, lanes: impl Iterator<Item = &'a LaneKey>) -> Result<(), Error> {
        match &self.announces {
            Announces::Nothing | Announces::All => Ok(()),
            Announces::Others(held) => {
                let parts: Vec<_> = lanes.filter_map(|lane| held.fenced(lane)).collect();
                self.check_ahead(&parts)
            }
        }
    }

    /// Notes, for the process that schedules, that a job was put to work or cancelled by this one.
    pub(crate) fn announce(&mut self, job: JobSeq, lane: i64) -> Result<(), Trouble> {
        let is_ours = match &self.announces {
            Announces::Nothing => true,
            Announces::All => false,
            Announces::Others(held) => Arc::clone(held).schedules(self, lane)?,
        };
        if !is_ours {
            self.conn.send("INSERT INTO changed (job) VALUES ($1) ON CONFLICT (job) DO NOTHING", values![job])?;
        }
        Ok(())
    }

    /// A call of this lane that the platform has counted.
    pub(crate) fn count_call(&mut self, lane: i64, at: Timestamp) {
        *self.called.entry((lane, at.china_day())).or_default() += 1;
    }

    /// Remembers how long a call may take or took, so that no attempt that still counts is overlooked.
    pub(crate) fn note_call_length(&mut self, length_us: i64) -> Result<(), Error> {
        let known = match self.call_us_max {
            Some(known) => known,
            None => call_us_max(&self.conn)?,
        };
        self.call_us_max = Some(known.max(length_us));
        if length_us > known {
            meta::raise(&self.conn, CALL_US_MAX, length_us)?;
        }
        Ok(())
    }
}

const CALL_US_MAX: &str = "call_us_max";

/// The longest call recorded so far, in microseconds.
pub(crate) fn call_us_max(conn: &Conn) -> Result<i64, Error> {
    Ok(meta::get(conn, CALL_US_MAX)?.unwrap_or_default())
}
