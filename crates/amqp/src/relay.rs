//! Endings from the outbox to the broker: published with confirms, forgotten when confirmed, never lost.
//!
//! Whatever goes wrong here stops neither calls nor endings: a row stays in the outbox until the broker has it. A
//! destination that refuses messages waits alone, and the ledger knows which of a row's destinations it has reached
//! ([`super::outgoing`]). A crash between confirm and forgetting publishes a row again, so consumers of results see each
//! at least once.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::fault::Error;
use super::link::Link;
use super::memory::Memory;
use super::options::Options;
use super::outbox_run::Run;
use super::ports::Endings;
use super::troubles::Concern;
use super::{retry_delay, until_stopped};
use paceline_domain::messages::{BrokerPart, RelayState};
use paceline_ports::Outbox;
use paceline_ports::clock::Clock;

/// Publishes the outbox.
pub struct Relay<E> {
    /// The publishing connection.
    pub link: Link,
    /// Names and limits.
    pub options: Options,
    /// Whose outbox it is.
    pub outbox: Arc<dyn Outbox>,
    /// Tells of new rows.
    pub endings: Arc<E>,
    /// Time.
    pub clock: Clock,
    /// What it does at the moment, for `status`.
    pub state: watch::Sender<RelayState>,
}

impl<E: Endings> Relay<E> {
    /// Publishes until told to stop, then what is left for a few seconds.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut memory = Memory::new(self.options.refusal_pause);
        let mut failures = 0;
        loop {
            let session = tokio::select! {
                session = self.link.session() => session,
                () = until_stopped(&mut stop) => self.link.session().now_or_never().flatten(),
            };
            let Some(session) = session else { break };
            let mut run = Run::new(&self, &session, &mut memory);
            let ended = run.publish_all(&mut stop).await;
            failures = if run.published { 0 } else { failures + 1 };
            match ended {
                Ok(()) => break,
                Err(error) => {
                    if matches!(error, Error::Silent { .. }) {
                        session.abandon(&error);
                    }
                    if session.is_lost() {
                        self.state.send_replace(RelayState::RelayWaiting);
                    } else {
                        memory.troubles.note(&BrokerPart::RabbitMq, Concern::All, error.fault());
                        self.state.send_replace(memory.troubles.state());
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(retry_delay(failures)) => {}
                () = until_stopped(&mut stop) => break,
            }
        }
        self.state.send_replace(RelayState::RelayStopped);
    }
}
