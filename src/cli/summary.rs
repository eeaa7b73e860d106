//! What `run` says at its end: per method how the jobs ended, why the dead ones died, and what successes left out.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use serde_json::Value;

use crate::domain::outcome::text_of;
use crate::domain::warning::Warning;
use paceline_ports::operator::{Reports, Selection};

use super::jobs::text;
use super::table::{Align, Table, plain};

/// How many causes are printed; the rest is counted.
const CAUSES_SHOWN_MAX: usize = 5;
/// Values of warnings that are named as examples.
const VALUES_SHOWN_MAX: usize = 5;

/// The endings of some batches.
#[derive(Debug, Default)]
pub(super) struct Summary {
    methods: BTreeMap<String, Endings>,
    causes: BTreeMap<Cause, Example>,
    warnings: BTreeMap<Left, Warned>,
}

/// Jobs of one method by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Endings {
    succeeded: u64,
    /// Of those that succeeded: with warnings.
    warnings: u64,
    dead: u64,
    held: u64,
    cancelled: u64,
    open: u64,
}

/// Why jobs are dead or held: `(state, reason, code)`.
type Cause = (String, String, String);

/// How many, and what the first of them said.
#[derive(Debug, Default)]
struct Example {
    count: u64,
    detail: String,
    cure: String,
}

/// What successes left out: `(method, field, message)`.
type Left = (String, String, String);

/// How many jobs left it out, and the first values of all of them.
#[derive(Debug, Default)]
struct Warned {
    count: u64,
    values: Vec<Value>,
    more: bool,
}

impl Warned {
    fn add(&mut self, values: Vec<Value>) {
        self.count += 1;
        for value in values {
            if self.values.contains(&value) {
                continue;
            }
            if self.values.len() == VALUES_SHOWN_MAX {
                self.more = true;
                break;
            }
            self.values.push(value);
        }
    }

    fn examples(&self) -> String {
        let words: Vec<_> =
            self.values.iter().map(|value| text_of(value).unwrap_or_else(|| value.to_string())).collect();
        format!("{}{}", words.join(", "), if self.more { ", …" } else { "" })
    }
}

impl Summary {
    /// Reads the endings of these batches from the ledger.
    pub(super) fn of(ledger: &dyn Reports, batches: &[String]) -> anyhow::Result<Self> {
        let mut summary = Self::default();
        for batch in batches {
            ledger.export(&Selection::of_batch(batch), false, &mut |row| {
                summary.add(&row.document);
                ControlFlow::Continue(())
            })?;
        }
        Ok(summary)
    }

    fn add(&mut self, document: &Value) {
        let method = text(document, "method");
        let method = if method.is_empty() { "(unknown)".to_owned() } else { method };
        let warnings = Warning::of_document(document);
        let endings = self.methods.entry(method.clone()).or_default();
        endings.warnings += u64::from(!warnings.is_empty());
        let status = text(document, "status");
        match status.as_str() {
            "succeeded" => endings.succeeded += 1,
            "dead" => endings.dead += 1,
            "held" => endings.held += 1,
            "cancelled" => endings.cancelled += 1,
            _ => endings.open += 1,
        }
        for Warning { field, message, values, .. } in warnings {
            self.warnings.entry((method.clone(), field, message)).or_default().add(values);
        }
        if matches!(status.as_str(), "dead" | "held") {
            let cause = (status, text(document, "reason"), text(document, "code"));
            let example = self.causes.entry(cause).or_default();
            example.count += 1;
            if example.count == 1 {
                (example.detail, example.cure) = (text(document, "detail"), text(document, "cure"));
            }
        }
    }

    /// Writes it for people; `time` says how long it took.
    pub(super) fn write(&self, time: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let mut table = Table::new([
            ("METHOD", Align::Left),
            ("SUCCEEDED", Align::Right),
            ("DEAD", Align::Right),
            ("HELD", Align::Right),
            ("CANCELLED", Align::Right),
            ("OPEN", Align::Right),
        ]);
        for (method, endings) in &self.methods {
            let Endings { succeeded, warnings, dead, held, cancelled, open } = endings;
            let numbers = [succeeded, dead, held, cancelled, open].map(ToString::to_string);
            let [mut succeeded, dead, held, cancelled, open] = numbers;
            if *warnings > 0 {
                succeeded = format!("{succeeded} ({warnings} with warnings)");
            }
            table.row([method.clone(), succeeded, dead, held, cancelled, open]);
        }
        table.write(out)?;
        writeln!(out, "{time}")?;
        self.write_causes(out)?;
        self.write_warnings(out)
    }

