//! Apps as the engine and the decoder need them, from the settings or made up for a rehearsal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::catalog::{Action, Catalog, Creation, ErrorRule, Method, Platform, QuotaScope};
use crate::domain::decode::{self, AppFacts, Decoder};
use crate::engine::app::{App, Apps, OnDeclined, OnUncertain, Quotas};
use crate::settings::{self, QuotaOverride, Settings};

/// The apps of the settings.
///
/// # Errors
/// Every quota that names no method of the catalog, or a scope that its method is not counted by, a sentence each.
pub fn apps_of(settings: &Settings, catalog: &Catalog) -> Result<Apps, Vec<String>> {
    let mut faults = Vec::new();
    let mut apps = Apps::new();
    for (name, app) in &settings.apps {
        match catalog.platforms.get(&app.platform) {
            Some(platform) => {
                let app = app_of(name, app, platform, catalog, &mut faults);
                apps.insert(name.clone(), Arc::new(app));
            }
            None => faults.push(format!("apps.{name}.platform: the catalog has no platform {:?}", app.platform)),
        }
    }
    if faults.is_empty() { Ok(apps) } else { Err(faults) }
}

fn app_of(
    name: &str,
    app: &settings::App,
    platform: &Arc<Platform>,
    catalog: &Catalog,
    faults: &mut Vec<String>,
) -> App {
    let (id, secret) = match &app.credentials {
        settings::Credentials::App { id, secret } | settings::Credentials::Corp { id, secret } => (id, secret),
    };
    App {
        name: name.to_owned(),
        platform: Arc::clone(platform),
        base_url: app.base_url.clone().unwrap_or_else(|| platform.base_url.clone()),
        id: id.clone(),
        secret: secret.clone(),
        users: app.users.clone(),
        on_uncertain: match app.on_uncertain {
            settings::OnUncertain::Hold => OnUncertain::Hold,
            settings::OnUncertain::Retry => OnUncertain::Retry,
        },
        on_room_declined: match app.on_room_declined {
            settings::OnDeclined::Warn => OnDeclined::Warn,
            settings::OnDeclined::Dead => OnDeclined::Dead,
        },
        mark_created: app.mark_created,
        share: app.share,
        month_calls: app.month_calls,
        quotas: quotas(&app.quotas, platform, catalog, faults),
        tenants: tenants(app, platform, catalog, faults),
        methods: calibrated(app, platform, catalog, faults),
    }
}

fn tenants(
    app: &settings::App,
    platform: &Platform,
    catalog: &Catalog,
    faults: &mut Vec<String>,
) -> BTreeMap<String, Quotas> {
    let mut tenants = BTreeMap::new();
    for (tenant, own) in &app.tenants {
        for quota in own {
            let Some(method) = method_of(quota, platform, catalog) else { continue };
            let scope = quota.scope.or_else(|| Some(method.quotas.first()?.scope));
            let counted = method.quotas.iter().find(|it| Some(it.scope) == scope);
            if let Some(counted) = counted.filter(|it| it.scope != QuotaScope::AppTenant) {
                faults.push(format!(
                    "{}: tenants: {} is counted there by {}, for all tenants together; only what is counted by \
                     app-tenant can be set for one",
                    quota.place, method.name, counted.scope
                ));
            }
        }
        tenants.insert(tenant.clone(), quotas(own, platform, catalog, faults));
    }
    tenants
}

