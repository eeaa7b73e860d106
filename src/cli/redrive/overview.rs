//! What a selection of dead letters holds: `--dry-run`.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use paceline_ports::operator::{Letter, Reports};

use super::super::context::Context;
use super::super::selection::{IDS_SHOWN_MAX, list};
use super::super::table::{Align, Table};

/// The same reason, code and method.
type Kind = (String, Option<i64>, String);

/// A selection by what its letters have in common.
pub(super) struct Overview {
    kinds: BTreeMap<Kind, usize>,
    first: Vec<String>,
    total: usize,
    would_expire: usize,
    still_invalid: usize,
}

impl Overview {
    /// Looks at every letter; inputs that never became jobs are read again.
    pub(super) fn of(context: &Context, ledger: &dyn Reports, letters: &[Letter]) -> anyhow::Result<Self> {
        let now = context.clock.now();
        let mut overview = Self {
            kinds: BTreeMap::new(),
            first: letters.iter().take(IDS_SHOWN_MAX).map(|letter| letter.handle.clone()).collect(),
            total: letters.len(),
            would_expire: letters.iter().filter(|letter| letter.is_expired(now)).count(),
            still_invalid: 0,
        };
        let mut inputs = None;
        for letter in letters {
            let method = letter.method.clone().unwrap_or_default();
            *overview.kinds.entry((letter.reason.to_string(), letter.code, method)).or_default() += 1;
            if letter.is_input() {
                let inputs = match &mut inputs {
                    Some(inputs) => inputs,
                    none => none.insert(super::super::context::inputs(context)?),
                };
                overview.still_invalid += usize::from(inputs.read(ledger, letter)?.is_err());
            }
        }
        Ok(overview)
    }

    /// Prints it as data.
    pub(super) fn print(&self, context: &mut Context, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            let kinds: Vec<_> = self
                .kinds
                .iter()
                .map(|((reason, code, method), count)| {
                    json!({"reason": reason, "code": code, "method": method, "count": count})
                })
                .collect();
            return context.print_json(&json!({
                "selected": self.total, "kinds": kinds, "first": self.first,
                "would_expire": self.would_expire, "still_invalid": self.still_invalid,
            }));
        }
        let mut table = Table::new([
            ("REASON", Align::Left),
            ("CODE", Align::Right),
            ("METHOD", Align::Left),
            ("COUNT", Align::Right),
        ]);
        for ((reason, code, method), count) in &self.kinds {
            let code = code.map_or_else(String::new, |code| code.to_string());
            table.row([reason.clone(), code, method.clone(), count.to_string()]);
        }
        table.write(&mut context.out)?;
        if !self.first.is_empty() {
            let ids: Vec<&str> = self.first.iter().map(String::as_str).collect();
            let rest = if self.total > ids.len() { ", …" } else { "" };
            writeln!(context.out, "first: {}{rest}", list(&ids))?;
        }
        context.out.flush()?;
        writeln!(context.err, "{} selected; nothing was changed", self.total)?;
        if self.would_expire > 0 {
            writeln!(
                context.err,
                "{} would expire again: `paceline dead edit` gives them a later not_after, or a later start",
                self.would_expire
            )?;
        }
        if self.still_invalid > 0 {
            writeln!(context.err, "{} would still be no jobs", self.still_invalid)?;
        }
        Ok(())
    }
}
