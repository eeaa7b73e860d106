//! Who is let in: our own host and pages, whoever shows a token, and what its role allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::warn;

use super::actor::Actor;
use super::answer::{Fault, put};
use super::connection::{Connection, Origin};
use super::routes::{self, DESCRIPTION};
use super::site::{self, Site};
use super::slots::Peer;
use super::tokens::{self, Shown, Token};
use super::{Shared, assets};
use crate::settings::Role;

/// The process is alive; nothing is asked of those who ask that, not even the right token.
const ALIVE: &str = "/healthz";
/// The worker takes and sends jobs.
const READY: &str = "/readyz";
/// Whether the worker is alive and ready.
const HEALTH: [&str; 2] = [ALIVE, READY];
/// What is open to everybody: it reveals nothing about the jobs.
const OPEN: [&str; 4] = [ALIVE, READY, "/api/v1/session", DESCRIPTION];
/// The label of a wrong token.
const WRONG: &str = "wrong";
/// How long health may take, reading, and changing, which goes on to its end all the same.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
const READING_TIMEOUT: Duration = Duration::from_secs(30);
const CHANGING_TIMEOUT: Duration = Duration::from_secs(300);
const CSP: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";
/// What every answer tells browsers: nothing of it is for other sites.
const FOR_BROWSERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Who may ask, ready to be compared.
pub(super) struct Access {
    /// For connections that begin from now on.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    public_url: Option<String>,
    tokens: Vec<Token>,
    reads_openly: bool,
    has_warned: AtomicBool,
}

