//! What drives the engine: it asks the schedule what is next, and starts a task for each call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tracing::{error, warn};

use super::ports::Settlement;
use super::runtime::Engine;
use super::schedule::{Next, Queued};
use super::{attempt, retention, verify};
use paceline_domain::job::LaneKey;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Mono;

/// Starts handed out before the driver lets other tasks run.
const STARTS_AT_ONCE: usize = 256;

/// Why [`Engine::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left to do, but for suspended lanes.
    Idle,
    /// It was told to stop, and what was in flight has ended.
    Drained,
    /// It was told to stop, and calls were still in flight when the drain time was over.
    Cut,
    /// The ledger is damaged or another one than was opened: [`Engine::lost`] says which.
    Lost,
}

impl Engine {
    /// Works until told to stop, or with `until_idle` until nothing is left.
    pub async fn run(self: &Arc<Self>, until_idle: bool, stop: impl Future<Output = ()>) -> Stop {
        tokio::pin!(stop);
        let over = Arc::new(Notify::new());
        let changes = tokio::spawn(Arc::clone(self).follow_changes(Arc::clone(&over)));
        let retention = tokio::spawn(retention::run(Arc::clone(self)));
        // Nothing is idle before somebody has looked.
        self.finding.store(true, Ordering::Relaxed);
        let names = tokio::spawn(Arc::clone(self).find_names_of_jobs());
        let ended = loop {
            let sleep = self.dispatch();
            if until_idle && self.schedule().is_idle() && !self.finding.load(Ordering::Relaxed) {
                break Stop::Idle;
            }
            tokio::select! {
                () = self.woken() => {}
                () = self.until(sleep) => {}
                () = &mut stop => break self.drain().await,
                () = self.ledger_health().until_lost() => {
                    self.drain().await;
                    break Stop::Lost;
                }
            }
        };
        // Not aborted: what it has taken out of the ledger has to come into the lanes.
        over.notify_one();
        // Aborted: a piece under way is finished by the ledger.
        retention.abort();
        // Aborted: where nothing is idle, the process ends.
        names.abort();
        if let Err(error) = changes.await {
            error!(%error, "the look at other processes' changes stopped");
        }
        if let Err(error) = self.record_restraints().await {
            warn!(%error, "what holds calls back cannot be recorded: the next process begins without it");
        }
        ended
    }

    /// Spawns everything that can be done now; answers when to look again.
    fn dispatch(self: &Arc<Self>) -> Option<Mono> {
        for _ in 0..STARTS_AT_ONCE {
            let (now, wall) = self.clock().both();
            if let Some(until) = self.ledger_health().holds_until(now) {
                return Some(until);
            }
            let next = self.schedule().next(now, wall);
            match next {
                Next::Start(start) => drop(tokio::spawn(attempt::run(Arc::clone(self), start))),
                Next::Verify(lane, jobs) => drop(tokio::spawn(verify::run(Arc::clone(self), lane, jobs))),
                Next::Expired(lane, job) => drop(tokio::spawn(Arc::clone(self).expire(lane, job))),
                Next::Granted => {}
                Next::Sleep(at) => return at,
            }
        }
        self.wake();
        None
    }

    async fn expire(self: Arc<Self>, lane: Arc<LaneKey>, job: Queued) {
        let failure = Failure {
            detail: Cause::DeadlinePassed { not_after_at: job.not_after.map_or_else(String::new, |at| at.to_string()) },
            cure: Some(Reason::Expired.cure()),
            ..Failure::default()
        };
        // Cancelled and published again with another deadline since, it stands in its lane once more.
        let known = self.domain().job(job.seq).await;
        if !known.is_ok_and(|known| known.not_after != job.not_after) {
            self.settle(job.seq, Settlement::Dead { reason: Reason::Expired, failure }).await;
        }
        self.schedule().expired(&lane);
        self.wake();
    }

    async fn until(&self, at: Option<Mono>) {
        match at {
            Some(at) => self.clock().sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Grants nothing more and waits for what is in flight.
    async fn drain(self: &Arc<Self>) -> Stop {
        self.schedule().close();
        let deadline = self.clock().mono() + self.options().drain;
        loop {
            // Calls of the worker itself (a token, say) still go through: a job in flight may wait for one.
            let sleep = self.dispatch();
            if self.schedule().running() == 0 {
                return Stop::Drained;
            }
            if self.clock().mono() >= deadline {
                return Stop::Cut;
            }
            tokio::select! {
                () = self.woken() => {}
                () = self.until(sleep) => {}
                () = self.clock().sleep_until(deadline) => {}
            }
        }
    }
}
