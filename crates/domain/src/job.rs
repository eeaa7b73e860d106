//! A job: one wanted call, under an id that upstream chose.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::find;
use super::identity::ObjectHash;
use super::json;
use super::messages::{Cause, Got, Rule, Spot, Wrong};
use super::reason::Reason;
use super::time::Timestamp;
use super::trace::Trace;

/// The priority of a job that names none.
pub const PRIORITY_DEFAULT: u8 = 4;
/// The highest priority.
pub const PRIORITY_MAX: u8 = 9;
/// The longest id, in bytes: it must fit an AMQP short string.
pub const ID_BYTES_MAX: usize = 255;

/// As whom a call is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// The app itself, with a tenant access token.
    #[default]
    Tenant,
    /// A user whose token the settings hold under this name.
    User(String),
}

impl Identity {
    /// Reads `tenant` or `user:<name>`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "tenant" => Ok(Self::Tenant),
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            _ => Err(format!("expected \"tenant\" or \"user:<name>\", got {text:?}")),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => out.write_str("tenant"),
            Self::User(name) => write!(out, "user:{name}"),
        }
    }
}

/// The FIFO of one (app, tenant, method).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// Name of the app in the settings.
    pub app: String,
    /// A store app's customer; empty for a custom app.
    pub tenant: String,
    /// Name of the method in the catalog.
    pub method: String,
}

impl fmt::Display for LaneKey {
    /// `app/method`, or `app/tenant/method`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant.is_empty() {
            write!(out, "{}/{}", self.app, self.method)
        } else {
            write!(out, "{}/{}/{}", self.app, self.tenant, self.method)
        }
    }
}

/// The parameters of a call, as its method's schemas describe them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// Values for the placeholders of the URL.
    pub path: Map<String, Value>,
    /// The query string.
    pub query: Map<String, Value>,
    /// The JSON body.
    pub body: Map<String, Value>,
}

impl Params {
    /// The value under a dotted name that starts with `path.`, `query.` or `body.`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (part, rest) = name.split_once('.')?;
        let map = match part {
            "path" => &self.path,
            "query" => &self.query,
            "body" => &self.body,
            _ => return None,
        };
        let mut names = rest.split('.');
        let first = map.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    /// Puts a value under such a name, making objects on the way.
    pub fn put(&mut self, name: &str, value: Value) {
        super::look_up::set(self, name, value);
    }
}

/// One wanted call, validated: what an AMQP message, a JSONL line or a CSV row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Upstream's idempotency key, unique in the ledger, at most [`ID_BYTES_MAX`] bytes.
    pub id: String,
    /// App, tenant and method.
    pub lane: LaneKey,
    /// The batch it belongs to.
    pub batch: Option<String>,
    /// As whom it is called.
    pub identity: Identity,
    /// The jobs that must have succeeded before it is sent, beside those that its parameters refer to.
    pub after: Vec<String>,
    /// What is sent, with references to other jobs' results in the place of their values.
    pub params: Params,
    /// The values of those references, in their order, once all of them are there.
    pub filled: Vec<Value>,
    /// The object that it creates; `None` if it may be sent twice without harm.
    pub object: Option<ObjectHash>,
    /// Whether a parameter is there that the method marks as sensitive: what keeps the job has to seal it.
    pub is_confidential: bool,
    /// 0 to [`PRIORITY_MAX`]; higher goes first.
    pub priority: u8,
    /// Not sent before this instant.
    pub not_before: Option<Timestamp>,
    /// Not sent at or after this instant: the job's own, or earlier what its method implies.
    pub not_after: Option<Timestamp>,
    /// The AMQP queue that gets a copy of the result.
    pub reply_to: Option<String>,
    /// Returned unchanged with the result.
    pub meta: Option<Map<String, Value>>,
    /// The trace that upstream's message belongs to: for logs and tracing, and no part of the content.
    pub trace: Option<Trace>,
}

impl Job {
    /// Whether its deadline has passed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|at| at <= now)
    }

    /// Tells the same wanted call from another one under the same id.
    ///
    /// Only what reaches the platform counts: a re-published job may carry another priority or deadline.
    pub fn content_hash(&self) -> [u8; 32] {
        // Written out from where it stands: a copy of all parameters is not free.
        let named = find::content(&self.params);
        let params = named.as_ref().unwrap_or(&self.params);
        let content = (
            &self.lane.method,
            &self.lane.app,
            &self.lane.tenant,
            self.identity.to_string(),
            &params.path,
            &params.query,
            &params.body,
        );
        Sha256::digest(json::bytes(&content)).into()
    }
}

