//! What keeps a job waiting, what decides first.

use serde_json::json;

use super::{Awaited, Fact, Situation, met, parts, throttling};
use crate::ports::{State, SuspendedBy, Suspension};
use paceline_domain::budget::Period;
use paceline_domain::job::LaneKey;
use paceline_domain::messages::{
    AttemptCount, BudgetOf, Cause, Cure, GoesFirst, Met, NextLookUp, PeriodName, Span, SuspensionEnd, WhyFact,
};
use paceline_domain::outcome::Failure;
use paceline_domain::time::Timestamp;

/// Jobs that are named, of those that it waits for.
const AWAITED_MAX: usize = 20;

/// Waits for other jobs, those first that need somebody.
pub(super) fn blocked(at: &Situation) -> Vec<Fact> {
    let mut awaited: Vec<&Awaited> = at.awaited.iter().collect();
    awaited.sort_by_key(|awaited| cure_of(awaited).is_none());
    let fact = |awaited: &&Awaited| {
        let id = awaited.id.clone();
        let said = match awaited.state {
            Some(state) => WhyFact::WaitsForJob { id, state: state.name() },
            None => WhyFact::WaitsForUnpublished { id },
        };
        let fact = Fact::new("blocked", said).with(json!(awaited));
        match cure_of(awaited) {
            Some(cure) => fact.cure(cure),
            None => fact,
        }
    };
    let mut facts: Vec<Fact> = awaited.iter().take(AWAITED_MAX).map(fact).collect();
    if facts.is_empty() {
        facts.extend(standing_still(at, &at.lane));
        facts.push(Fact::new("name", WhyFact::WaitsForName));
    }
    if let more @ 1.. = awaited.len().saturating_sub(AWAITED_MAX) {
        facts.push(Fact::new("blocked", WhyFact::WaitsForMore { more }).with(json!({"more": more})));
    }
    facts
}

/// What to do, where the job that is waited for does not end by itself.
fn cure_of(awaited: &Awaited) -> Option<Cure> {
    let id = awaited.id.clone();
    match awaited.state {
        None => Some(Cure::PublishIt { id }),
        Some(State::Held) => Some(Cure::ResolveHeld),
        Some(State::Dead | State::Cancelled) => Some(Cure::PutToWorkAgain { id }),
        Some(State::Queued | State::Uncertain | State::Succeeded | State::Blocked) => None,
    }
}

/// In its lane.
pub(super) fn queued(at: &Situation) -> Vec<Fact> {
    let mut facts = standing_still(at, &at.lane);
    if let Some(not_after) = at.not_after.filter(|not_after| *not_after <= at.now) {
        let said = WhyFact::DeadlineOver { deadline_at: not_after.to_string() };
        facts.push(Fact::new("expired", said).with(json!({"not_after": not_after})));
    }
    if let Some(until) = at.not_before.filter(|until| *until > at.now) {
        facts.push(not_before(at, until));
    }
    facts.extend(throttling::restraints(at, &at.lane));
    facts.extend(budgets(at));
    facts.extend(quotas(at));
    facts.extend(ahead(at));
    if facts.is_empty() {
        facts.push(Fact::new("ready", WhyFact::AboutToBeSent));
    }
    facts.extend(retried(at));
    facts.extend(expected(at));
    facts
}

/// A call of it is in flight.
pub(super) fn running(at: &Situation) -> Vec<Fact> {
    let said = at.sent_at.map_or(WhyFact::CallInFlight, |sent| WhyFact::CallInFlightSince {
        sent_at: sent.to_string(),
        ago: Span::new(at.now.since(sent)),
    });
    let mut facts = vec![Fact::new("in-flight", said).with(json!({"sent_at": at.sent_at}))];
    if !at.has_worker {
        let fact = Fact::new("no-worker", WhyFact::NoWorkerForCall).with(json!({"in_flight": true}));
        facts.insert(0, fact.cure(Cure::StartWorker));
    }
    facts
}

/// A call of it may have been applied, or was and is not final yet.
pub(super) fn uncertain(at: &Situation) -> Vec<Fact> {
    let listing = at.look_up.as_ref().unwrap_or(&at.lane);
    let later = at.not_before.filter(|until| *until > at.now);
    let method = listing.method.clone();
    let next = match later {
        Some(until) => {
            NextLookUp::LookedUpAt { method, look_up_at: until.to_string(), wait: Span::new(until.since(at.now)) }
        }
        None => NextLookUp::LookedUpSoon { method },
    };
    let why = met(&at.failure, at.meaning.as_ref()).unwrap_or(Met::NoReason);
    let said = if matches!(at.failure.detail, Cause::StillDeciding { .. }) {
        WhyFact::NotFinal { why, next }
    } else {
        WhyFact::MayBeApplied { why, next }
    };
    let values = json!({"failure": parts(&at.failure, at.meaning.as_ref()), "look_up": listing.method});
    let mut fact = Fact::new("uncertain", said).with(values).until(later);
    fact.code = at.failure.code;
    fact.log_id.clone_from(&at.failure.log_id);
    let mut facts = standing_still(at, listing);
    facts.push(fact);
    facts.extend(throttling::restraints(at, listing));
    facts
}

/// What lets no job of the lane go at all.
fn standing_still(at: &Situation, lane: &LaneKey) -> Vec<Fact> {
    let mut facts = Vec::new();
    if !at.is_known {
        let said = WhyFact::AppRemoved { app: at.lane.app.clone(), method: at.lane.method.clone() };
        let cure = Cure::PutBack { app: at.lane.app.clone() };
        let values = json!({"app": at.lane.app, "method": at.lane.method});
        facts.push(Fact::new("unknown-app", said).with(values).cure(cure));
    }
    if !at.has_worker {
        facts.push(Fact::new("no-worker", WhyFact::NoWorker).cure(Cure::StartWorker));
    }
    let suspensions = at.suspensions.iter().filter(|suspension| suspension.covers(lane));
    facts.extend(suspensions.map(|suspension| suspended(at, suspension, lane)));
    facts
}

