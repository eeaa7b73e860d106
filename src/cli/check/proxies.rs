//! Which proxy carries the calls to which platform.

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::domain::catalog::Catalog;
use crate::platform::{Odd, Proxies};
use crate::settings::{Settings, masked_url};

/// What the variables of the environment mean for each platform's address.
pub(super) fn look(settings: &Settings, catalog: Option<&Catalog>, proxies: &Proxies) -> Vec<Finding> {
    let platform = |app: &crate::settings::App| Some(catalog?.platforms.get(&app.platform)?.base_url.clone());
    let addresses = settings.apps.values().filter_map(|app| app.base_url.clone().or_else(|| platform(app)));
    let addresses: BTreeSet<String> = addresses.collect();
    let (direct, carried): (Vec<_>, Vec<_>) = addresses
        .iter()
        .map(|address| (masked_url(address), proxies.of(address)))
        .partition(|(_, used)| used.is_none());
    let mut findings: Vec<Finding> = proxies.odd().iter().copied().map(odd).collect();
    for (address, used) in carried {
        let Some(used) = used else { continue };
        findings.push(Finding::ok("proxy", format!("{address} through {} ({})", used.address, used.variable)));
    }
    if !direct.is_empty() {
        let direct: Vec<_> = direct.into_iter().map(|(address, _)| address).collect();
        findings.push(Finding::ok("proxy", format!("none for {}", direct.join(", "))));
    }
    findings
}

fn odd(odd: Odd) -> Finding {
    match odd {
        Odd::NoAddress(variable) => Finding::warning(
            "proxy",
            format!("{variable} names no proxy (its value is not shown), and counts as not set"),
            format!("set {variable} to an address like http://proxy.example.com:3128, or unset it"),
        ),
        Odd::Socks(variable) => Finding::fault(
            "proxy",
            format!("{variable} names a SOCKS proxy; proxies are asked by http:// or https:// alone"),
            format!("set {variable} to the address of an HTTP proxy, or unset it; NO_PROXY excepts a platform from it"),
        ),
    }
}
