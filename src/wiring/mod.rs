//! The composition root: from settings to an engine with its ledger, transport and broker.
//!
//! The only place that knows every part; what the parts do stands in them.

mod admin;
mod apps;
mod broker;
mod catalog;
mod fleet;
mod ledger;
mod reload;
mod scrape;
mod standing;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;

pub use admin::admin_access;
pub use apps::{apps_for_rehearsal, apps_of, decoder, facts_of, with_users};
pub use broker::{AMQPS, Decoding, READABLE, broker, broker_options, rights_of, warn_of_plain_text};
pub use catalog::catalog_of;
pub use ledger::{
    connector, copy_store, give_copy_up, inspect, is_worked, known_jobs, open, open_for_people, open_rehearsal,
    open_untouched,
};
pub use reload::{Reloading, Source};
pub use scrape::Scrape;
pub use worker::{Parts, StartError, Surroundings, Worker};

use admin::admin_worker;
use reload::Reloader;
use standing::record_standing;

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::time::Timestamp;
use crate::engine::app::Apps;
use crate::engine::planner::Planner;
use crate::engine::ports::{Domain, Ledger, LedgerError, Transport};
use crate::engine::schedule::Limits;
use crate::engine::{Engine, Options, Revision, backoff};
use crate::metrics::Metrics;
use crate::operations::forecast::Outset;
use crate::platform::{self, HttpOptions, HttpTransport};
use crate::settings::{Settings, otlp_headers};
use crate::telemetry::{self, Traces};

/// The HTTP client that the settings describe.
///
/// # Errors
/// A sentence about the certificate file or the TLS set-up.
pub fn transport(settings: &Settings) -> Result<Arc<dyn Transport>, String> {
    transport_of(settings, false)
}

/// The same, with the servers' certificates in the answers.
///
/// # Errors
/// As [`transport`].
pub fn looking_transport(settings: &Settings) -> Result<Arc<dyn Transport>, String> {
    transport_of(settings, true)
}

fn transport_of(settings: &Settings, tells_certificate: bool) -> Result<Arc<dyn Transport>, String> {
    Ok(Arc::new(HttpTransport::new(&http_options(settings, tells_certificate))?))
}

fn http_options(settings: &Settings, tells_certificate: bool) -> HttpOptions {
    let http = &settings.http;
    HttpOptions {
        connect_timeout: http.connect_timeout,
        reply_bytes_max: http.reply_bytes_max,
        pool_idle: http.pool_idle,
        ca_pem: http.ca.as_ref().map(|ca| ca.pem.clone()),
        tells_certificate,
    }
}

/// Begins to send traces, if the settings name a collector. Called on a runtime.
///
/// # Errors
/// A sentence about what does not fit.
pub fn traces(settings: &Settings, clock: &Clock) -> Result<Option<Traces>, String> {
    let Some(endpoint) = settings.telemetry.otlp_endpoint.clone() else { return Ok(None) };
    let headers = settings.telemetry.otlp_headers.as_ref();
    let headers = headers.and_then(|text| otlp_headers(text.expose_secret())).unwrap_or_default();
    let http = platform::client(&http_options(settings, false))?;
    telemetry::start(telemetry::Options { endpoint, headers, http, clock: clock.clone() }).map(Some)
}

/// What a forecast starts from.
pub fn outset(settings: &Settings, planner: Arc<Planner>, now: Timestamp, is_worked: bool) -> Outset {
    Outset { planner, limits: limits(settings), grace: settings.engine.grace, now, is_worked }
}

/// An engine with empty lanes, which works this ledger; `speed` makes all windows and backoffs that much shorter, 1 in
/// real life.
///
/// # Errors
/// As [`Ledger::acquire`].
pub async fn engine(
    settings: &Settings,
    catalog: Arc<Catalog>,
    apps: Apps,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    speed: f64,
) -> Result<Arc<Engine>, LedgerError> {
    measured_engine(settings, Planner::new(catalog, apps, speed), (ledger, transport), clock, Metrics::default()).await
}

/// An engine with empty lanes that works this ledger, goes by this planner, and counts there what it does.
///
/// # Errors
/// As [`Ledger::acquire`].
pub async fn measured_engine(
    settings: &Settings,
    planner: Planner,
    (ledger, transport): (Arc<dyn Ledger>, Arc<dyn Transport>),
    clock: Clock,
    metrics: Metrics,
) -> Result<Arc<Engine>, LedgerError> {
    let domain = ledger.acquire_all().await?;
    Ok(engine_over(settings, planner, (ledger, transport), domain, clock, metrics))
}

/// Likewise, over what it has acquired of the ledger.
fn engine_over(
    settings: &Settings,
    planner: Planner,
    (ledger, transport): (Arc<dyn Ledger>, Arc<dyn Transport>),
    domain: Arc<dyn Domain>,
    clock: Clock,
    metrics: Metrics,
) -> Arc<Engine> {
    let options = options(settings, planner.speed);
    Engine::new(planner, (ledger, domain), transport, clock, options, metrics)
}

/// How many calls may be in flight.
pub fn limits(settings: &Settings) -> Limits {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Limits {
        concurrency_max: count(settings.engine.concurrency_max),
        lane_concurrency_max: count(settings.engine.lane_concurrency_max),
        reserve: settings.lanes.reserve,
        stop_after: settings.lanes.stop_after,
    }
}

/// Lets a running engine go by other settings; says what changed.
///
/// # Errors
/// As [`Engine::reload`].
pub async fn reload(
    engine: &Engine,
    settings: &Settings,
    catalog: Arc<Catalog>,
    apps: Apps,
) -> Result<Revision, LedgerError> {
    // A rehearsal is not reloaded: its apps are made up.
    let planner = Planner::new(catalog, apps, 1.0);
    engine.reload(planner, options(settings, 1.0)).await
}

fn options(settings: &Settings, speed: f64) -> Options {
    let engine = &settings.engine;
    let shorter = |duration: Duration| if speed > 1.0 { duration.div_f64(speed) } else { duration };
    Options {
        limits: limits(settings),
        attempts_max: engine.attempts_max,
        backoff: backoff::Schedule { initial: shorter(engine.backoff_initial), max: shorter(engine.backoff_max) },
        request_timeout: settings.http.request_timeout,
        grace: engine.grace,
        drain: engine.drain,
        room_wait: engine.room_wait,
        names_max_age: Duration::from_secs(3_600 * u64::from(engine.names_max_age_h)),
        reference_wait: Duration::from_secs(3_600 * u64::from(engine.reference_wait_h)),
        keep: settings.ledger.keep,
        seed: fastrand::u64(..),
        speed,
    }
}