    fn write_warnings(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut warnings: Vec<_> = self.warnings.iter().collect();
        warnings.sort_by_key(|(_, warned)| std::cmp::Reverse(warned.count));
        for ((method, field, message), warned) in warnings {
            let examples = plain(&warned.examples());
            writeln!(
                out,
                "\n{} succeeded with warning {}: {}: {examples}",
                warned.count,
                plain(field),
                plain(message)
            )?;
            writeln!(out, "  see:  paceline jobs list --warnings --method {}", plain(method))?;
        }
        Ok(())
    }

    fn write_causes(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|(_, example)| std::cmp::Reverse(example.count));
        for ((state, reason, code), example) in causes.iter().take(CAUSES_SHOWN_MAX) {
            let words: Vec<_> =
                [reason, code].into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect();
            let words = if words.is_empty() { String::new() } else { format!(" {}", words.join(" ")) };
            writeln!(out, "\n{} {state}{words}: {}", example.count, plain(&example.detail))?;
            if !example.cure.is_empty() {
                writeln!(out, "  fix: {}", plain(&example.cure))?;
            }
            writeln!(out, "  see:  {}", see(state, reason, code))?;
        }
        match causes.len().saturating_sub(CAUSES_SHOWN_MAX) {
            0 => Ok(()),
            rest => writeln!(out, "\n… and {rest} more causes"),
        }
    }
}

/// The command that shows the jobs of a cause.
fn see(state: &str, reason: &str, code: &str) -> String {
    if state == "held" {
        return "paceline jobs list --state held".to_owned();
    }
    let code = if code.is_empty() { String::new() } else { format!(" --code {code}") };
    format!("paceline dead list --reason {reason}{code}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn causes_come_with_cure_and_command_the_most_frequent_first() {
        let mut summary = Summary::default();
        summary.add(&json!({"method": "a.b", "status": "succeeded"}));
        summary.add(&json!({"method": "a.b", "status": "queued"}));
        summary.add(&json!({"method": "a.b", "status": "held", "detail": "reply lost"}));
        for id in 0..2 {
            summary.add(&json!({"id": id, "method": "a.b", "status": "dead", "reason": "rejected", "code": 125_001, "detail": "no\nroom", "cure": "ask"}));
        }
        let mut out = Vec::new();
        summary.write("in 1 min 1 s", &mut out).unwrap();
        let expected = "\
METHOD  SUCCEEDED  DEAD  HELD  CANCELLED  OPEN
a.b             1     2     1          0     1
in 1 min 1 s

2 dead rejected 125001: no<U+000A>room
  fix: ask
  see:  paceline dead list --reason rejected --code 125001

1 held: reply lost
  see:  paceline jobs list --state held
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn warnings_are_grouped_with_examples_and_a_command() {
        let mut summary = Summary::default();
        let warning = |field: &str, values: Value| json!({"field": field, "message": "left out", "values": values});
        let done = |warnings: Value| json!({"method": "a.b", "status": "succeeded", "warnings": warnings});
        summary.add(&json!({"method": "a.b", "status": "succeeded"}));
        summary.add(&done(json!([warning("users", json!(["u1", "u2", "u3"])), warning("days", json!([7]))])));
        summary.add(&done(json!([warning("users", json!(["u2", "u4", "u5", "u6"]))])));
        let mut out = Vec::new();
        summary.write("in 0 s", &mut out).unwrap();
        let expected = "\
METHOD            SUCCEEDED  DEAD  HELD  CANCELLED  OPEN
a.b     3 (2 with warnings)     0     0          0     0
in 0 s

2 succeeded with warning users: left out: u1, u2, u3, u4, u5, …
  see:  paceline jobs list --warnings --method a.b

1 succeeded with warning days: left out: 7
  see:  paceline jobs list --warnings --method a.b
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn many_causes_are_counted() {
        let mut summary = Summary::default();
        for code in 0..7 {
            summary.add(&json!({"method": "a.b", "status": "dead", "reason": "rejected", "code": code}));
        }
        let mut out = Vec::new();
        summary.write("in 0 s", &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().ends_with("\n… and 2 more causes\n"));
    }
}
