//! What this relay has claimed of the outbox, so that no other process publishes it at the same time.

use std::time::Duration;

use paceline_domain::time::Mono;
use paceline_ports::{CLAIM, LedgerError, Outbox};

/// Claims are extended so often that one may fail and the next one is still in time.
const EXTEND_EVERY: Duration = Duration::from_secs(CLAIM.as_secs() / 3);

/// When claims were extended last.
#[derive(Debug)]
pub(super) struct Claims {
    extended_at: Mono,
}

impl Claims {
    pub(super) const fn from(now: Mono) -> Self {
        Self { extended_at: now }
    }

    /// Extends the claims on rows that are still under way, if it is time.
    pub(super) async fn extend(
        &mut self,
        outbox: &dyn Outbox,
        under_way: impl Iterator<Item = i64>,
        now: Mono,
    ) -> Result<(), LedgerError> {
        if now.since(self.extended_at) < EXTEND_EVERY {
            return Ok(());
        }
        self.extended_at = now;
        let seqs: Vec<i64> = under_way.collect();
        if seqs.is_empty() { Ok(()) } else { outbox.extend(seqs).await }
    }
}
