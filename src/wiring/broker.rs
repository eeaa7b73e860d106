//! The broker's service around an engine, as the settings describe it.

use std::sync::Arc;

use crate::broker::{Fault, Options, Service};
use crate::clock::Clock;
use crate::domain::decode::Decoder;
use crate::engine::Engine;
use crate::settings::Settings;

/// Starts intake and relay around an engine; connecting and reconnecting goes on in the background.
///
/// # Errors
/// What is wrong with the address.
pub fn broker(options: &Options, engine: &Arc<Engine>, decoder: Decoder, clock: &Clock) -> Result<Service, Fault> {
    let decode = Arc::new(move |raw: &[u8], defaults: &_| decoder.decode(raw, defaults));
    Service::start(options, decode, Arc::clone(engine.ledger()), Arc::clone(engine), clock)
}

/// The broker's options, if the settings have a broker.
pub fn broker_options(settings: &Settings) -> Option<Options> {
    let broker = settings.broker.as_ref()?;
    let mut options = Options::at(broker.url.clone());
    options.ca_file = broker.ca.as_ref().map(|ca| ca.path.clone());
    options.jobs_queue.clone_from(&broker.jobs_queue);
    options.results_queue = broker.results_queue.clone().unwrap_or_default();
    options.results_exchange.clone_from(&broker.results_exchange);
    options.dead_queue.clone_from(&broker.dead_queue);
    options.prefetch = broker.prefetch;
    options.body_bytes_max = settings.intake.body_bytes_max;
    options.pending_max = settings.intake.pending_max;
    Some(options)
}
