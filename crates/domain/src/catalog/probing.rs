//! Checks a method's `[probe]`: what it makes can be asked for, and deleted again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cross::{Faults, param_schema, required};
use super::{Catalog, Creation, Kind, Method};
use crate::probe::{Probe, ProbeCall, in_order};

/// Everything that is wrong with it.
pub(super) fn probe(catalog: &Catalog, method: &Method, faults: &mut Faults) {
    let Some(probe) = &method.probe else { return };
    if method.kind != Kind::Job || matches!(method.creation, Creation::Natural) {
        faults.add("probe", "belongs to methods that create something");
    }
    known(method, &probe.params, "probe.params", faults);
    for name in probe.unknown() {
        faults.add("probe.params", format!("${name} refers to nothing: expected $given.…, $of.… or $in.…"));
    }
    given(probe, faults);
    for name in probe.needs() {
        let needed = catalog.job_method(name).filter(|needed| needed.family == method.family);
        if needed.is_none_or(|needed| needed.probe.is_none() || needed.reply.key.is_none()) {
            faults.add("probe.params", format!("{name} has no [probe], or makes nothing that has an id"));
        }
    }
    let order = in_order(catalog, |other| other.name == method.name);
    if order.last().is_none_or(|(last, _)| last.name != method.name) {
        faults.add("probe.params", "needs an object that needs this one");
    }
    match (&method.undo, &probe.delete) {
        (None, None) => {
            faults.add("probe.delete", "nothing else deletes what the probe makes: the method has no [undo]");
        }
        (Some(_), Some(_)) => faults.add("probe.delete", "contradicts [undo], which deletes what the probe makes"),
        _ => {}
    }
    call(catalog, method, probe.get.as_ref(), "probe.get", faults);
    call(catalog, method, probe.delete.as_ref(), "probe.delete", faults);
    let deletes = probe.delete.as_ref().and_then(|delete| catalog.method(&delete.method));
    if deletes.is_some_and(|deletes| deletes.kind != Kind::Job || !matches!(deletes.creation, Creation::Natural)) {
        faults.add("probe.delete.method", "expected a method for jobs of the class \"natural\"");
    }
}

/// What a person names is said, and wanted.
fn given(probe: &Probe, faults: &mut Faults) {
    for word in probe.wants().iter().filter(|word| !probe.given.contains_key(**word)) {
        faults.add("probe.given", format!("does not say what {word} is"));
    }
    for word in probe.given.keys().filter(|word| !probe.wants().contains(word.as_str())) {
        faults.add("probe.given", format!("nothing refers to {word}"));
    }
}

fn call(catalog: &Catalog, method: &Method, call: Option<&ProbeCall>, field: &str, faults: &mut Faults) {
    let Some(call) = call else { return };
    let called = catalog.method(&call.method).filter(|called| called.family == method.family);
    let Some(called) = called else {
        return faults.add(format!("{field}.method"), format!("there is no method {:?} of the platform", call.method));
    };
    known(called, &call.params, &format!("{field}.params"), faults);
}

/// The parameters are the method's, and all that it requires.
fn known(method: &Method, params: &BTreeMap<String, Value>, field: &str, faults: &mut Faults) {
    for name in params.keys().filter(|name| param_schema(method, name).is_none()) {
        faults.add(field, format!("{} has no parameter {name}", method.name));
    }
    let is_given = |wanted: &String| {
        params.keys().any(|name| name == wanted || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')))
    };
    for name in required(method).filter(|name| !is_given(name)) {
        faults.add(field, format!("{} also requires {name}", method.name));
    }
}
