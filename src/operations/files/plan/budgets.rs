//! What files of jobs take of the budgets of calendar days and months.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// Calls for which the present period has too few left, and when the period begins that the last one falls into.
    pub waits: Option<(u64, Timestamp)>,
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
    let calls = |budget: &BudgetUse| all.get(&budget.key).copied().unwrap_or_default();
    budgets.map(|budget| Wanted { calls: calls(&budget), budget, waits: None }).collect()
}

impl Wanted {
    /// Lets the calls, which would all be made between two instants at an even pace, wait for periods that have some left;
    /// says when the last one is made then.
    pub(super) fn wait(&mut self, now: Timestamp, finish: Timestamp) -> Timestamp {
        if self.calls <= self.budget.left() {
            return finish;
        }
        let pace = self.calls as f64 / finish.since(now).as_secs_f64().max(1e-6);
        let (mut at, mut end) = (now, self.budget.ends_at);
        let (mut left, mut rest) = (self.budget.left() as f64, self.calls as f64);
        loop {
            let in_time = pace * end.since(at).as_secs_f64();
            if rest <= left.min(in_time) {
                return at + Duration::from_secs_f64(rest / pace);
            }
            if left < in_time {
                let (over, _) = self.waits.unwrap_or(((rest - left) as u64, end));
                self.waits = Some((over, end));
            }
            rest -= left.min(in_time);
            (at, end, left) = (end, self.budget.key.period.end(end), self.budget.limit as f64);
            if end <= at {
                // The calendar ends with the year 9999.
                return at;
            }
        }
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let mut document = self.budget.document();
        document["calls"] = json!(self.calls);
        document["waits_until"] = json!(self.waits.map(|(_, until)| until));
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Period;

    /// 300 calls at one a second, with so many left of 100 a month, and so long before the month ends.
    fn waiting(used: u64, left_s: u64) -> (u64, Option<(u64, Timestamp)>) {
        let ends_at = Timestamp::parse("2026-11-30T16:00:00Z").unwrap();
        let key = BudgetKey { owner: "cli_a1".to_owned(), method: String::new(), period: Period::Month };
        let mut wanted = Wanted { budget: BudgetUse { key, limit: 100, used, ends_at }, calls: 300, waits: None };
        let now = ends_at - Duration::from_secs(left_s);
        let finish = wanted.wait(now, now + Duration::from_secs(300));
        (finish.since(now).as_secs(), wanted.waits)
    }

    #[test]
    fn what_would_wait_beyond_the_calendar_waits_for_its_end() {
        let now = Timestamp::parse("2026-11-30T15:00:00Z").unwrap();
        let key = BudgetKey { owner: "cli_a1".to_owned(), method: String::new(), period: Period::Month };
        let budget = BudgetUse { ends_at: key.period.end(now), key, limit: 1, used: 0 };
        let mut wanted = Wanted { budget, calls: 200_000, waits: None };
        assert!(wanted.wait(now, now + Duration::from_secs(300)).to_string().starts_with("9999-"));
    }

    #[test]
    fn what_a_month_has_no_room_for_waits_and_takes_its_time_afterwards() {
        let month = |text| Timestamp::parse(text).unwrap();
        let (january, february, day) = (month("2026-12-31T16:00:00Z"), month("2027-01-31T16:00:00Z"), 86_400);
        assert_eq!(waiting(0, day), (day + 31 * day + 100, Some((200, january))));
        assert_eq!(waiting(100, day), (day + 62 * day + 100, Some((300, february))));
        // The month ends before its budget does: the pace is what decides at first.
        assert_eq!(waiting(0, 60), (60 + 62 * day + 40, Some((140, february))));
        assert_eq!(waiting(60, 10), (10 + 62 * day + 90, Some((190, february))));
    }
}
