//! From bytes to a job: the one place where input is validated.

mod envelope;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalog::{Catalog, Edition, Kind, Method, Schema, got, nearest, shortened, shown_text};
use super::chain;
use super::checks::{Finding, Source};
use super::identity::{self, ObjectHash, Place};
use super::job::{Fault, ID_BYTES_MAX, Identity, Job, LaneKey, Params, Rejection};
use super::json;
use super::messages::{Hint, Rule, Wanted as WantedValue};
use super::reason::Reason;
use super::rights::{self, Rights, Sender, Wanted};
use super::time::Timestamp;
use envelope::Envelope;

/// The longest AMQP short string, in bytes: a queue's name or a routing key.
const SHORT_STRING_BYTES_MAX: usize = 255;

/// The setting that bounds what is read as a job, whichever way it comes.
pub const BODY_BYTES_MAX: &str = "intake.body_bytes_max";
/// How much is kept of what is longer.
pub const HEAD_BYTES: usize = 64 * 1024;

/// The fields of a job beside its parameters, in the order of messages.
pub const FIELDS: [&str; 11] =
    ["id", "method", "app", "batch", "after", "tenant", "identity", "priority", "not_before", "not_after", "reply_to"];

/// What the settings say of an app, as far as input needs it.
#[derive(Clone, Debug, Default)]
pub struct AppFacts {
    /// The platform family whose methods it can call: `feishu` (also for Lark) or `wecom`.
    pub family: String,
    /// The users whose tokens the settings hold.
    pub users: BTreeSet<String>,
    /// What its settings choose where one URL has several documents, by key: `meetings` → `basic`.
    pub editions: BTreeMap<String, String>,
    /// Whether it serves several tenants, as a store app does; a custom app has one, which no job names.
    pub has_tenants: bool,
}

/// Which apps a job may name.
#[derive(Clone, Debug)]
pub enum Apps {
    /// Those of the settings.
    Named(BTreeMap<String, AppFacts>),
    /// Any: a rehearsal against the simulator makes them up.
    Any,
}

/// What stands in for absent fields of a job: AMQP properties, or a file's position and the command line.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Stands in for `id`.
    pub id: Option<String>,
    /// Stands in for `method`.
    pub method: Option<String>,
    /// Stands in for `app`.
    pub app: Option<String>,
    /// Stands in for `batch`.
    pub batch: Option<String>,
    /// Stands in for `priority`.
    pub priority: Option<u8>,
    /// Stands in for `reply_to`.
    pub reply_to: Option<String>,
    /// Who sent it; `None` for files and the HTTP API, whose users have the worker's own rights.
    pub sender: Option<Sender>,
    /// Whether the job is in the ledger, under this very id.
    pub is_filed: bool,
}

/// Turns bytes into jobs.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The methods.
    pub catalog: Arc<Catalog>,
    /// The apps.
    pub apps: Apps,
    /// Who may ask for what.
    pub rights: Arc<Rights>,
}

impl Decoder {
    /// Reads one job, or says everything that is wrong with it.
    pub fn decode(&self, raw: &[u8], defaults: &Defaults) -> Result<Job, Rejection> {
        self.decode_with(raw, defaults, &mut Vec::new())
    }

    /// [`Decoder::decode`] that adds to `warnings` what a person should look at.
    pub fn decode_with(&self, raw: &[u8], defaults: &Defaults, warnings: &mut Vec<Finding>) -> Result<Job, Rejection> {
        // .NET writes one by default, and Windows' editors.
        let raw = raw.strip_prefix(json::BOM).unwrap_or(raw);
        match json::parse(raw) {
            Ok((Value::Object(document), twice)) => self.judge(document, &twice, defaults, Source::Document, warnings),
            Ok((other, _)) => {
                let rule = Rule::Expected { wanted: WantedValue::AJsonObject };
                Err(self.unreadable(defaults, Fault::malformed("", rule).got(got(&other))))
            }
            Err(_) if raw.starts_with(b"\xff\xfe") || raw.starts_with(b"\xfe\xff") => {
                Err(self.unreadable(defaults, Fault::malformed("", Rule::Utf16)))
            }
            Err(error) if std::str::from_utf8(raw).is_err() => {
                let rule = Rule::NotUtf8 { error: error.to_string() };
                Err(self.unreadable(defaults, Fault::malformed("", rule)))
            }
            Err(error) => {
                let rule = Rule::NotJson { error: within(raw, &error) };
                Err(self.unreadable(defaults, Fault::malformed("", rule)))
            }
        }
    }

