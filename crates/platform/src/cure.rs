//! What to do about a platform that cannot be reached, by what the operating system or TLS said.

/// Part of the words for a call that goes through a proxy.
pub(super) const THROUGH_PROXY: &str = "through the proxy";

/// The cure for the words of [`paceline_domain::outcome::Reply::NotSent`] or `Lost`.
pub fn cure(words: &str) -> &'static str {
    let says = |sign: &str| words.contains(sign);
    if says("UnknownIssuer") {
        "its certificate comes from an authority that this machine does not know: name that authority's (or the proxy's) PEM file in http.ca_file"
    } else if says("not valid for") || says("NotValidForName") {
        "its certificate is for another name: correct base_url, or the proxy or name server between"
    } else if says("certificate expired") || says("certificate not valid yet") || says("NotValidYet") || says("Expired")
    {
        "compare this machine's clock with the certificate's dates; if the clock is right, have the certificate renewed"
    } else if says("certificate") {
        "have its certificate corrected, or correct base_url"
    } else if says(THROUGH_PROXY) {
        // Names, ports and refusals are the proxy's then: it is the only one that was asked.
        "correct the proxy's address in that variable, ask whoever runs the proxy, or name the platform in NO_PROXY if it needs none"
    } else if says("corrupt message") || says("handshake eof") {
        "that port speaks no TLS: correct the port in base_url"
    } else if says("lookup address") || says("dns error") || says("resolve") {
        "its name has no address here: correct base_url, or this machine's name server"
    } else if says("refused") {
        "nothing listens there: correct base_url, or look at the firewall or proxy between"
    } else {
        "look at base_url, the firewall, and the proxy (HTTPS_PROXY) between"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_cure() {
        for (words, sign) in [
            ("no connection: invalid peer certificate: UnknownIssuer", "http.ca_file"),
            ("no connection: invalid peer certificate: certificate not valid for name \"a\"", "another name"),
            ("no connection: invalid peer certificate: certificate expired: verified at time 1", "clock"),
            ("no connection: invalid peer certificate: BadSignature", "corrected"),
            ("no connection: received corrupt message of type InvalidContentType", "no TLS"),
            ("no connection: tls handshake eof", "no TLS"),
            ("no connection through the proxy http://p:1 (HTTPS_PROXY): failed to lookup address", "NO_PROXY"),
            (
                "no connection through the proxy http://p:1 (HTTPS_PROXY): Connection refused (os error 111)",
                "that variable",
            ),
            ("no connection through the proxy http://p:1 (HTTPS_PROXY): certificate: UnknownIssuer", "http.ca_file"),
            ("no connection: failed to lookup address information: Name or service not known", "name server"),
            ("no connection: Connection refused (os error 111)", "nothing listens"),
            ("no answer before the time-out", "firewall"),
        ] {
            assert!(cure(words).contains(sign), "{words}: {}", cure(words));
        }
    }
}
