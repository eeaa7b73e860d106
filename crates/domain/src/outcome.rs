//! From a reply, or its absence, to an outcome: what happened to one attempt.

use std::time::Duration;

use bytes::Bytes;
use paceline_messages::{Cause, Cure};
use serde_json::Value;

use super::catalog::{Action, Creation, Envelope, ErrorRule, Method, Platform, SuspendScope, ThrottleScope};
use super::reset::Reset;
use super::time::Timestamp;
use super::warning::{Warning, warnings_of};

/// In the ledger and in metrics: a call that surely never left. It spends no quota.
pub const NOT_SENT: &str = "not-sent";
/// Likewise: a call that the platform confirmed.
pub const SUCCEEDED: &str = "succeeded";

/// What came back from one HTTP call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A whole answer.
    Answered(Answer),
    /// The request never left: no address, refused connection, failed TLS. Surely not applied.
    NotSent(Cause),
    /// No request was made of it, and none ever can be.
    Unsendable(Cause),
    /// Sent, and no whole answer: time-out, cut, oversized body. May have been applied.
    Lost(Cause),
}

/// A whole HTTP answer, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// When the limit or the outage ends, from the platform's reset header and `Retry-After`.
    pub reset: Reset,
    /// The platform's log id from the headers.
    pub log_id: Option<String>,
    /// The body, whole.
    pub body: Bytes,
    /// Headers that speak of a rate limit, in lower case.
    pub limits: Vec<(String, String)>,
    /// The server's own time, by its `Date` header.
    pub date: Option<Timestamp>,
    /// The server's certificate, DER, where that was asked for.
    pub certificate: Option<Bytes>,
}

/// Whether a header, in lower case, speaks of a rate limit.
pub fn speaks_of_limits(header: &str) -> bool {
    header.contains("ratelimit") || header.contains("rate-limit")
}

/// What happened to one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Applied.
    Succeeded {
        /// Id of the new object.
        key: Option<String>,
        /// What the platform returned, without its envelope.
        result: Value,
        /// What it left out.
        warnings: Vec<Warning>,
    },
    /// Refused for its pace.
    Throttled {
        /// What is slowed down.
        scope: ThrottleScope,
        /// Until when, as the server says.
        reset: Reset,
        /// The documented lengths of the block for the first, second, … refusal in a row.
        blocks: Vec<Duration>,
        /// Why.
        failure: Failure,
    },
    /// The request never left: the platform cannot be reached. Not the job's fault.
    Unreachable(Failure),
    /// Its own parameters keep it from being sent.
    Unsendable(Failure),
    /// Failed and surely not applied, worth another attempt.
    Transient(Failure),
    /// The platform's own internal error: may have been applied.
    Internal(Failure),
    /// Refused for good.
    Permanent(Failure),
    /// There was nothing to delete.
    Gone(Failure),
    /// May have been applied; worth asking after this time at the earliest.
    Uncertain {
        /// How long the platform takes to decide.
        settle: Duration,
        /// What is known.
        failure: Failure,
    },
    /// A gateway answered in the platform's place that it cannot be asked: may have been applied.
    Unavailable {
        /// Until when, as the server says.
        reset: Reset,
        /// What is known.
        failure: Failure,
    },
    /// The access token was refused.
    AccessToken(Failure),
    /// Not the job's fault.
    Suspended {
        /// What stops.
        scope: SuspendScope,
        /// Why.
        failure: Failure,
    },
}

/// What a person is told about an attempt that did not succeed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The platform's code, if it answered with one.
    pub code: Option<i64>,
    /// The platform's words, or ours when it said none.
    pub detail: Cause,
    /// What to do.
    pub cure: Option<Cure>,
    /// The platform's log id.
    pub log_id: Option<String>,
    /// Keys of objects that a look-up found and no job owns, as many as are of use: one of them may be the job's.
    pub candidates: Vec<String>,
}

