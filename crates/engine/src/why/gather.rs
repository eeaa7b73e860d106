//! Gathers what [`explain`](super::explain) puts into words, for one job.

use crate::budget_usage::budgets_of;
use std::time::Duration;

use super::{Situation, Standing};
use crate::forecast::Forecast;
use crate::planner::Planner;
use crate::ports::operator::{Ahead, JobSheet, Outlook, Reports};
use crate::ports::{LedgerError, State};
use crate::quota_usage::QuotaUsage;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Timestamp;

/// What a question about a job is asked against.
pub struct Asked<'a> {
    /// Quotas, apps and methods of the settings.
    pub planner: &'a Planner,
    /// The ledger's outlook, over windows of the planner's longest span.
    pub outlook: &'a Outlook,
    /// The forecast over it, if there is one.
    pub forecast: Option<&'a Forecast>,
    /// What a call without a reply counts longer than its deadline.
    pub grace: Duration,
    /// The time.
    pub now: Timestamp,
}

/// How a job stands, with everything that may hold it up.
///
/// # Errors
/// The ledger's.
pub fn gather(ledger: &dyn Reports, sheet: &JobSheet, asked: &Asked<'_>) -> Result<Situation, LedgerError> {
    let ending = &sheet.line.ending;
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let lane = LaneKey { app: name(&ending.app), tenant: ending.tenant.clone(), method: name(&ending.method) };
    let failure = ending.failure.clone();
    let plan = asked.planner.plan(&lane);
    let usage = QuotaUsage::of(asked.planner, &asked.outlook.past, asked.grace, asked.now);
    let quotas = plan.iter().flat_map(|plan| &plan.quotas);
    let windows = quotas.flat_map(|(key, quota)| usage.windows(key, quota)).collect();
    let rule = plan.as_ref().zip(failure.code).and_then(|(plan, code)| {
        plan.method.errors.get(&code).or_else(|| plan.app.platform.errors.get(&code)).cloned()
    });
    let look_up = plan.as_ref().and_then(|plan| {
        let look_up = plan.method.creation.look_up()?;
        Some(LaneKey { method: look_up.method.clone(), ..lane.clone() })
    });
    let standing = standing(ending.state, sheet.line.running);
    let ahead = if standing == Standing::Queued { ledger.ahead(sheet, asked.now)? } else { Ahead::default() };
    let expected_at = if matches!(standing, Standing::Queued | Standing::Running) {
        expected(asked.forecast, &lane, &ahead).map(|at| at.max(sheet.line.not_before.unwrap_or(at)))
    } else {
        None
    };
    let in_force = |until: Option<Timestamp>| until.is_none_or(|until| until > asked.now);
    Ok(Situation {
        now: asked.now,
        standing,
        lane: lane.clone(),
        priority: sheet.line.priority,
        not_before: sheet.line.not_before,
        not_after: sheet.line.not_after,
        attempts: ending.attempts,
        created_at: sheet.line.created_at,
        ended_at: ending.ended_at,
        sent_at: sheet.history.iter().rev().find(|attempt| attempt.ended_at.is_none()).map(|attempt| attempt.sent_at),
        key: ending.key.clone(),
        warnings: ending.warnings(),
        reason: ending.reason,
        failure,
        meaning: rule.map(|rule| rule.meaning()),
        was_looked_up: sheet.history.last().is_some_and(|attempt| attempt.purpose == "look-up"),
        is_known: plan.is_some(),
        look_up,
        has_worker: ledger.worker()?.is_some(),
        windows,
        budgets: budgets_of(asked.planner, &asked.outlook.called, std::iter::once(&lane), asked.now),
        ahead,
        awaited: ledger.awaited(sheet.line.seq)?,
        suspensions: asked.outlook.suspensions.iter().filter(|it| in_force(it.until)).cloned().collect(),
        restraints: asked.outlook.restraints.clone(),
        expected_at,
    })
}

const fn standing(state: State, running: bool) -> Standing {
    match state {
        _ if running => Standing::Running,
        State::Blocked => Standing::Blocked,
        State::Queued => Standing::Queued,
        State::Uncertain => Standing::Uncertain,
        State::Held => Standing::Held,
        State::Dead => Standing::Dead,
        State::Cancelled => Standing::Cancelled,
        State::Succeeded => Standing::Succeeded,
    }
}

/// When as many jobs of the lane are done as go first, and one more.
fn expected(forecast: Option<&Forecast>, lane: &LaneKey, ahead: &Ahead) -> Option<Timestamp> {
    let lane = forecast?.lane(lane)?;
    lane.finish?;
    let nth = usize::try_from(ahead.total()).unwrap_or(usize::MAX).saturating_add(1);
    Some(lane.curve.instant_of(nth))
}
