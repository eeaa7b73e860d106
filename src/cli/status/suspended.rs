//! The first section of `paceline status`: what is suspended, why, and the command that sets it going.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::table::plain;
use crate::domain::messages::Cause;
use crate::engine::ports::Suspension;
use crate::operations::suspension::{self, Scope, who};

/// Writes the section, if there is something to say.
pub(super) fn write(all: &[Suspension], out: &mut dyn Write) -> std::io::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "suspended: their jobs wait")?;
    for suspension in all {
        let code = suspension.code.map(|code| format!("{code} ")).unwrap_or_default();
        // Who did it is said anyway.
        let has_detail = !suspension.detail.is_empty() && suspension.detail != Cause::SuspendedByPerson;
        let detail = if has_detail { format!("{}; ", suspension.detail) } else { String::new() };
        let until = suspension.until.map(|until| format!(", until {until}")).unwrap_or_default();
        writeln!(
            out,
            "  {}: {}{}, since {}{until}",
            plain(&Scope::of(suspension).name()),
            plain(&format!("{code}{detail}")),
            who(suspension.by),
            suspension.since
        )?;
        writeln!(out, "    what to do: {}", plain(&suspension.what_to_do().to_string()))?;
    }
    writeln!(out)
}

/// For programs.
pub(super) fn document(suspension: &Suspension) -> Value {
    let mut document = suspension::document(suspension);
    document["resume"] = json!(Scope::of(suspension).resume_command());
    document
}
