//! What the relay knows beyond one connection.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::aside::Aside;
use super::troubles::Troubles;
use paceline_ports::Reached;

/// What outlives a connection.
pub(super) struct Memory {
    /// Confirmed rows that the ledger has not forgotten yet.
    pub confirmed: HashSet<i64>,
    /// How far rows have come that are not published everywhere, where the ledger does not know it yet.
    pub reached: HashMap<i64, Reached>,
    /// Rows that a subscriber's queue refused.
    pub aside: Aside,
    /// Callers' queues of which it was said that they are gone.
    pub said: HashSet<String>,
    /// What goes wrong at the moment.
    pub troubles: Troubles,
}

impl Memory {
    /// `refusal_pause`: the first pause after a subscriber's refusal.
    pub(super) fn new(refusal_pause: Duration) -> Self {
        Self {
            confirmed: HashSet::new(),
            reached: HashMap::new(),
            aside: Aside::new(refusal_pause),
            said: HashSet::new(),
            troubles: Troubles::default(),
        }
    }
}
