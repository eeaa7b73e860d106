//! What keeps a job waiting, what decides first.

use std::time::Duration;

use serde_json::json;

use super::{Awaited, Fact, Situation, parts, words};
use crate::ports::{Restrained, Restraint, RestraintKind, SuspendedBy};
use paceline_domain::job::LaneKey;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::time::Timestamp;

/// Jobs that are named, of those that it waits for.
const AWAITED_MAX: usize = 20;

/// Waits for other jobs, those first that need somebody.
pub(super) fn blocked(at: &Situation) -> Vec<Fact> {
    let mut awaited: Vec<&Awaited> = at.awaited.iter().collect();
    awaited.sort_by_key(|awaited| cure_of(awaited).is_none());
    let fact = |awaited: &&Awaited| {
        let text = match awaited.state {
            Some(state) => format!("waits for the job {:?}, which is {state}", awaited.id),
            None => format!("waits for the job {:?}, which nobody has published yet", awaited.id),
        };
        let fact = Fact::new("blocked", text).with(json!(awaited));
        match cure_of(awaited) {
            Some(cure) => fact.cure(cure),
            None => fact,
        }
    };
    let mut facts: Vec<Fact> = awaited.iter().take(AWAITED_MAX).map(fact).collect();
    if facts.is_empty() {
        facts.extend(standing_still(at, &at.lane));
        let text = "waits for a name to be looked up: the worker asks the platform, and tries again where it cannot";
        facts.push(Fact::new("name", text));
    }
    if let more @ 1.. = awaited.len().saturating_sub(AWAITED_MAX) {
        facts.push(Fact::new("blocked", format!("and for {more} more")).with(json!({"more": more})));
    }
    facts
}

/// What to do, where the job that is waited for does not end by itself.
fn cure_of(awaited: &Awaited) -> Option<Cure> {
    let id = awaited.id.clone();
    match awaited.state {
        None => Some(Cure::PublishIt { id }),
        Some("held") => Some(Cure::ResolveHeld),
        Some("dead" | "cancelled") => Some(Cure::PutToWorkAgain { id }),
        Some(_) => None,
    }
}

/// In its lane.
pub(super) fn queued(at: &Situation) -> Vec<Fact> {
    let mut facts = standing_still(at, &at.lane);
    if let Some(not_after) = at.not_after.filter(|not_after| *not_after <= at.now) {
        let text = format!("its deadline {not_after} has passed: it ends as a dead letter `expired`");
        facts.push(Fact::new("expired", text).with(json!({"not_after": not_after})));
    }
    if let Some(until) = at.not_before.filter(|until| *until > at.now) {
        facts.push(not_before(at, until));
    }
    facts.extend(restraints(at, &at.lane));
    facts.extend(budgets(at));
    facts.extend(quotas(at));
    facts.extend(ahead(at));
    if facts.is_empty() {
        facts.push(Fact::new("ready", "nothing holds it back: it is about to be sent"));
    }
    facts.extend(retried(at));
    facts.extend(expected(at));
    facts
}

/// A call of it is in flight.
pub(super) fn running(at: &Situation) -> Vec<Fact> {
    let since =
        at.sent_at.map(|sent| format!(", sent at {sent}, {} ago", span(at.now.since(sent)))).unwrap_or_default();
    let fact = Fact::new("in-flight", format!("a call of it is in flight{since}"));
    let mut facts = vec![fact.with(json!({"sent_at": at.sent_at}))];
    if !at.has_worker {
        let text = "no worker runs: the next start closes that call and looks up what became of it";
        facts.insert(0, Fact::new("no-worker", text).with(json!({"in_flight": true})).cure(Cure::StartWorker));
    }
    facts
}

