//! How much of the budgets of calendar days and months is used, for people.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::planner::Planner;
use paceline_domain::budget::{BudgetKey, CalledDay};
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// A budget and what was called of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetUse {
    /// Which.
    pub key: BudgetKey,
    /// Calls in a period.
    pub limit: u64,
    /// Calls in the present one.
    pub used: u64,
    /// When the next one begins.
    pub ends_at: Timestamp,
}

impl BudgetUse {
    /// As it stands at an instant: a period that is over has begun anew, and nothing is used of it.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        if now < self.ends_at {
            return self.clone();
        }
        Self { used: 0, ends_at: self.key.period.end(now), ..self.clone() }
    }

    /// Calls that are left.
    pub const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// What it counts.
    pub fn what(&self) -> &str {
        if self.key.method.is_empty() { "all methods" } else { &self.key.method }
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let BudgetKey { owner, method, period } = &self.key;
        json!({"owner": owner, "method": method, "period": period.as_str(), "limit": self.limit, "used": self.used,
            "ends_at": self.ends_at})
    }
}

/// The budgets that these lanes fall under, each once.
pub fn budgets_of<'l>(
    planner: &Planner,
    called: &[CalledDay],
    lanes: impl Iterator<Item = &'l LaneKey>,
    now: Timestamp,
) -> Vec<BudgetUse> {
    let limits: BTreeMap<BudgetKey, u64> =
        lanes.filter_map(|lane| planner.plan(lane)).flat_map(|plan| plan.budgets).collect();
    let mut used: BTreeMap<BudgetKey, u64> = BTreeMap::new();
    if !limits.is_empty() {
        for (key, calls) in counted(planner, called, now) {
            *used.entry(key).or_default() += calls;
        }
    }
    let in_use = |(key, limit): (BudgetKey, u64)| {
        let used = used.remove(&key).unwrap_or_default();
        BudgetUse { ends_at: key.period.end(now), key, limit, used }
    };
    limits.into_iter().map(in_use).collect()
}

/// What of the calls on record belongs to which budget of now.
pub(super) fn counted(
    planner: &Planner,
    called: &[CalledDay],
    now: Timestamp,
) -> impl Iterator<Item = (BudgetKey, u64)> {
    called.iter().flat_map(move |on| {
        let budgets = planner.plan(&on.lane).map(|plan| plan.budgets).unwrap_or_default();
        let (day, calls) = (on.day, on.calls);
        budgets.into_iter().filter(move |(key, _)| day >= key.period.first_day(now)).map(move |(key, _)| (key, calls))
    })
}
