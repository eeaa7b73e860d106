//! What a monitor sees of a worker: the counters, and gauges of engine, ledger and broker as they stand at the scrape.

#[cfg(test)]
mod bench;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

use crate::broker::{Link, Service, intake};
use crate::domain::job::LaneKey;
use crate::domain::quota::Usage;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::ports::{Hold, LedgerError};
use crate::engine::schedule::View;
use crate::metrics::names::Described;
use crate::metrics::text::{Text, labels};
use crate::metrics::{Metrics, names, process_usage};
use crate::store::sqlite::{Figures, LaneFigures, SqliteLedger};

/// How often the ledger is asked for what it alone knows: a scrape itself never waits for a disk.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// The states of the intake, as labels.
const INTAKE_STATES: [&str; 5] = ["waiting", "consuming", "paused", "stalled", "stopped"];

/// What `/metrics` answers with.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that a monitor is told of.
pub struct Scrape {
    engine: Arc<Engine>,
    ledger: Arc<SqliteLedger>,
    metrics: Metrics,
    broker: Option<Broker>,
    figures: Mutex<Arc<Figures>>,
}

struct Broker {
    links: [(&'static str, Link); 2],
    intake: watch::Receiver<intake::State>,
}

impl Scrape {
    /// Of a worker without a broker; `metrics` are those that its engine and ledger count with.
    pub fn new(engine: Arc<Engine>, ledger: Arc<SqliteLedger>, metrics: Metrics) -> Self {
        Self { engine, ledger, metrics, broker: None, figures: Mutex::default() }
    }

    /// Likewise, with this broker service.
    #[must_use]
    pub fn with_broker(mut self, service: &Service) -> Self {
        let links = [("consume", service.consume.clone()), ("publish", service.publish.clone())];
        self.broker = Some(Broker { links, intake: service.intake() });
        self
    }

    /// Asks the ledger for its figures from now on, until the ledger is closed or nobody has the answer any more. The
    /// answer renders everything; it blocks for no disk.
    pub fn start(self) -> Exposition {
        let scrape = Arc::new(self);
        let sampled = Arc::downgrade(&scrape);
        tokio::spawn(async move {
            let mut failed = false;
            while let Some(scrape) = sampled.upgrade() {
                match scrape.sample().await {
                    Ok(()) => failed = false,
                    Err(LedgerError::Closed) => return,
                    Err(error) if !failed => {
                        failed = true;
                        warn!(%error, "figures for monitoring cannot be read from the ledger; the last ones stay");
                    }
                    Err(_) => {}
                }
                drop(scrape);
                tokio::time::sleep(SAMPLE_EVERY).await;
            }
        });
        Arc::new(move || scrape.render())
    }

    /// Reads the ledger's figures, which are rendered until they are read again.
    ///
    /// # Errors
    /// Why the ledger cannot be read.
    pub async fn sample(&self) -> Result<(), LedgerError> {
        let figures = self.ledger.figures(self.engine.clock().now()).await?;
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(figures);
        Ok(())
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let figures = Arc::clone(&self.figures.lock().unwrap_or_else(PoisonError::into_inner));
        let (view, now) = (self.engine.view(), self.engine.clock().now());
        let mut text = Text::after(self.metrics.render());
        lanes(&mut text, &view, &figures, now);
        quotas(&mut text, &view);
        self.held_back(&mut text, &view);
        text.single(&names::JOBS_UNFINISHED, self.engine.unfinished() as f64);
        of_ledger(&mut text, &figures);
        if let Some(broker) = &self.broker {
            broker.write(&mut text);
        }
        self.process(&mut text);
        text.finish()
    }

    fn held_back(&self, text: &mut Text, view: &View) {
        let mut suspensions: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for suspension in &view.suspensions {
            let by = if suspension.is_by_hand() { "person" } else { "platform" };
            *suspensions.entry([&suspension.app, by]).or_default() += 1.0;
        }
        text.metric(&names::SUSPENSIONS, suspensions.iter().map(|(of, n)| (named(&names::SUSPENSIONS, of), *n)));
        let restraints = self.engine.restraints();
        let mut counts: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for restraint in &restraints {
            let kind = match restraint.hold {
                Hold::Pause { .. } => "pause",
                Hold::Rate { .. } => "rate",
                Hold::Concurrency { .. } => "concurrency",
                Hold::Limit { .. } => "limit",
            };
            *counts.entry([&restraint.app, kind]).or_default() += 1.0;
        }
        text.metric(&names::RESTRAINTS, counts.iter().map(|(of, n)| (named(&names::RESTRAINTS, of), *n)));
    }

    fn process(&self, text: &mut Text) {
        text.metric(&names::BUILD_INFO, [(named(&names::BUILD_INFO, &[env!("CARGO_PKG_VERSION")]), 1.0)]);
        if let Some(started_at) = self.metrics.started_at() {
            text.single(&names::PROCESS_START, seconds(started_at));
        }
        if let Some(usage) = process_usage() {
            text.single(&names::PROCESS_CPU, usage.cpu_s);
            text.single(&names::PROCESS_MEMORY, usage.resident_bytes);
        }
    }
}

impl Broker {
    fn write(&self, text: &mut Text) {
        let connected = self
            .links
            .each_ref()
            .map(|(name, link)| (named(&names::BROKER_CONNECTED, &[name]), f64::from(u8::from(link.state().is_up()))));
        text.metric(&names::BROKER_CONNECTED, connected);
        let state = match &*self.intake.borrow() {
            intake::State::Waiting => "waiting",
            intake::State::Consuming => "consuming",
            intake::State::Paused { .. } => "paused",
            intake::State::Stalled { .. } => "stalled",
            intake::State::Stopped => "stopped",
        };
        let is_in = |one: &str| (named(&names::INTAKE_STATE, &[one]), f64::from(u8::from(one == state)));
        text.metric(&names::INTAKE_STATE, INTAKE_STATES.map(is_in));
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1_000_000.0
}

fn named(of: &Described, values: &[&str]) -> String {
    labels(of.labels, values)
}

/// The lanes of the schedule, and those of which only the ledger has something to tell.
fn lanes(text: &mut Text, view: &View, figures: &Figures, now: Timestamp) {
    let none = LaneFigures::default();
    let known: HashSet<&LaneKey> = view.lanes.iter().map(|lane| &*lane.key).collect();
    let mut jobs = Vec::with_capacity(4 * view.lanes.len());
    let mut suspended = Vec::with_capacity(view.lanes.len());
    for lane in &view.lanes {
        let labels = of_lane(&lane.key);
        let waiting = lane.waiting.saturating_sub(lane.uncertain);
        let held = figures.lanes.get(&lane.key).unwrap_or(&none).held;
        jobs.push((in_state(&labels, "waiting"), waiting as f64));
        jobs.push((in_state(&labels, "running"), lane.running as f64));
        jobs.push((in_state(&labels, "uncertain"), lane.uncertain as f64));
        jobs.push((in_state(&labels, "held"), held as f64));
        suspended.push((labels, f64::from(u8::from(lane.suspended))));
    }
    for (key, lane) in figures.lanes.iter().filter(|(key, _)| !known.contains(key)) {
        jobs.push((in_state(&of_lane(key), "held"), lane.held as f64));
    }
    text.metric(&names::LANE_JOBS, jobs);
    let age = |at| now.since(at).as_secs_f64();
    let ages = figures.lanes.iter().filter_map(|(key, lane)| Some((of_lane(key), age(lane.oldest_at?))));
    text.metric(&names::LANE_OLDEST, ages);
    text.metric(&names::LANE_SUSPENDED, suspended);
}

fn of_lane(key: &LaneKey) -> String {
    labels(names::LANE_SUSPENDED.labels, &[&key.app, &key.tenant, &key.method])
}

/// The labels of a lane, and a state.
fn in_state(lane: &str, state: &str) -> String {
    [lane, ",state=\"", state, "\""].concat()
}

/// Every key once, whichever lanes share it.
fn quotas(text: &mut Text, view: &View) {
    let mut seen = HashSet::new();
    let keys = view.lanes.iter().flat_map(|lane| &lane.usage).filter(|usage| seen.insert(&usage.key));
    let mut rows = Vec::new();
    for Usage { key, windows, .. } in keys {
        for (window, used) in windows {
            let values = [key.scope.as_str(), &key.owner, &key.method, &span(window.span)];
            rows.push((named(&names::QUOTA_USED, &values), window.limit, *used));
        }
    }
    text.metric(&names::QUOTA_LIMIT, rows.iter().map(|(labels, limit, _)| (labels, f64::from(*limit))));
    text.metric(&names::QUOTA_USED, rows.iter().map(|(labels, _, used)| (labels, f64::from(*used))));
}

/// A window's length: `1s`, `1m`, `1h`, `1d`, or so many seconds.
fn span(span: Duration) -> Cow<'static, str> {
    match (span.as_secs(), span.subsec_nanos()) {
        (1, 0) => Cow::Borrowed("1s"),
        (60, 0) => Cow::Borrowed("1m"),
        (3_600, 0) => Cow::Borrowed("1h"),
        (86_400, 0) => Cow::Borrowed("1d"),
        _ => Cow::Owned(format!("{}s", span.as_secs_f64())),
    }
}

/// What was read of the ledger last; before the first reading there is nothing to tell.
fn of_ledger(text: &mut Text, figures: &Figures) {
    if figures.read_at == Timestamp::default() {
        return;
    }
    let of_dead =
        |(app, method, reason): &(String, String, String)| named(&names::DEAD_LETTERS, &[app, method, reason]);
    let dead = figures.dead.iter().map(|(of, n)| (of_dead(of), *n as f64));
    text.metric(&names::DEAD_LETTERS, dead);
    text.single(&names::OUTBOX_ROWS, figures.outbox as f64);
    text.single(&names::LEDGER_READ_AT, seconds(figures.read_at));
}
