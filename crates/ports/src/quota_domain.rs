//! What one process at a time makes calls for.

use std::collections::{HashMap, HashSet};

use super::{Restrained, Restraint};
use paceline_domain::job::LaneKey;

/// Everything that shares quotas, closed: who owns it is the only one to spend them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDomain {
    name: String,
    /// Apps, each with some tenants or with all of them. `None`: every lane.
    members: Option<HashMap<String, Tenants>>,
    /// By whom its quota keys are counted.
    counted_by: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tenants {
    All,
    Some(HashSet<String>),
}

impl QuotaDomain {
    /// The name of [`Self::whole`].
    pub const WHOLE: &str = "all";

    /// Every lane there is.
    pub fn whole() -> Self {
        Self { name: Self::WHOLE.to_owned(), members: None, counted_by: Vec::new() }
    }

    /// These apps, each with one tenant or, without one, with all of them.
    pub fn of(name: String, members: Vec<(String, Option<String>)>) -> Self {
        let mut domain = Self { name, members: Some(HashMap::new()), counted_by: Vec::new() };
        for (app, tenant) in members {
            domain.add(app, tenant);
        }
        domain
    }

    /// Several as one, for what is read of them together.
    pub fn all_of<'d>(domains: impl IntoIterator<Item = &'d Self>) -> Self {
        let mut all = Self::of(String::new(), Vec::new());
        for domain in domains {
            let Some(members) = &domain.members else { return Self::whole() };
            for (app, tenants) in members {
                match tenants {
                    Tenants::All => all.add(app.clone(), None),
                    Tenants::Some(some) => some.iter().for_each(|tenant| all.add(app.clone(), Some(tenant.clone()))),
                }
            }
        }
        all
    }

    /// Its quotas are counted by these owners.
    #[must_use]
    pub fn counted_by(self, counted_by: Vec<String>) -> Self {
        Self { counted_by, ..self }
    }

    fn add(&mut self, app: String, tenant: Option<String>) {
        let tenants = self.members.get_or_insert_default().entry(app).or_insert_with(|| Tenants::Some(HashSet::new()));
        match (tenant, &mut *tenants) {
            (None, tenants) => *tenants = Tenants::All,
            (Some(tenant), Tenants::Some(some)) => drop(some.insert(tenant)),
            (Some(_), Tenants::All) => {}
        }
    }

    /// What it is known by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether every lane is in it.
    pub const fn is_whole(&self) -> bool {
        self.members.is_none()
    }

    /// Whether the lane is in it.
    pub fn covers(&self, lane: &LaneKey) -> bool {
        let Some(members) = &self.members else { return true };
        members.get(&lane.app).is_some_and(|tenants| match tenants {
            Tenants::All => true,
            Tenants::Some(some) => some.contains(&lane.tenant),
        })
    }

    /// Apps and tenants that are in it, `None` for all of an app's.
    pub fn members(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.members.iter().flatten().flat_map(|(app, tenants)| {
            let some = match tenants {
                Tenants::All => None,
                Tenants::Some(some) => Some(some.iter().map(|tenant| (app.as_str(), Some(tenant.as_str())))),
            };
            let all = some.is_none().then_some((app.as_str(), None));
            some.into_iter().flatten().chain(all)
        })
    }

    /// Whether a restraint is of it.
    pub fn has(&self, restraint: &Restraint) -> bool {
        let Some(members) = &self.members else { return true };
        match &restraint.target {
            Restrained::Lane(lane) => self.covers(lane),
            Restrained::Key(key) if !self.counted_by.is_empty() => self.counted_by.contains(&key.owner),
            Restrained::Key(_) | Restrained::App => members.contains_key(&restraint.app),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(app: &str, tenant: &str) -> LaneKey {
        LaneKey { app: app.to_owned(), tenant: tenant.to_owned(), method: "m".to_owned() }
    }

    #[test]
    fn several_as_one_cover_what_each_of_them_covers() {
        let one = |app: &str, tenant: Option<&str>| {
            QuotaDomain::of(app.to_owned(), vec![(app.to_owned(), tenant.map(str::to_owned))])
        };
        let all = QuotaDomain::all_of(&[one("a", Some("t1")), one("a", Some("t2")), one("b", None)]);
        assert!(all.covers(&lane("a", "t1")) && all.covers(&lane("a", "t2")) && all.covers(&lane("b", "any")));
        assert!(!all.covers(&lane("a", "t3")) && !all.covers(&lane("c", "")) && !all.is_whole());
        assert_eq!(all.members().count(), 3);
        assert!(QuotaDomain::all_of(&[one("a", None), QuotaDomain::whole()]).is_whole());
        assert!(!QuotaDomain::all_of(&[]).covers(&lane("a", "")));
    }
}
