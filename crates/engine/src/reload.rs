//! Settings that change while the worker runs: what is in flight ends as it began, everything else goes by the new ones.
//!
//! Decision: docs/decisions/0033-changing-settings-while-running.md

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::app::Apps;
use super::config_diff::{Difference, Revision, changes, difference};
use super::ledger_health::LEDGER_PAUSE;
use super::options::Options;
use super::planner::Planner;
use super::ports::{LedgerError, PastCall, Suspension};
use super::runtime::Engine;
use paceline_domain::job::LaneKey;
use paceline_domain::time::Mono;

/// A reply is recorded a moment before its permit is given back. In doubt a call counts twice rather than not at all.
const DOUBT: Duration = Duration::from_millis(1);
/// Calls entered before other tasks have a turn.
const RECALLED_AT_ONCE: usize = 10_000;

/// Jobs that wait for an app or a method that is gone, by lane.
pub type Stranded = BTreeMap<LaneKey, usize>;

impl Engine {
    /// Works by other apps, methods, quotas and options from now on; says what that changes. Time-outs, seed and speed
    /// stay as they are.
    ///
    /// No window is exceeded by it: changed windows inherit the grants of the old, and what those cannot know is read
    /// from the ledger before such a key is granted anything.
    ///
    /// # Errors
    /// A suspension of an app that was mended could not be lifted. Everything else is done.
    pub async fn reload(&self, mut planner: Planner, options: Options) -> Result<Revision, LedgerError> {
        let before = self.schedule().planner();
        keep_unchanged(&before.apps, &mut planner.apps);
        self.metrics().know_codes(&planner.catalog);
        let planner = Arc::new(planner);
        let difference = difference(&before, &planner);
        let Options { request_timeout, seed, speed, .. } = self.options();
        self.set_options(Options { request_timeout, seed, speed, ..options });
        {
            let mut schedule = self.schedule();
            let now = self.clock().mono();
            schedule.replan(planner, &difference, options.limits, now);
        }
        let Difference { reach, revision, .. } = difference;
        for app in revision.removed.iter().chain(revision.changed.keys()) {
            if !revision.changed.contains_key(app) || revision.has_other_credentials(app) {
                self.tokens().forget_app(app);
            }
        }
        self.wake();
        if let Some(reach) = reach {
            self.recall(reach).await;
        }
        let mended = revision.changed.keys().filter(|app| revision.has_other_credentials(app)).cloned().collect();
        self.lift(mended).await?;
        Ok(revision)
    }

    /// Jobs that wait for an app or a method that the settings and the catalog do not have.
    pub fn stranded(&self) -> Stranded {
        self.schedule().stranded()
    }

    /// The last instant at which a past call can have been counted.
    pub(super) fn latest_count_of(&self, call: &PastCall, now: Mono) -> Mono {
        let options = self.options();
        let error = self.domain().clock_error();
        let latest = call.counted_by + error;
        let latest = if call.open { latest + options.grace } else { latest };
        // A record from the future (the clock was set back) counts as if it were made now.
        let latest =
            if call.open { self.clock().mono_of(latest) } else { self.clock().mono_of(latest).min(now + error) };
        latest.min(now + options.latest_count())
    }

    /// Tells the keys on hold what the ledger knows of them, however long that takes.
    async fn recall(&self, reach: Duration) {
        if let Ok(called) = self.domain().called().await {
            self.schedule().restore_called(&called, self.clock().now());
        }
        let since = self.clock().now() - (reach + self.options().latest_count() + self.domain().clock_error());
        let calls = loop {
            match self.domain().past_calls(since).await {
                Ok(calls) => break calls,
                Err(error) => {
                    warn!(%error, "earlier calls cannot be read; their quotas are paused until they can");
                    tokio::time::sleep(LEDGER_PAUSE).await;
                }
            }
        };
        for some in calls.chunks(RECALLED_AT_ONCE) {
            {
                let mut schedule = self.schedule();
                let now = self.clock().mono();
                for call in some {
                    let by = self.latest_count_of(call, now);
                    // An open call may have ended, and be forgotten already, before its end is recorded.
                    let from = if call.open { self.clock().mono_of(call.sent_at) } else { by };
                    schedule.recall(&call.lane, from - DOUBT, by);
                }
            }
            tokio::task::yield_now().await;
        }
        self.schedule().recalled(self.clock().mono());
        self.wake();
    }

    /// Lifts what the platform's answers suspended, of apps that were mended; what a person or the worker suspended stays.
    async fn lift(&self, mended: Vec<String>) -> Result<(), LedgerError> {
        if mended.is_empty() {
            return Ok(());
        }
        let of_mended = |suspension: &Suspension| suspension.until.is_none() && mended.contains(&suspension.app);
        let all: Vec<_> = self.ledger().suspensions().await?.into_iter().filter(of_mended).collect();
        for suspension in all.iter().filter(|suspension| suspension.is_tried_again()) {
            info!(app = suspension.app, detail = %suspension.detail, "trying a suspended app again");
            self.ledger().resume(&suspension.app, &suspension.tenant, &suspension.method).await?;
        }
        // An app's own end takes those of its methods along.
        for suspension in all.into_iter().filter(|suspension| !suspension.is_tried_again()) {
            self.ledger().suspend(suspension).await?;
        }
        self.reload_suspensions().await
    }
}

/// Keeps what stands for an app that is the same: calls that are about to leave need not begin again.
fn keep_unchanged(before: &Apps, after: &mut Apps) {
    for (name, app) in after {
        let known = before.get(name).filter(|known| Arc::ptr_eq(&known.platform, &app.platform));
        if let Some(known) = known.filter(|known| changes(known, app).is_empty()) {
            *app = Arc::clone(known);
        }
    }
}
