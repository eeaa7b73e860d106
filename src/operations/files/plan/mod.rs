//! What will happen to files of jobs: calls by quota, when they are done, and which rows repeat earlier ones.

mod budgets;
mod pace;
mod rows;
mod savings;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

pub use self::budgets::Wanted;
pub use self::pace::Need;
pub use self::rows::{How, Late, PlannedRows, Repeated};
pub use self::savings::{Saving, Savings};
use super::check::Checked;
use crate::domain::job::LaneKey;
use crate::domain::time::Timestamp;
use crate::engine::forecast::{Basis, BatchForecast, Forecast, Group, forecast};
use crate::engine::planner::Planner;
use crate::engine::ports::LedgerError;
use crate::operations::forecast::{Outset, deciding_document};
use paceline_ports::operator::{Outlook, Untouched};

/// What will happen to the files.
pub struct Plan {
    /// When it begins.
    pub now: Timestamp,
    /// Rows that are jobs.
    pub jobs: u64,
    /// Calls by quota.
    pub needs: Vec<Need>,
    /// What they take of the budgets of days and months.
    pub budgets: Vec<Wanted>,
    /// What merging rows would save.
    pub savings: Vec<Saving>,
    /// Of the files' batches alone, as `run` works them.
    pub own: Forecast,
    /// Of all that waits, if there is more.
    pub all: Option<Others>,
    /// Rows that repeat something.
    pub repeats: Vec<Repeated>,
    /// Rows that come too late already.
    pub late: Vec<Late>,
    /// Rows whose turn comes too late.
    pub expiring: Vec<Late>,
    /// In milliseconds, by method.
    pub round_trips: BTreeMap<String, u64>,
}

/// The jobs of other batches.
pub struct Others {
    /// How many there are.
    pub jobs: u64,
    /// With the files' own.
    pub forecast: Forecast,
}

impl Plan {
    /// Whether every row will be called once, or was.
    pub fn is_well(&self) -> bool {
        let all_move = self.own.jobs.total() == self.own.jobs.done;
        all_move && self.repeats.iter().all(|repeat| repeat.how == How::Known)
    }

    /// The plan as data.
    pub fn document(&self) -> Value {
        let quotas = self.needs.iter().map(|need| {
            json!({
                "method": need.key.method, "scope": need.key.scope, "owner": need.key.owner, "quota": need.quota,
                "calls": need.calls, "least_time_s": need.time.as_secs_f64(),
            })
        });
        let batches = self.own.batches.iter().map(|batch| self.batch_document(batch));
        let backlog = self.all.as_ref().map(|others| {
            json!({
                "jobs": others.jobs,
                "time_s": self.time_s(&others.forecast),
                "finish_at": others.forecast.finish,
                "adds_s": self.time_s(&others.forecast) - self.time_s(&self.own),
            })
        });
        let count = |how| self.repeats.iter().filter(|repeat| repeat.how == how).count();
        json!({
            "jobs": self.jobs,
            "calls": self.own.jobs.done,
            "expired": self.own.jobs.expired,
            "suspended": self.own.jobs.suspended,
            "quotas": quotas.collect::<Vec<_>>(),
            "savings": self.savings,
            "budgets": self.budgets.iter().map(Wanted::document).collect::<Vec<_>>(),
            "least_time_s": self.needs.first().map_or(0.0, |need| need.time.as_secs_f64()),
            "time_s": self.time_s(&self.own),
            "finish_at": self.own.finish,
            "deciding": deciding_document(self.own.deciding.as_ref()),
            "batches": batches.collect::<Vec<_>>(),
            "backlog": backlog,
            "round_trip_ms": self.round_trips,
            "late": self.late,
            "expiring": self.expiring,
            "repeats": {
                "known": count(How::Known), "id_conflicts": count(How::IdConflict),
                "duplicates": count(How::Duplicate), "rows": self.repeats,
            },
        })
    }

