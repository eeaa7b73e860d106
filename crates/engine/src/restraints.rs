//! What throttles calls, between the schedule, the ledger and the log.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::ports::{LedgerError, Restraint};
use super::runtime::Engine;
use super::schedule::Notice;
use paceline_domain::quota::{Foreign, Window};
use paceline_domain::time::Mono;

/// Says once what a refusal, or a platform that is not reached, has brought about.
pub(super) fn log_notices(notices: &[Notice], now: Mono) {
    for notice in notices {
        match notice {
            Notice::Paused { app, method, until, cause } => warn!(
                app,
                method,
                code = cause.code,
                detail = %cause.detail,
                log_id = cause.log_id,
                pause_s = until.since(now).as_secs_f64(),
                "paused; one call tries again afterwards"
            ),
            Notice::Foreign { app, key, foreign: Foreign { window, limit }, cause } => warn!(
                owner = key.owner,
                code = cause.code,
                log_id = cause.log_id,
                "another program seems to use {} of app {app}: refused after {limit} of {window} of our own; \
                 working limit {}, raised again slowly; `share` in the settings sets a part aside",
                key.method,
                Window { limit: *limit, ..*window },
            ),
        }
    }
}

impl Engine {
    /// Takes up what held calls back when the last process ended.
    pub(super) async fn recover_restraints(&self) -> Result<(), LedgerError> {
        let restraints = self.domain().restraints().await?;
        if !restraints.is_empty() {
            info!(count = restraints.len(), "what held calls back when the last process ended still does");
        }
        let (mono, wall) = self.clock().both();
        self.schedule().restrain(restraints.clone(), mono, wall);
        *self.known_restraints().lock().await = restraints;
        Ok(())
    }

    /// What throttles calls beyond the quotas, now.
    pub fn restraints(&self) -> Vec<Restraint> {
        let (mono, wall) = self.clock().both();
        self.schedule().restraints(mono, wall)
    }

    /// Brings the ledger's restraints up to date, if they have changed. What a person has removed from it is lifted.
    pub(super) async fn record_restraints(&self) -> Result<(), LedgerError> {
        let mut recorded = self.known_restraints().lock().await;
        if !recorded.is_empty() {
            let kept = self.domain().restraints().await?;
            for app in &lifted(&recorded, &kept, |restraint| self.domain().has(restraint)) {
                info!(app, "what held the app's calls back was lifted by a person");
                let now = self.clock().mono();
                self.schedule().lift(app, now);
                self.wake();
            }
        }
        let mut restraints = self.restraints();
        // Another process's are its own to record.
        restraints.retain(|restraint| self.domain().has(restraint));
        if *recorded != restraints {
            self.domain().set_restraints(restraints.clone()).await?;
            *recorded = restraints;
        }
        Ok(())
    }
}

/// Apps of which something that was recorded is gone. What has gone to another worker in the meantime is not: it is its
/// to keep, and asked about after the ledger was read.
fn lifted(recorded: &[Restraint], kept: &[Restraint], is_ours: impl Fn(&Restraint) -> bool) -> BTreeSet<String> {
    let gone = recorded.iter().filter(|restraint| !kept.contains(restraint) && is_ours(restraint));
    gone.map(|restraint| restraint.app.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Restrained, RestraintKind};
    use paceline_domain::outcome::Failure;
    use paceline_domain::time::Timestamp;

    fn pause(app: &str) -> Restraint {
        Restraint {
            kind: RestraintKind::Pause { refusals: 1 },
            target: Restrained::App,
            app: app.to_owned(),
            since: Timestamp(0),
            until: None,
            cause: Failure::default(),
        }
    }

    #[test]
    fn what_a_person_removed_is_lifted_and_what_another_worker_has_now_is_not() {
        let recorded = [pause("stays"), pause("removed"), pause("moved")];
        let lifted = lifted(&recorded, &recorded[..1], |restraint| restraint.app != "moved");
        assert_eq!(lifted, ["removed".to_owned()].into());
    }
}
