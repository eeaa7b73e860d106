//! The running engine: one driver that asks the schedule what is next, and a task for each call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::access::Access;
use super::backoff;
use super::ports::{AttemptEnd, JobSeq, Ledger, LedgerError, Settlement, Suspension, Transport, Waiting};
use super::quotas::Planner;
use super::schedule::{Limits, Next, Queued, Schedule, View};
use super::{attempt, verify};
use crate::clock::Clock;
use crate::domain::catalog::SuspendScope;
use crate::domain::job::LaneKey;
use crate::domain::outcome::Failure;
use crate::domain::reason::Reason;

/// Jobs read from the ledger at once.
const LOAD_BATCH: usize = 10_000;
/// Starts handed out before the driver lets other tasks run.
const STARTS_AT_ONCE: usize = 256;
/// How often the ledger is asked whether another process changed something.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the ledger is left alone after a fault.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);
/// How long an app is held back when its token endpoint is unwell.
const TOKEN_PAUSE: Duration = Duration::from_secs(5);

/// What the engine is told once.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Calls in flight.
    pub limits: Limits,
    /// Attempts charged to a job at most.
    pub attempts_max: u32,
    /// Delays between them.
    pub backoff: backoff::Schedule,
    /// A call is over after this time, whatever happens.
    pub request_timeout: Duration,
    /// How long after its deadline a request may still be counted by the platform.
    pub grace: Duration,
    /// How long in-flight calls may take to finish after a stop.
    pub drain: Duration,
    /// Seed of all jitter.
    pub seed: u64,
    /// The platform's own waits (read-after-write delays) are this much shorter, for rehearsals; 1 in real life.
    pub speed: f64,
}

impl Options {
    /// The longest time from a call's record to the last instant at which it can be counted.
    pub fn latest_count(&self) -> Duration {
        self.request_timeout + self.grace
    }
}

/// Why [`Engine::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left to do, but for suspended lanes.
    Idle,
    /// It was told to stop, and what was in flight has ended.
    Drained,
    /// It was told to stop, and calls were still in flight when the drain time was over.
    Cut,
}

/// The engine; shared by the tasks it spawns and by the adapters around it.
pub struct Engine {
    schedule: Mutex<Schedule>,
    wake: Notify,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    planner: Arc<Planner>,
    options: Options,
    access: Access,
    rng: Mutex<fastrand::Rng>,
    outbox_changed: Notify,
    backlog_changed: Notify,
}

