//! Which quotas a call falls under: the catalog's, as the settings change them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::app::{App, Apps};
use crate::domain::catalog::{Catalog, Kind, Method, MethodQuota, QuotaScope};
use crate::domain::job::LaneKey;
use crate::domain::quota::{Key, Quota, Window};

/// Knows apps and methods, and answers what a lane needs.
pub struct Planner {
    /// The methods.
    pub catalog: Arc<Catalog>,
    /// The apps.
    pub apps: Apps,
    /// All windows are this much shorter, for rehearsals; 1 in real life.
    pub speed: f64,
}

/// What a lane needs to know.
#[derive(Clone)]
pub struct LanePlan {
    /// The app.
    pub app: Arc<App>,
    /// The method.
    pub method: Arc<Method>,
    /// Quota keys and quotas, the method's main one first.
    pub quotas: Vec<(Key, Quota)>,
}

impl Planner {
    /// The plan of a lane, or `None` if the app or method has gone from the settings or the catalog.
    pub fn plan(&self, lane: &LaneKey) -> Option<LanePlan> {
        let app = self.apps.get(&lane.app)?;
        let method = self.catalog.method(&lane.method)?;
        let quotas = (0..method.quotas.len())
            .map(|index| {
                let key = key_of(app, &lane.tenant, method, &method.quotas[index]);
                let quota = self.strictest(&key, &lane.tenant, method, index);
                (key, quota)
            })
            .collect();
        Some(LanePlan { app: Arc::clone(app), method: Arc::clone(method), quotas })
    }

    /// The longest window that any call of these apps can fall under.
    pub fn span_max(&self) -> Duration {
        let catalog =
            self.catalog.methods.values().flat_map(|method| &method.quotas).map(|quota| quota.quota.span_max());
        let settings = self.apps.values().flat_map(|app| app.quotas.values()).map(Quota::span_max);
        catalog.chain(settings).max().unwrap_or_default()
    }

    /// Apps that share a key share its permits: the strictest of their settings holds.
    fn strictest(&self, key: &Key, tenant: &str, method: &Method, index: usize) -> Quota {
        let mut windows: BTreeMap<Duration, u32> = BTreeMap::new();
        for app in self.apps.values().filter(|app| app.platform.family == method.family) {
            if key_of(app, tenant, method, &method.quotas[index]) != *key {
                continue;
            }
            for window in quota_of(app, method, index).share(app.share).windows() {
                let limit = windows.entry(window.span).or_insert(window.limit);
                *limit = window.limit.min(*limit);
            }
        }
        let quota = Quota::of(windows.into_iter().map(|(span, limit)| Window { limit, span }));
        if self.speed > 1.0 { quota.sped_up(self.speed) } else { quota }
    }
}

fn quota_of(app: &App, method: &Method, index: usize) -> Quota {
    let documented = &method.quotas[index];
    let named = (method.name.clone(), Some(documented.scope));
    let main = (method.name.clone(), None);
    app.quotas.get(&named).or_else(|| app.quotas.get(&main).filter(|_| index == 0)).unwrap_or(&documented.quota).clone()
}

fn key_of(app: &App, tenant: &str, method: &Method, quota: &MethodQuota) -> Key {
    let owner = match quota.scope {
        QuotaScope::AppTenant if !tenant.is_empty() => format!("{}/{tenant}", app.id),
        // A WeCom app is known by its secret alone, so its name in the settings stands for it.
        QuotaScope::App if app.platform.family == "wecom" => app.name.clone(),
        QuotaScope::AppTenant | QuotaScope::Corp | QuotaScope::App => app.id.clone(),
        QuotaScope::Host => app.base_url.clone(),
    };
    Key { scope: quota.scope, owner, method: method.name.clone() }
}

impl LanePlan {
    /// Whether this is the worker's own fetching of access tokens.
    pub fn is_token(&self) -> bool {
        self.method.kind == Kind::Token
    }
}