/// Why somebody is not let in, and the label under which that is counted.
struct Refusal(&'static str, Box<Fault>);

impl Refusal {
    fn new(reason: &'static str, fault: Fault) -> Self {
        Self(reason, Box::new(fault))
    }
}

impl Access {
    pub(super) fn of(access: &super::Access) -> Self {
        let (tokens, reads_openly) = (access.tokens.clone(), access.reads_openly);
        let (tls, public_url) = (access.tls.clone(), access.public_url.clone());
        Self { tls, public_url, tokens, reads_openly, has_warned: AtomicBool::new(false) }
    }

    fn site(&self, origin: Origin) -> Site {
        Site { is_local: origin.is_local, scheme: origin.scheme, public_url: self.public_url.clone() }
    }

    /// Whether reading needs a token.
    pub(super) fn reading_needs_token(&self, headers: &HeaderMap, origin: Origin) -> bool {
        let is_forwarded = site::is_forwarded(headers);
        if is_forwarded && self.public_url.is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            warn!(
                "a request came through a proxy to the admin server, so it needs a token even to read; if the proxy is \
                 yours, set admin.public_url to its address and let it pass the header Host on"
            );
        }
        is_forwarded || !self.reads_openly || !origin.is_local || self.public_url.is_some()
    }

    /// Whether anything can be changed at all.
    pub(super) const fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Who asks, if what is shown allows what is asked for.
    fn admit(&self, parts: &Parts, origin: Origin, shown: Shown) -> Result<Actor, Refusal> {
        let is_reading = is_reading(&parts.method);
        let path = parts.uri.path();
        let is_open = is_reading && (OPEN.contains(&path) || assets::is_asset(path));
        let needed = routes::role(&parts.method, path);
        // Some of what is read costs something.
        let is_free =
            is_open || is_reading && needed == Role::Read && !self.reading_needs_token(&parts.headers, origin);
        let token = match shown {
            Shown::Right(token) => token,
            Shown::Nothing | Shown::Wrong | Shown::Expired(_) if is_free => return Ok(Actor::Nobody),
            Shown::Nothing | Shown::Wrong | Shown::Expired(_) if !self.has_tokens() => {
                return Err(Refusal::new("missing", no_tokens(is_reading)));
            }
            Shown::Expired(token) => return Err(Refusal::new("expired", expired(&token))),
            Shown::Nothing => return Err(Refusal::new("missing", unauthorized())),
            Shown::Wrong => return Err(Refusal::new(WRONG, unauthorized())),
        };
        if token.role < needed {
            return Err(Refusal::new("role", lacks(&token, needed)));
        }
        Ok(Actor::Token(token.name, token.role))
    }
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn no_tokens(is_reading: bool) -> Fault {
    let error = if is_reading {
        "the settings have no token, so nothing is shown to those who come through a proxy"
    } else {
        "the settings have no token, so nothing can be changed"
    };
    let cure = "set admin.token = { env = \"NAME\" } or { file = \"PATH\" }, or one of admin.tokens, and reload or start again";
    Fault::new(StatusCode::FORBIDDEN, error, cure)
}

fn unauthorized() -> Fault {
    let cure = "send the header Authorization: Bearer <token>, with a token of [admin] in the settings";
    Fault::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong", cure)
}

fn expired(token: &Token) -> Fault {
    let at = token.expires.map(|at| at.to_string()).unwrap_or_default();
    let error = format!("the token {} expired at {at}", token.name);
    Fault::new(StatusCode::UNAUTHORIZED, error, "make another one: paceline admin token NAME")
}

fn lacks(token: &Token, needed: Role) -> Fault {
    let error = format!("this needs the role {needed}, and the token {} has {}", token.name, token.role);
    Fault::new(
        StatusCode::FORBIDDEN,
        error,
        "use a token with that role, or give this one another role in the settings",
    )
}

/// Lets a request in, and sends its answer out with what browsers should know.
pub(super) async fn check(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(connection) = parts.extensions.get::<Connection>().cloned() else {
        // Whoever serves the router says where connections come from.
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let is_sloppy = connection.sloppy.why().is_some();
    // Behind a body whose length nobody knew before, nothing else is read.
    let is_last = connection.is_for_health || is_sloppy || parts.headers.contains_key(header::TRANSFER_ENCODING);
    let mut response = match admit(&shared, &parts, &connection).await {
        Ok(actor) => {
            parts.extensions.insert(actor);
            answer(Request::from_parts(parts, body), next).await
        }
        Err(Refusal(reason, fault)) => {
            // A wrong token is counted where it is seen, for what is free is not refused.
            if reason != WRONG {
                shared.worker.engine.metrics().admin_refused(reason);
            }
            (*fault).into_response()
        }
    };
    let is_slowed = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    for (name, value) in FOR_BROWSERS {
        put(headers, name, value);
    }
    if is_last {
        put(headers, header::CONNECTION, "close");
    }
    if is_slowed {
        put(headers, header::RETRY_AFTER, "10");
    }
    response
}

/// Who asks, and for what is theirs to ask.
async fn admit(shared: &Shared, parts: &Parts, connection: &Connection) -> Result<Actor, Refusal> {
    let path = parts.uri.path();
    if let Some(why) = connection.sloppy.why() {
        let cure = "use a client that writes HTTP/1.1 as RFC 9112 has it";
        return Err(Refusal::new("malformed", Fault::new(StatusCode::BAD_REQUEST, why, cure)));
    }
    if connection.is_for_health && !HEALTH.contains(&path) {
        let fault = Fault::unavailable("too many requests are being answered", "try again in a moment");
        return Err(Refusal::new("busy", fault));
    }
    let (access, origin) = (shared.access(), connection.origin);
    let checked = access.site(origin).check(&parts.method, &parts.uri, &parts.headers);
    checked.map_err(|fault| Refusal::new("site", fault))?;
    if is_reading(&parts.method) && path == ALIVE {
        return Ok(Actor::Nobody);
    }
    access.admit(parts, origin, shown(shared, &access, parts, origin.peer).await?)
}

/// What the request shows; a peer that has guessed waits before it is looked at, wherever it shows it.
async fn shown(shared: &Shared, access: &Access, parts: &Parts, peer: Peer) -> Result<Shown, Refusal> {
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        return Ok(Shown::Nothing);
    }
    if !shared.guesses.wait(peer).await {
        let error = "too many wrong tokens came from this address";
        let fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, error, "try again in ten seconds");
        return Err(Refusal::new("slowed", fault));
    }
    let shown = tokens::identify(&access.tokens, &parts.headers, shared.now());
    match shown {
        Shown::Right(_) => shared.guesses.right(peer),
        Shown::Wrong => {
            shared.worker.engine.metrics().admin_refused(WRONG);
            shared.guesses.wrong(peer);
        }
        Shown::Nothing | Shown::Expired(_) => {}
    }
    Ok(shown)
}