    /// Reads a job from its document; `twice` names the keys that stood in it twice.
    pub fn read(&self, document: Map<String, Value>, twice: &[String], defaults: &Defaults) -> Result<Job, Rejection> {
        self.judge(document, twice, defaults, Source::Document, &mut Vec::new())
    }

    /// [`Decoder::read`] that adds to `warnings` what a person should look at.
    pub fn judge(
        &self,
        document: Map<String, Value>,
        twice: &[String],
        defaults: &Defaults,
        source: Source,
        warnings: &mut Vec<Finding>,
    ) -> Result<Job, Rejection> {
        let mut envelope = Envelope { document, faults: Vec::new() };
        for name in twice {
            envelope.faults.push(Fault::malformed(name, Rule::AppearsTwice));
        }
        let id = envelope.text("id", defaults.id.as_deref());
        let method_name = envelope.text("method", defaults.method.as_deref());
        let app = envelope.text("app", defaults.app.as_deref());
        let batch = envelope.text("batch", defaults.batch.as_deref());
        envelope.require([("id", &id), ("method", &method_name), ("app", &app)]);
        let id = self.checked_id(id, defaults, &mut envelope);
        envelope.short("batch", batch.as_deref(), SHORT_STRING_BYTES_MAX);
        let method = method_name.as_deref().and_then(|name| self.method(name, &mut envelope.faults));
        let facts = app.as_deref().and_then(|app| self.app(app, &mut envelope.faults));
        self.fit_method((app.as_deref(), facts), (method_name.as_deref(), method), &mut envelope.faults);
        let tenant = envelope.text("tenant", None);
        envelope.short("tenant", tenant.as_deref(), SHORT_STRING_BYTES_MAX);
        fit_tenant(tenant.as_deref(), facts, &mut envelope.faults);
        let identity = envelope.identity(method, facts);
        let priority = envelope.priority(defaults.priority);
        let not_before = envelope.time("not_before");
        let not_after = envelope.time("not_after");
        let reply_to = envelope.text("reply_to", defaults.reply_to.as_deref());
        envelope.short("reply_to", reply_to.as_deref(), SHORT_STRING_BYTES_MAX);
        let wanted = Wanted {
            app: app.as_deref(),
            method: method_name.as_deref(),
            identity: &identity,
            reply_to: reply_to.as_deref(),
        };
        envelope.faults.extend(self.rights.faults(&wanted, defaults.sender.as_ref()));
        let meta = envelope.object("meta");
        let mut after = envelope.after();
        let mut params = envelope.params(method);
        if let Some(method) = method {
            envelope.check(method, &params, source, warnings);
        }
        self.file_references(&mut after, &mut params, defaults);
        refuse_itself(id.as_deref(), &after, &params, &mut envelope.faults);
        let not_after = deadline(method, &params, not_before, not_after, &mut envelope.faults);
        envelope.refuse_the_rest();
        if !envelope.faults.is_empty() {
            return Err(Rejection { id, method: method_name, app, batch, faults: envelope.faults });
        }
        let lane = LaneKey {
            app: app.unwrap_or_default(),
            tenant: tenant.unwrap_or_default(),
            method: method_name.unwrap_or_default(),
        };
        let id = id.unwrap_or_default();
        let is_confidential = method.is_some_and(|method| is_confidential(method, &params));
        let object =
            method.filter(|method| method.creates()).map(|method| object_of(method, &lane, &identity, &params));
        Ok(Job {
            id,
            lane,
            batch,
            identity,
            after,
            params,
            filled: Vec::new(),
            object,
            is_confidential,
            priority,
            not_before,
            not_after,
            reply_to,
            meta,
            trace: None,
        })
    }

    /// What is wrong with the method and the app that a person names for all rows which name none.
    pub fn faults_of(&self, method: Option<&str>, app: Option<&str>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(name) = method {
            self.method(name, &mut faults);
        }
        if let Some(name) = app {
            self.app(name, &mut faults);
        }
        faults
    }

    /// A method has to be one that the app can call.
    fn fit_method(
        &self,
        (app, facts): (Option<&str>, Option<&AppFacts>),
        (name, method): (Option<&str>, Option<&Method>),
        faults: &mut Vec<Fault>,
    ) {
        if let (Some(app), Some(name)) = (app, name) {
            fit_routing_key(app, name, faults);
        }
        if let (Some(method), Some(facts)) = (method, facts) {
            fit_family(method, facts, faults);
            self.fit_edition(method, app.unwrap_or_default(), facts, faults);
        }
    }

