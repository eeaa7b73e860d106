//! Which lanes a suspension stops.
//!
//! Decision: docs/decisions/0010-a-lane-that-always-fails-stops.md

use super::lane::Lane;
use super::lanes::{LaneId, Lanes};
use crate::ports::{Settlement, Suspension};
use paceline_domain::catalog::Creation;
use paceline_domain::job::LaneKey;
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

impl Lanes {
    /// Suspensions as the ledger has them: lanes stop and go accordingly. Names those to be looked at.
    pub(super) fn set_suspensions(&mut self, suspensions: Vec<Suspension>) -> Vec<LaneId> {
        self.suspensions = suspensions;
        let mut changed = Vec::new();
        for id in self.ids() {
            let suspended = self.is_suspended(&self[id].key);
            let lane = &mut self[id];
            if !suspended && lane.suspended {
                // Resumed: it counts from one again.
                lane.deaths = Deaths::default();
            }
            // A lane that stops has to give up what is kept for its jobs.
            if std::mem::replace(&mut lane.suspended, suspended) != suspended || !suspended {
                changed.push(id);
            }
        }
        changed
    }

    /// Whether this app, tenant and method (empty for all) stand still by a suspension of their own.
    pub(super) fn has_suspension(&self, wanted: &Suspension) -> bool {
        self.suspensions.iter().any(|suspension| {
            (&suspension.app, &suspension.tenant, &suspension.method) == (&wanted.app, &wanted.tenant, &wanted.method)
        })
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

impl Lane {
    /// Counts an ending of a job of the lane; a lane of whose jobs `stop_after` die one after the other of one code
    /// stops at once, and its suspension is to be recorded.
    pub(super) fn note_ending(&mut self, settlement: &Settlement, stop_after: u32) -> Option<AlwaysFails> {
        let in_a_row = self.deaths.note(settlement);
        let Settlement::Dead { failure, .. } = settlement else { return None };
        if stop_after == 0 || in_a_row < stop_after || self.suspended {
            return None;
        }
        self.suspended = true;
        Some(AlwaysFails { in_a_row, failure: failure.clone() })
    }
}
