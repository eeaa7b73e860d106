//! Which quotas a call falls under: the catalog's, as the settings change them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::app::{App, Apps, Quotas};
use paceline_domain::budget::{BudgetKey, Period};
use paceline_domain::catalog::{Catalog, ErrorRule, Kind, Method, MethodQuota, QuotaScope};
use paceline_domain::job::LaneKey;
use paceline_domain::outcome::Failure;
use paceline_domain::quota::{Key, Quota, Window};

/// Knows apps and methods, and answers what a lane needs.
#[derive(Clone)]
pub struct Planner {
    /// The methods.
    pub catalog: Arc<Catalog>,
    /// The apps.
    pub apps: Apps,
    /// All windows are this much shorter, for rehearsals; 1 in real life.
    pub speed: f64,
    /// Made when it is needed first: `apps` does not change afterwards.
    alike: OnceLock<Alike>,
}

/// The names of apps that may be counted together: asked of every lane, and there may be ten thousand of both.
#[derive(Clone, Default)]
struct Alike {
    by_id: HashMap<String, Vec<String>>,
    by_address: HashMap<String, Vec<String>>,
}

/// What a lane needs to know.
#[derive(Clone)]
pub struct LanePlan {
    /// The app.
    pub app: Arc<App>,
    /// The method, as the app's settings have it.
    pub method: Arc<Method>,
    /// Quota keys and quotas, the method's main one first.
    pub quotas: Vec<(Key, Quota)>,
    /// What may be called in a calendar day or month.
    pub budgets: Vec<(BudgetKey, u64)>,
}

impl Planner {
    /// Of these apps, with windows so many times shorter than in real life.
    pub const fn new(catalog: Arc<Catalog>, apps: Apps, speed: f64) -> Self {
        Self { catalog, apps, speed, alike: OnceLock::new() }
    }

    /// The apps that may be counted together with this one, itself among them.
    fn beside(&self, app: &App, scope: QuotaScope) -> impl Iterator<Item = &Arc<App>> {
        let Alike { by_id, by_address } = self.alike();
        let names = if scope == QuotaScope::Host { by_address.get(&app.base_url) } else { by_id.get(&app.id) };
        names.into_iter().flatten().filter_map(|name| self.apps.get(name))
    }

    fn alike(&self) -> &Alike {
        self.alike.get_or_init(|| {
            let mut alike = Alike::default();
            for (name, app) in &self.apps {
                alike.by_id.entry(app.id.clone()).or_default().push(name.clone());
                alike.by_address.entry(app.base_url.clone()).or_default().push(name.clone());
            }
            alike
        })
    }

    /// The plan of a lane, or `None` if the app or method has gone from the settings or the catalog, or the app has gone
    /// to another platform's family.
    pub fn plan(&self, lane: &LaneKey) -> Option<LanePlan> {
        let app = self.apps.get(&lane.app)?;
        let method = app.methods.get(&lane.method).or_else(|| self.catalog.method(&lane.method));
        let method = method.filter(|method| method.family == app.platform.family)?;
        let quotas = (0..method.quotas.len())
            .map(|index| {
                let key = key_of(app, &lane.tenant, method, &method.quotas[index]);
                let quota = self.strictest(app, &key, &lane.tenant, method, index);
                (key, quota)
            })
            .collect();
        let budgets = self.budgets(app, &lane.tenant, method);
        Some(LanePlan { app: Arc::clone(app), method: Arc::clone(method), quotas, budgets })
    }

