//! Office machines with a proxy in their environment: what goes through it, what does not, and who is named when it fails.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::check::Simulator;
use super::commands::{Outcome, Place};
use super::harness::place::app_at;

const SECRET: &str = "hunter2-the-secret";

/// A proxy that refuses everything and remembers what it was sent.
struct Proxy {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = vec![0; 65_536];
                let length = stream.read(&mut bytes).unwrap_or(0);
                sink.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
                let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn place(base_url: &str) -> Place {
    Place::new(&[("paceline.toml", &app_at(base_url))])
}

fn check(place: &Place, proxy: &[(&str, &str)]) -> Outcome {
    let outcome = place.run_with(&["check"], &[&[("ACME_SECRET", SECRET)], proxy].concat());
    assert!(!format!("{}{}", outcome.out, outcome.err).contains(SECRET), "{}", outcome.transcript());
    outcome
}

#[test]
fn loopback_never_goes_through_a_proxy() {
    let proxy = Proxy::start();
    let simulator = Simulator::start(&Place::new(&[]), "calm");
    let address = proxy.address.as_str();
    for variables in [
        [("HTTP_PROXY", address), ("http_proxy", address)],
        [("ALL_PROXY", address), ("HTTPS_PROXY", address)],
        [("HTTP_PROXY", address), ("NO_PROXY", "example.com")],
    ] {
        for base_url in [simulator.address.clone(), simulator.address.replace("127.0.0.1", "localhost")] {
            let outcome = check(&place(&base_url), &variables);
            assert_eq!(outcome.code, Some(0), "{variables:?} {}", outcome.transcript());
            assert!(outcome.out.contains(&format!("none for {base_url}")), "{}", outcome.transcript());
        }
    }
    assert_eq!(proxy.seen(), [""; 0], "nothing of it was for the proxy");
}

#[test]
fn a_platform_is_called_in_a_tunnel_that_shows_no_secret() {
    let proxy = Proxy::start();
    let outcome = check(&place("https://platform.example"), &[("HTTPS_PROXY", &proxy.address)]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.transcript());
    let seen = proxy.seen();
    assert!(seen.len() == 1 && seen[0].starts_with("CONNECT platform.example:443 "), "{seen:?}");
    assert!(!seen[0].contains(SECRET), "{seen:?}");
    for said in [
        format!("https://platform.example through {} (HTTPS_PROXY)", proxy.address),
        format!("no connection through the proxy {} (HTTPS_PROXY)", proxy.address),
    ] {
        assert!(outcome.out.contains(&said), "{said}: {}", outcome.transcript());
    }
}

#[test]
fn a_proxy_s_unknown_name_is_not_taken_for_the_platform_s() {
    let proxy = [("HTTPS_PROXY", "http://anna:hunter3@proxy.invalid:3128")];
    let outcome = check(&place("https://platform.example"), &proxy);
    assert_eq!(outcome.code, Some(1), "{}", outcome.transcript());
    assert!(
        outcome.out.contains("no connection through the proxy http://proxy.invalid:3128 (HTTPS_PROXY)"),
        "{}",
        outcome.out
    );
    assert!(outcome.out.contains("NO_PROXY") && !outcome.out.contains("correct base_url"), "{}", outcome.out);
    assert!(!outcome.out.contains("hunter3") && !outcome.err.contains("hunter3"), "{}", outcome.transcript());
}

#[test]
fn what_names_no_proxy_is_told() {
    let place = place("https://platform.example");
    let offline = |value| place.run_with(&["check", "--offline"], &[("ACME_SECRET", SECRET), ("https_proxy", value)]);
    let wrong = offline("ftp://anna:hunter3@proxy");
    assert_eq!(wrong.code, Some(0), "{}", wrong.transcript());
    assert!(wrong.out.contains("https_proxy names no proxy (its value is not shown)"), "{}", wrong.out);
    assert!(!wrong.out.contains("hunter3"), "{}", wrong.out);
    let socks = offline("socks5://proxy:1080");
    assert_eq!(socks.code, Some(1), "{}", socks.transcript());
    assert!(socks.out.contains("https_proxy names a SOCKS proxy"), "{}", socks.out);
}
