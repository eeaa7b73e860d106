//! The contract's "Result / dead letter" document: what is published, exported and shown of an ending.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::State;
use paceline_domain::json;
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
        // Names are texts and values are JSON already: there is nothing that could fail.
        serde_json::to_value(Document(self)).unwrap_or_default()
    }

    /// Likewise, as text.
    pub fn json(&self) -> Vec<u8> {
        json::bytes(&Document(self))
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

/// An ending as its document, whose fields stand by name.
struct Document<'a>(&'a EndingRow);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        let (good, bad) = if row.state == State::Succeeded { (Some(row), None) } else { (None, Some(row)) };
        let mut fields = Fields(serializer.serialize_map(None)?);
        fields.put("app", row.app.as_deref())?;
        fields.put("attempts", Some(row.attempts))?;
        fields.put("batch", row.batch.as_deref())?;
        fields.put("code", bad.and_then(|row| row.failure.code))?;
        fields.put("cure", bad.and_then(EndingRow::cure).map(|cure| cure.to_string()))?;
        fields.put("detail", row.has_detail().then(|| row.failure.detail.to_string()))?;
        fields.put("finished_at", row.ended_at)?;
        fields.put("id", row.id.as_deref())?;
        fields.put("key", good.and_then(|row| row.key.as_deref()))?;
        fields.put("log_id", bad.and_then(|row| row.failure.log_id.as_deref()))?;
        fields.put("meta", row.meta.as_deref().map(Kept::of))?;
        fields.put("method", row.method.as_deref())?;
        fields.put("more", bad.map(|row| row.more).filter(|more| *more > 0))?;
        fields.put("reason", bad.and_then(|row| row.reason).map(Reason::as_str))?;
        fields.put("result", good.map(|row| row.result.as_deref().map(Kept::of)))?;
        fields.put("status", Some(row.state.as_str()))?;
        fields.put("tenant", Some(row.tenant.as_str()).filter(|tenant| !tenant.is_empty()))?;
        fields.put("warnings", good.and_then(|row| row.warnings.as_deref()).map(Kept::of))?;
        fields.0.end()
    }
}

struct Fields<M>(M);

impl<M: SerializeMap> Fields<M> {
    fn put(&mut self, name: &'static str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.0.serialize_entry(name, &value))
    }
}

/// What was kept as JSON, and goes in as it is.
#[derive(Serialize)]
#[serde(untagged)]
enum Kept<'a> {
    Json(&'a RawValue),
    /// It is none.
    Text(&'a str),
}

impl<'a> Kept<'a> {
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

/// A JSON column, `null` where it is absent.
pub fn json_of(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_as_json_goes_in_as_it_is_and_anything_else_as_text() {
        let row = EndingRow {
            id: Some("a".to_owned()),
            method: None,
            app: None,
            tenant: String::new(),
            batch: None,
            state: State::Succeeded,
            attempts: 1,
            ended_at: None,
            key: None,
            result: Some(r#"{"b":1.0,"a":"\u4f1a"}"#.to_owned()),
            reason: None,
            failure: Failure::default(),
            meta: Some("{not JSON".to_owned()),
            warnings: None,
            more: 0,
        };
        let text = r#"{"attempts":1,"id":"a","meta":"{not JSON","result":{"b":1.0,"a":"\u4f1a"},"status":"succeeded"}"#;
        assert_eq!(String::from_utf8(row.json()).unwrap(), text);
        assert_eq!(row.document(), serde_json::from_str::<Value>(text).unwrap());
        let bare = EndingRow { result: None, meta: None, ..row };
        assert_eq!(bare.document()["result"], Value::Null);
    }
}
