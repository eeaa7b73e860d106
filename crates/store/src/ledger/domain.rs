//! What the engine works of the ledger: a domain, as long as it is owned.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use super::attempts::{Begin, End};
use super::books::{Books, Trouble};
use super::held::{Held, Part};
use super::job_row::{JOB_COLUMNS, JOB_TABLES, JobRow};
use super::sharing::SKEW_MAX;
use super::{Open, attempts, calls, chains, counted, listed, restraints, settle, unsettled, waiting};
use crate::driver::{Conn, values};
use paceline_domain::budget::CalledDay;
use paceline_domain::job::{Job, LaneKey};
use paceline_domain::time::Timestamp;
use paceline_metrics::Source;
use paceline_ports::{
    AttemptEnd, AttemptSeq, AttemptStart, Changed, Domain, JobSeq, LedgerError, Named, PastCall, Restraint, Settlement,
    Unsettled, Verified, Waiting,
};

/// The jobs of what a process has acquired.
pub(crate) struct SqlDomain {
    open: Arc<Open>,
    held: Arc<Held>,
}

impl SqlDomain {
    pub(super) fn of(open: &Arc<Open>, held: Arc<Held>) -> Self {
        Self { open: Arc::clone(open), held }
    }

    /// Makes a change that looks for itself whether what it changes is held.
    async fn change<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Books, &Held) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let held = Arc::clone(&self.held);
        self.open.writer.change(move |books| work(books, &held)).await
    }
}

#[async_trait]
impl Domain for SqlDomain {
    async fn recover(&self, now: Timestamp) -> Result<usize, LedgerError> {
        let recover = move |books: &mut Books, held: &Held| {
            held.check_all(books)?;
            attempts::recover(books, &held.union(false), now)
        };
        self.change(recover).await
    }

    fn is_shared(&self) -> bool {
        self.held.is_shared()
    }

    fn covers(&self, lane: &LaneKey) -> bool {
        self.held.covers(lane)
    }

    fn has(&self, restraint: &Restraint) -> bool {
        self.held.has(restraint)
    }

    fn epoch_of(&self, lane: &LaneKey) -> Option<i64> {
        self.held.epoch_of(lane)
    }

    fn clock_error(&self) -> Duration {
        // One may be ahead of the database's, the other behind it.
        if self.held.is_fenced() { SKEW_MAX * 2 } else { Duration::ZERO }
    }

    async fn past_calls(&self, since: Timestamp) -> Result<Vec<PastCall>, LedgerError> {
        let domain = self.held.union(false);
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
        let domain = self.held.union(false);
        let read = move |conn: &Conn| waiting::read(conn, &domain, batches.as_deref(), after, limit);
        self.open.readers.read(move |conn| conn.at_once(&read)).await
    }

    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Result<Vec<Waiting>, LedgerError> {
        self.open.readers.read(move |conn| waiting::of(conn, &seqs)).await
    }

    async fn changed(&self) -> Result<Changed, LedgerError> {
        let domain = self.held.union(self.held.is_shared());
        if self.held.is_fenced() {
            // A look costs the other writers nothing.
            let domain = Arc::clone(&domain);
            let is_any = self.open.readers.read(move |conn| waiting::has_changed(conn, &domain)).await?;
            if !is_any {
                return Ok(Changed::default());
            }
        }
        let changed = self.change(move |books, held| waiting::take_changed(books, held, &domain)).await?;
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
        let begin = Begin { start, held: Arc::clone(&self.held) };
        match self.open.writer.begin(begin).await? {
            Some((attempt, row)) => Ok((attempt, row.map(|row| row.parse().map(Box::new)).transpose()?)),
            None => Ok((AttemptSeq::NONE, None)),
        }
    }

    async fn end_attempt(&self, end: Arc<AttemptEnd>) -> Result<Vec<Waiting>, LedgerError> {
        self.open.writer.end(End { end, held: Some(Arc::clone(&self.held)) }).await
    }

    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        let settle = move |books: &mut Books, held: &Held| match settle::standing(books, seq)? {
            Some(standing) => {
                held.check(books, standing.place.lane)?;
                settle::apply(books, seq, standing, &settlement, false, now)?;
                Ok(books.take_unblocked())
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
            // They are in no lane, so they are nobody's: whoever looks first ends them.
            ended += self.change(move |books, _| chains::expire(books, &overdue, now, wait)).await?;
        }
    }

    async fn nameless(&self, after: JobSeq, limit: usize) -> Result<Vec<(JobSeq, Job)>, LedgerError> {
        let domain = self.held.union(false);
        let rows = self.open.readers.read(move |conn| listed::nameless(conn, &domain, after, limit)).await?;
        rows.into_iter().map(|(seq, row)| Ok((seq, row.parse()?))).collect()
    }

    async fn named(&self, found: Vec<(JobSeq, Named)>, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        let name = move |books: &mut Books, held: &Held| {
            listed::named(books, held, &found, now)?;
            Ok(books.take_unblocked())
        };
        self.change(name).await
    }

    async fn unsettled(&self, lane: &LaneKey, only: Option<Vec<JobSeq>>) -> Result<Vec<Unsettled>, LedgerError> {
        let lane = lane.clone();
        let read = move |conn: &Conn| conn.at_once(|conn| unsettled::read(conn, &lane, only.as_deref()));
        let rows = self.open.readers.read(read).await?;
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
        let settle = move |books: &mut Books, held: &Held| {
            let verified = unsettled::settle(books, held, &found, now)?;
            Ok((verified, books.take_unblocked()))
        };
        self.change(settle).await
    }

    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Result<(), LedgerError> {
        let set = move |books: &mut Books, held: &Held| {
            let parts = held.kept();
            let of = |part: &Part| -> Vec<Restraint> {
                // What several have in common, such as an app's pause, is recorded with the first.
                let is_first = |one: &&Restraint| {
                    let first = parts.iter().find(|other| other.domain().has(one));
                    first.is_some_and(|first| first.domain().name() == part.domain().name())
                };
                restraints.iter().filter(|one| is_first(one)).cloned().collect()
            };
            let recorded = restraints::domains(books.conn())?;
            for part in &parts {
                let (name, new) = (part.domain().name(), of(part));
                if parts.len() == 1 || !new.is_empty() || recorded.contains(name) {
                    Held::check_part(books, part)?;
                    restraints::set(books.conn(), name, &new)?;
                }
            }
            Ok(())
        };
        self.change(set).await
    }

    async fn restraints(&self) -> Result<Vec<Restraint>, LedgerError> {
        let domains = self.held.kept().iter().map(|part| part.domain().name().to_owned()).collect();
        self.open.readers.read(move |conn| restraints::of_domains(conn, &domains)).await
    }
}
