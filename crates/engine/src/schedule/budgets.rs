//! What was called in the present calendar days and months, and what is on its way.

use std::collections::{BTreeMap, HashMap};

use crate::budget_usage::BudgetUse;
use paceline_domain::budget::BudgetKey;
use paceline_domain::time::Timestamp;

/// All budgets that lanes fall under.
#[derive(Debug, Default)]
pub(super) struct Budgets(HashMap<BudgetKey, Count>);

#[derive(Debug, Default)]
struct Count {
    /// When the period begins anew that `used` belongs to.
    ends: Timestamp,
    /// Calls that the platform has counted in it.
    used: u64,
    /// Calls that it may count.
    out: u64,
    /// Whether a lane waits for a call that it may not count.
    is_awaited: bool,
}

impl Count {
    fn of<'c>(counts: &'c mut HashMap<BudgetKey, Self>, key: &BudgetKey, now: Timestamp) -> &'c mut Self {
        let count = counts.entry(key.clone()).or_default();
        if now >= count.ends {
            (count.ends, count.used) = (key.period.end(now), 0);
        }
        count
    }
}

impl Budgets {
    /// When a call under these budgets may leave at the earliest, unless one in flight turns out not to count; `None` if
    /// it may now.
    pub(super) fn free_at(&mut self, budgets: &[(BudgetKey, u64)], now: Timestamp) -> Option<Timestamp> {
        let used_up = budgets.iter().filter_map(|(key, limit)| {
            let count = Count::of(&mut self.0, key, now);
            let is_used_up = count.used + count.out >= *limit;
            count.is_awaited |= is_used_up;
            is_used_up.then_some(count.ends)
        });
        used_up.max()
    }

    /// The budgets that these lanes fall under, each once, with what is in flight.
    pub(super) fn uses<'b>(&self, budgets: impl Iterator<Item = &'b (BudgetKey, u64)>) -> Vec<BudgetUse> {
        let limits: BTreeMap<&BudgetKey, u64> = budgets.map(|(key, limit)| (key, *limit)).collect();
        let in_use = limits.into_iter().filter_map(|(key, limit)| {
            let count = self.0.get(key)?;
            Some(BudgetUse { key: key.clone(), limit, used: count.used + count.out, ends_at: count.ends })
        });
        in_use.collect()
    }

    /// A call leaves.
    pub(super) fn take(&mut self, budgets: &[(BudgetKey, u64)]) {
        for (key, _) in budgets {
            self.0.entry(key.clone()).or_default().out += 1;
        }
    }

    /// The platform has counted it.
    pub(super) fn count(&mut self, budgets: &[(BudgetKey, u64)], now: Timestamp) {
        for (key, _) in budgets {
            Count::of(&mut self.0, key, now).used += 1;
        }
    }

    /// It is over. Says whether lanes that wait should look again.
    pub(super) fn give_back(&mut self, budgets: &[(BudgetKey, u64)]) -> bool {
        let mut is_awaited = false;
        for (key, limit) in budgets {
            let count = self.0.entry(key.clone()).or_default();
            count.out = count.out.saturating_sub(1);
            if count.used + count.out < *limit {
                is_awaited |= std::mem::take(&mut count.is_awaited);
            }
        }
        is_awaited
    }

    /// So much is in the ledger.
    pub(super) fn restore(&mut self, key: &BudgetKey, used: u64, now: Timestamp) {
        let count = Count::of(&mut self.0, key, now);
        count.used = count.used.max(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_domain::budget::Period;

    fn budgets(limit: u64) -> Vec<(BudgetKey, u64)> {
        let key = |period| BudgetKey { owner: "cli_a1".to_owned(), method: String::new(), period };
        vec![(key(Period::Month), limit), (key(Period::Day), limit + 1)]
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_used_up_budget_begins_anew_with_its_period() {
        let (mut all, budgets, now) = (Budgets::default(), budgets(2), at("2026-11-30T12:00:00+08:00"));
        let call = |all: &mut Budgets, now| {
            assert_eq!(all.free_at(&budgets, now), None);
            all.take(&budgets);
            all.count(&budgets, now);
            all.give_back(&budgets)
        };
        assert!(!call(&mut all, now) && !call(&mut all, now));
        let turn = at("2026-12-01T00:00:00+08:00");
        assert_eq!(all.free_at(&budgets, now), Some(turn));
        assert_eq!(all.free_at(&budgets, turn), None);
        assert!(call(&mut all, turn), "a lane that waited looks again");
        assert!(!call(&mut all, turn));
        assert_eq!(all.free_at(&budgets, turn), Some(at("2027-01-01T00:00:00+08:00")));
    }

    #[test]
    fn what_is_in_flight_may_count_until_it_is_known_not_to() {
        let (mut all, budgets, now) = (Budgets::default(), budgets(1), at("2026-11-30T12:00:00+08:00"));
        all.take(&budgets);
        assert!(all.free_at(&budgets, now).is_some());
        assert!(all.give_back(&budgets), "refused: lanes look again");
        assert_eq!(all.free_at(&budgets, now), None);
        all.restore(&budgets[0].0, 1, now);
        assert!(all.free_at(&budgets, now).is_some(), "an earlier process called");
    }
}
