//! Which proxy carries a call: what the environment names, read as curl reads it, and never one for this machine itself.
//!
//! A call over `https://` goes through a proxy in a tunnel, which shows the proxy no secret. Calls over `http://` go to
//! loopback alone; a proxy would read them, and their secrets would have left the machine.
//!
//! Decision: docs/decisions/0030-proxies.md

use std::net::IpAddr;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

/// The upper-case name first, as everywhere.
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NONE: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxies of the environment.
pub struct Proxies {
    matcher: Matcher,
    http: Option<Named>,
    https: Option<Named>,
    odd: Vec<Odd>,
}

/// A variable and what it holds: perhaps a password.
#[derive(Clone)]
struct Named {
    variable: &'static str,
    value: SecretString,
}

/// The proxy of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The variable that names it.
    pub variable: &'static str,
    /// Its address, without user and password.
    pub address: String,
}

/// A variable that names no proxy that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Its value is no address; the variable counts as not set.
    NoAddress(&'static str),
    /// It names a SOCKS proxy.
    Socks(&'static str),
}

impl Proxies {
    /// Those of this process's environment.
    pub fn of_environment() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Those that these variables name.
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let value = names.into_iter().find_map(|name| Some((name, variable(name)?)));
            value.map(|(variable, value)| Named { variable, value: SecretString::from(value) })
        };
        let (all, http, https) = (first(ALL), first(HTTP), first(HTTPS));
        let odd = [&https, &http, &all].into_iter().flatten().filter_map(Named::odd).collect();
        let text = |named: &Option<Named>| {
            named.as_ref().map(|named| named.value.expose_secret().to_owned()).unwrap_or_default()
        };
        let no = text(&first(NONE));
        let is_off = no.split(',').any(|entry| entry.trim() == "*");
        let matcher = Matcher::builder().all(text(&all)).http(text(&http)).https(text(&https)).no(no).build();
        // The matcher takes `*` for every name, and not for an address.
        let usable = |named: Option<Named>| named.filter(|named| !is_off && named.address().is_some());
        let all = usable(all);
        let (http, https) = (usable(http).or_else(|| all.clone()), usable(https).or(all));
        Self { matcher, http, https, odd }
    }

    /// Whether all calls go there directly.
    pub(super) const fn are_none(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxy of calls to this address; `None` if they go there directly.
    pub fn of(&self, address: &str) -> Option<Used> {
        let named = self.named(&address.parse().ok()?)?;
        Some(Used { variable: named.variable, address: named.address()? })
    }

    /// Variables that name no proxy that could be used.
    pub fn odd(&self) -> &[Odd] {
        &self.odd
    }

    /// The address of the proxy of this call with its user and password, for the client.
    pub(super) fn address_of(&self, url: &Url) -> Option<String> {
        let value = self.named(url)?.value.expose_secret();
        Some(if value.contains("://") { value.to_owned() } else { format!("http://{value}") })
    }

    fn named(&self, url: &Url) -> Option<&Named> {
        if is_this_machine(url.host_str()?) {
            return None;
        }
        let named = if url.scheme() == "https" { &self.https } else { &self.http };
        self.matcher.intercept(&url.as_str().parse::<Uri>().ok()?)?;
        named.as_ref()
    }
}

impl Named {
    /// The proxy's address without user and password; `None` if the value is none.
    fn address(&self) -> Option<String> {
        let matcher = Matcher::builder().all(self.value.expose_secret().to_owned()).build();
        let proxy = matcher.intercept(&Uri::from_static("http://any.example"))?;
        Some(proxy.uri().to_string().trim_end_matches('/').to_owned())
    }

    fn odd(&self) -> Option<Odd> {
        match self.address() {
            Some(address) => address.starts_with("socks").then_some(Odd::Socks(self.variable)),
            None => (!self.value.expose_secret().is_empty()).then_some(Odd::NoAddress(self.variable)),
        }
    }
}

