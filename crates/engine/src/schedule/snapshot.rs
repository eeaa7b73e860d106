//! A picture of the schedule, for progress bars and `status`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Schedule;
use super::lane::Tally;
use super::throttling::ActivePause;
use super::ticket::Ticket;
use crate::budget_usage::BudgetUse;
use crate::ports::Suspension;
use paceline_domain::catalog::Kind;
use paceline_domain::job::LaneKey;
use paceline_domain::quota::{Key, KeyId, Usage, Window};
use paceline_domain::time::Mono;

/// The schedule at one instant.
#[derive(Clone, Debug)]
pub struct View {
    /// Lanes that have or had jobs.
    pub lanes: Vec<LaneView>,
    /// Suspensions in force.
    pub suspensions: Vec<Suspension>,
    /// What of calendar days and months is used, each budget once, in the period that it was counted in.
    pub budgets: Vec<BudgetUse>,
}

/// One lane at one instant.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which.
    pub key: Arc<LaneKey>,
    /// Jobs that wait.
    pub waiting: usize,
    /// Those of them that wait to be verified.
    pub uncertain: usize,
    /// Jobs in flight or being verified.
    pub running: usize,
    /// Jobs in flight allowed at once.
    pub concurrency: u32,
    /// What has become of its jobs.
    pub tally: Tally,
    /// Use of its quota keys, the main one first.
    pub usage: Vec<Usage>,
    /// Whether it stands still.
    pub suspended: bool,
    /// The quota that holds its next call back at this instant, if one does.
    pub blocked: Option<QuotaWait>,
    /// The pause that keeps it waiting at this instant, its own or its app's.
    pub active_pause: Option<ActivePause>,
    /// A calendar day or month that is used up.
    pub budget: Option<BudgetUse>,
}

/// What a monitor wants of it at one instant: much less, because there may be thousands of lanes.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Lanes of jobs; not those of the worker's own calls.
    pub lanes: Vec<LaneGauges>,
    /// Use of the quota keys of all lanes, the worker's own too; each once.
    pub quotas: Vec<Usage>,
    /// Suspensions in force.
    pub suspensions: Vec<Suspension>,
}

/// One lane for a monitor.
#[derive(Clone, Debug)]
pub struct LaneGauges {
    /// Which.
    pub key: Arc<LaneKey>,
    /// Jobs that wait.
    pub waiting: usize,
    /// Those of them that wait to be verified.
    pub uncertain: usize,
    /// Jobs in flight or being verified.
    pub running: usize,
    /// Whether it stands still.
    pub suspended: bool,
}

/// What holds a lane's next call back.
#[derive(Clone, Debug)]
pub struct QuotaWait {
    /// Whose quota.
    pub key: Key,
    /// Which window; `None` for a pause or the pace.
    pub window: Option<Window>,
    /// When there is a permit at the earliest; `None` if that takes a reply.
    pub until: Option<Mono>,
}

impl Schedule {
    /// The lane of a permit.
    pub fn lane_of(&self, ticket: Ticket) -> Arc<LaneKey> {
        Arc::clone(&self.lanes[ticket.lane].key)
    }

    /// What holds a lane's next call back at `now`: the position of the key among the lane's quotas, and the window
    /// (`None` for a pause); `None` if no quota does.
    pub fn blocked_by(&mut self, lane: &LaneKey, now: Mono) -> Option<(usize, Option<Window>)> {
        let lane = &self.lanes[self.lanes.find(lane)?];
        let class = lane.class(&self.limits.reserve);
        let blocked = self.table.check(&lane.keys, class, now).err()?;
        lane.keys.iter().position(|key| *key == blocked.key).map(|position| (position, blocked.window))
    }

    /// Figures for a monitor.
    pub fn gauges(&mut self, now: Mono) -> Gauges {
        let of_jobs = self.lanes.iter().filter(|lane| lane.plan.method.kind == Kind::Job);
        let lanes = of_jobs.map(|lane| LaneGauges {
            key: Arc::clone(&lane.key),
            waiting: lane.waiting(),
            uncertain: lane.uncertain_count(),
            running: lane.running(),
            suspended: lane.suspended,
        });
        let lanes = lanes.collect();
        let keys: BTreeSet<KeyId> = self.lanes.iter().flat_map(|lane| lane.keys.iter().copied()).collect();
        let quotas = keys.into_iter().map(|key| self.table.usage_of(key, now)).collect();
        Gauges { lanes, quotas, suspensions: self.lanes.suspensions.clone() }
    }

    /// A picture for people.
    pub fn view(&mut self, now: Mono) -> View {
        let mut lanes = Vec::new();
        for (id, lane) in self.lanes.iter().enumerate() {
            lanes.push(LaneView {
                key: Arc::clone(&lane.key),
                waiting: lane.waiting(),
                uncertain: lane.uncertain_count(),
                running: lane.running(),
                concurrency: lane.concurrency.limit(),
                tally: lane.tally,
                usage: lane.keys.iter().map(|key| self.table.usage_of(*key, now)).collect(),
                suspended: lane.suspended,
                blocked: self.table.check(&lane.keys, lane.class(&self.limits.reserve), now).err().map(|blocked| {
                    QuotaWait {
                        key: self.table.name(blocked.key).clone(),
                        window: blocked.window,
                        until: blocked.until,
                    }
                }),
                active_pause: self.throttling.active_pause(id, lane, &self.table, now),
                budget: self.budgets.uses(lane.plan.budgets.iter()).into_iter().find(|budget| budget.left() == 0),
            });
        }
        let budgets = self.budgets.uses(self.lanes.iter().flat_map(|lane| &lane.plan.budgets));
        View { lanes, suspensions: self.lanes.suspensions.clone(), budgets }
    }
}
