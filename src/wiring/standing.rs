//! Records in the ledger how the worker is connected with its broker, so that `paceline status` can say it beside a
//! running worker.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use crate::amqp::Look;
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
            if let Some(told) = told.as_ref().filter(|told| told.status.is_ready() == standing.status.is_ready()) {
                standing.since = told.since;
            }
            if told.as_ref() != Some(&standing) {
                match ledger.set_broker(standing.clone()).await {
                    Ok(()) => told = Some(standing),
                    Err(LedgerError::Closed) => return,
                    Err(error) => {
                        debug!(%error, "how the worker is connected with its broker cannot be recorded");
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
    BrokerStanding { since: clock.now(), status: look.status() }
}
