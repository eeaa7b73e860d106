//! Quotas by the platforms' keys. How they are kept is the crate [`paceline_quota`].

use std::fmt;

use super::catalog::QuotaScope;

pub use paceline_quota::{
    Blocked, Breaker, Class, Concurrency, Foreign, Gap, Gate, KeyId, LoweredWindow, Pace, Pause, Probes, Quota,
    RESET_MAX, Refusal, Refused, Reserve, Trouble, Window,
};

/// All quota keys of the process.
pub type QuotaTable = paceline_quota::QuotaTable<Key>;

/// A key's use, for people.
pub type Usage = paceline_quota::Usage<Key>;

/// What the platform counts by: a method, and the app, corp or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The kind of owner.
    pub scope: QuotaScope,
    /// Whose it is: `<app>/<tenant>`, a corp id, an app or a host.
    pub owner: String,
    /// The method.
    pub method: String,
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.method, self.scope, self.owner)
    }
}
