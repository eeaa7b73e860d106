//! A worker, put together: what it is made of, and the one order in which its parts start and end.

use std::sync::Arc;

use tokio::sync::Notify;
use tracing::{info, warn};

use super::fleet::Membership;
use super::{Decoding, Reloader, Reloading, Scrape, Source, admin_access, admin_worker, apps_of};
use crate::admin::{self, Admin, BindError, Bound};
use crate::amqp::Service;
use crate::clock::Clock;
use crate::domain::catalog::Catalog;
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::app::Apps;
use crate::engine::planner::Planner;
use crate::engine::ports::{Ledger, LedgerError, Transport};
use crate::metrics::Metrics;
use crate::operations::forecast::Outset;
use crate::operations::refused::Refused;
use crate::settings::Settings;
use crate::telemetry::Traces;
use paceline_ports::{Mode, Store};

/// What is around a worker's engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// `work`: the broker, and the admin server, without which it does not start.
    Work,
    /// `run`: the admin server, if its place is free.
    Run,
    /// An undo: nothing.
    Bare,
}

/// What a worker is made of. Whatever can be wrong with the settings is found here, before anything is touched.
pub struct Parts {
    settings: Settings,
    planner: Planner,
    transport: Arc<dyn Transport>,
    clock: Clock,
    metrics: Metrics,
    traces: Option<Traces>,
    around: Surroundings,
    source: Option<Source>,
}

impl Parts {
    /// As the settings describe them; a reload reads those of the source. Called on a runtime.
    ///
    /// # Errors
    /// What of the settings does not fit.
    pub fn of(
        settings: Settings,
        catalog: Arc<Catalog>,
        around: Surroundings,
        source: Source,
        clock: &Clock,
    ) -> Result<Self, Refused> {
        let refused = |message| Refused::new(message, "");
        let apps = apps_of(&settings, &catalog).map_err(|faults| refused(faults.join("\n")))?;
        let transport = super::transport(&settings).map_err(refused)?;
        let mut parts = Self::bare(settings, catalog, apps, transport, clock.clone(), 1.0);
        if around != Surroundings::Bare {
            parts.traces = super::traces(&parts.settings, clock).map_err(refused)?;
            parts.metrics = Metrics::collecting(clock).map_err(refused)?;
            parts.source = Some(source);
        }
        parts.around = around;
        Ok(parts)
    }

    /// An engine alone with these apps over this transport, as in a rehearsal; `speed` makes all windows and backoffs
    /// that much shorter.
    pub fn bare(
        settings: Settings,
        catalog: Arc<Catalog>,
        apps: Apps,
        transport: Arc<dyn Transport>,
        clock: Clock,
        speed: f64,
    ) -> Self {
        let planner = Planner::new(catalog, apps, speed);
        let (metrics, around) = (Metrics::default(), Surroundings::Bare);
        Self { settings, planner, transport, clock, metrics, traces: None, around, source: None }
    }

    /// The same, with something between the engine and what carries its calls.
    #[must_use]
    pub fn observed(self, around: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>) -> Self {
        Self { transport: around(self.transport), ..self }
    }

    /// Opens the ledger of the settings.
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(&self, mode: Mode) -> Result<Arc<dyn Store>, LedgerError> {
        super::open(&self.settings.store, mode, self.clock.now(), self.metrics.clone())
    }

    /// What a forecast of the worker's work starts from.
    pub fn outset(&self, now: Timestamp) -> Outset {
        super::outset(&self.settings, Arc::new(self.planner.clone()), now, true)
    }

    /// The admin server's place. A batch is worked without it as well.
    async fn bind(&self) -> Result<Option<Bound>, Refused> {
        let (listen, socket) = (self.settings.admin.listen, self.settings.admin.socket.as_deref());
        if self.around == Surroundings::Bare || (listen.is_none() && socket.is_none()) {
            return Ok(None);
        }
        match admin::bind(listen, socket).await {
            Ok(bound) => Ok(Some(bound)),
            Err(error) if self.around == Surroundings::Run => {
                warn!("{error}; the batch is worked without it: {}", BindError::CURE);
                Ok(None)
            }
            Err(error) => Err(Refused::new(error.to_string(), BindError::CURE)),
        }
    }
}

/// Why a worker does not start.
#[derive(Debug)]
pub enum StartError {
    /// Something around it is not as the settings say.
    Refused(Refused),
    /// The ledger cannot be read or written.
    Ledger(LedgerError),
}

