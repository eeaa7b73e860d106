//! Reads catalog files.

use super::Catalog;

/// A file of the catalog.
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// Every fault of every file, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct CatalogError(pub Vec<String>);

/// The catalog that is compiled in.
pub fn built_in() -> Result<Catalog, CatalogError> {
    Ok(Catalog::default())
}
