//! `paceline audit`: replays the recorded calls and proves, per quota key and window, the largest count there can have
//! been, against the limit.
//!
//! The platform counted a call at some instant between its sending and its reply. What is told is the largest number
//! of calls that can have been counted in any one window, whatever those instants were: no more than the limit means
//! that no window was ever over it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::domain::job::LaneKey;
use crate::domain::quota::{Key, Quota, Window};
use crate::domain::time::Timestamp;
use crate::engine::ports::PastCall;
use crate::engine::quotas::Planner;

use super::context::{Context, catalog};
use super::exit::Exit;
use super::plan::planner;
use super::table::{Align, Table};

/// Prove from the recorded calls that no quota window was ever exceeded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The speed of a rehearsal whose ledger is audited
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

/// The largest count of one window of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    key: Key,
    window: Window,
    calls: usize,
    largest: usize,
}

impl Finding {
    fn is_kept(&self) -> bool {
        self.largest <= self.window.limit as usize
    }
}

/// Prints the proof; 1 if a window was exceeded.
pub fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let catalog = catalog(&settings)?;
    let ledger = context.operator()?;
    let mut calls: BTreeMap<LaneKey, Vec<Call>> = BTreeMap::new();
    let grace = settings.engine.grace;
    ledger.each_call(Timestamp(0), |call| calls.entry(call.lane.clone()).or_default().push(Call::of(&call, grace)))?;
    let planner = planner(&settings, &catalog, calls.keys(), args.speed)?;
    let (findings, unknown) = audit(&calls, &planner);
    if args.json {
        let rows = findings.iter().map(|finding| {
            json!({
                "method": finding.key.method, "scope": finding.key.scope, "owner": finding.key.owner,
                "window": finding.window.to_string(), "limit": finding.window.limit, "calls": finding.calls,
                "largest": finding.largest, "kept": finding.is_kept(),
            })
        });
        context.print_json(&json!({"windows": rows.collect::<Vec<_>>(), "unknown_lanes": unknown}))?;
    } else {
        write_findings(&findings, &mut context.out)?;
    }
    context.out.flush()?;
    for lane in &unknown {
        writeln!(context.err, "{lane}: not audited: the settings or the catalog do not know it any more")?;
    }
    let broken = findings.iter().filter(|finding| !finding.is_kept()).count();
    writeln!(context.err, "{} windows, {broken} exceeded", findings.len())?;
    Ok(if broken == 0 { Exit::Success } else { Exit::Unwell })
}

/// One call: sent, and counted by the platform at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    sent_at: Timestamp,
    counted_by: Timestamp,
}

impl Call {
    fn of(call: &PastCall, grace: Duration) -> Self {
        let counted_by = if call.open { call.counted_by + grace } else { call.counted_by };
        Self { sent_at: call.sent_at, counted_by }
    }
}

fn audit(calls: &BTreeMap<LaneKey, Vec<Call>>, planner: &Planner) -> (Vec<Finding>, Vec<String>) {
    let mut keys: Vec<(Key, Quota, Vec<Call>)> = Vec::new();
    let mut unknown = Vec::new();
    for (lane, calls) in calls {
        let Some(plan) = planner.plan(lane) else {
            unknown.push(lane.to_string());
            continue;
        };
        for (key, quota) in plan.quotas {
            match keys.iter_mut().find(|(known, ..)| *known == key) {
                Some((.., all)) => all.extend(calls),
                None => keys.push((key, quota, calls.clone())),
            }
        }
    }
    let mut findings = Vec::new();
    for (key, quota, mut calls) in keys {
        calls.sort();
        for window in quota.windows() {
            let largest = largest(&calls, window.span);
            findings.push(Finding { key: key.clone(), window: *window, calls: calls.len(), largest });
        }
    }
    (findings, unknown)
}

/// The most of `calls`, in the order of sending, that can have been counted in one half-open window of this length.
///
/// A window that holds the call sent last of its calls begins after that instant less the span; so every earlier call
/// that was counted after that beginning can be in it.
fn largest(calls: &[Call], span: Duration) -> usize {
    let mut possible: BinaryHeap<Reverse<Timestamp>> = BinaryHeap::new();
    let mut largest = 0;
    for call in calls {
        possible.push(Reverse(call.counted_by));
        while possible.peek().is_some_and(|Reverse(counted_by)| *counted_by + span <= call.sent_at) {
            possible.pop();
        }
        largest = largest.max(possible.len());
    }
    largest
}

fn write_findings(findings: &[Finding], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new([
        ("METHOD", Align::Left),
        ("COUNTED BY", Align::Left),
        ("WINDOW", Align::Left),
        ("CALLS", Align::Right),
        ("LARGEST", Align::Right),
        ("VERDICT", Align::Left),
    ]);
    for finding in findings {
        table.row([
            finding.key.method.clone(),
            format!("{} {}", finding.key.scope, finding.key.owner),
            finding.window.to_string(),
            finding.calls.to_string(),
            finding.largest.to_string(),
            if finding.is_kept() { "kept" } else { "EXCEEDED" }.to_owned(),
        ]);
    }
    table.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(sent_s: i64, counted_s: i64) -> Call {
        Call { sent_at: Timestamp::from_unix_seconds(sent_s), counted_by: Timestamp::from_unix_seconds(counted_s) }
    }

    #[test]
    fn a_window_is_half_open() {
        let minute = Duration::from_secs(60);
        assert_eq!(largest(&[], minute), 0);
        assert_eq!(largest(&[call(0, 0), call(60, 60)], minute), 1);
        assert_eq!(largest(&[call(0, 1), call(60, 61)], minute), 2, "counted at 1 and 60");
        assert_eq!(largest(&[call(0, 1), call(61, 62)], minute), 1);
    }

    #[test]
    fn a_late_reply_keeps_its_call_possible_while_others_go() {
        let minute = Duration::from_secs(60);
        assert_eq!(largest(&[call(0, 100), call(1, 2), call(70, 71)], minute), 2);
        assert_eq!(largest(&[call(0, 100), call(1, 2), call(61, 71)], minute), 3, "at 1.5, 2 and 61, say");
    }
}
