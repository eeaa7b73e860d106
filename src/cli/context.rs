//! What every command starts from: the environment, settings, the catalog, and where it may write.

use std::collections::BTreeMap;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;

use crate::clock::Clock;
use crate::domain::catalog::{self, Catalog, CatalogSource};
use crate::domain::printable;
use crate::operations::inputs::Inputs;
use crate::settings::{self, Faults, Settings};
use crate::store::operator::Operator;

use super::batch;
use super::exit::refuse;
use super::page::Page;
use super::screen::Screen;

/// Where the settings come from: a file, which may change, and the environment as it was at the start.
#[derive(Clone)]
pub struct Source {
    config: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

impl Source {
    /// The settings with their secrets, as they are now.
    pub fn settings(&self) -> Result<Settings, Faults> {
        settings::load(self.config.as_deref(), self.variables.clone().into_iter())
    }
}

/// The process, as a command sees it.
pub struct Context {
    config: Option<PathBuf>,
    variables: BTreeMap<String, String>,
    /// Data.
    pub out: Page,
    /// Everything else.
    pub err: Screen,
    /// Time.
    pub clock: Clock,
    /// Whether the command has done its work: what goes wrong from now on concerns only what is printed.
    pub has_acted: bool,
}

impl Context {
    /// The running process; `config` is `--config`.
    pub fn of_process(config: Option<PathBuf>) -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self {
            config,
            variables: variables.collect(),
            out: Page::of_process(),
            err: Screen::default(),
            clock: Clock::system(),
            has_acted: false,
        }
    }

    /// A variable of the environment that is not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The settings with their secrets, for commands that call somebody.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        Ok(settings::load(self.config.as_deref(), self.variables.clone().into_iter())?)
    }

    /// Where they come from, for whoever reads them again.
    pub fn source(&self) -> Source {
        Source { config: self.config.clone(), variables: self.variables.clone() }
    }

    /// The settings without secrets, for commands that look at the ledger or the catalog.
    pub fn settings_without_secrets(&self) -> anyhow::Result<Settings> {
        Ok(settings::load_without_secrets(self.config.as_deref(), self.variables.clone().into_iter())?)
    }

    /// The operators' side of the ledger, beside a worker or without one.
    pub fn operator(&self) -> anyhow::Result<Operator> {
        Ok(Operator::open(&self.settings_without_secrets()?.store)?)
    }

    /// Prints one JSON document on a line of its own; what nobody sees is escaped in it, which changes no value.
    pub fn print_json(&mut self, value: &Value) -> anyhow::Result<()> {
        writeln!(self.out, "{}", printable::json(&value.to_string()))?;
        Ok(())
    }
}

/// Inputs read again, with the apps and methods of now.
pub fn inputs(context: &Context) -> anyhow::Result<Inputs> {
    let settings = context.settings_without_secrets()?;
    let catalog = catalog(&settings)?;
    Ok(Inputs::new(batch::decoder(&settings, &catalog, false), settings.store))
}

/// The catalog that is compiled in, with what the settings' directory adds.
pub fn catalog(settings: &Settings) -> anyhow::Result<Arc<Catalog>> {
    let built_in = catalog::built_in().context("the catalog that is compiled in")?;
    let Some(dir) = &settings.catalog.dir else { return Ok(Arc::new(built_in)) };
    let mut sources = Vec::new();
    for part in ["platforms", "methods"] {
        add_sources(&dir.join(part), &mut sources)?;
    }
    if sources.is_empty() {
        let message = format!("{} holds no methods/*.toml and no platforms/*.toml", dir.display());
        return Err(refuse(message, "correct catalog.dir in the settings, or leave it out"));
    }
    let catalog = built_in.extend(&sources).map_err(|faults| {
        refuse(faults.to_string(), "`paceline methods show NAME --json` shows a method that is right")
    })?;
    Ok(Arc::new(catalog))
}

/// Adds the TOML files of a directory, by name; a missing directory has none.
fn add_sources(dir: &Path, sources: &mut Vec<CatalogSource>) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", dir.display())),
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        sources.push(CatalogSource { name: path.display().to_string(), text });
    }
    Ok(())
}
