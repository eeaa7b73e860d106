//! `paceline jobs`: single jobs, with their attempts.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::domain::chain::Taken;
use crate::domain::warning::Warning;
use crate::operations::verdict::cancellable;
use paceline_ports::State;
use paceline_ports::operator::{AttemptLine, Cancelled, Commands, JobLine, JobSheet, Reports, Selection};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::selection::{Which, confirm, first, refuse_empty};
use super::table::{Align, Table, cut, plain};

/// Values of a warning that a list names.
const VALUES_IN_LIST_MAX: usize = 3;
/// Values of a warning that are named of one job.
const VALUES_MAX: usize = 20;

/// Look at single jobs, or cancel them
#[derive(Debug, Subcommand)]
pub(super) enum Args {
    /// Jobs in the order in which they were accepted
    List {
        #[command(flatten)]
        which: Which,
        /// In this state alone: queued, uncertain, held, dead, cancelled or succeeded
        #[arg(long)]
        state: Option<State>,
        /// Succeeded with warnings alone: the platform left something out
        #[arg(long)]
        warnings: bool,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Those after this number alone, to page on
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: i64,
        /// Print data for programs: one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// One job with all its attempts
    Show {
        /// The job's id
        id: String,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
    /// End jobs that are queued and not in flight
    Cancel {
        /// Ids of jobs
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        which: Which,
        /// In this state alone: queued or blocked, others cannot be cancelled
        #[arg(long)]
        state: Option<State>,
        /// Also the blocked jobs that wait for one of them; without it they become dead letters
        #[arg(long)]
        with_dependents: bool,
        /// Count what is selected; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Cancel more than one job by a selection
        #[arg(long)]
        yes: bool,
        /// Print data for programs
        #[arg(long)]
        json: bool,
    },
}

/// Prints or cancels.
pub(super) fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let mut ledger = context.operator()?;
    match args {
        Args::List { which, state, warnings, limit, after, json } => {
            let selection = Selection { state, warnings, ..which.selection(Vec::new()) };
            list(context, &*ledger, &selection, (after, limit), json)
        }
        Args::Show { id, json } => {
            let sheet = ledger.show_job(&id)?;
            let Some(sheet) = sheet else {
                return Err(refuse(
                    format!("there is no job {id:?}"),
                    "`paceline jobs list` shows them; inputs that never became jobs are in `paceline dead list`",
                ));
            };
            let chain = ledger.job(&id)?.map(|job| (job.taken(), job.after)).unwrap_or_default();
            if json {
                let mut document = json!(sheet);
                (document["filled"], document["after"]) = (json!(chain.0), json!(chain.1));
                context.print_json(&document)?;
            } else {
                show(&sheet, &chain, &mut context.out)?;
            }
            Ok(Exit::Success)
        }
        Args::Cancel { ids, which, state, with_dependents, dry_run, yes, json } => {
            cancellable(state)?;
            let selection = Selection { state, ..which.selection(ids) };
            if state.is_none() {
                refuse_empty(&selection, "--batch, --method and --app select; --state queued means all of them")?;
            }
            let selected = ledger.cancellable(&selection, with_dependents)?;
            if dry_run {
                return cancel_dry(context, selected, json);
            }
            confirm(&selection, selected.cancelled, "cancelled", yes)?;
            cancel(context, &mut *ledger, (&selection, with_dependents), json)
        }
    }
}

fn list(
    context: &mut Context,
    ledger: &dyn Reports,
    selection: &Selection,
    (after, limit): (i64, usize),
    as_json: bool,
) -> anyhow::Result<Exit> {
    let (lines, more) = first(limit, |limit| ledger.list_jobs(selection, after, limit))?;
    if as_json {
        for line in &lines {
            context.print_json(&json!(line))?;
        }
    } else {
        let mut table = Table::new([
            ("ID", Align::Left),
            ("APP", Align::Left),
            ("METHOD", Align::Left),
            ("STATE", Align::Left),
            ("TRIES", Align::Right),
            ("KEY OR REASON", Align::Left),
        ]);
        for line in &lines {
            let text = |field: &str| text(&line.document, field);
            table.row([text("id"), text("app"), text("method"), state(line), text("attempts"), what(&line.document)]);
        }
        table.write(&mut context.out)?;
    }
    if more && let Some(last) = lines.last() {
        context.out.flush()?;
        writeln!(context.err, "hint: there are more; `--after {}` shows them", last.seq)?;
    }
    Ok(Exit::Success)
}

/// A field of a document as text, empty if absent.
pub(super) fn text(document: &Value, field: &str) -> String {
    match document.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn state(line: &JobLine) -> String {
    if line.running { "running".to_owned() } else { text(&line.document, "status") }
}

/// What a list says about the ending: the key and what was left out, or reason, code and words.
pub(super) fn what(document: &Value) -> String {
    let parts = ["key", "reason", "code", "detail"].map(|field| text(document, field));
    let warnings = Warning::of_document(document).into_iter().map(|warning| warning.text(VALUES_IN_LIST_MAX));
    let known: Vec<_> = parts.into_iter().chain(warnings).filter(|part| !part.is_empty()).collect();
    cut(&plain(&known.join(" ")), 70)
}

fn show(sheet: &JobSheet, (taken, after): &(Vec<Taken>, Vec<String>), out: &mut dyn Write) -> anyhow::Result<()> {
    let line = &sheet.line;
    let times = [
        ("not_before", line.not_before),
        ("not_after", line.not_after),
        ("accepted", Some(line.created_at)),
        ("edited", line.edited_at),
    ];
    writeln!(out, "{}: {}", plain(&text(&line.document, "id")), state(line))?;
    let fields =
        ["method", "app", "tenant", "batch", "key", "reason", "code", "detail", "cure", "log_id", "result", "meta"];
    for field in fields {
        let value = text(&line.document, field);
        if !value.is_empty() {
            writeln!(out, "  {field:<12}{}", plain(&value))?;
        }
    }
    for warning in Warning::of_document(&line.document) {
        writeln!(out, "  {:<12}{}: {}", "warning", plain(&warning.field), plain(&warning.text(VALUES_MAX)))?;
    }
    for id in after {
        writeln!(out, "  {:<12}{}", "after", plain(id))?;
    }
    for Taken { field, id, at, value } in taken {
        let at = at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
        let value = value.as_ref().map_or_else(|| "not there yet".to_owned(), ToString::to_string);
        writeln!(out, "  {:<12}{}", "taken", plain(&format!("{field} from {id}{at}: {value}")))?;
    }
    writeln!(out, "  {:<12}{}", "priority", line.priority)?;
    for (name, at) in times {
        if let Some(at) = at {
            writeln!(out, "  {name:<12}{at}")?;
        }
    }
    if let Some(place) = &line.place {
        writeln!(out, "  {:<12}{}", "from", plain(place))?;
    }
    let finished = text(&line.document, "finished_at");
    if !finished.is_empty() {
        writeln!(out, "  {:<12}{finished}", "finished")?;
    }
    writeln!(out, "\n{} attempts, {} charged", sheet.history.len(), text(&line.document, "attempts"))?;
    write_attempts(&sheet.history, out)
}

/// A table of attempts, if there are any.
pub(super) fn write_attempts(history: &[AttemptLine], out: &mut dyn Write) -> anyhow::Result<()> {
    if history.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("  SENT", Align::Left),
        ("ENDED", Align::Left),
        ("WHAT FOR", Align::Left),
        ("OUTCOME", Align::Left),
        ("HTTP", Align::Right),
        ("CODE", Align::Right),
        ("DETAIL", Align::Left),
        ("LOG ID", Align::Left),
    ]);
    for attempt in history {
        let or_empty = |value: Option<String>| value.unwrap_or_default();
        table.row([
            format!("  {}", attempt.sent_at),
            attempt.ended_at.map_or_else(|| "in flight".to_owned(), |at| at.to_string()),
            attempt.purpose.to_owned(),
            or_empty(attempt.outcome.clone()),
            or_empty(attempt.http_status.map(|status| status.to_string())),
            or_empty(attempt.code.map(|code| code.to_string())),
            attempt.detail.0.to_string(),
            or_empty(attempt.log_id.clone()),
        ]);
    }
    Ok(table.write(out)?)
}

