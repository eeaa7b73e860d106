//! Pauses and what else slows a job's calls beyond the quotas.

use serde_json::{Value, json};

use super::{Fact, Situation, met, parts};
use crate::ports::{Restrained, Restraint, RestraintKind};
use paceline_domain::job::LaneKey;
use paceline_domain::messages::{Met, Span, Throttled, Throttling, ThrottlingNext, WhyFact};

/// Those that concern a lane's calls.
pub(super) fn restraints(at: &Situation, lane: &LaneKey) -> Vec<Fact> {
    let concerns = |restraint: &&Restraint| match &restraint.target {
        Restrained::App => restraint.app == lane.app,
        Restrained::Lane(other) => other == lane,
        // The look-up's keys are not known here; its method is.
        Restrained::Key(key) => {
            key.method == lane.method && (*lane != at.lane || at.windows.iter().any(|window| window.key == *key))
        }
    };
    at.restraints.iter().filter(concerns).map(|restraint| of_restraint(at, restraint)).collect()
}

fn of_restraint(at: &Situation, restraint: &Restraint) -> Fact {
    let (kind, how) = how(restraint);
    let until = restraint.until.filter(|until| *until > at.now);
    let next = until.map(|until| match kind {
        "paused" => ThrottlingNext::OneTriesAgain { again_at: until.to_string(), wait: Span::new(until.since(at.now)) },
        _ => ThrottlingNext::RaisedNext { raised_at: until.to_string() },
    });
    let (what, since_at) = (what(restraint), restraint.since.to_string());
    let why = met(&restraint.cause, None).unwrap_or(Met::NoReason);
    let said = match next {
        Some(next) => WhyFact::ThrottledUntil { what, how, since_at, why, next },
        None => WhyFact::Throttled { what, how, since_at, why },
    };
    Fact::new(kind, said).with(values(restraint)).until(restraint.until).of(&restraint.cause)
}

fn what(restraint: &Restraint) -> Throttled {
    match &restraint.target {
        Restrained::App => Throttled::AllCallsOf { app: restraint.app.clone() },
        Restrained::Lane(lane) => Throttled::CallsOf { lane: lane.to_string() },
        Restrained::Key(key) => {
            Throttled::CallsUnder { method: key.method.clone(), scope: key.scope.to_string(), owner: key.owner.clone() }
        }
    }
}

/// The fact's kind, and how far.
fn how(restraint: &Restraint) -> (&'static str, Throttling) {
    let is_lane = matches!(restraint.target, Restrained::Lane(_));
    match restraint.kind {
        RestraintKind::Pause { refusals: refusals @ 2.. } if is_lane => {
            ("paused", Throttling::PausedStillFailing { probes: refusals - 1 })
        }
        RestraintKind::Pause { .. } if is_lane => ("paused", Throttling::PausedForFailing),
        RestraintKind::Pause { refusals } if refusals > 1 => ("paused", Throttling::PausedAfter { refusals }),
        RestraintKind::Pause { .. } => ("paused", Throttling::Paused),
        RestraintKind::Rate { per_s, .. } => ("slowed", Throttling::AtMostASecond { calls: format!("{per_s:.1}") }),
        RestraintKind::Concurrency { limit, .. } => ("slowed", Throttling::AtMostAtOnce { calls: limit }),
        RestraintKind::Limit { window, limit, .. } => {
            ("slowed", Throttling::AtMostOf { calls: limit, window: window.to_string() })
        }
    }
}

fn values(restraint: &Restraint) -> Value {
    let hold = match restraint.kind {
        RestraintKind::Pause { refusals } => json!({"kind": "pause", "refusals": refusals}),
        RestraintKind::Rate { per_s, .. } => json!({"kind": "rate", "per_s": per_s}),
        RestraintKind::Concurrency { limit, .. } => json!({"kind": "concurrency", "limit": limit}),
        RestraintKind::Limit { window, limit, .. } => {
            json!({"kind": "limit", "limit": limit, "window": window.to_string()})
        }
    };
    let target = match &restraint.target {
        Restrained::App => restraint.app.clone(),
        Restrained::Lane(lane) => lane.to_string(),
        Restrained::Key(key) => format!("{} ({} {})", key.method, key.scope, key.owner),
    };
    let is_lane = matches!(restraint.target, Restrained::Lane(_));
    json!({"what": target, "is_lane": is_lane, "hold": hold, "since": restraint.since, "failure": parts(&restraint.cause, None)})
}
