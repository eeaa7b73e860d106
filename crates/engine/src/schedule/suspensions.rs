//! Which lanes a suspension stops.
//!
//! Decision: docs/decisions/0010-a-lane-that-always-fails-stops.md

use super::{Failure, Lane, LaneKey, Schedule, Suspension};
use crate::ports::Settlement;
use paceline_domain::catalog::Creation;
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
    fn note(&mut self, settlement: &Settlement) -> u32 {
        match settlement {
            Settlement::Dead { reason: Reason::Rejected, failure } => {
                // No code of a platform is a negative number of three digits.
                let of = failure.code.or_else(|| failure.status.map(|status| -i64::from(status)));
                self.in_a_row = if self.of == of { self.in_a_row.saturating_add(1) } else { 1 };
                self.of = of;
            }
            // It has not ended.
            Settlement::Queued { .. } | Settlement::Uncertain { .. } => {}
            Settlement::Succeeded { .. }
            | Settlement::Undone { .. }
            | Settlement::Held { .. }
            | Settlement::Dead { .. }
            | Settlement::Cancelled => *self = Self::default(),
        }
        self.in_a_row
    }
}

impl Schedule {
    /// Suspensions as the ledger has them: lanes stop and go accordingly.
    pub fn set_suspensions(&mut self, suspensions: Vec<Suspension>) {
        self.suspensions = suspensions;
        for id in 0..self.lanes.len() {
            let suspended = self.is_suspended(&self.lanes[id].key);
            if !suspended && self.lanes[id].suspended {
                // Resumed: it counts from one again.
                self.lanes[id].deaths = Deaths::default();
            }
            let changed = std::mem::replace(&mut self.lanes[id].suspended, suspended) != suspended;
            // A lane that stops has to give up what is kept for its jobs.
            if changed || !suspended {
                self.make_ready(id);
            }
        }
    }

    /// Whether this app, tenant and method (empty for all) stand still by a suspension of their own.
    pub fn has_suspension(&self, wanted: &Suspension) -> bool {
        self.suspensions.iter().any(|suspension| {
            (&suspension.app, &suspension.tenant, &suspension.method) == (&wanted.app, &wanted.tenant, &wanted.method)
        })
    }

    /// Suspensions in force.
    pub fn suspensions(&self) -> &[Suspension] {
        &self.suspensions
    }

    /// Counts an ending of a job of the lane; a lane whose jobs die one after the other of one code stops at once, and
    /// its suspension is to be recorded.
    pub fn note_ending(&mut self, lane: &LaneKey, settlement: &Settlement) -> Option<AlwaysFails> {
        let id = self.lane(lane)?;
        let in_a_row = self.lanes[id].deaths.note(settlement);
        let Settlement::Dead { failure, .. } = settlement else { return None };
        if self.limits.stop_after == 0 || in_a_row < self.limits.stop_after || self.lanes[id].suspended {
            return None;
        }
        self.lanes[id].suspended = true;
        self.make_ready(id);
        Some(AlwaysFails { in_a_row, failure: failure.clone() })
    }

    pub(super) fn is_suspended(&self, lane: &LaneKey) -> bool {
        self.suspensions.iter().any(|suspension| suspension.covers(lane))
    }

    /// Whether nothing can be looked up for the lane, because its listing stands still.
    pub(super) fn is_blind(&self, lane: &Lane) -> bool {
        let stands = |method: &str| {
            let key = &lane.key;
            self.is_suspended(&LaneKey { app: key.app.clone(), tenant: key.tenant.clone(), method: method.to_owned() })
        };
        match &lane.plan.method.creation {
            _ if self.suspensions.is_empty() => false,
            Creation::LookUp(by) => stands(&by.method) || by.detail.as_ref().is_some_and(|one| stands(&one.method)),
            Creation::Natural | Creation::None => false,
        }
    }
}
