//! What a worker does with the ledger, over either database: the ports Intake, Outbox, Ledger and Domain.
//!
//! Changes go through one writer that commits whatever has queued up together ([`writer`]); reads have connections of
//! their own ([`readers`]). What a change means stands in `take_over`, `attempts`, `settle` and `outbox`.

pub(crate) mod activity;
pub(crate) mod attempts;
mod beside;
pub(crate) mod books;
pub(crate) mod broker;
pub(crate) mod calls;
pub(crate) mod chains;
mod completion;
mod counted;
mod domain;
mod endings;
mod figures;
pub(crate) mod fleet;
mod heartbeat;
pub(crate) mod held;
pub(crate) mod job_row;
pub(crate) mod leases;
pub(crate) mod listed;
pub(crate) mod meta;
pub(crate) mod outbox;
pub(crate) mod piles;
#[cfg(test)]
mod proptests;
mod prune;
mod readers;
pub(crate) mod rehearsal;
mod repeat;
pub(crate) mod restraints;
pub(crate) mod seal;
pub(crate) mod settle;
pub(crate) mod sharing;
pub(crate) mod suspensions;
mod take_over;
pub(crate) mod tallies;
#[cfg(test)]
mod tests;
mod undo;
mod unsettled;
pub(crate) mod waiting;
mod watch;
mod writer;

use std::sync::{Arc, Mutex};

use self::books::{Announces, Books};
use self::domain::SqlDomain;
use self::heartbeat::Heartbeat;
use self::held::{Held, Part};
use self::leases::Lease;
use self::readers::Readers;
use self::sharing::Sharing;
use self::take_over::Incoming;
use self::watch::Watch;
use self::writer::Writer;
use crate::sqlite::lock::WorkerLock;
use crate::transfer::marks;
use async_trait::async_trait;
use paceline_domain::activity::Deed;
use paceline_domain::time::Timestamp;
use paceline_metrics::{Metrics, Source};
pub(crate) use paceline_ports::Mode;
use paceline_ports::clock::Clock;
use paceline_ports::location::Location;
use paceline_ports::operator::BrokerStanding;
use paceline_ports::{
    Arrival, Counts, Domain, Figures, Fleet, Intake, JobSeq, Kept, Ledger, LedgerError, Outbox, Outgoing, Pruned,
    QuotaDomain, Reached, Store, Suspension, TakenOver,
};

/// The ledger, in one SQLite file or one PostgreSQL database.
pub struct SqlStore {
    open: Arc<Open>,
}

/// The file, opened; shared with what was acquired of it.
struct Open {
    writer: Writer,
    readers: Readers,
    watch: Watch,
    mode: Mode,
    /// `None`: one process alone works it, under the file's lock.
    sharing: Option<Sharing>,
    heartbeat: Option<Heartbeat>,
    /// What this process has taken, one of several that work it.
    held: Arc<Held>,
    /// A digest of the quotas that it goes by.
    quotas: Mutex<String>,
    metrics: Metrics,
}

impl SqlStore {
    /// Opens the file, creating and migrating it as needed. Must be called on a tokio runtime, which runs the writer.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] if another process works it; else a sentence that says what is wrong with the file.
    pub fn open(location: impl Into<Location>, mode: Mode, now: Timestamp) -> Result<Self, LedgerError> {
        Self::open_measured(location, mode, now, Metrics::default())
    }

