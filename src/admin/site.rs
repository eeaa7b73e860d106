//! Whether a request is meant for this server, and comes from a page of it or from no page at all.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

use super::answer::Fault;

const FETCH_SITE: &str = "sec-fetch-site";
const FETCH_MODE: &str = "sec-fetch-mode";
const FETCH_DEST: &str = "sec-fetch-dest";

/// Under which names the server is reached.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// Whether it listens for this machine alone.
    pub is_local: bool,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The origin under which a proxy serves it, in lower case.
    pub public_url: Option<String>,
}

/// What proxies add to tell for whom they ask; beside these whatever begins with `x-forwarded-`.
const FORWARDED: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-cluster-client-ip",
    "x-original-host",
];

/// Whether somebody asks through a proxy: then the connection's address says nothing of who it is.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| FORWARDED.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"))
}

/// A header that stands there once, as text.
fn text(headers: &HeaderMap, name: impl TryInto<HeaderName>) -> Option<&str> {
    let name = name.try_into().ok()?;
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

impl Site {
    /// Refuses what is for others, and what pages of others ask.
    pub(super) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Fault> {
        let host = text(headers, header::HOST).unwrap_or_default();
        let is_other = uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host));
        if is_other || !self.is_our_host(host) {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "the request is for another host",
                "use the address that admin.listen names, or set admin.public_url to that of your proxy",
            ));
        }
        let is_foreign = headers.contains_key(header::ORIGIN)
            && !text(headers, header::ORIGIN).is_some_and(|origin| self.is_our_origin(origin, host));
        let is_from_elsewhere = headers.contains_key(FETCH_SITE)
            && !matches!(text(headers, FETCH_SITE), Some("same-origin" | "none"))
            && !is_visit(method, uri, headers);
        if is_foreign || is_from_elsewhere {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "the request comes from another site",
                "use the dashboard of this worker, or a client that sends no Origin; if you came through a proxy, set \
                 admin.public_url to its address",
            ));
        }
        Ok(())
    }

    /// Whether the host is ours: another one on loopback is a name that somebody has led here.
    fn is_our_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return !self.is_local && host.is_empty() };
        if authority.as_str().contains('@') {
            return false;
        }
        if !self.is_local {
            return true;
        }
        let is_public = |url: &String| url.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host));
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.public_url.as_ref().is_some_and(is_public)
    }

    /// Whether scheme, host and port are ours.
    fn is_our_origin(&self, origin: &str, host: &str) -> bool {
        let own = origin.split_once("://").filter(|(scheme, _)| *scheme == self.scheme).map(|(_, own)| own);
        own.is_some_and(|own| own.eq_ignore_ascii_case(host))
            || self.public_url.as_ref().is_some_and(|url| url.eq_ignore_ascii_case(origin))
    }
}

/// Whether somebody follows a link to the dashboard: that shows it to them, and nothing to the page with the link.
fn is_visit(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    method == Method::GET
        && uri.path() == "/"
        && text(headers, FETCH_MODE) == Some("navigate")
        && text(headers, FETCH_DEST) == Some("document")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(is_local: bool, public_url: Option<&str>) -> Site {
        Site { is_local, scheme: "http", public_url: public_url.map(str::to_owned) }
    }

    fn is_let_in(site: &Site, method: &str, uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        site.check(&method.parse().unwrap(), &uri.parse().unwrap(), &map).is_ok()
    }

    #[test]
    fn on_loopback_only_our_own_hosts_are_meant() {
        let site = site(true, Some("https://paceline.example.com"));
        for host in ["localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464", "127.8.8.8", "Paceline.example.com"]
        {
            assert!(is_let_in(&site, "GET", "/api/v1/jobs", &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "127.1",
            "2130706433",
            "",
            "127.0.0.1.nip.io",
            "evil@localhost",
            "evil:x@127.0.0.1:9464",
            "@localhost",
            "localhost, localhost",
        ] {
            assert!(!is_let_in(&site, "GET", "/healthz", &[("host", host)]), "{host}");
        }
        assert!(!is_let_in(&site, "GET", "/healthz", &[]));
        assert!(!is_let_in(&site, "GET", "/healthz", &[("host", "localhost"), ("host", "localhost")]));
        assert!(is_let_in(&site, "GET", "http://localhost/healthz", &[("host", "localhost")]));
        assert!(!is_let_in(&site, "GET", "http://evil.example/healthz", &[("host", "localhost")]));
        assert!(!is_let_in(&site, "GET", "http://x@localhost/healthz", &[("host", "localhost")]));
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let local = site(true, None);
        let host = ("host", "localhost:9464");
        assert!(is_let_in(&local, "POST", "/api/v1/jobs", &[host, ("origin", "http://localhost:9464")]));
        for origin in [
            "https://localhost:9464",
            "http://localhost",
            "http://localhost:9465",
            "http://127.0.0.1:9464",
            "https://evil.example",
            "localhost:9464",
            "null",
            "",
            "http://localhost:9464/",
        ] {
            for method in ["POST", "GET"] {
                assert!(!is_let_in(&local, method, "/api/v1/jobs", &[host, ("origin", origin)]), "{origin}");
            }
        }
        let proxied = site(true, Some("https://paceline.example.com"));
        let host = ("host", "paceline.example.com");
        assert!(is_let_in(&proxied, "POST", "/api/v1/jobs", &[host, ("origin", "https://paceline.example.com")]));
        assert!(!is_let_in(&proxied, "POST", "/api/v1/jobs", &[host, ("origin", "https://paceline.example.com:1")]));
    }

    #[test]
    fn pages_of_others_may_lead_to_the_dashboard_and_ask_nothing() {
        let site = site(true, None);
        let check = |path: &str, from: &str, mode: &str, dest: &str| {
            let headers = [("host", "localhost"), (FETCH_SITE, from), (FETCH_MODE, mode), (FETCH_DEST, dest)];
            is_let_in(&site, "GET", path, &headers)
        };
        for from in ["same-origin", "none"] {
            assert!(check("/api/v1/jobs/1", from, "cors", "empty"), "{from}");
        }
        for from in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(check("/", from, "navigate", "document"), "{from}");
            assert!(!check("/", from, "navigate", "iframe"), "{from}");
            assert!(!check("/", from, "no-cors", "script"), "{from}");
            for path in ["/healthz", "/assets/main.js", "/api/v1/jobs/1", "/api/v1/session", "/metrics"] {
                assert!(!check(path, from, "no-cors", "empty"), "{path} {from}");
                assert!(!check(path, from, "navigate", "document"), "{path} {from}");
            }
        }
    }
}
