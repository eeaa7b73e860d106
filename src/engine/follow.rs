//! Follows what changes beside the engine: the ledger in other processes' hands, and the machine's clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{info, warn};

use super::core::Engine;
use super::ports::LedgerError;
use super::trouble::LEDGER_PAUSE;

/// How often the ledger is asked whether another process changed something; new jobs it tells of by itself, sooner.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How far the machine's clock is set back before it is said.
const CLOCK_BEHIND_S: i64 = 60;

impl Engine {
    /// Says that somebody in this process changed the ledger beside the engine: it looks at once.
    pub fn look_at_ledger(&self) {
        self.ledger_changed.notify_one();
    }

    /// Follows what other processes do to the ledger: redrives, submits, resumes; and ends suspensions whose time is over.
    pub(super) async fn follow_changes(self: Arc<Self>, over: Arc<Notify>) {
        let mut is_behind = false;
        loop {
            tokio::select! {
                () = over.notified() => return,
                () = self.ledger().until_changed() => {}
                () = self.ledger_changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            is_behind = self.follow_clock(is_behind);
            match self.ledger().changed().await {
                Ok(jobs) if jobs.is_empty() => {}
                Ok(jobs) => self.enqueue(jobs),
                Err(error) => {
                    self.ledger_failed(&error);
                    tokio::time::sleep(LEDGER_PAUSE).await;
                }
            }
            if let Err(error) = self.reload_suspensions().await {
                warn!(%error, "suspensions cannot be read");
            }
            if let Err(error) = self.record_restraints().await {
                warn!(%error, "what holds calls back cannot be recorded");
            }
        }
    }

    /// Follows the system's clock, and looks at every lane again if it was set forward: what waits for an instant of the
    /// calendar may be due. Says whether the system's clock is behind ours.
    fn follow_clock(&self, was_behind: bool) -> bool {
        let ahead_s = self.clock().anchor_again() / 1_000_000;
        if ahead_s > 0 {
            info!(by_s = ahead_s, "the machine's clock was set forward");
            let now = self.clock().mono();
            self.schedule().look_again(now);
            self.wake();
        }
        let is_behind = ahead_s <= -CLOCK_BEHIND_S;
        if is_behind && !was_behind {
            warn!(
                by_s = -ahead_s,
                "the machine's clock was set back; not_before, not_after and records go by the old time until a restart"
            );
        }
        is_behind
    }

    pub(super) async fn reload_suspensions(&self) -> Result<(), LedgerError> {
        let now = self.clock().now();
        let mut suspensions = self.ledger().suspensions().await?;
        if suspensions.iter().any(|suspension| suspension.until.is_some_and(|until| until <= now)) {
            let ended = self.ledger().end_suspensions(now).await?;
            info!(ended, "the time of suspensions is over; their jobs go on");
            suspensions.retain(|suspension| suspension.until.is_none_or(|until| until > now));
        }
        let mut schedule = self.schedule();
        if *schedule.suspensions() != suspensions {
            schedule.set_suspensions(suspensions);
            drop(schedule);
            self.wake();
        }
        Ok(())
    }
}