    /// Likewise, and counts there what this process changes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_measured(
        location: impl Into<Location>,
        mode: Mode,
        now: Timestamp,
        metrics: Metrics,
    ) -> Result<Self, LedgerError> {
        let location = location.into();
        let path = location.path.as_path();
        let sharing = location.server.as_ref().map(Sharing::of).transpose()?;
        let mut lock = match mode {
            Mode::Worker if sharing.is_none() => Some(WorkerLock::acquire(path, now)?),
            Mode::Worker | Mode::Operator => None,
        };
        let held = Arc::new(Held::shared());
        let announces = match mode {
            Mode::Operator => Announces::All,
            Mode::Worker if sharing.is_some() => Announces::Others(Arc::clone(&held)),
            Mode::Worker => Announces::Nothing,
        };
        let mut books = Books::open_measured(&location, announces, metrics.clone(), lock.as_mut())?;
        marks::refuse(books.conn(), &location)?;
        if mode == Mode::Worker {
            books.seal()?.require()?;
            seal::begin_given(&mut books, &location)?;
            seal::carry_forward(&mut books)?;
            if sharing.is_some() {
                sharing::refuse_skew(books.conn(), &Clock::system())?;
            } else {
                // What the last worker said of its broker is not this one's.
                broker::set(&books, None)?;
            }
        }
        let (writer, readers) = (Writer::start(books, lock), Readers::of(location.clone()));
        let heartbeat = sharing.map(|sharing| Heartbeat::of(location.clone(), sharing));
        let (watch, quotas) = (Watch::of(location), Mutex::default());
        Ok(Self { open: Arc::new(Open { writer, readers, watch, mode, sharing, heartbeat, held, quotas, metrics }) })
    }

    /// Makes it the ledger of a rehearsal whose windows are `speed` times shorter.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] after [`Self::close`]; else why the file cannot be written.
    pub async fn rehearse(&self, speed: f64) -> Result<(), LedgerError> {
        self.open.writer.change(move |books| Ok(rehearsal::set(books.conn(), speed)?)).await
    }

    /// Results and dead letters that the broker does not have yet, or not everywhere.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] after [`Self::close`]; else why the file cannot be read.
    pub async fn unpublished(&self) -> Result<u64, LedgerError> {
        self.open.readers.read(outbox::count).await
    }

    /// What only the ledger knows of lanes, dead letters and the outbox, at `now`.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] after [`Self::close`]; else why the file cannot be read.
    pub async fn figures(&self, now: Timestamp) -> Result<Figures, LedgerError> {
        self.open.readers.read(move |conn| conn.at_once(|conn| figures::read(conn, now))).await
    }

    /// Records how this process stands with its broker, for those who look from another one.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] after [`Self::close`]; else why the file cannot be written.
    pub async fn set_broker(&self, standing: BrokerStanding) -> Result<(), LedgerError> {
        self.open.for_workers()?;
        self.open.writer.change(move |books| broker::set(books, Some(&standing))).await
    }

    /// Waits for the changes under way, closes the file and lets go of the lock. What is asked afterwards is answered
    /// with [`LedgerError::Closed`].
    pub async fn close(&self) {
        self.open.readers.close();
        self.open.watch.close();
        if let Some(heartbeat) = &self.open.heartbeat {
            heartbeat.close();
        }
        if let Some(Sharing { owner, .. }) = self.open.sharing {
            // Otherwise its domains wait until its leases are over.
            let let_go = move |books: &mut Books| {
                fleet::leave(books.conn(), owner)?;
                Ok(leases::release_all(books.conn(), owner)?)
            };
            let _ = self.open.writer.change(let_go).await;
        }
        self.open.writer.close().await;
    }

    /// What [`Ledger::acquire`] gives.
    #[cfg(test)]
    pub(crate) fn domain(&self) -> SqlDomain {
        SqlDomain::of(&self.open, Arc::new(Held::only([Part::of(QuotaDomain::whole(), None)])))
    }

    /// Opens the file beside others that work it, as only a test does: claims and leases last so long.
    #[cfg(test)]
    pub(crate) fn open_shared(location: impl Into<Location>, lasting: std::time::Duration) -> Self {
        let location = location.into();
        let held = Arc::new(Held::shared());
        let books = Books::open(&location, Announces::Others(Arc::clone(&held))).unwrap();
        let sharing = Sharing { owner: sharing::Owner::draw().unwrap(), claim: lasting, lease: lasting };
        let (writer, readers) = (Writer::start(books, None), Readers::of(location.clone()));
        let heartbeat = Some(Heartbeat::of(location.clone(), sharing));
        let (watch, metrics, sharing) = (Watch::of(location), Metrics::default(), Some(sharing));
        let (mode, quotas) = (Mode::Worker, Mutex::default());
        Self { open: Arc::new(Open { writer, readers, watch, mode, sharing, heartbeat, held, quotas, metrics }) }
    }

    /// Adds one row of `meta` so often, which can be added once; without waiting where that can be.
    #[cfg(test)]
    pub(crate) async fn change_meta(&self, name: String, times: usize) -> Result<(), LedgerError> {
        let add = move |books: &mut Books| {
            let sql = "INSERT INTO meta (name, value) VALUES ($1, 1)";
            Ok((0..times).try_for_each(|_| books.conn().send(sql, crate::driver::values![name]))?)
        };
        self.open.writer.change(add).await
    }

    /// Lets the file grow to so many pages, as a full disk would.
    #[cfg(test)]
    async fn limit_pages(&self, pages: u32) {
        let sql = format!("PRAGMA max_page_count = {pages}");
        let set = move |books: &mut Books| Ok(books.conn().query_each(&sql, &[], |_| Ok(()))?);
        self.open.writer.change(set).await.unwrap();
    }
}