    /// The budgets that calls of a method fall under: its own, and that of the month for all that an app calls. Apps with
    /// one id share it, as the strictest of them has it.
    fn budgets(&self, app: &App, tenant: &str, method: &Method) -> Vec<(BudgetKey, u64)> {
        if method.kind == Kind::Token {
            return Vec::new();
        }
        let own = method.budgets.iter().map(|of| {
            let owner = owner_of(app, tenant, of.scope);
            (BudgetKey { owner, method: method.counted_name().to_owned(), period: of.budget.period }, of.budget.calls)
        });
        let same = self.beside(app, QuotaScope::App).filter(|other| other.platform.name == app.platform.name);
        let of_month = same
            .filter_map(|other| other.month_calls)
            .min()
            .map(|calls| (BudgetKey { owner: app.id.clone(), method: String::new(), period: Period::Month }, calls));
        own.chain(of_month).collect()
    }

    /// The longest window that calls of this lane fall under; none if its app or method is unknown.
    pub fn span_of(&self, lane: &LaneKey) -> Duration {
        let plan = self.plan(lane);
        let spans = plan.iter().flat_map(|plan| &plan.quotas).map(|(_, quota)| quota.span_max());
        spans.max().unwrap_or_default()
    }

    /// The longest window that any call of these apps can fall under.
    pub fn span_max(&self) -> Duration {
        let catalog =
            self.catalog.methods.values().flat_map(|method| &method.quotas).map(|quota| quota.quota.span_max());
        let own = |app: &Arc<App>| {
            app.tenants.values().chain([&app.quotas]).flat_map(Quotas::values).map(Quota::span_max).max()
        };
        let settings = self.apps.values().filter_map(own);
        catalog.chain(settings).max().unwrap_or_default()
    }

    /// The longest window that counts by address.
    pub(crate) fn span_of_addresses(&self) -> Duration {
        let by_address = |method: &&Arc<Method>| method.quotas.iter().any(|quota| quota.scope == QuotaScope::Host);
        let methods: Vec<_> = self.catalog.methods.values().filter(by_address).collect();
        let span = |app: &App, method: &Method| {
            let of_address = (0..method.quotas.len()).filter(|index| method.quotas[*index].scope == QuotaScope::Host);
            of_address.map(|index| quota_of(app, "", method, index).span_max()).max()
        };
        let spans = self.all_apps().flat_map(|app| {
            let own = methods.iter().filter(|method| method.family == app.platform.family);
            own.filter_map(move |method| span(app, method))
        });
        spans.max().unwrap_or_default()
    }

    /// Its apps, by name.
    pub(crate) fn all_apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values().map(|app| &**app)
    }

    /// Apps that share a key share its permits: the strictest of their settings holds.
    fn strictest(&self, app: &App, key: &Key, tenant: &str, method: &Method, index: usize) -> Quota {
        let mut windows: BTreeMap<Duration, u32> = BTreeMap::new();
        for app in self.beside(app, key.scope).filter(|app| app.platform.family == method.family) {
            if key_of(app, tenant, method, &method.quotas[index]) == *key {
                tighten(&mut windows, &quota_of(app, tenant, method, index));
            }
        }
        self.quota(windows)
    }

    /// The quota of such windows, as long as this process has them.
    pub(super) fn quota(&self, windows: BTreeMap<Duration, u32>) -> Quota {
        let quota = Quota::of(windows.into_iter().map(|(span, limit)| Window { limit, span }));
        if self.speed > 1.0 { quota.sped_up(self.speed) } else { quota }
    }
}

/// Lets the windows be no wider than the quota's.
pub(super) fn tighten(windows: &mut BTreeMap<Duration, u32>, quota: &Quota) {
    for window in quota.windows() {
        let limit = windows.entry(window.span).or_insert(window.limit);
        *limit = window.limit.min(*limit);
    }
}

/// A method's quota as the settings have it for the app, or for one tenant of it: its share.
pub(super) fn quota_of(app: &App, tenant: &str, method: &Method, index: usize) -> Quota {
    let documented = &method.quotas[index];
    let named = (method.counted_name().to_owned(), Some(documented.scope));
    let main = (method.counted_name().to_owned(), None);
    let own = |quotas: &Quotas| quotas.get(&named).or_else(|| quotas.get(&main).filter(|_| index == 0)).cloned();
    let of_tenant = app.tenants.get(tenant).filter(|_| documented.scope == QuotaScope::AppTenant).and_then(own);
    of_tenant.or_else(|| own(&app.quotas)).unwrap_or_else(|| documented.quota.clone()).share(app.share)
}

