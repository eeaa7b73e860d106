//! What differs between two planners: the apps and quotas before a reload of the settings, and after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::app::App;
use super::planner::{Planner, key_of, quota_of, tighten};
use paceline_domain::catalog::{Action, QuotaScope};
use paceline_domain::quota::{Key, Quota};

/// Everything that a reload changes, for people and for the engine. It holds no secret.
#[derive(Debug, Default)]
pub struct Revision {
    /// Apps that were not there.
    pub added: Vec<String>,
    /// Apps that are gone.
    pub removed: Vec<String>,
    /// Apps that stay, with the names of what changed in them; quotas stand below.
    pub changed: BTreeMap<String, Vec<&'static str>>,
    /// Methods that are new, gone, or read otherwise, with the word for it.
    pub methods: Vec<(String, &'static str)>,
    /// Quotas of keys that stay.
    pub quotas: Vec<QuotaChange>,
}

/// A quota key whose quota is another one now.
#[derive(Debug, PartialEq, Eq)]
pub struct QuotaChange {
    method: String,
    /// The apps that are counted by the key.
    apps: String,
    before: Quota,
    after: Quota,
}

impl fmt::Display for QuotaChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} of {}: {} → {}", self.method, self.apps, self.before, self.after)
    }
}

/// A quota key of a planner.
pub(super) struct Counted {
    pub quota: Quota,
    apps: BTreeSet<String>,
    tenant: String,
    scope: QuotaScope,
    is_main: bool,
}

impl Counted {
    fn name(&self) -> String {
        let mut name = self.apps.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        if !self.tenant.is_empty() {
            name.push_str(", tenant ");
            name.push_str(&self.tenant);
        }
        if !self.is_main {
            name.push_str(", counted by ");
            name.push_str(&self.scope.to_string());
        }
        name
    }
}

pub(super) type Keys = BTreeMap<Key, Counted>;

/// The tenants that have quotas of their own, by the id of their app.
type Tenants<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Adds the tenants of these apps.
fn add_tenants<'a>(apps: impl Iterator<Item = &'a App>, tenants: &mut Tenants<'a>) {
    for app in apps.filter(|app| !app.tenants.is_empty()) {
        tenants.entry(&app.id).or_default().extend(app.tenants.keys().map(String::as_str));
    }
}

/// Every quota key of these apps of a planner, without their tenants and with those that are named; one look at each app.
fn keys_of<'a>(planner: &Planner, apps: impl Iterator<Item = &'a App>, tenants: &Tenants<'_>) -> Keys {
    struct Found {
        windows: BTreeMap<Duration, u32>,
        apps: BTreeSet<String>,
        tenant: String,
        is_main: bool,
    }
    let mut found: BTreeMap<Key, Found> = BTreeMap::new();
    for app in apps {
        let methods = planner.catalog.methods.values().filter(|method| method.family == app.platform.family);
        let named = tenants.get(app.id.as_str()).into_iter().flatten().copied();
        let tenants: Vec<&str> = [""].into_iter().chain(named).collect();
        for method in methods {
            for index in 0..method.quotas.len() {
                let scope = method.quotas[index].scope;
                // What is not counted by tenant is the same key for all of them.
                let tenants = if scope == QuotaScope::AppTenant { &tenants[..] } else { &[""] };
                for tenant in tenants {
                    let key = key_of(app, tenant, method, &method.quotas[index]);
                    let entry = found.entry(key).or_insert_with(|| Found {
                        windows: BTreeMap::new(),
                        apps: BTreeSet::new(),
                        tenant: (*tenant).to_owned(),
                        is_main: index == 0,
                    });
                    tighten(&mut entry.windows, &quota_of(app, tenant, method, index));
                    entry.apps.insert(app.name.clone());
                }
            }
        }
    }
    let counted = |(key, found): (Key, Found)| {
        let Found { windows, apps, tenant, is_main } = found;
        let scope = key.scope;
        (key, Counted { quota: planner.quota(windows), apps, tenant, scope, is_main })
    };
    found.into_iter().map(counted).collect()
}

/// Every quota of these apps and of the tenants that have their own, by key.
pub(super) fn quotas_of(planner: &Planner, apps: &[&App]) -> impl Iterator<Item = (Key, Quota)> {
    let mut tenants = Tenants::new();
    add_tenants(apps.iter().copied(), &mut tenants);
    keys_of(planner, apps.iter().copied(), &tenants).into_iter().map(|(key, counted)| (key, counted.quota))
}

