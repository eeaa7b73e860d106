//! What recorded calls prove about budgets of calendar days and months.
//!
//! The ledger keeps how many calls of each lane the platform counted on each day in UTC+8, by the instant of their replies;
//! what was refused (HTTP 400 and above) is not among them. A call that left on one day and was answered on the next may
//! have been counted on either, so it is added to both: what is judged is the most that a period can have held.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::table::{Align, Table};
use crate::domain::budget::{BudgetKey, CalledDay};
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::planner::Planner;

/// Days in UTC+8 are counted from 1970; this is how long one is.
const DAY_S: i64 = 86_400;
/// China's clock is ahead by so much.
const AHEAD_S: i64 = 8 * 3_600;

/// A budget in one of its periods.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    key: BudgetKey,
    limit: u64,
    /// When the period began.
    pub began: Timestamp,
    /// Calls on the ledger's books.
    calls: u64,
    /// Those that may have been counted in it besides, because they left before it was over.
    late: u64,
}

impl Judged {
    /// Whether the period can have held no more calls than the limit.
    pub(super) const fn is_kept(&self) -> bool {
        self.calls + self.late <= self.limit
    }

    pub(super) fn document(&self) -> Value {
        let BudgetKey { owner, method, period } = &self.key;
        json!({"owner": owner, "method": method, "period": period.as_str(), "began_at": self.began, "limit": self.limit,
            "calls": self.calls, "largest": self.calls + self.late, "kept": self.is_kept()})
    }
}

/// Every period of which calls are known, of each budget that their lanes fall under. `late` holds the lane, the instant of
/// sending and that of the reply of calls that may have been counted on either day.
pub(super) fn judge(planner: &Planner, called: &[CalledDay], late: &[(LaneKey, Timestamp, Timestamp)]) -> Vec<Judged> {
    let mut all: BTreeMap<(BudgetKey, i64), Judged> = BTreeMap::new();
    let mut add = |lane: &LaneKey, at: Timestamp, calls: u64, late: u64, but: Option<Timestamp>| {
        for (key, limit) in planner.plan(lane).map(|plan| plan.budgets).unwrap_or_default() {
            let first = key.period.first_day(at);
            if but.is_some_and(|but| key.period.first_day(but) == first) {
                continue;
            }
            let fresh = || Judged { key: key.clone(), limit, began: begin_of(first), calls: 0, late: 0 };
            let judged = all.entry((key.clone(), first)).or_insert_with(fresh);
            judged.calls += calls;
            judged.late += late;
        }
    };
    for on in called {
        add(&on.lane, begin_of(on.day), on.calls, 0, None);
    }
    for (lane, sent, replied) in late {
        add(lane, *sent, 0, 1, Some(*replied));
    }
    all.into_values().collect()
}

/// The first instant of a day.
fn begin_of(day: i64) -> Timestamp {
    Timestamp::from_unix_seconds(day * DAY_S - AHEAD_S)
}

/// For people.
pub(super) fn write(budgets: &[Judged], out: &mut dyn Write) -> io::Result<()> {
    if budgets.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("BUDGET", Align::Left),
        ("OF", Align::Left),
        ("PERIOD", Align::Left),
        ("BEGAN (UTC+8)", Align::Left),
        ("CALLS", Align::Right),
        ("LARGEST", Align::Right),
        ("LIMIT", Align::Right),
        ("VERDICT", Align::Left),
    ]);
    for budget in budgets {
        let method = if budget.key.method.is_empty() { "all methods" } else { &budget.key.method };
        table.row([
            method.to_owned(),
            budget.key.owner.clone(),
            budget.key.period.as_str().to_owned(),
            budget.began.in_china().chars().take(10).collect(),
            budget.calls.to_string(),
            (budget.calls + budget.late).to_string(),
            budget.limit.to_string(),
            if budget.is_kept() { "kept" } else { "EXCEEDED" }.to_owned(),
        ]);
    }
    writeln!(out)?;
    table.write(out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::built_in;
    use crate::engine::app::App;
    use crate::wiring;

    const SCHEDULES: &str = "wecom.oa.schedule.add";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// A planner whose only app may make four schedules a day and seven calls a month.
    fn planner() -> Planner {
        let mut catalog = built_in().unwrap();
        let method = catalog.methods.get_mut(SCHEDULES).map(Arc::make_mut).unwrap();
        method.budgets[0].budget.calls = 4;
        let catalog = Arc::new(catalog);
        let mut apps = wiring::apps_for_rehearsal(&catalog, [("a", SCHEDULES)]);
        for app in apps.values_mut() {
            let plain: &mut App = Arc::get_mut(app).unwrap();
            plain.month_calls = Some(7);
        }
        Planner::new(catalog, apps, 1.0)
    }

    fn lane() -> LaneKey {
        LaneKey { app: "a".to_owned(), tenant: String::new(), method: SCHEDULES.to_owned() }
    }

    #[test]
    fn a_day_and_a_month_are_judged_by_what_they_can_have_held() {
        let day = |text: &str, calls| CalledDay { lane: lane(), day: at(text).china_day(), calls };
        let called = [day("2026-11-30T12:00:00+08:00", 3), day("2026-12-01T12:00:00+08:00", 4)];
        let late = (lane(), at("2026-11-30T23:59:59+08:00"), at("2026-12-01T00:00:01+08:00"));
        let judged = |late: &[(LaneKey, Timestamp, Timestamp)]| {
            let judged = judge(&planner(), &called, late);
            judged
                .iter()
                .map(|one| {
                    (one.key.period.as_str(), one.began.in_china()[..10].to_owned(), one.calls, one.late, one.is_kept())
                })
                .collect::<Vec<_>>()
        };
        let of = |period: &'static str, began: &str, calls, late, kept| (period, began.to_owned(), calls, late, kept);
        let without = judged(&[]);
        assert!(without.contains(&of("calendar-day", "2026-11-30", 3, 0, true)), "{without:?}");
        assert!(without.contains(&of("calendar-day", "2026-12-01", 4, 0, true)), "{without:?}");
        assert!(without.contains(&of("calendar-month", "2026-11-01", 3, 0, true)), "{without:?}");
        let with = judged(&[late.clone(), late]);
        assert!(with.contains(&of("calendar-day", "2026-11-30", 3, 2, false)), "{with:?}");
        assert!(with.contains(&of("calendar-day", "2026-12-01", 4, 0, true)), "already on its books: {with:?}");
        assert!(with.contains(&of("calendar-month", "2026-11-01", 3, 2, true)), "{with:?}");
    }
}
