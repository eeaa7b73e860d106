//! Settings: one TOML file, overridden by the environment, checked whole before anything starts.
//!
//! [`load()`] finds every fault at once. A setting is one entry of the [`table`]. Settings know nothing of the catalog:
//! whether a quota's method exists is wiring's business.

mod admin;
mod app;
mod changes;
mod draft;
mod fault;
mod field;
mod key;
mod keys;
mod kind;
mod load;
mod publishers;
mod reference;
mod role;
mod secret;
mod sections;
mod table;
mod telemetry;
mod tls;
mod tree;
mod url;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use paceline_ports::location::StoreUrl;

pub use admin::{Admin, Named, Reading};
pub use app::{App, Calibrated, Credentials, OnDeclined, OnUncertain, QuotaOverride};
pub use changes::{Changes, changes};
pub use fault::{Fault, Faults, Place};
pub use keys::{BODY_BYTES_MAX, find as find_key, is_table};
pub use load::{load, load_without_secrets};
pub use reference::{file, manual};
pub use role::Role;
pub use table::{Broker, Catalog, Cluster, Engine, Files, Http, Intake, Lanes, Ledger};
pub use telemetry::headers as otlp_headers;
pub use tls::Tls;
pub use url::masked as masked_url;

/// Everything that a process is told at its start. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read, if one was found.
    pub file: Option<PathBuf>,
    /// `[store]`.
    pub store: StoreUrl,
    /// `[cluster]`.
    pub cluster: Cluster,
    /// `[ledger]`.
    pub ledger: Ledger,
    /// `[broker]`; `None` for embedded only.
    pub broker: Option<Broker>,
    /// `[http]`.
    pub http: Http,
    /// `[intake]`.
    pub intake: Intake,
    /// `[engine]`.
    pub engine: Engine,
    /// `[lanes]`.
    pub lanes: Lanes,
    /// `[admin]`.
    pub admin: Admin,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[catalog]`.
    pub catalog: Catalog,
    /// `[files]`.
    pub files: Files,
    /// `[apps.NAME]`, by name.
    pub apps: BTreeMap<String, App>,
    /// What each key says, for the next reading to be compared with.
    pub(crate) values: values::Values,
}

impl Broker {
    /// The addresses, without their passwords, to which what is sent leaves this machine without TLS: the password, and
    /// every job with its own.
    pub fn readable_on_the_way(&self) -> impl Iterator<Item = String> {
        use secrecy::ExposeSecret;
        self.urls.iter().map(ExposeSecret::expose_secret).filter_map(|address| {
            let parts = url::parts(address)?;
            (parts.scheme == "amqp" && !url::is_loopback(parts.host)).then(|| url::masked(address))
        })
    }
}

/// Certificates that are trusted besides the system's.
#[derive(Clone, PartialEq, Eq)]
pub struct Ca {
    /// Where they were read.
    pub path: PathBuf,
    /// One or more PEM certificates.
    pub pem: String,
}

impl fmt::Debug for Ca {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Ca({})", self.path.display())
    }
}

/// `[telemetry]`.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// The collector's address, without a trailing slash; `None` sends no traces.
    pub otlp_endpoint: Option<String>,
    /// `name=value`, joined by commas: headers of each request to it.
    pub otlp_headers: Option<SecretString>,
}
