//! How long quotas make a number of calls take at the least. Pure arithmetic over the quotas' text.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::catalog::{Catalog, Method, QuotaScope};
use crate::domain::job::LaneKey;
use crate::domain::quota::{Quota, Window};
use crate::settings::{App, Credentials};

/// What the platform counts a quota by, and the calls that fall under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The method.
    pub method: String,
    /// What it is counted by.
    pub scope: QuotaScope,
    /// Whose count it is: app and tenant, corp, app or host.
    pub owner: String,
    /// The quota that the worker keeps: documented or overridden, and shared.
    pub quota: Quota,
    /// Calls of the batch under it.
    pub calls: u64,
    /// The time from the first to the last of them at the least.
    pub time: Duration,
}

/// What a batch needs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By quota key, the longest first.
    pub needs: Vec<Need>,
    /// The whole batch's time at the least: every lane under all its quotas at once.
    pub time: Duration,
}

/// The quotas that the worker keeps for a method of an app; without settings, the documented ones.
pub fn effective(app: Option<&App>, method: &Method) -> Vec<(QuotaScope, Quota)> {
    let quotas = method.quotas.iter().enumerate().map(|(index, documented)| {
        let overridden = app.and_then(|app| {
            let is_it = |scope: Option<QuotaScope>| scope.map_or(index == 0, |scope| scope == documented.scope);
            app.quotas.iter().find(|quota| quota.is_for(&method.name) && is_it(quota.scope))
        });
        let quota = overridden.map_or(&documented.quota, |quota| &quota.quota);
        (documented.scope, app.map_or_else(|| quota.clone(), |app| quota.share(app.share)))
    });
    quotas.collect()
}

/// What `calls` per lane need. Lanes of unknown methods are left out: no such job is valid.
pub fn plan(calls: &BTreeMap<LaneKey, u64>, catalog: &Catalog, apps: &BTreeMap<String, App>) -> Plan {
    let mut needs: Vec<Need> = Vec::new();
    let mut time = Duration::ZERO;
    for (lane, calls) in calls {
        let Some(method) = catalog.job_method(&lane.method) else { continue };
        let app = apps.get(&lane.app);
        let quotas = effective(app, method);
        let windows: Vec<_> = quotas.iter().flat_map(|(_, quota)| quota.windows()).copied().collect();
        time = time.max(least_time(&windows, *calls));
        for (scope, quota) in quotas {
            let owner = owner(scope, lane, app);
            let is_same = |need: &&mut Need| (&need.method, need.scope, &need.owner) == (&lane.method, scope, &owner);
            match needs.iter_mut().find(is_same) {
                Some(need) => need.calls += calls,
                None => needs.push(Need {
                    method: lane.method.clone(),
                    scope,
                    owner,
                    quota,
                    calls: *calls,
                    time: Duration::ZERO,
                }),
            }
        }
    }
    for need in &mut needs {
        need.time = least_time(need.quota.windows(), need.calls);
    }
    needs.sort_by_key(|need| std::cmp::Reverse(need.time));
    let longest = needs.first().map_or(Duration::ZERO, |need| need.time);
    Plan { needs, time: time.max(longest) }
}

/// Whose count a lane's calls fall under.
pub fn owner(scope: QuotaScope, lane: &LaneKey, app: Option<&App>) -> String {
    match scope {
        QuotaScope::AppTenant if lane.tenant.is_empty() => lane.app.clone(),
        QuotaScope::AppTenant => format!("{}/{}", lane.app, lane.tenant),
        QuotaScope::Corp => match app.map(|app| &app.credentials) {
            Some(Credentials::Corp { id, .. }) => id.clone(),
            Some(Credentials::App { .. }) | None => lane.app.clone(),
        },
        QuotaScope::App => lane.app.clone(),
        QuotaScope::Host => "this host".to_owned(),
    }
}

/// The time from the first to the last of `calls`, each as early as every window allows: in `[t, t+span)` at most
/// `limit`, so call number n comes at least a span after call number n − limit.
fn least_time(windows: &[Window], calls: u64) -> Duration {
    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
    let mut sent: Vec<Duration> = Vec::new();
    for n in 0..calls {
        let earliest = |window: &Window| {
            n.checked_sub(window.limit as usize).and_then(|before| sent.get(before)).map(|at| *at + window.span)
        };
        let at = windows.iter().filter_map(earliest).max().unwrap_or_default();
        sent.push(at.max(sent.last().copied().unwrap_or_default()));
    }
    sent.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog;

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

    fn lane(app: &str, method: &str) -> LaneKey {
        LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() }
    }

    #[test]
    fn calls_are_summed_by_what_the_platform_counts() {
        let catalog = catalog::built_in().unwrap();
        let meetings = "wecom.meeting.create";
        let calls = BTreeMap::from([
            (lane("a", meetings), 6_000),
            (lane("b", meetings), 5_000),
            (lane("a", "feishu.vc.room.create"), 41),
        ]);
        let plan = plan(&calls, &catalog, &BTreeMap::new());
        let rooms = plan.needs.iter().find(|need| need.method == "feishu.vc.room.create").unwrap();
        assert_eq!((rooms.calls, rooms.time), (41, Duration::from_secs(120)));
        let of = |scope| {
            plan.needs.iter().filter(move |need| need.method == meetings && need.scope == scope).map(|need| need.calls)
        };
        assert_eq!(of(QuotaScope::Host).collect::<Vec<_>>(), [11_000], "one host calls for both");
        assert_eq!(of(QuotaScope::App).collect::<Vec<_>>(), [6_000, 5_000]);
        assert!(plan.needs.is_sorted_by_key(|need| std::cmp::Reverse(need.time)));
        assert_eq!(plan.time, Duration::from_secs(120));
    }

    #[test]
    fn settings_raise_and_share_quotas() {
        let catalog = catalog::built_in().unwrap();
        let text = "[apps.a]\nplatform = \"feishu\"\napp_id = \"x\"\napp_secret = { env = \"X\" }\nshare = 0.5\n\
                    quotas.\"feishu.vc.room.create\" = \"100/min\"\nquotas.\"wecom.meeting.create@host\" = \"8/s\"\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(&file, text).unwrap();
        let settings = crate::settings::load_without_secrets(Some(&file), std::iter::empty()).unwrap();
        let app = settings.apps.get("a");
        let texts = |method: &str| {
            effective(app, &catalog.methods[method])
                .into_iter()
                .map(|(scope, quota)| format!("{scope} {quota}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts("feishu.vc.room.create"), ["app-tenant 50/min"]);
        assert!(texts("wecom.meeting.create").contains(&"host 4/s".to_owned()));
        assert!(
            texts("wecom.meeting.create").iter().any(|text| text.starts_with("corp ") && text.contains("5000/min"))
        );
    }
}
