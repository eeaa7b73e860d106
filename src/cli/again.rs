//! What is said of rows that would create again what the ledger has, and of rows that have changed since their job
//! succeeded.

use std::io::Write;

use crate::domain::difference;
use crate::operations::files::{Again, Changed, Changes, Firsts, OnChange, Twin};
use paceline_ports::operator::Repeat;

use super::ask;
use super::context::Context;
use super::exit::refuse;
use super::table::plain;

/// Rows that are named of each batch; a count says how many more there are.
const ROWS_SHOWN_MAX: usize = 5;
/// Batches that are named.
const BATCHES_SHOWN_MAX: usize = 5;
/// Fields that are named of a changed row.
const FIELDS_SHOWN_MAX: usize = 3;

fn print<T>(rows: &Firsts<T>, line: impl Fn(&T) -> String, what: &str, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{} {what}:", counted(rows.count))?;
    let shown = rows.rows.iter().take(ROWS_SHOWN_MAX);
    let more = rows.count - shown.len() as u64;
    shown.map(line).try_for_each(|line| writeln!(out, "  {}", plain(&line)))?;
    match more {
        0 => Ok(()),
        more => writeln!(out, "  … and {more} more; `paceline plan --json` names them all"),
    }
}

/// Refuses the files if any row was found that must not be sent, after naming the first ones; otherwise gives what becomes
/// of changed rows, after asking whether they are sent. With `yes` nobody is asked.
pub(super) fn conclude(again: Again<'_>, context: &mut Context, yes: bool) -> anyhow::Result<Changes> {
    let again = again.end()?;
    let out = &mut context.err;
    let (mut messages, mut hints) = (Vec::new(), Vec::new());
    let changed = |row: &Changed| format!("{}: {}: {}", row.place, earlier(&row.earlier), words(&row.changes));
    let impossible =
        |row: &Changed| format!("{}: {}: {}", row.place, earlier(&row.earlier), row.why.as_deref().unwrap_or_default());
    let twin = |row: &Twin| format!("{}: {}", row.place, earlier(&row.earlier));
    if again.changed.count > 0 && again.on_change == OnChange::Stop {
        print(&again.changed, changed, "not what their jobs were done with", out)?;
        messages.push(format!("{} changed after success", counted(again.changed.count)));
        hints.push("--update sends what changed, --keep leaves these rows alone; or put them back as they were");
    }
    if again.impossible.count > 0 {
        print(&again.impossible, impossible, "changed in a way that cannot be sent", out)?;
        messages.push(format!("{} cannot be updated", counted(again.impossible.count)));
        hints.push("put these rows back as they were, or take them out; --keep leaves all changed rows alone");
    }
    let twins: u64 = again.twins.iter().map(|(_, rows)| rows.count).sum();
    if twins > 0 {
        for (batch, rows) in again.twins.iter().take(BATCHES_SHOWN_MAX) {
            let from =
                if batch.is_empty() { "jobs without a batch".to_owned() } else { format!("batch {}", plain(batch)) };
            print(rows, twin, &format!("would create again what {from} created or is about to create"), out)?;
        }
        if let more @ 1.. = again.twins.len().saturating_sub(BATCHES_SHOWN_MAX) {
            writeln!(out, "… and the same for {more} more batches; `paceline plan --json` names them all")?;
        }
        messages.push(format!("{} would create something again", counted(twins)));
        hints.push("take these rows out, or create them once more with --allow-duplicates");
    }
    if !messages.is_empty() {
        let message = format!("of {}, {}; nothing was sent", counted(again.rows), messages.join(", and "));
        return Err(refuse(message, hints.join("; ")));
    }
    match (again.on_change, again.changed.count) {
        (_, 0) | (OnChange::Stop, _) => {}
        (OnChange::Keep, rows) => {
            writeln!(out, "{} changed after success, and --keep leaves them alone", counted(rows))?;
        }
        (OnChange::Update, rows) => {
            print(&again.changed, changed, "changed, and their objects are updated", out)?;
            let is_asked = !yes && ask::somebody_is_there();
            if is_asked && !ask::agrees(context, &format!("Update {rows} objects?"))? {
                return Err(refuse("nothing was sent", ""));
            }
        }
    }
    Ok(again.changes)
}

fn counted(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// `hq-7f-701 (succeeded, omm_4de3)`.
fn earlier(repeat: &Repeat) -> String {
    let key = repeat.key.as_ref().map_or_else(String::new, |key| format!(", {key}"));
    format!("{} ({}{key})", repeat.id, repeat.state.as_str())
}

/// The first fields that changed.
fn words(changes: &[difference::Change]) -> String {
    let mut words: Vec<_> = changes.iter().take(FIELDS_SHOWN_MAX).map(ToString::to_string).collect();
    if let more @ 1.. = changes.len().saturating_sub(FIELDS_SHOWN_MAX) {
        words.push(format!("and {more} more"));
    }
    words.join("; ")
}
