//! `paceline dead edit`: dead jobs corrected by a JSON merge patch. All of them are validated before any is changed.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;

use crate::domain::edit::{Change, Patch};
use crate::domain::time::Timestamp;
use crate::operations::edit::{Edited, Plan};
use crate::operations::inputs::Inputs;
use paceline_ports::operator::Commands;

use super::batch::FAULTS_SHOWN_MAX;
use super::context::Context;
use super::exit::{Exit, refuse};
use super::selection::{Letters, missing};
use super::table::plain;

/// Letters whose changes are shown for people.
const SHOWN_MAX: usize = 5;

/// Which dead letters are edited, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    letters: Letters,
    #[command(flatten)]
    source: Source,
    /// Leave alone dead letters that the patch would not make valid. Without it nothing is changed if there is one
    #[arg(long)]
    skip_invalid: bool,
    /// Put the edited dead letters back to work at once. Inputs that never became jobs can only be edited so
    #[arg(long)]
    redrive: bool,
    /// Show what would change; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print data for programs
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A JSON merge patch over the job document, e.g. {"body":{"capacity":20}}; null removes a field
    #[arg(long, value_name = "JSON")]
    patch: Option<String>,
    /// A file that holds the patch: passwords do not belong on a command line
    #[arg(long, value_name = "FILE")]
    patch_file: Option<PathBuf>,
}

impl Source {
    fn patch(&self) -> anyhow::Result<Patch> {
        let text = match (&self.patch, &self.patch_file) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(path)) => std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?,
            (None, None) => Vec::new(),
        };
        let hint = "e.g. --patch '{\"body\":{\"capacity\":20}}'; `paceline methods show NAME` names the parameters";
        Patch::parse(&text).map_err(|message| refuse(message, hint))
    }
}

/// Edits the selected letters.
pub(super) async fn carry_out(context: &mut Context, ledger: &mut dyn Commands, args: Args) -> anyhow::Result<Exit> {
    let patch = args.source.patch()?;
    let selection = args.letters.clone().selection()?;
    let letters = ledger.select_dead(&selection)?;
    let mut inputs = super::context::inputs(context)?;
    let now = context.clock.now();
    let plan = Plan::of(ledger, &inputs, &letters, &patch, (args.redrive, now))?;
    print_faults(context, &plan)?;
    if !plan.faults.is_empty() && !args.skip_invalid && !args.dry_run {
        return Err(refuse(
            format!("{} of {} dead letters would not be valid; nothing was changed", plan.faults.len(), letters.len()),
            "correct the patch, select others, or leave those alone with --skip-invalid",
        ));
    }
    let is_well = if args.dry_run {
        show(context, &plan, args.json, now)?;
        plan.faults.is_empty()
    } else {
        apply(context, ledger, &mut inputs, &args, plan).await?
    };
    inputs.close().await;
    let all_there = missing(context, &selection, &letters)?;
    Ok(if is_well { all_there } else { Exit::Unwell })
}

fn print_faults(context: &mut Context, plan: &Plan) -> anyhow::Result<()> {
    let shown_max = usize::try_from(FAULTS_SHOWN_MAX).unwrap_or(usize::MAX);
    for (handle, why) in plan.faults.iter().take(shown_max) {
        writeln!(context.err, "{}", plain(&format!("{handle}: {why}")))?;
    }
    let rest = plan.faults.len().saturating_sub(shown_max);
    if rest > 0 {
        writeln!(context.err, "… and {rest} more")?;
    }
    Ok(())
}

fn show(context: &mut Context, plan: &Plan, as_json: bool, now: Timestamp) -> anyhow::Result<()> {
    if as_json {
        let edits: Vec<_> =
            plan.valid.iter().map(|edit| json!({"id": edit.letter.handle, "changes": edit.changes})).collect();
        let faults: Vec<_> = plan.faults.iter().map(|(id, why)| json!({"id": id, "detail": why.to_string()})).collect();
        return context.print_json(&json!({"edits": edits, "unchanged": plan.unchanged, "invalid": faults}));
    }
    for edit in plan.valid.iter().take(SHOWN_MAX) {
        writeln!(context.out, "{}", plain(&edit.letter.handle))?;
        for Change { field, before, after } in &edit.changes {
            let or_absent = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
            writeln!(context.out, "  {}", plain(&format!("{field}: {} -> {}", or_absent(before), or_absent(after))))?;
        }
    }
    if plan.valid.len() > SHOWN_MAX {
        writeln!(context.out, "… and {} more", plan.valid.len() - SHOWN_MAX)?;
    }
    context.out.flush()?;
    writeln!(
        context.err,
        "{} would be edited, {} stay as they are, {} would not be valid; nothing was changed",
        plan.valid.len(),
        plan.unchanged,
        plan.faults.len()
    )?;
    let late = plan.late(now);
    if late > 0 {
        writeln!(context.err, "{late} of them would expire: their deadline has passed")?;
    }
    Ok(())
}

/// Writes what was planned; whether all of it came about.
async fn apply(
    context: &mut Context,
    ledger: &mut dyn Commands,
    inputs: &mut Inputs,
    args: &Args,
    plan: Plan,
) -> anyhow::Result<bool> {
    let (unchanged, invalid) = (plan.unchanged, plan.faults.len());
    let now = context.clock.now();
    let Edited { edited, redriven, changed, late, refused } = plan.apply(ledger, inputs, (args.redrive, now)).await?;
    context.has_acted = true;
    if args.json {
        context.print_json(&json!({
            "edited": edited, "redriven": redriven, "unchanged": unchanged,
            "invalid": invalid + refused.len(), "changed": changed, "would_expire": late,
        }))?;
    } else {
        let redriven = if args.redrive { format!(", {redriven} put back to work") } else { String::new() };
        writeln!(context.err, "{edited} edited{redriven}, {unchanged} stay as they are, {invalid} skipped")?;
    }
    for (handle, why) in &refused {
        writeln!(context.err, "{}", plain(&format!("{handle}: {why}")))?;
    }
    if changed > 0 {
        writeln!(context.err, "{changed} changed since they were selected, and were left alone")?;
    }
    if late > 0 {
        writeln!(context.err, "{late} stay dead: their deadline has passed; edit not_after or the start, too")?;
    }
    if edited > redriven {
        writeln!(context.err, "hint: `paceline dead redrive` queues edited dead letters again")?;
    }
    Ok(invalid + refused.len() + changed + late == 0)
}
