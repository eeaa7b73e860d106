//! A ledger whose records of attempts take long to commit, but for the first few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use paceline::domain::activity::Deed;
use paceline::domain::budget::CalledDay;
use paceline::domain::job::{Job, LaneKey};
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{
    AttemptEnd, AttemptSeq, AttemptStart, Changed, Counts, Domain, JobSeq, Kept, Ledger, LedgerError, Named, PastCall,
    Pruned, QuotaDomain, Restraint, Settlement, Suspension, Unsettled, Verified, Waiting,
};

/// The ledger behind it does everything else.
pub(crate) struct SlowLedger {
    pub inner: Arc<dyn Ledger>,
    /// Attempts that are recorded at once.
    pub quick: u32,
    pub delay: Duration,
}

/// What is acquired of it.
struct SlowDomain {
    inner: Arc<dyn Domain>,
    quick: AtomicU32,
    delay: Duration,
}

type Done<T> = Result<T, LedgerError>;

#[async_trait]
impl Ledger for SlowLedger {
    async fn acquire(&self, domain: QuotaDomain) -> Done<Arc<dyn Domain>> {
        let inner = self.inner.acquire(domain).await?;
        Ok(Arc::new(SlowDomain { inner, quick: AtomicU32::new(self.quick), delay: self.delay }))
    }

    async fn release(&self, domain: QuotaDomain) -> Done<()> {
        self.inner.release(domain).await
    }

    async fn suspend(&self, suspension: Suspension) -> Done<()> {
        self.inner.suspend(suspension).await
    }

    async fn resume(&self, app: &str, tenant: &str, method: &str) -> Done<usize> {
        self.inner.resume(app, tenant, method).await
    }

    async fn end_suspensions(&self, now: Timestamp) -> Done<usize> {
        self.inner.end_suspensions(now).await
    }

    async fn suspensions(&self) -> Done<Vec<Suspension>> {
        self.inner.suspensions().await
    }

    async fn prune(&self, before: Timestamp, after: JobSeq) -> Done<Pruned> {
        self.inner.prune(before, after).await
    }

    async fn counts(&self, batches: Option<Vec<String>>) -> Done<Counts> {
        self.inner.counts(batches).await
    }

    async fn listed(&self, directory: &str, place: &str, since: Timestamp) -> Done<Option<Kept>> {
        self.inner.listed(directory, place, since).await
    }

    async fn keep_listed(&self, directory: &str, places: Vec<(String, String)>, read_at: Timestamp) -> Done<()> {
        self.inner.keep_listed(directory, places, read_at).await
    }

    async fn forget_listed(&self, directory: &str) -> Done<()> {
        self.inner.forget_listed(directory).await
    }

    async fn note(&self, deed: Deed, count: usize, now: Timestamp) -> Done<()> {
        self.inner.note(deed, count, now).await
    }
}

#[async_trait]
impl Domain for SlowDomain {
    async fn begin_attempt(&self, start: AttemptStart) -> Done<(AttemptSeq, Option<Box<Job>>)> {
        let begun = self.inner.begin_attempt(start).await;
        let is_quick = self.quick.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !is_quick {
            tokio::time::sleep(self.delay).await;
        }
        begun
    }

    async fn recover(&self, now: Timestamp) -> Done<usize> {
        self.inner.recover(now).await
    }

    async fn past_calls(&self, since: Timestamp) -> Done<Vec<PastCall>> {
        self.inner.past_calls(since).await
    }

    async fn called(&self) -> Done<Vec<CalledDay>> {
        self.inner.called().await
    }

    async fn waiting(&self, batches: Option<Vec<String>>, after: JobSeq, limit: usize) -> Done<Vec<Waiting>> {
        self.inner.waiting(batches, after, limit).await
    }

    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Done<Vec<Waiting>> {
        self.inner.waiting_of(seqs).await
    }

    async fn changed(&self) -> Done<Changed> {
        self.inner.changed().await
    }

    async fn job(&self, seq: JobSeq) -> Done<Job> {
        self.inner.job(seq).await
    }

    async fn end_attempt(&self, end: Arc<AttemptEnd>) -> Done<Vec<Waiting>> {
        self.inner.end_attempt(end).await
    }

    async fn nameless(&self, after: JobSeq, limit: usize) -> Done<Vec<(JobSeq, Job)>> {
        self.inner.nameless(after, limit).await
    }

    async fn named(&self, found: Vec<(JobSeq, Named)>, now: Timestamp) -> Done<Vec<Waiting>> {
        self.inner.named(found, now).await
    }

    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Done<Vec<Waiting>> {
        self.inner.settle(seq, settlement, now).await
    }

    async fn unsettled(&self, lane: &LaneKey, only: Option<Vec<JobSeq>>) -> Done<Vec<Unsettled>> {
        self.inner.unsettled(lane, only).await
    }

    async fn answers(&self, seq: JobSeq, code: i64) -> Done<u32> {
        self.inner.answers(seq, code).await
    }

    async fn owned(&self, method: &str, keys: Vec<String>) -> Done<Vec<String>> {
        self.inner.owned(method, keys).await
    }

    async fn end_blocked(&self, wait: Duration, now: Timestamp) -> Done<usize> {
        self.inner.end_blocked(wait, now).await
    }

    async fn verified(&self, found: Vec<(JobSeq, Settlement)>, now: Timestamp) -> Done<(Vec<Verified>, Vec<Waiting>)> {
        self.inner.verified(found, now).await
    }

    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Done<()> {
        self.inner.set_restraints(restraints).await
    }

    async fn restraints(&self) -> Done<Vec<Restraint>> {
        self.inner.restraints().await
    }
}
