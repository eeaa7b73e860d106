//! How everything stands: lanes, quotas in use, what holds calls back, and the broker.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::answer;
use super::input::Fields;
use super::{Answer, Shared};
use crate::amqp::{IntakeState, LinkState, RelayState};
use crate::domain::job::LaneKey;
use crate::domain::messages::{BrokerCause, Cause};
use crate::domain::time::{Mono, Timestamp};
use crate::engine::budget_usage::BudgetUse;
use crate::engine::ports::SuspendedBy;
use crate::engine::schedule::{LaneView, QuotaWait, View};
use crate::operations::fleet::Workers;
use crate::operations::restraints::{ExplainedRestraint, explain};
use crate::operations::suspension;
use paceline_ports::State as JobState;
use paceline_ports::operator::{LaneCounts, Reports};

/// Everything at a glance.
pub(super) async fn show(State(shared): State<Shared>, uri: Uri) -> Answer {
    Fields::of_query(uri.query()).end()?;
    let read = |ledger: &dyn Reports| {
        Ok((ledger.lane_counts()?, ledger.running()?, ledger.unpublished()?, ledger.dead_inputs()?, ledger.workers()?))
    };
    let (counts, running, outbox, dead_inputs, workers) = shared.books.read(read).await?;
    let engine = &shared.worker.engine;
    let (view, (mono, now)) = (engine.view(), engine.clock().both());
    let planner = engine.planner();
    let restraints =
        explain(engine.restraints(), &planner.catalog, |app| planner.apps.get(app).map(|app| &*app.platform));
    let times = Times { mono, now };
    let live_lanes: BTreeMap<_, _> = view.lanes.iter().map(|live| (place(&live.key), live)).collect();
    // Access tokens and look-ups have lanes, too, and no jobs.
    let lanes = counts.iter().filter(|lane| lane.counts.total > 0).map(|lane| {
        let live = live_lanes.get(&(lane.app.as_str(), lane.tenant.as_str(), lane.method.as_str())).copied();
        lane_document(lane, live, &view, &times)
    });
    let suspensions = view.suspensions.iter().map(|suspension| {
        let mut document = suspension::document(suspension);
        document["by_hand"] = json!(suspension.by == SuspendedBy::Person);
        document
    });
    let workers = workers.map(|seen| Workers::of(seen, &planner));
    Ok(answer::document(&json!({
        "now": now,
        "worker": {
            "version": env!("CARGO_PKG_VERSION"), "mode": shared.worker.mode, "started_at": shared.started_at,
            "uptime_s": mono.since(shared.started).as_secs_f64(), "stopping": engine.is_stopping(),
        },
        "totals": totals(&counts, running, dead_inputs),
        "lanes": lanes.collect::<Vec<_>>(),
        "quotas": quotas(&view, &times),
        "budgets": view.budgets.iter().map(|budget| budget.at(now).document()).collect::<Vec<_>>(),
        "restraints": restraints.iter().map(ExplainedRestraint::document).collect::<Vec<_>>(),
        "suspensions": suspensions.collect::<Vec<_>>(),
        "broker": broker(&shared, outbox),
        "outbox": outbox,
        "replicas": workers.as_ref().map(Workers::replicas),
        "domains": workers.as_ref().map(Workers::domains),
    })))
}

fn place(key: &LaneKey) -> (&str, &str, &str) {
    (&key.app, &key.tenant, &key.method)
}

/// The same instant on both clocks.
struct Times {
    mono: Mono,
    now: Timestamp,
}

impl Times {
    fn on_calendar(&self, at: Mono) -> Timestamp {
        self.now + at.since(self.mono)
    }
}

/// Dead letters that never became jobs are in no lane, and counted all the same, as in batches and lists.
fn totals(counts: &[LaneCounts], running: u64, dead_inputs: u64) -> Value {
    let mut totals = json!({"running": running, "dead_inputs": dead_inputs});
    for state in JobState::ALL {
        let inputs = if state == JobState::Dead { dead_inputs } else { 0 };
        totals[state.as_str()] = json!(counts.iter().map(|lane| in_state(lane, state)).sum::<u64>() + inputs);
    }
    totals["warnings"] = json!(counts.iter().map(|lane| lane.counts.warnings).sum::<u64>());
    totals
}

const fn in_state(lane: &LaneCounts, state: JobState) -> u64 {
    match state {
        JobState::Queued => lane.counts.queued,
        JobState::Uncertain => lane.counts.uncertain,
        JobState::Held => lane.counts.held,
        JobState::Dead => lane.counts.dead,
        JobState::Cancelled => lane.counts.cancelled,
        JobState::Succeeded => lane.counts.succeeded,
        JobState::Blocked => lane.counts.blocked,
    }
}

fn lane_document(counts: &LaneCounts, live: Option<&LaneView>, view: &View, times: &Times) -> Value {
    let LaneCounts { app, tenant, method, running, .. } = counts;
    let mut document = json!({"app": app, "tenant": tenant, "method": method, "running": running,
        "oldest_waiting_at": counts.oldest_waiting_at});
    for state in JobState::ALL {
        document[state.as_str()] = json!(in_state(counts, state));
    }
    document["warnings"] = json!(counts.counts.warnings);
    let live = live.filter(|live| live.waiting > 0);
    let blocked = live.and_then(|live| live.blocked.as_ref());
    document["next_permit_at"] = json!(live.and_then(|live| next_permit_at(live, view, times)));
    document["deciding"] = blocked.map_or(Value::Null, deciding);
    document["why_waiting"] = json!(live.and_then(|live| why_waiting(live, view, times)));
    document
}

