//! What the broker's part needs of the engine, small enough to be stood in for by a test.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::Engine;
use crate::engine::ports::Waiting;

/// A wake-up that was missed costs at most this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where jobs go that the ledger has taken over.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// Puts them into their lanes.
    fn enqueue(&self, jobs: Vec<Waiting>);

    /// Jobs in lanes or in flight.
    fn unfinished(&self) -> usize;

    /// Waits until fewer than `jobs` are unfinished.
    async fn until_below(&self, jobs: usize);
}

/// Tells of new endings in the outbox.
#[async_trait]
pub trait Endings: Send + Sync {
    /// Waits until something was written to the outbox, or a while.
    async fn until_changed(&self);
}

#[async_trait]
impl Backlog for Engine {
    fn enqueue(&self, jobs: Vec<Waiting>) {
        Self::enqueue(self, jobs);
    }

    fn unfinished(&self) -> usize {
        Self::unfinished(self)
    }

    async fn until_below(&self, jobs: usize) {
        loop {
            let changed = self.backlog_changed().notified();
            tokio::pin!(changed);
            // Enlisted before looking, so a change in between is not missed.
            changed.as_mut().enable();
            if Self::unfinished(self) < jobs {
                return;
            }
            let _ = tokio::time::timeout(LOOK_EVERY, changed).await;
        }
    }
}

#[async_trait]
impl Endings for Engine {
    async fn until_changed(&self) {
        let _ = tokio::time::timeout(LOOK_EVERY, self.outbox_changed().notified()).await;
    }
}
