//! The catalog that is compiled in, with what the settings' directory adds.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::domain::catalog::{self, Catalog, CatalogSource};
use crate::operations::refused::Refused;
use crate::settings::Settings;

/// The catalog of these settings.
///
/// # Errors
/// A directory without files, a file that cannot be read, or every fault in them.
pub fn catalog_of(settings: &Settings) -> Result<Arc<Catalog>, Refused> {
    let built_in =
        catalog::built_in().map_err(|faults| Refused::new(format!("the catalog that is compiled in: {faults}"), ""))?;
    let Some(dir) = &settings.catalog.dir else { return Ok(Arc::new(built_in)) };
    let mut sources = Vec::new();
    for part in ["platforms", "methods"] {
        add_sources(&dir.join(part), &mut sources)?;
    }
    if sources.is_empty() {
        let message = format!("{} holds no methods/*.toml and no platforms/*.toml", dir.display());
        return Err(Refused::new(message, "correct catalog.dir in the settings, or leave it out"));
    }
    let catalog = built_in.extend(&sources).map_err(|faults| {
        Refused::new(faults.to_string(), "`paceline methods show NAME --json` shows a method that is right")
    })?;
    Ok(Arc::new(catalog))
}

/// Adds the TOML files of a directory, by name; a missing directory has none.
fn add_sources(dir: &Path, sources: &mut Vec<CatalogSource>) -> Result<(), Refused> {
    let unreadable =
        |path: &Path, error: io::Error| Refused::new(format!("{} cannot be read: {error}", path.display()), "");
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(dir, error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(|error| unreadable(dir, error))?;
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        sources.push(CatalogSource { name: path.display().to_string(), text });
    }
    Ok(())
}
