//! A lane whose jobs die one after the other of one code is stopped.
//!
//! Decision: docs/decisions/0010-a-lane-that-always-fails-stops.md

use crate::ports::Settlement;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;

/// A lane is stopped, because its jobs die one after the other of one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlwaysFails {
    /// So many.
    pub in_a_row: u32,
    /// What the last one died of.
    pub failure: Failure,
}

/// A lane's dead letters in a row of one cause.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// The platform's code, or the status of an answer without one.
    of: Option<i64>,
    in_a_row: u32,
}

impl Deaths {
    /// Counts an ending; says how many of one cause there are in a row.
    pub(super) fn note(&mut self, settlement: &Settlement) -> u32 {
        match settlement {
            Settlement::Dead { reason: Reason::Rejected, failure } => {
                // No code of a platform is a negative number of three digits.
                let of = failure.code.or_else(|| failure.status.map(|status| -i64::from(status)));
                // A room that declines is no answer of the platform's to the call.
                let is_next = self.of == of && of.is_some();
                self.in_a_row = if is_next { self.in_a_row.saturating_add(1) } else { u32::from(of.is_some()) };
                self.of = of;
            }
            // It has not ended.
            Settlement::Queued { .. } | Settlement::Uncertain { .. } | Settlement::Nameless { .. } => {}
            Settlement::Succeeded { .. }
            | Settlement::Undone { .. }
            | Settlement::Held { .. }
            | Settlement::Dead { .. }
            | Settlement::Cancelled => *self = Self::default(),
        }
        self.in_a_row
    }
}
