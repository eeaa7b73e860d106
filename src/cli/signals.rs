//! Signals: SIGINT and SIGTERM ask the process to stop, SIGHUP to read its settings again.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::exit::{self, Exit, Interrupted};
use super::screen::Screen;

/// Waits for signals to stop.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Ctrl-C.
    Interrupt,
    /// A service manager.
    Terminate,
}

impl Stop {
    /// Catches both signals from now on; needs a runtime.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next of them.
    pub(super) async fn next(&mut self) -> Cause {
        tokio::select! {
            _ = self.interrupt.recv() => Cause::Interrupt,
            _ = self.terminate.recv() => Cause::Terminate,
        }
    }

    /// Waits for the first of them.
    pub(super) async fn first(&mut self) {
        self.next().await;
    }
}

/// Heeds signals while a command still prepares, however busy its own thread is. As long as nothing was done, the first
/// ends the process at once: the command may wait for a file that nobody writes. From [`Self::defer`] on the command asks
/// for the first, and the second ends the process.
pub(super) struct Early {
    has_come: Arc<AtomicBool>,
    is_deferred: Arc<AtomicBool>,
    listener: JoinHandle<()>,
}

impl Early {
    /// Catches signals from now on until it is dropped; needs a runtime of several threads.
    pub(super) fn listen() -> std::io::Result<Self> {
        let mut stop = Stop::listen()?;
        let (has_come, is_deferred) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (first, goes_on) = (Arc::clone(&has_come), Arc::clone(&is_deferred));
        let listener = tokio::spawn(async move {
            stop.next().await;
            first.store(true, Ordering::Relaxed);
            if !goes_on.load(Ordering::Relaxed) {
                let interrupted = Interrupted("while the files were read; nothing was sent".to_owned());
                let exit = exit::report(&interrupted.into(), false, &mut Screen::default());
                std::process::exit(i32::from(exit.code()));
            }
            stop.next().await;
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
        Ok(Self { has_come, is_deferred, listener })
    }

    /// From now on the first signal waits until the command asks for it.
    pub(super) fn defer(&self) {
        self.is_deferred.store(true, Ordering::Relaxed);
    }

    /// Fails once a signal has come; `what` says what was under way and what to do.
    pub(super) fn check(&self, what: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.has_come.load(Ordering::Relaxed) { Err(Interrupted(what()).into()) } else { Ok(()) }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Waits for SIGHUP; as long as it does, that signal ends nothing.
pub(super) struct HangUps {
    signal: Signal,
    had_terminal: bool,
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangUp {
    /// Somebody asks for the settings to be read again.
    Reload,
    /// The terminal that it was started from has gone, and nobody looks on any more.
    NoTerminal,
}

impl HangUps {
    /// Catches the signal from now on; needs a runtime.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { signal: signal(SignalKind::hangup())?, had_terminal: std::io::stderr().is_terminal() })
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) -> HangUp {
        self.signal.recv().await;
        let is_lost = self.had_terminal && !std::io::stderr().is_terminal();
        if is_lost { HangUp::NoTerminal } else { HangUp::Reload }
    }
}