impl Outcome {
    /// One word for logs, the attempts' table and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => SUCCEEDED,
            Self::Throttled { .. } => "throttled",
            Self::Unreachable(_) | Self::Unsendable(_) => NOT_SENT,
            Self::Transient(_) => "transient",
            Self::Internal(_) => "internal",
            Self::Permanent(_) => "permanent",
            Self::Gone(_) => "gone",
            Self::Uncertain { .. } | Self::Unavailable { .. } => "uncertain",
            Self::AccessToken(_) => "access-token",
            Self::Suspended { .. } => "suspended",
        }
    }

    /// What went wrong, if anything did.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Succeeded { .. } => None,
            Self::Unreachable(failure)
            | Self::Unsendable(failure)
            | Self::Transient(failure)
            | Self::Internal(failure)
            | Self::Permanent(failure)
            | Self::Gone(failure)
            | Self::AccessToken(failure)
            | Self::Throttled { failure, .. }
            | Self::Uncertain { failure, .. }
            | Self::Unavailable { failure, .. }
            | Self::Suspended { failure, .. } => Some(failure),
        }
    }
}

/// Classifies a reply: by the body's code first, then by the HTTP status.
///
/// An unlisted code is permanent when the platform answered 4xx or 200, else uncertain.
pub fn classify(platform: &Platform, method: &Method, reply: &Reply) -> Outcome {
    match reply {
        Reply::NotSent(why) => Outcome::Unreachable(Failure { detail: why.clone(), ..Failure::default() }),
        Reply::Unsendable(why) => {
            Outcome::Unsendable(Failure { detail: why.clone(), cure: Some(Cure::FindRealId), ..Failure::default() })
        }
        Reply::Lost(why) => uncertain(Failure { detail: why.clone(), ..Failure::default() }),
        Reply::Answered(answer) => classify_answer(platform, method, answer),
    }
}

fn classify_answer(platform: &Platform, method: &Method, answer: &Answer) -> Outcome {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let Some(code) = body.get(&platform.envelope.code).and_then(code_of) else {
        return without_code(answer);
    };
    if code == 0 && answer.status < 400 {
        return succeeded(platform, method, answer, body);
    }
    let message = body.get(&platform.envelope.message).and_then(Value::as_str).unwrap_or_default();
    let rule = method.errors.get(&code).or_else(|| platform.errors.get(&code));
    let failure = Failure {
        status: Some(answer.status),
        code: Some(code),
        detail: detail_of(message, rule),
        cure: rule.and_then(ErrorRule::advice),
        log_id: answer.log_id.clone().or_else(|| log_id_of(platform, &body, message)),
        candidates: Vec::new(),
    };
    match rule {
        Some(rule) => by_rule(rule, answer, failure),
        None => unlisted(answer, failure),
    }
}

/// A code as a number; some endpoints send it as a string.
fn code_of(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The result inside a successful reply: what stands under the envelope's `data`, or beside the code where the
/// envelope has no such field or the reply leaves it out, as Feishu's token endpoints do. `Null` if there is nothing.
pub fn unwrap_envelope(envelope: &Envelope, mut body: Value) -> Value {
    if !envelope.data.is_empty()
        && let Some(data) = body.get_mut(&envelope.data)
    {
        return data.take();
    }
    if let Some(fields) = body.as_object_mut() {
        fields.remove(&envelope.code);
        fields.remove(&envelope.message);
        if fields.is_empty() {
            return Value::Null;
        }
    }
    body
}

/// Code 0, and with it the id of what was created. Without the documented id nobody knows what there is.
fn succeeded(platform: &Platform, method: &Method, answer: &Answer, body: Value) -> Outcome {
    let log_id = answer.log_id.clone().or_else(|| log_id_of(platform, &body, ""));
    let result = unwrap_envelope(&platform.envelope, body);
    let Some(path) = &method.reply.key else {
        let warnings = warnings_of(&method.warnings, &result);
        return Outcome::Succeeded { key: None, result, warnings };
    };
    let key = lookup(&result, path).and_then(text_of).filter(|key| !key.trim().is_empty());
    // What does no harm when it is sent again needs no id to be known by.
    if key.is_some() || matches!(method.creation, Creation::Natural) {
        let warnings = warnings_of(&method.warnings, &result);
        return Outcome::Succeeded { key, result, warnings };
    }
    uncertain(Failure {
        status: Some(answer.status),
        code: Some(0),
        detail: Cause::NoKey { path: path.clone() },
        cure: None,
        log_id,
        candidates: Vec::new(),
    })
}

/// The value under a dotted path; the empty path is the value itself.
pub fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// A scalar as text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn detail_of(message: &str, rule: Option<&ErrorRule>) -> Cause {
    match (message, rule) {
        // The documented words, said or not: they come with their translation.
        (message, Some(rule)) if message.is_empty() || message == rule.message => {
            Cause::Meaning { meaning: rule.meaning() }
        }
        ("", _) => Cause::NoMessage,
        (message, _) => Cause::Said { text: message.chars().take(500).collect() },
    }
}