async fn answer(request: Request<Body>, next: Next) -> Response {
    let limit = match (request.method(), request.uri().path()) {
        (_, path) if HEALTH.contains(&path) => HEALTH_TIMEOUT,
        (method, _) if is_reading(method) => READING_TIMEOUT,
        _ => CHANGING_TIMEOUT,
    };
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let error = format!("it took longer than {} seconds", limit.as_secs());
        Fault::unavailable(error, "ask for less; a change goes on, so look before you repeat it").into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn access(public_url: Option<&str>, reads_openly: bool) -> Access {
        let token = |name: &str, role| Token::of_secret(name, name, role);
        let tokens = vec![token("r", Role::Read), token("o", Role::Operate), token("a", Role::Admin)];
        let access =
            super::super::Access { tls: None, tokens, public_url: public_url.map(str::to_owned), reads_openly };
        Access::of(&access)
    }

    /// Whom it takes a request for that shows this, or under which label it is refused.
    fn admitted(access: &Access, is_local: bool, request: &str, token: &str) -> Result<Actor, &'static str> {
        let (method, path) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let shown = tokens::identify(&access.tokens, &parts.headers, Timestamp(0));
        let origin = Origin { peer: Peer::User(0), is_local, scheme: "http" };
        access.admit(&parts, origin, shown).map_err(|Refusal(reason, _)| reason)
    }

    #[test]
    fn each_role_may_do_its_own_and_what_the_ones_before_may() {
        let access = access(None, false);
        let of = |name: &str| {
            let role = Role::parse(["read", "operate", "admin"]["roa".find(name).unwrap()]).unwrap();
            Ok(Actor::Token(name.into(), role))
        };
        for (request, allowed) in [
            ("GET /api/v1/jobs", "roa"),
            ("GET /metrics", "roa"),
            ("POST /api/v1/jobs", "oa"),
            ("POST /api/v1/suspend", "oa"),
            ("POST /api/v1/dead/drop", "a"),
        ] {
            for token in ["r", "o", "a"] {
                let wanted = if allowed.contains(token) { of(token) } else { Err("role") };
                assert_eq!(admitted(&access, true, request, token), wanted, "{request} {token}");
            }
            assert_eq!(admitted(&access, true, request, ""), Err("missing"), "{request}");
            assert_eq!(admitted(&access, true, request, "x"), Err("wrong"), "{request}");
        }
    }

    #[test]
    fn reading_is_free_on_this_machine_alone_and_only_if_the_settings_say_so() {
        let url = Some("https://paceline.example.com");
        for (access, is_local, is_free) in [
            (access(None, true), true, true),
            (access(None, false), true, false),
            (access(None, true), false, false),
            (access(url, true), true, false),
        ] {
            let read = admitted(&access, is_local, "GET /api/v1/jobs", "");
            assert_eq!(read.is_ok(), is_free, "{read:?}");
            assert_eq!(admitted(&access, is_local, "GET /readyz", ""), Ok(Actor::Nobody));
            assert_eq!(admitted(&access, is_local, "GET /", "x"), Ok(Actor::Nobody));
            assert_eq!(admitted(&access, is_local, "POST /api/v1/jobs", ""), Err("missing"));
        }
    }
}
