//! The running engine: one driver that asks the schedule what is next, and a task for each call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{debug, error, info, warn};

use super::access::Access;
use super::flow::Flow;
use super::options::Options;
use super::ports::{AttemptEnd, JobSeq, Ledger, LedgerError, Settlement, Transport, Verified, Waiting};
use super::quotas::Planner;
use super::restraints::Recorded;
use super::schedule::{Gauges, Load, Next, Queued, Schedule, View};
use super::trouble::{LEDGER_PAUSE, Trouble};
use super::{attempt, decide, retention, verify};
use crate::clock::Clock;
use crate::crash_points;
use crate::domain::job::LaneKey;
use crate::domain::outcome::Failure;
use crate::domain::reason::Reason;
use crate::metrics::Metrics;

/// Jobs read from the ledger at once.
const LOAD_BATCH: usize = 10_000;
/// Starts handed out before the driver lets other tasks run.
const STARTS_AT_ONCE: usize = 256;
/// How long an app is held back when its token endpoint is unwell.
const TOKEN_PAUSE: Duration = Duration::from_secs(5);

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

/// The engine; shared by the tasks it spawns and by the adapters around it.
pub struct Engine {
    schedule: Mutex<Schedule>,
    wake: Notify,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    options: RwLock<Options>,
    access: Access,
    trouble: Trouble,
    /// Held while one suspension is put into force.
    suspending: tokio::sync::Mutex<()>,
    recorded: Recorded,
    rng: Mutex<fastrand::Rng>,
    outbox_changed: Notify,
    backlog_changed: Notify,
    pub(super) ledger_changed: Notify,
    flow: Flow,
    metrics: Metrics,
}

