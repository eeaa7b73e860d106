//! From bytes to a job: the one place where input is validated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalog::{Catalog, IdentityKind, Kind, Method, nearest, shown, shown_text};
use super::job::{Fault, ID_BYTES_MAX, Identity, Job, LaneKey, PRIORITY_DEFAULT, PRIORITY_MAX, Params, Rejection};
use super::json;
use super::reason::Reason;
use super::time::Timestamp;

/// The longest AMQP short string, in bytes: a queue's name or a routing key.
const SHORT_STRING_BYTES_MAX: usize = 255;

/// The fields of a job beside its parameters, in the order of messages.
pub const FIELDS: [&str; 10] =
    ["id", "method", "app", "batch", "tenant", "identity", "priority", "not_before", "not_after", "reply_to"];

/// What the settings say of an app, as far as input needs it.
#[derive(Clone, Debug, Default)]
pub struct AppFacts {
    /// The platform family whose methods it can call: `feishu` (also for Lark) or `wecom`.
    pub family: String,
    /// The users whose tokens the settings hold.
    pub users: BTreeSet<String>,
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
}

/// Turns bytes into jobs.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The methods.
    pub catalog: Arc<Catalog>,
    /// The apps.
    pub apps: Apps,
}

impl Decoder {
    /// Reads one job, or says everything that is wrong with it.
    pub fn decode(&self, raw: &[u8], defaults: &Defaults) -> Result<Job, Rejection> {
        match json::parse(raw) {
            Ok((Value::Object(document), twice)) => self.read(document, &twice, defaults),
            Ok((other, _)) => Err(unreadable(defaults, format!("expected a JSON object, got {}", shown(&other)))),
            Err(error) if std::str::from_utf8(raw).is_err() => {
                Err(unreadable(defaults, format!("is no UTF-8 text: {error}")))
            }
            Err(error) => Err(unreadable(defaults, format!("is no JSON: {error}"))),
        }
    }

    /// Reads a job from its document; `twice` names the keys that stood in it twice.
    pub fn read(&self, document: Map<String, Value>, twice: &[String], defaults: &Defaults) -> Result<Job, Rejection> {
        let mut envelope = Envelope { document, faults: Vec::new() };
        for name in twice {
            envelope.faults.push(Fault::malformed(name, "stands twice"));
        }
        let id = envelope.text("id", defaults.id.as_deref());
        let method_name = envelope.text("method", defaults.method.as_deref());
        let app = envelope.text("app", defaults.app.as_deref());
        let batch = envelope.text("batch", defaults.batch.as_deref());
        for (name, value) in [("id", &id), ("method", &method_name), ("app", &app)] {
            if value.is_none() && envelope.faults.iter().all(|fault| fault.field != name) {
                envelope.faults.push(Fault::malformed(name, "is required and missing"));
            }
        }
        envelope.short("id", id.as_deref(), ID_BYTES_MAX);
        envelope.short("batch", batch.as_deref(), SHORT_STRING_BYTES_MAX);
        let method = method_name.as_deref().and_then(|name| self.method(name, &mut envelope.faults));
        let facts = app.as_deref().and_then(|app| self.app(app, &mut envelope.faults));
        if let (Some(app), Some(method)) = (&app, &method_name) {
            fit_routing_key(app, method, &mut envelope.faults);
        }
        if let (Some(method), Some(facts)) = (method, facts) {
            fit_family(method, facts, &mut envelope.faults);
        }
        let tenant = envelope.text("tenant", None);
        envelope.short("tenant", tenant.as_deref(), SHORT_STRING_BYTES_MAX);
        let identity = envelope.identity(method, facts);
        let priority = envelope.priority(defaults.priority);
        let not_before = envelope.time("not_before");
        let not_after = envelope.time("not_after");
        let reply_to = envelope.text("reply_to", defaults.reply_to.as_deref());
        envelope.short("reply_to", reply_to.as_deref(), SHORT_STRING_BYTES_MAX);
        let meta = envelope.object("meta");
        let params = envelope.params(method);
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
        Ok(Job { id, lane, batch, identity, params, priority, not_before, not_after, reply_to, meta })
    }

