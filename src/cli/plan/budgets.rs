//! What files of jobs take of the budgets of calendar days and months.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::domain::budget::{BudgetKey, CalledDay};
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::budget_usage::{BudgetUse, budgets_of};
use crate::engine::planner::Planner;

/// A budget, and the calls that are wanted of it.
pub(super) struct Wanted {
    budget: BudgetUse,
    calls: u64,
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
    pub(super) fn waits_until(&self) -> Option<Timestamp> {
        let mut rest = self.calls.checked_sub(self.budget.left()).filter(|rest| *rest > 0)?;
        let mut turn = self.budget.ends_at;
        while rest > self.budget.limit {
            rest -= self.budget.limit;
            turn = self.budget.key.period.end(turn);
        }
        Some(turn)
    }

    /// For programs.
    pub(super) fn document(&self) -> Value {
        let mut document = self.budget.document();
        document["calls"] = json!(self.calls);
        document["waits_until"] = json!(self.waits_until());
        document
    }

    /// For people.
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { budget, calls } = self;
        let period = budget.key.period.as_str();
        write!(
            out,
            "{} of {} calls ({}) of this {period} are left to {}",
            budget.left(),
            budget.limit,
            budget.what(),
            budget.key.owner
        )?;
        match self.waits_until() {
            Some(turn) => {
                let over = calls.saturating_sub(budget.left());
                writeln!(out, "; {calls} are needed: {over} wait, the last until {}", turn.in_china())
            }
            None => writeln!(out, "; {calls} are needed"),
        }
    }
}
