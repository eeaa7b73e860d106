//! Where a ledger is, and where its key comes from.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

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
    /// The ledger of rehearsals, which has a key of its own.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self { path: self.path.with_extension("simulated.db"), key: KeySource::Beside }
    }

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
