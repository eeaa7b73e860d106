//! The fields of a job document, one by one: types, lengths, and what the method and the app allow.

use serde_json::{Map, Value};

use super::{AppFacts, FIELDS};
use crate::catalog::{IdentityKind, Method, got, nearest, shortened, shown, shown_text};
use crate::chain;
use crate::checks::{self, Finding, Severity, Source};
use crate::job::{Fault, Identity, PRIORITY_DEFAULT, PRIORITY_MAX, Params};
use crate::messages::{Got, Hint, Rule, Wanted};
use crate::segment::leads_elsewhere;
use crate::time::Timestamp;

/// The document on its way into a job: fields are taken out of it, and what is left over is unknown.
pub(super) struct Envelope {
    pub(super) document: Map<String, Value>,
    pub(super) faults: Vec<Fault>,
}

impl Envelope {
    /// Takes a string; a default stands in where it is absent.
    pub(super) fn text(&mut self, name: &str, default: Option<&str>) -> Option<String> {
        match self.document.remove(name) {
            None => default.map(str::to_owned),
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.wrong(name, Wanted::AString, &other);
                None
            }
        }
    }

    fn wrong(&mut self, name: &str, wanted: Wanted, value: &Value) {
        self.faults.push(Fault::malformed(name, Rule::Expected { wanted }).got(got(value)));
    }

    /// Says which of these are missing, unless it is said already why they cannot be read.
    pub(super) fn require(&mut self, fields: [(&str, &Option<String>); 3]) {
        for (name, value) in fields {
            if value.is_none() && self.faults.iter().all(|fault| fault.field != name) {
                self.faults.push(Fault::malformed(name, Rule::MissingField));
            }
        }
    }

    /// Checks that a text is neither empty nor too long and holds no control characters.
    pub(super) fn short(&mut self, name: &str, text: Option<&str>, bytes_max: usize) {
        let Some(text) = text else { return };
        let mut fail = |rule: Rule, got: Option<Got>| self.faults.push(Fault { got, ..Fault::invalid(name, rule) });
        if text.is_empty() {
            fail(Rule::MustNotBeEmpty, None);
        }
        if text.len() > bytes_max {
            let got = Got::Sized { count: text.len(), shown: shown_text(text) };
            fail(Rule::BytesAtMost { max: bytes_max }, Some(got));
        }
        if text.chars().any(char::is_control) {
            fail(Rule::NoControlCharacters, Some(shown_text(text).into()));
        }
    }

    pub(super) fn identity(&mut self, method: Option<&Method>, facts: Option<&AppFacts>) -> Identity {
        let Some(text) = self.text("identity", None) else {
            let fault = method
                .filter(|method| !method.identities.contains(&IdentityKind::Tenant))
                .map(|method| Fault::invalid("identity", Rule::UserRequired { method: method.name.clone() }));
            self.faults.extend(fault);
            return Identity::Tenant;
        };
        let Ok(identity) = Identity::parse(&text) else {
            self.faults.push(Fault::invalid("identity", Rule::Identity).got(format!("{text:?}")));
            return Identity::Tenant;
        };
        let kind = match identity {
            Identity::Tenant => IdentityKind::Tenant,
            Identity::User(_) => IdentityKind::User,
        };
        if let Some(method) = method.filter(|method| !method.identities.contains(&kind)) {
            let method = method.name.clone();
            let rule = match kind {
                IdentityKind::Tenant => Rule::OnlyAsUser { method },
                IdentityKind::User => Rule::OnlyAsApp { method },
            };
            self.faults.push(Fault::invalid("identity", rule).got(shown_text(&text)));
        }
        if let (Identity::User(name), Some(facts)) = (&identity, facts)
            && !facts.users.contains(name)
        {
            let hint = match nearest(name, facts.users.iter().map(String::as_str)) {
                Some(near) => Hint::DidYouMean { near: format!("user:{near}") },
                None => Hint::AddUser,
            };
            self.faults.push(Fault::invalid("identity", Rule::NoSuchUser { user: shortened(name), hint }));
        }
        identity
    }

    pub(super) fn priority(&mut self, default: Option<u8>) -> u8 {
        let value = match self.document.remove("priority") {
            None => Value::from(default.unwrap_or(PRIORITY_DEFAULT)),
            Some(value) => value,
        };
        let number =
            value.as_u64().and_then(|number| u8::try_from(number).ok()).filter(|number| *number <= PRIORITY_MAX);
        let wanted = Wanted::AnIntegerTo { max: PRIORITY_MAX.into() };
        match (number, &value) {
            (Some(number), _) => return number,
            (None, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.faults.push(Fault::invalid("priority", Rule::Expected { wanted }).got(value.to_string()));
            }
            (None, other) => self.wrong("priority", wanted, other),
        }
        PRIORITY_DEFAULT
    }

    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name, None)?;
        let is_plan = name == "not_before";
        let read = if is_plan { Timestamp::parse_plan } else { Timestamp::parse };
        if let Ok(at) = read(&text) {
            return Some(at);
        }
        let rule = if Timestamp::parse(&text).is_ok() { Rule::TimeTooFar } else { Rule::Time };
        self.faults.push(Fault::invalid(name, rule).got(format!("{text:?}")));
        None
    }

    /// Takes the jobs that are waited for.
    pub(super) fn after(&mut self) -> Vec<String> {
        let Some(value) = self.document.remove("after") else { return Vec::new() };
        chain::after_of(&value).map_err(|fault| self.faults.push(*fault)).unwrap_or_default()
    }

    pub(super) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let value = self.document.remove(name)?;
        if !value.is_object() {
            self.wrong(name, Wanted::AnObject, &value);
        }
        if let Value::Object(map) = value { Some(map) } else { None }
    }

    /// Takes path, query and body, and checks them against the method's schemas if the method is known.
    pub(super) fn params(&mut self, method: Option<&Method>) -> Params {
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
                if name == "path" {
                    refuse_dots(&map, &mut self.faults);
                }
            }
            map
        };
        Params { path: part("path"), query: part("query"), body: part("body") }
    }

    /// Adds what is plainly wrong with the parameters. A value that is wrong by what it is gets no second fault for its type.
    pub(super) fn check(&mut self, method: &Method, params: &Params, source: Source, warnings: &mut Vec<Finding>) {
        let mut found = Vec::new();
        checks::of_params(method, params, source, &mut found);
        for finding in found {
            match finding.severity {
                Severity::Fault => {
                    if finding.check.is_about_the_value() {
                        self.faults.retain(|fault| fault.field != finding.field);
                    }
                    self.faults.push(finding.into_fault());
                }
                Severity::Warning => warnings.push(finding),
            }
        }
    }

    pub(super) fn refuse_the_rest(&mut self) {
        let known = FIELDS.into_iter().chain(["path", "query", "body", "meta"]);
        for name in self.document.keys() {
            let hint = match nearest(name, known.clone()) {
                Some(near) => Hint::DidYouMean { near: near.to_owned() },
                None => Hint::ParametersBelong,
            };
            self.faults.push(Fault::invalid(name, Rule::NoSuchField { hint }));
        }
    }
}

/// A path segment of dots would be taken for a step up, however it is encoded, and the call would reach another method.
fn refuse_dots(path: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (name, value) in path {
        let field = format!("path.{name}");
        let leads_elsewhere = value.as_str().is_some_and(leads_elsewhere);
        if leads_elsewhere && !faults.iter().any(|fault| fault.field == field) {
            faults.push(Fault::invalid(field, Rule::Expected { wanted: Wanted::AnId }).got(shown(value)));
        }
    }
}
