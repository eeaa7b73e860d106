//! A thread beside the writer's, with a connection of its own: it begins when it is first needed, and ends when it is told to.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// The thread's place; empty until it begins.
pub(super) struct Beside {
    name: &'static str,
    running: Mutex<Option<Running>>,
}

struct Running {
    thread: JoinHandle<()>,
    /// Its end ends the thread.
    _over: SyncSender<()>,
}

impl Beside {
    pub(super) const fn named(name: &'static str) -> Self {
        Self { name, running: Mutex::new(None) }
    }

    /// Begins it, unless it runs: `work` goes on for as long as nothing but time comes out of the receiver.
    pub(super) fn start(&self, work: impl FnOnce(&Receiver<()>) + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return;
        }
        let (over, is_over) = sync_channel(0);
        let thread = Builder::new().name(self.name.to_owned()).spawn(move || work(&is_over));
        *running = thread.ok().map(|thread| Running { thread, _over: over });
    }

    /// Ends it, and returns when its connection is closed.
    pub(super) fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { thread, _over: over }) = running {
            drop(over);
            // It has no result; what a panic of it means, whoever began it says.
            let _ = thread.join();
        }
    }
}
