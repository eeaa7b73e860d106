//! Settings that are read again while a worker works.
//!
//! A file with a fault is refused as a whole. What changed is said in the log, key by key and quota by quota.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::admin::Door;
use crate::domain::activity::{Action, Deed, Facts, Via};
use crate::domain::catalog::Catalog;
use crate::engine::app::Apps;
use crate::engine::{Engine, Revision};
use crate::operations::refused::Refused;
use crate::settings::{self, Faults, Settings, changes};
use crate::user;

use super::{Decoding, admin_access, apps_of, catalog_of, decoder};

/// Where the settings come from: a file, which may change, and the environment as it was at the start.
#[derive(Clone)]
pub struct Source {
    /// The file that is named, if one is.
    pub config: Option<PathBuf>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
}

impl Source {
    /// The settings with their secrets, as they are now.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn settings(&self) -> Result<Settings, Faults> {
        settings::load(self.config.as_deref(), self.variables.clone().into_iter())
    }

    /// Likewise without secrets, for commands that look at the ledger or the catalog.
    ///
    /// # Errors
    /// As [`Self::settings`].
    pub fn settings_without_secrets(&self) -> Result<Settings, Faults> {
        settings::load_without_secrets(self.config.as_deref(), self.variables.clone().into_iter())
    }
}

/// Reads the settings again and lets the engine, and the intake's decoder, go by them.
pub(super) struct Reloader {
    source: Source,
    /// Those of the start: what is read there alone is compared with them.
    started: Settings,
    settings: Settings,
    catalog: Arc<Catalog>,
    engine: Arc<Engine>,
    decoding: Option<Decoding>,
    door: Option<Door>,
}

/// A reloader at work; dropped, it ends.
pub struct Reloading {
    asked: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Reloading {
    /// Asks for the settings to be read again.
    pub fn ask(&self) {
        self.asked.notify_one();
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Settings that have no fault.
struct Sound {
    settings: Settings,
    catalog: Arc<Catalog>,
    apps: Apps,
}

impl Reloader {
    /// For an engine that goes by these settings.
    pub(super) fn new(
        source: Source,
        settings: Settings,
        catalog: Arc<Catalog>,
        engine: Arc<Engine>,
        decoding: Option<Decoding>,
    ) -> Self {
        Self { source, started: settings.clone(), settings, catalog, engine, decoding, door: None }
    }

    /// For the admin server behind this door, too.
    pub(super) fn with_door(self, door: Option<Door>) -> Self {
        Self { door, ..self }
    }

    /// Waits to be asked, in the background: calls go on while the ledger is read.
    pub(super) fn start(mut self, asked: Arc<Notify>) -> Reloading {
        let waiting = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                waiting.notified().await;
                self.reload().await;
            }
        });
        Reloading { asked, task }
    }

    async fn reload(&mut self) {
        match self.read() {
            Ok(sound) => self.take_over(sound).await,
            Err(faults) => {
                for fault in &faults {
                    error!("settings: {fault}");
                }
                error!(
                    faults = faults.len(),
                    "the settings were read again and have faults; the old ones go on. Correct them and send SIGHUP \
                     again; `paceline check --offline` finds the same"
                );
            }
        }
    }

    /// The settings as they are now, or everything that is wrong with them.
    fn read(&self) -> Result<Sound, Vec<String>> {
        let settings =
            self.source.settings().map_err(|faults| faults.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        if settings.apps.is_empty() {
            return Err(vec!["no apps configured: add an [apps.NAME] section".to_owned()]);
        }
        let catalog = catalog_of(&settings).map_err(lines)?;
        // The same files give the same catalog: then nothing that goes by it is touched.
        let is_same = format!("{catalog:?}") == format!("{:?}", self.catalog);
        let catalog = if is_same { Arc::clone(&self.catalog) } else { catalog };
        let apps = apps_of(&settings, &catalog)?;
        Ok(Sound { settings, catalog, apps })
    }

    /// Tells of it in the ledger; who sent the signal, nobody knows.
    async fn note(&self, changed: &[String]) {
        let by = user::coming(Via::Signal, "SIGHUP");
        let facts = Facts::default().list("settings", changed.iter().map(String::as_str));
        let deed = Deed { by, action: Action::Reload, facts };
        if let Err(error) = self.engine.ledger().note(deed, changed.len(), self.engine.clock().now()).await {
            error!(%error, "the ledger does not tell that the settings were read again");
        }
    }

    async fn take_over(&mut self, sound: Sound) {
        let Sound { settings, catalog, apps } = sound;
        let changed = changes(&self.settings, &settings);
        let waits = changes(&self.started, &settings).at_next_start;
        // First: a job that comes before its app is there waits for it.
        if let Some(decoding) = &self.decoding {
            decoding.replace(decoder(&settings, &catalog, false));
        }
        if let Some(door) = &self.door {
            door.let_in(&admin_access(&settings));
        }
        let reloaded = super::reload(&self.engine, &settings, Arc::clone(&catalog), apps).await;
        (self.settings, self.catalog) = (settings, catalog);
        let mut is_empty = changed.at_once.is_empty() && waits.is_empty();
        let mut told: Vec<String> = changed
            .at_once
            .iter()
            .map(|(key, ..)| (*key).to_owned())
            .chain(waits.iter().map(|key| (*key).to_owned()))
            .collect();
        for (key, before, after) in changed.at_once {
            info!("{key}: {before} → {after}");
        }
        match reloaded {
            Ok(revision) => {
                is_empty &= revision.is_empty();
                told.extend(names(&revision));
                log_revision(&revision);
            }
            Err(error) => error!(%error, "suspensions of corrected apps cannot be lifted; `paceline resume` does it"),
        }
        self.note(&told).await;
        for (lane, jobs) in self.engine.stranded() {
            warn!(
                %lane,
                jobs,
                "jobs wait in the ledger for an app or a method that is gone; they go on when it is there again"
            );
        }
        if !waits.is_empty() {
            warn!("changed, and takes effect at the next start: {}", waits.join(", "));
        }
        info!(
            "{}",
            if is_empty { "the settings were read again: nothing changed" } else { "the settings were read again" }
        );
    }
}

/// What changed of apps, methods and quotas, without any value.
fn names(revision: &Revision) -> Vec<String> {
    let apps = revision.added.iter().chain(&revision.removed).chain(revision.changed.keys());
    let apps = apps.map(|app| format!("apps.{app}"));
    let methods = revision.methods.iter().map(|(method, _)| format!("method {method}"));
    let quotas = revision.quotas.iter().map(|quota| format!("quota {quota}"));
    apps.chain(methods).chain(quotas).collect()
}

fn log_revision(revision: &Revision) {
    for app in &revision.added {
        info!(app, "the app is new");
    }
    for app in &revision.removed {
        warn!(app, "the app is gone: calls in flight end, its jobs wait");
    }
    for (app, changes) in &revision.changed {
        info!(app, "the app changed: {}", changes.join(", "));
    }
    for (method, word) in &revision.methods {
        info!(method, "the method in the catalog: {word}");
    }
    for quota in &revision.quotas {
        info!("{quota}");
    }
}

/// An error as lines for the log.
fn lines(Refused { error, cure }: Refused) -> Vec<String> {
    error.lines().map(str::to_owned).chain(Some(cure).filter(|cure| !cure.is_empty())).collect()
}
