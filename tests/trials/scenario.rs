//! Parts of settings and scenarios, as TOML.

use std::fmt::Write as _;

/// Method, kind, chance, and what the kind needs.
pub(crate) type Fault = (&'static str, &'static str, f64, &'static str);

/// The quotas of the methods that begin like this.
pub(crate) fn quotas(all: &[(&str, &str)], prefix: &str) -> String {
    let of = all.iter().filter(|(method, _)| method.starts_with(prefix));
    of.fold(String::new(), |mut lines, (method, quota)| {
        let _ = writeln!(lines, "\"{method}\" = \"{quota}\"");
        lines
    })
}

/// The quotas of both apps, as settings.
pub(crate) fn quotas_of_apps(all: &[(&str, &str)]) -> String {
    let (acme, campus) = (quotas(all, "feishu"), quotas(all, "wecom"));
    format!("[apps.acme.quotas]\n{acme}[apps.campus.quotas]\n{campus}")
}

pub(crate) fn faults(all: &[Fault]) -> String {
    all.iter().fold(String::new(), |mut lines, (method, kind, chance, more)| {
        let _ = writeln!(lines, "[[faults]]\nmethod = \"{method}\"\nkind = \"{kind}\"\nchance = {chance}\n{more}");
        lines
    })
}
