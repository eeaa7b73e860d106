//! A ledger whose records of attempts take long to commit, but for the first few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use paceline::domain::job::Job;
use paceline::domain::time::Timestamp;
use paceline::engine::ports::{
    Arrival, AttemptEnd, AttemptSeq, AttemptStart, Changed, Counts, JobSeq, Ledger, LedgerError, Outgoing, PastCall,
    Pruned, Reached, Restraint, Settlement, Suspension, TakenOver, Unsettled, Verified, Waiting,
};

/// The ledger behind it does everything else.
pub struct SlowLedger {
    pub inner: Arc<dyn Ledger>,
    /// Attempts that are recorded at once.
    pub quick: AtomicU32,
    pub delay: Duration,
}

type Done<T> = Result<T, LedgerError>;

#[async_trait]
impl Ledger for SlowLedger {
    async fn begin_attempt(&self, start: AttemptStart) -> Done<(AttemptSeq, Option<Box<Job>>)> {
        let begun = self.inner.begin_attempt(start).await;
        let is_quick = self.quick.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !is_quick {
            tokio::time::sleep(self.delay).await;
        }
        begun
    }

    async fn take_over(&self, arrivals: Vec<Arrival>, now: Timestamp) -> Done<Vec<TakenOver>> {
        self.inner.take_over(arrivals, now).await
    }

    async fn job(&self, seq: JobSeq) -> Done<Job> {
        self.inner.job(seq).await
    }

    async fn end_attempt(&self, end: AttemptEnd) -> Done<()> {
        self.inner.end_attempt(end).await
    }

    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Done<()> {
        self.inner.settle(seq, settlement, now).await
    }

    async fn recover(&self, now: Timestamp) -> Done<usize> {
        self.inner.recover(now).await
    }

    async fn waiting(&self, batches: Option<Vec<String>>, after: JobSeq, limit: usize) -> Done<Vec<Waiting>> {
        self.inner.waiting(batches, after, limit).await
    }

    async fn past_calls(&self, since: Timestamp) -> Done<Vec<PastCall>> {
        self.inner.past_calls(since).await
    }

    async fn outbox(&self, after: i64, limit: usize) -> Done<Vec<Outgoing>> {
        self.inner.outbox(after, limit).await
    }

    async fn outbox_aside(&self, limit: usize) -> Done<Vec<Outgoing>> {
        self.inner.outbox_aside(limit).await
    }

    async fn outbox_reached(&self, rows: Vec<(i64, Reached)>) -> Done<()> {
        self.inner.outbox_reached(rows).await
    }

    async fn outbox_done(&self, seqs: Vec<i64>) -> Done<()> {
        self.inner.outbox_done(seqs).await
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

    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Done<()> {
        self.inner.set_restraints(restraints).await
    }

    async fn restraints(&self) -> Done<Vec<Restraint>> {
        self.inner.restraints().await
    }

    async fn changed(&self) -> Done<Changed> {
        self.inner.changed().await
    }

    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Done<Vec<Waiting>> {
        self.inner.waiting_of(seqs).await
    }

    async fn unsettled(&self, method: &str, except: Vec<JobSeq>) -> Done<Vec<Unsettled>> {
        self.inner.unsettled(method, except).await
    }

    async fn answers(&self, seq: JobSeq, code: i64) -> Done<u32> {
        self.inner.answers(seq, code).await
    }

    async fn owned(&self, method: &str, keys: Vec<String>) -> Done<Vec<String>> {
        self.inner.owned(method, keys).await
    }

    async fn verified(&self, found: Vec<(JobSeq, Settlement)>, now: Timestamp) -> Done<Vec<Verified>> {
        self.inner.verified(found, now).await
    }

    async fn prune(&self, before: Timestamp, after: JobSeq) -> Done<Pruned> {
        self.inner.prune(before, after).await
    }

    async fn counts(&self, batches: Option<Vec<String>>) -> Done<Counts> {
        self.inner.counts(batches).await
    }
}
