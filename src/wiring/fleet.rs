//! A worker among several on one ledger, as the settings describe it.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::fleet::{Member, Sight};
use crate::engine::ports::LedgerError;
use crate::user;
use paceline_ports::{Card, Fleet};

/// A worker's part among several; dropped, it takes nothing more.
pub(super) struct Membership {
    sight: Sight,
    task: JoinHandle<()>,
}

impl Membership {
    /// Takes its first domains, and goes on in the background.
    ///
    /// # Errors
    /// The ledger's.
    pub(super) async fn begin(engine: &Arc<Engine>, fleet: Arc<dyn Fleet>, clock: &Clock) -> Result<Self, LedgerError> {
        let card = Card {
            name: user::place(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            egress: "default".to_owned(),
            started_at: clock.now(),
            ..Card::default()
        };
        let mut member = Member::new(Arc::clone(engine), fleet, card);
        member.turn().await?;
        let sight = member.sight();
        Ok(Self { sight, task: tokio::spawn(member.run()) })
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
