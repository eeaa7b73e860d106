//! Calls of calendar days and months, as the platforms count them: what was refused does not count.

use std::collections::HashMap;

use super::endpoint::Endpoint;
use super::error_replies::Family;
use super::tokens::Caller;
use paceline_domain::budget::{Budget, Period};
use paceline_domain::catalog::Kind;
use paceline_domain::time::Timestamp;

/// Feishu: this month's calls are used up.
const MONTH_USED_UP: i64 = 99_991_403;

/// Account, method (empty for all) and first day.
type Place = (String, String, i64);

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Budgets(HashMap<Place, u64>);

impl Budgets {
    /// The code of a call for which nothing is left.
    pub(crate) fn refusal(&self, endpoint: &Endpoint, caller: &Caller, month_calls: u64, now: i64) -> Option<i64> {
        let used_up = |(place, budget): (Place, Budget)| {
            let is_used_up = self.0.get(&place).copied().unwrap_or_default() >= budget.calls;
            let code = if place.1.is_empty() { MONTH_USED_UP } else { endpoint.family.over_quota() };
            is_used_up.then_some(code)
        };
        places(endpoint, caller, month_calls, now).into_iter().find_map(used_up)
    }

    /// Counts a call that was carried out.
    pub(crate) fn count(&mut self, endpoint: &Endpoint, caller: &Caller, month_calls: u64, now: i64) {
        for (place, _) in places(endpoint, caller, month_calls, now) {
            *self.0.entry(place).or_default() += 1;
        }
    }
}

fn places(endpoint: &Endpoint, caller: &Caller, month_calls: u64, now: i64) -> Vec<(Place, Budget)> {
    if endpoint.method.kind == Kind::Token {
        return Vec::new();
    }
    let account = caller.account.to_string();
    let of_month = (month_calls > 0 && endpoint.family == Family::Feishu)
        .then_some((String::new(), Budget { calls: month_calls, period: Period::Month }));
    let own = endpoint.method.budgets.iter().map(|of| (endpoint.method.name.clone(), of.budget));
    let place = |(method, budget): (String, Budget)| {
        ((account.clone(), method, budget.period.first_day(Timestamp(now))), budget)
    };
    own.chain(of_month).map(place).collect()
}
