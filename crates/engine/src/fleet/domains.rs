//! Which quota domains there are: everything that shares a window, closed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::config_diff::quotas_of;
use crate::planner::Planner;
use crate::ports::QuotaDomain;
use paceline_domain::catalog::QuotaScope;

impl Planner {
    /// The domains of these apps and tenants, and of every app without one, by name.
    pub(crate) fn domains(&self, tenants: &[(String, String)]) -> BTreeMap<String, QuotaDomain> {
        let mut domains = BTreeMap::new();
        for ((family, id), apps) in self.apps_by_id() {
            if !self.is_split(family, &apps) {
                let members = apps.iter().map(|app| (app.name.clone(), None)).collect();
                let domain = domain(format!("{family}/{id}"), members, id.to_owned(), &apps);
                domains.insert(domain.name().to_owned(), domain);
                continue;
            }
            let of_apps = |name: &str| apps.iter().any(|app| app.name == name);
            let named = tenants.iter().filter(|(app, _)| of_apps(app)).map(|(_, tenant)| tenant.as_str());
            for tenant in named.chain([""]).collect::<BTreeSet<_>>() {
                let owner = if tenant.is_empty() { id.to_owned() } else { format!("{id}/{tenant}") };
                let members = apps.iter().map(|app| (app.name.clone(), Some(tenant.to_owned()))).collect();
                let domain = domain(format!("{family}/{owner}"), members, owner, &apps);
                domains.insert(domain.name().to_owned(), domain);
            }
        }
        domains
    }

    /// Apps that share whatever the platform does not count by address.
    fn apps_by_id(&self) -> BTreeMap<(&str, &str), Vec<&App>> {
        let mut by_id: BTreeMap<(&str, &str), Vec<&App>> = BTreeMap::new();
        for app in self.all_apps() {
            by_id.entry((&app.platform.family, &app.id)).or_default().push(app);
        }
        by_id
    }

    /// Their names.
    pub fn domain_names(&self, tenants: &[(String, String)]) -> BTreeSet<String> {
        self.domains(tenants).into_keys().collect()
    }

    /// Whether the tenants of these apps, which have one id, share nothing but an address.
    fn is_split(&self, family: &str, apps: &[&App]) -> bool {
        let by_tenant = |scope: QuotaScope| matches!(scope, QuotaScope::AppTenant | QuotaScope::Host);
        let mut methods = self.catalog.methods.values().filter(|method| method.family == family);
        let has_own = methods.all(|method| {
            method.quotas.iter().all(|quota| by_tenant(quota.scope))
                && method.budgets.iter().all(|budget| by_tenant(budget.scope))
        });
        has_own && apps.iter().all(|app| app.month_calls.is_none())
    }
}

fn domain(name: String, members: Vec<(String, Option<String>)>, owner: String, apps: &[&App]) -> QuotaDomain {
    let own = apps.iter().flat_map(|app| [app.name.clone(), app.base_url.clone()]);
    QuotaDomain::of(name, members).counted_by(own.chain([owner]).collect())
}

/// A digest of the quotas in force. Those of an address are no part of it: they go by how many share it.
pub fn quotas_digest(planner: &Planner) -> String {
    let (mut digest, mut text) = (Sha256::new(), String::new());
    for ((family, id), apps) in planner.apps_by_id() {
        text.clear();
        for (key, quota) in quotas_of(planner, &apps).filter(|(key, _)| key.scope != QuotaScope::Host) {
            let _ = writeln!(text, "{} {} {} {quota}", key.scope, key.owner, key.method);
        }
        for app in apps {
            let _ = writeln!(text, "{family} {id} {:?}", app.month_calls);
        }
        digest.update(&text);
    }
    digest.finalize().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use paceline_domain::catalog::built_in;

    fn planner(apps: &[(&str, &str, &str)]) -> Planner {
        let catalog = Arc::new(built_in().unwrap());
        let app = |&(name, platform, id): &(&str, &str, &str)| {
            let platform = Arc::clone(&catalog.platforms[platform]);
            (name.to_owned(), Arc::new(App::plain(name, id, platform, BTreeMap::new())))
        };
        Planner::new(Arc::clone(&catalog), apps.iter().map(app).collect(), 1.0)
    }

    fn names(planner: &Planner, tenants: &[(&str, &str)]) -> Vec<String> {
        let tenants: Vec<_> = tenants.iter().map(|(app, tenant)| ((*app).to_owned(), (*tenant).to_owned())).collect();
        planner.domains(&tenants).into_keys().collect()
    }

    #[test]
    fn a_corp_is_one_domain_and_a_tenant_of_an_app_is_one() {
        let planner =
            planner(&[("a", "feishu", "cli_1"), ("b", "feishu", "cli_1"), ("c", "wecom", "ww"), ("d", "wecom", "ww")]);
        let expected = ["feishu/cli_1", "feishu/cli_1/t1", "wecom/ww"];
        assert_eq!(names(&planner, &[("a", "t1"), ("c", ""), ("gone", "t2")]), expected);
        let domains = planner.domains(&[("a".to_owned(), "t1".to_owned())]);
        assert_eq!(domains["feishu/cli_1/t1"].members().count(), 2, "both apps have one id");
        assert_eq!(domains["wecom/ww"].members().collect::<BTreeSet<_>>(), [("c", None), ("d", None)].into());
    }

    #[test]
    fn what_counts_all_tenants_together_keeps_them_together() {
        let mut planner = planner(&[("a", "feishu", "cli_1")]);
        Arc::get_mut(planner.apps.get_mut("a").unwrap()).unwrap().month_calls = Some(10_000);
        assert_eq!(names(&planner, &[("a", "t1")]), ["feishu/cli_1"]);
    }

    #[test]
    fn the_digest_goes_by_quotas_and_by_nothing_else() {
        let one = planner(&[("a", "feishu", "cli_1")]);
        let mut other = planner(&[("a", "feishu", "cli_1")]);
        Arc::get_mut(other.apps.get_mut("a").unwrap()).unwrap().base_url = "https://other.example.com".to_owned();
        assert_eq!(quotas_digest(&one), quotas_digest(&other));
        Arc::get_mut(other.apps.get_mut("a").unwrap()).unwrap().share = 0.5;
        assert_ne!(quotas_digest(&one), quotas_digest(&other));
    }
}
