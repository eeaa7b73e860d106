//! Where a store is, and where its key comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

/// A store, as the settings name it.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreUrl {
    /// One SQLite file, and no server.
    Sqlite(Location),
    /// A database on a PostgreSQL server.
    Postgres(Location),
}

/// Why a text is no store's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlFault {
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
        match url.strip_prefix("sqlite://") {
            None | Some("") => Err(UrlFault::Other),
            Some(file) if file.ends_with('/') => Err(UrlFault::Other),
            Some(file) if file.contains(['?', '#']) => Err(UrlFault::Options),
            Some(":memory:") => Err(UrlFault::Memory),
            Some(file) => Ok(Self::Sqlite(Location { path: file.into(), key, server: None })),
        }
    }

    /// The file that holds it; `None` if a server does.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(location) => Some(&location.path),
            Self::Postgres(_) => None,
        }
    }

    /// Whether there may be something: what a server holds is known only when it is asked.
    pub fn may_exist(&self) -> bool {
        self.file().is_none_or(Path::exists)
    }

    /// A database on a server. `place` is what its URL is called, without a password.
    pub const fn postgres(place: PathBuf, key: KeySource, server: Server) -> Self {
        Self::Postgres(Location { path: place, key, server: Some(server) })
    }

    /// What is needed to open it.
    pub fn into_location(self) -> Location {
        match self {
            Self::Sqlite(location) | Self::Postgres(location) => location,
        }
    }

    /// Where it is, in messages.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(location) | Self::Postgres(location) => location.path.display().to_string(),
        }
    }

    /// The store of rehearsals, which has a key of its own.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        match self {
            Self::Sqlite(Location { path, .. }) => path.with_extension("simulated.db").as_path().into(),
            // Always a file: nobody else has a part in it.
            Self::Postgres(_) => Path::new("paceline.simulated.db").into(),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(Location { path, .. }) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(Location { path, .. }) => path.display().fmt(f),
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

/// A ledger and its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The SQLite file; of a server, what people know the database by.
    pub path: PathBuf,
    /// Its key.
    pub key: KeySource,
    /// `None` for a file.
    pub server: Option<Server>,
}

/// A PostgreSQL database that several processes work.
#[derive(Clone, Debug)]
pub struct Server {
    /// How it is reached, with a password perhaps.
    pub url: SecretString,
    /// How long a process owns what it works without saying that it still does.
    pub lease: Duration,
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.lease == other.lease && self.url.expose_secret() == other.url.expose_secret()
    }
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
        Self { path: path.to_owned(), key: KeySource::Beside, server: None }
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
