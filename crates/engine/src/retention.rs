//! Forgets what ended long ago, now and then and a piece at a time, so that no call waits long behind it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::ports::{JobSeq, LedgerError};
use super::runtime::Engine;

/// How often it is looked for what can be forgotten.
const EVERY: Duration = Duration::from_secs(3_600);
/// How long the ledger is left to others between two pieces.
const BREATH: Duration = Duration::from_millis(20);

/// Goes on until it is aborted.
pub(super) async fn run(engine: Arc<Engine>) {
    loop {
        // Asked each time: a reload of the settings may have changed it.
        if let Some(keep) = engine.options().keep {
            // Windows are rebuilt from recorded calls: those that can still count are never forgotten.
            match once(&engine, keep.max(engine.reach())).await {
                Ok(0) => {}
                Ok(forgotten) => info!(forgotten, "records of what ended long ago are forgotten"),
                Err(error) => warn!(%error, "what ended long ago cannot be forgotten now"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn once(engine: &Engine, keep: Duration) -> Result<usize, LedgerError> {
    let before = engine.clock().now() - keep;
    let (mut after, mut forgotten) = (JobSeq(0), 0);
    loop {
        let step = engine.ledger().prune(before, after).await?;
        forgotten += step.forgotten;
        match step.next {
            Some(next) => after = next,
            None if step.forgotten == 0 => return Ok(forgotten),
            None => {}
        }
        tokio::time::sleep(BREATH).await;
    }
}
