//! `paceline activity`: who changed what in the ledger.

use std::io::{IsTerminal as _, Write};

use serde_json::json;

use super::audit::Since;
use super::context::Context;
use super::exit::Exit;
use super::export::write_record;
use super::table::{Align, Table};
use crate::domain::activity::Action;
use crate::domain::printable;
use crate::domain::rows::exported::harmless;
use paceline_ports::operator::{ActivityFilter, ActivityLine};

/// Show who changed what: every change that a command or the HTTP API made to the ledger, the latest first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only changes after this: a time like 2026-11-21T16:00:00+08:00, or a duration like 90s, 30min, 24h or 7day
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those of this user or token
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only these: submit, undo, redrive, edit, drop, cancel, resolve, suspend, resume, rekey, copy or reload
    #[arg(long, value_name = "ACTION")]
    action: Option<Action>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Print data for programs: one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

/// Prints them.
pub(super) fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let ledger = context.operator()?;
    let since = args.since.map(|since| since.before(context.clock.now()));
    let filter = ActivityFilter { since, actor: args.actor, action: args.action };
    let page = ledger.activity(&filter, 0, args.limit)?;
    if args.json {
        for line in &page.lines {
            context.print_json(&json!(line))?;
        }
    } else if args.csv {
        write_csv(&page.lines, context.out.raw())?;
    } else {
        write_table(&page.lines, &mut context.out)?;
    }
    context.out.flush()?;
    if page.lines.is_empty() {
        writeln!(context.err, "nothing was changed by anybody, or nothing that matches")?;
    } else if page.next.is_some() {
        writeln!(context.err, "hint: there are more; --limit, --since and --actor show others")?;
    }
    Ok(Exit::Success)
}

/// `anna (1000)`, or a token's name.
fn who(line: &ActivityLine) -> String {
    line.uid.map_or_else(|| line.actor.clone(), |uid| format!("{} ({uid})", line.actor))
}

fn write_table(lines: &[ActivityLine], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut table = Table::new([
        ("TIME", Align::Left),
        ("WHO", Align::Left),
        ("VIA", Align::Left),
        ("ACTION", Align::Left),
        ("COUNT", Align::Right),
        ("WHICH", Align::Left),
    ]);
    for line in lines {
        let (at, count) = (line.at.to_string(), line.count.to_string());
        table.row([at, who(line), line.via.clone(), line.action.clone(), count, line.facts.to_string()]);
    }
    Ok(table.write(out)?)
}

fn write_csv(lines: &[ActivityLine], out: &mut dyn Write) -> anyhow::Result<()> {
    let is_on_terminal = std::io::stdout().is_terminal();
    let header = ["seq", "at", "actor", "uid", "via", "action", "count", "facts"];
    write_record(&header.map(str::to_owned), out)?;
    for line in lines {
        let uid = line.uid.map(|uid| uid.to_string()).unwrap_or_default();
        let facts = printable::json(&json!(line.facts.0).to_string()).into_owned();
        let cells = [
            line.seq.to_string(),
            line.at.to_string(),
            line.actor.clone(),
            uid,
            line.via.clone(),
            line.action.clone(),
            line.count.to_string(),
            facts,
        ];
        write_record(&cells.map(|cell| harmless(&cell, is_on_terminal)), out)?;
    }
    Ok(())
}
