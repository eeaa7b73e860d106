//! What the engine's tasks share: the schedule, the ports, the clock; and what is recorded whoever settles a job.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tracing::{debug, error, info, warn};

use super::decide;
use super::ledger_health::{LEDGER_PAUSE, LedgerHealth};
use super::options::Options;
use super::planner::Planner;
use super::ports::{
    AttemptEnd, Domain, JobSeq, Ledger, LedgerError, Restraint, Settlement, Suspension, Transport, Verified, Waiting,
};
use super::schedule::{Gauges, Limits, Load, Schedule, View};
use super::throughput::Throughput;
use super::tokens::Tokens;
use paceline_domain::job::LaneKey;
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;
use paceline_metrics::Metrics;
use paceline_ports::clock::Clock;
use paceline_ports::crash_points;

/// Jobs read from the ledger at once.
pub(super) const LOAD_BATCH: usize = 10_000;
/// How long an app is held back when its token endpoint is unwell.
const TOKEN_PAUSE: Duration = Duration::from_secs(5);

/// The engine; shared by the tasks it spawns and by the adapters around it.
pub struct Engine {
    schedule: Mutex<Schedule>,
    wake: Notify,
    ledger: Arc<dyn Ledger>,
    domain: Arc<dyn Domain>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    options: RwLock<Options>,
    tokens: Tokens,
    ledger_health: LedgerHealth,
    /// Held while one suspension is put into force.
    suspending: AsyncMutex<()>,
    /// As the ledger has them, as far as this process knows.
    known_restraints: AsyncMutex<Vec<Restraint>>,
    /// Whether names of jobs are looked up, or may have to be.
    pub(super) finding: AtomicBool,
    /// Held while a page is read for a person.
    pub(super) reading: AsyncMutex<()>,
    rng: Mutex<fastrand::Rng>,
    outbox_changed: Notify,
    backlog_changed: Notify,
    pub(super) ledger_changed: Notify,
    flow: Throughput,
    /// Jobs that wait in other processes' lanes.
    elsewhere: AtomicUsize,
    metrics: Metrics,
}

