//! Signals that ask the process to stop: SIGINT and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for signals to stop.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ctrl-C.
    Interrupt,
    /// A service manager.
    Terminate,
}

impl Stop {
    /// Catches both signals from now on; needs a runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next of them.
    pub async fn next(&mut self) -> Cause {
        tokio::select! {
            _ = self.interrupt.recv() => Cause::Interrupt,
            _ = self.terminate.recv() => Cause::Terminate,
        }
    }

    /// Waits for the first of them.
    pub async fn first(&mut self) {
        self.next().await;
    }
}
