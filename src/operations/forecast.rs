//! A forecast from the ledger, and its words: what `plan`, `status`, `run` and the admin server share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::job::PRIORITY_DEFAULT;
use crate::domain::time::Timestamp;
use crate::engine::forecast::{Basis, Deciding, Group, Jobs};
use crate::engine::planner::Planner;
use crate::engine::ports::PastCall;
use crate::engine::schedule::Limits;
use paceline_ports::operator::Outlook;

/// What a forecast is made for.
pub struct Outset {
    /// Apps, methods and quotas.
    pub planner: Arc<Planner>,
    /// Slots.
    pub limits: Limits,
    /// How long after its deadline a call may still be counted.
    pub grace: Duration,
    /// The instant it starts at.
    pub now: Timestamp,
    /// Whether a worker works the ledger: then calls in flight will be answered. Without one they are lost, and the
    /// next start has to look them up.
    pub is_worked: bool,
}

impl Outset {
    /// The basis of a forecast over what the ledger holds.
    pub fn basis(&self, outlook: Outlook) -> Basis {
        let mut basis = Basis {
            planner: Arc::clone(&self.planner),
            limits: self.limits,
            now: self.now,
            past: BTreeMap::new(),
            suspensions: outlook.suspensions,
            restraints: outlook.restraints,
            backlog: outlook.backlog,
            chained: outlook.chained,
            running: Vec::new(),
            round_trips: outlook.round_trips,
            decided_at_once: BTreeSet::new(),
        };
        for (running, deadline_at) in outlook.running {
            if self.is_worked {
                basis.running.push(running);
            } else {
                basis.backlog.push(Group {
                    lane: running.lane,
                    batch: running.batch,
                    priority: PRIORITY_DEFAULT,
                    not_before: Some(deadline_at),
                    not_after: None,
                    ages: (0, 0),
                    count: 1,
                });
            }
        }
        for (lane, calls) in outlook.past {
            let round_trip = basis.round_trip(&lane);
            let counted_by = calls.iter().map(|call| self.counted_by(call, round_trip)).collect();
            basis.past.insert(lane, counted_by);
        }
        basis
    }

    /// The last instant at which the platform can have counted a call.
    fn counted_by(&self, call: &PastCall, round_trip: Duration) -> Timestamp {
        match call.open {
            true if self.is_worked => (call.sent_at + round_trip).max(self.now),
            true => call.counted_by + self.grace,
            // A record from the future (the clock was set back) counts as if it were made now.
            false => call.counted_by.min(self.now),
        }
    }
}

/// `20/min of feishu.vc.room.create`; nothing if no quota makes anything wait.
pub fn decides(deciding: Option<&Deciding>) -> String {
    deciding.map_or_else(String::new, |deciding| format!("{} of {}", deciding.window, deciding.key.method))
}

/// The deciding window for programs.
pub fn deciding_document(deciding: Option<&Deciding>) -> Value {
    deciding.map_or(Value::Null, |deciding| {
        let key = &deciding.key;
        json!({"method": key.method, "scope": key.scope, "owner": key.owner, "window": deciding.window.to_string(),
            "waited_s": deciding.waited.as_secs_f64()})
    })
}

/// Jobs that will not be done by themselves, for programs; null if all will.
pub fn left_over_document(jobs: &Jobs) -> Value {
    let Jobs { suspended, unknown, expired, blocked, .. } = *jobs;
    if suspended + unknown + expired + blocked == 0 {
        return Value::Null;
    }
    json!({"suspended": suspended, "unknown": unknown, "expired": expired, "blocked": blocked})
}

/// Jobs that will not be done by themselves, in words; nothing if all will.
pub fn left_over(jobs: &Jobs) -> Option<String> {
    let parts = [
        (jobs.suspended, "suspended until somebody resumes their app"),
        (jobs.unknown, "of an app or method that is not known any more"),
        (jobs.expired, "past their deadline before their turn comes"),
        (jobs.blocked, "waiting for jobs that are not there or need review"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
