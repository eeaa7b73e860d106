//! `paceline dead`: dead letters listed, shown, put back to work, corrected or dropped.

mod input;

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use crate::engine::ports::Delivered;
use paceline_ports::operator::{Commands, DeadLine, Letter, Reports, Selection};

use super::context::{Context, inputs};
use super::exit::{Exit, refuse};
use super::jobs::{text, what, write_attempts};
use super::selection::{DeadWhich, Letters, first, missing};
use super::table::{Align, Table, plain};
use super::{edit, redrive};

/// Look at dead letters, put them back to work, correct or drop them
#[derive(Debug, Subcommand)]
pub(super) enum Args {
    /// All dead letters: jobs first, then inputs that never became jobs
    List {
        #[command(flatten)]
        which: DeadWhich,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Print data for programs: one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// One dead letter, with its cure
    Show {
        /// The job's id, or #NUMBER of an input that never became a job
        id: String,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters back to work, from the start
    Redrive(redrive::Args),
    /// Correct dead letters with a JSON merge patch; all are validated before any is changed
    Edit(edit::Args),
    /// Forget dead letters; their ids may be used again
    Drop {
        #[command(flatten)]
        letters: Letters,
        /// Also those that are dead only because they waited for one of them
        #[arg(long)]
        with_dependents: bool,
        /// Count what is selected; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
}

/// Prints, redrives, edits or drops.
pub(super) async fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let mut ledger = context.operator()?;
    match args {
        Args::List { which, limit, json } => list(context, &*ledger, &which.selection(Vec::new()), limit, json),
        Args::Show { id, json } => show(context, &*ledger, &id, json),
        Args::Redrive(args) => redrive::carry_out(context, &mut *ledger, args).await,
        Args::Edit(args) => edit::carry_out(context, &mut *ledger, args).await,
        Args::Drop { letters, with_dependents, dry_run, json } => {
            drop_letters(context, &mut *ledger, (&letters.selection()?, with_dependents), dry_run, json)
        }
    }
}

/// The dead letters that match, and with `dependents` those that are dead because of them.
pub(super) fn select_with(
    ledger: &dyn Reports,
    selection: &Selection,
    dependents: bool,
) -> anyhow::Result<Vec<Letter>> {
    let letters = ledger.select_dead(selection)?;
    Ok(if dependents { ledger.with_dependents(letters)? } else { letters })
}

fn drop_letters(
    context: &mut Context,
    ledger: &mut dyn Commands,
    (selection, with_dependents): (&Selection, bool),
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let letters = select_with(ledger, selection, with_dependents)?;
    let (word, count) =
        if dry_run { ("would be dropped", letters.len()) } else { ("dropped", ledger.drop_letters(&letters)?) };
    context.has_acted = !dry_run;
    if as_json {
        context.print_json(&json!({ if dry_run { "selected" } else { "dropped" }: count }))?;
    } else {
        writeln!(context.err, "{count} {word}")?;
    }
    missing(context, selection, &letters)
}

fn list(
    context: &mut Context,
    ledger: &dyn Reports,
    selection: &Selection,
    limit: usize,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let (lines, more) = first(limit, |limit| ledger.list_dead(selection, limit))?;
    if as_json {
        for line in &lines {
            context.print_json(&json!(line))?;
        }
    } else {
        let mut table = Table::new([
            ("ID", Align::Left),
            ("APP", Align::Left),
            ("METHOD", Align::Left),
            ("REASON, CODE AND WORDS", Align::Left),
        ]);
        for line in &lines {
            let text = |field: &str| text(&line.document, field);
            table.row([line.handle.clone(), text("app"), text("method"), what(&line.document)]);
        }
        table.write(&mut context.out)?;
    }
    context.out.flush()?;
    if more {
        writeln!(
            context.err,
            "hint: there are more; --limit, or --reason, --code, --batch, --method and --app, show others"
        )?;
    }
    if !lines.is_empty() && !as_json {
        writeln!(
            context.err,
            "hint: `paceline dead show ID` shows what to do; `paceline dead redrive ID` queues one again"
        )?;
    }
    Ok(Exit::Success)
}

fn one(ledger: &dyn Reports, id: &str) -> anyhow::Result<DeadLine> {
    let line = ledger.list_dead(&Selection::of_id(id), 1)?.into_iter().next();
    line.ok_or_else(|| {
        refuse(
            format!("there is no dead letter {id:?}"),
            "`paceline dead list` shows them; `paceline jobs show` looks at any job",
        )
    })
}

fn show(context: &mut Context, ledger: &dyn Reports, id: &str, as_json: bool) -> anyhow::Result<Exit> {
    let line = one(ledger, id)?;
    let input = ledger.input(&line)?;
    let is_input = input.is_some();
    let document = match input {
        Some(input) => inputs(context)?.sheet(&line, &input),
        None => json!(line),
    };
    if as_json {
        context.print_json(&document)?;
        return Ok(Exit::Success);
    }
    let out = &mut context.out;
    writeln!(out, "{}: {}", plain(&line.handle), text(&line.document, "reason"))?;
    for field in [
        "id",
        "method",
        "app",
        "tenant",
        "batch",
        "code",
        "detail",
        "cure",
        "log_id",
        "attempts",
        "finished_at",
        "meta",
    ] {
        let value = text(&line.document, field);
        if !value.is_empty() {
            writeln!(out, "  {field:<12}{}", plain(&value))?;
        }
    }
    if let Some(place) = &line.place {
        writeln!(out, "  {:<12}{}", "from", plain(place))?;
    }
    if let Some(delivered) = &line.delivered {
        writeln!(out, "  {:<12}{}", "from", plain(&way(delivered)))?;
    }
    if is_input {
        input::write(&document, out)?;
    } else if let Some(sheet) = ledger.show_job(&line.handle)? {
        writeln!(out)?;
        write_attempts(&sheet.history, out)?;
    }
    Ok(Exit::Success)
}

/// `queue paceline.jobs, exchange campus, routing key rooms`.
fn way(delivered: &Delivered) -> String {
    let Delivered { queue, exchange, routing_key } = delivered;
    if exchange.is_empty() {
        return format!("queue {queue}, published to it directly");
    }
    format!("queue {queue}, published to the exchange {exchange} with the routing key {routing_key}")
}
