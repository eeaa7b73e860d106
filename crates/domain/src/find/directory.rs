//! Where names are looked up, and with what.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use super::walk::parent_of;
use crate::catalog::{Catalog, IdentityKind, Resolve};
use crate::job::{Identity, Job, LaneKey, Params};
use crate::look_up::set;

/// Where names are looked up: a look-up as one app, tenant and identity sees it.
#[derive(Clone, Debug)]
pub struct Directory {
    /// What tells it from others, in the ledger as here.
    pub id: String,
    /// The look-up's lane.
    pub lane: LaneKey,
    /// As whom it is asked.
    pub identity: Identity,
    /// How names are asked for, and its items read.
    pub resolve: Arc<Resolve>,
    /// What of the job it is asked with.
    given: BTreeMap<String, Value>,
}

impl Directory {
    /// That of a job's names.
    pub fn of(job: &Job, resolve: &Arc<Resolve>, catalog: &Catalog) -> Self {
        let lane = LaneKey { method: resolve.method.clone(), ..job.lane.clone() };
        let takes_users = catalog.method(&lane.method).is_some_and(|it| it.identities.contains(&IdentityKind::User));
        let identity = if takes_users { job.identity.clone() } else { Identity::Tenant };
        let given = resolve.given(&job.params);
        let asked: Vec<_> = resolve.asked_params().collect();
        let id =
            json!([lane.app, lane.tenant, identity.to_string(), lane.method, resolve.name, resolve.key, asked, given]);
        Self { id: id.to_string(), lane, identity, resolve: Arc::clone(resolve), given }
    }

    /// The parameters that a listing is asked with for a place.
    pub fn listing(&self, place: &str) -> Params {
        let mut params = Params::default();
        for (name, value) in &self.resolve.params {
            set(&mut params, name, value.clone());
        }
        let above = parent_of(place).or(self.resolve.root.as_deref());
        if let (Some(param), Some(above)) = (&self.resolve.parent, above) {
            set(&mut params, param, Value::from(above));
        }
        params
    }

    /// The parameters of a call that asks for names.
    pub fn call(&self, names: &[String]) -> Params {
        self.resolve.call(&self.given, names)
    }
}

impl PartialEq for Directory {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Directory {}

impl PartialOrd for Directory {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Directory {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl Hash for Directory {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}
