//! Who changed what.

use serde::Serialize;

use super::Page;
use crate::LedgerError;
use paceline_domain::activity::{Action, Facts};
use paceline_domain::time::Timestamp;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityLine {
    /// Its number, in order of time.
    pub seq: i64,
    /// When it began.
    pub at: Timestamp,
    /// `command`, `http` or `signal`.
    pub via: String,
    /// The user of the operating system, or the token's name.
    pub actor: String,
    /// The user's id, for commands.
    pub uid: Option<u32>,
    /// One word of [`Action`].
    pub action: String,
    /// How many jobs, letters, suspensions or settings it changed.
    pub count: i64,
    /// Of which: names and words.
    #[serde(serialize_with = "map")]
    pub facts: Facts,
}

fn map<S: serde::Serializer>(facts: &Facts, to: S) -> Result<S::Ok, S::Error> {
    facts.0.serialize(to)
}

/// Restricts the list; an absent field restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// Begun then or later.
    pub since: Option<Timestamp>,
    /// By whoever has this name.
    pub actor: Option<String>,
    /// This was done.
    pub action: Option<Action>,
}

/// Who changed what.
pub trait ActivityReports {
    /// A page of changes, the latest first, before the number of an earlier page; 0 for the first.
    fn activity(&self, filter: &ActivityFilter, before: i64, limit: usize) -> Result<Page<ActivityLine>, LedgerError>;
}
