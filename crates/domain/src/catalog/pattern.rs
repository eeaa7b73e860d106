//! The keyword `pattern`: what ids of a kind surely look like, so that a name in an id's place is found before it is sent.

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// A regular expression that has to fit somewhere in a text; the catalog's own begin with `^` and end with `$`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// As the catalog's file writes it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the text looks like that.
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// What the first group holds of a text that fits.
    pub(super) fn captured(&self, text: &str) -> Option<String> {
        self.0.captures(text)?.get(1).map(|group| group.as_str().to_owned())
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self).map_err(|error| format!("is not a regular expression: {error}"))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
