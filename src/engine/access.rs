//! Access tokens: cached, one renewal in flight for each app, renewed before they run out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;
use tracing::Instrument as _;

use super::app::App;
use super::call::{self, Begun, MID_CALL, Permit};
use super::core::Engine;
use super::ports::{Purpose, Transport};
use super::request;
use super::spans;
use crate::crash_points;
use crate::domain::catalog::{Catalog, Method, SuspendScope};
use crate::domain::job::{LaneKey, Params};
use crate::domain::outcome::{Failure, Outcome, Reply, classify, lookup};
use crate::domain::time::Mono;

/// A token is renewed this long before its end, or a tenth of its life if that is shorter.
const MARGIN: Duration = Duration::from_secs(300);

const NO_TOKEN: &str = "the platform's reply holds no access token";

/// A token that can be compared by identity: a refused one is forgotten only if it is still the cached one.
pub(super) type Token = Arc<Granted>;

/// A token, and since when there is it.
pub(super) struct Granted {
    pub secret: SecretString,
    pub fetched_at: Mono,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The app's own fault: it stands still.
    Suspend(SuspendScope, Failure),
    /// The token endpoint is unwell: ask again later.
    Later(Failure),
}

/// All cached tokens.
#[derive(Default)]
pub(super) struct Access {
    slots: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    cached: Mutex<Option<Cached>>,
    /// Held while fetching; counts the fetches and keeps the last fault for those who waited.
    fetching: AsyncMutex<Fetches>,
    count: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Fetches {
    fault: Option<Fault>,
}

#[derive(Clone)]
struct Cached {
    token: Token,
    renew_at: Mono,
    dead_at: Mono,
}

impl Access {
    /// The app's tenant token, fetched if need be.
    pub(super) async fn tenant_token(
        &self,
        engine: &Arc<Engine>,
        app: &Arc<App>,
        tenant: &str,
    ) -> Result<Token, Fault> {
        use std::sync::atomic::Ordering::Relaxed;

        let slot = self.slot(app, tenant);
        let now = engine.clock().mono();
        let alive = slot.cached().filter(|cached| now < cached.dead_at);
        if let Some(cached) = &alive
            && now < cached.renew_at
        {
            return Ok(Arc::clone(&cached.token));
        }
        let seen = slot.count.load(Relaxed);
        let mut fetches = match (slot.fetching.try_lock(), &alive) {
            (Ok(fetches), _) => fetches,
            // Somebody renews it already, and the old one still works.
            (Err(_), Some(cached)) => return Ok(Arc::clone(&cached.token)),
            (Err(_), None) => slot.fetching.lock().await,
        };
        if slot.count.load(Relaxed) != seen {
            // Fetched while this call stood in line: the same answer holds for all, or a wrong secret would be tried by each.
            if let Some(cached) = slot.cached() {
                return Ok(cached.token);
            }
            if let Some(fault) = &fetches.fault {
                return Err(fault.clone());
            }
        }
        let answer = fetch(engine, app, tenant).instrument(spans::token(app, tenant)).await;
        slot.count.fetch_add(1, Relaxed);
        match answer {
            Ok(cached) => {
                let token = Arc::clone(&cached.token);
                slot.set(Some(cached));
                fetches.fault = None;
                Ok(token)
            }
            Err(fault) => {
                fetches.fault = Some(fault.clone());
                alive.map(|cached| cached.token).ok_or(fault)
            }
        }
    }

    /// Forgets a token that the platform refused.
    pub(super) fn forget(&self, app: &App, tenant: &str, token: &Token) {
        let slot = self.slot(app, tenant);
        if slot.cached().is_some_and(|cached| Arc::ptr_eq(&cached.token, token)) {
            slot.set(None);
        }
    }

    /// Forgets every token of an app whose credentials are others now. A fetch that is under way with the old ones ends
    /// where nobody finds it.
    pub(super) fn forget_app(&self, app: &str) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, _), _| name != app);
    }

    fn slot(&self, app: &App, tenant: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((app.name.clone(), tenant.to_owned())).or_default())
    }
}

impl Slot {
    fn cached(&self) -> Option<Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, cached: Option<Cached>) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = cached;
    }
}

