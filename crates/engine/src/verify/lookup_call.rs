//! One question of a look-up: a page of a listing or one of its items, under its own quotas.
//!
//! Reading twice does no harm, so a failed call is repeated here: beginning the whole listing again for each might never
//! come to its end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use serde_json::Value;
use tracing::Instrument as _;

use super::super::fetch_token;
use super::super::outgoing::{Called, MID_CALL, NotRecorded, OutgoingCall, Recorded};
use super::super::planner::LanePlan;
use super::super::ports::{JobSeq, Purpose};
use super::super::runtime::Engine;
use super::super::schedule::Withheld;
use super::super::spans;
use super::super::tokens::{NoToken, Token};
use super::listing_reader::Stopped;
use paceline_domain::catalog::{SuspendScope, ThrottleScope};
use paceline_domain::job::{Identity, Job, LaneKey, Params};
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::{Failure, Outcome};
use paceline_ports::crash_points;

/// Asks for the jobs of one listing.
pub(in super::super) struct Asker<'a> {
    pub engine: &'a Arc<Engine>,
    /// The lane of the jobs.
    pub lane: &'a LaneKey,
    pub identity: &'a Identity,
    /// The calls are recorded for the first of these jobs that is still uncertain; `None`: a person reads, for no job.
    jobs: Option<Mutex<VecDeque<JobSeq>>>,
}

/// What a call was made with.
struct Asked {
    called: Called,
    /// `None` for a user's, which the settings hold.
    token: Option<Token>,
    is_young: bool,
}

impl<'a> Asker<'a> {
    pub(in super::super) fn new(
        engine: &'a Arc<Engine>,
        lane: &'a LaneKey,
        identity: &'a Identity,
        jobs: impl Iterator<Item = JobSeq>,
    ) -> Self {
        Self { engine, lane, identity, jobs: Some(Mutex::new(jobs.collect())) }
    }

    /// Asks for a person; `lane` is the listing's.
    pub(in super::super) const fn for_a_reader(
        engine: &'a Arc<Engine>,
        lane: &'a LaneKey,
        identity: &'a Identity,
    ) -> Self {
        Self { engine, lane, identity, jobs: None }
    }

    /// The result of one successful call.
    pub(in super::super) async fn ask(&self, method: &str, params: &Params) -> Result<Value, Stopped> {
        let engine = self.engine;
        let lane = Arc::new(LaneKey { method: method.to_owned(), ..self.lane.clone() });
        let plan = engine.schedule().plan(&lane).ok_or_else(|| Stopped::later("the catalog has no such look-up"))?;
        let mut renewed = false;
        let (mut failures, mut contended) = (0, 0);
        loop {
            if engine.schedule().is_closed() {
                return Err(Stopped::Draining);
            }
            // Withheld by a pause that began meanwhile: the next permit comes after it.
            let Some(Asked { called, token, is_young }) = self.ask_once(&lane, &plan, params).await? else { continue };
            match called.outcome {
                Outcome::Succeeded { result, .. } => return Ok(result),
                Outcome::AccessToken(failure) => {
                    let Some(token) = token.filter(|_| !(renewed && is_young)) else {
                        let scope = if self.is_user() { SuspendScope::Lane } else { SuspendScope::App };
                        return Err(self.suspended(&lane, &plan, scope, failure));
                    };
                    renewed = is_young;
                    engine.tokens().forget(&plan.app, &lane.tenant, &token);
                }
                Outcome::Suspended { scope, failure } => return Err(self.suspended(&lane, &plan, scope, failure)),
                Outcome::Throttled { scope: ThrottleScope::Concurrency, .. } => {
                    contended += 1;
                    tokio::time::sleep(engine.delay(contended)).await;
                }
                // The schedule has paused the look-up's key already: the next permit comes after the pause.
                Outcome::Throttled { .. } => {}
                Outcome::Permanent(failure) | Outcome::Unsendable(failure) | Outcome::Gone(failure) => {
                    return Err(Stopped::Refused(failure));
                }
                Outcome::Unreachable(failure)
                | Outcome::Transient(failure)
                | Outcome::Internal(failure)
                | Outcome::Unavailable { failure, .. }
                | Outcome::Uncertain { failure, .. } => {
                    failures += 1;
                    let calls_max = engine.options().attempts_max;
                    if failures >= plan.answers_max(&failure).map_or(calls_max, |max| max.min(calls_max)) {
                        return Err(Stopped::Later(failure));
                    }
                    tokio::time::sleep(engine.delay(failures)).await;
                }
            }
        }
    }

