//! What `run` expects of itself, and how it turned out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::job::LaneKey;
use crate::domain::outcome::NOT_SENT;
use crate::domain::time::Timestamp;
use crate::engine::forecast::{Basis, Forecast, forecast};
use paceline_ports::operator::Reports;

use super::batch::Checked;
use super::progress::duration;
use super::rehearsal::Rehearsal;
use crate::operations::forecast::Outset;

/// A difference from the plan that is not worth explaining, as a part of it.
const AS_PLANNED: f64 = 0.01;

/// A run's forecast.
pub(super) struct Planned {
    forecast: Forecast,
    /// From the command's start to the last ending.
    length: Duration,
}

/// What is known beforehand that no ledger tells.
#[derive(Default)]
pub(super) struct Known {
    /// Of a rehearsal.
    round_trip: Option<Duration>,
    /// See [`Basis::decided_at_once`].
    decided_at_once: BTreeSet<LaneKey>,
}

impl Known {
    /// Of files, in a rehearsal or not.
    pub(super) fn of(rehearsal: Option<&Rehearsal>, checked: &Checked) -> Self {
        let round_trip = rehearsal.map(Rehearsal::round_trip);
        Self { round_trip, decided_at_once: checked.decided_at_once() }
    }
}

impl Planned {
    /// The forecast of these batches at the point where their first call could leave. `start` is the command's own.
    pub(super) fn of(
        ledger: &dyn Reports,
        outset: &Outset,
        batches: &[String],
        start: Timestamp,
        known: Known,
    ) -> anyhow::Result<Self> {
        let mut outlook = ledger.outlook_of(&|lane| outset.now - outset.planner.span_of(lane))?;
        outlook.backlog.retain(|group| batches.iter().any(|batch| **batch == *group.batch));
        outlook.chained.retain(|one| batches.iter().any(|batch| **batch == *one.group.batch));
        let mut basis = Basis { decided_at_once: known.decided_at_once, ..outset.basis(outlook) };
        if let Some(round_trip) = known.round_trip {
            let groups = basis.backlog.iter().chain(basis.chained.iter().map(|chained| &chained.group));
            basis.round_trips = groups.map(|group| (group.lane.method.clone(), round_trip)).collect();
        }
        let forecast = forecast(&basis);
        let length = forecast.finish.since(start);
        Ok(Self { forecast, length })
    }

    /// The time that a lane still takes, with so many jobs left.
    pub(super) fn left(&self, lane: &LaneKey, jobs_left: u64, now: Timestamp) -> Option<Duration> {
        let planned = self.forecast.lane(lane)?;
        Some(planned.curve.left(usize::try_from(jobs_left).unwrap_or(usize::MAX), now))
    }

    /// The planned time; `None` if there was nothing to do.
    pub(super) fn length(&self) -> Option<Duration> {
        (self.forecast.jobs.done > 0).then_some(self.length)
    }

    /// `planned 2 min 1 s, took 2 min 2 s (+0.8 %)`, and what made a difference: calls by their outcomes.
    pub(super) fn against(&self, took: Duration, is_finished: bool, outcomes: &BTreeMap<String, u64>) -> String {
        let Some(length) = self.length() else { return format!("in {}", duration(took)) };
        if !is_finished {
            return format!("planned {}, ended after {}", duration(length), duration(took));
        }
        let difference = took.as_secs_f64() / length.as_secs_f64().max(0.001) - 1.0;
        let causes = if difference.abs() < AS_PLANNED { String::new() } else { causes(outcomes) };
        format!("planned {}, took {} ({:+.1} %){causes}", duration(length), duration(took), difference * 100.0)
    }
}

/// What went otherwise than planned.
fn causes(outcomes: &BTreeMap<String, u64>) -> String {
    let words: [(&[&str], &str, &str); 5] = [
        (&["throttled"], "rate-limit rejection", "rate-limit rejections"),
        (&[NOT_SENT], "call that could not leave", "calls that could not leave"),
        (&["uncertain", "lost"], "call without a usable answer", "calls without a usable answer"),
        (&["transient", "internal"], "transient fault", "transient faults"),
        (&["access-token", "suspended"], "call refused for its credentials", "calls refused for their credentials"),
    ];
    let texts = words.iter().filter_map(|(names, one, many)| {
        match names.iter().filter_map(|name| outcomes.get(*name)).sum::<u64>() {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        }
    });
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::forecast::Jobs;

    fn planned(jobs: u64) -> Planned {
        let jobs = Jobs { done: jobs, ..Jobs::default() };
        Planned { forecast: Forecast { jobs, ..Forecast::default() }, length: Duration::from_secs(121) }
    }

    fn after(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_plan_is_compared_with_what_came_of_it() {
        let none = BTreeMap::new();
        assert_eq!(planned(60).against(after(122.0), true, &none), "planned 2 min 1 s, took 2 min 2 s (+0.8 %)");
        assert_eq!(planned(60).against(after(121.0), true, &none), "planned 2 min 1 s, took 2 min 1 s (+0.0 %)");
        assert_eq!(planned(60).against(after(30.0), false, &none), "planned 2 min 1 s, ended after 30 s");
        assert_eq!(planned(0).against(after(0.2), true, &none), "in 1 s");
    }

    #[test]
    fn what_made_the_difference_is_said() {
        let outcomes = [("throttled", 3), ("lost", 1), ("uncertain", 1), ("transient", 1), ("succeeded", 60)];
        let outcomes = outcomes.map(|(name, count)| (name.to_owned(), count)).into();
        assert_eq!(
            planned(60).against(after(181.5), true, &outcomes),
            "planned 2 min 1 s, took 3 min 1 s (+50.0 %): 3 rate-limit rejections, 2 calls without a usable answer, 1 transient fault"
        );
        assert_eq!(
            planned(60).against(after(121.5), true, &outcomes),
            "planned 2 min 1 s, took 2 min 1 s (+0.4 %)",
            "they made none"
        );
    }
}
