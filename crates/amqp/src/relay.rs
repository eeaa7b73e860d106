//! Endings from the outbox to the broker: published with confirms, forgotten when confirmed, never lost.
//!
//! Whatever goes wrong here stops neither calls nor endings: a row stays in the outbox until the broker has it. A
//! destination that refuses messages waits alone, and the ledger knows which of a row's destinations it has reached
//! ([`super::outgoing`]). A crash between confirm and forgetting publishes a row again, so consumers of results see each
//! at least once.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::fault::Error;
use super::link::Link;
use super::memory::{Memory, RABBITMQ};
use super::options::Options;
use super::outbox_run::Run;
use super::ports::Endings;
use super::troubles::Concern;
use super::{retry_delay, until_stopped};
use paceline_ports::Outbox;
use paceline_ports::clock::Clock;

/// What the relay does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a connection.
    Waiting,
    /// Publishes what comes.
    Publishing,
    /// Publishes what comes, but somebody else's queue does not get all.
    Hindered {
        /// Why, and what to do.
        why: String,
    },
    /// Keeps something in the outbox and tries again.
    Stalled {
        /// Why, and what to do.
        why: String,
    },
    /// Stopped.
    Stopped,
}

impl State {
    /// Whether our own queues get what comes.
    pub const fn publishes(&self) -> bool {
        matches!(self, Self::Publishing | Self::Hindered { .. })
    }

    /// Why something stays in the outbox for now, if so.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Hindered { why } | Self::Stalled { why } => Some(why),
            Self::Waiting | Self::Publishing | Self::Stopped => None,
        }
    }

    /// In a word, for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Publishing => "publishing",
            Self::Hindered { .. } => "hindered",
            Self::Stalled { .. } => "stalled",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => out.write_str("waiting for a connection"),
            Self::Publishing => out.write_str("publishing"),
            Self::Hindered { why } => write!(out, "publishing, except to {why}"),
            Self::Stalled { why } => write!(out, "stalled: {why}"),
            Self::Stopped => out.write_str("stopped"),
        }
    }
}

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
    pub state: watch::Sender<State>,
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
                        self.state.send_replace(State::Waiting);
                    } else {
                        memory.troubles.note(RABBITMQ, Concern::All, &error.to_string());
                        self.state.send_replace(memory.troubles.state());
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(retry_delay(failures)) => {}
                () = until_stopped(&mut stop) => break,
            }
        }
        self.state.send_replace(State::Stopped);
    }
}
