//! `paceline validate`: every fault of files of jobs; nothing is sent or stored.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::batch::{self, BatchArgs, FirstFaults, RowFault};
use super::context::{Context, catalog};
use super::exit::Exit;

/// Find every fault of files of jobs, by line and field; send nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    batch: BatchArgs,
    /// Accept any app, as `run --simulate` does
    #[arg(long)]
    simulate: bool,
    /// Print data for programs, with every fault
    #[arg(long)]
    json: bool,
}

/// Prints the faults; they are the data of this command.
pub fn carry_out(context: &mut Context, args: &Args) -> anyhow::Result<Exit> {
    let settings = context.settings_without_secrets()?;
    let decoder = Arc::new(batch::decoder(&settings, &catalog(&settings)?, args.simulate));
    let sources = args.batch.sources(&decoder)?;
    if !args.simulate && settings.apps.is_empty() {
        writeln!(context.err, "note: the settings have no [apps], so any app is accepted")?;
    }
    let mut faults: Vec<RowFault> = Vec::new();
    let mut first = FirstFaults::default();
    let checked = batch::check(&sources, &decoder, &mut |fault| {
        if args.json {
            faults.push(fault.clone());
        } else {
            first.print(fault, &mut context.out)?;
        }
        Ok(())
    })?;
    if args.json {
        let calls: Vec<_> = checked
            .calls
            .iter()
            .map(|(lane, calls)| json!({"app": lane.app, "tenant": lane.tenant, "method": lane.method, "jobs": calls}))
            .collect();
        context.print_json(&json!({
            "rows": checked.rows,
            "valid": checked.rows - checked.bad_rows,
            "invalid": checked.bad_rows,
            "lanes": calls,
            "faults": faults,
        }))?;
    } else {
        first.print_rest(&mut context.out)?;
        context.out.flush()?;
        writeln!(context.err, "{}", checked.summary())?;
    }
    Ok(if checked.is_valid() { Exit::Success } else { Exit::Unwell })
}