/// A call of it may have been applied, or was and is not final yet.
pub(super) fn uncertain(at: &Situation) -> Vec<Fact> {
    let listing = at.look_up.as_ref().unwrap_or(&at.lane);
    let next = match at.not_before.filter(|until| *until > at.now) {
        Some(until) => format!("looked up with {} at {until}, in {}", listing.method, span(until.since(at.now))),
        None => format!("looked up with {} as soon as a permit for it is free", listing.method),
    };
    let said = words(&at.failure, at.meaning.as_ref());
    let text = if matches!(at.failure.detail, Cause::StillDeciding { .. }) {
        format!("{said}: {next}, and then more rarely")
    } else {
        format!("its last call may have been applied ({said}): {next}; nothing is sent again before")
    };
    let values = json!({"failure": parts(&at.failure, at.meaning.as_ref()), "look_up": listing.method});
    let mut fact = Fact::new("uncertain", text).with(values).until(at.not_before.filter(|until| *until > at.now));
    fact.code = at.failure.code;
    fact.log_id.clone_from(&at.failure.log_id);
    let mut facts = standing_still(at, listing);
    facts.push(fact);
    facts.extend(restraints(at, listing));
    facts
}

/// What lets no job of the lane go at all.
fn standing_still(at: &Situation, lane: &LaneKey) -> Vec<Fact> {
    let mut facts = Vec::new();
    if !at.is_known {
        let text = format!("the settings have no app {:?} any more that can call {}", at.lane.app, at.lane.method);
        let cure = Cure::PutBack { app: at.lane.app.clone() };
        let values = json!({"app": at.lane.app, "method": at.lane.method});
        facts.push(Fact::new("unknown-app", text).with(values).cure(cure));
    }
    if !at.has_worker {
        facts.push(Fact::new("no-worker", "no worker runs").cure(Cure::StartWorker));
    }
    for suspension in at.suspensions.iter().filter(|suspension| suspension.covers(lane)) {
        let until = suspension.until.map_or_else(
            || "until `paceline resume`".to_owned(),
            |until| format!("until {until}, in {}", span(until.since(at.now))),
        );
        let code = suspension.code.map(|code| format!("{code} ")).unwrap_or_default();
        let detail = suspension.detail.to_string();
        let detail = if detail.is_empty() { "without a reason" } else { &detail };
        let who = match suspension.by {
            SuspendedBy::Person => "a person suspended",
            SuspendedBy::Platform => "the platform's answer suspended",
            SuspendedBy::Worker => "too many dead letters in a row suspended",
        };
        let whole = if suspension.method.is_empty() { suspension.app.clone() } else { lane.to_string() };
        let values = json!({"by": suspension.by, "what": whole, "since": suspension.since, "detail": suspension.detail.to_string(), "detail_fact": suspension.detail});
        let text = format!("{who} {whole} since {}, {until}: {code}{detail}", suspension.since);
        let fact = Fact::new("suspended", text).with(values).until(suspension.until);
        let mut fact = fact.cure(suspension.what_to_do());
        fact.code = suspension.code;
        fact.log_id.clone_from(&suspension.log_id);
        facts.push(fact);
    }
    facts
}

fn not_before(at: &Situation, until: Timestamp) -> Fact {
    let wait = span(until.since(at.now));
    // The time that a job came with and a wait after a fault stand in the same place.
    let after_fault = at.attempts > 0 || at.failure.code.is_some();
    let why = if after_fault {
        format!("waits after a fault until {until}, for {wait} more")
    } else {
        format!("not before {until}, in {wait}")
    };
    Fact::new("not-before", why).with(json!({"after_fault": after_fault})).until(Some(until))
}

