//! What the broker's part needs of the engine, small enough to be stood in for by a test.

use std::time::Duration;

use async_trait::async_trait;

use paceline_engine::Engine;
use paceline_engine::schedule::Load;
use paceline_ports::Waiting;

/// A wake-up that was missed costs at most this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where jobs go that the ledger has taken over.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// Puts them into their lanes.
    fn enqueue(&self, jobs: Vec<Waiting>);

    /// How much there is to do.
    fn load(&self) -> Load;

    /// The app that has most unfinished jobs, of those that can run now or of all.
    fn fullest(&self, of_able: bool) -> Option<(String, usize)>;

    /// Waits until there is less to do than this, of either kind.
    async fn until_below(&self, load: Load);
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

    fn load(&self) -> Load {
        self.load_now()
    }

    fn fullest(&self, of_able: bool) -> Option<(String, usize)> {
        Self::fullest(self, of_able)
    }

    async fn until_below(&self, load: Load) {
        loop {
            let changed = self.backlog_changed().notified();
            tokio::pin!(changed);
            // Enlisted before looking, so a change in between is not missed.
            changed.as_mut().enable();
            let now = self.load_now();
            if now.able < load.able && now.unfinished < load.unfinished {
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
