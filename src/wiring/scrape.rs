//! What a monitor sees of a worker: the counters, and gauges of engine, ledger and broker as they stand at the scrape.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::amqp::{BrokerStatus, IntakeState, Look, Service};
use crate::domain::job::LaneKey;
use crate::domain::quota::Usage;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::fleet::{Seen, Sight};
use crate::engine::ports::{LedgerError, RestraintKind};
use crate::engine::schedule::{Gauges, LaneGauges};
use crate::metrics::names::Described;
use crate::metrics::text::{And, Text, labels};
use crate::metrics::{Metrics, names, process_usage};
use paceline_ports::{Figures, LaneFigures, Store};

/// How often the ledger is asked for what it alone knows: a scrape itself never waits for a disk.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// The states of a lane's jobs, as they follow the lane's labels.
const WAITING: &str = ",state=\"waiting\"";
const RUNNING: &str = ",state=\"running\"";
const UNCERTAIN: &str = ",state=\"uncertain\"";
const HELD: &str = ",state=\"held\"";
const BLOCKED: &str = ",state=\"blocked\"";

/// What `/metrics` answers with.
pub(super) type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// Everything that a monitor is told of.
pub struct Scrape {
    engine: Arc<Engine>,
    ledger: Arc<dyn Store>,
    metrics: Metrics,
    broker: Option<Look>,
    sight: Option<Sight>,
    figures: Mutex<Arc<Figures>>,
    /// About as long as the next text.
    bytes: AtomicUsize,
}

impl Scrape {
    /// Of a worker without a broker; `metrics` are those that its engine and ledger count with.
    pub fn new(engine: Arc<Engine>, ledger: Arc<dyn Store>, metrics: Metrics) -> Self {
        let (figures, bytes) = (Mutex::default(), AtomicUsize::new(0));
        Self { engine, ledger, metrics, broker: None, sight: None, figures, bytes }
    }

    /// Likewise, with this broker service.
    #[must_use]
    pub fn with_broker(mut self, service: &Service) -> Self {
        self.broker = Some(service.look());
        self
    }

