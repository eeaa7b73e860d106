//! The contract's "Result / dead letter" document: what is published, exported and shown of an ending.

use serde_json::{Map, Value, json};

use crate::State;
use paceline_domain::messages::Cure;
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;

/// A job or a rejected input as its document needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndingRow {
    /// Absent where none could be read; likewise of the next two.
    pub id: Option<String>,
    /// See `id`.
    pub method: Option<String>,
    /// See `id`.
    pub app: Option<String>,
    /// Empty for a custom app.
    pub tenant: String,
    /// Its batch.
    pub batch: Option<String>,
    /// How it stands.
    pub state: State,
    /// Attempts charged.
    pub attempts: u32,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Id of the new object.
    pub key: Option<String>,
    /// What the platform returned, as JSON.
    pub result: Option<String>,
    /// Why it ended without success.
    pub reason: Option<Reason>,
    /// What is known of that.
    pub failure: Failure,
    /// The publisher's own, as JSON.
    pub meta: Option<String>,
    /// What the platform left out, as JSON.
    pub warnings: Option<String>,
    /// Of a rejected input: how many more of its id were counted and not kept.
    pub more: i64,
}

impl EndingRow {
    /// What its success left out.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.as_deref().and_then(|warnings| serde_json::from_str(warnings).ok()).unwrap_or_default()
    }

    /// What to do about it: the platform's cure, else the reason's.
    pub fn cure(&self) -> Option<Cure> {
        self.failure.cure.clone().or_else(|| self.reason.map(Reason::cure))
    }

    /// `<app>.<method>`, with `unknown` for what could not be read.
    pub fn routing_key(&self) -> String {
        let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
        format!("{}.{}", known(&self.app), known(&self.method))
    }

    /// The document. Fields without a value are left out.
    pub fn document(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        put("id", self.id.as_deref().map(Value::from));
        put("method", self.method.as_deref().map(Value::from));
        put("app", self.app.as_deref().map(Value::from));
        put("tenant", Some(self.tenant.as_str()).filter(|tenant| !tenant.is_empty()).map(Value::from));
        put("batch", self.batch.as_deref().map(Value::from));
        put("status", Some(json!(self.state.as_str())));
        put("attempts", Some(json!(self.attempts)));
        put("finished_at", self.ended_at.map(|at| json!(at)));
        put("meta", self.meta.as_deref().map(|meta| json_of(Some(meta))));
        if self.state == State::Succeeded {
            put("key", self.key.as_deref().map(Value::from));
            put("result", Some(json_of(self.result.as_deref())));
            put("warnings", self.warnings.as_deref().map(|warnings| json_of(Some(warnings))));
        } else {
            put("reason", self.reason.map(|reason| json!(reason.as_str())));
            put("code", self.failure.code.map(Value::from));
            put("detail", self.has_detail().then(|| Value::from(self.failure.detail.to_string())));
            put("more", (self.more > 0).then(|| json!(self.more)));
            put("cure", self.cure().map(|cure| Value::from(cure.to_string())));
            put("log_id", self.failure.log_id.as_deref().map(Value::from));
        }
        Value::Object(fields)
    }

    fn has_detail(&self) -> bool {
        self.state != State::Succeeded && (!self.failure.detail.is_empty() || self.reason.is_some())
    }

    /// The document with what it says as data beside its sentences.
    pub fn document_with_facts(&self) -> Value {
        let mut document = self.document();
        if self.has_detail() {
            document["detail_fact"] = json!(self.failure.detail);
        }
        if let Some(cure) = self.cure().filter(|_| self.state != State::Succeeded) {
            document["cure_fact"] = json!(cure);
        }
        document
    }
}

/// A JSON column, `null` where it is absent.
pub fn json_of(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}
