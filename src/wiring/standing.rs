//! Tells the ledger how the broker's part stands, so that `paceline status` can say it beside a running worker.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use crate::amqp::{Look, intake};
use crate::clock::Clock;
use crate::engine::ports::LedgerError;
use paceline_ports::Store;
use paceline_ports::operator::BrokerStanding;

/// Changes that come together are told together.
const SETTLES_WITHIN: Duration = Duration::from_millis(100);
/// A ledger that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Tells of every change until the ledger or the broker's part is closed.
pub(super) fn record_standing(mut look: Look, ledger: Arc<dyn Store>, clock: Clock) {
    tokio::spawn(async move {
        let mut told: Option<BrokerStanding> = None;
        loop {
            let mut standing = now(&look, &clock);
            if let Some(told) = told.as_ref().filter(|told| told.ready == standing.ready) {
                standing.since = told.since;
            }
            if told.as_ref() != Some(&standing) {
                match ledger.set_broker(standing.clone()).await {
                    Ok(()) => told = Some(standing),
                    Err(LedgerError::Closed) => return,
                    Err(error) => {
                        debug!(%error, "how the broker stands cannot be told to the ledger");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                }
            }
            if !look.changed().await {
                return;
            }
            tokio::time::sleep(SETTLES_WITHIN).await;
        }
    });
}

fn now(look: &Look, clock: &Clock) -> BrokerStanding {
    let status = look.status();
    let [jobs_in, results_out] = status.describe();
    let is_full = matches!(status.intake, intake::State::Paused { .. });
    BrokerStanding { ready: status.is_ready(), since: clock.now(), is_full, jobs_in, results_out }
}
