//! From bytes to a job: the one place where input is validated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::Catalog;
use super::job::{Job, Rejection};

/// What the settings say of an app, as far as input needs it.
#[derive(Clone, Debug, Default)]
pub struct AppFacts {
    /// The platform family whose methods it can call: `feishu` (also for Lark) or `wecom`.
    pub family: String,
    /// The users whose tokens the settings hold.
    pub users: BTreeSet<String>,
}

/// Which apps a job may name.
#[derive(Clone, Debug)]
pub enum Apps {
    /// Those of the settings.
    Named(BTreeMap<String, AppFacts>),
    /// Any: a rehearsal against the simulator makes them up.
    Any,
}

/// What stands in for absent fields of a job: AMQP properties, or a file's position and the command line.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Stands in for `id`.
    pub id: Option<String>,
    /// Stands in for `method`.
    pub method: Option<String>,
    /// Stands in for `app`.
    pub app: Option<String>,
    /// Stands in for `batch`.
    pub batch: Option<String>,
    /// Stands in for `priority`.
    pub priority: Option<u8>,
    /// Stands in for `reply_to`.
    pub reply_to: Option<String>,
}

/// Turns bytes into jobs.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The methods.
    pub catalog: Arc<Catalog>,
    /// The apps.
    pub apps: Apps,
}

impl Decoder {
    /// Reads one job, or says everything that is wrong with it.
    pub fn decode(&self, _raw: &[u8], _defaults: &Defaults) -> Result<Job, Rejection> {
        Err(Rejection::default())
    }
}