/// The log id from the body: a field of its own, or the `hint: [...]` that WeCom puts into its message.
fn log_id_of(platform: &Platform, body: &Value, message: &str) -> Option<String> {
    let field = &platform.envelope.log_id_field;
    if !field.is_empty()
        && let Some(id) = lookup(body, field).and_then(Value::as_str)
    {
        return Some(id.to_owned());
    }
    let (_, hint) = message.split_once("hint: [")?;
    hint.split_once(']').map(|(id, _)| id.to_owned())
}

fn by_rule(rule: &ErrorRule, answer: &Answer, failure: Failure) -> Outcome {
    match &rule.action {
        Action::Throttled { scope, blocks_s } => Outcome::Throttled {
            scope: *scope,
            reset: answer.reset,
            blocks: blocks_s.iter().copied().map(Duration::from_secs).collect(),
            failure,
        },
        Action::Transient { verify: false } => Outcome::Transient(failure),
        Action::Transient { verify: true } => Outcome::Internal(failure),
        Action::Permanent => Outcome::Permanent(failure),
        Action::Gone => Outcome::Gone(failure),
        Action::Uncertain { settle_s, .. } => Outcome::Uncertain { settle: Duration::from_secs(*settle_s), failure },
        Action::AccessToken => Outcome::AccessToken(failure),
        Action::Suspend { scope } => Outcome::Suspended { scope: *scope, failure },
    }
}

fn unlisted(answer: &Answer, failure: Failure) -> Outcome {
    match answer.status {
        429 => Outcome::Throttled { scope: ThrottleScope::Method, reset: answer.reset, blocks: Vec::new(), failure },
        200..=499 => Outcome::Permanent(failure),
        _ => uncertain(failure),
    }
}

/// An answer without the platform's code: a gateway or proxy spoke, not the platform.
fn without_code(answer: &Answer) -> Outcome {
    let failure = Failure {
        status: Some(answer.status),
        detail: Cause::NoPlatformCode { status: answer.status },
        log_id: answer.log_id.clone(),
        ..Failure::default()
    };
    match answer.status {
        429 => Outcome::Throttled { scope: ThrottleScope::Method, reset: answer.reset, blocks: Vec::new(), failure },
        // Redirects are not followed. Like a refusal by a proxy or a wrong host, they would meet every job alike.
        300..=399 | 401 | 403 | 404 | 405 | 407 => {
            let cure = Some(Cure::CheckBetween);
            Outcome::Suspended { scope: SuspendScope::App, failure: Failure { cure, ..failure } }
        }
        // 408 says that a gateway gave up waiting, not that it passed nothing on.
        400..=407 | 409..=499 => Outcome::Permanent(Failure { cure: Some(Cure::RefusedBetween), ..failure }),
        502..=504 => Outcome::Unavailable { reset: answer.reset, failure },
        _ => uncertain(failure),
    }
}

fn uncertain(failure: Failure) -> Outcome {
    Outcome::Uncertain { settle: Duration::ZERO, failure }
}

#[cfg(test)]
mod tests;