/// When the next call can leave; `None` if that takes a reply or a person.
fn next_permit_at(lane: &LaneView, view: &View, times: &Times) -> Option<Timestamp> {
    let mut at = times.now;
    if let Some(held) = &lane.blocked {
        at = times.on_calendar(held.until?);
    }
    if let Some(pause) = &lane.active_pause {
        at = at.max(times.on_calendar(pause.until));
    }
    if let Some(budget) = used_up(lane, times) {
        at = at.max(budget.ends_at);
    }
    for suspension in view.suspensions.iter().filter(|suspension| suspension.covers(&lane.key)) {
        at = at.max(suspension.until?);
    }
    Some(at)
}

/// The calendar day or month of which nothing is left to the lane.
fn used_up<'l>(lane: &'l LaneView, times: &Times) -> Option<&'l BudgetUse> {
    lane.budget.as_ref().filter(|budget| times.now < budget.ends_at)
}

fn deciding(held: &QuotaWait) -> Value {
    let key = &held.key;
    let window = held.window.map(|window| window.to_string());
    json!({"method": key.method, "scope": key.scope, "owner": key.owner, "window": window})
}

/// Facts, of which the reader's side makes a sentence in the reader's language.
fn why_waiting(lane: &LaneView, view: &View, times: &Times) -> Option<Value> {
    let why = |kind: &str, detail: Option<&Cause>, until: Option<Timestamp>| {
        let text = detail.map(ToString::to_string);
        json!({"kind": kind, "detail": text, "detail_fact": detail, "until": until})
    };
    if lane.suspended {
        let cause = view.suspensions.iter().find(|suspension| suspension.covers(&lane.key));
        return Some(why("suspended", cause.map(|cause| &cause.detail), cause.and_then(|cause| cause.until)));
    }
    if let Some(held) = &lane.active_pause {
        return Some(why("paused", Some(&held.cause.detail), Some(times.on_calendar(held.until))));
    }
    if let Some(budget) = used_up(lane, times) {
        return Some(why("budget", None, Some(budget.ends_at)));
    }
    let held = lane.blocked.as_ref()?;
    let kind = if held.window.is_some() { "used-up" } else { "spread" };
    Some(why(kind, None, held.until.map(|until| times.on_calendar(until))))
}

/// Every window of every key once.
fn quotas(view: &View, times: &Times) -> Vec<Value> {
    let usages = view.lanes.iter().flat_map(|lane| &lane.usage);
    let by_key: BTreeMap<_, _> = usages.map(|usage| (&usage.key, usage)).collect();
    let windows = by_key.into_iter().flat_map(|(key, usage)| {
        let instants = usage.free_at.iter().zip(&usage.unanswered);
        usage.windows.iter().zip(instants).map(move |((window, used), (free_at, unanswered))| {
            let free_at = free_at.map(|at| times.on_calendar(at.max(times.mono)));
            json!({"key": key.to_string(), "method": key.method, "scope": key.scope, "owner": key.owner,
                "window": window.to_string(), "limit": window.limit, "used": used, "unanswered": unanswered,
                "next_free_at": free_at})
        })
    });
    windows.collect()
}

fn broker(shared: &Shared, outbox: u64) -> Value {
    let Some(broker) = &shared.worker.broker else { return Value::Null };
    let status = broker.status();
    json!({"consume": link(&status.consume), "publish": link(&status.publish),
        "intake": intake(&status.intake), "relay": relay(&status.relay), "outbox": outbox})
}

fn intake(state: &IntakeState) -> Value {
    let (why, fact, paused) = match state {
        IntakeState::IntakePaused { load } => {
            let (jobs, are_all, fullest) = load.parts();
            let fullest = fullest.map(|(app, jobs)| json!({"app": app, "jobs": jobs}));
            let paused = json!({"jobs": jobs, "are_all": are_all, "fullest": fullest});
            (load.to_string(), json!(load), paused)
        }
        IntakeState::IntakeStalled { fault } => (fault.to_string(), json!(fault), Value::Null),
        IntakeState::IntakeWaiting | IntakeState::IntakeConsuming | IntakeState::IntakeStopped => {
            return json!({"state": state.as_str(), "why": null, "paused": null});
        }
    };
    json!({"state": state.as_str(), "why": why, "why_fact": fact, "paused": paused})
}

fn relay(state: &RelayState) -> Value {
    match state.fault() {
        None => json!({"state": state.as_str(), "why": null}),
        Some(fault) => json!({"state": state.as_str(), "why": fault.to_string(), "why_fact": fault}),
    }
}

fn link(state: &LinkState) -> Value {
    let (error, fact) = match state {
        LinkState::Connecting | LinkState::Connected | LinkState::Closed => {
            return json!({"state": state.as_str(), "error": null});
        }
        LinkState::Blocked { reason } => {
            let cause = BrokerCause::TakesNoMessages { reason: reason.clone() };
            (cause.to_string(), json!(cause))
        }
        LinkState::Down { fault, .. } => (fault.to_string(), json!(fault)),
    };
    json!({"state": state.as_str(), "error": error, "error_fact": fact})
}
