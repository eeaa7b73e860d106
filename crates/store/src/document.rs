//! The contract's "Result / dead letter" document: what is published, exported and shown of an ending.

use serde_json::{Map, Value, json};

use super::driver::{self, Error, Row};
use super::facts;
use super::sqlite::job_row::json_of;
use super::state::State;
use paceline_domain::messages::{Cause, Cure};
use paceline_domain::outcome::Failure;
use paceline_domain::reason::Reason;
use paceline_domain::time::Timestamp;
use paceline_domain::warning::Warning;

/// The columns that [`EndingRow::of_job`] wants; `j` is the job, `l` its lane, `b` its batch.
pub(crate) const ENDING_COLUMNS: &str = "j.id, l.method, l.app, l.tenant, b.name, j.state, j.attempts, j.ended_at, \
     j.key, j.result, j.reason, j.http_status, j.code, j.detail, j.cure, j.log_id, j.meta, j.warnings";

/// How many columns [`ENDING_COLUMNS`] names: the next one has this index.
pub(crate) const ENDING_COLUMNS_LEN: usize = 18;

/// The columns that [`EndingRow::of_rejected`] wants; `r` is the rejected input, `b` its batch.
pub(crate) const REJECTED_COLUMNS: &str = "r.id, r.method, r.app, b.name, r.reason, r.detail, r.at, r.more";

/// How many columns [`REJECTED_COLUMNS`] names.
pub(crate) const REJECTED_COLUMNS_LEN: usize = 8;

/// A job or a rejected input as its document needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndingRow {
    pub id: Option<String>,
    pub method: Option<String>,
    pub app: Option<String>,
    pub tenant: String,
    pub batch: Option<String>,
    pub state: State,
    pub attempts: u32,
    pub ended_at: Option<Timestamp>,
    pub key: Option<String>,
    pub result: Option<String>,
    pub reason: Option<Reason>,
    pub failure: Failure,
    pub meta: Option<String>,
    pub warnings: Option<String>,
    /// Of a rejected input: how many more of its id were counted and not kept.
    pub more: i64,
}

impl EndingRow {
    /// Reads the columns [`ENDING_COLUMNS`], from the first.
    pub(crate) fn of_job(row: &Row<'_>) -> driver::Result<Self> {
        let state: i64 = row.get(5)?;
        let state = State::of_number(state).ok_or_else(|| Error::unexpected(format!("there is no state {state}")))?;
        let reason: Option<String> = row.get(10)?;
        Ok(Self {
            id: row.get(0)?,
            method: row.get(1)?,
            app: row.get(2)?,
            tenant: row.get(3)?,
            batch: row.get(4)?,
            state,
            attempts: row.get(6)?,
            ended_at: row.get(7)?,
            key: row.get(8)?,
            result: row.get(9)?,
            reason: reason.and_then(|word| word.parse().ok()),
            failure: facts::failure(row, 11)?,
            meta: row.get(16)?,
            warnings: row.get(17)?,
            more: 0,
        })
    }

    /// Reads the columns [`REJECTED_COLUMNS`], from the first.
    pub(crate) fn of_rejected(row: &Row<'_>) -> driver::Result<Self> {
        let reason: String = row.get(4)?;
        let reason = reason.parse().unwrap_or(Reason::Malformed);
        let (mut detail, more) = (facts::cause_of(row.get(5)?), row.get(7)?);
        if more > 0 {
            detail = Cause::AndMore { before: Box::new(detail), more };
        }
        Ok(Self {
            id: row.get(0)?,
            method: row.get(1)?,
            app: row.get(2)?,
            tenant: String::new(),
            batch: row.get(3)?,
            state: State::Dead,
            attempts: 0,
            ended_at: Some(row.get(6)?),
            key: None,
            result: None,
            reason: Some(reason),
            failure: Failure { detail, ..Failure::default() },
            meta: None,
            warnings: None,
            more,
        })
    }

    /// What its success left out.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.warnings.as_deref().and_then(|warnings| serde_json::from_str(warnings).ok()).unwrap_or_default()
    }

    /// What to do about it: the platform's cure, else the reason's.
    pub(crate) fn cure(&self) -> Option<Cure> {
        self.failure.cure.clone().or_else(|| self.reason.map(Reason::cure))
    }

    /// `<app>.<method>`, with `unknown` for what could not be read.
    pub(crate) fn routing_key(&self) -> String {
        let known = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
        format!("{}.{}", known(&self.app), known(&self.method))
    }

    /// The document. Fields without a value are left out.
    pub(crate) fn document(&self) -> Value {
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
    pub(crate) fn document_with_facts(&self) -> Value {
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
