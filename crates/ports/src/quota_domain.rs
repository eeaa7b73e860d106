//! What one process at a time makes calls for.

use paceline_domain::job::LaneKey;

/// Everything that shares quotas, closed: who owns it is the only one to spend them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaDomain {
    name: String,
    /// Apps, each with one tenant or with all of them. `None`: every lane.
    members: Option<Vec<(String, Option<String>)>>,
}

impl QuotaDomain {
    /// The name of [`Self::whole`].
    pub const WHOLE: &str = "all";

    /// Every lane there is.
    pub fn whole() -> Self {
        Self { name: Self::WHOLE.to_owned(), members: None }
    }

    /// These apps, each with one tenant or, without one, with all of them.
    pub const fn of(name: String, members: Vec<(String, Option<String>)>) -> Self {
        Self { name, members: Some(members) }
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
        let is_of = |(app, tenant): &(String, Option<String>)| {
            *app == lane.app && tenant.as_ref().is_none_or(|tenant| *tenant == lane.tenant)
        };
        self.members.as_ref().is_none_or(|members| members.iter().any(is_of))
    }
}
