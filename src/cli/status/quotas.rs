//! The section "quotas" of `paceline status`: every window with calls in it, and when it has room again.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::cli::progress::duration;
use crate::cli::table::{Align, Table};
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::planner::Planner;
use crate::engine::quota_usage::{QuotaUsage, WindowUse};

/// The windows of these lanes that hold calls, each once.
pub(super) fn in_use<'l>(
    planner: &Planner,
    usage: &QuotaUsage,
    lanes: impl Iterator<Item = &'l LaneKey>,
) -> Vec<WindowUse> {
    let plans = lanes.filter_map(|lane| planner.plan(lane)).flat_map(|plan| plan.quotas);
    let keys: BTreeMap<_, _> = plans.map(|(key, quota)| ((key.method.clone(), key), quota)).collect();
    let windows = keys.iter().flat_map(|((_, key), quota)| usage.windows(key, quota));
    windows.filter(|window| window.used > 0).collect()
}

/// Writes the section, if there is something to say.
pub(super) fn write(windows: &[WindowUse], now: Timestamp, out: &mut dyn Write) -> std::io::Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("QUOTA", Align::Left),
        ("OF", Align::Left),
        ("USED", Align::Right),
        ("UNANSWERED", Align::Right),
        ("WINDOW", Align::Left),
        ("NEXT PERMIT", Align::Left),
    ]);
    for window in windows {
        let next = window
            .next_free_at
            .map_or_else(|| "now".to_owned(), |next| format!("in {}, at {next}", duration(next.since(now))));
        let of = format!("{} {}", window.key.scope, window.key.owner);
        let (used, unanswered) = (window.used.to_string(), window.unanswered.to_string());
        table.row([window.key.method.clone(), of, used, unanswered, window.window.to_string(), next]);
    }
    writeln!(out)?;
    table.write(out)?;
    if windows.iter().any(|window| window.unanswered > 0 && window.used >= u64::from(window.window.limit)) {
        writeln!(out, "unanswered calls keep their permits until they can surely not arrive any more")?;
    }
    Ok(())
}

/// For programs.
pub(super) fn document(window: &WindowUse) -> Value {
    json!({
        "key": window.key.to_string(), "method": window.key.method, "scope": window.key.scope,
        "owner": window.key.owner, "window": window.window.to_string(), "limit": window.window.limit,
        "used": window.used, "unanswered": window.unanswered, "next_free_at": window.next_free_at,
    })
}
