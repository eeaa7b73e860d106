//! What the world keeps ready for each method of the catalog, so that no call reads the catalog again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::error_replies::Family;
use super::params;
use super::quota_enforcer::Rule;
use super::routes::Routes;
use super::scenario::{QuotaChoice, Scenario, best};
use paceline_domain::catalog::{Catalog, Kind, LookUp, Method, Platform};
use paceline_domain::job::Params;

/// One method as it is endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// The method.
    pub method: Arc<Method>,
    /// Other documents of the same call: what one of them accepts, the platform accepts.
    pub also: Vec<Arc<Method>>,
    /// Its platform.
    pub platform: Arc<Platform>,
    /// Its platform's family.
    pub family: Family,
    /// The quotas that are enforced.
    pub rules: Vec<Rule>,
    /// The most calls in flight.
    pub in_flight_limit: Option<u32>,
    /// Creates whose look-up lists with this method.
    pub lists: Vec<Looked>,
    /// Where the one object stands in the result, for a method that fetches one.
    pub item: Option<String>,
    /// For a create: fields of which every object has a value of its own, with an example of each.
    pub unique: Vec<(String, Value)>,
}

/// A create and how its look-up finds its objects.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The create.
    pub create: Arc<Method>,
    /// Its look-up.
    pub look_up: LookUp,
}

impl Endpoint {
    /// The first document of the call that accepts these parameters.
    pub fn document(&self, params: &Params) -> &Arc<Method> {
        let other = || self.also.iter().find(|method| params::faults(method, params).is_empty());
        let is_first = self.also.is_empty() || params::faults(&self.method, params).is_empty();
        if is_first { &self.method } else { other().unwrap_or(&self.method) }
    }

    /// Whether a call makes a new object.
    pub fn creates(&self) -> bool {
        self.method.creates()
    }

    /// Whether a call deletes an object, as far as its HTTP method or path tells.
    pub fn deletes(&self) -> bool {
        let last = self.method.path.rsplit('/').next().unwrap_or_default();
        self.method.kind == Kind::Job
            && (self.method.http_method == "DELETE"
                || matches!(last, "del" | "delete" | "cancel")
                || !self.method.undoes.is_empty())
    }

    /// Whether a call deletes the objects that its lists name.
    pub fn deletes_listed(&self) -> bool {
        self.method.kind == Kind::Job && self.method.path.ends_with("/batch_delete")
    }

    /// The parameter that names the object that a call is about: what an undo fills, else the last of the path's.
    pub(crate) fn about(&self) -> Option<String> {
        let undone = self.method.undoes.first().map(|undoes| undoes.param.clone());
        let last = || self.method.path.rsplit('/').find_map(|segment| segment.strip_prefix(':'));
        undone.or_else(|| last().map(|name| format!("path.{name}")))
    }
}

/// Makes every method ready, with the paths at which they stand. A method whose family has no platform is not endpoint.
pub(crate) fn prepare(catalog: &Catalog, scenario: &Scenario, speed: f64) -> (Vec<Arc<Endpoint>>, Routes) {
    let mut routes = Routes::default();
    let mut all = Vec::new();
    for (name, method) in &catalog.methods {
        // Another document of a call that is served already: to the platform, both are one.
        if method.counted_as.is_some() {
            continue;
        }
        let Some(platform) = platform_of(catalog, &method.family) else { continue };
        routes.add(&method.http_method, &method.path, all.len());
        all.push(Arc::new(Endpoint {
            platform: Arc::clone(platform),
            family: Family::of(&method.family),
            rules: rules(method, scenario, speed),
            in_flight_limit: best(&scenario.concurrency, name).copied(),
            lists: listed(catalog, method),
            item: item(catalog, method),
            unique: unique(catalog, method),
            also: catalog.methods.values().filter(|it| it.counted_as.as_ref() == Some(name)).cloned().collect(),
            method: Arc::clone(method),
        }));
    }
    (all, routes)
}

/// The platform of that name, else any of that family: Feishu and Lark answer alike.
pub(crate) fn platform_of<'a>(catalog: &'a Catalog, family: &str) -> Option<&'a Arc<Platform>> {
    catalog.platforms.get(family).or_else(|| catalog.platforms.values().find(|platform| platform.family == family))
}

