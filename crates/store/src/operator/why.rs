//! Gathers what [`paceline_engine::why::explain`] puts into words, for one job.

use std::time::Duration;

use super::batches::number;
use super::{JobSheet, Operator, Outlook};
use crate::driver::values;
use crate::facts;
use crate::sqlite::chains;
use crate::state::State;
use paceline_domain::job::LaneKey;
use paceline_domain::messages::Cause;
use paceline_domain::time::Timestamp;
use paceline_engine::forecast::Forecast;
use paceline_engine::planner::Planner;
use paceline_engine::quota_usage::QuotaUsage;
use paceline_engine::why::{Ahead, Awaited, Situation, Standing};
use paceline_ports::{JobSeq, LedgerError};

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

/// An input that never became a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number, as in `#12`.
    pub number: i64,
    /// Why.
    pub reason: String,
    /// What was wrong with it.
    pub detail: Cause,
}

/// Jobs that go before one: of a higher priority, of its own batch, and of others.
pub(super) const AHEAD: &str = "WITH me AS (SELECT seq, lane, batch FROM jobs WHERE seq = $1),
      others AS (SELECT j.batch, j.priority,
             j.batch = (SELECT batch FROM me) AND (coalesce(j.not_after, $5), j.seq) < ($3, $1) AS mine_first
         FROM jobs j
         WHERE j.state <= 1 AND j.state = 0 AND j.lane = (SELECT lane FROM me) AND j.seq <> $1
             AND (j.not_before IS NULL OR j.not_before <= $4) AND j.priority >= $2),
      own AS (SELECT count(*) AS n FROM others WHERE priority = $2 AND mine_first)
     SELECT (SELECT count(*) FROM others WHERE priority > $2), (SELECT n FROM own),
         (SELECT CAST(coalesce(sum(CASE WHEN n <= (SELECT n FROM own) THEN n ELSE (SELECT n FROM own) + 1 END), 0)
                 AS BIGINT)
          FROM (SELECT count(*) AS n FROM others
                WHERE priority = $2 AND batch <> (SELECT batch FROM me) GROUP BY batch) AS of_batches)";

impl Operator {
    /// How a job stands, with everything that may hold it up.
    pub fn situation(&self, sheet: &JobSheet, asked: &Asked<'_>) -> Result<Situation, LedgerError> {
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
        let ahead = if standing == Standing::Queued { self.ahead(sheet, asked.now)? } else { Ahead::default() };
        let expected_at = if matches!(standing, Standing::Queued | Standing::Running) {
            expected(asked.forecast, &lane, &ahead).map(|at| at.max(sheet.line.not_before.unwrap_or(at)))
        } else {
            None
        };
        let in_force = |until: Option<Timestamp>| until.is_none_or(|until| until > asked.now);
        Ok(Situation {
            now: asked.now,
            standing,
            lane,
            priority: sheet.line.priority,
            not_before: sheet.line.not_before,
            not_after: sheet.line.not_after,
            attempts: ending.attempts,
            created_at: sheet.line.created_at,
            ended_at: ending.ended_at,
            sent_at: sheet
                .history
                .iter()
                .rev()
                .find(|attempt| attempt.ended_at.is_none())
                .map(|attempt| attempt.sent_at),
            key: ending.key.clone(),
            warnings: ending.warnings(),
            reason: ending.reason,
            failure,
            meaning: rule.map(|rule| rule.meaning()),
            was_looked_up: sheet.history.last().is_some_and(|attempt| attempt.purpose == "look-up"),
            is_known: plan.is_some(),
            look_up,
            worker: self.worker()?,
            windows,
            ahead,
            awaited: self.awaited(sheet.line.seq)?,
            suspensions: asked.outlook.suspensions.iter().filter(|it| in_force(it.until)).cloned().collect(),
            restraints: asked.outlook.restraints.clone(),
            expected_at,
        })
    }

    /// Jobs of its lane that may go now and go before it. Batches of one priority take turns, one job each, so of another
    /// batch no more go first than of its own.
    pub(crate) fn ahead(&self, sheet: &JobSheet, now: Timestamp) -> Result<Ahead, LedgerError> {
        let deadline = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| at.0);
        let (seq, priority, not_after) = (sheet.line.seq, sheet.line.priority, deadline(sheet.line.not_after));
        self.read(|conn| {
            conn.query_one(AHEAD, values![seq, priority, not_after, now, i64::MAX], |row| {
                Ok(Ahead { higher: number(row, 0)?, own_batch: number(row, 1)?, others: number(row, 2)? })
            })
        })
    }

    /// The jobs that a blocked one waits for.
    fn awaited(&self, seq: i64) -> Result<Vec<Awaited>, LedgerError> {
        let awaited = |(id, state): (String, Option<i64>)| Awaited {
            id,
            state: state.and_then(State::of_number).map(State::as_str),
        };
        let found = chains::awaited(self.books.conn(), JobSeq(seq))?;
        Ok(found.into_iter().map(awaited).collect())
    }

    /// Why an input with this id never became a job: reason and detail of the newest such input.
    pub fn rejection_of(&self, id: &str) -> Result<Option<Rejected>, LedgerError> {
        let newest = "SELECT seq, reason, detail FROM rejected WHERE id = $1 ORDER BY seq DESC LIMIT 1";
        self.read(|conn| {
            conn.query_opt(newest, values![id], |row| {
                Ok(Rejected { number: row.get(0)?, reason: row.get(1)?, detail: facts::cause_of(row.get(2)?) })
            })
        })
    }
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
