//! Who is let in: our own host, our own origin, and whoever shows the token.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::actor::Actor;
use super::answer::{Fault, put};
use super::connection::Connection;
use super::routes::DESCRIPTION;
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

/// Who may ask, ready to be compared.
pub struct Access {
    listen: std::net::SocketAddr,
    token: Option<[u8; 32]>,
    public_url: Option<String>,
}

impl Access {
    pub fn of(access: &super::Access, listen: std::net::SocketAddr) -> Self {
        let token = access.token.as_ref().map(|token| Sha256::digest(token.expose_secret()).into());
        Self { listen, token, public_url: access.public_url.clone() }
    }

    /// Whether reading needs the token.
    pub fn reading_needs_token(&self) -> bool {
        !self.listen.ip().is_loopback() || self.public_url.is_some()
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

    /// Whether the host is ours: another one on loopback is a name that somebody has led here.
    fn is_our_host(&self, host: &str) -> bool {
        if !self.listen.ip().is_loopback() {
            return true;
        }
        let is_public = |url: &String| url.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host));
        let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.public_url.as_ref().is_some_and(is_public)
    }

    fn is_our_origin(&self, origin: &str, host: &str) -> bool {
        let own = origin.split_once("://").map(|(_, own)| own).unwrap_or_default();
        own.eq_ignore_ascii_case(host) || self.public_url.as_ref().is_some_and(|url| url.eq_ignore_ascii_case(origin))
    }

    fn check(&self, request: &Request<Body>) -> Result<(), Fault> {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        if !self.is_our_host(host) {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "the request is for another host",
                "use the address that admin.listen names, or set admin.public_url to that of your proxy",
            ));
        }
        let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        let is_open = OPEN.contains(&path) || assets::is_asset(path);
        if is_reading && (is_open || !self.reading_needs_token()) {
            return Ok(());
        }
        if !is_reading && request.headers().contains_key(header::ORIGIN) {
            let is_ours = text(header::ORIGIN).is_some_and(|origin| self.is_our_origin(origin, host));
            if !is_ours {
                return Err(Fault::new(
                    StatusCode::FORBIDDEN,
                    "the request comes from another site",
                    "use the dashboard of this worker, or a client that sends no Origin",
                ));
            }
        }
        if !self.has_token() {
            let cure = "set admin.token = { env = \"NAME\" } or { file = \"PATH\" } in the settings and start again";
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "the settings have no token, so nothing can be changed",
                cure,
            ));
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
    let is_for_health = request.extensions().get::<Connection>().is_some_and(|connection| connection.is_for_health);
    let checked = if is_for_health && !HEALTH.contains(&request.uri().path()) {
        Err(Fault::unavailable("too many requests are being answered", "try again in a moment"))
    } else {
        shared.access.check(&request)
    };
    let mut response = match checked {
        Ok(()) => answer(&shared, request, next).await,
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    put(headers, header::CONTENT_SECURITY_POLICY, CSP);
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, header::REFERRER_POLICY, "no-referrer");
    put(headers, header::X_FRAME_OPTIONS, "DENY");
    if is_for_health {
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
        let token = Some(Sha256::digest("0123456789abcdef").into());
        Access { listen: listen.parse().unwrap(), token, public_url: public_url.map(str::to_owned) }
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
