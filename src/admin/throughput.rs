//! Calls by lane and minute.

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::input::Fields;
use super::{Answer, Shared, answer};
use crate::domain::quota::{Quota, Window};
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::engine::ports::LedgerError;
use crate::engine::throughput::{MINUTES_MAX, Tick, minute_of, start_of};
use paceline_ports::operator::Reports;

const MINUTES_DEFAULT: i64 = 60;
/// Calls of an earlier process that are read of one lane at most.
const SEEDED_MAX: u32 = 20_000;
const STEP_S: u64 = 60;

/// The last minutes, oldest first.
pub(super) async fn show(State(shared): State<Shared>, uri: Uri) -> Answer {
    let mut fields = Fields::of_query(uri.query());
    let minutes = fields.whole("minutes", 1, MINUTES_MAX).unwrap_or(MINUTES_DEFAULT);
    fields.end()?;
    let engine = &shared.worker.engine;
    let (planner, now) = (engine.planner(), engine.clock().now());
    // Those of jobs: what the worker asks for itself has its quotas in the overview.
    let lanes = engine.flow().last(now, minutes).into_iter();
    let lanes = lanes.filter(|(lane, _)| planner.catalog.job_method(&lane.method).is_some());
    let series = lanes.map(|(lane, ticks)| {
        let quotas = planner.plan(&lane).map(|plan| plan.quotas).unwrap_or_default();
        let limit = quotas.iter().filter_map(|(_, quota)| limit_per_step(quota)).min();
        series_of(&(&lane.app, &lane.tenant, &lane.method), limit, &ticks)
    });
    let from = start_of(minute_of(now) - minutes + 1);
    Ok(answer::document(&json!({"step_s": STEP_S, "from": from, "series": series.collect::<Vec<_>>()})))
}

fn series_of((app, tenant, method): &(&String, &String, &String), limit: Option<u64>, ticks: &[Tick]) -> Value {
    let (calls, refused): (Vec<_>, Vec<_>) = ticks.iter().map(|tick| (tick.calls, tick.refused)).unzip();
    json!({"app": app, "tenant": tenant, "method": method, "limit_per_step": limit, "calls": calls, "refused": refused})
}

/// The most calls that the quota lets through in a step: a window longer than it can be used up in one.
fn limit_per_step(quota: &Quota) -> Option<u64> {
    let in_step = |window: &Window| {
        let step_us = u128::from(STEP_S) * 1_000_000;
        let times = (step_us / window.span.as_micros().max(1)).max(1);
        u64::try_from(u128::from(window.limit) * times).unwrap_or(u64::MAX)
    };
    quota.windows().iter().map(in_step).min()
}

/// Adds the calls of earlier processes in the last hour, those before `started_at`.
pub(super) fn seed(ledger: &dyn Reports, engine: &Engine, started_at: Timestamp) -> Result<(), LedgerError> {
    let first = minute_of(started_at) - MINUTES_DEFAULT + 1;
    for (lane, minutes) in ledger.calls_by_minute(start_of(first), started_at, SEEDED_MAX)? {
        let lane = lane.into();
        for (minute, calls, refused) in minutes {
            engine.flow().add(&lane, minute, Tick { calls, refused });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_what_the_strictest_window_lets_through() {
        let limit = |quota: &str| limit_per_step(&quota.parse().unwrap());
        assert_eq!(limit("20/min"), Some(20));
        assert_eq!(limit("50/s"), Some(3_000));
        assert_eq!(limit("50/s, 1000/min"), Some(1_000));
        assert_eq!(limit("100/day"), Some(100), "all of them may fall into one minute");
    }
}
