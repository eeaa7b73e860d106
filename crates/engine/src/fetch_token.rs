//! The call for an access token, under a quota of its own and recorded like every other.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tracing::Instrument as _;

use super::app::App;
use super::outgoing::{Cleared, MID_CALL, OutgoingCall};
use super::ports::{Purpose, Transport};
use super::request;
use super::runtime::Engine;
use super::spans;
use super::tokens::{Cached, NoToken, Token};
use paceline_domain::catalog::{Catalog, Method, SuspendScope};
use paceline_domain::job::{LaneKey, Params};
use paceline_domain::messages::Cause;
use paceline_domain::outcome::{Failure, Outcome, Reply, classify, lookup};
use paceline_domain::time::Mono;
use paceline_ports::crash_points;

/// The app's tenant token, fetched if need be.
pub(super) async fn tenant_token(engine: &Arc<Engine>, app: &Arc<App>, tenant: &str) -> Result<Token, NoToken> {
    let fetch = async || fetch(engine, app, tenant).instrument(spans::token(app, tenant)).await;
    engine.tokens().tenant_token(app, tenant, engine.clock().mono(), fetch).await
}

async fn fetch(engine: &Arc<Engine>, app: &Arc<App>, tenant: &str) -> Result<Cached, NoToken> {
    let method = app.platform.token_method.clone();
    let lane = Arc::new(LaneKey { app: app.name.clone(), tenant: tenant.to_owned(), method });
    let later = |detail: Cause| NoToken::Later(Failure { detail, ..Failure::default() });
    let Some(plan) = engine.schedule().plan(&lane) else { return Err(later(Cause::AppGone)) };
    let (mut call, cleared) = clear(engine, &lane).await.map_err(later)?;
    let asked_at = engine.clock().mono();
    let credentials = credentials(&plan.app);
    let sending = call.send(cleared, &plan, Ok(&credentials), None);
    let called = crash_points::during("during-token", MID_CALL, sending).await;
    engine.record(called.end(None)).await;
    engine.metrics().token_renewal(&app.name, called.outcome.as_str());
    match called.outcome {
        Outcome::Succeeded { .. } => {
            read(&plan.method, &called.reply, asked_at).ok_or_else(|| later(Cause::NoTokenInReply))
        }
        Outcome::Suspended { scope, failure } => Err(NoToken::Suspend(scope, failure)),
        Outcome::AccessToken(failure)
        | Outcome::Permanent(failure)
        | Outcome::Unsendable(failure)
        | Outcome::Gone(failure) => Err(NoToken::Suspend(SuspendScope::App, failure)),
        Outcome::Throttled { failure, .. }
        | Outcome::Unreachable(failure)
        | Outcome::Transient(failure)
        | Outcome::Internal(failure)
        | Outcome::Unavailable { failure, .. }
        | Outcome::Uncertain { failure, .. } => Err(NoToken::Later(failure)),
    }
}

/// A token's call that may leave now.
async fn clear(engine: &Arc<Engine>, lane: &Arc<LaneKey>) -> Result<(OutgoingCall, Cleared), Cause> {
    loop {
        let mut call = OutgoingCall::acquire(engine, lane).await.ok_or(Cause::NoPermit)?;
        let recorded = match call.record(Purpose::Token, lane).await {
            Ok((recorded, _)) => recorded,
            Err(why) => {
                call.give_back();
                return Err(why.to_string().into());
            }
        };
        if let Ok(cleared) = call.clear(recorded, None).await {
            return Ok((call, cleared));
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
    let failure = |detail: Cause| Failure { detail, ..Failure::default() };
    let Some(method) = catalog.method(&app.platform.token_method) else {
        return (Err(failure(Cause::NoTokenMethod { method: app.platform.token_method.clone() })), None);
    };
    let request = match request::build(app, method, &credentials(app), None, timeout) {
        Ok(request) => request,
        Err(cause) => return (Err(failure(cause)), None),
    };
    let reply = transport.send(request).await;
    let outcome = classify(&app.platform, method, &reply);
    let taken = match outcome.failure() {
        Some(failure) => Err(failure.clone()),
        None => read(method, &reply, Mono::default()).map(drop).ok_or_else(|| failure(Cause::NoTokenInReply)),
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
    Some(Cached::new(SecretString::from(token), asked_at, Duration::from_secs(life_s)))
}