impl Engine {
    /// An engine with empty lanes.
    pub fn new(
        planner: Planner,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        clock: Clock,
        options: Options,
    ) -> Arc<Self> {
        let planner = Arc::new(planner);
        Arc::new(Self {
            schedule: Mutex::new(Schedule::new(Arc::clone(&planner), options.limits)),
            wake: Notify::new(),
            ledger,
            transport,
            clock,
            planner,
            options,
            access: Access::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(options.seed)),
            outbox_changed: Notify::new(),
            backlog_changed: Notify::new(),
        })
    }

    /// Takes up where an earlier process ended: closes its open attempts, rebuilds every window from its calls, and
    /// lifts suspensions that wait for a person, because starting again is what a person does after mending.
    pub async fn recover(&self) -> Result<(), LedgerError> {
        let (mono, now) = self.clock.both();
        let open = self.ledger.recover(now).await?;
        if open > 0 {
            warn!(open, "calls were in flight when the last process ended; what became of them is looked up first");
        }
        let reach = self.planner.span_max() + self.options.latest_count();
        for call in self.ledger.past_calls(now - reach).await? {
            let latest = if call.open { call.counted_by + self.options.grace } else { call.counted_by };
            // A record from the future (the clock was set back) counts as if it were made now.
            let latest = if call.open { self.clock.mono_of(latest) } else { self.clock.mono_of(latest).min(mono) };
            self.schedule().restore(&call.lane, latest.min(mono + self.options.latest_count()));
        }
        for suspension in self.ledger.suspensions().await? {
            if suspension.until.is_none_or(|until| until <= now) {
                info!(app = suspension.app, detail = suspension.detail, "trying a suspended app again");
                self.ledger.resume(&suspension.app, &suspension.tenant, &suspension.method).await?;
            }
        }
        self.reload_suspensions().await
    }

    /// Puts the waiting jobs of these batches, or all, into their lanes; says how many.
    pub async fn load(&self, batches: Option<Vec<String>>) -> Result<usize, LedgerError> {
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
        let mut schedule = self.schedule();
        for job in jobs {
            if let Err(job) = schedule.add(job) {
                warn!(lane = %job.lane, "a job waits for an app or a method that the settings and catalog no longer have");
            }
        }
        drop(schedule);
        self.wake();
    }

    /// Works until told to stop, or with `until_idle` until nothing is left.
    pub async fn run(self: &Arc<Self>, until_idle: bool, stop: impl Future<Output = ()>) -> Stop {
        tokio::pin!(stop);
        let over = Arc::new(Notify::new());
        let changes = tokio::spawn(Arc::clone(self).follow_changes(Arc::clone(&over)));
        let ended = loop {
            let sleep = self.dispatch();
            if until_idle && self.schedule().is_idle() {
                break Stop::Idle;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.until(sleep) => {}
                () = &mut stop => break self.drain().await,
            }
        };
        // Not aborted: what it has taken out of the ledger has to come into the lanes.
        over.notify_one();
        if let Err(error) = changes.await {
            error!(%error, "the look at other processes' changes stopped");
        }
        ended
    }

    /// Jobs in lanes or in flight.
    pub fn unfinished(&self) -> usize {
        self.schedule().unfinished()
    }

    /// A picture for people.
    pub fn view(&self) -> View {
        self.schedule().view(self.clock.mono())
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

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    pub(super) const fn access(&self) -> &Access {
        &self.access
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
        self.options.backoff.delay(failures, &mut rng)
    }

    /// Closes an attempt's record. A settlement that is not written would be a job done and forgotten, so this goes on
    /// until the ledger takes it. Gives the record back, which holds what was settled.
    pub(super) async fn record(&self, end: AttemptEnd) -> AttemptEnd {
        let mut told = false;
        while let Err(error) = self.ledger.end_attempt(end.clone()).await {
            if !std::mem::replace(&mut told, true) {
                error!(%error, "a call's end cannot be recorded; no new call is sent until it can");
            }
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
        self.ended(end.settlement.as_ref().map(|(_, settlement)| settlement));
        end
    }

    /// Settles a job without an attempt, likewise until the ledger takes it.
    pub(super) async fn settle(&self, seq: JobSeq, settlement: Settlement) {
        while let Err(error) = self.ledger.settle(seq, settlement.clone(), self.clock.now()).await {
            error!(%error, "a job's end cannot be recorded yet");
            tokio::time::sleep(LEDGER_PAUSE).await;
        }
        self.ended(Some(&settlement));
    }

    /// Stops an app, tenant or lane.
    pub(super) async fn suspend(&self, lane: &LaneKey, scope: SuspendScope, failure: &Failure) {
        let suspension = self.suspension(lane, scope, failure);
        // Every call that was in flight when the app failed comes by here.
        if self.schedule().has_suspension(&suspension) {
            return;
        }
        error!(
            app = suspension.app,
            code = suspension.code,
            detail = suspension.detail,
            log_id = suspension.log_id,
            cure = suspension.cure,
            "the app stands still; its jobs stay queued"
        );
        if let Err(error) = self.ledger.suspend(suspension).await {
            error!(%error, "the suspension cannot be recorded");
        }
        if let Err(error) = self.reload_suspensions().await {
            error!(%error, "suspensions cannot be read");
        }
    }

    /// Holds an app back for a while because no token could be fetched for it.
    pub(super) fn hold_app(&self, app: &str, failure: &Failure) {
        let now = self.clock.mono();
        if self.schedule().hold_app(app, now, now + TOKEN_PAUSE) {
            warn!(app, detail = failure.detail, code = failure.code, "no access token; trying again in a few seconds");
        }
    }

    fn suspension(&self, lane: &LaneKey, scope: SuspendScope, failure: &Failure) -> Suspension {
        let now = self.clock.now();
        Suspension {
            app: lane.app.clone(),
            tenant: if scope == SuspendScope::Tenant { lane.tenant.clone() } else { String::new() },
            method: if scope == SuspendScope::Lane { lane.method.clone() } else { String::new() },
            since: now,
            until: (scope == SuspendScope::Month).then(|| now.next_month()),
            code: failure.code,
            detail: failure.detail.clone(),
            cure: failure.cure.clone().unwrap_or_else(|| "mend the cause, then `paceline resume`".to_owned()),
            log_id: failure.log_id.clone(),
        }
    }

    fn ended(&self, settlement: Option<&Settlement>) {
        match settlement {
            Some(Settlement::Succeeded { .. } | Settlement::Dead { .. } | Settlement::Cancelled) => {
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
            let next = self.schedule().next(now, wall);
            match next {
                Next::Start(start) => drop(tokio::spawn(attempt::run(Arc::clone(self), start))),
                Next::Verify(lane, job) => drop(tokio::spawn(verify::run(Arc::clone(self), lane, job))),
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
        self.settle(job.seq, Settlement::Dead { reason: Reason::Expired, failure }).await;
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
        let deadline = self.clock.mono() + self.options.drain;
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

    /// Follows what other processes do to the ledger: redrives, submits, resumes; and ends suspensions whose time is over.
    async fn follow_changes(self: Arc<Self>, over: Arc<Notify>) {
        loop {
            tokio::select! {
                () = over.notified() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.clock.anchor_again();
            match self.ledger.changed().await {
                Ok(jobs) if jobs.is_empty() => {}
                Ok(jobs) => self.enqueue(jobs),
                Err(error) => warn!(%error, "cannot see whether other processes changed the ledger"),
            }
            if let Err(error) = self.reload_suspensions().await {
                warn!(%error, "suspensions cannot be read");
            }
        }
    }

    async fn reload_suspensions(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let mut suspensions = self.ledger.suspensions().await?;
        suspensions.retain(|suspension| suspension.until.is_none_or(|until| until > now));
        let mut schedule = self.schedule();
        if *schedule.suspensions() != suspensions {
            schedule.set_suspensions(suspensions);
            drop(schedule);
            self.wake();
        }
        Ok(())
    }
}