/// Methods with what a calibration found out of them.
fn calibrated(
    app: &settings::App,
    platform: &Platform,
    catalog: &Catalog,
    faults: &mut Vec<String>,
) -> BTreeMap<String, Arc<Method>> {
    let mut methods = BTreeMap::new();
    for own in &app.calibrated {
        let is_meant = |method: &&Arc<Method>| method.family == platform.family && own.is_for(&method.name);
        let Some(known) = catalog.methods.values().find(is_meant) else {
            let name = &platform.name;
            let text =
                format!("{}: catalog: no method {:?} of {name}; see `paceline methods list`", own.place, own.method);
            faults.push(text);
            continue;
        };
        let mut method = Method::clone(known);
        if let Some(delay) = own.delay
            && !method.creation.set_delay(delay)
        {
            faults.push(format!("{}: catalog: {} is not looked up, so it has no delay_s", own.place, method.name));
        }
        if !own.gone_codes.is_empty() && !matches!(method.creation, Creation::Natural) {
            faults.push(format!("{}: catalog: {} deletes nothing, so it has no gone_codes", own.place, method.name));
        }
        for code in &own.gone_codes {
            let rule = method.errors.get(code).or_else(|| platform.errors.get(code)).cloned();
            let rule = rule.unwrap_or_else(|| ErrorRule::of_code(*code));
            method.errors.insert(*code, ErrorRule { action: Action::Gone, ..rule });
        }
        methods.insert(method.name.clone(), Arc::new(method));
    }
    methods
}

fn method_of<'c>(own: &QuotaOverride, platform: &Platform, catalog: &'c Catalog) -> Option<&'c Arc<Method>> {
    catalog.methods.values().find(|method| method.family == platform.family && own.is_for(&method.name))
}

fn quotas(all: &[QuotaOverride], platform: &Platform, catalog: &Catalog, faults: &mut Vec<String>) -> Quotas {
    let mut quotas = Quotas::new();
    for own in all {
        let Some(method) = method_of(own, platform, catalog) else {
            faults.push(format!(
                "{}: quotas: no method {:?} of {}; see `paceline methods list`",
                own.place, own.method, platform.name
            ));
            continue;
        };
        if let Some(other) = &method.counted_as {
            faults.push(format!(
                "{}: quotas: {} is counted together with {other}: set the quota of that one",
                own.place, method.name
            ));
            continue;
        }
        let is_counted = own.scope.is_none_or(|scope| method.quotas.iter().any(|quota| quota.scope == scope));
        if !is_counted {
            let scopes: Vec<_> = method.quotas.iter().map(|quota| quota.scope.to_string()).collect();
            faults.push(format!(
                "{}: quotas: {} is counted by {} alone: leave the @ out, or name one of these behind it",
                own.place,
                method.name,
                scopes.join(", ")
            ));
            continue;
        }
        quotas.insert((method.name.clone(), own.scope), own.quota.clone());
    }
    quotas
}

/// What the decoder checks jobs against.
pub fn facts_of(settings: &Settings, catalog: &Catalog) -> decode::Apps {
    let facts = settings.apps.iter().map(|(name, app)| {
        let family = catalog.platforms.get(&app.platform).map(|platform| platform.family.clone());
        let users: BTreeSet<_> = app.users.keys().cloned().collect();
        let (family, editions) = (family.unwrap_or_default(), app.editions.clone());
        (name.clone(), AppFacts { family, users, editions, has_tenants: false })
    });
    decode::Apps::Named(facts.collect())
}

/// The decoder of jobs: with the apps of the settings, or any app if the settings have none or `is_rehearsal`.
pub fn decoder(settings: &Settings, catalog: &Arc<Catalog>, is_rehearsal: bool) -> Decoder {
    let is_any = is_rehearsal || settings.apps.is_empty();
    let apps = if is_any { decode::Apps::Any } else { facts_of(settings, catalog) };
    Decoder { catalog: Arc::clone(catalog), apps, rights: Arc::new(super::rights_of(settings)) }
}

/// Apps for a rehearsal: each name on the platform whose methods its jobs call, with credentials that the simulator takes.
pub fn apps_for_rehearsal<'a>(catalog: &Catalog, jobs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Apps {
    let mut apps = Apps::new();
    for (name, method) in jobs {
        let family = catalog.method(method).map(|method| method.family.as_str()).unwrap_or_default();
        let Some(platform) = catalog.platforms.get(family) else { continue };
        apps.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(App {
                name: name.to_owned(),
                platform: Arc::clone(platform),
                base_url: "http://127.0.0.1".to_owned(),
                id: format!("simulated-{name}"),
                secret: SecretString::from("simulated"),
                users: BTreeMap::new(),
                on_uncertain: OnUncertain::Hold,
                on_room_declined: OnDeclined::Warn,
                mark_created: true,
                share: 1.0,
                month_calls: None,
                quotas: BTreeMap::new(),
                tenants: BTreeMap::new(),
                methods: BTreeMap::new(),
            })
        });
    }
    apps
}

