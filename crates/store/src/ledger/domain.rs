//! What the engine works of the ledger: a domain, as long as it is owned.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use super::books::{Books, Trouble};
use super::heartbeat::Trust;
use super::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use super::leases::Lease;
use super::sharing::SKEW_MAX;
use super::{Open, attempts, calls, chains, counted, restraints, settle, unsettled, waiting};
use crate::driver::{Conn, values};
use paceline_domain::budget::CalledDay;
use paceline_domain::job::Job;
use paceline_domain::time::Timestamp;
use paceline_metrics::Source;
use paceline_ports::{
    AttemptEnd, AttemptSeq, AttemptStart, Changed, Domain, JobSeq, LedgerError, PastCall, QuotaDomain, Restraint,
    Settlement, Unsettled, Verified, Waiting,
};

/// The jobs of a domain, for the process that has acquired it.
pub(crate) struct SqlDomain {
    open: Arc<Open>,
    domain: QuotaDomain,
    /// `None` where the file's lock lets one process alone work it.
    lease: Option<Lease>,
    /// Likewise, and in tests of the fence alone.
    trust: Option<Trust>,
}

impl SqlDomain {
    pub(super) fn of(open: &Arc<Open>, domain: QuotaDomain, owned: Option<(Lease, Trust)>) -> Self {
        let (lease, trust) = owned.unzip();
        Self { open: Arc::clone(open), domain, lease, trust }
    }

    /// Makes a change that only the owner may make.
    async fn change<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Books) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let lease = self.lease.clone();
        let checked = move |books: &mut Books| {
            books.check(lease.as_ref())?;
            work(books)
        };
        self.open.writer.change(checked).await
    }
}

#[async_trait]
impl Domain for SqlDomain {
    async fn recover(&self, now: Timestamp) -> Result<usize, LedgerError> {
        let domain = self.domain.clone();
        self.change(move |books| attempts::recover(books, &domain, now)).await
    }

    fn is_owned(&self) -> bool {
        self.trust.as_ref().is_none_or(Trust::holds)
    }

    fn clock_error(&self) -> Duration {
        // One may be ahead of the database's, the other behind it.
        if self.lease.is_some() { SKEW_MAX * 2 } else { Duration::ZERO }
    }

    async fn past_calls(&self, since: Timestamp) -> Result<Vec<PastCall>, LedgerError> {
        let domain = self.domain.clone();
        self.open.readers.read(move |conn| conn.at_once(|conn| calls::past(conn, &domain, since))).await
    }

    async fn called(&self) -> Result<Vec<CalledDay>, LedgerError> {
        self.open.readers.read(calls::by_day).await
    }

    async fn waiting(
        &self,
        batches: Option<Vec<String>>,
        after: JobSeq,
        limit: usize,
    ) -> Result<Vec<Waiting>, LedgerError> {
        // One state of the ledger, so that what the tallies say is there.
        let domain = self.domain.clone();
        let read = move |conn: &Conn| waiting::read(conn, &domain, batches.as_deref(), after, limit);
        self.open.readers.read(move |conn| conn.at_once(&read)).await
    }

    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Result<Vec<Waiting>, LedgerError> {
        self.open.readers.read(move |conn| waiting::of(conn, &seqs)).await
    }

    async fn changed(&self) -> Result<Changed, LedgerError> {
        let domain = self.domain.clone();
        let changed = self.change(move |books| Ok(waiting::take_changed(books.conn(), &domain)?)).await?;
        for _ in &changed.waiting {
            self.open.metrics.taken_over(Source::Ledger, counted::QUEUED);
        }
        Ok(changed)
    }

    async fn until_changed(&self) {
        self.open.watch.until_changed().await;
    }

    async fn job(&self, seq: JobSeq) -> Result<Job, LedgerError> {
        static SQL: LazyLock<String> =
            LazyLock::new(|| format!("SELECT {JOB_COLUMNS} FROM {JOB_TABLES} WHERE j.seq = $1"));
        let row = self
            .open
            .readers
            .read(move |conn| conn.query_opt(&SQL, values![seq], |row| JobRow::read(row, conn.seal())))
            .await?;
        row.ok_or_else(|| LedgerError::Failed(format!("there is no job number {}", seq.0)))?.parse()
    }

    async fn begin_attempt(&self, start: AttemptStart) -> Result<(AttemptSeq, Option<Box<Job>>), LedgerError> {
        match self.change(move |books| attempts::begin(books, &start)).await? {
            Some((attempt, row)) => Ok((attempt, row.map(|row| row.parse().map(Box::new)).transpose()?)),
            None => Ok((AttemptSeq::NONE, None)),
        }
    }

    async fn end_attempt(&self, end: AttemptEnd) -> Result<Vec<Waiting>, LedgerError> {
        let end = move |books: &mut Books| {
            attempts::end(books, &end)?;
            chains::unblocked(books)
        };
        self.change(end).await
    }

    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        let settle = move |books: &mut Books| match settle::standing(books, seq)? {
            Some(standing) => {
                settle::apply(books, seq, standing, &settlement, false, now)?;
                chains::unblocked(books)
            }
            None => Err(Trouble::Refused(format!("there is no job number {}", seq.0))),
        };
        self.change(settle).await
    }

    async fn end_blocked(&self, wait: Duration, now: Timestamp) -> Result<usize, LedgerError> {
        let mut ended = 0;
        loop {
            let overdue = self.open.readers.read(move |conn| chains::overdue(conn, now, now - wait)).await?;
            if overdue.is_empty() {
                return Ok(ended);
            }
            ended += self.change(move |books| chains::expire(books, &overdue, now, wait)).await?;
        }
    }

    async fn unsettled(&self, method: &str, seqs: Vec<JobSeq>) -> Result<Vec<Unsettled>, LedgerError> {
        let method = method.to_owned();
        let rows = self.open.readers.read(move |conn| unsettled::read(conn, &method, &seqs)).await?;
        rows.into_iter().map(unsettled::UnsettledRow::parse).collect()
    }

    async fn answers(&self, seq: JobSeq, code: i64) -> Result<u32, LedgerError> {
        self.open.readers.read(move |conn| unsettled::answers(conn, seq, code)).await
    }

    async fn owned(&self, method: &str, keys: Vec<String>) -> Result<Vec<String>, LedgerError> {
        let method = method.to_owned();
        self.open.readers.read(move |conn| unsettled::owned(conn, &method, &keys)).await
    }

    async fn verified(
        &self,
        found: Vec<(JobSeq, Settlement)>,
        now: Timestamp,
    ) -> Result<(Vec<Verified>, Vec<Waiting>), LedgerError> {
        let settle = move |books: &mut Books| {
            let verified = unsettled::settle(books, &found, now)?;
            Ok((verified, chains::unblocked(books)?))
        };
        self.change(settle).await
    }

    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Result<(), LedgerError> {
        let domain = self.domain.name().to_owned();
        self.change(move |books| Ok(restraints::set(books.conn(), &domain, &restraints)?)).await
    }

    async fn restraints(&self) -> Result<Vec<Restraint>, LedgerError> {
        let domain = self.domain.name().to_owned();
        self.open.readers.read(move |conn| restraints::of_domain(conn, &domain)).await
    }
}
