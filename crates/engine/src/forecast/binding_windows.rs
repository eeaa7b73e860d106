//! Which windows can make calls wait at all, and how far back a call therefore matters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::planner::LanePlan;
use paceline_domain::quota::{Key, Quota, Window};
use paceline_domain::time::micros;

/// Rounds of up to so many times a window's limit are looked for: that many batches may take turns.
const TURNS_MAX: usize = 8;

/// What a lane puts on its quotas.
pub(super) struct Load {
    pub plan: Arc<LanePlan>,
    pub jobs: u64,
    pub past: u64,
    pub round_trip: Duration,
}

/// What follows from the windows.
pub(super) struct Bounds {
    /// Numbers of calls after which the state may repeat itself.
    pub rounds: Vec<usize>,
    /// Calls further back do not matter.
    pub memory: Duration,
    /// The time cells of the windows, in microseconds: a round has to be a multiple of each.
    pub cells: Vec<i64>,
}

/// The bounds of these loads. `kinds` is the number of kinds of jobs that may take turns.
pub(super) fn of(loads: &[Load], kinds: usize) -> Bounds {
    let mut under: HashMap<&Key, (&Quota, Vec<&Load>)> = HashMap::new();
    for load in loads {
        for (key, quota) in &load.plan.quotas {
            under.entry(key).or_insert((quota, Vec::new())).1.push(load);
        }
    }
    let jobs: u64 = loads.iter().map(|load| load.jobs).sum();
    let mut bounds = Bounds { rounds: Vec::new(), memory: Duration::from_secs(1), cells: Vec::new() };
    for (quota, loads) in under.values() {
        for window in quota.windows().iter().filter(|window| can_bind(**window, loads)) {
            let reach = window.span + slack(*window, loads);
            bounds.memory = bounds.memory.max(reach);
            bounds.cells.push(window.cell());
            let turns = (1..=kinds.clamp(1, TURNS_MAX)).map(|turn| turn * window.limit as usize);
            // A round that comes less than three times is not worth looking for.
            bounds.rounds.extend(turns.filter(|round| *round as u64 <= jobs / 3));
        }
    }
    bounds
}

/// From a call's start to the return of its permit, beside the window.
fn slack(window: Window, loads: &[&Load]) -> Duration {
    let round_trip = loads.iter().map(|load| load.round_trip).max().unwrap_or_default();
    round_trip + Duration::from_micros(window.cell().unsigned_abs() + 1)
}

/// Whether calls could ever fill the window: if all of them do not, or if their other windows do not let so many through.
fn can_bind(window: Window, loads: &[&Load]) -> bool {
    let reach = window.span + slack(window, loads);
    let most = |load: &&Load| {
        let windows = load.plan.quotas.iter().flat_map(|(_, quota)| quota.windows()).filter(|other| **other != window);
        let most = windows.map(|other| (micros(reach) / micros(other.span).max(1) + 1) as u64 * u64::from(other.limit));
        load.past + most.min().unwrap_or(u64::MAX).min(load.jobs)
    };
    loads.iter().map(most).fold(0, u64::saturating_add) > u64::from(window.limit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::App;
    use paceline_domain::catalog::{QuotaScope, built_in};

    /// The rounds and the memory in seconds of one lane under this quota.
    fn bounds(quota: &str, jobs: u64, past: u64) -> (Vec<usize>, u64) {
        let catalog = built_in().unwrap();
        let method = &catalog.methods["feishu.vc.room.create"];
        let app = App::plain("acme", "1", Arc::clone(&catalog.platforms["feishu"]), BTreeMap::new());
        let key = Key { scope: QuotaScope::App, owner: "1".to_owned(), method: method.name.clone() };
        let plan = LanePlan {
            app: Arc::new(app),
            method: Arc::clone(method),
            quotas: vec![(key, quota.parse().unwrap())],
            budgets: Vec::new(),
        };
        let load = Load { plan: Arc::new(plan), jobs, past, round_trip: Duration::from_millis(100) };
        let mut bounds = of(&[load], 1);
        bounds.rounds.sort_unstable();
        (bounds.rounds, bounds.memory.as_secs())
    }

    #[test]
    fn windows_that_cannot_be_filled_do_not_count() {
        assert_eq!(bounds("20/min", 20, 0), (vec![], 1));
        assert_eq!(bounds("20/min", 20, 1), (vec![], 60));
        assert_eq!(bounds("20/min", 60, 0), (vec![20], 60));
        assert_eq!(bounds("20/min, 10000/day", 10_000, 0), (vec![20], 60));
        assert_eq!(bounds("20/min, 10000/day", 10_001, 0), (vec![20], 86_486));
        assert_eq!(bounds("20/min, 10000/day", 30_000, 0), (vec![20, 10_000], 86_486));
        assert_eq!(bounds("20/min, 100000/day", 1_000_000, 0), (vec![20], 60), "20 a minute are 28,800 a day");
    }
}
