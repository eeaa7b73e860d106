//! When it will be done: worked out beside everything else, on a thread of its own, while somebody looks.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use super::input::Fields;
use super::{Answer, Shared, Worker, answer};
use crate::domain::time::{Mono, Timestamp};
use crate::engine::Engine;
use crate::engine::forecast::{Forecast, forecast};
use crate::engine::ports::{LedgerError, Restrained, Restraint, RestraintKind, Suspension};
use crate::operations::forecast::{Outset, deciding_document, left_over_document};

/// The time from the end of one forecast to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(10);
/// Nobody who looks asks less often.
const LOOKED_AT: Duration = Duration::from_secs(60);
/// Older ones are worked out anew before anybody sees them.
const AGE_MAX: Duration = Duration::from_secs(15);
/// How long a request waits for one that holds.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A forecast and its beginning.
pub(super) struct Cached {
    /// The instant it starts at.
    pub as_of: Timestamp,
    standing: Standing,
    /// What will happen.
    pub forecast: Forecast,
}

/// What a forecast stands on beside the backlog: with another suspension or pause, or one less, it is untrue.
#[derive(Clone, Debug, Default, PartialEq)]
struct Standing {
    suspensions: Vec<Suspension>,
    pauses: Vec<(Restrained, Timestamp)>,
}

impl Standing {
    fn of(engine: &Engine) -> Self {
        let is_pause = |restraint: &Restraint| matches!(restraint.kind, RestraintKind::Pause { .. });
        let pauses = engine.restraints().into_iter().filter(is_pause);
        let pauses = pauses.map(|pause| (pause.target, pause.since)).collect();
        Self { suspensions: engine.suspensions_now(), pauses }
    }
}

impl Cached {
    /// Whether it still holds.
    fn is_current(&self, now: Timestamp, standing: &Standing) -> bool {
        now.since(self.as_of) <= AGE_MAX && self.standing == *standing
    }
}

/// The last forecast, and who asks for another.
pub(super) struct Forecasts {
    latest: watch::Receiver<Option<Arc<Cached>>>,
    asked: Arc<Asked>,
    task: JoinHandle<()>,
}

struct Asked {
    last: Mutex<Mono>,
    again: Notify,
    /// Somebody waits for one, because the last does not hold any more.
    urgently: Notify,
}

impl Forecasts {
    /// Of this worker; nothing is worked out until somebody asks.
    pub(super) fn of(worker: &Arc<Worker>) -> Self {
        let (tell, latest) = watch::channel(None);
        let asked = Arc::new(Asked { last: Mutex::default(), again: Notify::new(), urgently: Notify::new() });
        let task = tokio::spawn(go_on(Arc::downgrade(worker), Arc::clone(&asked), tell));
        Self { latest, asked, task }
    }

    /// The last one, if it still holds; asks for none.
    pub(super) fn glance(&self, engine: &Engine) -> Option<Arc<Cached>> {
        let standing = Standing::of(engine);
        self.latest.borrow().clone().filter(|cached| cached.is_current(engine.clock().now(), &standing))
    }

    /// The last one, if it still holds; asks for the next.
    pub(super) fn look(&self, engine: &Engine) -> Option<Arc<Cached>> {
        *self.asked.last.lock().unwrap_or_else(PoisonError::into_inner) = engine.clock().mono();
        self.asked.again.notify_one();
        let current = self.glance(engine);
        if current.is_none() {
            self.asked.urgently.notify_one();
        }
        current
    }

    /// One that holds; waits a moment for it.
    async fn wait(&self, engine: &Engine) -> Option<Arc<Cached>> {
        if let Some(cached) = self.look(engine) {
            return Some(cached);
        }
        let mut latest = self.latest.clone();
        let holds = |cached: &Option<Arc<Cached>>| {
            let standing = Standing::of(engine);
            cached.as_ref().is_some_and(|cached| cached.is_current(engine.clock().now(), &standing))
        };
        let next = tokio::time::timeout(WAIT_MAX, latest.wait_for(holds)).await;
        next.ok()?.ok()?.clone()
    }
}