impl From<Refused> for StartError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<LedgerError> for StartError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// A worker whose parts are started. Its engine runs when the command says so.
pub struct Worker {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Its ledger.
    pub ledger: Arc<dyn Store>,
    /// Intake and relay, if there is a broker.
    pub service: Option<Service>,
    admin: Option<Admin>,
    reloading: Option<Reloading>,
    membership: Option<Membership>,
    traces: Option<Traces>,
}

impl Worker {
    /// Starts everything on an open ledger. `load` puts jobs into the empty lanes before the broker brings more; what
    /// it gives is given back.
    ///
    /// # Errors
    /// A place that is taken, an address that does not fit, or the ledger's.
    pub async fn start<T>(
        parts: Parts,
        ledger: Arc<dyn Store>,
        load: impl AsyncFnOnce(&Arc<Engine>) -> Result<T, LedgerError>,
    ) -> Result<(Self, T), StartError> {
        let bound = parts.bind().await?;
        let Parts { settings, planner, transport, clock, metrics, traces, around, source } = parts;
        let catalog = Arc::clone(&planner.catalog);
        let outside = (Arc::clone(&ledger) as Arc<dyn Ledger>, transport);
        let fleet = ledger.fleet().filter(|_| around == Surroundings::Work);
        let domain = match &fleet {
            Some(fleet) => fleet.held(),
            None => ledger.acquire_all().await?,
        };
        let engine = super::engine_over(&settings, planner, outside, domain, clock.clone(), metrics.clone());
        engine.recover().await?;
        let loaded = load(&engine).await?;
        let asked = Arc::new(Notify::new());
        let membership = match fleet {
            Some(fleet) => Some(
                Membership::begin(&engine, fleet, &clock, settings.cluster.egress.clone(), Arc::clone(&asked)).await?,
            ),
            None => None,
        };
        let decoding = Decoding::new(super::decoder(&settings, &catalog, false));
        let options = super::broker_options(&settings).filter(|_| around == Surroundings::Work);
        let service =
            options.map(|options| super::broker(&options, &engine, &ledger, decoding.clone(), &clock)).transpose();
        let service = service.map_err(|fault| Refused::new(fault.cause(), fault.cure()))?;
        if let Some(service) = &service {
            super::record_standing(service.look(), Arc::clone(&ledger), clock);
        }
        let sight = membership.as_ref().map(Membership::sight);
        let scrape = Scrape::new(Arc::clone(&engine), Arc::clone(&ledger), metrics).with_sight(sight);
        let served = (&engine, &ledger, service.as_ref(), decoding.clone());
        let admin = bound.map(|bound| serve(bound, &settings, around, served, scrape));
        let door = admin.as_ref().map(Admin::door);
        let reloading = source.map(|source| {
            Reloader::new(source, settings, catalog, Arc::clone(&engine), Some(decoding)).with_door(door).start(asked)
        });
        Ok((Self { engine, ledger, service, admin, reloading, membership, traces }, loaded))
    }

    /// Reads the settings again, in the background, here and in the other workers of the ledger.
    pub fn reload(&self) {
        if let Some(reloading) = &self.reloading {
            reloading.ask();
        }
        if let Some(membership) = &self.membership {
            membership.reload_all();
        }
    }

    /// Ends the admin server after the answers under way, and sends the last traces unless nobody waits for them. The
    /// ledger stays open.
    pub async fn end(&mut self, sends_traces: bool) {
        (self.reloading, self.membership) = (None, None);
        if let Some(admin) = self.admin.take() {
            admin.stop().await;
        }
        if let Some(traces) = self.traces.take().filter(|_| sends_traces) {
            traces.stop().await;
        }
    }
}

fn serve(
    bound: Bound,
    settings: &Settings,
    around: Surroundings,
    (engine, ledger, service, decoding): (&Arc<Engine>, &Arc<dyn Store>, Option<&Service>, Decoding),
    scrape: Scrape,
) -> Admin {
    let scrape = if let Some(service) = service { scrape.with_broker(service) } else { scrape };
    let mode = if around == Surroundings::Work { "work" } else { "run" };
    let mut worker = admin_worker(mode, engine, (ledger, settings), service, decoding);
    worker.metrics = scrape.start();
    let admin = bound.serve(&admin_access(settings), worker);
    // A batch shows its progress on the terminal instead.
    if around == Surroundings::Work {
        if let Some(address) = admin.listen() {
            info!(%address, "the admin server listens");
        }
        if let Some(socket) = &settings.admin.socket {
            info!(socket = %socket.display(), "the admin server listens");
        }
    }
    admin
}
