//! An engine over a real ledger in a folder of its own, and whatever transport it is given: no sockets, no settings file
//! but defaults.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use paceline::clock::Clock;
use paceline::domain::catalog::{Catalog, built_in};
use paceline::domain::decode::{self, Decoder, Defaults};
use paceline::engine::Engine;
use paceline::engine::ports::{Arrival, Intake, Ledger, Origin, TakenOver, Transport, Waiting};
use paceline::settings::{self, Settings};
use paceline::store::{Mode, SqlStore};
use paceline::wiring;
use serde_json::Value;

use super::sentence;

/// The app that all jobs are for.
pub(crate) const APP: &str = "acme";

/// The ledger's name in its folder.
pub(crate) const FILE: &str = "paceline.db";

/// A worker that has taken nothing over yet.
pub(crate) struct Embedded {
    pub ledger: Arc<SqlStore>,
    pub engine: Arc<Engine>,
    pub clock: Clock,
    pub decoder: Decoder,
}

/// What the binary knows without a file.
pub(crate) fn catalog() -> anyhow::Result<Arc<Catalog>> {
    Ok(Arc::new(built_in().map_err(|faults| sentence(format!("{faults:?}")))?))
}

impl Embedded {
    /// A worker for one app, whose quotas may be others than the documented ones, with its ledger in this folder.
    pub(crate) async fn start(
        folder: &Path,
        clock: Clock,
        transport: Arc<dyn Transport>,
        quotas: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let catalog = catalog()?;
        let ledger = Arc::new(SqlStore::open(&folder.join(FILE), Mode::Worker, clock.now())?);
        let mut apps = wiring::apps_for_rehearsal(&catalog, [(APP, "feishu.vc.room.create")]);
        let app = apps.get_mut(APP).and_then(Arc::get_mut).context("the app is shared already")?;
        for (method, quota) in quotas {
            app.quotas.insert(((*method).to_owned(), None), quota.parse().map_err(sentence)?);
        }
        let shared = Arc::clone(&ledger) as Arc<dyn Ledger>;
        let engine =
            wiring::engine(&settings(folder)?, Arc::clone(&catalog), apps, shared, transport, clock.clone(), 1.0)
                .await?;
        engine.recover().await.context("the ledger cannot be read")?;
        let decoder = Decoder { catalog, apps: decode::Apps::Any, rights: Arc::default() };
        Ok(Self { ledger, engine, clock, decoder })
    }

    /// Takes jobs over; those that wait are for [`Engine::enqueue`].
    pub(crate) async fn take_over(&self, jobs: impl IntoIterator<Item = Value>) -> anyhow::Result<Vec<Waiting>> {
        let mut arrivals = Vec::new();
        for job in jobs {
            let job = self.decoder.decode(job.to_string().as_bytes(), &Defaults::default());
            let job = job.map_err(|rejection| sentence(rejection.detail()))?;
            arrivals.push(Arrival { input: Ok(Box::new(job)), origin: Origin::default() });
        }
        let taken = self.ledger.take_over(arrivals, self.clock.now()).await?;
        let queued = |taken| if let TakenOver::Queued(waiting) = taken { Some(waiting) } else { None };
        Ok(taken.into_iter().filter_map(queued).collect())
    }
}

/// Defaults: the file says nothing.
fn settings(folder: &Path) -> anyhow::Result<Settings> {
    let file = folder.join("paceline.toml");
    std::fs::write(&file, "")?;
    settings::load(Some(&file), std::iter::empty()).map_err(sentence)
}