impl Open {
    fn for_workers(&self) -> Result<(), LedgerError> {
        match self.mode {
            Mode::Worker => Ok(()),
            Mode::Operator => {
                Err(LedgerError::Failed("calls are made by the process that holds the ledger's lock alone".to_owned()))
            }
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn rehearse(&self, speed: f64) -> Result<(), LedgerError> {
        Self::rehearse(self, speed).await
    }

    async fn unpublished(&self) -> Result<u64, LedgerError> {
        Self::unpublished(self).await
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures, LedgerError> {
        Self::figures(self, now).await
    }

    async fn set_broker(&self, standing: BrokerStanding) -> Result<(), LedgerError> {
        Self::set_broker(self, standing).await
    }

    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        Some(Arc::new(fleet::Member::of(&self.open)?))
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

#[async_trait]
impl Intake for SqlStore {
    async fn take_over(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Result<Vec<TakenOver>, LedgerError> {
        let source = |arrival: &Arrival| if arrival.origin.amqp.is_some() { Source::Amqp } else { Source::File };
        let sources: Vec<_> = arrivals.iter().map(source).collect();
        let incoming: Vec<_> = arrivals.into_iter().map(Incoming::of).collect();
        let taken = self.open.writer.change(move |books| take_over::take_over(books, &incoming, now)).await?;
        for (source, taken) in sources.into_iter().zip(&taken) {
            self.open.metrics.taken_over(source, counted::result_of(taken));
        }
        Ok(taken)
    }
}

#[async_trait]
impl Outbox for SqlStore {
    // By who writes, whose connection has just seen these rows.
    async fn claim(&self, after: i64, limit: usize) -> Result<Vec<Outgoing>, LedgerError> {
        let sharing = self.open.sharing;
        self.open.writer.change(move |books| Ok(outbox::claim(books.conn(), sharing, after, limit)?)).await
    }

    async fn claim_aside(&self, limit: usize) -> Result<Vec<Outgoing>, LedgerError> {
        let sharing = self.open.sharing;
        self.open.writer.change(move |books| Ok(outbox::claim_aside(books.conn(), sharing, limit)?)).await
    }

    async fn extend(&self, seqs: Vec<i64>) -> Result<(), LedgerError> {
        let Some(sharing) = self.open.sharing else { return Ok(()) };
        self.open.writer.change(move |books| Ok(outbox::extend(books.conn(), sharing, &seqs)?)).await
    }

    async fn reached(&self, rows: Vec<(i64, Reached)>) -> Result<(), LedgerError> {
        let sharing = self.open.sharing;
        self.open.writer.change(move |books| Ok(outbox::reached(books.conn(), sharing, &rows)?)).await
    }

    async fn done(&self, seqs: Vec<i64>) -> Result<(), LedgerError> {
        let sharing = self.open.sharing;
        self.open.writer.change(move |books| Ok(outbox::done(books.conn(), sharing, &seqs)?)).await
    }
}

#[async_trait]
impl Ledger for SqlStore {
    async fn acquire(&self, domain: QuotaDomain) -> Result<Arc<dyn Domain>, LedgerError> {
        self.open.for_workers()?;
        let Some((sharing, heartbeat)) = self.open.sharing.zip(self.open.heartbeat.as_ref()) else {
            let alone = Held::only([Part::of(domain, None)]);
            return Ok(Arc::new(SqlDomain::of(&self.open, Arc::new(alone))));
        };
        let (name, before) = (domain.name().to_owned(), heartbeat.before());
        let take = move |books: &mut Books| Lease::take(books.conn(), &name, sharing, "");
        let lease = self.open.writer.change(take).await?;
        let trust = heartbeat.keep(lease.clone(), before);
        let part = Part::of(domain, Some((lease, trust)));
        part.open(true);
        // What this process puts to work in it, it schedules itself.
        self.open.held.add(Arc::clone(&part));
        let one = Held::only([part]);
        Ok(Arc::new(SqlDomain::of(&self.open, Arc::new(one))))
    }

    async fn release(&self, domain: QuotaDomain) -> Result<(), LedgerError> {
        let Some(Sharing { owner, .. }) = self.open.sharing else { return Ok(()) };
        self.open.held.remove(domain.name());
        let release = move |books: &mut Books| Ok(leases::release(books.conn(), owner, &[domain.name().to_owned()])?);
        self.open.writer.change(release).await.map(drop)
    }

    async fn suspend(&self, suspension: Suspension) -> Result<(), LedgerError> {
        self.open.writer.change(move |books| Ok(suspensions::add(books.conn(), &suspension)?)).await
    }

    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Result<usize, LedgerError> {
        let (app, tenant, method) = (app.to_owned(), tenant.to_owned(), method.to_owned());
        self.open.writer.change(move |books| Ok(suspensions::remove(books.conn(), &app, &tenant, &method)?)).await
    }

    async fn end_suspensions(&self, now: Timestamp) -> Result<usize, LedgerError> {
        self.open.writer.change(move |books| Ok(suspensions::end(books.conn(), now)?)).await
    }

    async fn suspensions(&self) -> Result<Vec<Suspension>, LedgerError> {
        self.open.readers.read(suspensions::read).await
    }

    async fn prune(&self, before: Timestamp, after: JobSeq) -> Result<Pruned, LedgerError> {
        self.open.for_workers()?;
        self.open.writer.change(move |books| prune::prune(books, before, after)).await
    }

    async fn note(&self, deed: Deed, count: usize, now: Timestamp) -> Result<(), LedgerError> {
        self.open.writer.change(move |books| activity::record(books, &deed, count, now)).await
    }

    async fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Result<Option<Kept>, LedgerError> {
        let (directory, place) = (directory.to_owned(), place.to_owned());
        self.open.readers.read(move |conn| listed::of(conn, &directory, &place, since)).await
    }

    async fn keep_listed(
        &self,
        directory: &str,
        places: Vec<(String, String)>,
        read_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let directory = directory.to_owned();
        self.open.writer.change(move |books| Ok(listed::keep(books.conn(), &directory, &places, read_at)?)).await
    }

    async fn forget_listed(&self, directory: &str) -> Result<(), LedgerError> {
        let directory = directory.to_owned();
        self.open.writer.change(move |books| Ok(listed::forget(books.conn(), &directory)?)).await
    }

    async fn counts(&self, batches: Option<Vec<String>>) -> Result<Counts, LedgerError> {
        self.open.readers.read(move |conn| waiting::counts(conn, batches.as_deref())).await
    }
}