fn suspended(at: &Situation, suspension: &Suspension, lane: &LaneKey) -> Fact {
    let end = suspension.until.map_or(SuspensionEnd::UntilResumed, |until| SuspensionEnd::UntilThen {
        until_at: until.to_string(),
        wait: Span::new(until.since(at.now)),
    });
    let what = if suspension.method.is_empty() { suspension.app.clone() } else { lane.to_string() };
    let values = json!({"by": suspension.by, "what": what, "since": suspension.since,
        "detail": suspension.detail.to_string(), "detail_fact": suspension.detail});
    let failure = Failure { code: suspension.code, detail: suspension.detail.clone(), ..Failure::default() };
    let why = met(&failure, None).unwrap_or(Met::NoReason);
    let since_at = suspension.since.to_string();
    let said = match suspension.by {
        SuspendedBy::Person => WhyFact::SuspendedByHand { what, since_at, end, why },
        SuspendedBy::Platform => WhyFact::SuspendedByAnswer { what, since_at, end, why },
        SuspendedBy::Worker => WhyFact::SuspendedForDead { what, since_at, end, why },
    };
    let fact = Fact::new("suspended", said).with(values).until(suspension.until);
    let mut fact = fact.cure(suspension.what_to_do());
    fact.code = suspension.code;
    fact.log_id.clone_from(&suspension.log_id);
    fact
}

fn not_before(at: &Situation, until: Timestamp) -> Fact {
    let (until_at, wait) = (until.to_string(), Span::new(until.since(at.now)));
    // The time that a job came with and a wait after a fault stand in the same place.
    let after_fault = at.attempts > 0 || at.failure.code.is_some();
    let said =
        if after_fault { WhyFact::WaitsAfterFault { until_at, wait } } else { WhyFact::NotYet { until_at, wait } };
    Fact::new("not-before", said).with(json!({"after_fault": after_fault})).until(Some(until))
}

/// The window that frees a permit last, if any is full.
fn quotas(at: &Situation) -> Option<Fact> {
    let full = at.windows.iter().filter_map(|window| Some((window, window.next_free_at?)));
    let (window, until) = full.max_by_key(|(_, until)| *until)?;
    let key = &window.key;
    let said = WhyFact::PermitsTaken {
        used: window.used,
        window: window.window.to_string(),
        method: key.method.clone(),
        scope: key.scope.to_string(),
        owner: key.owner.clone(),
        free_at: until.to_string(),
        wait: Span::new(until.since(at.now)),
    };
    let values = json!({"used": window.used, "unanswered": window.unanswered, "window": window.window.to_string(),
        "method": key.method, "scope": key.scope, "owner": key.owner});
    Some(Fact::new("quota", said).with(values).until(Some(until)))
}

/// The budget of a day or month that begins anew last, of those that are used up.
fn budgets(at: &Situation) -> Option<Fact> {
    let used_up = at.budgets.iter().filter(|budget| budget.left() == 0);
    let budget = used_up.max_by_key(|budget| budget.ends_at)?;
    let until = budget.ends_at;
    let method = budget.key.method.clone();
    let said = WhyFact::BudgetUsedUp {
        used: budget.used,
        limit: budget.limit,
        what: if method.is_empty() { BudgetOf::AllMethods } else { BudgetOf::OneMethod { method } },
        period: match budget.key.period {
            Period::Day => PeriodName::CalendarDay,
            Period::Month => PeriodName::CalendarMonth,
        },
        owner: budget.key.owner.clone(),
        ends_at: until.to_string(),
        wait: Span::new(until.since(at.now)),
    };
    Some(Fact::new("budget", said).with(budget.document()).until(Some(until)))
}

fn ahead(at: &Situation) -> Option<Fact> {
    let ahead = &at.ahead;
    let parts = [
        (ahead.higher, GoesFirst::OfHigherPriority { count: ahead.higher }),
        (ahead.own_batch, GoesFirst::OfOwnBatch { count: ahead.own_batch }),
        (ahead.others, GoesFirst::OfOtherBatches { count: ahead.others }),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part);
    let which = parts.reduce(|one, other| GoesFirst::AndAlso { one: Box::new(one), other: Box::new(other) })?;
    let said = match ahead.total() {
        1 => WhyFact::OneGoesFirst { which },
        count => WhyFact::GoFirst { count, which },
    };
    Some(Fact::new("ahead", said).with(json!(ahead)))
}

/// What an earlier attempt met.
fn retried(at: &Situation) -> Option<Fact> {
    let why = met(&at.failure, at.meaning.as_ref())?;
    let said = WhyFact::Retried { why, attempts: AttemptCount::from(at.attempts) };
    let values = json!({"attempts": at.attempts, "failure": parts(&at.failure, at.meaning.as_ref())});
    let mut fact = Fact::new("retried", said).with(values);
    fact.code = at.failure.code;
    fact.log_id.clone_from(&at.failure.log_id);
    Some(fact)
}

fn expected(at: &Situation) -> Option<Fact> {
    let until = at.expected_at?;
    let (done_at, wait) = (until.to_string(), Span::new(until.since(at.now)));
    let said = if at.has_worker {
        WhyFact::ExpectedDone { done_at, wait }
    } else {
        WhyFact::ExpectedIfStarted { done_at, wait }
    };
    Some(Fact::new("expected", said).with(json!({"has_worker": at.has_worker})).until(Some(until)))
}
