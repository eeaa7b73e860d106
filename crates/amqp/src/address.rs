//! The broker's address: read once, shown without its password.

use std::fmt;

use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::{ExposeSecret, SecretString};

use paceline_domain::messages::{BrokerAddress, BrokerCause, BrokerFault};

/// Seconds between heartbeats: a frozen broker is noticed within twice that.
const HEARTBEAT_S: u16 = 15;

/// The setting of a single address.
const URL: &str = "broker.url";
/// The setting of several.
const URLS: &str = "broker.urls";

/// Where the broker is and as whom to speak to it. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct Address {
    uri: AMQPUri,
    names_user: bool,
    setting: &'static str,
}

impl Address {
    /// Reads `amqp://user:password@host:port/vhost` or `amqps://…`.
    ///
    /// # Errors
    /// What was expected; never the address itself, which holds the password.
    pub fn parse(url: &SecretString) -> Result<Self, BrokerAddress> {
        let url = url.expose_secret();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(BrokerAddress::AddressWithoutScheme);
        };
        if scheme != "amqp" && scheme != "amqps" {
            // What stands before "://" is a scheme only if it looks like one; a password must not be quoted.
            let looks = scheme.len() <= 12 && scheme.chars().all(|sign| sign.is_ascii_alphanumeric());
            let scheme = scheme.to_owned();
            return Err(if looks {
                BrokerAddress::AddressOfOtherScheme { scheme }
            } else {
                BrokerAddress::NoAmqpAddress
            });
        }
        let mut uri: AMQPUri = url.parse().map_err(|_| BrokerAddress::AddressUnreadable)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // The parser takes a bracketed IPv6 address for none at all and would connect to localhost.
        if let Some((v6, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            v6.clone_into(&mut uri.authority.host);
        }
        if uri.authority.host.is_empty() || host.is_empty() {
            return Err(BrokerAddress::AddressWithoutHost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self { uri, names_user: authority.contains('@'), setting: URL })
    }

    /// Reads every address of the settings, in their order.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn parse_all(urls: &[SecretString]) -> Result<Vec<Self>, BrokerFault> {
        let (are_several, setting) = if urls.len() > 1 { (true, URLS) } else { (false, URL) };
        let each = urls.iter().enumerate().map(|(index, url)| match Self::parse(url) {
            Ok(address) => Ok(Self { setting, ..address }),
            Err(wrong) => {
                let (setting, number) = (setting.to_owned(), index + 1);
                let cause = if are_several {
                    BrokerCause::NoBrokerAddressOf { setting, number, wrong }
                } else {
                    BrokerCause::NoBrokerAddress { setting, wrong }
                };
                Err(BrokerFault::new(cause, None))
            }
        });
        each.collect()
    }

    /// The key of the settings that it stands in.
    pub const fn setting(&self) -> &'static str {
        self.setting
    }

    /// As the client wants it, password included.
    pub(super) fn uri(&self) -> AMQPUri {
        self.uri.clone()
    }

    /// Whether it says as whom to sign in.
    pub(super) const fn names_user(&self) -> bool {
        self.names_user
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// The virtual host, `/` by default.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// Host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.uri.authority.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.uri.authority.port
    }

    /// Whether TLS is spoken.
    pub fn tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }
}

impl fmt::Display for Address {
    /// `host:port`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host().contains(':') {
            write!(out, "[{}]:{}", self.host(), self.port())
        } else {
            write!(out, "{}:{}", self.host(), self.port())
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, String> {
        Address::parse(&url.into()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn reads_every_part_and_shows_no_password() {
        let address = read("amqps://hr:s%40cret@mq.example.com/team%2fa").unwrap();
        assert_eq!((address.user(), address.vhost(), address.tls()), ("hr", "team/a", true));
        assert_eq!(address.to_string(), "mq.example.com:5671");
        assert_eq!(address.uri().authority.userinfo.password, "s@cret");
        assert!(!format!("{address:?} {address}").contains("cret"));
    }

    #[test]
    fn an_ipv6_address_is_not_taken_for_localhost() {
        let address = read("amqp://u:p@[fd00::7]:5673/%2f").unwrap();
        assert_eq!((address.host(), address.port()), ("fd00::7", 5673));
        assert_eq!(address.to_string(), "[fd00::7]:5673");
    }

    #[test]
    fn the_heartbeat_is_ours_unless_the_address_says_another() {
        assert_eq!(read("amqp://h").unwrap().uri().query.heartbeat, Some(15));
        assert_eq!(read("amqp://h/%2f?heartbeat=4").unwrap().uri().query.heartbeat, Some(4));
    }

    #[test]
    fn a_fault_never_quotes_the_address() {
        for url in
            ["hunter2", "hunter2://x", "amqp://", "amqp:hunter2", "http://u:hunter2@h", "amqp://u:hunter2@h:99999"]
        {
            let fault = read(url).unwrap_err();
            assert!(fault.contains("expected amqp://"), "{fault}");
            assert!(!fault.contains("u:hunter2"), "{fault}");
        }
        assert!(!read("amqp://u:hunter2@h:99999").unwrap_err().contains("hunter2"));
    }
}
