//! Follows what changes beside the engine: the ledger in other processes' hands, and the machine's clock.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::{info, warn};

use super::ledger_health::LEDGER_PAUSE;
use super::ports::{JobSeq, LedgerError};
use super::runtime::Engine;
use paceline_domain::job::LaneKey;

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
        let (mut is_behind, mut taken_out) = (false, Vec::new());
        loop {
            tokio::select! {
                () = over.notified() => return,
                () = self.domain().until_changed() => {}
                () = self.ledger_changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // Several workers go by the store's clock, each turn of theirs.
            if !self.domain().is_shared() {
                is_behind = self.follow_clock(is_behind);
            }
            match self.domain().changed().await {
                Ok(changed) => {
                    if !changed.waiting.is_empty() {
                        self.enqueue(changed.waiting);
                    }
                    taken_out.extend(self.take_out(&changed.ended));
                }
                Err(error) => {
                    self.ledger_failed(&error);
                    if self.lost().is_some() {
                        return;
                    }
                    tokio::time::sleep(LEDGER_PAUSE).await;
                }
            }
            self.take_back(&mut taken_out).await;
            self.end_blocked().await;
            if let Err(error) = self.reload_suspensions().await {
                warn!(%error, "suspensions cannot be read");
            }
            if let Err(error) = self.record_restraints().await {
                warn!(%error, "what holds calls back cannot be recorded");
            }
        }
    }

    /// Ends jobs that have waited for others for too long.
    async fn end_blocked(&self) {
        match self.domain().end_blocked(self.options().reference_wait, self.clock().now()).await {
            Ok(0) => {}
            Ok(ended) => {
                warn!(ended, "jobs that waited for others are dead: their time is over");
                self.outbox_changed().notify_one();
                self.backlog_changed().notify_one();
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// Takes jobs that another process has ended out of their lanes: each would cost its lane a turn. Says which.
    pub(super) fn take_out(&self, ended: &BTreeMap<LaneKey, HashSet<JobSeq>>) -> Vec<JobSeq> {
        if ended.is_empty() {
            return Vec::new();
        }
        let mut schedule = self.schedule();
        for (lane, jobs) in ended {
            schedule.take_out(lane, jobs);
        }
        drop(schedule);
        self.backlog_changed().notify_waiters();
        self.wake();
        ended.values().flatten().copied().collect()
    }

    /// Takes back those that had come anew under their old numbers before they were taken out.
    async fn take_back(&self, taken_out: &mut Vec<JobSeq>) {
        if taken_out.is_empty() {
            return;
        }
        match self.domain().waiting_of(taken_out.clone()).await {
            Ok(again) => {
                taken_out.clear();
                if !again.is_empty() {
                    self.enqueue(again);
                }
            }
            Err(error) => self.ledger_failed(&error),
        }
    }

    /// Follows the system's clock, if it was set forward. Says whether the system's clock is behind ours.
    fn follow_clock(&self, was_behind: bool) -> bool {
        let ahead_s = self.clock().anchor_again() / 1_000_000;
        if ahead_s > 0 {
            info!(by_s = ahead_s, "the machine's clock was set forward");
            self.look_at_calendar();
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

    /// Looks at every lane again: what waits for an instant of the calendar may be due.
    pub(super) fn look_at_calendar(&self) {
        let now = self.clock().mono();
        self.schedule().look_again(now);
        self.wake();
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