/// The same with these users, by app and name, each with an access token of its own.
pub fn with_users(mut apps: Apps, users: &BTreeSet<(String, String)>) -> Apps {
    for (name, user) in users {
        // Nobody else holds the apps yet.
        if let Some(app) = apps.get_mut(name).and_then(Arc::get_mut) {
            app.users.insert(user.clone(), SecretString::from(format!("u-simulated-{name}-{user}")));
        }
    }
    apps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::built_in;

    /// The apps of these settings, or what is wrong with them.
    fn apps(text: &str) -> Result<Apps, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(&file, text).unwrap();
        let env = [("S".to_owned(), "s".to_owned())];
        let settings = settings::load(Some(&file), env.into_iter()).unwrap();
        let catalog = built_in().unwrap();
        let bare = |fault: String| fault.replace(&file.display().to_string(), "x.toml");
        apps_of(&settings, &catalog).map_err(|faults| faults.into_iter().map(bare).collect())
    }

    const ACME: &str = "[apps.acme]\nplatform = \"feishu\"\napp_id = \"cli_a1\"\napp_secret = { env = \"S\" }\n";
    const CAMPUS: &str = "[apps.campus]\nplatform = \"wecom\"\ncorp_id = \"ww1\"\ncorp_secret = { env = \"S\" }\n";

    #[test]
    fn a_tenant_s_quota_is_one_that_is_counted_by_tenant() {
        let own = "[apps.acme.tenants.tk_1.quotas]\n\"feishu.vc.room.create\" = \"5/min\"\n";
        let apps_found = apps(&format!("{ACME}{own}")).unwrap();
        let key = ("feishu.vc.room.create".to_owned(), None);
        assert_eq!(apps_found["acme"].tenants["tk_1"][&key].to_string(), "5/min");

        let own = "[apps.campus.tenants.t.quotas]\n\"wecom.meeting.create\" = \"5/min\"\n\
                   \"wecom.meeting.create@host\" = \"5/min\"\n\"wecom.meetings.create\" = \"1/s\"\n";
        let faults = apps(&format!("{CAMPUS}{own}")).err().unwrap();
        let rest = "for all tenants together; only what is counted by app-tenant can be set for one";
        let expected = [
            format!("x.toml:6: tenants: wecom.meeting.create is counted there by corp, {rest}"),
            format!("x.toml:7: tenants: wecom.meeting.create is counted there by host, {rest}"),
            "x.toml:8: quotas: no method \"wecom.meetings.create\" of wecom; see `paceline methods list`".to_owned(),
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn every_edition_is_a_choice_of_the_settings() {
        let catalog = built_in().unwrap();
        let mut seen = 0;
        for edition in catalog.methods.values().filter_map(|method| method.edition.as_ref()) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("x.toml");
            std::fs::write(&file, format!("{CAMPUS}{} = {:?}\n", edition.setting, edition.is)).unwrap();
            let settings = settings::load(Some(&file), [("S".to_owned(), "s".to_owned())].into_iter()).unwrap();
            let decode::Apps::Named(facts) = facts_of(&settings, &catalog) else { panic!("named apps") };
            assert_eq!(facts["campus"].editions.get(&edition.setting), Some(&edition.is));
            seen += 1;
        }
        assert!(seen >= 2, "{seen}");
    }

    #[test]
    fn a_method_that_is_counted_as_another_has_no_quota_of_its_own() {
        let own = "[apps.campus.quotas]\n\"wecom.meeting.create_advanced\" = \"5/min\"\n";
        let faults = apps(&format!("{CAMPUS}{own}")).err().unwrap();
        let expected = "x.toml:6: quotas: wecom.meeting.create_advanced is counted together with wecom.meeting.create: set the \
                        quota of that one";
        assert_eq!(faults, [expected]);
    }
}
