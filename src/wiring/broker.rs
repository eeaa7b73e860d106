//! The broker's service around an engine, as the settings describe it.

use std::sync::{Arc, PoisonError, RwLock};

use crate::amqp::options::LiveRights;
use crate::amqp::sign_in::{Certificate, TokenSource};
use crate::amqp::{BrokerFault, Options, Service};
use crate::clock::Clock;
use crate::domain::decode::Decoder;
use crate::domain::rights::Rights;
use crate::engine::Engine;
use crate::settings::Settings;
use paceline_ports::Store;

/// What is wrong with an address of the broker that is readable on the way.
pub const READABLE: &str =
    "is not encrypted: the broker's password and every job, with the passwords in it, can be read on the way";
/// What to do about it.
pub const AMQPS: &str = "begin its address with amqps:// (and set broker.ca_file for an authority of your own)";

/// Says at the start that what goes to the broker can be read on its way, if it can.
pub fn warn_of_plain_text(settings: &Settings) {
    for address in settings.broker.iter().flat_map(crate::settings::Broker::readable_on_the_way) {
        tracing::warn!("{address} {READABLE}; {AMQPS}");
    }
}

/// The decoder in force, which a reload of the settings replaces; clones are the same.
#[derive(Clone)]
pub struct Decoding(Arc<RwLock<Arc<Decoder>>>);

impl Decoding {
    /// Begins with this one.
    pub fn new(decoder: Decoder) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(decoder))))
    }

    /// Reads by another one from now on.
    pub fn replace(&self, decoder: Decoder) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(decoder);
    }

    /// The one of now.
    pub fn current(&self) -> Arc<Decoder> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Starts intake and relay around an engine; connecting and reconnecting goes on in the background.
///
/// # Errors
/// What is wrong with the address.
pub fn broker(
    options: &Options,
    engine: &Arc<Engine>,
    ledger: &Arc<dyn Store>,
    decoding: Decoding,
    clock: &Clock,
) -> Result<Service, BrokerFault> {
    let mut options = options.clone();
    options.rights = LiveRights::of({
        let decoding = decoding.clone();
        move || Arc::clone(&decoding.current().rights)
    });
    let decode = Arc::new(move |raw: &[u8], defaults: &_| {
        let mut warnings = Vec::new();
        let read = decoding.current().decode_with(raw, defaults, &mut warnings);
        // Upstream's jobs are never stopped by a warning, and nobody is asked.
        let id = read.as_ref().map_or("", |job| job.id.as_str());
        for warning in &warnings {
            tracing::debug!(id, field = warning.field, "{}", warning.check.message());
        }
        read
    });
    let ports = (Arc::clone(ledger) as _, Arc::clone(ledger) as _);
    Service::start(&options, decode, ports, Arc::clone(engine), clock)
}

/// Who may ask for what.
pub fn rights_of(settings: &Settings) -> Rights {
    settings.broker.as_ref().map(|broker| broker.rights.clone()).unwrap_or_default()
}

/// The broker's options, if the settings have a broker.
pub fn broker_options(settings: &Settings) -> Option<Options> {
    let broker = settings.broker.as_ref()?;
    let mut options = Options { urls: broker.urls.clone(), ..Options::default() };
    options.ca_file = broker.ca.as_ref().map(|ca| ca.path.clone());
    options.certificate =
        broker.tls_cert.clone().zip(broker.tls_key.clone()).map(|(cert, key)| Certificate { cert, key });
    let program = broker.token_command.clone().map(TokenSource::Program);
    options.token = program.or_else(|| broker.token_file.clone().map(TokenSource::File));
    options.jobs_queue.clone_from(&broker.jobs_queue);
    options.results_queue = broker.results_queue.clone().unwrap_or_default();
    options.results_exchange.clone_from(&broker.results_exchange);
    options.dead_queue.clone_from(&broker.dead_queue);
    options.prefetch = broker.prefetch;
    options.body_bytes_max = settings.intake.body_bytes_max;
    options.pending_max = settings.intake.pending_max;
    Some(options)
}
