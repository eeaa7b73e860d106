//! The composition root: from settings to an engine with its ledger, transport and broker.
//!
//! The only place that knows every part; what the parts do stands in them.

mod apps;
mod broker;

use std::sync::Arc;
use std::time::Duration;

pub use apps::{apps_for_rehearsal, apps_of, facts_of};
pub use broker::{broker, broker_options};

use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::engine::app::Apps;
use crate::engine::ports::{Ledger, Transport};
use crate::engine::quotas::Planner;
use crate::engine::schedule::Limits;
use crate::engine::{Engine, Options, backoff};
use crate::platform::{HttpOptions, HttpTransport};
use crate::settings::Settings;

/// The HTTP client that the settings describe.
///
/// # Errors
/// A sentence about the certificate file or the TLS set-up.
pub fn transport(settings: &Settings) -> Result<Arc<dyn Transport>, String> {
    let http = &settings.http;
    let options = HttpOptions {
        connect_timeout: http.connect_timeout,
        reply_bytes_max: http.reply_bytes_max,
        pool_idle: http.pool_idle,
        ca_pem: http.ca.as_ref().map(|ca| ca.pem.clone()),
    };
    Ok(Arc::new(HttpTransport::new(&options)?))
}

/// An engine with empty lanes; `speed` makes all windows and backoffs that much shorter, 1 in real life.
pub fn engine(
    settings: &Settings,
    catalog: Arc<Catalog>,
    apps: Apps,
    ledger: Arc<dyn Ledger>,
    transport: Arc<dyn Transport>,
    clock: Clock,
    speed: f64,
) -> Arc<Engine> {
    let planner = Planner { catalog, apps, speed };
    Engine::new(planner, ledger, transport, clock, options(settings, speed))
}

fn options(settings: &Settings, speed: f64) -> Options {
    let engine = &settings.engine;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let shorter = |duration: Duration| if speed > 1.0 { duration.div_f64(speed) } else { duration };
    Options {
        limits: Limits {
            concurrency_max: count(engine.concurrency_max),
            lane_concurrency_max: count(engine.lane_concurrency_max),
        },
        attempts_max: engine.attempts_max,
        backoff: backoff::Schedule { initial: shorter(engine.backoff_initial), max: shorter(engine.backoff_max) },
        request_timeout: settings.http.request_timeout,
        grace: engine.grace,
        drain: engine.drain,
        seed: fastrand::u64(..),
        speed,
    }
}
