//! What files of jobs take of the budgets of calendar days and months.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::budget::{BudgetKey, CalledDay};
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::budget_usage::{BudgetUse, budgets_of};
use crate::engine::planner::Planner;

/// A budget, and the calls that are wanted of it.
pub struct Wanted {
    /// How much of it is used.
    pub budget: BudgetUse,
    /// Calls that are wanted.
    pub calls: u64,
}

/// The budgets of these calls.
pub(super) fn wanted(
    planner: &Planner,
    called: &[CalledDay],
    calls: &BTreeMap<LaneKey, u64>,
    now: Timestamp,
) -> Vec<Wanted> {
    let mut all: BTreeMap<BudgetKey, u64> = BTreeMap::new();
    for (lane, calls) in calls {
        for (key, _) in planner.plan(lane).map(|plan| plan.budgets).unwrap_or_default() {
            *all.entry(key).or_default() += calls;
        }
    }
    let budgets = budgets_of(planner, called, calls.keys(), now).into_iter();
    budgets.map(|budget| Wanted { calls: all.get(&budget.key).copied().unwrap_or_default(), budget }).collect()
}

impl Wanted {
    /// When the period begins that the last of the calls falls into; `None` if that is the present one.
    pub fn waits_until(&self) -> Option<Timestamp> {
        let mut rest = self.calls.checked_sub(self.budget.left()).filter(|rest| *rest > 0)?;
        let mut turn = self.budget.ends_at;
        while rest > self.budget.limit {
            rest -= self.budget.limit;
            turn = self.budget.key.period.end(turn);
        }
        Some(turn)
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let mut document = self.budget.document();
        document["calls"] = json!(self.calls);
        document["waits_until"] = json!(self.waits_until());
        document
    }
}
