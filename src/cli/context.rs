//! What every command starts from: the environment, settings, the catalog, and where it may write.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::clock::Clock;
use crate::domain::printable;
use crate::operations::inputs::Inputs;
use crate::settings::Settings;
use crate::wiring::{self, Source};
use paceline_ports::operator::Commands;

use super::page::Page;
use super::screen::Screen;

/// The process, as a command sees it.
pub(super) struct Context {
    source: Source,
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
    pub(super) fn of_process(config: Option<PathBuf>) -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self {
            source: Source { config, variables: variables.collect() },
            out: Page::of_process(),
            err: Screen::default(),
            clock: Clock::system(),
            has_acted: false,
        }
    }

    /// A variable of the environment that is not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.source.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The settings with their secrets, for commands that call somebody.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        Ok(self.source.settings()?)
    }

    /// Where they come from, for whoever reads them again.
    pub(super) fn source(&self) -> Source {
        self.source.clone()
    }

    /// The settings without secrets, for commands that look at the ledger or the catalog.
    pub(super) fn settings_without_secrets(&self) -> anyhow::Result<Settings> {
        Ok(self.source.settings_without_secrets()?)
    }

    /// Those of another file, likewise.
    pub(super) fn settings_at(&self, path: &Path) -> anyhow::Result<Settings> {
        let source = Source { config: Some(path.to_owned()), ..self.source.clone() };
        Ok(source.settings_without_secrets()?)
    }

    /// The operators' side of the ledger, beside a worker or without one.
    pub(super) fn operator(&self) -> anyhow::Result<Box<dyn Commands>> {
        Ok(wiring::open_for_people(&self.settings_without_secrets()?.store)?)
    }

    /// Prints one JSON document on a line of its own; what nobody sees is escaped in it, which changes no value.
    pub(super) fn print_json(&mut self, value: &Value) -> anyhow::Result<()> {
        writeln!(self.out, "{}", printable::json(&value.to_string()))?;
        Ok(())
    }
}

/// Inputs read again, with the apps and methods of now.
pub(super) fn inputs(context: &Context) -> anyhow::Result<Inputs> {
    let settings = context.settings_without_secrets()?;
    let catalog = wiring::catalog_of(&settings)?;
    Ok(Inputs::new(wiring::decoder(&settings, &catalog, false), wiring::connector(&settings.store)))
}
