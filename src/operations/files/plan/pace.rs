//! How long quotas make a number of calls take at the least. The quota keys are the worker's own.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::job::LaneKey;
use crate::domain::quota::{Key, Quota};
use crate::engine::planner::Planner;

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
pub(super) fn needs(calls: &BTreeMap<LaneKey, u64>, planner: &Planner) -> Vec<Need> {
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
        need.time = need.quota.least_time(need.calls);
    }
    needs.sort_by_key(|need| std::cmp::Reverse(need.time));
    needs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::catalog::{self, QuotaScope};
    use crate::wiring;

    #[test]
    fn calls_are_summed_by_what_the_platform_counts() {
        let catalog = Arc::new(catalog::built_in().unwrap());
        let (rooms, meetings) = ("feishu.vc.room.create", "wecom.meeting.create");
        let lane =
            |app: &str, method: &str| LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() };
        let calls =
            BTreeMap::from([(lane("a", meetings), 6_000), (lane("b", meetings), 5_000), (lane("c", rooms), 41)]);
        let names = calls.keys().map(|lane| (lane.app.as_str(), lane.method.as_str()));
        let apps = wiring::apps_for_rehearsal(&catalog, names);
        let planner = Planner::new(catalog, apps, 1.0);
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