fn cancel_dry(context: &mut Context, selected: Cancelled, as_json: bool) -> anyhow::Result<Exit> {
    if as_json {
        context.print_json(&json!({"would_cancel": selected.cancelled, "running": selected.running}))?;
    } else {
        writeln!(
            context.err,
            "{} would be cancelled, {} not because a call of them is in flight; nothing was changed",
            selected.cancelled, selected.running
        )?;
    }
    Ok(Exit::Success)
}

fn cancel(
    context: &mut Context,
    ledger: &mut dyn Commands,
    (selection, with_dependents): (&Selection, bool),
    as_json: bool,
) -> anyhow::Result<Exit> {
    let done = ledger.cancel(selection, with_dependents, context.clock.now())?;
    context.has_acted = true;
    let Cancelled { cancelled, running } = done;
    if as_json {
        context.print_json(&json!(done))?;
    } else {
        writeln!(context.err, "{cancelled} cancelled")?;
    }
    if running > 0 {
        writeln!(context.err, "{running} not cancelled: a call of them is in flight, which ends them")?;
    }
    let untouched = selection.ids.len().saturating_sub(cancelled + running);
    if untouched > 0 {
        writeln!(context.err, "{untouched} not cancelled: no such job, or it is neither queued nor blocked any more")?;
        writeln!(context.err, "hint: `paceline jobs show ID` says how it stands")?;
    }
    Ok(if running == 0 && untouched == 0 { Exit::Success } else { Exit::Unwell })
}
