//! What the broker's part needs of the settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::sign_in::{Certificate, TokenSource};
use paceline_domain::rights::Rights;

/// Where the broker is, what its queues are called, and how much is held at once.
#[derive(Clone, Debug)]
pub struct Options {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`: nodes of one cluster, one of which is enough.
    pub urls: Vec<SecretString>,
    /// PEM file with a certificate authority to be trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The worker's own certificate; it signs in with it where the address names no user.
    pub certificate: Option<Certificate>,
    /// Where tokens come from that take the password's place.
    pub token: Option<TokenSource>,
    /// The queue that jobs come from.
    pub jobs_queue: String,
    /// The queue that gets every result; empty declares none.
    pub results_queue: String,
    /// The topic exchange that results go to.
    pub results_exchange: String,
    /// The queue of dead letters.
    pub dead_queue: String,
    /// Messages held unacknowledged until the ledger has them, at most.
    pub prefetch: u16,
    /// Messages published and not yet confirmed, at most.
    pub in_flight_max: usize,
    /// A longer body is a dead letter, in bytes.
    pub body_bytes_max: usize,
    /// Jobs not yet ended above which the rest stays in the broker.
    pub pending_max: usize,
    /// The first pause after a subscriber's queue has refused a result; doubled up to thirty of it.
    pub refusal_pause: Duration,
    /// Where answers may go.
    pub rights: LiveRights,
}

/// The rights in force, which a reload of the settings replaces.
#[derive(Clone)]
pub struct LiveRights(Arc<dyn Fn() -> Arc<Rights> + Send + Sync>);

impl LiveRights {
    /// Those that this gives at the time.
    pub fn of(rights: impl Fn() -> Arc<Rights> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rights))
    }

    /// Those of now.
    pub fn current(&self) -> Arc<Rights> {
        (self.0)()
    }
}

impl Default for LiveRights {
    fn default() -> Self {
        let everything = Arc::new(Rights::default());
        Self::of(move || Arc::clone(&everything))
    }
}

impl fmt::Debug for LiveRights {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current().fmt(out)
    }
}

impl Options {
    /// The documented defaults at this address.
    pub fn at(url: impl Into<SecretString>) -> Self {
        Self { urls: vec![url.into()], ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            ca_file: None,
            certificate: None,
            token: None,
            jobs_queue: "paceline.jobs".to_owned(),
            results_queue: "paceline.results".to_owned(),
            results_exchange: "paceline.results".to_owned(),
            dead_queue: "paceline.dead".to_owned(),
            prefetch: 500,
            in_flight_max: 512,
            body_bytes_max: 1024 * 1024,
            pending_max: 100_000,
            refusal_pause: Duration::from_secs(60),
            rights: LiveRights::default(),
        }
    }
}
