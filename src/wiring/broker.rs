//! The broker's tasks around an engine: two supervised connections, the intake and the relay.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::broker::{self, Link, intake, relay};
use crate::clock::Clock;
use crate::domain::decode::Decoder;
use crate::engine::Engine;
use crate::settings::Settings;

/// The running tasks; stopped with [`BrokerTasks::stop_intake`] first and [`BrokerTasks::stop`] last.
pub struct BrokerTasks {
    /// How the intake stands.
    pub intake: watch::Receiver<intake::State>,
    /// How the relay stands.
    pub relay: watch::Receiver<relay::State>,
    consuming: Link,
    publishing: Link,
    stop_intake: watch::Sender<bool>,
    stop_relay: watch::Sender<bool>,
    stop_links: watch::Sender<bool>,
    intake_task: JoinHandle<()>,
    relay_task: JoinHandle<()>,
    links: Vec<JoinHandle<()>>,
}

impl BrokerTasks {
    /// Starts everything; connecting and reconnecting goes on in the background.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn start(
        options: &broker::Options,
        engine: &Arc<Engine>,
        decoder: Decoder,
        clock: &Clock,
    ) -> Result<Self, broker::Fault> {
        let (consuming, consume) = Link::new(options, "paceline intake", clock.clone())?;
        let (publishing, publish) = Link::new(options, "paceline outbox", clock.clone())?;
        let (stop_intake, intake_stopped) = watch::channel(false);
        let (stop_relay, relay_stopped) = watch::channel(false);
        let (stop_links, links_stopped) = watch::channel(false);
        let (intake_state, intake) = watch::channel(intake::State::Waiting);
        let (relay_state, relay) = watch::channel(relay::State::Waiting);
        let taking = intake::Intake {
            link: consuming.clone(),
            options: options.clone(),
            decode: Arc::new(move |raw, defaults| decoder.decode(raw, defaults)),
            ledger: Arc::clone(engine.ledger()),
            backlog: Arc::clone(engine),
            clock: clock.clone(),
            state: intake_state,
        };
        let giving = relay::Relay {
            link: publishing.clone(),
            options: options.clone(),
            ledger: Arc::clone(engine.ledger()),
            endings: Arc::clone(engine),
            clock: clock.clone(),
            state: relay_state,
        };
        Ok(Self {
            intake,
            relay,
            consuming,
            publishing,
            stop_intake,
            stop_relay,
            stop_links,
            intake_task: tokio::spawn(taking.run(intake_stopped)),
            relay_task: tokio::spawn(giving.run(relay_stopped)),
            links: vec![tokio::spawn(consume.run(links_stopped.clone())), tokio::spawn(publish.run(links_stopped))],
        })
    }

    /// How the two connections stand: consuming, publishing.
    pub fn links(&self) -> (broker::State, broker::State) {
        (self.consuming.state(), self.publishing.state())
    }

    /// Takes nothing over any more.
    pub async fn stop_intake(&mut self) {
        let _ = self.stop_intake.send(true);
        let _ = (&mut self.intake_task).await;
    }

    /// Publishes what is left for a few seconds, then closes the connections. To be awaited before the runtime ends.
    pub async fn stop(mut self) {
        if !self.intake_task.is_finished() {
            self.stop_intake().await;
        }
        let _ = self.stop_relay.send(true);
        let _ = (&mut self.relay_task).await;
        let _ = self.stop_links.send(true);
        for link in self.links {
            let _ = link.await;
        }
    }
}

/// The broker's options, if the settings have a broker.
pub fn options_of(settings: &Settings) -> Option<broker::Options> {
    let broker = settings.broker.as_ref()?;
    let mut options = broker::Options::at(broker.url.clone());
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