impl Engine {
    /// An engine with empty lanes, over a ledger and the domain of it that it has acquired.
    pub fn new(
        planner: Planner,
        (ledger, domain): (Arc<dyn Ledger>, Arc<dyn Domain>),
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
            domain,
            transport,
            clock,
            options: RwLock::new(options),
            tokens: Tokens::default(),
            ledger_health: LedgerHealth::default(),
            suspending: AsyncMutex::default(),
            known_restraints: AsyncMutex::default(),
            finding: AtomicBool::new(true),
            reading: AsyncMutex::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(options.seed)),
            outbox_changed: Notify::new(),
            backlog_changed: Notify::new(),
            ledger_changed: Notify::new(),
            flow: Throughput::default(),
            elsewhere: AtomicUsize::default(),
            metrics,
        })
    }

    /// Takes up where an earlier process ended: closes its open attempts, rebuilds every window from its calls, and
    /// lifts what the platform's answers suspended, because starting again is what a person does after mending.
    pub async fn recover(&self) -> Result<(), LedgerError> {
        let (mono, now) = self.clock.both();
        let open = self.domain.recover(now).await?;
        if open > 0 {
            warn!(open, "calls were in flight when the last process ended; what became of them is looked up first");
        }
        crash_points::reach("during-recovery");
        for call in self.domain.past_calls(now - (self.reach() + self.domain.clock_error())).await? {
            self.schedule().restore(&call.lane, self.latest_count_of(&call, mono));
        }
        let called = self.domain.called().await?;
        self.schedule().restore_called(&called, now);
        for suspension in self.ledger.suspensions().await? {
            let is_tried = suspension.until.map_or_else(|| suspension.is_tried_again(), |until| until <= now);
            if is_tried {
                info!(app = suspension.app, detail = %suspension.detail, "trying a suspended app again");
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
            let jobs = self.domain.waiting(batches.clone(), after, LOAD_BATCH).await?;
            let Some(last) = jobs.last() else { return Ok(loaded) };
            after = last.seq;
            loaded += jobs.len();
            self.enqueue(jobs);
        }
    }

    /// Puts jobs that the ledger has taken over into their lanes; those that another process schedules it hears of itself.
    pub fn enqueue(&self, mut jobs: Vec<Waiting>) {
        if self.domain.is_shared() {
            jobs.retain(|job| self.domain.covers(&job.lane));
        }
        self.put_into_lanes(jobs);
    }

    pub(super) fn put_into_lanes(&self, jobs: Vec<Waiting>) {
        if jobs.is_empty() {
            return;
        }
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

    /// Why the ledger cannot be relied on any more, and what to do.
    pub fn lost(&self) -> Option<&str> {
        self.ledger_health.lost()
    }

    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        self.schedule().unfinished()
    }

    /// How much there is to do.
    pub fn load_now(&self) -> Load {
        let own = self.schedule().load(self.clock.mono());
        let elsewhere = self.elsewhere.load(Ordering::Relaxed);
        Load { unfinished: own.unfinished + elsewhere, able: own.able + elsewhere }
    }

    /// So many jobs wait in other processes' lanes.
    pub(super) fn set_elsewhere(&self, jobs: usize) {
        self.elsewhere.store(jobs, Ordering::Relaxed);
        self.backlog_changed.notify_waiters();
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

    /// The apps, methods and quotas in force.
    pub fn planner(&self) -> Arc<Planner> {
        self.schedule().planner()
    }

    /// How many calls may be in flight.
    pub fn limits(&self) -> Limits {
        self.options().limits
    }

    /// How long after its deadline a call may still be counted.
    pub fn grace(&self) -> Duration {
        self.options().grace
    }

    /// The longest time in which a call that is recorded now can be counted.
    pub(super) fn latest_count(&self) -> Duration {
        self.options().latest_count()
    }

    /// Suspensions in force.
    pub fn suspensions_now(&self) -> Vec<Suspension> {
        self.schedule().suspensions().to_vec()
    }

    /// Whether the last write of the ledger failed a moment ago, so that nothing is sent.
    pub fn cannot_write(&self) -> bool {
        self.ledger_health.holds_until(self.clock().mono()).is_some()
    }

    /// Whether no further job is sent, because the process ends.
    pub fn is_stopping(&self) -> bool {
        self.schedule().is_closed()
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
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// What it works of the ledger.
    pub fn domain(&self) -> &dyn Domain {
        &*self.domain
    }

    /// What it counts with.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The calls of the last minutes.
    pub const fn flow(&self) -> &Throughput {
        &self.flow
    }

    pub(super) const fn ledger_health(&self) -> &LedgerHealth {
        &self.ledger_health
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

    pub(super) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(super) const fn suspending(&self) -> &AsyncMutex<()> {
        &self.suspending
    }

    pub(super) const fn known_restraints(&self) -> &AsyncMutex<Vec<Restraint>> {
        &self.known_restraints
    }

    /// The schedule; never held over an await.
    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ready when there may be something to do.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The delay before another attempt after `failures` failed ones.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        self.options().backoff.delay(failures, &mut rng)
    }

    /// Closes an attempt's record. A settlement that is not written would be a job done and forgotten, so this goes on
    /// until the ledger takes it. Gives the record back, which holds what was settled.
    pub(super) async fn record(&self, end: AttemptEnd) -> Arc<AttemptEnd> {
        let mut end = Arc::new(end);
        let unblocked = loop {
            let error = match self.domain.end_attempt(Arc::clone(&end)).await {
                Ok(unblocked) => break unblocked,
                Err(error) => error,
            };
            if let LedgerError::Claimed(owner) = &error {
                if let Some((_, settlement)) = &mut Arc::make_mut(&mut end).settlement {
                    *settlement = decide::claimed(settlement, owner);
                }
                continue;
            }
            if self.is_others(&error) {
                // The next owner counts the call until it is surely over, and looks up what became of it.
                say_unrecorded(&end);
                Arc::make_mut(&mut end).settlement = None;
                return end;
            }
            self.ledger_failed(&error);
            if self.lost().is_some() {
                say_unrecorded(&end);
                return end;
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        };
        self.ledger_works();
        crash_points::reach("after-settlement");
        self.unblock(unblocked);
        self.ended(end.settlement.as_ref().map(|(_, settlement)| settlement));
        end
    }

    /// Settles a job without an attempt, likewise until the ledger takes it.
    pub(super) async fn settle(&self, seq: JobSeq, settlement: Settlement) {
        let unblocked = loop {
            match self.domain.settle(seq, settlement.clone(), self.clock.now()).await {
                Ok(unblocked) => break unblocked,
                Err(error) if self.is_others(&error) => return,
                Err(error) => self.ledger_failed(&error),
            }
            if self.lost().is_some() {
                return;
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        };
        self.ledger_works();
        self.unblock(unblocked);
        self.ended(Some(&settlement));
    }

    /// Settles uncertain jobs by what look-ups found, likewise.
    pub(super) async fn verified(&self, found: Vec<(JobSeq, Settlement)>) -> Vec<Verified> {
        loop {
            match self.domain.verified(found.clone(), self.clock.now()).await {
                Ok((verified, unblocked)) => {
                    self.ledger_works();
                    self.unblock(unblocked);
                    return verified;
                }
                Err(error) if self.is_others(&error) => return Vec::new(),
                Err(error) => self.ledger_failed(&error),
            }
            if self.lost().is_some() {
                return Vec::new();
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
    }

    /// Puts jobs into their lanes whose last prerequisite has succeeded.
    fn unblock(&self, jobs: Vec<Waiting>) {
        if !jobs.is_empty() {
            self.enqueue(jobs);
        }
    }

    /// Whether what failed is another process's by now, and nothing else stops for it.
    fn is_others(&self, error: &LedgerError) -> bool {
        self.domain.is_shared() && matches!(error, LedgerError::NotOwner(_))
    }

    /// Something of a lane could not be written, or may not be sent: where others may have taken it over, it waits alone.
    pub(super) fn failed_for(&self, lane: &LaneKey, error: &LedgerError) {
        if self.is_others(error) {
            return self.schedule().doubt(lane);
        }
        if let LedgerError::NotOwner(why) = error
            && self.domain.epoch_of(lane).is_none()
        {
            // As good as a ledger that cannot be written: the next heartbeat may bring it back.
            return self.ledger_failed(&LedgerError::Failed(why.clone()));
        }
        self.ledger_failed(error);
    }

    /// What cannot be recorded is not sent: a failed write holds back whatever is not in flight yet.
    pub(super) fn ledger_failed(&self, error: &LedgerError) {
        // What another process has taken over is its to go on with: as good as lost to this one.
        if let LedgerError::Unusable(why) | LedgerError::NotOwner(why) = error {
            if self.ledger_health.lose(why) {
                error!("{why}; nothing more is accepted or sent, and the worker stops");
            }
            return;
        }
        if self.ledger_health.begin(self.clock.mono()) {
            let cure = if matches!(error, LedgerError::Full(_)) { "make room on its disk" } else { "fix the cause" };
            error!(%error, cure, "the ledger cannot be written; no call is sent until it can, and nothing is lost");
        }
    }

    /// A write of the ledger went through.
    pub(super) fn ledger_works(&self) {
        if self.ledger_health.end() && self.lost().is_none() {
            info!("the ledger can be written again");
            self.wake();
        }
    }

    /// Holds an app back for a while because no token could be fetched for it.
    pub(super) fn pause_app(&self, app: &str, failure: &Failure) {
        let now = self.clock.mono();
        let cause = Failure { detail: Cause::NoToken { why: Box::new(failure.detail.clone()) }, ..failure.clone() };
        if self.schedule().pause_app(app, now, now + TOKEN_PAUSE, &cause) {
            warn!(app, detail = %failure.detail, code = failure.code, "no access token; trying again in a few seconds");
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
            Some(Settlement::Queued { .. } | Settlement::Uncertain { .. } | Settlement::Nameless { .. }) | None => {}
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