    const fn is_user(&self) -> bool {
        matches!(self.identity, Identity::User(_))
    }

    /// A fault of the listing alone stops the listing alone: creates go on, and what is uncertain waits.
    fn suspended(&self, lane: &LaneKey, plan: &LanePlan, scope: SuspendScope, failure: Failure) -> Stopped {
        if scope != SuspendScope::Lane || self.jobs.is_none() {
            return Stopped::Suspended(self.lane.clone(), scope, failure);
        }
        let needs = plan.method.needs.join("; ");
        let method = lane.method.clone();
        let cure = match failure.cure {
            Some(cure) if needs.is_empty() => cure,
            Some(cure) => Cure::FixAndGrant { fix: Box::new(cure), method, needs },
            None => Cure::Grant { method, needs },
        };
        let detail = Cause::LookUpStopped { method: self.lane.method.clone(), why: Box::new(failure.detail) };
        Stopped::Suspended(lane.clone(), scope, Failure { detail, cure: Some(cure), ..failure })
    }

    /// One try; `None` if a pause began before it could leave.
    async fn ask_once(&self, lane: &Arc<LaneKey>, plan: &LanePlan, params: &Params) -> Result<Option<Asked>, Stopped> {
        let engine = self.engine;
        // The permit first: a token that waited for it may be no good any more.
        let mut call = OutgoingCall::acquire(engine, lane).await.ok_or_else(|| Stopped::later(Cause::NoPermit))?;
        let token = match self.tenant_token(lane, plan).await {
            Ok(token) => token,
            Err(stopped) => {
                call.give_back();
                return Err(stopped);
            }
        };
        if !engine.schedule().is_current(lane, &plan.app) {
            call.give_back();
            return Err(Stopped::later("the app's settings have changed"));
        }
        let is_young = token.as_ref().is_some_and(|token| token.is_young(engine.clock().mono()));
        let (recorded, job) = match self.record(&call, lane).await {
            Ok(recorded) => recorded,
            Err(stopped) => {
                call.give_back();
                return Err(stopped);
            }
        };
        let cleared = match call.clear(recorded, None).await {
            Ok(cleared) => cleared,
            Err(Withheld::Paused) => return Ok(None),
            // Granted again at once while it lasts: the jobs stay uncertain, and their lane stands still too.
            Err(withheld @ (Withheld::Suspended | Withheld::Unowned)) => return Err(Stopped::later(withheld.cause())),
        };
        let secret: Option<&SecretString> = match self.identity {
            Identity::Tenant => token.as_ref().map(|token| &token.secret),
            Identity::User(name) => plan.app.user_token(name),
        };
        let sending = call.send(cleared, plan, Ok(params), secret);
        let sending = sending.instrument(spans::look_up(lane, job.as_deref()));
        let called = crash_points::during("during-look-up", MID_CALL, sending).await;
        engine.record(called.end(None)).await;
        Ok(Some(Asked { called, token, is_young }))
    }

    async fn tenant_token(&self, lane: &LaneKey, plan: &LanePlan) -> Result<Option<Token>, Stopped> {
        if self.is_user() {
            return Ok(None);
        }
        match fetch_token::tenant_token(self.engine, &plan.app, &lane.tenant).await {
            Ok(token) => Ok(Some(token)),
            Err(NoToken::Suspend(scope, failure)) => Err(Stopped::Suspended(self.lane.clone(), scope, failure)),
            Err(NoToken::Later(failure)) => Err(Stopped::Later(failure)),
        }
    }

    /// Records the call for a job that is still uncertain, or for a reader.
    async fn record(&self, call: &OutgoingCall, lane: &Arc<LaneKey>) -> Result<(Recorded, Option<Box<Job>>), Stopped> {
        let Some(jobs) = &self.jobs else {
            return call.record(Purpose::Read, lane).await.map_err(|error| Stopped::later(error.to_string()));
        };
        let jobs = || jobs.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(job) = { jobs().front().copied() } {
            match call.record(Purpose::LookUp(job), lane).await {
                Ok(recorded) => return Ok(recorded),
                Err(NotRecorded::Failed(error)) => return Err(Stopped::later(error.to_string())),
                // A person has ended it, or it is called again.
                Err(NotRecorded::Settled) => jobs().retain(|other| *other != job),
            }
        }
        Err(Stopped::Gone)
    }
}
