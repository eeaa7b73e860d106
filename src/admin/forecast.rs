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
use crate::engine::forecast::{Forecast, forecast};
use crate::engine::ports::LedgerError;
use crate::operations::forecast::{Outset, deciding_document, left_over};
use crate::store::operator::Operator;

/// The time from the end of one forecast to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(10);
/// Nobody who looks asks less often.
const LOOKED_AT: Duration = Duration::from_secs(60);
/// How long a request waits for the first one.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// A forecast and its beginning.
pub struct Cached {
    /// The instant it starts at.
    pub as_of: Timestamp,
    /// What will happen.
    pub forecast: Forecast,
}

/// The last forecast, and who asks for another.
pub struct Forecasts {
    latest: watch::Receiver<Option<Arc<Cached>>>,
    asked: Arc<Asked>,
    task: JoinHandle<()>,
}

struct Asked {
    last: Mutex<Mono>,
    again: Notify,
}

impl Forecasts {
    /// Of this worker; nothing is worked out until somebody asks.
    pub fn of(worker: &Arc<Worker>) -> Self {
        let (tell, latest) = watch::channel(None);
        let asked = Arc::new(Asked { last: Mutex::default(), again: Notify::new() });
        let task = tokio::spawn(go_on(Arc::downgrade(worker), Arc::clone(&asked), tell));
        Self { latest, asked, task }
    }

    /// The last one, whatever its age; asks for none.
    pub fn glance(&self) -> Option<Arc<Cached>> {
        self.latest.borrow().clone()
    }

    /// The last one; asks for the next.
    pub fn look(&self, now: Mono) -> Option<Arc<Cached>> {
        *self.asked.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.asked.again.notify_one();
        self.glance()
    }

    /// The last one; waits a moment if it is the first.
    async fn wait(&self, now: Mono) -> Option<Arc<Cached>> {
        if let Some(cached) = self.look(now) {
            return Some(cached);
        }
        let mut latest = self.latest.clone();
        let first = tokio::time::timeout(WAIT_MAX, latest.wait_for(Option::is_some)).await;
        first.ok()?.ok()?.clone()
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
            tokio::time::sleep(PAUSE).await;
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
    let (planner, now) = (engine.planner(), engine.clock().now());
    let outlook = Operator::open_for_reading(&worker.store)?.outlook_of(|lane| now - planner.span_of(lane))?;
    let outset = Outset { planner, limits: engine.limits(), grace: engine.grace(), now, is_worked: true };
    Ok(Cached { as_of: now, forecast: forecast(&outset.basis(outlook)) })
}

/// When everything, each batch and each lane will be done.
pub async fn show(State(shared): State<Shared>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let cached = shared.forecast.wait(shared.worker.engine.clock().mono()).await;
    Ok(answer::document(&document(cached.as_deref())))
}

fn document(cached: Option<&Cached>) -> Value {
    let Some(Cached { as_of, forecast }) = cached else {
        return json!({"as_of": null, "finish_at": null, "deciding": null, "batches": [], "lanes": []});
    };
    let batches = forecast.batches.iter().map(|batch| {
        json!({"batch": &*batch.name, "finish_at": batch.finish,
            "deciding": deciding_document(batch.deciding.as_ref()), "held_back": left_over(&batch.jobs)})
    });
    let lanes = forecast.lanes.iter().map(|lane| {
        json!({"app": lane.key.app, "tenant": lane.key.tenant, "method": lane.key.method, "finish_at": lane.finish,
            "deciding": deciding_document(lane.deciding.as_ref()), "held_back": left_over(&lane.jobs)})
    });
    let finish_at = Some(forecast.finish).filter(|_| forecast.jobs.done > 0);
    json!({"as_of": as_of, "finish_at": finish_at, "deciding": deciding_document(forecast.deciding.as_ref()),
        "batches": batches.collect::<Vec<_>>(), "lanes": lanes.collect::<Vec<_>>()})
}