fn rules(method: &Method, scenario: &Scenario, speed: f64) -> Vec<Rule> {
    let choice = best(&scenario.quotas, &method.name);
    let mut rules: Vec<Rule> =
        method.quotas.iter().map(|it| Rule { scope: it.scope, quota: it.quota.clone() }).collect();
    match choice {
        Some(QuotaChoice::Lifted) => rules.clear(),
        Some(QuotaChoice::Is(quota)) => {
            if let Some(first) = rules.first_mut() {
                first.quota = quota.clone();
            }
        }
        None => {}
    }
    for rule in &mut rules {
        rule.quota = rule.quota.sped_up(speed);
    }
    rules
}

fn item(catalog: &Catalog, method: &Method) -> Option<String> {
    let details = catalog.methods.values().filter_map(|create| create.creation.look_up()?.detail.as_ref());
    let fetched_by = details.into_iter().find(|detail| detail.method == method.name);
    method.reply.shown.item.clone().or_else(|| fetched_by.map(|detail| detail.item.clone()))
}

/// The unique fields of a create's own reply and of what its look-up reads.
pub(crate) fn unique(catalog: &Catalog, method: &Arc<Method>) -> Vec<(String, Value)> {
    let mut shown_by = vec![method];
    if let Some(look_up) = method.creation.look_up() {
        shown_by.extend(catalog.method(&look_up.method));
        shown_by.extend(look_up.detail.as_ref().and_then(|detail| catalog.method(&detail.method)));
    }
    let fields = shown_by.iter().flat_map(|shows| shows.reply.shown.unique.iter().map(move |field| (shows, field)));
    let mut unique: Vec<(String, Value)> = Vec::new();
    for (shows, field) in fields {
        if !unique.iter().any(|(known, _)| known == field)
            && let Some(example) = example_of(&shows.reply.example, field)
        {
            unique.push((field.clone(), example.clone()));
        }
    }
    unique
}

/// The first value under that name, however deep.
fn example_of<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(field).or_else(|| map.values().find_map(|inner| example_of(inner, field))),
        Value::Array(items) => items.iter().find_map(|inner| example_of(inner, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The creates whose objects a listing shows: those that are looked up with it, else that whose objects people read with
/// it.
fn listed(catalog: &Catalog, listing: &Method) -> Vec<Looked> {
    let looked = looked(catalog, |look_up| look_up.method == listing.name);
    let Some(read) = listing.read.as_ref().filter(|_| looked.is_empty()) else { return looked };
    let is_read = |create: &&Arc<Method>| create.update.as_ref().is_some_and(|update| update.method == read.feeds);
    let show = |create: &Arc<Method>| {
        let param = create.update.as_ref().map(|update| update.param.as_str()).unwrap_or_default();
        // In a tree, the listing may be asked for what is below one.
        let above = create.body_schema.properties.iter().find_map(|(name, schema)| {
            let resolve = schema.resolve.iter().find(|resolve| resolve.method == listing.name)?;
            Some((resolve.parent.clone()?, Value::from(format!("$body.{name}"))))
        });
        let look_up = LookUp {
            mark: BTreeMap::new(),
            delay: Duration::ZERO,
            method: listing.name.clone(),
            params: above.into_iter().collect(),
            least: Vec::new(),
            items: read.items.clone(),
            next: read.next.clone(),
            each: None,
            state: false,
            detail: None,
            matches: BTreeMap::new(),
            unmarked: BTreeMap::new(),
            never: BTreeMap::new(),
            unmarked_never: BTreeMap::new(),
            cut_beyond: BTreeMap::new(),
            key: read.columns.get(param).cloned().unwrap_or_default(),
        };
        Looked { create: Arc::clone(create), look_up }
    };
    catalog.methods.values().filter(is_read).take(1).map(show).collect()
}

fn looked(catalog: &Catalog, is_wanted: impl Fn(&LookUp) -> bool) -> Vec<Looked> {
    let found: BTreeMap<&str, Looked> = catalog
        .methods
        .values()
        .filter_map(|create| {
            let look_up = create.creation.look_up().filter(|look_up| is_wanted(look_up))?;
            Some((create.name.as_str(), Looked { create: Arc::clone(create), look_up: look_up.clone() }))
        })
        .collect();
    found.into_values().collect()
}
