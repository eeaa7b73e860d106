//! Signals: SIGINT and SIGTERM ask the process to stop, SIGHUP to read its settings again.

use std::io::IsTerminal;

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

/// Waits for SIGHUP; as long as it does, that signal ends nothing.
pub struct HangUps {
    signal: Signal,
    had_terminal: bool,
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Somebody asks for the settings to be read again.
    Reload,
    /// The terminal that it was started from has gone, and nobody looks on any more.
    NoTerminal,
}

impl HangUps {
    /// Catches the signal from now on; needs a runtime.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, had_terminal: std::io::stderr().is_terminal() })
    }

    /// Waits for the next.
    pub async fn next(&mut self) -> HangUp {
        self.signal.recv().await;
        let is_lost = self.had_terminal && !std::io::stderr().is_terminal();
        if is_lost { HangUp::NoTerminal } else { HangUp::Reload }
    }
}