async fn fetch(engine: &Arc<Engine>, app: &Arc<App>, tenant: &str) -> Result<Cached, Fault> {
    let method = app.platform.token_method.clone();
    let lane = Arc::new(LaneKey { app: app.name.clone(), tenant: tenant.to_owned(), method });
    let later = |detail: &str| Fault::Later(Failure { detail: detail.to_owned(), ..Failure::default() });
    let Some(plan) = engine.schedule().plan(&lane) else { return Err(later("the app has left the settings")) };
    let (mut permit, begun) = leave(engine, &lane).await.map_err(|why| later(&why))?;
    let asked_at = engine.clock().mono();
    let credentials = credentials(&plan.app);
    let sending = call::send(engine, &mut permit, &plan, &begun, &credentials, None);
    let called = crash_points::during("during-token", MID_CALL, sending).await;
    engine.record(called.end(None)).await;
    engine.metrics().token_renewal(&app.name, called.outcome.as_str());
    match called.outcome {
        Outcome::Succeeded { .. } => read(&plan.method, &called.reply, asked_at).ok_or_else(|| later(NO_TOKEN)),
        Outcome::Suspended { scope, failure } => Err(Fault::Suspend(scope, failure)),
        Outcome::AccessToken(failure)
        | Outcome::Permanent(failure)
        | Outcome::Unsendable(failure)
        | Outcome::Gone(failure) => Err(Fault::Suspend(SuspendScope::App, failure)),
        Outcome::Throttled { failure, .. }
        | Outcome::Unreachable(failure)
        | Outcome::Transient(failure)
        | Outcome::Internal(failure)
        | Outcome::Unavailable { failure, .. }
        | Outcome::Uncertain { failure, .. } => Err(Fault::Later(failure)),
    }
}

/// The permit and the record of a token's call that may leave now.
async fn leave(engine: &Arc<Engine>, lane: &Arc<LaneKey>) -> Result<(Permit, Begun), String> {
    loop {
        let mut permit = Permit::acquire(engine, lane).await.ok_or("no permit")?;
        let start = call::start(engine, Purpose::Token, lane);
        let deadline = call::deadline(engine);
        let begun = engine.ledger().begin_attempt(start).await;
        let (attempt, _) = begun.map_err(|error| {
            permit.end(super::schedule::Ended::NotSent);
            error.to_string()
        })?;
        let begun = Begun { attempt, deadline };
        match permit.may_leave() {
            Ok(()) => return Ok((permit, begun)),
            Err(withheld) => permit.withdraw(&begun, withheld, None).await,
        }
    }
}

/// Asks once for an access token with the app's credentials and throws it away: are they right?
///
/// The call stands outside of every quota and ledger, and counts on the platform all the same. Never repeat it: WeCom
/// bans an address that sends wrong secrets. What the platform, or the way there, said is the error; the reply is for
/// whoever wants to see more of the server.
pub async fn try_credentials(
    app: &App,
    catalog: &Catalog,
    transport: &dyn Transport,
    timeout: Duration,
) -> (Result<(), Failure>, Option<Reply>) {
    let failure = |detail: String| Failure { detail, ..Failure::default() };
    let Some(method) = catalog.method(&app.platform.token_method) else {
        return (Err(failure(format!("the catalog has no method {}", app.platform.token_method))), None);
    };
    let request = match request::build(app, method, &credentials(app), None, timeout) {
        Ok(request) => request,
        Err(astray) => return (Err(failure(astray.to_string())), None),
    };
    let reply = transport.send(request).await;
    let outcome = classify(&app.platform, method, &reply);
    let taken = match outcome.failure() {
        Some(failure) => Err(failure.clone()),
        None => read(method, &reply, Mono::default()).map(drop).ok_or_else(|| failure(NO_TOKEN.to_owned())),
    };
    (taken, Some(reply))
}

/// What a token call sends: both platforms name the same two things differently.
fn credentials(app: &App) -> Params {
    let pair = |id: &str, secret: &str| {
        Map::from_iter([
            (id.to_owned(), Value::String(app.id.clone())),
            (secret.to_owned(), Value::String(app.secret.expose_secret().to_owned())),
        ])
    };
    if app.platform.family == "wecom" {
        Params { query: pair("corpid", "corpsecret"), ..Params::default() }
    } else {
        Params { body: pair("app_id", "app_secret"), ..Params::default() }
    }
}

fn read(method: &Method, reply: &Reply, asked_at: Mono) -> Option<Cached> {
    let Reply::Answered(answer) = reply else { return None };
    // The token stands beside the code, not under the envelope's data.
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let token = lookup(&body, method.reply.token.as_deref()?)?.as_str()?.to_owned();
    let life_s = lookup(&body, method.reply.expires.as_deref()?)?.as_u64()?;
    let life = Duration::from_secs(life_s);
    Some(Cached {
        token: Arc::new(Granted { secret: SecretString::from(token), fetched_at: asked_at }),
        renew_at: asked_at + life.saturating_sub(MARGIN.min(life / 10)),
        dead_at: asked_at + life,
    })
}
