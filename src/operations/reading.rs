//! A listing that a person wants to read: judged as a job would be.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::refused::Refused;
use super::suspension::known_method;
use crate::domain::catalog::{Catalog, Kind, Method};
use crate::domain::decode::{Decoder, Defaults};
use crate::domain::job::{Job, Params};
use crate::domain::messages::{Bilingual, Cause, Cure, NotRead};
use crate::domain::rows::arguments;
use crate::engine::Unread;

/// What is to be read, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The listing.
    pub method: String,
    /// The app.
    pub app: String,
    /// The tenant of a store app.
    pub tenant: Option<String>,
    /// `tenant`, or `user:<name>`.
    pub identity: Option<String>,
    /// The listing's parameters.
    pub arguments: Vec<(String, String)>,
}

/// The listing, if people can read it.
///
/// # Errors
/// Which ones they can.
pub fn listing<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Method, Refused> {
    let method = known_method(catalog, name)?;
    if method.read.is_some() {
        return Ok(method);
    }
    let readable = catalog.methods.values().filter(|method| method.read.is_some());
    let names: Vec<_> = readable.map(|method| method.name.as_str()).collect();
    Err(Refused::new(format!("{name} is no listing that can be read"), format!("these can: {}", names.join(", "))))
}

/// The call: its lane, identity and parameters.
///
/// # Errors
/// Everything that is wrong with it.
pub fn judge(decoder: &Decoder, wanted: &Wanted) -> Result<Job, Refused> {
    let method = listing(&decoder.catalog, &wanted.method)?;
    let hint = format!("`paceline methods show {}` lists its parameters", wanted.method);
    let refused = |faults: Vec<String>| Refused::new(faults.join("; "), hint.as_str());
    let params = arguments::params(method, &wanted.arguments).map_err(refused)?;
    let document = document(wanted, params);
    // What a job may ask for a reader may: apps, tenants, identities and limits are those of a job of this method.
    let mut catalog = (*decoder.catalog).clone();
    let job_of_it = Method { kind: Kind::Job, ..method.clone() };
    catalog.methods.insert(method.name.clone(), Arc::new(job_of_it));
    let decoder = Decoder { catalog: Arc::new(catalog), ..decoder.clone() };
    let judged = decoder.read(document, &[], &Defaults::default());
    judged.map_err(|rejection| refused(vec![rejection.detail().to_string()]))
}

fn document(wanted: &Wanted, params: Params) -> Map<String, Value> {
    let text = |text: &str| Some(Value::from(text));
    let fields = [
        ("id", text("read")),
        ("method", text(&wanted.method)),
        ("app", text(&wanted.app)),
        ("tenant", wanted.tenant.as_deref().and_then(text)),
        ("identity", wanted.identity.as_deref().and_then(text)),
    ];
    let parts = [("path", params.path), ("query", params.query), ("body", params.body)];
    let parts =
        parts.into_iter().filter(|(_, map)| !map.is_empty()).map(|(part, map)| (part, Some(Value::Object(map))));
    fields.into_iter().chain(parts).filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Why a listing cannot be read, as data, and what to do; the catalog says what a code means where the platform says
/// something else.
pub fn not_read(unread: &Unread, listing: &str, catalog: &Catalog) -> (NotRead, Option<Cure>) {
    match unread {
        Unread::Suspended(suspension) => {
            let (scope, why) = (super::suspension::Scope::of(suspension).name(), suspension.detail.clone());
            (
                logged(NotRead::NotReadSuspended { scope, why }, suspension.log_id.as_deref()),
                Some(suspension.what_to_do()),
            )
        }
        Unread::Refused(failure) | Unread::Later(failure) => {
            let why = failure.detail.clone();
            let what = match failure.code {
                None => NotRead::NotReadBecause { why },
                Some(code) => match meaning(code, listing, catalog).filter(|_| matches!(why, Cause::Said { .. })) {
                    None => NotRead::NotReadByCode { code, why },
                    Some(meaning) => NotRead::NotReadByKnownCode { code, why, meaning },
                },
            };
            let cure =
                failure.cure.clone().or_else(|| failure.code.is_none().then(|| failure.detail.cure_of_silence()));
            (logged(what, failure.log_id.as_deref()), cure)
        }
        Unread::Ledger(error) => (NotRead::NotReadByLedger { error: error.to_string() }, None),
        Unread::Stopping => (NotRead::NotReadStopping, None),
    }
}

fn logged(what: NotRead, log_id: Option<&str>) -> NotRead {
    match log_id {
        Some(log_id) => NotRead::WithLogId { what: Box::new(what), log_id: log_id.to_owned() },
        None => what,
    }
}

fn meaning(code: i64, listing: &str, catalog: &Catalog) -> Option<Bilingual> {
    let method = catalog.method(listing)?;
    let of_platform = || {
        let mut platforms = catalog.platforms.values().filter(|platform| platform.family == method.family);
        platforms.find_map(|platform| platform.errors.get(&code))
    };
    let meaning = method.errors.get(&code).or_else(of_platform)?.meaning();
    (!meaning.en.is_empty()).then_some(meaning)
}

/// Why a page was not read, and what to do.
pub fn why_unread(unread: &Unread) -> Refused {
    match unread {
        Unread::Suspended(suspension) => {
            let name = super::suspension::Scope::of(suspension).name();
            Refused::new(format!("{name} is suspended: {}", suspension.detail), suspension.what_to_do().to_string())
        }
        Unread::Refused(failure) | Unread::Later(failure) => {
            let code = failure.code.map_or_else(String::new, |code| format!("{code}: "));
            let log_id = failure.log_id.as_ref().map_or_else(String::new, |id| format!(" (log id {id})"));
            let cure = failure.cure.as_ref().map(ToString::to_string).unwrap_or_default();
            Refused::new(format!("{code}{}{log_id}", failure.detail), cure)
        }
        Unread::Ledger(error) => Refused::new(error.to_string(), ""),
        Unread::Stopping => Refused::new("the worker stops", "ask again when it has started"),
    }
}
