//! The section "budgets" of `paceline status`: calls of calendar days and months.

use std::io::Write;

use crate::cli::progress::duration;
use crate::cli::table::{Align, Table};
use crate::domain::time::Timestamp;
use crate::engine::budget_usage::BudgetUse;

/// Writes the section, if there is something to say.
pub(super) fn write(budgets: &[BudgetUse], now: Timestamp, out: &mut dyn Write) -> std::io::Result<()> {
    if budgets.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("BUDGET", Align::Left),
        ("OF", Align::Left),
        ("USED", Align::Right),
        ("LIMIT", Align::Right),
        ("PERIOD", Align::Left),
        ("BEGINS ANEW (UTC+8)", Align::Left),
    ]);
    for budget in budgets {
        let anew = format!("in {}, at {}", duration(budget.ends_at.since(now)), budget.ends_at.in_china());
        let period = budget.key.period.as_str().to_owned();
        let (used, limit) = (budget.used.to_string(), budget.limit.to_string());
        table.row([budget.what().to_owned(), budget.key.owner.clone(), used, limit, period, anew]);
    }
    writeln!(out)?;
    table.write(out)?;
    if budgets.iter().any(|budget| budget.left() == 0) {
        writeln!(out, "what is used up waits until its period begins anew; jobs lose nothing by it")?;
    }
    Ok(())
}
