//! `paceline resolve`: a person says what became of held jobs.

use std::io::Write;

use serde_json::json;

use crate::domain::segment::leads_elsewhere;
use crate::operations::verdict::state_after;
use paceline_ports::State;
use paceline_ports::operator::{Resolution, Selection};

use super::context::Context;
use super::exit::{Exit, refuse};
use super::selection::{Which, confirm, refuse_empty};
use super::table::plain;

/// Say what became of jobs that are held because nobody could tell
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ids of jobs
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    verdict: Verdict,
    /// Count what is selected; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Resolve more than one job by a selection
    #[arg(long)]
    yes: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Verdict {
    /// It was created; the new object has this id
    #[arg(long, value_name = "KEY")]
    succeeded: Option<String>,
    /// It was not created: send it again
    #[arg(long)]
    retry: bool,
    /// It shall not be sent again
    #[arg(long)]
    dead: bool,
    /// What kept the look-up from telling is mended: look once more
    #[arg(long)]
    look_up: bool,
}

/// Resolves the jobs.
pub(super) fn carry_out(context: &mut Context, args: Args) -> anyhow::Result<Exit> {
    let Args { ids, which, verdict, dry_run, yes, json } = args;
    let Verdict { succeeded, retry, look_up, .. } = verdict;
    let resolution = match succeeded {
        Some(key) => Resolution::Succeeded { key },
        None if retry => Resolution::Retry,
        None if look_up => Resolution::LookUp,
        None => Resolution::Dead,
    };
    let state = state_after(&resolution);
    let is_one = ids.len() == 1;
    if matches!(resolution, Resolution::Succeeded { .. }) && !is_one {
        return Err(refuse(
            "--succeeded names one object, so it takes exactly one id",
            "give the command for each job, or --retry or --dead for several",
        ));
    }
    if let Resolution::Succeeded { key } = &resolution
        && leads_elsewhere(key)
    {
        return Err(refuse(
            format!("--succeeded: expected the id of the object that the job created, got {key:?}"),
            "look in the platform for its id; or give --retry or --dead",
        ));
    }
    let selection = which.selection(ids);
    refuse_empty(&selection, "--batch, --method and --app select")?;
    let mut ledger = context.operator()?;
    // One id is told exactly why it cannot be resolved; a held one and an uncertain one can.
    if is_one && !dry_run && selection == Selection::of_id(&selection.ids[0]) {
        let id = &selection.ids[0];
        ledger.resolve(id, &resolution, context.clock.now())?;
        context.has_acted = true;
        if json {
            context.print_json(&json!({"id": id, "status": state}))?;
        } else {
            writeln!(context.err, "{}: {}", plain(id), state.as_str())?;
        }
        return Ok(Exit::Success);
    }
    let held = usize::try_from(ledger.count(&selection.in_state(State::Held))?).unwrap_or(usize::MAX);
    if dry_run {
        if json {
            context.print_json(&json!({"would_resolve": held, "status": state}))?;
        } else {
            writeln!(context.err, "{held} held jobs would be {}; nothing was changed", state.as_str())?;
        }
        return Ok(Exit::Success);
    }
    confirm(&selection, held, "resolved", yes)?;
    let resolved = ledger.resolve_held(&selection, &resolution, context.clock.now())?;
    context.has_acted = true;
    if json {
        context.print_json(&json!({"resolved": resolved, "status": state}))?;
    } else {
        writeln!(context.err, "{resolved} held jobs: {}", state.as_str())?;
    }
    let untouched = selection.ids.len().saturating_sub(resolved);
    if untouched > 0 {
        writeln!(context.err, "{untouched} not resolved: no such job, or it is not held")?;
        writeln!(context.err, "hint: `paceline jobs show ID` says how it stands")?;
        return Ok(Exit::Unwell);
    }
    Ok(Exit::Success)
}