    /// A method of the edition that the app's settings do not choose is not for it.
    fn fit_edition(&self, method: &Method, app: &str, facts: &AppFacts, faults: &mut Vec<Fault>) {
        let Some(Edition { setting, is, note }) = &method.edition else { return };
        let Some(chosen) = facts.editions.get(setting).filter(|chosen| *chosen != is) else { return };
        let is_other = |other: &&Arc<Method>| {
            other.counted_name() == method.counted_name()
                && other.edition.as_ref().is_some_and(|edition| edition.setting == *setting && edition.is == *chosen)
        };
        let other = self.catalog.methods.values().find(is_other);
        let (app, chosen, setting, method) = (app.to_owned(), chosen.clone(), setting.clone(), method.name.clone());
        let (is, note) = (is.clone(), note.clone());
        let rule = match other {
            Some(other) => Rule::OtherEditionUse { app, chosen, setting, method, is, other: other.name.clone(), note },
            None => Rule::OtherEdition { app, chosen, setting, method, is, note },
        };
        faults.push(Fault::invalid("method", rule));
    }

    /// A rejection of an input that is no document at all: what the defaults say is all there is to know about it.
    fn unreadable(&self, defaults: &Defaults, fault: Fault) -> Rejection {
        let mut faults = vec![fault];
        Rejection {
            id: defaults.id.clone().map(|id| self.filed(id, defaults, &mut faults)),
            method: defaults.method.clone(),
            app: defaults.app.clone(),
            batch: defaults.batch.clone(),
            faults,
        }
    }

    fn checked_id(&self, id: Option<String>, defaults: &Defaults, envelope: &mut Envelope) -> Option<String> {
        envelope.short("id", id.as_deref(), ID_BYTES_MAX);
        id.map(|id| self.filed(id, defaults, &mut envelope.faults))
    }

    /// The id under which a job is filed.
    fn filed(&self, id: String, defaults: &Defaults, faults: &mut Vec<Fault>) -> String {
        self.rights.filed_id(id, defaults.sender.as_ref(), defaults.is_filed, faults)
    }

    /// A publisher whose ids are its own refers to its own jobs alone.
    fn file_references(&self, after: &mut [String], params: &mut Params, defaults: &Defaults) {
        let Some(sender) = defaults.sender.as_ref().filter(|_| !defaults.is_filed) else { return };
        let Some(name) = self.rights.namespace(sender) else { return };
        let filed = |id: &str| rights::filed_as(name, id);
        for id in after {
            *id = filed(id);
        }
        chain::rename(params, filed);
    }

    fn method(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&Method> {
        if let Some(method) = self.catalog.job_method(name) {
            return Some(method);
        }
        let rule = if self.catalog.method(name).is_some() {
            Rule::WorkersMethod { method: name.to_owned() }
        } else {
            let jobs = self.catalog.methods.values().filter(|method| method.kind == Kind::Job);
            let hint = match nearest(name, jobs.map(|method| method.name.as_str())) {
                Some(near) => Hint::DidYouMean { near: near.to_owned() },
                None => Hint::SeeMethods,
            };
            Rule::NoSuchMethod { method: shortened(name), hint }
        };
        faults.push(Fault::of(Reason::UnknownMethod, "method", rule));
        None
    }

    fn app(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&AppFacts> {
        let fail = |rule: Rule| Fault::of(Reason::UnknownApp, "app", rule);
        match &self.apps {
            Apps::Named(apps) => {
                let facts = apps.get(name);
                if facts.is_none() {
                    let known = apps.keys().map(String::as_str);
                    let hint = match nearest(name, known.clone()) {
                        Some(near) => Hint::DidYouMean { near: near.to_owned() },
                        None if apps.is_empty() => Hint::NoApps { app: shortened(name) },
                        None => Hint::ThereAre { names: known.map(str::to_owned).collect() },
                    };
                    faults.push(fail(Rule::NoSuchApp { app: shortened(name), hint }));
                }
                facts
            }
            Apps::Any => {
                if !name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter)) || name.is_empty() {
                    faults.push(fail(Rule::NameOfApp).got(shown_text(name)));
                }
                None
            }
        }
    }
}

/// What of a row or message is longer than a job may be.
pub fn too_long(bytes: u64, bytes_max: usize) -> Option<Fault> {
    let rule = || Rule::JobBytesAtMost { max: bytes_max, key: BODY_BYTES_MAX.to_owned() };
    (bytes > bytes_max as u64).then(|| Fault::malformed("", rule()).got(bytes.to_string()))
}

