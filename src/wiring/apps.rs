//! Apps as the engine and the decoder need them, from the settings or made up for a rehearsal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::catalog::{Catalog, Platform};
use crate::domain::decode::{self, AppFacts};
use crate::engine::app::{ANY_USER, App, Apps, OnUncertain};
use crate::settings::{self, Settings};

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
        mark_created: app.mark_created,
        share: app.share,
        quotas: quotas(app, platform, catalog, faults),
    }
}

type Quotas = BTreeMap<(String, Option<crate::domain::catalog::QuotaScope>), crate::domain::quota::Quota>;

fn quotas(app: &settings::App, platform: &Platform, catalog: &Catalog, faults: &mut Vec<String>) -> Quotas {
    let mut quotas = Quotas::new();
    for own in &app.quotas {
        let method =
            catalog.methods.values().find(|method| method.family == platform.family && own.is_for(&method.name));
        let Some(method) = method else {
            faults.push(format!(
                "{}: quotas: no method {:?} of {}; see `paceline methods list`",
                own.place, own.method, platform.name
            ));
            continue;
        };
        let is_counted = own.scope.is_none_or(|scope| method.quotas.iter().any(|quota| quota.scope == scope));
        if !is_counted {
            let scopes: Vec<_> = method.quotas.iter().map(|quota| quota.scope.to_string()).collect();
            faults.push(format!("{}: quotas: {} is counted by {}", own.place, method.name, scopes.join(", ")));
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
        (name.clone(), AppFacts { family: family.unwrap_or_default(), users, has_tenants: false })
    });
    decode::Apps::Named(facts.collect())
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
                users: [(ANY_USER.to_owned(), SecretString::from("u-simulated"))].into(),
                on_uncertain: OnUncertain::Hold,
                mark_created: true,
                share: 1.0,
                quotas: BTreeMap::new(),
            })
        });
    }
    apps
}