    fn method(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&Method> {
        if let Some(method) = self.catalog.job_method(name) {
            return Some(method);
        }
        let message = if self.catalog.method(name).is_some() {
            format!("{name} is called by the worker itself and is not for jobs; see `paceline methods list`")
        } else {
            let jobs = self.catalog.methods.values().filter(|method| method.kind == Kind::Job);
            let hint = match nearest(name, jobs.map(|method| method.name.as_str())) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "see `paceline methods list`".to_owned(),
            };
            format!("the catalog has no method {}; {hint}", shown_text(name))
        };
        faults.push(Fault { reason: Reason::UnknownMethod, field: "method".to_owned(), message });
        None
    }

    fn app(&self, name: &str, faults: &mut Vec<Fault>) -> Option<&AppFacts> {
        let mut fail = |message| faults.push(Fault { reason: Reason::UnknownApp, field: "app".to_owned(), message });
        match &self.apps {
            Apps::Named(apps) => {
                let facts = apps.get(name);
                if facts.is_none() {
                    let known = apps.keys().map(String::as_str);
                    let hint = match nearest(name, known.clone()) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None if apps.is_empty() => format!("there are none; add [apps.{}]", shown_text(name)),
                        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    fail(format!("the settings have no app {}; {hint}", shown_text(name)));
                }
                facts
            }
            Apps::Any => {
                if !name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter)) || name.is_empty() {
                    fail(format!(
                        "expected a name of letters, digits, \"-\", \"_\" and \".\", got {}",
                        shown_text(name)
                    ));
                }
                None
            }
        }
    }
}

/// A rejection of an input that is no document at all: what the defaults say is all there is to know about it.
fn unreadable(defaults: &Defaults, message: String) -> Rejection {
    Rejection {
        id: defaults.id.clone(),
        method: defaults.method.clone(),
        app: defaults.app.clone(),
        batch: defaults.batch.clone(),
        faults: vec![Fault::malformed("", message)],
    }
}

fn fit_routing_key(app: &str, method: &str, faults: &mut Vec<Fault>) {
    let bytes = app.len() + 1 + method.len();
    if bytes > SHORT_STRING_BYTES_MAX {
        let message = format!("<app>.<method> must fit {SHORT_STRING_BYTES_MAX} bytes, and has {bytes}");
        faults.push(Fault::invalid("app", message));
    }
}

fn fit_family(method: &Method, facts: &AppFacts, faults: &mut Vec<Fault>) {
    if method.family != facts.family {
        let message = format!("the app belongs to {}, the method {} to {}", facts.family, method.name, method.family);
        faults.push(Fault::invalid("app", message));
    }
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
            faults.push(Fault::invalid("not_before", format!("{start} is not before {what}, {end}")));
        }
    };
    if let Some(end) = not_after {
        fail(end, "not_after");
    }
    let name = method.and_then(|method| method.expires.as_deref());
    let implied = name.and_then(|name| {
        let value = params.get(name)?;
        let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
        let end = Timestamp::from_unix_seconds(seconds);
        if not_after.is_none_or(|own| end < own) {
            fail(end, name);
        }
        Some(end)
    });
    match (not_after, implied) {
        (Some(own), Some(implied)) => Some(own.min(implied)),
        (own, implied) => own.or(implied),
    }
}

/// The document on its way into a job: fields are taken out of it, and what is left over is unknown.
struct Envelope {
    document: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Envelope {
    /// Takes a string; a default stands in where it is absent.
    fn text(&mut self, name: &str, default: Option<&str>) -> Option<String> {
        match self.document.remove(name) {
            None => default.map(str::to_owned),
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.wrong(name, "a string", &other);
                None
            }
        }
    }

    fn wrong(&mut self, name: &str, wanted: &str, value: &Value) {
        let hint = if value.is_null() { "; leave it out instead" } else { "" };
        self.faults.push(Fault::malformed(name, format!("expected {wanted}, got {}{hint}", shown(value))));
    }

