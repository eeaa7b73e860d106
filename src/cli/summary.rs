//! What `run` says at its end: per method how the jobs ended, and why the dead ones died.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::Value;

use crate::store::operator::{Operator, Selection};

use super::jobs::text;
use super::table::{Align, Table, plain};

/// How many causes are printed; the rest is counted.
const CAUSES_SHOWN_MAX: usize = 5;

/// The endings of some batches.
#[derive(Debug, Default)]
pub struct Summary {
    methods: BTreeMap<String, Endings>,
    causes: BTreeMap<Cause, Example>,
}

/// Jobs of one method by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Endings {
    succeeded: u64,
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

impl Summary {
    /// Reads the endings of these batches from the ledger.
    pub fn of(ledger: &Operator, batches: &[String]) -> anyhow::Result<Self> {
        let mut summary = Self::default();
        for batch in batches {
            ledger.export(&Selection::of_batch(batch), |row| -> anyhow::Result<()> {
                summary.add(&row.document);
                Ok(())
            })?;
        }
        Ok(summary)
    }

    fn add(&mut self, document: &Value) {
        let method = text(document, "method");
        let endings = self.methods.entry(if method.is_empty() { "(unknown)".to_owned() } else { method }).or_default();
        let status = text(document, "status");
        match status.as_str() {
            "succeeded" => endings.succeeded += 1,
            "dead" => endings.dead += 1,
            "held" => endings.held += 1,
            "cancelled" => endings.cancelled += 1,
            _ => endings.open += 1,
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
    pub fn write(&self, time: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let mut table = Table::new([
            ("METHOD", Align::Left),
            ("SUCCEEDED", Align::Right),
            ("DEAD", Align::Right),
            ("HELD", Align::Right),
            ("CANCELLED", Align::Right),
            ("OPEN", Align::Right),
        ]);
        for (method, endings) in &self.methods {
            let Endings { succeeded, dead, held, cancelled, open } = endings;
            let numbers = [succeeded, dead, held, cancelled, open].map(ToString::to_string);
            let [succeeded, dead, held, cancelled, open] = numbers;
            table.row([method.clone(), succeeded, dead, held, cancelled, open]);
        }
        table.write(out)?;
        writeln!(out, "{time}")?;
        self.write_causes(out)
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
                writeln!(out, "  cure: {}", plain(&example.cure))?;
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

2 dead rejected 125001: no room
  cure: ask
  see:  paceline dead list --reason rejected --code 125001

1 held: reply lost
  see:  paceline jobs list --state held
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