/// Pauses and what else slows its calls.
fn restraints(at: &Situation, lane: &LaneKey) -> Vec<Fact> {
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
    let what = match &restraint.target {
        Restrained::App => format!("all calls of {}", restraint.app),
        Restrained::Lane(lane) => format!("calls of {lane}"),
        Restrained::Key(key) => format!("{} of {} {}", key.method, key.scope, key.owner),
    };
    let said = words(&restraint.cause, None);
    let (kind, how) = match restraint.kind {
        RestraintKind::Pause { refusals } if matches!(restraint.target, Restrained::Lane(_)) => {
            let again = if refusals > 1 { format!(", {} probes failed since", refusals - 1) } else { String::new() };
            ("paused", format!("paused: they fail one after the other on the platform's side{again}"))
        }
        RestraintKind::Pause { refusals } if refusals > 1 => {
            ("paused", format!("paused after {refusals} rate-limit rejections in a row"))
        }
        RestraintKind::Pause { .. } => ("paused", "paused".to_owned()),
        RestraintKind::Rate { per_s, .. } => ("slowed", format!("at most {per_s:.1} a second")),
        RestraintKind::Concurrency { limit, .. } => ("slowed", format!("at most {limit} at once")),
        RestraintKind::Limit { window, limit, .. } => {
            ("slowed", format!("at most {limit} of {window}: another program uses it"))
        }
    };
    let next = match restraint.until.filter(|until| *until > at.now) {
        Some(until) if kind == "paused" => {
            format!("; one call tries again at {until}, in {}", span(until.since(at.now)))
        }
        Some(until) => format!("; raised next at {until}"),
        None => String::new(),
    };
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
    let values = json!({"what": target, "is_lane": is_lane, "hold": hold, "since": restraint.since, "failure": parts(&restraint.cause, None)});
    Fact::new(kind, format!("{what}: {how} since {}: {said}{next}", restraint.since))
        .with(values)
        .until(restraint.until)
        .of(&restraint.cause)
}

/// The window that frees a permit last, if any is full.
fn quotas(at: &Situation) -> Option<Fact> {
    let full = at.windows.iter().filter_map(|window| Some((window, window.next_free_at?)));
    let (window, until) = full.max_by_key(|(_, until)| *until)?;
    let text = format!(
        "{} of {} permits of {} ({} {}) are taken: the next is free at {until}, in {}",
        window.used,
        window.window,
        window.key.method,
        window.key.scope,
        window.key.owner,
        span(until.since(at.now))
    );
    let key = &window.key;
    let values = json!({"used": window.used, "unanswered": window.unanswered, "window": window.window.to_string(),
        "method": key.method, "scope": key.scope, "owner": key.owner});
    Some(Fact::new("quota", text).with(values).until(Some(until)))
}

/// The budget of a day or month that begins anew last, of those that are used up.
fn budgets(at: &Situation) -> Option<Fact> {
    let used_up = at.budgets.iter().filter(|budget| budget.left() == 0);
    let budget = used_up.max_by_key(|budget| budget.ends_at)?;
    let until = budget.ends_at;
    let text = format!(
        "{} of {} calls ({}) of this {} in UTC+8 are used up by {}: it goes on at {until}, in {}",
        budget.used,
        budget.limit,
        budget.what(),
        budget.key.period.as_str(),
        budget.key.owner,
        span(until.since(at.now))
    );
    Some(Fact::new("budget", text).with(budget.document()).until(Some(until)))
}

fn ahead(at: &Situation) -> Option<Fact> {
    let ahead = &at.ahead;
    let parts = [
        (ahead.higher, "of higher priority"),
        (ahead.own_batch, "of its batch that are older or have an earlier deadline"),
        (ahead.others, "of other batches, which take turns with its own"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let jobs = if ahead.total() == 1 { "job goes" } else { "jobs go" };
    let text = format!("{} {jobs} first: {}", ahead.total(), parts.join(", "));
    (ahead.total() > 0).then(|| Fact::new("ahead", text).with(json!(ahead)))
}

/// What an earlier attempt met.
fn retried(at: &Situation) -> Option<Fact> {
    let said = words(&at.failure, at.meaning.as_ref());
    if said.is_empty() {
        return None;
    }
    let text = format!("its last call met {said}; {} attempts charged, it is tried again by itself", at.attempts);
    let values = json!({"attempts": at.attempts, "failure": parts(&at.failure, at.meaning.as_ref())});
    let mut fact = Fact::new("retried", text).with(values);
    fact.code = at.failure.code;
    fact.log_id.clone_from(&at.failure.log_id);
    Some(fact)
}

fn expected(at: &Situation) -> Option<Fact> {
    let until = at.expected_at?;
    let start = if at.has_worker { "" } else { " if a worker starts now" };
    let text = format!("expected to be done at {until}, in {}{start}", span(until.since(at.now)));
    Some(Fact::new("expected", text).with(json!({"has_worker": at.has_worker})).until(Some(until)))
}

/// `45 s`, `3 min 5 s`, `2 h 0 min`.
fn span(length: Duration) -> String {
    // Rounded up, so that nothing is said to be over before it is.
    let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