impl Drop for Forecasts {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn go_on(worker: Weak<Worker>, asked: Arc<Asked>, tell: watch::Sender<Option<Arc<Cached>>>) {
    loop {
        asked.again.notified().await;
        loop {
            let Some(worker) = worker.upgrade() else { return };
            let last = *asked.last.lock().unwrap_or_else(PoisonError::into_inner);
            if worker.engine.clock().mono().since(last) > LOOKED_AT {
                break;
            }
            match made_apart(worker).await {
                Some(Ok(cached)) => drop(tell.send_replace(Some(Arc::new(cached)))),
                Some(Err(error)) => tracing::debug!(%error, "no forecast: the ledger cannot be read"),
                None => {}
            }
            // One that holds is no longer waited for.
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = asked.urgently.notified() => {}
            }
        }
    }
}

/// Not on the runtime: the process can end while it is under way.
async fn made_apart(worker: Arc<Worker>) -> Option<Result<Cached, LedgerError>> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // Nobody may wait for it any more.
        let _ = done.send(make(&worker));
    };
    std::thread::Builder::new().name("forecast".to_owned()).spawn(work).ok()?;
    result.await.ok()
}

fn make(worker: &Worker) -> Result<Cached, LedgerError> {
    let engine = &worker.engine;
    // Before anything else is read: what changes meanwhile makes it untrue.
    let standing = Standing::of(engine);
    let (planner, now) = (engine.planner(), engine.clock().now());
    let mut outlook = worker.store.reports()?.outlook_of(&|lane| now - planner.span_of(lane))?;
    let outset = Outset { planner, limits: engine.limits(), grace: engine.grace(), now, is_worked: true };
    // The engine knows of them before the ledger does.
    (outlook.suspensions, outlook.restraints) = (standing.suspensions.clone(), engine.restraints());
    Ok(Cached { as_of: now, standing, forecast: forecast(&outset.basis(outlook)) })
}

/// When everything, each batch and each lane will be done.
pub(super) async fn show(State(shared): State<Shared>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let cached = shared.forecast.wait(&shared.worker.engine).await;
    Ok(answer::document(&document(cached.as_deref())))
}

fn document(cached: Option<&Cached>) -> Value {
    let Some(Cached { as_of, forecast, .. }) = cached else {
        return json!({"as_of": null, "finish_at": null, "deciding": null, "held_back": null, "batches": [], "lanes": []});
    };
    let batches = forecast.batches.iter().map(|batch| {
        json!({"batch": &*batch.name, "finish_at": batch.finish,
            "deciding": deciding_document(batch.deciding.as_ref()), "held_back": left_over_document(&batch.jobs)})
    });
    let lanes = forecast.lanes.iter().map(|lane| {
        json!({"app": lane.key.app, "tenant": lane.key.tenant, "method": lane.key.method, "finish_at": lane.finish,
            "deciding": deciding_document(lane.deciding.as_ref()), "held_back": left_over_document(&lane.jobs)})
    });
    let finish_at = Some(forecast.finish).filter(|_| forecast.jobs.done > 0);
    json!({"as_of": as_of, "finish_at": finish_at, "deciding": deciding_document(forecast.deciding.as_ref()),
        "held_back": left_over_document(&forecast.jobs), "batches": batches.collect::<Vec<_>>(), "lanes": lanes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::messages::{Cause, Cure};
    use crate::engine::ports::SuspendedBy;

    #[tokio::test(start_paused = true)]
    async fn a_forecast_holds_for_a_quarter_of_a_minute_and_until_something_is_suspended_or_resumed() {
        let clock = Clock::at(Timestamp(1_800_000_000_000_000));
        let suspension = |app: &str| Suspension {
            app: app.to_owned(),
            tenant: String::new(),
            method: String::new(),
            by: SuspendedBy::Person,
            since: clock.now(),
            until: None,
            code: None,
            detail: Cause::default(),
            cure: Cure::FixCause,
            log_id: None,
        };
        let standing = Standing { suspensions: vec![suspension("acme")], ..Standing::default() };
        let cached = Cached { as_of: clock.now(), standing: standing.clone(), forecast: Forecast::default() };
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(cached.is_current(clock.now(), &standing));
        assert!(!cached.is_current(clock.now(), &Standing::default()), "resumed");
        let more = vec![suspension("acme"), suspension("campus")];
        assert!(!cached.is_current(clock.now(), &Standing { suspensions: more, ..Standing::default() }));
        let paused = Standing { pauses: vec![(Restrained::App, clock.now())], ..standing.clone() };
        assert!(!cached.is_current(clock.now(), &paused));
        tokio::time::advance(Duration::from_micros(1)).await;
        assert!(!cached.is_current(clock.now(), &standing), "too old");
    }
}
