//! What the reader's types cannot say: ranges, and what must stand together.

use std::collections::BTreeSet;

use super::{Event, Scenario, fits};
use paceline_domain::catalog::Catalog;

/// A fault that the reader's types let pass, and where it stands.
pub(super) struct Fault {
    /// An array of tables and a position in it, or a section.
    pub(super) place: Place,
    /// What was expected.
    pub(super) message: String,
}

/// Where a fault stands.
pub(super) enum Place {
    /// In a section or below it, by its dotted name.
    Section(String),
    /// In the entry of that position, e.g. of `[[faults]]`.
    Entry(&'static str, usize),
}

impl Scenario {
    /// Everything that is wrong with it in itself.
    pub(super) fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut section = |name: &str, message: &str| {
            faults.push(Fault { place: Place::Section(name.to_owned()), message: message.to_owned() });
        };
        for (name, spread) in [("latency.before", &self.latency.before), ("latency.after", &self.latency.after)] {
            if let Some(fault) = spread.fault() {
                section(name, &fault);
            }
        }
        if !(400..=499).contains(&self.counting.feishu_status) {
            section("counting.feishu_status", "expected 429 or 400");
        }
        if self.tokens.life_s == 0 || self.tokens.same_above_s > self.tokens.life_s {
            section("tokens", "expected a life_s of at least 1 and of at least same_above_s");
        }
        if let Some(fault) = self.decisions.fault() {
            section("decisions", fault);
        }
        for (method, _) in self.concurrency.iter().filter(|(_, limit)| **limit == 0) {
            section(&format!("concurrency.{method}"), "expected at least 1");
        }
        faults.extend(self.check_entries());
        faults
    }

    fn check_entries(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut entry = |name, position, message| faults.push(Fault { place: Place::Entry(name, position), message });
        for (position, background) in self.background.iter().enumerate() {
            if !(background.calls_per_min > 0.0 && background.calls_per_min <= 60_000.0) {
                entry("background", position, "calls_per_min: expected more than 0, at most 60000".to_owned());
            }
        }
        for (position, event) in self.events.iter().enumerate() {
            if let Some(fault) = event_fault(event) {
                entry("events", position, fault.to_owned());
            }
        }
        for (position, fault) in self.faults.iter().enumerate() {
            fault.faults().into_iter().for_each(|fault| entry("faults", position, fault));
        }
        for (position, left_out) in self.warnings.iter().enumerate() {
            left_out.faults().into_iter().for_each(|fault| entry("warnings", position, fault));
        }
        faults
    }

    /// Names that the catalog does not know, of methods and of what ids name: most likely misspelt.
    pub fn unknown_names(&self, catalog: &Catalog) -> Vec<String> {
        let kinds: BTreeSet<&str> = catalog.methods.values().flat_map(|method| method.names()).collect();
        let unknown = self.known.keys().filter(|kind| !kinds.contains(kind.as_str()));
        let is_look_up = |name: &str| catalog.method(name).is_some_and(|method| !method.resolves.is_empty());
        let unlisted = self.listed.keys().filter(|name| !is_look_up(name));
        let unlisted = unlisted.map(|name| format!("listed: {name:?} looks nothing up by name"));
        let unknown = unknown.map(|kind| {
            let known = kinds.iter().copied().collect::<Vec<_>>().join(", ");
            format!("known: no parameter names {kind:?}; there are {known}")
        });
        self.unknown_methods(catalog).into_iter().chain(unknown).chain(unlisted).collect()
    }

    /// Names and patterns that fit no method of the catalog.
    fn unknown_methods(&self, catalog: &Catalog) -> Vec<String> {
        let named = (self.quotas.keys().map(|name| ("quotas", name)))
            .chain(self.concurrency.keys().map(|name| ("concurrency", name)))
            .chain(self.background.iter().map(|it| ("background", &it.method)))
            .chain(self.objects.iter().map(|it| ("objects", &it.method)))
            .chain(self.faults.iter().map(|it| ("faults", &it.method)))
            .chain(self.undocumented.names())
            .chain(self.warnings.iter().map(|it| ("warnings", &it.method)));
        let unknown = named.filter_map(|(section, pattern)| {
            let mut fitting = catalog.methods.values().filter(|method| fits(pattern, &method.name)).peekable();
            if fitting.peek().is_none() {
                return Some(format!("{section}: no method is named {pattern:?}"));
            }
            // Another document of a call goes by the name of that call.
            let others: Option<Vec<&str>> = fitting.map(|method| method.counted_as.as_deref()).collect();
            others.map(|others| format!("{section}: {pattern:?} is served as {}: name that", others.join(", ")))
        });
        unknown.chain(self.warnings.iter().filter_map(|it| it.unknown_field(catalog))).collect()
    }
}

fn event_fault(event: &Event) -> Option<&'static str> {
    match (&event.app, &event.secret) {
        (Some(_), Some(_)) => None,
        (None, None) if event.revoke_tokens => None,
        (None, None) => Some("expected revoke_tokens = true, or app and secret"),
        _ => Some("app and secret stand together"),
    }
}
