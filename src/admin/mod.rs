//! The worker's admin server: health, metrics, the HTTP API under `/api/v1`, and the dashboard.
//!
//! [`server`] accepts connections, [`slots`] says who has one, [`connection`] serves it, [`guard`] lets requests in, [`routes`] is the one list of what there is; the rest is
//! a file a subject. Reading has connections of its own to the ledger ([`books`]) and never waits for the engine.

mod activity;
mod actor;
mod answer;
mod assets;
mod batches;
mod body;
mod books;
mod cancel;
mod change;
mod connection;
mod dead;
mod edit;
mod forecast;
mod guard;
mod guesses;
mod health;
mod held;
mod imports;
mod input;
mod inputs;
mod job;
mod jobs;
mod methods;
mod overview;
mod patience;
mod reads;
mod redrive;
mod resolve;
mod routes;
mod selection;
mod server;
mod site;
mod slots;
mod socket;
mod submit;
mod suspension;
mod throughput;
mod tokens;
mod wire;

use std::sync::{Arc, PoisonError, RwLock};

pub use self::actor::SOLE_TOKEN;
pub use self::imports::FileRules;
pub use self::routes::{addresses, roles};
pub use self::server::{Admin, BindError, Bound, Door, bind};
pub use self::tokens::{Token, make as make_token};
use crate::amqp::Look;
use crate::domain::decode::Decoder;
use crate::domain::time::{Mono, Timestamp};
use crate::engine::Engine;
use crate::operations::inputs::Inputs;
use paceline_ports::Intake;
use paceline_ports::operator::Connect;

/// Who may ask, and what protects the way.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// With what connections to the address are secured; `None` for plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What clients show.
    pub tokens: Vec<Token>,
    /// The origin under which a proxy serves it, in lower case.
    pub public_url: Option<String>,
    /// Whether everybody on this machine may read, where nobody else can come.
    pub reads_openly: bool,
}

/// The running worker, as the server sees it.
pub struct Worker {
    /// The command that runs: `work`, `run`, or `rehearsal`.
    pub mode: &'static str,
    /// The engine.
    pub engine: Arc<Engine>,
    /// Where submitted jobs go.
    pub intake: Arc<dyn Intake>,
    /// How jobs are read at the moment.
    pub decoder: Arc<dyn Fn() -> Arc<Decoder> + Send + Sync>,
    /// How files are read.
    pub files: FileRules,
    /// The way to its store.
    pub store: Arc<dyn Connect>,
    /// The broker part, if there is one.
    pub broker: Option<Look>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What every handler is given.
struct State {
    worker: Arc<Worker>,
    forecast: forecast::Forecasts,
    access: RwLock<Arc<guard::Access>>,
    guesses: guesses::Guesses,
    books: books::Books,
    imports: imports::Imports,
    started_at: Timestamp,
    started: Mono,
}

impl State {
    /// Who may ask at the moment.
    fn access(&self) -> Arc<guard::Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Timestamp {
        self.worker.engine.clock().now()
    }

    /// Inputs read again, with the apps and methods of now.
    fn inputs(&self) -> Inputs {
        let decoder = (self.worker.decoder)();
        Inputs::new(Decoder::clone(&decoder), Arc::clone(&self.worker.store))
    }
}

type Shared = Arc<State>;

/// What a handler gives.
type Answer = Result<axum::response::Response, answer::Fault>;
