//! The broker's part of a worker, put together: what wiring starts, asks and stops.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::intake::{Decode, Intake};
use super::link::Link;
use super::options::Options;
use super::ports::{Backlog, Endings};
use super::relay::Relay;
use paceline_domain::messages::{BrokerFault, BrokerStatus, IntakeState, LinkState, RelayState};
use paceline_ports::Outbox;
use paceline_ports::clock::Clock;

/// The running broker part.
pub struct Service {
    /// The consuming connection.
    pub consume: Link,
    /// The publishing connection; `submit` may use it too.
    pub publish: Link,
    intake: watch::Receiver<IntakeState>,
    relay: watch::Receiver<RelayState>,
    intake_task: Task,
    relay_task: Task,
    link_tasks: [Task; 2],
}

/// Looks at the running broker part from elsewhere.
#[derive(Clone)]
pub struct Look {
    consume: watch::Receiver<LinkState>,
    publish: watch::Receiver<LinkState>,
    intake: watch::Receiver<IntakeState>,
    relay: watch::Receiver<RelayState>,
}

impl Look {
    /// Waits until something stands otherwise; false when nothing will any more.
    pub async fn changed(&mut self) -> bool {
        let changed = tokio::select! {
            changed = self.consume.changed() => changed,
            changed = self.publish.changed() => changed,
            changed = self.intake.changed() => changed,
            changed = self.relay.changed() => changed,
        };
        changed.is_ok()
    }

    /// How everything stands now.
    pub fn status(&self) -> BrokerStatus {
        BrokerStatus {
            consume: self.consume.borrow().clone(),
            publish: self.publish.borrow().clone(),
            intake: self.intake.borrow().clone(),
            relay: self.relay.borrow().clone(),
        }
    }
}

/// A task and the way to end it.
struct Task {
    stop: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl Task {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, handle: tokio::spawn(run(stopped)) }
    }

    async fn stop(&mut self) {
        self.stop.send_replace(true);
        // The intake is stopped before the rest, and once more with it: a handle must not be awaited twice.
        if self.handle.is_finished() {
            return;
        }
        // A panic in it has been reported by the runtime, and must not keep the others from being closed.
        let _ = (&mut self.handle).await;
    }
}

impl Service {
    /// Starts both connections, the intake and the relay. Nothing has to be up for it.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn start<E: Backlog + Endings + 'static>(
        options: &Options,
        decode: Decode,
        (ledger, outbox): (Arc<dyn paceline_ports::Intake>, Arc<dyn Outbox>),
        engine: Arc<E>,
        clock: &Clock,
    ) -> Result<Self, BrokerFault> {
        let (consume, consume_up) = Link::new(options, "paceline consume", clock.clone())?;
        let (publish, publish_up) = Link::new(options, "paceline publish", clock.clone())?;
        let (intake_state, intake) = watch::channel(IntakeState::IntakeWaiting);
        let (relay_state, relay) = watch::channel(RelayState::RelayWaiting);
        let taking = Intake {
            link: consume.clone(),
            options: options.clone(),
            decode,
            ledger,
            backlog: Arc::clone(&engine),
            clock: clock.clone(),
            state: intake_state,
        };
        let relaying = Relay {
            link: publish.clone(),
            options: options.clone(),
            outbox,
            endings: engine,
            clock: clock.clone(),
            state: relay_state,
        };
        Ok(Self {
            consume,
            publish,
            intake,
            relay,
            intake_task: Task::start(|stop| taking.run(stop)),
            relay_task: Task::start(|stop| relaying.run(stop)),
            link_tasks: [Task::start(|stop| consume_up.run(stop)), Task::start(|stop| publish_up.run(stop))],
        })
    }

    /// How everything stands now.
    pub fn status(&self) -> BrokerStatus {
        self.look().status()
    }

    /// Something to ask that by, while somebody else has the service.
    pub fn look(&self) -> Look {
        Look {
            consume: self.consume.states(),
            publish: self.publish.states(),
            intake: self.intake.clone(),
            relay: self.relay.clone(),
        }
    }

    /// Follows the intake.
    pub fn intake(&self) -> watch::Receiver<IntakeState> {
        self.intake.clone()
    }

    /// Follows the relay.
    pub fn relay(&self) -> watch::Receiver<RelayState> {
        self.relay.clone()
    }

    /// Takes no more jobs over; for the first step of draining, while the engine ends what is in flight.
    pub async fn stop_intake(&mut self) {
        self.intake_task.stop().await;
    }

    /// Publishes what is left for a few seconds and closes the connections. To be awaited before the runtime ends.
    pub async fn stop(mut self) {
        self.intake_task.stop().await;
        self.relay_task.stop().await;
        for task in &mut self.link_tasks {
            task.stop().await;
        }
    }
}