impl Engine {
    /// An engine with empty lanes.
    pub fn new(
        planner: Planner,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        clock: Clock,
        options: Options,
        metrics: Metrics,
    ) -> Arc<Self> {
        metrics.know_codes(&planner.catalog);
        Arc::new(Self {
            schedule: Mutex::new(Schedule::new(Arc::new(planner), options.limits)),
            wake: Notify::new(),
            ledger,
            transport,
            clock,
            options: RwLock::new(options),
            access: Access::default(),
            trouble: Trouble::default(),
            suspending: tokio::sync::Mutex::default(),
            recorded: Recorded::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(options.seed)),
            outbox_changed: Notify::new(),
            backlog_changed: Notify::new(),
            ledger_changed: Notify::new(),
            flow: Flow::default(),
            metrics,
        })
    }

    /// Takes up where an earlier process ended: closes its open attempts, rebuilds every window from its calls, and
    /// lifts what the platform's answers suspended, because starting again is what a person does after mending.
    pub async fn recover(&self) -> Result<(), LedgerError> {
        let (mono, now) = self.clock.both();
        let open = self.ledger.recover(now).await?;
        if open > 0 {
            warn!(open, "calls were in flight when the last process ended; what became of them is looked up first");
        }
        crash_points::reach("during-recovery");
        for call in self.ledger.past_calls(now - self.reach()).await? {
            self.schedule().restore(&call.lane, self.latest_count_of(&call, mono));
        }
        for suspension in self.ledger.suspensions().await? {
            let is_tried = suspension.until.map_or_else(|| suspension.is_tried_again(), |until| until <= now);
            if is_tried {
                info!(app = suspension.app, detail = suspension.detail, "trying a suspended app again");
                self.ledger.resume(&suspension.app, &suspension.tenant, &suspension.method).await?;
            }
        }
        self.recover_restraints().await?;
        self.reload_suspensions().await
    }

    /// Puts the waiting jobs of these batches, or all, into their lanes; says how many.
    pub async fn load(&self, batches: Option<Vec<String>>) -> Result<usize, LedgerError> {
        crash_points::reach("after-recovery");
        let (mut loaded, mut after) = (0, JobSeq(0));
        loop {
            let jobs = self.ledger.waiting(batches.clone(), after, LOAD_BATCH).await?;
            let Some(last) = jobs.last() else { return Ok(loaded) };
            after = last.seq;
            loaded += jobs.len();
            self.enqueue(jobs);
        }
    }

    /// Puts jobs that the ledger has taken over into their lanes.
    pub fn enqueue(&self, jobs: Vec<Waiting>) {
        let mut stray: BTreeMap<LaneKey, u64> = BTreeMap::new();
        let count = jobs.len();
        let mut schedule = self.schedule();
        for job in jobs {
            if let Err(lane) = schedule.add(job) {
                *stray.entry(lane).or_default() += 1;
            }
        }
        drop(schedule);
        debug!(jobs = count, "jobs came into their lanes");
        for (lane, jobs) in stray {
            warn!(%lane, jobs, "jobs wait for an app or a method that the settings and catalog no longer have");
        }
        self.wake();
    }

    /// Works until told to stop, or with `until_idle` until nothing is left.
    pub async fn run(self: &Arc<Self>, until_idle: bool, stop: impl Future<Output = ()>) -> Stop {
        tokio::pin!(stop);
        let over = Arc::new(Notify::new());
        let changes = tokio::spawn(Arc::clone(self).follow_changes(Arc::clone(&over)));
        let retention = tokio::spawn(retention::run(Arc::clone(self)));
        let ended = loop {
            let sleep = self.dispatch();
            if until_idle && self.schedule().is_idle() {
                break Stop::Idle;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.until(sleep) => {}
                () = &mut stop => break self.drain().await,
                () = self.trouble.until_lost() => {
                    self.drain().await;
                    break Stop::Lost;
                }
            }
        };
        // Not aborted: what it has taken out of the ledger has to come into the lanes.
        over.notify_one();
        // Aborted: a piece under way is finished by the ledger.
        retention.abort();
        if let Err(error) = changes.await {
            error!(%error, "the look at other processes' changes stopped");
        }
        if let Err(error) = self.record_restraints().await {
            warn!(%error, "what holds calls back cannot be recorded: the next process begins without it");
        }
        ended
    }

    /// Why the ledger cannot be relied on any more, and what to do.
    pub fn lost(&self) -> Option<&str> {
        self.trouble.lost()
    }

    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        self.schedule().unfinished()
    }

    /// How much there is to do.
    pub fn load_now(&self) -> Load {
        self.schedule().load(self.clock.mono())
    }

    /// The app that has most unfinished jobs, of those that can run now or of all.
    pub fn fullest(&self, of_able: bool) -> Option<(String, usize)> {
        self.schedule().fullest(self.clock.mono(), of_able)
    }

    /// A picture for people.
    pub fn view(&self) -> View {
        self.schedule().view(self.clock.mono())
    }

    /// Figures for a monitor.
    pub fn gauges(&self) -> Gauges {
        self.schedule().gauges(self.clock.mono())
    }

    /// Woken whenever an ending was written to the outbox.
    pub const fn outbox_changed(&self) -> &Notify {
        &self.outbox_changed
    }

    /// Woken whenever a job ended, so that a paused intake may look at [`Self::unfinished`] again.
    pub const fn backlog_changed(&self) -> &Notify {
        &self.backlog_changed
    }

    /// The clock that everything here is timed by.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The ledger.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The calls of the last minutes.
    pub const fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(super) const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    pub(super) fn options(&self) -> Options {
        *self.options.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_options(&self, options: Options) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// How far back a call can have left that some window still counts.
    pub(super) fn reach(&self) -> Duration {
        self.schedule().planner().span_max() + self.options().latest_count()
    }

    pub(super) const fn access(&self) -> &Access {
        &self.access
    }

    pub(super) const fn suspending(&self) -> &tokio::sync::Mutex<()> {
        &self.suspending
    }

    pub(super) const fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// The schedule; never held over an await.
    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The delay before another attempt after `failures` failed ones.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        self.options().backoff.delay(failures, &mut rng)
    }

    /// Closes an attempt's record. A settlement that is not written would be a job done and forgotten, so this goes on
    /// until the ledger takes it. Gives the record back, which holds what was settled.
    pub(super) async fn record(&self, mut end: AttemptEnd) -> AttemptEnd {
        while let Err(error) = self.ledger.end_attempt(end.clone()).await {
            if let LedgerError::Claimed(owner) = &error {
                end.settlement = end.settlement.map(|(job, settlement)| (job, decide::claimed(settlement, owner)));
                continue;
            }
            self.ledger_failed(&error);
            if self.lost().is_some() {
                say_unrecorded(&end);
                return end;
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
        self.ledger_works();
        crash_points::reach("after-settlement");
        self.ended(end.settlement.as_ref().map(|(_, settlement)| settlement));
        end
    }

    /// Settles a job without an attempt, likewise until the ledger takes it.
    pub(super) async fn settle(&self, seq: JobSeq, settlement: Settlement) {
        while let Err(error) = self.ledger.settle(seq, settlement.clone(), self.clock.now()).await {
            self.ledger_failed(&error);
            if self.lost().is_some() {
                return;
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
        self.ledger_works();
        self.ended(Some(&settlement));
    }

    /// Settles uncertain jobs by what look-ups found, likewise.
    pub(super) async fn verified(&self, found: Vec<(JobSeq, Settlement)>) -> Vec<Verified> {
        loop {
            match self.ledger.verified(found.clone(), self.clock.now()).await {
                Ok(verified) => {
                    self.ledger_works();
                    return verified;
                }
                Err(error) => self.ledger_failed(&error),
            }
            if self.lost().is_some() {
                return Vec::new();
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
    }

    /// What cannot be recorded is not sent: a failed write holds back whatever is not in flight yet.
    pub(super) fn ledger_failed(&self, error: &LedgerError) {
        if let LedgerError::Unusable(why) = error {
            if self.trouble.lose(why) {
                error!("{why}; nothing more is accepted or sent, and the worker stops");
            }
            return;
        }
        if self.trouble.begin(self.clock.mono()) {
            let cure = if matches!(error, LedgerError::Full(_)) { "make room on its disk" } else { "mend the cause" };
            error!(%error, cure, "the ledger cannot be written; no call is sent until it can, and nothing is lost");
        }
    }

    /// A write of the ledger went through.
    pub(super) fn ledger_works(&self) {
        if self.trouble.end() && self.lost().is_none() {
            info!("the ledger can be written again");
            self.wake();
        }
    }

    /// Holds an app back for a while because no token could be fetched for it.
    pub(super) fn hold_app(&self, app: &str, failure: &Failure) {
        let now = self.clock.mono();
        let cause = Failure { detail: format!("no access token: {}", failure.detail), ..failure.clone() };
        if self.schedule().hold_app(app, now, now + TOKEN_PAUSE, &cause) {
            warn!(app, detail = failure.detail, code = failure.code, "no access token; trying again in a few seconds");
        }
    }

    pub(super) fn ended(&self, settlement: Option<&Settlement>) {
        match settlement {
            Some(
                Settlement::Succeeded { .. }
                | Settlement::Undone { .. }
                | Settlement::Dead { .. }
                | Settlement::Cancelled,
            ) => {
                self.outbox_changed.notify_one();
                self.backlog_changed.notify_one();
            }
            Some(Settlement::Held { .. }) => self.backlog_changed.notify_one(),
            Some(Settlement::Queued { .. } | Settlement::Uncertain { .. }) | None => {}
        }
    }

    /// Spawns everything that can be done now; answers when to look again.
    fn dispatch(self: &Arc<Self>) -> Option<crate::domain::time::Mono> {
        for _ in 0..STARTS_AT_ONCE {
            let (now, wall) = self.clock.both();
            if let Some(until) = self.trouble.holds_until(now) {
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
            detail: format!(
                "its deadline {} passed before it could be sent",
                job.not_after.map_or_else(String::new, |at| at.to_string())
            ),
            cure: Some(Reason::Expired.cure().to_owned()),
            ..Failure::default()
        };
        // Cancelled and published again with another deadline since, it stands in its lane once more.
        let known = self.ledger.job(job.seq).await;
        if !known.is_ok_and(|known| known.not_after != job.not_after) {
            self.settle(job.seq, Settlement::Dead { reason: Reason::Expired, failure }).await;
        }
        self.schedule().expired(&lane);
        self.wake();
    }

    async fn until(&self, at: Option<crate::domain::time::Mono>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Grants nothing more and waits for what is in flight.
    async fn drain(self: &Arc<Self>) -> Stop {
        self.schedule().close();
        let deadline = self.clock.mono() + self.options().drain;
        loop {
            // Calls of the worker itself (a token, say) still go through: a job in flight may wait for one.
            let sleep = self.dispatch();
            if self.schedule().running() == 0 {
                return Stop::Drained;
            }
            if self.clock.mono() >= deadline {
                return Stop::Cut;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.until(sleep) => {}
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }
}

/// The one thing that is left of a call whose end nobody can look up in the ledger.
fn say_unrecorded(end: &AttemptEnd) {
    let key = match &end.settlement {
        Some((_, Settlement::Succeeded { key, .. })) => key.as_deref(),
        _ => None,
    };
    error!(outcome = end.outcome, key, "the outcome of this call is not recorded");
}
