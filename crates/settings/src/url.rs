//! Just enough of URLs to check and mask them. No URL is ever shown with what stands before its `@`.

use std::net::IpAddr;

/// The parts of an absolute URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts<'u> {
    /// Before `://`, as written.
    pub scheme: &'u str,
    /// Before `@`.
    pub user_info: Option<&'u str>,
    /// The host, brackets of IPv6 included.
    pub host: &'u str,
    /// The port's text.
    pub port: Option<&'u str>,
    /// From the first `/`, `?` or `#` behind the host on.
    pub rest: &'u str,
}

/// Takes an absolute URL apart.
pub(crate) fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, behind) = url.split_once("://")?;
    let end = behind.find(['/', '?', '#']).unwrap_or(behind.len());
    let (authority, rest) = behind.split_at(end);
    let (user_info, address) = match authority.rsplit_once('@') {
        Some((user_info, address)) => (Some(user_info), address),
        None => (None, authority),
    };
    let host_end =
        if address.starts_with('[') { address.find(']')? + 1 } else { address.find(':').unwrap_or(address.len()) };
    let (host, port) = address.split_at(host_end);
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port),
        None if port.is_empty() => None,
        None => return None,
    };
    let port_is_one = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!host.is_empty() && !url.contains(char::is_whitespace) && port_is_one).then_some(Parts {
        scheme,
        user_info,
        host,
        port,
        rest,
    })
}

/// Whether a host is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The URL with `***` for its password, without query and fragment; `***` if it is none. PostgreSQL's may name several
/// hosts.
pub fn masked(url: &str) -> String {
    let masked = || {
        let (scheme, behind) = url.split_once("://").filter(|_| !url.contains(char::is_whitespace))?;
        let shown = behind.split(['?', '#']).next()?;
        let (authority, path) = shown.split_at(shown.find('/').unwrap_or(shown.len()));
        let (user_info, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        hosts.split(',').try_for_each(|host| parts(&format!("{scheme}://{host}")).map(drop))?;
        let user = match user_info.map(|user_info| user_info.split_once(':').ok_or(user_info)) {
            None => String::new(),
            Some(Ok((user, _))) => format!("{user}:***@"),
            Some(Err(user)) => format!("{user}@"),
        };
        Some(format!("{scheme}://{user}{hosts}{path}"))
    };
    masked().unwrap_or_else(|| "***".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        let url = parts("amqp://u:p@ss@[::1]:5672/%2f?x=1").unwrap();
        assert_eq!(
            (url.scheme, url.user_info, url.host, url.port, url.rest),
            ("amqp", Some("u:p@ss"), "[::1]", Some("5672"), "/%2f?x=1")
        );
        for wrong in [
            "",
            "localhost",
            "http://",
            "http://:80",
            "http://h:0",
            "http://h:99999",
            "http://h:x",
            "http://[::1",
            "http://[::1]x",
            "http://a b",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn loopback_is_told_from_what_looks_like_it() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "[::2]", "128.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn passwords_are_masked() {
        assert_eq!(masked("amqp://guest:secret@mq:5672/%2f"), "amqp://guest:***@mq:5672/%2f");
        assert_eq!(masked("amqp://guest:se@cr:et@mq/%2f?auth=secret"), "amqp://guest:***@mq/%2f");
        assert_eq!(masked("amqps://mq"), "amqps://mq");
        assert_eq!(masked("postgres://u:se,cret@a:1,b/x?target_session_attrs=any"), "postgres://u:***@a:1,b/x");
        assert_eq!(masked("postgres://u:secret@a:1,:2/x"), "***");
        assert_eq!(masked("guest:secret@mq"), "***");
    }
}
