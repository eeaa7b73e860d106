//! One thing that was looked at, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::cli::table::{Align, Table};

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, and somebody should look at it.
    Warning,
    /// Will not work.
    Fault,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
        }
    }
}

/// One thing that was looked at. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// `settings`, `catalog`, `quotas acme`, `ledger`, `clock`, `broker connection`, `app acme`, …
    pub what: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub detail: String,
    /// The same as data, with what to do if that is part of it: a code and its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_fact: Option<Value>,
    /// What to do; empty if nothing, or if the detail says it.
    pub cure: String,
}

impl Finding {
    fn new(what: String, verdict: Verdict, detail: String, cure: String) -> Self {
        Self { what, verdict, detail, detail_fact: None, cure }
    }

    /// With the message that its detail is made of.
    pub(super) fn with_fact(self, fact: Value) -> Self {
        Self { detail_fact: Some(fact), ..self }
    }

    /// As it should be.
    pub(super) fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(what.into(), Verdict::Ok, detail.into(), String::new())
    }

    /// Works, and somebody should look at it.
    pub(super) fn warning(what: impl Into<String>, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(what.into(), Verdict::Warning, detail.into(), cure.into())
    }

    /// Will not work.
    pub(super) fn fault(what: impl Into<String>, detail: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::new(what.into(), Verdict::Fault, detail.into(), cure.into())
    }
}

/// A table, the cure under what it cures.
pub(super) fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new([("WHAT", Align::Left), ("STATE", Align::Left), ("FOUND", Align::Left)]);
    for finding in findings {
        table.row([finding.what.clone(), finding.verdict.as_str().to_owned(), finding.detail.clone()]);
        if !finding.cure.is_empty() {
            table.row([String::new(), String::new(), format!("fix: {}", finding.cure)]);
        }
    }
    table.write(out)
}