pub(super) fn key_of(app: &App, tenant: &str, method: &Method, quota: &MethodQuota) -> Key {
    let owner = owner_of(app, tenant, quota.scope);
    Key { scope: quota.scope, owner, method: method.counted_name().to_owned() }
}

/// Whose calls are counted together.
fn owner_of(app: &App, tenant: &str, scope: QuotaScope) -> String {
    match scope {
        QuotaScope::AppTenant if !tenant.is_empty() => format!("{}/{tenant}", app.id),
        // A WeCom app is known by its secret alone, so its name in the settings stands for it.
        QuotaScope::App if app.platform.family == "wecom" => app.name.clone(),
        QuotaScope::AppTenant | QuotaScope::Corp | QuotaScope::App => app.id.clone(),
        QuotaScope::Host => app.base_url.clone(),
    }
}

impl LanePlan {
    /// Whether this is the worker's own fetching of access tokens.
    pub fn is_token(&self) -> bool {
        self.method.kind == Kind::Token
    }

    /// What a code means, as the method's file says, or else its platform's.
    pub fn rule(&self, code: i64) -> Option<&ErrorRule> {
        self.method.errors.get(&code).or_else(|| self.app.platform.errors.get(&code))
    }

    /// How many calls of a job may be answered as this failure was, where the documents say so.
    pub fn answers_max(&self, failure: &Failure) -> Option<u32> {
        self.rule(failure.code?)?.attempts_max
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use paceline_domain::catalog::built_in;

    const MEETING: &str = "wecom.meeting.create";

    /// Name, corp id, own quotas, share.
    type Own<'a> = (&'a str, &'a str, &'a [(&'a str, Option<QuotaScope>)], f64);

    fn planner(apps: &[Own<'_>]) -> Planner {
        let catalog = Arc::new(built_in().unwrap());
        let app = |&(name, id, quotas, share): &Own<'_>| {
            let quotas = quotas.iter().map(|(text, scope)| ((MEETING.to_owned(), *scope), text.parse().unwrap()));
            let platform = Arc::clone(&catalog.platforms["wecom"]);
            let app = App { share, ..App::plain(name, id, platform, quotas.collect()) };
            (name.to_owned(), Arc::new(app))
        };
        Planner::new(Arc::clone(&catalog), apps.iter().map(app).collect(), 1.0)
    }

    fn quotas(planner: &Planner, app: &str) -> Vec<String> {
        let lane = LaneKey { app: app.to_owned(), tenant: String::new(), method: MEETING.to_owned() };
        let plan = planner.plan(&lane).unwrap();
        plan.quotas.iter().map(|(key, quota)| format!("{} {}: {quota}", key.scope, key.owner)).collect()
    }

    #[test]
    fn the_documented_quotas_are_counted_by_corp_address_and_app() {
        let planner = planner(&[("a", "ww1", &[], 1.0)]);
        let expected = [
            "corp ww1: 150000/h, 10000/min",
            "host https://qyapi.weixin.qq.com: 600000/h, 20000/min",
            "app a: 10000/day",
        ];
        assert_eq!(quotas(&planner, "a"), expected);
    }

    #[test]
    fn an_override_replaces_the_main_quota_or_the_one_it_names() {
        let own: &[_] = &[("100/min", None), ("50/day", Some(QuotaScope::App))];
        let found = quotas(&planner(&[("a", "ww1", own, 1.0)]), "a");
        assert_eq!((found[0].as_str(), found[2].as_str()), ("corp ww1: 100/min", "app a: 50/day"));
    }

    #[test]
    fn apps_that_share_a_key_get_the_strictest_of_their_settings() {
        let planner = planner(&[
            ("a", "ww1", &[("100/min", None)], 1.0),
            ("b", "ww1", &[("300/h", None)], 0.5),
            ("c", "ww2", &[], 1.0),
        ]);
        assert_eq!(quotas(&planner, "a")[0], "corp ww1: 150/h, 100/min");
        assert_eq!(quotas(&planner, "a")[0], quotas(&planner, "b")[0]);
        assert_eq!(quotas(&planner, "c")[0], "corp ww2: 150000/h, 10000/min");
        assert_eq!(
            quotas(&planner, "c")[1],
            "host https://qyapi.weixin.qq.com: 300000/h, 10000/min",
            "b's share counts"
        );
    }

    #[test]
    fn two_documents_of_one_call_share_their_windows() {
        let planner = planner(&[("a", "ww1", &[("100/min", None), ("50/day", Some(QuotaScope::App))], 1.0)]);
        let plan = |method: &str| {
            let lane = LaneKey { app: "a".to_owned(), tenant: String::new(), method: method.to_owned() };
            planner.plan(&lane).unwrap().quotas
        };
        let quotas = plan("wecom.meeting.create_advanced");
        assert_eq!(quotas, plan(MEETING), "keys and quotas, the settings' own too");
        assert!(quotas.iter().all(|(key, _)| key.method == MEETING));
        assert_eq!(quotas[0].1.to_string(), "100/min");
    }

    #[test]
    fn a_tenant_s_own_quota_holds_for_its_key_alone() {
        let mut planner = planner(&[("a", "ww1", &[], 0.5), ("b", "ww1", &[], 1.0)]);
        let catalog = Arc::clone(&planner.catalog);
        let platform = Arc::clone(&catalog.platforms["feishu"]);
        for app in planner.apps.values_mut() {
            let app = Arc::get_mut(app).unwrap();
            app.platform = Arc::clone(&platform);
            app.quotas = [(("feishu.vc.room.create".to_owned(), None), "30/min".parse().unwrap())].into();
        }
        let own = [(("feishu.vc.room.create".to_owned(), Some(QuotaScope::AppTenant)), "100/min".parse().unwrap())];
        let first = Arc::get_mut(planner.apps.get_mut("a").unwrap()).unwrap();
        first.tenants = [("t1".to_owned(), own.into())].into();
        let quota = |app: &str, tenant: &str| {
            let method = "feishu.vc.room.create".to_owned();
            let lane = LaneKey { app: app.to_owned(), tenant: tenant.to_owned(), method };
            let plan = planner.plan(&lane).unwrap();
            format!("{}: {}", plan.quotas[0].0.owner, plan.quotas[0].1)
        };
        assert_eq!(quota("a", "t2"), "ww1/t2: 15/min");
        assert_eq!(quota("a", ""), "ww1: 15/min");
        // Another app with the same id: the strictest of both.
        assert_eq!(quota("a", "t1"), "ww1/t1: 30/min");
        assert_eq!(quota("b", "t1"), quota("a", "t1"));
    }

    #[test]
    fn an_app_that_went_to_another_family_has_no_plan_for_the_old_one() {
        let mut planner = planner(&[("a", "ww1", &[], 1.0)]);
        let platform = Arc::clone(&planner.catalog.platforms["feishu"]);
        Arc::get_mut(planner.apps.get_mut("a").unwrap()).unwrap().platform = platform;
        let lane = LaneKey { app: "a".to_owned(), tenant: String::new(), method: MEETING.to_owned() };
        assert!(planner.plan(&lane).is_none());
    }

    #[test]
    fn an_unknown_app_or_method_has_no_plan() {
        let planner = planner(&[("a", "ww1", &[], 1.0)]);
        for (app, method) in [("b", MEETING), ("a", "wecom.nothing")] {
            let lane = LaneKey { app: app.to_owned(), tenant: String::new(), method: method.to_owned() };
            assert!(planner.plan(&lane).is_none());
        }
    }
}
