//! A worker as `paceline` puts it together: settings from a file, ledger in a folder of its own, calls over HTTP.

use std::sync::Arc;

use anyhow::Context as _;
use paceline::clock::Clock;
use paceline::domain::catalog::{Catalog, built_in};
use paceline::domain::decode::Decoder;
use paceline::engine::Engine;
use paceline::engine::ports::{Ledger, Mode, Store};
use paceline::metrics::Metrics;
use paceline::settings::{self, Settings};
use paceline::wiring;

use super::sentence;

/// A worker that has taken nothing over yet.
pub(crate) struct Worker {
    pub decoder: Arc<Decoder>,
    pub ledger: Arc<dyn Store>,
    pub engine: Arc<Engine>,
    pub clock: Clock,
    /// Its ledger's folder, which goes with it.
    _folder: tempfile::TempDir,
}

impl Worker {
    /// A worker for one Feishu app, `bench`, at the simulator's address; `sections` and `quotas` are added to its settings file.
    pub(crate) async fn start(base_url: &str, app_id: &str, sections: &str, quotas: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("paceline.toml");
        let text = format!(
            "{sections}\n[apps.bench]\nplatform = \"feishu\"\nbase_url = \"{base_url}\"\napp_id = \"{app_id}\"\n\
             app_secret = {{ env = \"BENCH_SECRET\" }}\n[apps.bench.quotas]\n{quotas}\n"
        );
        std::fs::write(&file, text)?;
        let secret = ("BENCH_SECRET".to_owned(), "made-up".to_owned());
        let settings = settings::load(Some(&file), std::iter::once(secret)).map_err(sentence)?;
        let catalog = Arc::new(built_in().map_err(|faults| sentence(format!("{faults:?}")))?);
        let clock = Clock::system();
        let path = folder.path().join("ledger.db");
        let ledger = wiring::open(&path, Mode::Worker, clock.now(), Metrics::default())?;
        let engine = engine(&settings, &catalog, &ledger, &clock).await?;
        engine.recover().await.context("the new ledger cannot be read")?;
        let decoder = Decoder { apps: wiring::facts_of(&settings, &catalog), catalog, rights: Arc::default() };
        Ok(Self { decoder: Arc::new(decoder), ledger, engine, clock, _folder: folder })
    }
}

async fn engine(
    settings: &Settings,
    catalog: &Arc<Catalog>,
    ledger: &Arc<dyn Store>,
    clock: &Clock,
) -> anyhow::Result<Arc<Engine>> {
    let apps = wiring::apps_of(settings, catalog).map_err(|faults| sentence(faults.join("; ")))?;
    let transport = wiring::transport(settings).map_err(sentence)?;
    let ledger = Arc::clone(ledger) as Arc<dyn Ledger>;
    Ok(wiring::engine(settings, Arc::clone(catalog), apps, ledger, transport, clock.clone(), 1.0).await?)
}
