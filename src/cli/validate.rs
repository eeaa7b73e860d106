//! `paceline validate`: everything that is wrong or looks wrong in files of jobs; nothing is sent or stored.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use crate::domain::rows::Row;
use crate::operations::files::Finding;
use crate::operations::files::plan::Savings;
use crate::wiring;

use super::batch::{self, BatchArgs, Present};
use super::context::Context;
use super::exit::Exit;
use super::findings::Findings;
use super::names::LookUps;
use super::said;

/// Find every fault of files of jobs, and what looks wrong, by line and field; send nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    /// Accept any app, as `run --simulate` does
    #[arg(long)]
    simulate: bool,
    /// Treat warnings as faults: end with 1
    #[arg(long)]
    strict: bool,
    /// Print one object per finding for programs, each on a line of its own
    #[arg(long)]
    json: bool,
}

/// Prints the findings; they are the data of this command.
pub(super) fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let decoder = Arc::new(wiring::decoder(&settings, &wiring::catalog_of(&settings)?, args.simulate));
    let sources = args.batch.sources(&mut context.err, &decoder, &settings, None)?;
    if !args.simulate && settings.apps.is_empty() {
        writeln!(context.err, "note: the settings have no [apps], so any app is accepted")?;
    }
    let mut findings = Findings::default();
    let present = Present::new(Some(context.clock.now()), None).referring_to(wiring::open_untouched(&settings.store)?);
    let mut savings = Savings::default();
    let mut found = |finding: &Finding| {
        if args.json {
            context.print_json(&json!(finding))
        } else {
            findings.add(finding);
            Ok(())
        }
    };
    let mut each = |row: &Row| {
        if let Ok(job) = &row.input {
            savings.add(job, &decoder.catalog);
        }
        Ok(())
    };
    let names = &mut LookUps::leave(&decoder);
    let checked = batch::check_each(&sources, &decoder, (&present, names), &mut found, &mut each)?;
    let language = args.batch.language();
    findings.print(&mut context.out, language)?;
    context.out.flush()?;
    // No findings: nothing is wrong with such rows, and `--strict` has nothing to end with 1 for.
    for saving in savings.end(&decoder.catalog) {
        writeln!(context.err, "note: {saving}")?;
    }
    writeln!(context.err, "{}", said::summary(&checked, language))?;
    let is_well = checked.is_valid() && !(args.strict && checked.warnings > 0);
    Ok(if is_well { Exit::Success } else { Exit::Unwell })
}