/// What is wrong with one field of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason this fault alone would give the dead letter.
    pub reason: Reason,
    /// Dotted name of the field, empty for the input as a whole.
    pub field: String,
    /// The column of a CSV file that it comes from.
    pub column: Option<Column>,
    /// What was expected: faults of one cause have it in common.
    pub rule: Rule,
    /// What stands there instead, as people may see it; `None` where the rule says all.
    pub got: Option<Got>,
}

impl Fault {
    /// A broken documented limit of `field`.
    pub fn invalid(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self::of(Reason::Invalid, field, rule)
    }

    /// A shape that no method could accept.
    pub fn malformed(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self::of(Reason::Malformed, field, rule)
    }

    /// A fault that alone would give the dead letter this reason.
    pub fn of(reason: Reason, field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self { reason, field: field.into(), column: None, rule: rule.into(), got: None }
    }

    /// Says what stands there.
    #[must_use]
    pub fn got(mut self, got: impl Into<Got>) -> Self {
        self.got = Some(got.into());
        self
    }

    /// What was expected and what stands there.
    pub fn message(&self) -> String {
        Wrong::new(None, self.rule.clone(), self.got.clone()).to_string()
    }

    /// Where it is, what was expected and what stands there, as data.
    pub fn as_wrong(&self) -> Wrong {
        let spot = match &self.column {
            Some(column) => Some(column.spot()),
            None if self.field.is_empty() => None,
            None => Some(Spot::Field { field: self.field.clone() }),
        };
        Wrong::new(spot, self.rule.clone(), self.got.clone())
    }

    /// How people call the field: by its column, in a CSV file.
    pub fn label(&self) -> String {
        self.column.as_ref().map_or_else(|| self.field.clone(), ToString::to_string)
    }
}

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its number, counted from 1; 0 for what a map file adds.
    pub number: usize,
    /// Its header; empty if it has none.
    pub header: String,
    /// Which item of the list in the cell, counted from 1.
    pub item: Option<usize>,
}

impl Column {
    /// How people call it.
    pub fn spot(&self) -> Spot {
        let (number, header) = (self.number, self.header.clone());
        if number == 0 {
            return Spot::Field { field: header };
        }
        let column = if header.is_empty() { Spot::Column { number } } else { Spot::NamedColumn { number, header } };
        match self.item {
            None => column,
            Some(item) => Spot::ItemOf { spot: Box::new(column), item },
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spot().fmt(out)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_wrong().fmt(out)
    }
}

/// An input that never became a job, with everything that could still be read of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// The id, if one could be read.
    pub id: Option<String>,
    /// The method, if one could be read.
    pub method: Option<String>,
    /// The app, if one could be read.
    pub app: Option<String>,
    /// The batch, if one could be read.
    pub batch: Option<String>,
    /// Every fault, in the order of the fields; never empty.
    pub faults: Vec<Fault>,
}

impl Rejection {
    /// The reason of the dead letter: that of the gravest fault.
    pub fn reason(&self) -> Reason {
        self.faults.iter().map(|fault| fault.reason).min().unwrap_or(Reason::Malformed)
    }

    /// All faults together.
    pub fn detail(&self) -> Cause {
        Cause::Faulty { faults: self.faults.iter().map(Fault::as_wrong).collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_content_hash_is_that_of_earlier_ledgers() {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let job = Job {
            id: "a".to_owned(),
            lane: LaneKey { app: "acme".to_owned(), tenant: "t".to_owned(), method: "m".to_owned() },
            batch: None,
            identity: Identity::User("ann".to_owned()),
            after: Vec::new(),
            params: Params {
                path: map(json!({"p": "1"})),
                query: Map::new(),
                body: map(json!({"b": [null, 1.5], "a": "ü"})),
            },
            filled: Vec::new(),
            object: None,
            is_confidential: false,
            priority: 4,
            not_before: None,
            not_after: None,
            reply_to: None,
            meta: None,
            trace: None,
        };
        let text = r#"["m","acme","t","user:ann",{"p":"1"},{},{"a":"ü","b":[null,1.5]}]"#;
        assert_eq!(job.content_hash()[..], Sha256::digest(text)[..]);
    }
}