/// The keys of a planner, as far as they can differ from another's.
pub(super) struct Difference {
    pub keys: Keys,
    /// How far back calls have to be looked for that some key's windows cannot know; `None` if there are none.
    pub reach: Option<Duration>,
    pub revision: Revision,
}

/// What differs between the planner before and the one after.
pub(super) fn difference(before: &Planner, after: &Planner) -> Difference {
    let mut tenants = Tenants::new();
    for planner in [before, after] {
        add_tenants(planner.all_apps(), &mut tenants);
    }
    let old = keys_of(before, before.all_apps(), &tenants);
    let keys = keys_of(after, after.all_apps(), &tenants);
    let mut reach = None;
    let mut quotas = Vec::new();
    for (key, counted) in &keys {
        let known = old.get(key);
        let span = counted.quota.span_max();
        if known.is_none_or(|known| known.quota.span_max() < span) {
            reach = reach.max(Some(span));
        }
        if let Some(known) = known.filter(|known| known.quota != counted.quota) {
            quotas.push(QuotaChange {
                method: key.method.clone(),
                apps: counted.name(),
                before: known.quota.clone(),
                after: counted.quota.clone(),
            });
        }
    }
    let mut revision = Revision { quotas, methods: methods(before, after), ..Revision::default() };
    revision.added.extend(after.apps.keys().filter(|name| !before.apps.contains_key(*name)).cloned());
    revision.removed.extend(before.apps.keys().filter(|name| !after.apps.contains_key(*name)).cloned());
    for (name, app) in &after.apps {
        let changes = before.apps.get(name).map(|old| changes(old, app)).unwrap_or_default();
        if !changes.is_empty() {
            revision.changed.insert(name.clone(), changes);
        }
    }
    Difference { keys, reach, revision }
}

fn methods(before: &Planner, after: &Planner) -> Vec<(String, &'static str)> {
    let (old, new) = (&before.catalog.methods, &after.catalog.methods);
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), "gone"));
    let changed = new.iter().filter_map(|(name, method)| {
        let word = match old.get(name) {
            None => "added",
            Some(known) if !Arc::ptr_eq(known, method) && format!("{known:?}") != format!("{method:?}") => "changed",
            Some(_) => return None,
        };
        Some((name.clone(), word))
    });
    gone.chain(changed).collect()
}

/// What makes another app, or another way to prove to be it.
const CREDENTIALS: [&str; 5] = ["platform", "base_url", "id", "secret", "users"];

impl Revision {
    /// Whether somebody corrected what an app proves itself with, or where.
    pub(super) fn has_other_credentials(&self, app: &str) -> bool {
        self.changed.get(app).is_some_and(|changes| changes.iter().any(|change| CREDENTIALS.contains(change)))
    }

    /// Whether the app is another one for the platform.
    pub(super) fn is_another(&self, app: &str) -> bool {
        let identity = &CREDENTIALS[..3];
        self.changed.get(app).is_some_and(|changes| changes.iter().any(|change| identity.contains(change)))
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.methods.is_empty()
            && self.quotas.is_empty()
    }
}

/// The names of what differs between an app before and after.
pub(super) fn changes(before: &App, after: &App) -> Vec<&'static str> {
    let is_same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
    let users = || before.users.iter().zip(&after.users).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1));
    let facts = [
        ("platform", before.platform.name != after.platform.name),
        ("base_url", before.base_url != after.base_url),
        ("id", before.id != after.id),
        ("secret", !is_same(&before.secret, &after.secret)),
        ("users", before.users.len() != after.users.len() || !users()),
        ("on_uncertain", before.on_uncertain != after.on_uncertain),
        ("on_room_declined", before.on_room_declined != after.on_room_declined),
        ("mark_created", before.mark_created != after.mark_created),
        ("share", before.share.to_bits() != after.share.to_bits()),
        ("month_calls", before.month_calls != after.month_calls),
        ("quotas", before.quotas != after.quotas),
        ("tenants", before.tenants != after.tenants),
        ("catalog", calibrated(before) != calibrated(after)),
    ];
    facts.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
}

/// How late a new object may be listed, and what each code means.
type Calibrated<'a> = (Option<Duration>, Vec<(i64, &'a Action)>);

/// What the settings say of methods.
fn calibrated(app: &App) -> BTreeMap<&str, Calibrated<'_>> {
    let methods = app.methods.values().map(|method| {
        let delay = method.creation.look_up().map(|look_up| look_up.delay);
        let codes = method.errors.values().map(|rule| (rule.code, &rule.action)).collect();
        (method.name.as_str(), (delay, codes))
    });
    methods.collect()
}