/// Whether a host, as URLs have it, is this machine by its very name.
fn is_this_machine(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    name == "localhost" || name.ends_with(".localhost") || bare.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &'static [(&'static str, &'static str)]) -> Proxies {
        Proxies::read(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
    }

    fn used(variables: &'static [(&'static str, &'static str)], address: &str) -> Option<(&'static str, String)> {
        proxies(variables).of(address).map(|used| (used.variable, used.address))
    }

    const OFFICE: &[(&str, &str)] =
        &[("HTTP_PROXY", "http://a:3128"), ("https_proxy", "u:p%40ss@b:8080"), ("ALL_PROXY", "http://c:1")];

    #[test]
    fn this_machine_needs_no_proxy() {
        for scheme in ["http", "https"] {
            for host in [
                "localhost",
                "LOCALHOST:1",
                "localhost.",
                "x.localhost",
                "127.0.0.1:9",
                "127.1",
                "[::1]",
                "[::ffff:7f00:1]",
            ] {
                assert_eq!(used(OFFICE, &format!("{scheme}://{host}/open-apis")), None, "{scheme}://{host}");
            }
        }
        for host in ["localhost.example.com", "10.0.0.1", "[::2]", "127.0.0.1.example.com"] {
            assert!(used(OFFICE, &format!("https://{host}")).is_some(), "{host}");
        }
    }

    #[test]
    fn the_variable_of_the_scheme_goes_before_the_one_for_all() {
        let feishu = "https://open.feishu.cn/open-apis/vc/v1/rooms";
        assert_eq!(used(OFFICE, feishu), Some(("https_proxy", "http://b:8080".to_owned())), "no password is shown");
        assert_eq!(used(OFFICE, "http://collector"), Some(("HTTP_PROXY", "http://a:3128".to_owned())));
        assert_eq!(used(&[("all_proxy", "https://c:1/")], feishu), Some(("all_proxy", "https://c:1".to_owned())));
        assert_eq!(used(&[("HTTP_PROXY", "http://a:3128")], feishu), None);
        assert_eq!(used(&[], feishu), None);
        let client = proxies(OFFICE).address_of(&feishu.parse().unwrap());
        assert_eq!(client.as_deref(), Some("http://u:p%40ss@b:8080"), "the client needs it whole");
    }

    #[test]
    fn no_proxy_excepts_names_with_what_is_below_them_and_networks() {
        for no in [".feishu.cn, 10.0.0.0/8", "open.feishu.cn,10.1.2.3", "feishu.cn,10.0.0.0/8", "*"] {
            let read = |name| match name {
                "HTTPS_PROXY" => Some("http://a:3128".to_owned()),
                "NO_PROXY" => Some(no.to_owned()),
                _ => None,
            };
            let proxies = Proxies::read(read);
            assert_eq!(proxies.of("https://open.feishu.cn"), None, "{no}");
            assert_eq!(proxies.of("https://10.1.2.3"), None, "{no}");
            assert_eq!(proxies.of("https://notfeishu.cn").is_some(), no != "*", "{no}");
        }
    }

    #[test]
    fn what_names_no_proxy_is_told_and_not_used() {
        for value in ["ftp://a:1", "http://", "::", "a b", "socks9://x"] {
            let proxies = Proxies::read(|name| (name == "HTTPS_PROXY").then(|| value.to_owned()));
            assert_eq!(proxies.odd(), [Odd::NoAddress("HTTPS_PROXY")], "{value}");
            assert_eq!(proxies.of("https://open.feishu.cn"), None, "{value}");
        }
        assert_eq!(proxies(&[("ALL_PROXY", "socks5://a:1080")]).odd(), [Odd::Socks("ALL_PROXY")]);
        assert_eq!(proxies(&[("HTTPS_PROXY", ""), ("https_proxy", "http://a:1")]).odd(), [], "empty is switched off");
        assert_eq!(used(&[("HTTPS_PROXY", ""), ("https_proxy", "http://a:1")], "https://b"), None);
        let fallback: &[_] = &[("HTTPS_PROXY", "ftp://a"), ("ALL_PROXY", "http://c:1")];
        assert_eq!(used(fallback, "https://b"), Some(("ALL_PROXY", "http://c:1".to_owned())));
    }
}