/// What is wrong with JSON; of a document in one line, the line is that of the file, and no part of it.
fn within(raw: &[u8], error: &serde_json::Error) -> String {
    let text = error.to_string();
    if raw.trim_ascii().contains(&b'\n') { text } else { text.replace(" at line 1 column ", " at column ") }
}

/// Works out anew which object a job creates, now that the ids of its names are known.
pub fn identify(job: &mut Job, catalog: &Catalog) {
    if let Some(method) = catalog.job_method(&job.lane.method).filter(|method| method.creates()) {
        job.object = Some(object_of(method, &job.lane, &job.identity, &job.params));
    }
}

/// What makes the object that a job creates the same as another's.
fn object_of(method: &Method, lane: &LaneKey, caller: &Identity, params: &Params) -> ObjectHash {
    let caller = caller.to_string();
    let place = Place { method: &lane.method, app: &lane.app, tenant: &lane.tenant, identity: &caller };
    identity::hash(place, Some(method), params)
}

fn is_confidential(method: &Method, params: &Params) -> bool {
    let hides = |schema: &Schema, part: &Map<String, Value>| {
        part.iter().any(|(name, value)| schema.property(name).is_some_and(|schema| schema.hides(value)))
    };
    hides(&method.path_schema, &params.path)
        || hides(&method.query_schema, &params.query)
        || hides(&method.body_schema, &params.body)
}

/// A tenant on a custom app would only be a second name for the same quota.
fn fit_tenant(tenant: Option<&str>, facts: Option<&AppFacts>, faults: &mut Vec<Fault>) {
    if let Some(tenant) = tenant.filter(|tenant| !tenant.is_empty())
        && facts.is_some_and(|facts| !facts.has_tenants)
    {
        faults.push(Fault::invalid("tenant", Rule::OneTenant).got(shown_text(tenant)));
    }
}

fn fit_routing_key(app: &str, method: &str, faults: &mut Vec<Fault>) {
    let bytes = app.len() + 1 + method.len();
    if bytes > SHORT_STRING_BYTES_MAX {
        faults.push(Fault::invalid("app", Rule::RoutingKey { max: SHORT_STRING_BYTES_MAX, bytes }));
    }
}

fn fit_family(method: &Method, facts: &AppFacts, faults: &mut Vec<Fault>) {
    if method.family != facts.family {
        let (family, name, other) = (facts.family.clone(), method.name.clone(), method.family.clone());
        faults.push(Fault::invalid("app", Rule::OtherPlatform { family, method: name, other }));
    }
}

/// The instant from which on the method's own parameters make it pointless, e.g. the start of a meeting.
pub fn implied_deadline(method: &Method, params: &Params) -> Option<Timestamp> {
    let value = params.get(method.expires.as_deref()?)?;
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Timestamp::from_unix_seconds(seconds))
}

/// A job that waits for itself would wait for ever.
fn refuse_itself(id: Option<&str>, after: &[String], params: &Params, faults: &mut Vec<Fault>) {
    let Some(id) = id else { return };
    let reference = chain::references(params).into_iter().find(|reference| reference.id == id);
    let field =
        if after.iter().any(|other| other == id) { Some("after".to_owned()) } else { reference.map(|it| it.field) };
    faults.extend(field.map(|field| Fault::invalid(field, "names the job itself: expected the id of another job")));
}

/// The earlier of the job's own deadline and the instant at which its method makes it pointless.
fn deadline(
    method: Option<&Method>,
    params: &Params,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    faults: &mut Vec<Fault>,
) -> Option<Timestamp> {
    let mut fail = |end: Timestamp, what: &str| {
        if let Some(start) = not_before.filter(|start| *start >= end) {
            let (start_at, end_at) = (start.to_string(), end.to_string());
            faults.push(Fault::invalid("not_before", Rule::NotBeforeEnd { start_at, what: what.to_owned(), end_at }));
        }
    };
    if let Some(end) = not_after {
        fail(end, "not_after");
    }
    let implied = method.and_then(|method| implied_deadline(method, params));
    if let (Some(end), Some(name)) = (implied, method.and_then(|method| method.expires.as_deref()))
        && not_after.is_none_or(|own| end < own)
    {
        fail(end, name);
    }
    match (not_after, implied) {
        (Some(own), Some(implied)) => Some(own.min(implied)),
        (own, implied) => own.or(implied),
    }
}

#[cfg(test)]
mod tests;
