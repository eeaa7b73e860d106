//! Settings: one TOML file, overridden by the environment, checked whole before anything starts.
//!
//! [`load()`] finds every fault at once. What keys there are stands in [`keys`]; what they become, here. Settings know
//! nothing of the catalog: whether a quota's method exists is wiring's business.

mod admin;
mod app;
mod changes;
mod draft;
mod fault;
mod keys;
mod load;
mod publishers;
mod reference;
mod role;
mod secret;
mod sections;
mod telemetry;
mod tls;
mod tree;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use paceline_domain::quota::Reserve;
use paceline_domain::rights::Rights;
use paceline_ports::location::Location;

pub use admin::{Admin, Named, Reading};
pub use app::{App, Credentials, OnUncertain, QuotaOverride};
pub use changes::{Changes, changes};
pub use fault::{Fault, Faults, Place};
pub use keys::{BODY_BYTES_MAX, find as find_key, is_table};
pub use load::{load, load_without_secrets};
pub use reference::{DEFAULT_FILE, reference};
pub use role::Role;
pub use telemetry::headers as otlp_headers;
pub use tls::Tls;
pub use url::masked as masked_url;

/// Everything that a process is told at its start. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read, if one was found.
    pub file: Option<PathBuf>,
    /// `[store]`.
    pub store: Location,
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
    /// `[apps.NAME]`, by name.
    pub apps: BTreeMap<String, App>,
}

/// `[ledger]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// How long what has ended is remembered; `None` for ever.
    pub keep: Option<Duration>,
}

/// `[broker]`.
#[derive(Clone)]
pub struct Broker {
    /// `amqp://…` or `amqps://…`, with its password; show [`masked_url`] of it.
    pub url: SecretString,
    /// The queue of jobs.
    pub jobs_queue: String,
    /// The queue of results; `None` declares none.
    pub results_queue: Option<String>,
    /// The exchange of results.
    pub results_exchange: String,
    /// The queue of dead letters.
    pub dead_queue: String,
    /// Unacknowledged deliveries at a time.
    pub prefetch: u16,
    /// Further trusted certificates.
    pub ca: Option<Ca>,
    /// Who may ask for what, and where answers may go.
    pub rights: Rights,
}

impl Broker {
    /// The address without its password, if what is sent there leaves this machine without TLS: the password, and every
    /// job with its own.
    pub fn readable_on_the_way(&self) -> Option<String> {
        use secrecy::ExposeSecret as _;
        let address = self.url.expose_secret();
        let parts = url::parts(address)?;
        (parts.scheme == "amqp" && !url::is_loopback(parts.host)).then(|| url::masked(address))
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        use secrecy::ExposeSecret;
        out.debug_struct("Broker")
            .field("url", &url::masked(self.url.expose_secret()))
            .field("jobs_queue", &self.jobs_queue)
            .field("results_queue", &self.results_queue)
            .field("results_exchange", &self.results_exchange)
            .field("dead_queue", &self.dead_queue)
            .field("prefetch", &self.prefetch)
            .field("ca", &self.ca)
            .field("rights", &self.rights)
            .finish()
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

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The longest call.
    pub request_timeout: Duration,
    /// The longest opening of a connection.
    pub connect_timeout: Duration,
    /// The longest reply.
    pub reply_bytes_max: usize,
    /// How long an idle connection is kept.
    pub pool_idle: Duration,
    /// Further trusted certificates.
    pub ca: Option<Ca>,
}

/// `[intake]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// Unfinished jobs at which consuming stops.
    pub pending_max: usize,
    /// The longest message or line.
    pub body_bytes_max: usize,
}

/// `[engine]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Calls in flight, all lanes together.
    pub concurrency_max: usize,
    /// Calls in flight in one lane; at most `concurrency_max`.
    pub lane_concurrency_max: usize,
    /// Attempts that a job is charged.
    pub attempts_max: u32,
    /// The first pause after a transient fault.
    pub backoff_initial: Duration,
    /// The longest pause after a transient fault.
    pub backoff_max: Duration,
    /// How long after its time-out a request may still be counted.
    pub grace: Duration,
    /// How long a stopping worker waits.
    pub drain: Duration,
}

/// `[lanes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lanes {
    /// What is kept of every window for jobs of high priority.
    pub reserve: Reserve,
    /// Jobs in a row that may die of one code before their lane is suspended; 0 for any number.
    pub stop_after: u32,
}

/// `[telemetry]`.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// The collector's address, without a trailing slash; `None` sends no traces.
    pub otlp_endpoint: Option<String>,
    /// `name=value`, joined by commas: headers of each request to it.
    pub otlp_headers: Option<SecretString>,
}

/// `[catalog]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// A directory that extends or overrides what is compiled in.
    pub dir: Option<PathBuf>,
}
