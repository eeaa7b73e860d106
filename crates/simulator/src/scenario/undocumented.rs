//! What the platform does where its documents say nothing: for `paceline calibrate` to find out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::best;

/// By method, by name or pattern.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Undocumented {
    /// Of a create: how long its objects stay out of listings, in milliseconds, in place of `listing.delay_ms`.
    pub delays_ms: BTreeMap<String, u64>,
    /// The code of a call about an object that was deleted.
    pub gone: BTreeMap<String, i64>,
    /// What a create is answered that means the same as one before; without it, another object is made.
    pub repeats: BTreeMap<String, Repeat>,
    /// Whether Feishu's successful replies carry the headers of its refusals.
    pub headers: bool,
}

/// The answer to a create that means the same as one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The object that is there.
    Same,
    /// A code.
    Refused(i64),
}

impl<'de> Deserialize<'de> for Repeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "expected \"same\" or the text of a code, such as \"400302\"";
        match String::deserialize(deserializer)?.as_str() {
            "same" => Ok(Self::Same),
            code => code.parse().map(Self::Refused).map_err(|_| serde::de::Error::custom(expected)),
        }
    }
}

impl Undocumented {
    /// Names of methods, with the part that they stand in.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let delays = self.delays_ms.keys().map(|name| ("undocumented.delays_ms", name));
        let gone = self.gone.keys().map(|name| ("undocumented.gone", name));
        delays.chain(gone).chain(self.repeats.keys().map(|name| ("undocumented.repeats", name)))
    }

    /// The code of a call of this method about an object that was deleted.
    pub(crate) fn gone(&self, method: &str) -> Option<i64> {
        best(&self.gone, method).copied()
    }

    /// The answer to a create of this method that means the same as one before.
    pub(crate) fn repeat(&self, method: &str) -> Option<Repeat> {
        best(&self.repeats, method).copied()
    }

    /// How long objects of this create stay out of listings.
    pub(crate) fn delay_ms(&self, create: &str) -> Option<u64> {
        best(&self.delays_ms, create).copied()
    }
}
