//! Where a store is, and where its key comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

/// A store, as the settings name it.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreUrl {
    /// One SQLite file, and no server.
    Sqlite(Location),
}

/// Why a text is no store's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlFault {
    /// It names a PostgreSQL server.
    Postgres,
    /// There are options behind the path.
    Options,
    /// It names a ledger that no file holds.
    Memory,
    /// It is something else.
    Other,
}

impl StoreUrl {
    /// `sqlite://` and the path of a file.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(url: &str, key: KeySource) -> Result<Self, UrlFault> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Err(UrlFault::Postgres);
        }
        match url.strip_prefix("sqlite://") {
            None | Some("") => Err(UrlFault::Other),
            Some(file) if file.ends_with('/') => Err(UrlFault::Other),
            Some(file) if file.contains(['?', '#']) => Err(UrlFault::Options),
            Some(":memory:") => Err(UrlFault::Memory),
            Some(file) => Ok(Self::Sqlite(Location { path: file.into(), key })),
        }
    }

    /// The file that holds it; `None` if a server does.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(location) => Some(&location.path),
        }
    }

    /// Whether there may be something: what a server holds is known only when it is asked.
    pub fn may_exist(&self) -> bool {
        self.file().is_none_or(Path::exists)
    }

    /// Where it is, in messages.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(location) => location.path.display().to_string(),
        }
    }

    /// The store of rehearsals, which has a key of its own.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        match self {
            Self::Sqlite(Location { path, .. }) => path.with_extension("simulated.db").as_path().into(),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(Location { path, .. }) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

impl<T: Into<Location>> From<T> for StoreUrl {
    fn from(location: T) -> Self {
        Self::Sqlite(location.into())
    }
}

impl From<&Self> for StoreUrl {
    fn from(url: &Self) -> Self {
        url.clone()
    }
}

/// A ledger's file and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The SQLite file.
    pub path: PathBuf,
    /// Its key.
    pub key: KeySource,
}

/// Where a ledger's key comes from: one key, or a new one and after it those that it replaces.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// `<ledger>.key`, made with the ledger.
    #[default]
    Beside,
    /// A file that somebody else keeps.
    File(PathBuf),
    /// A text that was read when the process began.
    Given {
        /// What it is called, for sentences.
        from: String,
        /// The text; `None` if there is none.
        text: Option<SecretString>,
    },
}

impl Location {
    /// `<ledger>.key`.
    pub fn beside(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".key");
        name.into()
    }

    /// The file that holds the key; `None` if no file does.
    pub fn key_file(&self) -> Option<PathBuf> {
        match &self.key {
            KeySource::Beside => Some(self.beside()),
            KeySource::File(path) => Some(path.clone()),
            KeySource::Given { .. } => None,
        }
    }

    /// What the key's place is called.
    pub fn key_name(&self) -> String {
        match &self.key {
            KeySource::Given { from, .. } => from.clone(),
            KeySource::Beside | KeySource::File(_) => {
                self.key_file().map(|path| path.display().to_string()).unwrap_or_default()
            }
        }
    }
}

impl PartialEq for KeySource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Beside, Self::Beside) => true,
            (Self::File(path), Self::File(other)) => path == other,
            (Self::Given { from, text }, Self::Given { from: other, text: others }) => {
                let shown = |text: &Option<SecretString>| text.as_ref().map(|text| text.expose_secret().to_owned());
                from == other && shown(text) == shown(others)
            }
            _ => false,
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), key: KeySource::Beside }
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}
