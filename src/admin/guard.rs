//! Who is let in: our own host, our own origin, and whoever shows the token.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::actor::Actor;
use super::answer::{Fault, put};
use super::connection::Connection;
use super::routes::DESCRIPTION;
use super::site::{self, Site};
use super::{Shared, assets};

/// Whether the worker is alive and ready.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
/// How long health may take, reading, and changing, which goes on to its end all the same.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
const READING_TIMEOUT: Duration = Duration::from_secs(30);
const CHANGING_TIMEOUT: Duration = Duration::from_secs(300);
/// What is open to everybody: it tells nothing of the jobs.
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/api/v1/session", DESCRIPTION];
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
pub struct Access {
    site: Site,
    token: Option<[u8; 32]>,
    reads_openly: bool,
    has_warned: AtomicBool,
}

impl Access {
    pub fn of(access: &super::Access, listen: std::net::SocketAddr) -> Self {
        let token = access.token.as_ref().map(|token| Sha256::digest(token.expose_secret()).into());
        let is_local = listen.ip().is_loopback();
        let site = Site { is_local, scheme: "http", public_url: access.public_url.clone() };
        Self { site, token, reads_openly: access.reads_openly, has_warned: AtomicBool::new(false) }
    }

    /// Whether reading needs the token.
    pub fn reading_needs_token(&self, headers: &HeaderMap) -> bool {
        let is_forwarded = site::is_forwarded(headers);
        if is_forwarded && self.site.public_url.is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            warn!(
                "a request came through a proxy to the admin server, so it needs the token even to read; if the proxy is \
                 yours, set admin.public_url to its address and let it pass the header Host on"
            );
        }
        is_forwarded || !self.reads_openly || !self.site.is_local || self.site.public_url.is_some()
    }

    /// Whether anything can be changed at all.
    pub const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the request shows the right token. What is compared are digests, each byte of them.
    pub fn is_authenticated(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, shown) = value.split_once(' ').unwrap_or_default();
        let Some(token) = self.token.filter(|_| scheme.eq_ignore_ascii_case("bearer")) else { return false };
        let shown: [u8; 32] = Sha256::digest(shown.trim()).into();
        black_box(token.iter().zip(shown).fold(0, |differing, (a, b)| differing | (a ^ b))) == 0
    }

    fn check(&self, request: &Request<Body>) -> Result<(), Fault> {
        self.site.check(request.method(), request.uri(), request.headers())?;
        let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        let is_open = OPEN.contains(&path) || assets::is_asset(path);
        if is_reading && (is_open || !self.reading_needs_token(request.headers())) {
            return Ok(());
        }
        if !self.has_token() {
            let cure = "set admin.token = { env = \"NAME\" } or { file = \"PATH\" } in the settings and start again";
            let error = if is_reading {
                "the settings have no token, so nothing is shown to those who come through a proxy"
            } else {
                "the settings have no token, so nothing can be changed"
            };
            return Err(Fault::new(StatusCode::FORBIDDEN, error, cure));
        }
        if self.is_authenticated(request.headers()) {
            return Ok(());
        }
        let cure = "send the header Authorization: Bearer <token>, with the token of [admin] in the settings";
        Err(Fault::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong", cure))
    }
}

/// Lets a request in, and sends its answer out with what browsers should know.
pub async fn check(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let is_for_health = connection.as_ref().is_some_and(|connection| connection.is_for_health);
    let sloppy = connection.and_then(|connection| connection.sloppy.why());
    // Behind a body whose length nobody knew before, nothing else is read.
    let is_last = is_for_health || sloppy.is_some() || request.headers().contains_key(header::TRANSFER_ENCODING);
    let checked = if let Some(why) = sloppy {
        Err(Fault::new(StatusCode::BAD_REQUEST, why, "use a client that writes HTTP/1.1 as RFC 9112 has it"))
    } else if is_for_health && !HEALTH.contains(&request.uri().path()) {
        Err(Fault::unavailable("too many requests are being answered", "try again in a moment"))
    } else {
        shared.access.check(&request)
    };
    let mut response = match checked {
        Ok(()) => answer(&shared, request, next).await,
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in FOR_BROWSERS {
        put(headers, name, value);
    }
    if is_last {
        put(headers, header::CONNECTION, "close");
    }
    response
}

async fn answer(shared: &Shared, mut request: Request<Body>, next: Next) -> Response {
    if shared.access.is_authenticated(request.headers()) {
        request.extensions_mut().insert(Actor::Token(Arc::from(Actor::TOKEN)));
    }
    let limit = match (request.method(), request.uri().path()) {
        (_, path) if HEALTH.contains(&path) => HEALTH_TIMEOUT,
        (&Method::GET | &Method::HEAD, _) => READING_TIMEOUT,
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

    fn access(listen: &str, public_url: Option<&str>) -> Access {
        let token = Some("0123456789abcdef".into());
        let access = super::super::Access { token, public_url: public_url.map(str::to_owned), reads_openly: true };
        Access::of(&access, listen.parse().unwrap())
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn reading_on_loopback_is_free_for_our_own_host_alone() {
        let access = access("127.0.0.1:9464", None);
        for host in ["localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464", "127.8.8.8"] {
            assert!(access.check(&request("GET", "/api/v1/jobs", &[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.nip.io"] {
            assert!(access.check(&request("GET", "/healthz", &[("host", host)])).is_err(), "{host}");
        }
    }

    #[test]
    fn changing_needs_the_token_and_no_foreign_origin() {
        let access = access("127.0.0.1:9464", None);
        let right = ("authorization", "Bearer 0123456789abcdef");
        let host = ("host", "localhost:9464");
        let check = |headers: &[_]| access.check(&request("POST", "/api/v1/jobs", headers)).is_ok();
        assert!(check(&[host, right]));
        assert!(check(&[host, right, ("origin", "http://localhost:9464")]));
        assert!(!check(&[host]));
        assert!(!check(&[host, ("authorization", "Bearer 0123456789abcdeX")]));
        assert!(!check(&[host, ("authorization", "Basic 0123456789abcdef")]));
        assert!(!check(&[host, right, ("origin", "https://evil.example")]));
        assert!(!check(&[host, right, ("origin", "null")]));
    }

    #[test]
    fn away_from_loopback_and_behind_a_proxy_reading_needs_the_token() {
        let right = ("authorization", "Bearer 0123456789abcdef");
        let url = "https://paceline.example.com";
        for (access, host) in
            [(access("0.0.0.0:9464", None), "any.example"), (access("127.0.0.1:1", Some(url)), "paceline.example.com")]
        {
            let check = |path: &str, headers: &[_]| {
                let headers: Vec<_> = [("host", host)].iter().chain(headers).copied().collect();
                access.check(&request("GET", path, &headers)).is_ok()
            };
            assert!(check("/healthz", &[]) && check("/", &[]));
            assert!(!check("/api/v1/jobs", &[]) && !check("/metrics", &[]));
            assert!(check("/api/v1/jobs", &[right]));
        }
    }
}