    /// Checks that a text is neither empty nor too long and holds no control characters.
    fn short(&mut self, name: &str, text: Option<&str>, bytes_max: usize) {
        let Some(text) = text else { return };
        let mut fail = |message| self.faults.push(Fault::invalid(name, message));
        if text.is_empty() {
            fail("must not be empty".to_owned());
        }
        if text.len() > bytes_max {
            fail(format!("expected at most {bytes_max} bytes, got {}: {}", text.len(), shown_text(text)));
        }
        if text.chars().any(char::is_control) {
            fail(format!("must not hold control characters, got {}", shown_text(text)));
        }
    }

    fn identity(&mut self, method: Option<&Method>, facts: Option<&AppFacts>) -> Identity {
        let Some(text) = self.text("identity", None) else {
            let fault = method.filter(|method| !method.identities.contains(&IdentityKind::Tenant)).map(|method| {
                let message = format!("is required: {} is called as a user, \"user:<name>\"", method.name);
                Fault::invalid("identity", message)
            });
            self.faults.extend(fault);
            return Identity::Tenant;
        };
        let identity = match Identity::parse(&text) {
            Ok(identity) => identity,
            Err(message) => {
                self.faults.push(Fault::invalid("identity", message));
                return Identity::Tenant;
            }
        };
        let kind = match identity {
            Identity::Tenant => IdentityKind::Tenant,
            Identity::User(_) => IdentityKind::User,
        };
        if let Some(method) = method.filter(|method| !method.identities.contains(&kind)) {
            let allowed = match kind {
                IdentityKind::Tenant => "as a user, \"user:<name>\"",
                IdentityKind::User => "as the app, \"tenant\"",
            };
            let message = format!("{} is only called {allowed}, got {}", method.name, shown_text(&text));
            self.faults.push(Fault::invalid("identity", message));
        }
        if let (Identity::User(name), Some(facts)) = (&identity, facts)
            && !facts.users.contains(name)
        {
            let hint = match nearest(name, facts.users.iter().map(String::as_str)) {
                Some(near) => format!("did you mean \"user:{near}\"?"),
                None => "add the user's token to the app's settings".to_owned(),
            };
            self.faults.push(Fault::invalid("identity", format!("the app has no user {}; {hint}", shown_text(name))));
        }
        identity
    }

    fn priority(&mut self, default: Option<u8>) -> u8 {
        let value = match self.document.remove("priority") {
            None => Value::from(default.unwrap_or(PRIORITY_DEFAULT)),
            Some(value) => value,
        };
        let number =
            value.as_u64().and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= PRIORITY_MAX);
        match (number, &value) {
            (Some(number), _) => return number,
            (None, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                let message = format!("expected an integer from 0 to {PRIORITY_MAX}, got {value}");
                self.faults.push(Fault::invalid("priority", message));
            }
            (None, other) => self.wrong("priority", &format!("an integer from 0 to {PRIORITY_MAX}"), other),
        }
        PRIORITY_DEFAULT
    }

    fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name, None)?;
        Timestamp::parse(&text).map_err(|message| self.faults.push(Fault::invalid(name, message))).ok()
    }

    fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let value = self.document.remove(name)?;
        if !value.is_object() {
            self.wrong(name, "an object", &value);
        }
        if let Value::Object(map) = value { Some(map) } else { None }
    }

    /// Takes path, query and body, and checks them against the method's schemas if the method is known.
    fn params(&mut self, method: Option<&Method>) -> Params {
        let mut part = |name: &'static str| {
            let before = self.faults.len();
            let map = self.object(name).unwrap_or_default();
            if let Some(method) = method.filter(|_| self.faults.len() == before) {
                let schema = match name {
                    "path" => &method.path_schema,
                    "query" => &method.query_schema,
                    _ => &method.body_schema,
                };
                schema.check_object(name, &map, &mut self.faults);
            }
            map
        };
        Params { path: part("path"), query: part("query"), body: part("body") }
    }

    fn refuse_the_rest(&mut self) {
        let known = FIELDS.into_iter().chain(["path", "query", "body", "meta"]);
        for name in self.document.keys() {
            let hint = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "a method's parameters belong into \"body\", \"query\" or \"path\"".to_owned(),
            };
            self.faults.push(Fault::invalid(name, format!("no such field of a job; {hint}")));
        }
    }
}
