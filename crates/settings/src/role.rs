//! What the holder of a token may do with a running worker.

use std::fmt;

/// Each may do what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See everything.
    Read,
    /// Submit, correct, redrive, cancel, resolve, suspend, resume.
    Operate,
    /// Also what cannot be taken back: forget dead letters.
    Admin,
}

impl Role {
    /// The words of the settings.
    pub const WORDS: &'static [&'static str] = &["read", "operate", "admin"];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// The role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::Operate, Self::Admin].into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