    fn batch_document(&self, batch: &BatchForecast) -> Value {
        json!({
            "name": &*batch.name,
            "calls": batch.jobs.done,
            "time_s": batch.finish.map(|finish| finish.since(self.now).as_secs_f64()),
            "finish_at": batch.finish,
            "deciding": deciding_document(batch.deciding.as_ref()),
        })
    }

    fn time_s(&self, forecast: &Forecast) -> f64 {
        forecast.finish.since(self.now).as_secs_f64()
    }
}

/// The planner of these lanes.
pub type PlannerOf<'a, E> = &'a dyn Fn(&mut dyn Iterator<Item = &LaneKey>) -> Result<Arc<Planner>, E>;

/// The plan of rows that were checked, beside the ledger if there is one.
///
/// # Errors
/// The ledger's, and those of the planner.
pub fn plan<E: From<LedgerError>>(
    planner_of: PlannerOf<'_, E>,
    outset: &dyn Fn(Arc<Planner>) -> Outset,
    checked: &Checked,
    (rows, ledger): (&PlannedRows<'_>, Option<&dyn Untouched>),
    now: Timestamp,
) -> Result<Plan, E> {
    let reach = planner_of(&mut checked.calls.keys())?.span_max();
    let outlook = ledger.map_or_else(|| Ok(Outlook::default()), |ledger| ledger.outlook(now - reach))?;
    let waiting = outlook.backlog.iter().map(|group| &group.lane);
    let planner = planner_of(&mut checked.calls.keys().chain(waiting))?;
    let called = outlook.called.clone();
    let mut basis = outset(Arc::clone(&planner)).basis(outlook);
    let youngest = basis.backlog.iter().map(|group| group.ages.1).max().unwrap_or_default();
    let (mut own, others): (Vec<_>, Vec<_>) =
        basis.backlog.drain(..).partition(|group| checked.batches.iter().any(|batch| **batch == *group.batch));
    let (mut own_chained, others_chained): (Vec<_>, Vec<_>) =
        basis.chained.drain(..).partition(|one| checked.batches.iter().any(|batch| **batch == *one.group.batch));
    let (new, new_chained) = rows.groups(youngest);
    own.extend(new);
    own_chained.extend(new_chained);
    let calls = calls(own.iter().chain(own_chained.iter().map(|one| &one.group)));
    let needs = pace::needs(&calls, &planner);
    let mut budgets = budgets::wanted(&planner, &called, &calls, now);
    let running = std::mem::take(&mut basis.running);
    basis.backlog.clone_from(&own);
    basis.chained.clone_from(&own_chained);
    basis.decided_at_once = checked.decided_at_once();
    let mut alone = forecast(&basis);
    let paced = alone.finish;
    alone.finish = budgets.iter_mut().map(|wanted| wanted.wait(now, paced)).fold(paced, Ord::max);
    basis.running = running;
    let jobs: u64 = others.iter().chain(others_chained.iter().map(|one| &one.group)).map(|group| group.count).sum();
    let all = (jobs > 0).then(|| {
        basis.decided_at_once.clear();
        basis.backlog = others;
        basis.backlog.extend(own);
        basis.chained = others_chained;
        basis.chained.extend(own_chained);
        Others { jobs, forecast: forecast(&basis) }
    });
    Ok(Plan {
        now,
        jobs: checked.rows - checked.bad_rows,
        needs,
        budgets,
        savings: rows.savings(),
        expiring: rows.expiring(now, &alone.expired),
        own: alone,
        all,
        repeats: rows.repeats(),
        late: rows.late(now),
        round_trips: round_trips(&basis, checked),
    })
}

fn calls<'g>(groups: impl Iterator<Item = &'g Group>) -> BTreeMap<LaneKey, u64> {
    let mut calls = BTreeMap::new();
    for group in groups {
        *calls.entry(group.lane.clone()).or_default() += group.count;
    }
    calls
}

/// In milliseconds, of the files' methods.
fn round_trips(basis: &Basis, checked: &Checked) -> BTreeMap<String, u64> {
    let of_lane = |lane: &LaneKey| (lane.method.clone(), basis.round_trip(lane).as_millis() as u64);
    checked.calls.keys().map(of_lane).collect()
}
