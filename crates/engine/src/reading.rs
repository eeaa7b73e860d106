//! A page of a listing that a person reads, under the listing's own quota.
//!
//! Readers take turns: at most one page is on its way for all of them, and it waits for its permit behind the look-ups
//! that creates depend on. So however much is read, creates and look-ups lose one call at a time at most.

use std::sync::Arc;

use serde_json::Value;

use super::ports::{LedgerError, Suspension};
use super::runtime::Engine;
use super::verify::{Asker, Stopped};
use paceline_domain::catalog::SuspendScope;
use paceline_domain::job::{Identity, LaneKey, Params};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::Failure;

/// Why a page was not read.
#[derive(Debug)]
pub enum Unread {
    /// The app or the listing stands still.
    Suspended(Box<Suspension>),
    /// The platform refuses it: asking again changes nothing before the cause is gone.
    Refused(Failure),
    /// It may be read later.
    Later(Failure),
    /// The ledger cannot be read or written.
    Ledger(LedgerError),
    /// The worker stops.
    Stopping,
}

impl Unread {
    /// What happened, for the log.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Suspended(suspension) => suspension.detail.to_string(),
            Self::Refused(failure) | Self::Later(failure) => failure.detail.to_string(),
            Self::Ledger(error) => error.to_string(),
            Self::Stopping => "the worker stops".to_owned(),
        }
    }
}

impl Engine {
    /// Reads one page; `lane` is the listing's.
    ///
    /// # Errors
    /// Why it was not read.
    pub async fn read_page(
        self: &Arc<Self>,
        lane: &LaneKey,
        identity: &Identity,
        params: &Params,
    ) -> Result<Value, Unread> {
        if !self.domain().covers(lane) {
            let why = format!("another worker has the quotas of {lane}: `paceline status` names it; ask that one");
            return Err(Unread::Ledger(LedgerError::NotOwner(why)));
        }
        let _turn = self.reading.lock().await;
        let suspensions = self.ledger().suspensions().await.map_err(Unread::Ledger)?;
        if let Some(suspension) = suspensions.into_iter().find(|suspension| suspension.covers(lane)) {
            return Err(Unread::Suspended(Box::new(suspension)));
        }
        let asked = Asker::for_a_reader(self, lane, identity).ask(&lane.method, params).await;
        match asked {
            Ok(page) => Ok(page),
            Err(Stopped::Suspended(stopped, scope, failure)) => {
                // What only the listing lacks concerns nobody else.
                if scope != SuspendScope::Lane
                    && let Some(plan) = { self.schedule().plan(lane) }
                {
                    self.suspend(&plan.app, &stopped, scope, &failure).await;
                }
                Err(Unread::Refused(failure))
            }
            Err(Stopped::Refused(failure)) => Err(Unread::Refused(failure)),
            Err(Stopped::Later(failure)) => Err(Unread::Later(failure)),
            Err(Stopped::Draining) => Err(Unread::Stopping),
            Err(Stopped::Gone) => Err(Unread::Later(Failure { detail: Cause::NoPermit, ..Failure::default() })),
        }
    }
}
