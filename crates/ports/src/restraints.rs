//! What holds calls back beyond the documented quotas, as the ledger keeps it.

use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Key, Window};
use paceline_domain::time::Timestamp;

/// What holds calls back beyond the documented quotas, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Restraint {
    /// What is held back.
    pub target: Restrained,
    /// The app whose call met the cause.
    pub app: String,
    /// How far.
    pub kind: RestraintKind,
    /// Since when.
    pub since: Timestamp,
    /// The end of a pause, when one call tries again; of a working limit, when it is raised next. `None`: with the next
    /// calls that succeed.
    pub until: Option<Timestamp>,
    /// What the platform, or the way there, said.
    pub cause: Failure,
}

/// What a restraint holds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restrained {
    /// Every call under a quota key.
    Key(Key),
    /// Every call of the app.
    App,
    /// A lane.
    Lane(LaneKey),
}

/// How far a restraint goes, and what is needed to take it up again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RestraintKind {
    /// No call at all.
    Pause {
        /// Refusals in a row, each after the pause of the one before.
        refusals: u32,
    },
    /// Fewer calls a second.
    Rate {
        /// So many.
        per_s: f64,
        /// Those at which the app was refused: beyond them it is free again.
        refused_at: f64,
    },
    /// Fewer calls at once.
    Concurrency {
        /// So many.
        limit: u32,
        /// As many as without the restraint.
        max: u32,
    },
    /// Fewer calls in a window, because somebody else seems to use it.
    Limit {
        /// The documented window.
        window: Window,
        /// So many.
        limit: u32,
        /// Clean spans before the next raise.
        patience: u32,
    },
}
