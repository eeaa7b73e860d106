//! Gathers what [`paceline_engine::why::explain`] puts into words, for one job.

use std::str::FromStr as _;
use std::time::Duration;

use rusqlite::params;
use serde_json::Value;

use super::batches::number;
use super::{JobSheet, Operator, Outlook};
use paceline_domain::catalog::Creation;
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;
use paceline_engine::forecast::Forecast;
use paceline_engine::planner::Planner;
use paceline_engine::quota_usage::QuotaUsage;
use paceline_engine::why::{Ahead, Situation, Standing};
use paceline_ports::LedgerError;

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

impl Operator {
    /// How a job stands, with everything that may hold it up.
    pub fn situation(&self, sheet: &JobSheet, asked: &Asked<'_>) -> Result<Situation, LedgerError> {
        let text = |field: &str| sheet.line.document[field].as_str().map(str::to_owned);
        let name = |field: &str| text(field).unwrap_or_default();
        let lane = LaneKey { app: name("app"), tenant: name("tenant"), method: name("method") };
        let document = &sheet.line.document;
        let failure = Failure {
            status: None,
            code: document["code"].as_i64(),
            detail: name("detail"),
            cure: text("cure"),
            log_id: text("log_id"),
            candidates: Vec::new(),
        };
        let plan = asked.planner.plan(&lane);
        let usage = QuotaUsage::of(asked.planner, &asked.outlook.past, asked.grace, asked.now);
        let quotas = plan.iter().flat_map(|plan| &plan.quotas);
        let windows = quotas.flat_map(|(key, quota)| usage.windows(key, quota)).collect();
        let rule = plan.as_ref().zip(failure.code).and_then(|(plan, code)| {
            plan.method.errors.get(&code).or_else(|| plan.app.platform.errors.get(&code)).cloned()
        });
        let look_up = plan.as_ref().and_then(|plan| match &plan.method.creation {
            Creation::LookUp(look_up) => Some(LaneKey { method: look_up.method.clone(), ..lane.clone() }),
            Creation::Natural | Creation::None => None,
        });
        let standing = standing(&name("status"), sheet.line.running);
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
            attempts: document["attempts"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            created_at: sheet.line.created_at,
            ended_at: text("finished_at").and_then(|at| Timestamp::parse(&at).ok()),
            sent_at: sheet
                .history
                .iter()
                .rev()
                .find(|attempt| attempt.ended_at.is_none())
                .map(|attempt| attempt.sent_at),
            key: text("key"),
            warnings: Warning::of_document(document),
            reason: text("reason").and_then(|reason| Reason::from_str(&reason).ok()),
            failure,
            meaning: rule.map(|rule| rule.message),
            was_looked_up: sheet.history.last().is_some_and(|attempt| attempt.purpose == "look-up"),
            is_known: plan.is_some(),
            look_up,
            worker: self.worker()?,
            windows,
            ahead,
            suspensions: asked.outlook.suspensions.iter().filter(|it| in_force(it.until)).cloned().collect(),
            restraints: asked.outlook.restraints.clone(),
            expected_at,
        })
    }

    /// Jobs of its lane that may go now and go before it. Batches of one priority take turns, one job each, so of another
    /// batch no more go first than of its own.
    fn ahead(&self, sheet: &JobSheet, now: Timestamp) -> Result<Ahead, LedgerError> {
        let deadline = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| at.0);
        self.read(|conn| {
            conn.prepare_cached(
                "WITH me AS (SELECT seq, lane, batch FROM jobs WHERE seq = ?1),
                  others AS (SELECT j.batch, j.priority,
                         j.batch = (SELECT batch FROM me) AND (coalesce(j.not_after, ?5), j.seq) < (?3, ?1) AS mine_first
                     FROM jobs j INDEXED BY jobs_waiting
                     WHERE j.state <= 1 AND j.state = 0 AND j.lane = (SELECT lane FROM me) AND j.seq <> ?1
                         AND (j.not_before IS NULL OR j.not_before <= ?4) AND j.priority >= ?2),
                  own AS (SELECT count(*) AS n FROM others WHERE priority = ?2 AND mine_first)
                 SELECT (SELECT count(*) FROM others WHERE priority > ?2), (SELECT n FROM own),
                     (SELECT coalesce(sum(min(n, (SELECT n FROM own) + 1)), 0) FROM (
                         SELECT count(*) AS n FROM others
                         WHERE priority = ?2 AND batch <> (SELECT batch FROM me) GROUP BY batch))",
            )?
            .query_row(
                params![sheet.line.seq, sheet.line.priority, deadline(sheet.line.not_after), now.0, i64::MAX],
                |row| Ok(Ahead { higher: number(row, 0)?, own_batch: number(row, 1)?, others: number(row, 2)? }),
            )
        })
    }

    /// Why an input with this id never became a job: reason and detail of the newest such input.
    pub fn rejection_of(&self, id: &str) -> Result<Option<(i64, Value)>, LedgerError> {
        self.read(|conn| {
            let mut found = conn
                .prepare_cached("SELECT seq, reason, detail FROM rejected WHERE id = ?1 ORDER BY seq DESC LIMIT 1")?;
            let mut rows = found.query([id])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let (reason, detail): (String, String) = (row.get(1)?, row.get(2)?);
            Ok(Some((row.get(0)?, serde_json::json!({"reason": reason, "detail": detail}))))
        })
    }
}

fn standing(status: &str, running: bool) -> Standing {
    match status {
        _ if running => Standing::Running,
        "uncertain" => Standing::Uncertain,
        "held" => Standing::Held,
        "dead" => Standing::Dead,
        "cancelled" => Standing::Cancelled,
        "succeeded" => Standing::Succeeded,
        _ => Standing::Queued,
    }
}

/// When as many jobs of the lane are done as go first, and one more.
fn expected(forecast: Option<&Forecast>, lane: &LaneKey, ahead: &Ahead) -> Option<Timestamp> {
    let lane = forecast?.lane(lane)?;
    lane.finish?;
    let nth = usize::try_from(ahead.total()).unwrap_or(usize::MAX).saturating_add(1);
    Some(lane.curve.instant_of(nth))
}
