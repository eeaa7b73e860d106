//! A worker among several on one ledger, as the settings describe it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::fleet::{Member, Sight};
use crate::engine::ports::LedgerError;
use crate::user;
use paceline_ports::{Card, Fleet};

/// A worker's part among several; dropped, it takes nothing more.
pub(super) struct Membership {
    sight: Sight,
    fleet: Arc<dyn Fleet>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Takes its first domains, and goes on in the background.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) async fn begin(
        engine: &Arc<Engine>,
        fleet: Arc<dyn Fleet>,
        clock: &Clock,
        egress: String,
        asked: Arc<Notify>,
    ) -> Result<Self, LedgerError> {
        let card = Card {
            name: user::place(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            egress,
            started_at: clock.now(),
            ..Card::default()
        };
        let member = Member::new(Arc::clone(engine), Arc::clone(&fleet), card);
        let mut member = member.on_reload(move || asked.notify_one());
        member.turn().await?;
        let sight = member.sight();
        Ok(Self { sight, fleet, task: tokio::spawn(member.run()) })
    }

    /// Lets every worker read its settings again, this one too.
    pub(super) fn reload_all(&self) {
        let fleet = Arc::clone(&self.fleet);
        tokio::spawn(async move {
            if let Err(error) = fleet.ask_reload().await {
                warn!(%error, "the other workers cannot be told to read their settings again; send each of them SIGHUP");
            }
        });
    }

    /// What was seen last of the others.
    pub(super) fn sight(&self) -> Sight {
        Arc::clone(&self.sight)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.task.abort();
    }
}
