//! An app: one set of credentials, as the engine needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use paceline_domain::catalog::{Method, Platform, QuotaScope};
use paceline_domain::quota::Quota;

/// One set of credentials on one platform.
pub struct App {
    /// Its name in the settings and in jobs.
    pub name: String,
    /// Where it lives.
    pub platform: Arc<Platform>,
    /// Scheme, host and port, without a trailing slash.
    pub base_url: String,
    /// `app_id`, or WeCom's corp id.
    pub id: String,
    /// `app_secret`, or WeCom's secret of the app.
    pub secret: SecretString,
    /// Static user access tokens by name.
    pub users: BTreeMap<String, SecretString>,
    /// What happens to an uncertain call that no look-up can decide.
    pub on_uncertain: OnUncertain,
    /// What becomes of a job of whose rooms some declined.
    pub on_room_declined: OnDeclined,
    /// Whether creates carry the job id where the method's look-up can find it.
    pub mark_created: bool,
    /// The part of each quota that this process may use.
    pub share: f64,
    /// Calls of a calendar month, if the tenant's plan has such a budget.
    pub month_calls: Option<u64>,
    /// Quotas that replace the catalog's.
    pub quotas: Quotas,
    /// Those of one tenant, before the app's own.
    pub tenants: BTreeMap<String, Quotas>,
    /// Methods as its settings have them, where something was found out that the catalog does not say.
    pub methods: BTreeMap<String, Arc<Method>>,
}

/// Quotas by method, and by scope where it is not the method's main quota.
pub type Quotas = BTreeMap<(String, Option<QuotaScope>), Quota>;

impl App {
    /// An app as it is without settings of its own, with these quotas.
    #[cfg(test)]
    pub(super) fn plain(name: &str, id: &str, platform: Arc<Platform>, quotas: Quotas) -> Self {
        Self {
            name: name.to_owned(),
            base_url: platform.base_url.clone(),
            platform,
            id: id.to_owned(),
            secret: SecretString::from("s"),
            users: BTreeMap::new(),
            on_uncertain: OnUncertain::Hold,
            on_room_declined: OnDeclined::Warn,
            mark_created: true,
            share: 1.0,
            month_calls: None,
            quotas,
            tenants: BTreeMap::new(),
            methods: BTreeMap::new(),
        }
    }

    /// The access token of a user.
    pub fn user_token(&self, name: &str) -> Option<&SecretString> {
        self.users.get(name)
    }
}

/// What happens to an uncertain call that no look-up can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUncertain {
    /// A person decides.
    Hold,
    /// It is sent again, at the risk of a duplicate.
    Retry,
}

/// What becomes of a job whose call succeeded and that asked for something that declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDeclined {
    /// It succeeds with a warning.
    Warn,
    /// It is a dead letter.
    Dead,
}

/// All apps by name.
pub type Apps = BTreeMap<String, Arc<App>>;
