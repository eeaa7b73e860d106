//! How long quotas make a number of calls take at the least. The quota keys are the worker's own.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::job::LaneKey;
use crate::domain::quota::{Key, Quota, Window};
use crate::engine::quotas::Planner;

/// A quota key, and the calls of a batch that fall under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What the platform counts by.
    pub key: Key,
    /// The quota that the worker keeps: documented or overridden, and shared.
    pub quota: Quota,
    /// Calls of the batch under it.
    pub calls: u64,
    /// The time from the first to the last of them at the least.
    pub time: Duration,
}

/// What `calls` per lane need, by quota key, the longest first. Lanes that the settings and catalog do not know are left out.
pub fn needs(calls: &BTreeMap<LaneKey, u64>, planner: &Planner) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for (lane, calls) in calls {
        let Some(plan) = planner.plan(lane) else { continue };
        for (key, quota) in plan.quotas {
            match needs.iter_mut().find(|need| need.key == key) {
                Some(need) => need.calls += calls,
                None => needs.push(Need { key, quota, calls: *calls, time: Duration::ZERO }),
            }
        }
    }
    for need in &mut needs {
        need.time = least_time(need.quota.windows(), need.calls);
    }
    needs.sort_by_key(|need| std::cmp::Reverse(need.time));
    needs
}

/// The time from the first to the last of `calls`, each as early as every window allows: in `[t, t+span)` at most
/// `limit`, so call number n comes at least a span after call number n − limit.
fn least_time(windows: &[Window], calls: u64) -> Duration {
    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
    let mut sent: Vec<Duration> = Vec::new();
    for n in 0..calls {
        let earliest = |window: &Window| {
            let before = n.checked_sub(window.limit as usize).and_then(|before| sent.get(before));
            before.map(|at| *at + window.span)
        };
        let at = windows.iter().filter_map(earliest).max().unwrap_or_default();
        sent.push(at.max(sent.last().copied().unwrap_or_default()));
    }
    sent.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::{self, QuotaScope};
    use crate::wiring;

    fn seconds(quota: &str, calls: u64) -> u64 {
        let quota: Quota = quota.parse().unwrap();
        least_time(quota.windows(), calls).as_secs()
    }

    #[test]
    fn the_least_time_is_that_of_the_windows_together() {
        assert_eq!([0, 1, 20, 21, 40, 41, 200].map(|calls| seconds("20/min", calls)), [0, 0, 0, 60, 60, 120, 540]);
        assert_eq!(seconds("1000/min, 50/s", 5_000), 259);
        assert_eq!([50, 51, 1_000, 1_001].map(|calls| seconds("1000/min, 50/s", calls)), [0, 1, 19, 60]);
    }

    #[test]
    fn calls_are_summed_by_what_the_platform_counts() {
        let catalog = Arc::new(catalog::built_in().unwrap());
        let (rooms, meetings) = ("feishu.vc.room.create", "wecom.meeting.create");
        let lane =
            |app: &str, method: &str| LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() };
        let calls =
            BTreeMap::from([(lane("a", meetings), 6_000), (lane("b", meetings), 5_000), (lane("c", rooms), 41)]);
        let names = calls.keys().map(|lane| (lane.app.as_str(), lane.method.as_str()));
        let planner = Planner { apps: wiring::apps_for_rehearsal(&catalog, names), catalog, speed: 1.0 };
        let needs = needs(&calls, &planner);
        let of = |method: &str, scope| {
            let needs = needs.iter().filter(|need| need.key.method == method && need.key.scope == scope);
            needs.map(|need| need.calls).collect::<Vec<_>>()
        };
        assert_eq!(of(meetings, QuotaScope::Host), [11_000], "one host calls for both");
        assert_eq!(of(meetings, QuotaScope::App), [6_000, 5_000]);
        assert_eq!(of(rooms, QuotaScope::AppTenant), [41]);
        assert!(needs.is_sorted_by_key(|need| std::cmp::Reverse(need.time)));
        assert_eq!(needs[0].time, Duration::from_secs(120));
    }
}