    /// Likewise, one of several workers.
    #[must_use]
    pub fn with_sight(mut self, sight: Option<Sight>) -> Self {
        self.sight = sight;
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
        let (gauges, now) = (self.engine.gauges(), self.engine.clock().now());
        // Most scrapes are as long as the one before: the text need not be moved while it grows.
        let mut text = Text::with_capacity(self.bytes.load(Ordering::Relaxed));
        self.metrics.write(&mut text);
        lanes(&mut text, &gauges, &figures, now);
        quotas(&mut text, &gauges);
        self.held_back(&mut text, &gauges);
        text.single(&names::JOBS_UNFINISHED, self.engine.unfinished() as f64);
        of_ledger(&mut text, &figures);
        if let Some(broker) = &self.broker {
            of_broker(&mut text, &broker.status());
        }
        if let Some(sight) = &self.sight {
            of_fleet(&mut text, &sight.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.process(&mut text);
        let text = text.finish();
        self.bytes.store(text.len() + text.len() / 8, Ordering::Relaxed);
        text
    }

    fn held_back(&self, text: &mut Text, gauges: &Gauges) {
        let mut suspensions: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for suspension in &gauges.suspensions {
            *suspensions.entry([&suspension.app, suspension.by.as_str()]).or_default() += 1.0;
        }
        text.metric(&names::SUSPENSIONS, suspensions.iter().map(|(of, n)| (named(&names::SUSPENSIONS, of), *n)));
        let restraints = self.engine.restraints();
        let mut counts: BTreeMap<[&str; 2], f64> = BTreeMap::new();
        for restraint in &restraints {
            let kind = match restraint.kind {
                RestraintKind::Pause { .. } => "pause",
                RestraintKind::Rate { .. } => "rate",
                RestraintKind::Concurrency { .. } => "concurrency",
                RestraintKind::Limit { .. } => "limit",
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

fn of_broker(text: &mut Text, status: &BrokerStatus) {
    let links = [("consume", &status.consume), ("publish", &status.publish)];
    let connected =
        links.map(|(name, link)| (named(&names::BROKER_CONNECTED, &[name]), f64::from(u8::from(link.is_up()))));
    text.metric(&names::BROKER_CONNECTED, connected);
    let state = status.intake.as_str();
    let is_in = |one: &str| (named(&names::INTAKE_STATE, &[one]), f64::from(u8::from(one == state)));
    text.metric(&names::INTAKE_STATE, IntakeState::WORDS.map(is_in));
}

fn of_fleet(text: &mut Text, seen: &Seen) {
    let Seen { gathering, held, ownerless, refused, lease_left } = seen;
    let alive = gathering.replicas.iter().filter(|replica| replica.is_alive).count();
    let replicas = [("alive", alive), ("lost", gathering.replicas.len() - alive)];
    let replicas = replicas.map(|(state, n)| (named(&names::REPLICAS, &[state]), n as f64));
    text.metric(&names::REPLICAS, replicas);
    let domains = [("owned", *held), ("ownerless", *ownerless), ("refused", *refused)];
    text.metric(&names::DOMAINS, domains.map(|(state, n)| (named(&names::DOMAINS, &[state]), n as f64)));
    if let Some(left) = lease_left {
        text.single(&names::LEASE_LEFT, *left);
    }
    let own = gathering.replicas.iter().find(|replica| replica.id == gathering.own);
    text.metric(&names::QUOTAS_INFO, own.map(|own| (named(&names::QUOTAS_INFO, &[&own.card.quotas]), 1.0)));
}

fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1_000_000.0
}

fn named(of: &Described, values: &[&str]) -> String {
    labels(of.labels, values)
}

/// The lanes of the schedule, and those of which only the ledger has something to tell.
fn lanes(text: &mut Text, gauges: &Gauges, figures: &Figures, now: Timestamp) {
    let mut told = 0;
    let mut with_figures = |lane: &LaneGauges| {
        let found = figures.lanes.get(&lane.key).copied();
        told += usize::from(found.is_some());
        found.unwrap_or_default()
    };
    let scheduled: Vec<_> = gauges.lanes.iter().map(|lane| (of_lane(&lane.key), lane, with_figures(lane))).collect();
    let others = if told == figures.lanes.len() { Vec::new() } else { unscheduled(gauges, figures) };
    let in_states = scheduled.iter().flat_map(|(labels, lane, of)| {
        let states = [
            (WAITING, lane.waiting.saturating_sub(lane.uncertain) as u64),
            (RUNNING, lane.running as u64),
            (UNCERTAIN, lane.uncertain as u64),
            (HELD, of.held),
            (BLOCKED, of.blocked),
        ];
        states.map(|(state, jobs)| (And(labels, state), jobs as f64))
    });
    let of_others = others.iter().flat_map(|(labels, of)| {
        [(HELD, of.held), (BLOCKED, of.blocked)].map(|(state, jobs)| (And(labels, state), jobs as f64))
    });
    text.metric(&names::LANE_JOBS, in_states.chain(of_others));
    let figures =
        scheduled.iter().map(|(labels, _, of)| (labels, of)).chain(others.iter().map(|(labels, of)| (labels, *of)));
    let ages = figures.filter_map(|(labels, of)| Some((labels, now.since(of.oldest_at?).as_secs_f64())));
    text.metric(&names::LANE_OLDEST, ages);
    let suspended = scheduled.iter().map(|(labels, lane, _)| (labels, f64::from(u8::from(lane.suspended))));
    text.metric(&names::LANE_SUSPENDED, suspended);
}

/// Lanes that the schedule does not know: what they had to do has ended.
fn unscheduled<'f>(gauges: &Gauges, figures: &'f Figures) -> Vec<(String, &'f LaneFigures)> {
    let known: HashSet<&LaneKey> = gauges.lanes.iter().map(|lane| &*lane.key).collect();
    let others = figures.lanes.iter().filter(|(key, _)| !known.contains(key));
    others.map(|(key, of)| (of_lane(key), of)).collect()
}

fn of_lane(key: &LaneKey) -> String {
    labels(names::LANE_SUSPENDED.labels, &[&key.app, &key.tenant, &key.method])
}

/// Every window's limit and use.
fn quotas(text: &mut Text, gauges: &Gauges) {
    let mut rows = Vec::new();
    for Usage { key, windows, .. } in &gauges.quotas {
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
