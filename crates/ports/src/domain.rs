//! The engine's hold on the quotas that it works: jobs come out of it, calls and what becomes of jobs go into it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    AttemptEnd, AttemptSeq, AttemptStart, Changed, JobSeq, LedgerError, Named, PastCall, Restraint, Settlement,
    Unsettled, Verified, Waiting,
};
use paceline_domain::budget::CalledDay;
use paceline_domain::job::{Job, LaneKey};
use paceline_domain::time::Timestamp;

/// A quota domain that was acquired: who holds it is the only one to make its calls. Every method returns after its
/// commit. Once another process has taken the domain over, every change fails with [`LedgerError::NotOwner`], and nothing
/// is changed. What is read, closed or replaced is what belongs to the domain.
#[async_trait]
pub trait Domain: Send + Sync {
    /// Closes attempts that a dead process left open; their jobs become uncertain. Comes first.
    async fn recover(&self, now: Timestamp) -> Result<usize, LedgerError>;

    /// Whether it is what this process has taken of a store that others work, too: it grows and shrinks.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether the jobs of the lane are this process's to schedule.
    fn covers(&self, _lane: &LaneKey) -> bool {
        true
    }

    /// Whether what holds calls back is this process's to record.
    fn has(&self, _restraint: &Restraint) -> bool {
        true
    }

    /// How often the lane has changed hands, if nobody else can work it at this instant, as far as this process can tell by
    /// its own clock: asked before a call leaves. One that is alone always works it.
    fn epoch_of(&self, _lane: &LaneKey) -> Option<i64> {
        Some(0)
    }

    /// How far the clocks of those who recorded calls can be from this process's. One that is alone has its own.
    fn clock_error(&self) -> Duration {
        Duration::ZERO
    }

    /// Every call that may still be counted in some window: sent, replied or due after `since`.
    async fn past_calls(&self, since: Timestamp) -> Result<Vec<PastCall>, LedgerError>;

    /// How many calls the platform has counted, by lane and calendar day, of the last month at least.
    async fn called(&self) -> Result<Vec<CalledDay>, LedgerError>;

    /// Jobs that wait (queued or uncertain), of these batches or of all, after `after`, in order, at most `limit`.
    async fn waiting(
        &self,
        batches: Option<Vec<String>>,
        after: JobSeq,
        limit: usize,
    ) -> Result<Vec<Waiting>, LedgerError>;

    /// Those of these jobs that wait and are not in flight.
    async fn waiting_of(&self, seqs: Vec<JobSeq>) -> Result<Vec<Waiting>, LedgerError>;

    /// What another process did to jobs since the last call (a redrive, a submit, a cancellation). Cheap when it did nothing.
    async fn changed(&self) -> Result<Changed, LedgerError>;

    /// Waits until [`Domain::changed`] is worth asking. A store that cannot tell waits for ever: it is asked now and then anyway.
    async fn until_changed(&self) {
        std::future::pending::<()>().await;
    }

    /// Reads a job whole.
    async fn job(&self, seq: JobSeq) -> Result<Job, LedgerError>;

    /// Records an attempt before its first byte leaves, and reads the job it is for.
    ///
    /// A job that does not wait any more (an operator ended it, an attempt of it is open, or it is uncertain and the
    /// attempt is no look-up) gives
    /// [`AttemptSeq::NONE`] and no job: nothing was recorded, nothing may be sent, the job leaves the schedule.
    async fn begin_attempt(&self, start: AttemptStart) -> Result<(AttemptSeq, Option<Box<Job>>), LedgerError>;

    /// Records the end of an attempt and what becomes of its job, with its outbox rows, at once.
    ///
    /// The end of a [`super::Purpose::Job`] attempt charges it, except where the settlement says otherwise; a look-up is
    /// never charged. A job that has ended keeps its first ending.
    /// Gives the jobs that waited for it and can be sent now; those that wait in vain end with it.
    async fn end_attempt(&self, end: Arc<AttemptEnd>) -> Result<Vec<Waiting>, LedgerError>;

    /// Settles a job without an attempt: expired, verified, cancelled. Gives what [`Self::end_attempt`] does.
    async fn settle(&self, seq: JobSeq, settlement: Settlement, now: Timestamp) -> Result<Vec<Waiting>, LedgerError>;

    /// Ends blocked jobs whose deadline has passed, and those that have waited so long for a job that is not there, or that
    /// ended without success before; says how many.
    async fn end_blocked(&self, wait: Duration, now: Timestamp) -> Result<usize, LedgerError>;

    /// Blocked jobs whose names are to be looked up, after `after`, in order, at most `limit`.
    async fn nameless(&self, after: JobSeq, limit: usize) -> Result<Vec<(JobSeq, Job)>, LedgerError>;

    /// Writes the ids down that were found for names, all at once. Gives the jobs that can be sent now.
    async fn named(&self, found: Vec<(JobSeq, Named)>, now: Timestamp) -> Result<Vec<Waiting>, LedgerError>;

    /// Jobs of the lane that are uncertain, all or those of these, and all jobs of its method with a call in flight: at one
    /// instant, so that a job whose call ends meanwhile is one of the two.
    async fn unsettled(&self, lane: &LaneKey, only: Option<Vec<JobSeq>>) -> Result<Vec<Unsettled>, LedgerError>;

    /// How many calls of this job the platform has answered with this code.
    async fn answers(&self, seq: JobSeq, code: i64) -> Result<u32, LedgerError>;

    /// Which of these objects jobs of the method own, of whatever app: they are not what an uncertain job created.
    async fn owned(&self, method: &str, keys: Vec<String>) -> Result<Vec<String>, LedgerError>;

    /// Settles uncertain jobs by what a look-up found, all at once; in the order of `found`. Gives also what
    /// [`Self::end_attempt`] does.
    async fn verified(
        &self,
        found: Vec<(JobSeq, Settlement)>,
        now: Timestamp,
    ) -> Result<(Vec<Verified>, Vec<Waiting>), LedgerError>;

    /// Records what throttles calls, in place of what was recorded before.
    async fn set_restraints(&self, restraints: Vec<Restraint>) -> Result<(), LedgerError>;

    /// What throttles calls, in the order in which it was recorded.
    async fn restraints(&self) -> Result<Vec<Restraint>, LedgerError>;
}
