//! Suspensions that the worker makes by itself: put into force, recorded and said once.
//!
//! Decision: docs/decisions/0011-who-lifts-a-suspension.md

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::app::App;
use super::ports::{SuspendedBy, Suspension};
use super::runtime::Engine;
use super::schedule::AlwaysFails;
use paceline_domain::catalog::SuspendScope;
use paceline_domain::job::LaneKey;
use paceline_domain::messages::Cure;
use paceline_domain::outcome::Failure;
use paceline_domain::time::Timestamp;

impl Engine {
    /// Stops an app, tenant or lane, because the platform refused this app: one that has been mended in the meantime is
    /// not stopped for it.
    pub(super) async fn suspend(&self, app: &Arc<App>, lane: &LaneKey, scope: SuspendScope, failure: &Failure) {
        if self.schedule().is_current(lane, app) {
            self.put_into_force(of_platform(lane, scope, failure, self.clock().now())).await;
        }
    }

    /// Stops a lane whose jobs die one after the other of one code.
    pub(super) async fn stop_lane(&self, lane: &LaneKey, fails: &AlwaysFails) {
        self.put_into_force(of_worker(lane, fails, self.clock().now())).await;
    }

    async fn put_into_force(&self, suspension: Suspension) {
        // Every call that was in flight when the app failed comes by here: the first one speaks for all.
        let _one_at_a_time = self.suspending().lock().await;
        if self.schedule().has_suspension(&suspension) {
            return;
        }
        error!(
            app = suspension.app,
            method = (!suspension.method.is_empty()).then_some(suspension.method.as_str()),
            by = suspension.by.as_str(),
            code = suspension.code,
            detail = %suspension.detail,
            log_id = suspension.log_id,
            cure = %suspension.cure,
            "suspended; its jobs stay queued"
        );
        if let Err(error) = self.ledger().suspend(suspension).await {
            error!(%error, "the suspension cannot be recorded");
        }
        if let Err(error) = self.reload_suspensions().await {
            error!(%error, "suspensions cannot be read");
        }
    }
}

fn of_platform(lane: &LaneKey, scope: SuspendScope, failure: &Failure, now: Timestamp) -> Suspension {
    Suspension {
        app: lane.app.clone(),
        tenant: if scope == SuspendScope::Tenant { lane.tenant.clone() } else { String::new() },
        method: if scope == SuspendScope::Lane { lane.method.clone() } else { String::new() },
        by: SuspendedBy::Platform,
        since: now,
        until: (scope == SuspendScope::Month).then(|| month_over(now)),
        code: failure.code,
        detail: failure.detail.clone(),
        cure: failure.cure.clone().unwrap_or(Cure::FixCause),
        log_id: failure.log_id.clone(),
    }
}

fn of_worker(lane: &LaneKey, fails: &AlwaysFails, now: Timestamp) -> Suspension {
    let AlwaysFails { in_a_row, failure } = fails;
    let fix = Box::new(failure.cure.clone().unwrap_or(Cure::FindCause));
    Suspension {
        app: lane.app.clone(),
        tenant: lane.tenant.clone(),
        method: lane.method.clone(),
        by: SuspendedBy::Worker,
        since: now,
        until: None,
        code: failure.code,
        detail: failure.detail.clone(),
        cure: Cure::AlwaysFails { in_a_row: *in_a_row, fix },
        log_id: failure.log_id.clone(),
    }
}

/// When a month's quota that is used up at `now` begins anew. In the first hour of a month it may still be the old
/// month's, by the platform's clock or its books: an hour is little to lose, and a month is much.
fn month_over(now: Timestamp) -> Timestamp {
    const FIRST: Duration = Duration::from_secs(3_600);
    let hour_ago = now - FIRST;
    if hour_ago.next_month() <= now { hour_ago.next_month() + FIRST } else { now.next_month() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_month_ends_with_the_month_in_china() {
        let over = |text: &str| month_over(Timestamp::parse(text).unwrap());
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(over("2026-11-21T12:00:00+08:00"), at("2026-12-01T00:00:00+08:00"));
        assert_eq!(over("2026-11-30T23:59:59+08:00"), at("2026-12-01T00:00:00+08:00"));
        assert_eq!(over("2026-12-01T00:00:00+08:00"), at("2026-12-01T01:00:00+08:00"), "perhaps November's still");
        assert_eq!(over("2026-12-01T00:59:59+08:00"), at("2026-12-01T01:00:00+08:00"));
        assert_eq!(over("2026-12-01T01:00:00+08:00"), at("2027-01-01T00:00:00+08:00"));
    }
}
